package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/bot/engine"
	state "slipway/bot/run"
	"slipway/integrations/gitlab/forge"
)

// Bounds of the releases whose milestones are looked at again.
const (
	reopenedWithin = 30 * 24 * time.Hour
	reopenedMost   = 5 // ended ones of a project, the newest
)

// shutMilestone is one that a release has closed.
type shutMilestone struct{ run, project, remote, title string }

// reopenedMilestones finds milestones that a release closed and that are open again: people may put
// something into them, which then is in no release.
func reopenedMilestones(ctx context.Context, p *patient) (out []symptom) {
	c := p.gitlab()
	if c == nil {
		return nil
	}
	shut, err := shutMilestones(ctx, p.bot.engine, p.conf, time.Now())
	if err != nil {
		return unread(err)
	}
	for _, m := range shut {
		now, err := forge.NewMilestone(c).Read(ctx, m.remote, m.title)
		if err != nil {
			continue // told by gitlab.project_moved and those before it
		}
		out = append(out, reopened(m, now)...)
	}
	return out
}

func reopened(m shutMilestone, now forge.MilestoneOut) []symptom {
	if !now.Found || now.State != "active" {
		return nil
	}
	return []symptom{{fmt.Sprintf("the milestone %s of %s is open again, and %s has closed it: what is put into it is in no release. %s", m.title, m.project, m.run, now.Told),
		"move what is open in it to the next milestone, and close it again"}}
}

// shutMilestones are those that the live releases and the newest of the ended ones have closed. Private
// runs are left out.
func shutMilestones(ctx context.Context, e *engine.Engine, conf *config, at time.Time) (out []shutMilestone, err error) {
	for _, project := range sortedKeys(conf.GitLab.Projects) {
		for _, past := range []bool{false, true} {
			runs, err := e.Runs(ctx, engine.Filter{Family: "release", Project: project, Past: past, Limit: 1000})
			if err != nil {
				return nil, err
			}
			if past {
				runs = slices.DeleteFunc(runs, func(r engine.Listed) bool { return at.Sub(r.Ended) > reopenedWithin })
				slices.SortFunc(runs, func(a, b engine.Listed) int { return cmp.Or(b.Ended.Compare(a.Ended), strings.Compare(a.ID, b.ID)) })
				runs = runs[:min(reopenedMost, len(runs))]
			}
			for _, r := range runs {
				s, _, err := e.RunState(ctx, r.ID)
				if s == nil && err != nil {
					return nil, err
				}
				if s != nil {
					out = append(out, shutBy(s)...)
				}
			}
		}
	}
	return out, nil
}

// shutBy are the milestones that a run has closed, and did not open again itself.
func shutBy(s *state.State) (out []shutMilestone) {
	for _, path := range sortedKeys(s.Steps) {
		for _, key := range sortedKeys(s.Steps[path].Past) {
			e := s.Steps[path].Past[key]
			var in forge.MilestoneIn
			if !strings.HasPrefix(e.Action, "forge.close_milestone@") || e.Outcome != state.OK || e.Undone || json.Unmarshal(e.Inputs, &in) != nil {
				continue
			}
			out = append(out, shutMilestone{s.Name, s.Project, in.Remote, in.Title})
		}
	}
	return out
}

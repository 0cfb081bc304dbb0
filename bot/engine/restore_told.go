package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"slipway/bot/gate"
	"slipway/bot/people"
	"slipway/bot/run"
)

// toldMost bounds each list of what an operator should look at.
const toldMost = 12

// tellRestored puts the notices of a restore into a commit: every project's main place learns that
// it happened, every admin what to look at. A private run is named only to its circle.
func (e *Engine) tellRestored(ctx context.Context, b *batch, rec *restoreRecord) error {
	const form = "2006-01-02 15:04 UTC"
	key := fmt.Sprint("restored\x00", rec.Epoch)
	head := fmt.Sprintf("The backup was made on %s. What was said, approved and done after that is not known here.\n", rec.Taken.Format(form))
	again := "Nothing is done outside and no gate closes until an operator says `resume effects`. Whoever approved, took an approval back, answered or asked for something since the backup looks again (`mine`) and says it again."
	var places []Place
	for _, name := range e.cfg.Projects.Names() {
		if p, ok := e.cfg.Projects.Project(name); ok && len(p.Places) > 0 && e.cfg.Posters[p.Places[0].Source] != nil && !slices.Contains(places, p.Places[0]) {
			places = append(places, p.Places[0])
		}
	}
	const title = "Slipway was restored from a backup"
	if len(places) > 0 {
		if err := e.putNotice(ctx, b, key, noticeIn{Places: places, Title: title, Text: head + again}); err != nil {
			return err
		}
	}
	w := e.World()
	for _, p := range w.Directory.Persons() {
		if e.cfg.Direct == nil || !w.Directory.IsAdmin(p.ID, people.EveryProject, w.Now) {
			continue
		}
		var own []Place
		for _, place := range e.cfg.Direct(p.ID) {
			if e.cfg.Posters[place.Source] != nil {
				own = append(own, place)
			}
		}
		if len(own) == 0 {
			continue
		}
		pending, open, err := e.lookAt(ctx, p.ID)
		if err != nil {
			return err
		}
		text := head + "Make sure that the Slipway of before never starts again.\n" +
			bulleted("Effects that wait. Each is looked for before it is done, and what cannot be looked for is asked", pending) +
			bulleted("Gates that are open with approvals from before the backup", open) +
			"All leases of signers and builders were taken back. Roles, freezes, absences, subscriptions and links that were changed in chat since the backup are as they were: change them again.\n" +
			"Then: `resume effects`, or, if you know that nothing was done outside since the backup, `resume effects --nothing-lost`."
		if err := e.putNotice(ctx, b, key+"\x00"+string(p.ID), noticeIn{Places: own, Title: title, Text: text}); err != nil {
			return err
		}
	}
	return nil
}

func bulleted(what string, lines []string) string {
	if len(lines) == 0 {
		return what + ": none.\n"
	}
	more := ""
	if len(lines) > toldMost {
		more = fmt.Sprintf("• and %d more\n", len(lines)-toldMost)
		lines = lines[:toldMost]
	}
	return what + ":\n• " + strings.Join(lines, "\n• ") + "\n" + more
}

// lookAt lists what an operator should look at after a restore, as far as the viewer may know of it.
func (e *Engine) lookAt(ctx context.Context, viewer people.PersonID) (pending, open []string, err error) {
	name := func(l *live) string {
		if l.raw == nil || !visible(*l.name, viewer) {
			return run.PrivateRun
		}
		return l.name.Name
	}
	effects, err := e.Effects(ctx, "", 1000)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range effects {
		if p.Run == "" || tells(p.Action) {
			continue
		}
		l, err := e.load(ctx, p.Run)
		if err != nil {
			return nil, nil, err
		}
		line := name(l)
		if line != run.PrivateRun {
			line += ": " + p.Step + " (" + p.Action + ")"
		}
		if !slices.Contains(pending, line) {
			pending = append(pending, line)
		}
	}
	var runs []string
	err = e.cfg.Store.Scan(ctx, spAwaits, "", "", false, func(k string, _ []byte) bool {
		if parts := splitID(k); len(parts) >= 4 && !slices.Contains(runs, parts[2]) {
			runs = append(runs, parts[2])
		}
		return len(runs) < 1000
	})
	for _, runID := range runs {
		if err != nil {
			return nil, nil, err
		}
		var l *live
		if l, err = e.load(ctx, runID); err != nil {
			continue
		}
		for path, st := range l.state.Steps {
			if st.Gate == nil || st.Gate.Verdict != nil || st.Gate.Digest == "" || len(st.Gate.Votes) == 0 {
				continue
			}
			line := name(l)
			if line != run.PrivateRun {
				line += " " + path + ": " + approvers(st.Gate.Votes)
			}
			open = append(open, line)
		}
	}
	slices.Sort(open)
	return pending, open, err
}

func approvers(votes []gate.Vote) string {
	var who []string
	for _, v := range votes {
		if name := string(v.Person); v.Kind == gate.Approve && name != "" && !slices.Contains(who, name) {
			who = append(who, name)
		}
	}
	if len(who) == 0 {
		return "none counts"
	}
	return strings.Join(who, ", ")
}

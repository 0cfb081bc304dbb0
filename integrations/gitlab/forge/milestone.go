package forge

import (
	"context"
	"fmt"

	"slipway/bot/action"
	"slipway/integrations/gitlab"
)

// listedItems bounds what the output lists; the count is whole.
const listedItems = 50

// Milestone is forge.milestone@1: how a milestone stands. Policy: read.
type Milestone struct{ c *gitlab.Client }

// MilestoneIn names a milestone.
type MilestoneIn struct {
	Remote string `cel:"remote" json:"remote" doc:"address of the repository"`
	Title  string `cel:"title" json:"title" doc:"of the milestone"`
}

// MilestoneOut is how it stands.
type MilestoneOut struct {
	Found bool     `cel:"found" json:"found" doc:"there is a milestone of this title"`
	ID    int      `cel:"id" json:"id" doc:"its number; 0 when there is none"`
	State string   `cel:"state" json:"state" enum:"active,closed," doc:"empty when there is none"`
	Group bool     `cel:"group" json:"group" doc:"it belongs to a group of projects, which the bot does not close"`
	Open  int      `cel:"open" json:"open" doc:"open issues and merge requests of this project in it"`
	Items []string `cel:"items" json:"items" doc:"the first 50 of these, in words"`
	Told  string   `cel:"told" json:"told" doc:"how it stands, in a line"`
	URL   string   `cel:"url" json:"url" doc:"its page"`
}

// NewMilestone makes forge.milestone@1.
func NewMilestone(c *gitlab.Client) Milestone { return Milestone{c} }

// Read is Do, for whoever looks without a run.
func (a Milestone) Read(ctx context.Context, remote, title string) (MilestoneOut, error) {
	return a.Do(ctx, action.Key{}, MilestoneIn{Remote: remote, Title: title})
}

// Contract of forge.milestone@1.
func (Milestone) Contract() action.Contract {
	return action.Contract{ByHand: milestoneByHand, Name: "forge.milestone", Version: 1, Policy: action.Read, Watched: true,
		Doc: "Reads how a milestone stands, and what is open in it.", Classes: []string{"conflict"},
		Shell: "look at the page of the milestone"}
}

// Probe has nothing to look for: a read is done anew each time.
func (Milestone) Probe(context.Context, action.Key, MilestoneIn) (MilestoneOut, bool, error) {
	return MilestoneOut{}, false, nil
}

// Do reads. A milestone that is not there is an answer; two of one title are an error of kind Conflict.
func (a Milestone) Do(ctx context.Context, _ action.Key, in MilestoneIn) (MilestoneOut, error) {
	p, err := open(ctx, a.c, "forge.milestone", in.Remote)
	if err != nil {
		return MilestoneOut{}, err
	}
	m, err := p.milestone(ctx, in.Title)
	if err != nil {
		return MilestoneOut{}, err
	}
	if m == nil {
		return MilestoneOut{Items: []string{}, Told: "there is no milestone " + in.Title + "; make it in GitLab"}, nil
	}
	items, err := p.opened(ctx, m)
	if err != nil {
		return MilestoneOut{}, err
	}
	out := MilestoneOut{Found: true, ID: m.ID, State: m.State, Group: ofGroup(m), Open: len(items), Items: []string{}, URL: address(m.WebURL)}
	for _, i := range items[:min(listedItems, len(items))] {
		out.Items = append(out.Items, i.String())
	}
	subject := "the milestone " + in.Title
	if out.Group {
		subject += " of the group"
	}
	switch {
	case m.State == "closed" && len(items) == 0:
		out.Told = subject + " is closed"
	case m.State == "closed":
		out.Told = fmt.Sprintf("%s is closed, with %d open in it: %s", subject, len(items), few(items, 5))
	case len(items) == 0:
		out.Told = "nothing is open in " + subject
	default:
		out.Told = fmt.Sprintf("%d open in %s: %s", len(items), subject, few(items, 5))
	}
	return out, nil
}

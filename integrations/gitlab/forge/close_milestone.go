package forge

import (
	"context"

	gogitlab "github.com/xanzy/go-gitlab"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/integrations/gitlab"
)

// CloseMilestone is forge.close_milestone@1. Policy: conditional: only a milestone that is active and
// has nothing open is closed, and one that is closed stays so.
type CloseMilestone struct{ c *gitlab.Client }

// MilestoneState is how a milestone stands after it was closed or opened.
type MilestoneState struct {
	State string `cel:"state" json:"state" enum:"active,closed"`
	URL   string `cel:"url" json:"url" doc:"its page"`
}

// Contract of forge.close_milestone@1.
func (CloseMilestone) Contract() action.Contract {
	return action.Contract{ByHand: closeByHand, Name: "forge.close_milestone", Version: 1, Policy: action.Conditional,
		Doc:  "Closes a milestone in which nothing is open.",
		Undo: "forge.open_milestone@1", UndoIn: map[string]string{"remote": "in.remote", "title": "in.title"},
		Classes: []string{"conflict", "not found"}, Shell: "close the milestone on its page"}
}

// Probe reports a milestone that is closed, whoever closed it: GitLab does not say who did.
func (a CloseMilestone) Probe(ctx context.Context, _ action.Key, in MilestoneIn) (MilestoneState, bool, error) {
	return probeMilestone(ctx, a.c, "forge.close_milestone", in, "closed")
}

// Do closes. It returns an error of kind Conflict when something is open in the milestone, naming it,
// or when the milestone is a group's: closing that would close it for other projects too.
func (a CloseMilestone) Do(ctx context.Context, _ action.Key, in MilestoneIn) (MilestoneState, error) {
	p, err := open(ctx, a.c, "forge.close_milestone", in.Remote)
	if err != nil {
		return MilestoneState{}, err
	}
	m, err := p.own(ctx, in.Title)
	if err != nil {
		return MilestoneState{}, err
	}
	items, err := p.opened(ctx, m)
	if err != nil {
		return MilestoneState{}, err
	}
	if len(items) > 0 {
		return MilestoneState{}, p.bad(errs.Conflict, "%d open in the milestone %s: %s", len(items), in.Title, few(items, 5)).
			Hint("close them, or move them to the next milestone")
	}
	return p.turn(ctx, m, "close", "closed")
}

// OpenMilestone is forge.open_milestone@1: it opens a closed milestone again. Policy: conditional.
type OpenMilestone struct{ c *gitlab.Client }

// Contract of forge.open_milestone@1.
func (OpenMilestone) Contract() action.Contract {
	return action.Contract{ByHand: openByHand, Name: "forge.open_milestone", Version: 1, Policy: action.Conditional,
		Doc:  "Opens a closed milestone again.",
		Undo: "forge.close_milestone@1", UndoIn: map[string]string{"remote": "in.remote", "title": "in.title"},
		Classes: []string{"conflict", "not found"}, Shell: "reopen the milestone on its page"}
}

// Probe reports a milestone that is active.
func (a OpenMilestone) Probe(ctx context.Context, _ action.Key, in MilestoneIn) (MilestoneState, bool, error) {
	return probeMilestone(ctx, a.c, "forge.open_milestone", in, "active")
}

// Do opens it, unless it is open.
func (a OpenMilestone) Do(ctx context.Context, _ action.Key, in MilestoneIn) (MilestoneState, error) {
	p, err := open(ctx, a.c, "forge.open_milestone", in.Remote)
	if err != nil {
		return MilestoneState{}, err
	}
	m, err := p.own(ctx, in.Title)
	if err != nil {
		return MilestoneState{}, err
	}
	return p.turn(ctx, m, "activate", "active")
}

func probeMilestone(ctx context.Context, c *gitlab.Client, op string, in MilestoneIn, state string) (MilestoneState, bool, error) {
	p, err := open(ctx, c, op, in.Remote)
	if err != nil {
		return MilestoneState{}, false, err
	}
	m, err := p.own(ctx, in.Title)
	if err != nil || m.State != state {
		return MilestoneState{}, false, err
	}
	return MilestoneState{State: state, URL: address(m.WebURL)}, true, nil
}

// own is a milestone that must be there, and be the project's own.
func (p project) own(ctx context.Context, title string) (*gogitlab.Milestone, error) {
	m, err := p.needed(ctx, title)
	if err != nil || !ofGroup(m) {
		return m, err
	}
	return nil, p.bad(errs.Conflict, "the milestone %s belongs to the group, and other projects use it: %s", title, address(m.WebURL)).
		Hint("let its owners change it on its page, or make a milestone of the project under another title")
}

// turn brings a milestone into a state.
func (p project) turn(ctx context.Context, m *gogitlab.Milestone, event, state string) (MilestoneState, error) {
	out := MilestoneState{State: state, URL: address(m.WebURL)}
	if m.State == state {
		return out, nil
	}
	got, resp, err := p.api.Milestones.UpdateMilestone(p.pid, m.ID, &gogitlab.UpdateMilestoneOptions{StateEvent: &event}, gogitlab.WithContext(ctx))
	if err != nil {
		return MilestoneState{}, p.wrote(resp, err)
	}
	if got.State != state {
		return MilestoneState{}, p.bad(errs.Conflict, "GitLab took the request, and the milestone %s is still %s", quote(m.Title), quote(got.State)).
			Hint("look at its page")
	}
	return out, nil
}

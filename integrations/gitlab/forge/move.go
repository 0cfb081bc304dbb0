package forge

import (
	"context"
	"regexp"
	"slices"
	"strconv"

	gogitlab "github.com/xanzy/go-gitlab"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/integrations/gitlab"
)

// MoveOpen is forge.move_open@1: what is open in a milestone gets the next one. Policy: conditional:
// only what still is in the old milestone is moved, so that a repeat goes on where the last try ended.
type MoveOpen struct{ c *gitlab.Client }

// MoveIn says from where to where.
type MoveIn struct {
	Remote string `cel:"remote" json:"remote" doc:"address of the repository"`
	From   string `cel:"from" json:"from" doc:"title of the milestone"`
	To     string `cel:"to" json:"to" doc:"title of the next one"`
	Create bool   `cel:"create,optional" json:"create,omitempty" doc:"make the next one if it is not there"`
}

// MoveOut is what was moved.
type MoveOut struct {
	Moved []string `cel:"moved" json:"moved" doc:"what was moved, such as !12 and #7; after an answer that was lost, only what this try knows of"`
}

// Contract of forge.move_open@1.
func (MoveOpen) Contract() action.Contract {
	return action.Contract{ByHand: moveByHand, Name: "forge.move_open", Version: 1, Policy: action.Conditional, Timeout: moveTimeout,
		Doc:  "Gives the open issues and merge requests of a milestone the next one.",
		Undo: "forge.move_items@1", UndoIn: map[string]string{"remote": "in.remote", "from": "in.to", "to": "in.from", "items": "out.moved"},
		Classes: []string{"conflict", "not found"}, Shell: "give each open issue and merge request of the milestone the next one, on its page"}
}

// Probe reports that nothing is open in the old milestone, and that there is a next one.
func (a MoveOpen) Probe(ctx context.Context, _ action.Key, in MoveIn) (MoveOut, bool, error) {
	p, from, to, err := a.ends(ctx, in)
	if err != nil || to == nil {
		return MoveOut{}, false, err
	}
	items, err := p.opened(ctx, from)
	if err != nil || len(items) > 0 {
		return MoveOut{}, false, err
	}
	return MoveOut{Moved: []string{}}, true, nil
}

// Do moves. A next milestone that is closed is an error of kind Conflict; one that is not there is of
// kind NotFound, unless it is to be made.
func (a MoveOpen) Do(ctx context.Context, _ action.Key, in MoveIn) (MoveOut, error) {
	p, from, to, err := a.ends(ctx, in)
	if err != nil {
		return MoveOut{}, err
	}
	if to, err = p.next(ctx, to, in.To, in.Create); err != nil {
		return MoveOut{}, err
	}
	items, err := p.opened(ctx, from)
	if err != nil {
		return MoveOut{}, err
	}
	return p.move(ctx, items, to)
}

// next is the milestone to move to, which is made when it may be.
func (p project) next(ctx context.Context, to *gogitlab.Milestone, title string, create bool) (*gogitlab.Milestone, error) {
	if to != nil {
		return to, nil
	}
	if !create {
		return nil, p.bad(errs.NotFound, "GitLab has no milestone %s to move to", title).Hint("make it on the milestones page, or let it be made with create: true")
	}
	made, resp, err := p.api.Milestones.CreateMilestone(p.pid, &gogitlab.CreateMilestoneOptions{Title: &title}, gogitlab.WithContext(ctx))
	if err = p.wrote(resp, err); errs.Is(err, errs.Invalid) || errs.Is(err, errs.Conflict) {
		// GitLab says so of a title that is taken: an earlier try that had no answer may have come through just now.
		if now, failed := p.milestone(ctx, title); failed == nil && now != nil && now.State == "active" {
			return now, nil
		}
	}
	if err != nil {
		return nil, err
	}
	if made.ID <= 0 {
		return nil, p.bad(errs.Doubtful, "GitLab took the milestone, and does not say its number").Hint("it is looked for")
	}
	return made, nil
}

func (a MoveOpen) ends(ctx context.Context, in MoveIn) (p project, from, to *gogitlab.Milestone, err error) {
	if p, err = open(ctx, a.c, "forge.move_open", in.Remote); err != nil {
		return p, nil, nil, err
	}
	from, to, err = p.ends(ctx, in.From, in.To)
	return p, from, to, err
}

// ends are the two milestones of a move; to is nil when there is none.
func (p project) ends(ctx context.Context, old, next string) (from, to *gogitlab.Milestone, err error) {
	if old == next {
		return nil, nil, invalid(p.op, "name another milestone", "the milestone to move to is the same, %s", quote(old))
	}
	if from, err = p.needed(ctx, old); err != nil {
		return nil, nil, err
	}
	if to, err = p.milestone(ctx, next); err != nil || to == nil {
		return from, nil, err
	}
	if to.State != "active" {
		return nil, nil, p.bad(errs.Conflict, "the milestone %s is closed", next).Hint("reopen it on its page, or name another one")
	}
	return from, to, nil
}

// move gives items a milestone, one after the other.
func (p project) move(ctx context.Context, items []item, to *gogitlab.Milestone) (MoveOut, error) {
	out := MoveOut{Moved: []string{}}
	for _, i := range items {
		now := 0
		if i.merge {
			got, resp, err := p.api.MergeRequests.UpdateMergeRequest(p.pid, i.iid, &gogitlab.UpdateMergeRequestOptions{MilestoneID: &to.ID}, gogitlab.WithContext(ctx))
			if err != nil {
				return MoveOut{}, p.wrote(resp, err)
			}
			now = idOf(got.Milestone)
		} else {
			got, resp, err := p.api.Issues.UpdateIssue(p.pid, i.iid, &gogitlab.UpdateIssueOptions{MilestoneID: &to.ID}, gogitlab.WithContext(ctx))
			if err != nil {
				return MoveOut{}, p.wrote(resp, err)
			}
			now = idOf(got.Milestone)
		}
		if now != to.ID { // GitLab leaves out in silence what somebody may not change
			return MoveOut{}, p.bad(errs.Denied, "GitLab did not give %s the milestone %s", i.ref(), to.Title).
				Hint("give the bot's account the role of a reporter or a higher one in the project")
		}
		out.Moved = append(out.Moved, i.ref())
	}
	return out, nil
}

func idOf(m *gogitlab.Milestone) int {
	if m == nil {
		return 0
	}
	return m.ID
}

// MoveItems is forge.move_items@1: exactly these issues and merge requests get another milestone, as
// far as they are open and still have the old one: what was done meanwhile was done for that. Policy:
// conditional.
type MoveItems struct{ c *gitlab.Client }

// MoveItemsIn names them.
type MoveItemsIn struct {
	Remote string   `cel:"remote" json:"remote" doc:"address of the repository"`
	From   string   `cel:"from" json:"from" doc:"title of the milestone that they have"`
	To     string   `cel:"to" json:"to" doc:"title of the one that they get"`
	Items  []string `cel:"items" json:"items" doc:"such as !12 and #7; what follows a space is not read"`
	Create bool     `cel:"create,optional" json:"create,omitempty" doc:"make the one that they get if it is not there"`
}

// Contract of forge.move_items@1.
func (MoveItems) Contract() action.Contract {
	return action.Contract{ByHand: moveItemsByHand, Name: "forge.move_items", Version: 1, Policy: action.Conditional, Timeout: moveTimeout,
		Doc:  "Gives named issues and merge requests another milestone, as far as they are open and still have the old one.",
		Undo: "forge.move_items@1", UndoIn: map[string]string{"remote": "in.remote", "from": "in.to", "to": "in.from", "items": "out.moved"},
		Classes: []string{"conflict", "not found"}, Shell: "give each of them the other milestone, on its page"}
}

// Probe reports that none of them is open in the old milestone, and which are in the new one.
func (a MoveItems) Probe(ctx context.Context, _ action.Key, in MoveItemsIn) (MoveOut, bool, error) {
	_, to, left, there, err := a.look(ctx, in)
	if err != nil || to == nil || len(left) > 0 {
		return MoveOut{}, false, err
	}
	return MoveOut{Moved: there}, true, nil
}

// Do moves those that are left; the others are somebody else's decision. One that GitLab does not have
// is an error of kind NotFound.
func (a MoveItems) Do(ctx context.Context, _ action.Key, in MoveItemsIn) (MoveOut, error) {
	p, to, left, there, err := a.look(ctx, in)
	if err != nil {
		return MoveOut{}, err
	}
	if to, err = p.next(ctx, to, in.To, in.Create); err != nil {
		return MoveOut{}, err
	}
	out, err := p.move(ctx, left, to)
	if err != nil {
		return MoveOut{}, err
	}
	out.Moved = append(there, out.Moved...)
	return out, nil
}

// itemForm is an issue or a merge request as texts name it.
var itemForm = regexp.MustCompile(`^([!#])([1-9][0-9]{0,8})(?:$| )`)

// parseItems reads names of issues and merge requests.
func parseItems(op string, names []string) ([]item, error) {
	if len(names) > maxItems {
		return nil, invalid(op, "move them in parts", "%d issues and merge requests are named; at most %d are moved", len(names), maxItems)
	}
	var items []item
	for _, n := range names {
		m := itemForm.FindStringSubmatch(n)
		if m == nil {
			return nil, invalid(op, "write !12 for a merge request and #7 for an issue", "%s names neither an issue nor a merge request", quote(n))
		}
		iid, err := strconv.Atoi(m[2])
		if err != nil {
			return nil, invalid(op, "write !12 for a merge request and #7 for an issue", "%s has no number", quote(n))
		}
		one := item{iid: iid, merge: m[1] == "!"}
		if !slices.Contains(items, one) {
			items = append(items, one)
		}
	}
	return items, nil
}

// look finds which of the items are open in the old milestone, and which are in the new one; to is nil
// when that is not there.
func (a MoveItems) look(ctx context.Context, in MoveItemsIn) (p project, to *gogitlab.Milestone, left []item, there []string, err error) {
	there = []string{}
	if p, err = open(ctx, a.c, "forge.move_items", in.Remote); err != nil {
		return p, nil, nil, nil, err
	}
	items, err := parseItems(p.op, in.Items)
	if err != nil {
		return p, nil, nil, nil, err
	}
	from, to, err := p.ends(ctx, in.From, in.To)
	if err != nil {
		return p, nil, nil, nil, err
	}
	for _, i := range items {
		var has *gogitlab.Milestone
		var state string
		var resp *gogitlab.Response
		if i.merge {
			var got *gogitlab.MergeRequest
			if got, resp, err = p.api.MergeRequests.GetMergeRequest(p.pid, i.iid, nil, gogitlab.WithContext(ctx)); err == nil {
				has, state = got.Milestone, got.State
			}
		} else {
			var got *gogitlab.Issue
			if got, resp, err = p.api.Issues.GetIssue(p.pid, i.iid, gogitlab.WithContext(ctx)); err == nil {
				has, state = got.Milestone, got.State
			}
		}
		switch {
		case gone(resp, err):
			return p, nil, nil, nil, p.bad(errs.NotFound, "GitLab has no %s in %s, or does not show it to the bot", i.ref(), p.web).
				Hint("look whether it was deleted or moved to another project, and leave it out")
		case err != nil:
			return p, nil, nil, nil, p.read(resp, err)
		}
		switch id := idOf(has); {
		case id == 0: // somebody took it out
		case id == from.ID && state != "closed" && state != "merged":
			left = append(left, i)
		case id == idOf(to):
			there = append(there, i.ref())
		}
	}
	return p, to, left, there, nil
}

package forge

import (
	"context"
	"slices"
	"strings"

	gogitlab "github.com/xanzy/go-gitlab"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/integrations/gitlab"
)

// maxLooked bounds how many of the bot's own issues are looked through, newest first.
const maxLooked = 1000

// Issue is forge.issue@1: it opens an issue. Policy: lookup: the issue ends with a mark that holds the
// effect's key, and is looked for among the bot's own before it is opened again.
type Issue struct{ c *gitlab.Client }

// IssueIn is an issue.
type IssueIn struct {
	Remote       string   `cel:"remote" json:"remote" doc:"address of the repository"`
	Title        string   `cel:"title" json:"title"`
	Body         string   `cel:"body" json:"body" doc:"in Markdown"`
	Labels       []string `cel:"labels,optional" json:"labels,omitempty" doc:"those that are not there are made"`
	Confidential bool     `cel:"confidential,optional" json:"confidential,omitempty" doc:"only members of the project see it"`
}

// IssueOut names it.
type IssueOut struct {
	IID int    `cel:"iid" json:"iid" doc:"its number: 7 for #7"`
	URL string `cel:"url" json:"url" doc:"its page"`
}

// Contract of forge.issue@1.
func (Issue) Contract() action.Contract {
	return action.Contract{ByHand: issueByHand, Name: "forge.issue", Version: 1, Policy: action.Lookup, Settle: settle,
		Doc:  "Opens an issue.",
		Undo: "forge.close_issue@1", UndoIn: map[string]string{"remote": "in.remote", "iid": "out.iid"},
		Shell: "open an issue with this title and text"}
}

func (in IssueIn) check() error {
	const op = "forge.issue"
	if err := checkLine(op, "title", in.Title); err != nil {
		return err
	}
	for _, l := range in.Labels {
		if err := checkLine(op, "label", l); err != nil {
			return err
		}
		if strings.Contains(l, ",") {
			return invalid(op, "write two labels as two", "the label %s has a comma", quote(l))
		}
	}
	return checkText(op, "text of the issue", in.Body)
}

// Probe looks for the issue among those that the bot's account opened.
func (a Issue) Probe(ctx context.Context, key action.Key, in IssueIn) (IssueOut, bool, error) {
	p, err := a.open(ctx, in)
	if err != nil {
		return IssueOut{}, false, err
	}
	me, err := p.c.Me(ctx)
	if err != nil {
		return IssueOut{}, false, err
	}
	scope, order, down := "all", "created_at", "desc"
	var found *gogitlab.Issue
	seen := 0
	err = gitlab.Each(ctx, p.op, maxLooked+1, func(page gogitlab.ListOptions, with gogitlab.RequestOptionFunc) ([]*gogitlab.Issue, *gogitlab.Response, error) {
		return p.api.Issues.ListProjectIssues(p.pid, &gogitlab.ListProjectIssuesOptions{ListOptions: page, Scope: &scope, AuthorID: &me.ID, OrderBy: &order, Sort: &down}, with)
	}, func(i *gogitlab.Issue) bool {
		if i != nil && i.Author != nil && i.Author.ID == me.ID && i.IID > 0 {
			if k, _, marked := gitlab.MarkOf(i.Description); marked && k == key.String() {
				found = i
			}
		}
		seen++
		return found == nil && seen < maxLooked
	})
	if err != nil || found == nil {
		return IssueOut{}, false, err
	}
	return IssueOut{IID: found.IID, URL: address(found.WebURL)}, true, nil
}

func (a Issue) open(ctx context.Context, in IssueIn) (project, error) {
	if err := in.check(); err != nil {
		return project{}, err
	}
	return open(ctx, a.c, "forge.issue", in.Remote)
}

// Do opens it.
func (a Issue) Do(ctx context.Context, key action.Key, in IssueIn) (IssueOut, error) {
	p, err := a.open(ctx, in)
	if err != nil {
		return IssueOut{}, err
	}
	body := gitlab.WithMark(in.Body, key.String())
	opt := &gogitlab.CreateIssueOptions{Title: &in.Title, Description: &body}
	if len(in.Labels) > 0 {
		labels := gogitlab.LabelOptions(slices.Clone(in.Labels))
		opt.Labels = &labels
	}
	if in.Confidential {
		opt.Confidential = &in.Confidential
	}
	got, resp, err := p.api.Issues.CreateIssue(p.pid, opt, gogitlab.WithContext(ctx))
	if err != nil {
		return IssueOut{}, p.wrote(resp, err)
	}
	if got.IID <= 0 {
		return IssueOut{}, p.bad(errs.Doubtful, "GitLab took the issue, and does not say its number").Hint("it is looked for")
	}
	return IssueOut{IID: got.IID, URL: address(got.WebURL)}, nil
}

// CloseIssue is forge.close_issue@1. Policy: conditional: one that is closed stays so.
type CloseIssue struct{ c *gitlab.Client }

// CloseIssueIn names an issue.
type CloseIssueIn struct {
	Remote string `cel:"remote" json:"remote" doc:"address of the repository"`
	IID    int    `cel:"iid" json:"iid" doc:"its number: 7 for #7"`
}

// ItemState is how an issue or a merge request stands after it was closed.
type ItemState struct {
	State string `cel:"state" json:"state"`
	URL   string `cel:"url" json:"url" doc:"its page"`
}

// Contract of forge.close_issue@1.
func (CloseIssue) Contract() action.Contract {
	return action.Contract{ByHand: closeIssueByHand, Name: "forge.close_issue", Version: 1, Policy: action.Conditional,
		Doc: "Closes an issue.", Classes: []string{"not found"}, Shell: "close the issue on its page"}
}

func (a CloseIssue) look(ctx context.Context, in CloseIssueIn) (project, *gogitlab.Issue, error) {
	const op = "forge.close_issue"
	if in.IID <= 0 {
		return project{}, nil, invalid(op, "give the number that its page shows: 7 for #7", "%d is not the number of an issue", in.IID)
	}
	p, err := open(ctx, a.c, op, in.Remote)
	if err != nil {
		return p, nil, err
	}
	i, resp, err := p.api.Issues.GetIssue(p.pid, in.IID, gogitlab.WithContext(ctx))
	switch {
	case gone(resp, err):
		return p, nil, p.bad(errs.NotFound, "GitLab has no issue #%d in %s", in.IID, p.web).Hint("look whether it was deleted or moved, and give its number")
	case err != nil:
		return p, nil, p.read(resp, err)
	case i.IID != in.IID:
		return p, nil, p.odd(item{iid: in.IID}.ref())
	}
	return p, i, nil
}

// Probe reports an issue that is closed.
func (a CloseIssue) Probe(ctx context.Context, _ action.Key, in CloseIssueIn) (ItemState, bool, error) {
	_, i, err := a.look(ctx, in)
	if err != nil || i.State != "closed" {
		return ItemState{}, false, err
	}
	return ItemState{State: i.State, URL: address(i.WebURL)}, true, nil
}

// Do closes it, unless it is closed.
func (a CloseIssue) Do(ctx context.Context, _ action.Key, in CloseIssueIn) (ItemState, error) {
	p, i, err := a.look(ctx, in)
	if err != nil {
		return ItemState{}, err
	}
	if i.State != "closed" {
		event := "close"
		var resp *gogitlab.Response
		if i, resp, err = p.api.Issues.UpdateIssue(p.pid, in.IID, &gogitlab.UpdateIssueOptions{StateEvent: &event}, gogitlab.WithContext(ctx)); err != nil {
			return ItemState{}, p.wrote(resp, err)
		}
		if i.State != "closed" {
			return ItemState{}, p.bad(errs.Denied, "GitLab did not close #%d", in.IID).Hint("give the bot's account the role of a reporter or a higher one in the project")
		}
	}
	return ItemState{State: i.State, URL: address(i.WebURL)}, nil
}

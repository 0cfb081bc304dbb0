package forge

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	gogitlab "github.com/xanzy/go-gitlab"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/integrations/gitlab"
)

// reserved are titles that GitLab takes for a filter in place of a name (Issues API, "milestone").
var reserved = regexp.MustCompile(`(?i)^(none|any|#?upcoming|#?started|no milestone|any milestone)$`)

func checkMilestone(op, title string) error {
	if err := checkLine(op, "milestone", title); err != nil {
		return err
	}
	if reserved.MatchString(title) {
		return invalid(op, "give the milestone another title", "GitLab does not take %s for the title of a milestone", quote(title))
	}
	return nil
}

// milestone finds a milestone by its title, among those of the project and of the groups above it; nil
// when there is none. More than one is an error of kind Conflict.
func (p project) milestone(ctx context.Context, title string) (*gogitlab.Milestone, error) {
	if err := checkMilestone(p.op, title); err != nil {
		return nil, err
	}
	type filter struct {
		gogitlab.ListOptions
		Title     string `url:"title"`
		Ancestors bool   `url:"include_ancestors"`
	}
	all, err := gitlab.All(ctx, p.op, maxItems, func(page gogitlab.ListOptions, with gogitlab.RequestOptionFunc) ([]*gogitlab.Milestone, *gogitlab.Response, error) {
		var list []*gogitlab.Milestone
		req, err := p.api.NewRequest("GET", fmt.Sprintf("projects/%d/milestones", p.pid), filter{page, title, true}, []gogitlab.RequestOptionFunc{with})
		if err != nil {
			return nil, nil, err
		}
		resp, err := p.api.Do(req, &list)
		return list, resp, err
	})
	if err != nil {
		return nil, err
	}
	var found []*gogitlab.Milestone
	for _, m := range all {
		if m != nil && m.Title == title && !slices.ContainsFunc(found, func(o *gogitlab.Milestone) bool { return o.ID == m.ID }) {
			found = append(found, m)
		}
	}
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		if m := found[0]; m.ID <= 0 || m.State != "active" && m.State != "closed" {
			return nil, p.odd("the milestone " + quote(title))
		}
		return found[0], nil
	}
	var where []string
	for _, m := range found {
		where = append(where, address(m.WebURL))
	}
	return nil, p.bad(errs.Conflict, "there are %d milestones with the title %s: %s", len(found), title, strings.Join(where, " and ")).
		Hint("give all but one of them another title")
}

// needed is [project.milestone] for one that must be there.
func (p project) needed(ctx context.Context, title string) (*gogitlab.Milestone, error) {
	m, err := p.milestone(ctx, title)
	if err == nil && m == nil {
		return nil, p.bad(errs.NotFound, "GitLab has no milestone %s", title).Hint("make it on the milestones page of the project, or look whether it was given another title")
	}
	return m, err
}

// ofGroup reports whether a milestone belongs to a group of projects.
func ofGroup(m *gogitlab.Milestone) bool { return m.ProjectID == 0 }

// item is an open issue or merge request of a milestone.
type item struct {
	iid    int
	merge  bool
	title  string
	author string
}

// ref is how GitLab names it in texts: !12 or #7.
func (i item) ref() string {
	if i.merge {
		return fmt.Sprintf("!%d", i.iid)
	}
	return fmt.Sprintf("#%d", i.iid)
}

func (i item) String() string { return fmt.Sprintf("%s %s (%s)", i.ref(), i.title, i.author) }

// opened are the open issues and merge requests of this project in a milestone, merge requests first.
func (p project) opened(ctx context.Context, m *gogitlab.Milestone) ([]item, error) {
	state, scope, order, up := "opened", "all", "created_at", "asc"
	in := func(of *gogitlab.Milestone) bool { return of != nil && of.ID == m.ID }
	var merges []*gogitlab.MergeRequest
	for _, s := range []string{"opened", "locked"} { // locked: it is being merged, and not in yet
		list, err := gitlab.All(ctx, p.op, maxItems, func(page gogitlab.ListOptions, with gogitlab.RequestOptionFunc) ([]*gogitlab.MergeRequest, *gogitlab.Response, error) {
			return p.api.MergeRequests.ListProjectMergeRequests(p.pid, &gogitlab.ListProjectMergeRequestsOptions{ListOptions: page,
				State: &s, Scope: &scope, Milestone: &m.Title, OrderBy: &order, Sort: &up}, with)
		})
		if err != nil {
			return nil, err
		}
		merges = append(merges, list...)
	}
	issues, err := gitlab.All(ctx, p.op, maxItems, func(page gogitlab.ListOptions, with gogitlab.RequestOptionFunc) ([]*gogitlab.Issue, *gogitlab.Response, error) {
		return p.api.Issues.ListProjectIssues(p.pid, &gogitlab.ListProjectIssuesOptions{ListOptions: page,
			State: &state, Scope: &scope, Milestone: &m.Title, OrderBy: &order, Sort: &up}, with)
	})
	if err != nil {
		return nil, err
	}
	var items []item
	for _, r := range merges {
		if r != nil && (r.State == "opened" || r.State == "locked") && r.IID > 0 && in(r.Milestone) {
			items = append(items, item{iid: r.IID, merge: true, title: card.Line(r.Title, shownTitle), author: name(r.Author)})
		}
	}
	for _, i := range issues {
		if i == nil || i.State != "opened" || i.IID <= 0 || !in(i.Milestone) {
			continue
		}
		one := item{iid: i.IID, title: card.Line(i.Title, shownTitle), author: "somebody"}
		if i.Author != nil {
			one.author = card.Line(i.Author.Username, 60)
		}
		if i.Confidential { // a card is read by more people than the issue
			one.title, one.author = "a confidential issue", "not shown"
		}
		items = append(items, one)
	}
	slices.SortFunc(items, func(a, b item) int {
		if a.merge != b.merge {
			if a.merge {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.iid, b.iid)
	})
	return slices.CompactFunc(items, func(a, b item) bool { return a.merge == b.merge && a.iid == b.iid }), nil
}

// few names items in a sentence: the first n, and how many more there are.
func few(items []item, n int) string {
	var words []string
	for _, i := range items[:min(n, len(items))] {
		words = append(words, i.String())
	}
	if more := len(items) - n; more > 0 {
		words = append(words, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(words, ", ")
}

// address is an address that GitLab gives, for people to open.
func address(url string) string {
	if !strings.HasPrefix(url, "https://") && !strings.HasPrefix(url, "http://") || strings.ContainsAny(url, " <>\"`") {
		return ""
	}
	return card.Line(url, 1000)
}

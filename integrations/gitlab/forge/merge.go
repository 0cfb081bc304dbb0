package forge

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	gogitlab "github.com/xanzy/go-gitlab"

	"slipway/bot/action"
	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/integrations/gitlab"
)

// MergeRequest is forge.merge_request@1: how a merge request stands. Policy: read.
type MergeRequest struct{ c *gitlab.Client }

// MergeRequestIn names a merge request.
type MergeRequestIn struct {
	Remote string `cel:"remote" json:"remote" doc:"address of the repository that it goes into"`
	IID    int    `cel:"iid" json:"iid" doc:"its number: 12 for !12"`
}

// MergeRequestOut is how it stands.
type MergeRequestOut struct {
	State         string   `cel:"state" json:"state" enum:"opened,closed,merged,locked" doc:"locked while it is being merged"`
	SHA           string   `cel:"sha" json:"sha" doc:"the newest commit of its branch"`
	Approved      bool     `cel:"approved" json:"approved" doc:"it has all approvals that its project asks for"`
	ApprovalsLeft int      `cel:"approvals_left" json:"approvals_left"`
	ApprovedBy    []string `cel:"approved_by" json:"approved_by" doc:"accounts, by number: gitlab:12"`
	MergeCommit   string   `cel:"merge_commit" json:"merge_commit" doc:"what it became on the target branch; empty before"`
	Draft         bool     `cel:"draft" json:"draft"`
	Conflicts     bool     `cel:"conflicts" json:"conflicts" doc:"it cannot be merged into its target branch as it is"`
	Pipeline      string   `cel:"pipeline" json:"pipeline" doc:"state of the pipeline of its newest commit, as GitLab names it; empty when it has none"`
	URL           string   `cel:"url" json:"url" doc:"its page"`
	Title         string   `cel:"title" json:"title"`
	Source        string   `cel:"source" json:"source" doc:"its branch"`
	Target        string   `cel:"target" json:"target" doc:"the branch that it goes into"`
	Authors       []string `cel:"authors" json:"authors" doc:"the account that made it, by number: gitlab:12"`
	Told          string   `cel:"told" json:"told" doc:"how it stands, in a line"`
}

// Contract of forge.merge_request@1.
func (MergeRequest) Contract() action.Contract {
	return action.Contract{ByHand: mergeRequestByHand, Name: "forge.merge_request", Version: 1, Policy: action.Read, Watched: true, Authors: "authors",
		Doc: "Reads how a merge request stands.", Shell: "look at the page of the merge request"}
}

// Probe has nothing to look for: a read is done anew each time.
func (MergeRequest) Probe(context.Context, action.Key, MergeRequestIn) (MergeRequestOut, bool, error) {
	return MergeRequestOut{}, false, nil
}

// Do reads the merge request and its approvals.
func (a MergeRequest) Do(ctx context.Context, _ action.Key, in MergeRequestIn) (MergeRequestOut, error) {
	p, m, err := request(ctx, a.c, "forge.merge_request", in.Remote, in.IID)
	if err != nil {
		return MergeRequestOut{}, err
	}
	given, resp, err := p.api.MergeRequestApprovals.GetConfiguration(p.pid, in.IID, gogitlab.WithContext(ctx))
	if err != nil {
		return MergeRequestOut{}, p.read(resp, err)
	}
	out := MergeRequestOut{State: m.State, SHA: m.SHA, Approved: given.Approved, ApprovalsLeft: max(0, given.ApprovalsLeft), ApprovedBy: []string{},
		MergeCommit: became(m), Draft: m.Draft || m.WorkInProgress, Conflicts: m.HasConflicts, URL: address(m.WebURL), Title: card.Line(m.Title, shownTitle),
		Source: card.Line(m.SourceBranch, 250), Target: card.Line(m.TargetBranch, 250), Authors: []string{}}
	for _, by := range given.ApprovedBy {
		if by != nil && by.User != nil && by.User.ID > 0 {
			out.ApprovedBy = append(out.ApprovedBy, account(by.User.ID))
		}
	}
	if m.Author != nil && m.Author.ID > 0 {
		out.Authors = append(out.Authors, account(m.Author.ID))
	}
	if m.HeadPipeline != nil && (m.HeadPipeline.SHA == m.SHA || m.HeadPipeline.SHA == "") {
		out.Pipeline = card.Line(m.HeadPipeline.Status, 30)
	}
	out.Told = told(in.IID, out)
	return out, nil
}

// told is how a merge request stands, in a line.
func told(iid int, out MergeRequestOut) string {
	this := item{iid: iid, merge: true}.ref() + " " + out.Title
	var lacks []string
	add := func(when bool, word string) {
		if when {
			lacks = append(lacks, word)
		}
	}
	add(out.Draft, "it is a draft")
	add(out.Conflicts, "it has conflicts")
	add(!out.Approved, "it is not approved")
	add(out.Pipeline != "" && out.Pipeline != "success", "its pipeline is "+out.Pipeline)
	switch {
	case out.State != "opened":
		return this + " is " + out.State
	case len(lacks) == 0:
		return this + " is open"
	}
	return this + " is open: " + strings.Join(lacks, ", ")
}

// became is the commit of a merge request on its target branch, "" before it is merged.
func became(m *gogitlab.MergeRequest) string {
	switch {
	case m.State != "merged":
		return ""
	case m.MergeCommitSHA != "":
		return m.MergeCommitSHA
	case m.SquashCommitSHA != "":
		return m.SquashCommitSHA
	}
	return m.SHA // it was merged by moving the branch forward
}

// request reads a merge request.
func request(ctx context.Context, c *gitlab.Client, op, remote string, iid int) (project, *gogitlab.MergeRequest, error) {
	if iid <= 0 {
		return project{}, nil, invalid(op, "give the number that its page shows: 12 for !12", "%d is not the number of a merge request", iid)
	}
	p, err := open(ctx, c, op, remote)
	if err != nil {
		return p, nil, err
	}
	m, resp, err := p.api.MergeRequests.GetMergeRequest(p.pid, iid, nil, gogitlab.WithContext(ctx))
	switch {
	case gone(resp, err):
		return p, nil, p.bad(errs.NotFound, "GitLab has no merge request !%d in %s", iid, p.web).Hint("look whether it was deleted, and give its number")
	case err != nil:
		return p, nil, p.read(resp, err)
	case m.IID != iid || m.SHA != "" && checkCommit("", "", m.SHA) != nil:
		return p, nil, p.odd(item{iid: iid, merge: true}.ref())
	}
	switch m.State {
	case "opened", "closed", "merged", "locked":
		return p, m, nil
	}
	return p, nil, p.odd(item{iid: iid, merge: true}.ref())
}

// Merge is forge.merge@1. Policy: conditional: GitLab merges only while the branch is at the commit that
// was seen.
type Merge struct{ c *gitlab.Client }

// MergeIn names a merge request and the commit that was approved.
type MergeIn struct {
	Remote string `cel:"remote" json:"remote" doc:"address of the repository that it goes into"`
	IID    int    `cel:"iid" json:"iid" doc:"its number: 12 for !12"`
	SHA    string `cel:"sha" json:"sha" doc:"whole id of the commit that its branch must be at"`
}

// MergeOut is what it became.
type MergeOut struct {
	MergeCommit string `cel:"merge_commit" json:"merge_commit" doc:"the commit on the target branch"`
}

// Contract of forge.merge@1.
func (Merge) Contract() action.Contract {
	return action.Contract{ByHand: mergeByHand, Name: "forge.merge", Version: 1, Policy: action.Conditional, Irreversible: true, Timeout: 2 * time.Minute,
		Doc: "Merges a merge request, if its branch is where it was seen.", Classes: []string{"conflict", "not found"},
		Shell: "look that the newest commit is the one that was seen, and merge it on its page"}
}

// Probe reports a merge request that was merged at this commit. One that was merged at another, closed,
// or that has moved on is an error of kind Conflict.
func (a Merge) Probe(ctx context.Context, _ action.Key, in MergeIn) (MergeOut, bool, error) {
	p, m, err := a.look(ctx, in)
	if err != nil {
		return MergeOut{}, false, err
	}
	switch m.State {
	case "merged":
		return MergeOut{MergeCommit: became(m)}, true, nil
	case "locked":
		return MergeOut{}, false, p.busy(in.IID)
	}
	return MergeOut{}, false, nil
}

// busy is a merge request that somebody is merging at this moment.
func (p project) busy(iid int) error {
	return p.bad(errs.Unavailable, "GitLab is merging !%d", iid).Hint("it is looked at again")
}

func (a Merge) look(ctx context.Context, in MergeIn) (project, *gogitlab.MergeRequest, error) {
	const op = "forge.merge"
	if err := checkCommit(op, "commit", in.SHA); err != nil {
		return project{}, nil, err
	}
	p, m, err := request(ctx, a.c, op, in.Remote, in.IID)
	switch {
	case err != nil:
		return p, nil, err
	case m.SHA != in.SHA && m.State == "merged":
		return p, nil, p.bad(errs.Conflict, "!%d was merged at the commit %s; what was approved is %s", in.IID, m.SHA, in.SHA).
			Hint("look at what was merged besides: %s", address(m.WebURL))
	case m.SHA != in.SHA:
		return p, nil, p.bad(errs.Conflict, "the branch of !%d moved from %s to %s", in.IID, in.SHA, orNone(m.SHA)).
			Hint("look at what is new, and have it approved: %s", address(m.WebURL))
	case m.State == "closed":
		return p, nil, p.bad(errs.Conflict, "!%d was closed without being merged", in.IID).Hint("reopen it, or leave this step out: %s", address(m.WebURL))
	}
	return p, m, nil
}

func orNone(id string) string {
	if id == "" {
		return "nothing: its branch is gone"
	}
	return id
}

// Do merges.
func (a Merge) Do(ctx context.Context, _ action.Key, in MergeIn) (MergeOut, error) {
	p, m, err := a.look(ctx, in)
	if err != nil {
		return MergeOut{}, err
	}
	switch m.State {
	case "merged":
		return MergeOut{MergeCommit: became(m)}, nil
	case "locked":
		return MergeOut{}, p.busy(in.IID)
	}
	got, resp, err := p.api.MergeRequests.AcceptMergeRequest(p.pid, in.IID, &gogitlab.AcceptMergeRequestOptions{SHA: &in.SHA}, gogitlab.WithContext(ctx))
	if err != nil {
		err = p.wrote(resp, err)
		if resp != nil && resp.Response != nil && resp.StatusCode == http.StatusUnauthorized {
			// This is how GitLab says it (Merge requests API, "Merge a merge request").
			return MergeOut{}, p.bad(errs.Denied, "GitLab does not let the bot merge into %s", quote(m.TargetBranch)).
				Hint("let the bot's account merge into this protected branch, or merge it by hand: %s", address(m.WebURL))
		}
		if errs.Is(err, errs.Conflict) && slices.Contains([]string{"checking", "unchecked", "preparing", "approvals_syncing"}, m.DetailedMergeStatus) {
			return MergeOut{}, p.bad(errs.Busy, "GitLab still looks whether !%d can be merged", in.IID).Hint("it is tried again by itself").AskedToWait(5 * time.Second)
		}
		if errs.Is(err, errs.Conflict) || errs.Is(err, errs.Invalid) {
			return MergeOut{}, p.bad(errs.Conflict, "GitLab does not merge !%d: %s", in.IID, why(m, err)).Hint("mend that, and try again: %s", address(m.WebURL))
		}
		return MergeOut{}, err
	}
	if got.State != "merged" || became(got) == "" {
		return MergeOut{}, p.bad(errs.Doubtful, "GitLab took the request, and !%d is %s", in.IID, quote(got.State)).Hint("it is looked at again")
	}
	return MergeOut{MergeCommit: became(got)}, nil
}

// why is what keeps a merge request from being merged (Merge requests API, detailed_merge_status).
func why(m *gogitlab.MergeRequest, err error) string {
	words := map[string]string{
		"draft_status": "it is a draft", "conflict": "it has conflicts", "need_rebase": "it must be rebased", "not_approved": "it is not approved",
		"ci_must_pass": "its pipeline has not passed", "ci_still_running": "its pipeline runs", "discussions_not_resolved": "a discussion is not resolved",
		"requested_changes": "changes were asked for", "not_open": "it is not open",
		"blocked_status": "it waits for another merge request", "merge_request_blocked": "it waits for another merge request", "commits_status": "its branch is gone or has nothing new", "broken_status": "its branch is gone or has nothing new",
		"jira_association_missing": "it names no ticket", "status_checks_must_pass": "a status check has not passed", "security_policy_violations": "a security policy forbids it",
	}
	if text, known := words[m.DetailedMergeStatus]; known {
		return text
	}
	return errs.Cause(err)
}

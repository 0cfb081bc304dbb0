package forge

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	gogitlab "github.com/xanzy/go-gitlab"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/integrations/gitlab"
)

// Bounds of a proposal.
const (
	maxFiles   = 1000
	maxContent = 16 << 20 // bytes of all files
	maxTree    = 20000    // entries of the folder that they are in
)

// Propose is forge.propose@1: a branch with one commit of given files, and a merge request for it.
// Policy: lookup: the merge request ends with a mark that holds the effect's key. GitLab makes the
// branch only if there is none; one that has this very commit already is gone on with.
type Propose struct {
	c     *gitlab.Client
	depot Depot
}

// ProposeFile is a file as it is to be.
type ProposeFile struct {
	Path   string `cel:"path" json:"path" doc:"in the repository"`
	Digest string `cel:"digest" json:"digest" kind:"digest" doc:"of its content, which is kept"`
	Size   int    `cel:"size,optional" json:"size,omitempty" doc:"in bytes, as git.files tells it; not needed"`
}

// ProposeIn is what is proposed.
type ProposeIn struct {
	Remote  string        `cel:"remote" json:"remote" doc:"address of the repository; branch and merge request are made in it"`
	Base    string        `cel:"base" json:"base" doc:"the branch that it goes into"`
	Branch  string        `cel:"branch" json:"branch" doc:"the new branch"`
	Message string        `cel:"message" json:"message" doc:"of the commit"`
	Title   string        `cel:"title" json:"title" doc:"of the merge request"`
	Body    string        `cel:"body" json:"body" doc:"of the merge request, in Markdown"`
	Files   []ProposeFile `cel:"files" json:"files" doc:"written over what is there; other files stay"`
}

// ProposeOut names what was made.
type ProposeOut struct {
	IID    int    `cel:"iid" json:"iid" doc:"number of the merge request; 0 when the base has all of the files already"`
	URL    string `cel:"url" json:"url" doc:"its page; empty when there is none"`
	Commit string `cel:"commit" json:"commit" doc:"the newest commit of its branch; without a merge request that of the base"`
}

// Contract of forge.propose@1.
func (Propose) Contract() action.Contract {
	return action.Contract{ByHand: proposeByHand, Name: "forge.propose", Version: 1, Policy: action.Lookup, Settle: settle, Timeout: moveTimeout,
		Doc:  "Proposes files to a repository: a branch with one commit, and a merge request.",
		Undo: "forge.withdraw@1", UndoIn: map[string]string{"remote": "in.remote", "iid": "out.iid"},
		Classes: []string{"exists", "not found"}, Shell: "put the files on a branch, push it, and open a merge request"}
}

func (in ProposeIn) check() error {
	const op = "forge.propose"
	for what, name := range map[string]string{"branch to merge into": in.Base, "new branch": in.Branch} {
		if err := checkRef(op, what, name); err != nil {
			return err
		}
	}
	if in.Base == in.Branch {
		return invalid(op, "give the new branch another name", "the new branch is %s, the one to merge into", quote(in.Base))
	}
	if err := checkLine(op, "title", in.Title); err != nil {
		return err
	}
	if plain(in.Message) == "" {
		return invalid(op, "give the commit a message", "the message of the commit is empty")
	}
	for what, text := range map[string]string{"message of the commit": in.Message, "text of the merge request": in.Body} {
		if err := checkText(op, what, text); err != nil {
			return err
		}
	}
	if len(in.Files) == 0 || len(in.Files) > maxFiles {
		return invalid(op, "propose between one file and 1000", "%d files are to be proposed", len(in.Files))
	}
	seen := map[string]bool{}
	for _, f := range in.Files {
		if err := checkPath(op, f.Path); err != nil {
			return err
		}
		if seen[f.Path] {
			return invalid(op, "name each file once", "the file %s is named twice", quote(f.Path))
		}
		seen[f.Path] = true
	}
	return nil
}

// checkPath refuses the path of a file that could lead out of the repository or into git's own files.
func checkPath(op, path string) error {
	bad := path == "" || len(path) > 1000 || !utf8.ValidString(path) || strings.ContainsAny(path, `\:`) || strings.ContainsFunc(path, hidden)
	for part := range strings.SplitSeq(path, "/") {
		trimmed := strings.ToLower(strings.TrimRight(part, ". "))
		bad = bad || trimmed == "" || trimmed == ".git" || strings.HasPrefix(trimmed, "git~")
	}
	if bad {
		return invalid(op, "name a file inside the repository, for example device-types/qemu.jinja2", "the path %s may not be written", quote(path))
	}
	return nil
}

func (a Propose) open(ctx context.Context, in ProposeIn) (project, error) {
	if err := in.check(); err != nil {
		return project{}, err
	}
	return open(ctx, a.c, "forge.propose", in.Remote)
}

// Probe looks for the merge request among those of the bot's account from that branch, open or not.
func (a Propose) Probe(ctx context.Context, key action.Key, in ProposeIn) (ProposeOut, bool, error) {
	p, err := a.open(ctx, in)
	if err != nil {
		return ProposeOut{}, false, err
	}
	found, _, err := p.proposed(ctx, key, in)
	if err != nil || found == nil {
		return ProposeOut{}, false, err
	}
	return ProposeOut{IID: found.IID, URL: address(found.WebURL), Commit: found.SHA}, true, nil
}

// proposed finds the merge request of key, and another one that is open from the same branch.
func (p project) proposed(ctx context.Context, key action.Key, in ProposeIn) (found, other *gogitlab.MergeRequest, err error) {
	me, err := p.c.Me(ctx)
	if err != nil {
		return nil, nil, err
	}
	scope, state := "all", "all"
	all, err := gitlab.All(ctx, p.op, maxItems, func(page gogitlab.ListOptions, with gogitlab.RequestOptionFunc) ([]*gogitlab.MergeRequest, *gogitlab.Response, error) {
		return p.api.MergeRequests.ListProjectMergeRequests(p.pid, &gogitlab.ListProjectMergeRequestsOptions{ListOptions: page,
			Scope: &scope, State: &state, SourceBranch: &in.Branch}, with)
	})
	if err != nil {
		return nil, nil, err
	}
	for _, m := range all {
		if m == nil || m.SourceBranch != in.Branch || m.IID <= 0 || m.SourceProjectID != 0 && m.SourceProjectID != p.pid {
			continue
		}
		k, _, marked := gitlab.MarkOf(m.Description)
		switch {
		case marked && k == key.String() && m.Author != nil && m.Author.ID == me.ID:
			found = m
		case m.State == "opened" && m.TargetBranch == in.Base:
			other = m
		}
	}
	return found, other, nil
}

// Do proposes. A branch of that name with another content, or another open merge request from it, is an
// error of kind Exists.
func (a Propose) Do(ctx context.Context, key action.Key, in ProposeIn) (ProposeOut, error) {
	p, err := a.open(ctx, in)
	if err != nil {
		return ProposeOut{}, err
	}
	files, err := a.files(ctx, p.op, in.Files)
	if err != nil {
		return ProposeOut{}, err
	}
	base, err := p.branch(ctx, in.Base)
	if err != nil {
		return ProposeOut{}, err
	}
	if !base.Found {
		return ProposeOut{}, p.bad(errs.NotFound, "GitLab has no branch %s in %s", in.Base, p.web).Hint("look whether it was deleted or has another name")
	}
	changes, err := p.changes(ctx, base.Tip, files)
	if err != nil {
		return ProposeOut{}, err
	}
	if len(changes) == 0 {
		return ProposeOut{Commit: base.Tip}, nil
	}
	found, other, err := p.proposed(ctx, key, in)
	switch {
	case err != nil:
		return ProposeOut{}, err
	case found != nil:
		return ProposeOut{IID: found.IID, URL: address(found.WebURL), Commit: found.SHA}, nil
	case other != nil:
		return ProposeOut{}, p.bad(errs.Exists, "the branch %s has an open merge request already, !%d: %s", in.Branch, other.IID, address(other.WebURL)).
			Hint("close it or merge it, or give the new branch another name")
	}
	commit, err := p.commit(ctx, in, base.Tip, files, changes)
	if err != nil {
		return ProposeOut{}, err
	}
	body := gitlab.WithMark(in.Body, key.String())
	got, resp, err := p.api.MergeRequests.CreateMergeRequest(p.pid, &gogitlab.CreateMergeRequestOptions{SourceBranch: &in.Branch, TargetBranch: &in.Base,
		Title: &in.Title, Description: &body}, gogitlab.WithContext(ctx))
	if err != nil {
		return ProposeOut{}, p.wrote(resp, err)
	}
	if got.IID <= 0 {
		return ProposeOut{}, p.bad(errs.Doubtful, "GitLab took the merge request, and does not say its number").Hint("it is looked for")
	}
	return ProposeOut{IID: got.IID, URL: address(got.WebURL), Commit: commit}, nil
}

// content is a file that is proposed.
type content struct {
	path string
	data []byte
}

// files reads what is proposed.
func (a Propose) files(ctx context.Context, op string, list []ProposeFile) ([]content, error) {
	if a.depot == nil {
		return nil, errs.E(op, errs.Internal, errors.New("there is nothing that keeps the files"))
	}
	var files []content
	left := maxContent
	for _, f := range list {
		data, err := a.depot.Get(ctx, f.Digest)
		if err != nil {
			return nil, errs.E(op, errs.KindOf(err), err)
		}
		if left -= len(data); left < 0 {
			return nil, invalid(op, "propose them in parts", "the files have more than %d MB", maxContent>>20)
		}
		files = append(files, content{f.Path, data})
	}
	slices.SortFunc(files, func(x, y content) int { return strings.Compare(x.path, y.path) })
	return files, nil
}

// commit makes the branch with its commit, or finds it made.
func (p project) commit(ctx context.Context, in ProposeIn, base string, files []content, changes []*gogitlab.CommitActionOptions) (string, error) {
	there, resp, err := p.api.Branches.GetBranch(p.pid, in.Branch, gogitlab.WithContext(ctx))
	switch {
	case err == nil && there.Commit != nil && there.Name == in.Branch:
		other, err := p.changes(ctx, there.Commit.ID, files)
		if err != nil {
			return "", err
		}
		if len(other) > 0 || plain(there.Commit.Message) != plain(in.Message) {
			return "", p.bad(errs.Exists, "GitLab has a branch %s already, and it is not this proposal: %s", in.Branch, address(there.WebURL)).
				Hint("delete it if nobody needs it, or give the new branch another name")
		}
		return there.Commit.ID, nil
	case err == nil:
		return "", p.odd("the branch " + quote(in.Branch))
	case !gone(resp, err):
		return "", p.read(resp, err)
	}
	made, resp, err := p.api.Commits.CreateCommit(p.pid, &gogitlab.CreateCommitOptions{Branch: &in.Branch, StartSHA: &base, CommitMessage: &in.Message,
		Actions: changes}, gogitlab.WithContext(ctx))
	if err != nil {
		return "", p.wrote(resp, err)
	}
	if checkCommit("", "", made.ID) != nil {
		return "", p.bad(errs.Doubtful, "GitLab took the commit, and does not say its id").Hint("it is looked for")
	}
	return made.ID, nil
}

// Withdraw is forge.withdraw@1: it closes a merge request that is not merged. Its branch stays. Policy:
// conditional.
type Withdraw struct{ c *gitlab.Client }

// WithdrawIn names a merge request.
type WithdrawIn struct {
	Remote string `cel:"remote" json:"remote" doc:"address of the repository"`
	IID    int    `cel:"iid" json:"iid" doc:"its number: 12 for !12; 0 where none was made"`
}

// Contract of forge.withdraw@1.
func (Withdraw) Contract() action.Contract {
	return action.Contract{ByHand: withdrawByHand, Name: "forge.withdraw", Version: 1, Policy: action.Conditional,
		Doc: "Closes a merge request that is not merged. Its branch stays.", Classes: []string{"conflict", "not found"}, Shell: "close the merge request on its page"}
}

// Probe reports a merge request that is closed. One that was merged is an error of kind Conflict.
func (a Withdraw) Probe(ctx context.Context, _ action.Key, in WithdrawIn) (ItemState, bool, error) {
	_, m, err := a.look(ctx, in)
	if err != nil || m.State != "closed" {
		return ItemState{}, false, err
	}
	return ItemState{State: m.State, URL: address(m.WebURL)}, true, nil
}

func (a Withdraw) look(ctx context.Context, in WithdrawIn) (project, *gogitlab.MergeRequest, error) {
	const op = "forge.withdraw"
	if in.IID == 0 {
		return project{}, &gogitlab.MergeRequest{State: "closed"}, nil
	}
	p, m, err := request(ctx, a.c, op, in.Remote, in.IID)
	if err == nil && m.State == "merged" {
		return p, nil, p.bad(errs.Conflict, "!%d was merged", in.IID).Hint("revert it on its page, if it is to go: %s", address(m.WebURL))
	}
	return p, m, err
}

// Do closes it, unless it is closed.
func (a Withdraw) Do(ctx context.Context, _ action.Key, in WithdrawIn) (ItemState, error) {
	p, m, err := a.look(ctx, in)
	if err != nil {
		return ItemState{}, err
	}
	if m.State != "closed" {
		event := "close"
		var resp *gogitlab.Response
		if m, resp, err = p.api.MergeRequests.UpdateMergeRequest(p.pid, in.IID, &gogitlab.UpdateMergeRequestOptions{StateEvent: &event}, gogitlab.WithContext(ctx)); err != nil {
			return ItemState{}, p.wrote(resp, err)
		}
		if m.State != "closed" {
			return ItemState{}, p.bad(errs.Denied, "GitLab did not close !%d", in.IID).Hint("give the bot's account the role of a developer or a higher one in the project")
		}
	}
	return ItemState{State: m.State, URL: address(m.WebURL)}, nil
}

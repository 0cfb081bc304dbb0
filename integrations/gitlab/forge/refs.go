package forge

import (
	"context"
	"net/http"
	"net/url"

	gogitlab "github.com/xanzy/go-gitlab"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/integrations/gitlab"
)

// Tag is forge.tag@1: what GitLab has as a tag, read back after a push. Policy: read.
type Tag struct{ c *gitlab.Client }

// TagIn names a tag, and says what it must be if it is there.
type TagIn struct {
	Remote string `cel:"remote" json:"remote" doc:"address of the repository"`
	Tag    string `cel:"tag" json:"tag"`
	Object string `cel:"object,optional" json:"object,omitempty" doc:"id of the tag object that it must be; empty: any"`
	Commit string `cel:"commit,optional" json:"commit,omitempty" doc:"id of the commit that it must lead to; empty: any"`
}

// TagOut is what is there.
type TagOut struct {
	Found  bool   `cel:"found" json:"found"`
	Object string `cel:"object" json:"object" doc:"id of the tag object; of a tag without one, the id of the commit; empty when there is no tag"`
	Commit string `cel:"commit" json:"commit" doc:"id of the commit that it leads to"`
	URL    string `cel:"url" json:"url" doc:"its page"`
}

// Contract of forge.tag@1.
func (Tag) Contract() action.Contract {
	return action.Contract{ByHand: tagByHand, Name: "forge.tag", Version: 1, Policy: action.Read, Watched: true,
		Doc: "Reads what the forge has as a tag.", Classes: []string{"exists"}, Shell: "git ls-remote --tags REMOTE TAG TAG^{}"}
}

// Probe has nothing to look for: a read is done anew each time.
func (Tag) Probe(context.Context, action.Key, TagIn) (TagOut, bool, error) {
	return TagOut{}, false, nil
}

// Do reads. A tag that is not there is an answer. One that is another object, or leads to another
// commit, than it must is an error of kind Exists.
func (a Tag) Do(ctx context.Context, _ action.Key, in TagIn) (TagOut, error) {
	const op = "forge.tag"
	if err := checkRef(op, "tag", in.Tag); err != nil {
		return TagOut{}, err
	}
	for what, id := range map[string]string{"tag object": in.Object, "commit": in.Commit} {
		if id == "" {
			continue
		}
		if err := checkCommit(op, what, id); err != nil {
			return TagOut{}, err
		}
	}
	p, err := open(ctx, a.c, op, in.Remote)
	if err != nil {
		return TagOut{}, err
	}
	out, err := p.tag(ctx, in.Tag)
	if err != nil || !out.Found {
		return out, err
	}
	if in.Object != "" && in.Object != out.Object {
		return TagOut{}, p.bad(errs.Exists, "the tag %s is the object %s on GitLab; it must be %s", in.Tag, out.Object, in.Object).
			Hint("find out who made it; do not release from it")
	}
	if in.Commit != "" && in.Commit != out.Commit {
		return TagOut{}, p.bad(errs.Exists, "the tag %s leads to the commit %s on GitLab; it must be %s", in.Tag, out.Commit, in.Commit).
			Hint("find out who made it; do not release from it")
	}
	return out, nil
}

// tag reads a tag.
func (p project) tag(ctx context.Context, tag string) (TagOut, error) {
	got, resp, err := p.api.Tags.GetTag(p.pid, tag, gogitlab.WithContext(ctx))
	if gone(resp, err) {
		return TagOut{}, nil
	}
	if err != nil {
		return TagOut{}, p.read(resp, err)
	}
	if got == nil || got.Name != tag || got.Commit == nil || checkCommit("", "", got.Target) != nil || checkCommit("", "", got.Commit.ID) != nil {
		return TagOut{}, p.odd("the tag " + quote(tag))
	}
	return TagOut{Found: true, Object: got.Target, Commit: got.Commit.ID, URL: p.page("/-/tags/" + url.PathEscape(tag))}, nil
}

// gone reports an answer that there is no such thing.
func gone(resp *gogitlab.Response, err error) bool {
	return err != nil && resp != nil && resp.Response != nil && resp.StatusCode == http.StatusNotFound
}

// Branch is forge.branch@1: where a branch is. Policy: read.
type Branch struct{ c *gitlab.Client }

// BranchIn names a branch.
type BranchIn struct {
	Remote string `cel:"remote" json:"remote" doc:"address of the repository"`
	Branch string `cel:"branch" json:"branch"`
}

// BranchOut is where it is.
type BranchOut struct {
	Found bool   `cel:"found" json:"found"`
	Tip   string `cel:"tip" json:"tip" doc:"id of its newest commit; empty when there is no branch"`
	URL   string `cel:"url" json:"url" doc:"its page"`
}

// Contract of forge.branch@1.
func (Branch) Contract() action.Contract {
	return action.Contract{ByHand: branchByHand, Name: "forge.branch", Version: 1, Policy: action.Read, Watched: true,
		Doc: "Reads where the forge has a branch.", Shell: "git ls-remote --heads REMOTE BRANCH"}
}

// Probe has nothing to look for: a read is done anew each time.
func (Branch) Probe(context.Context, action.Key, BranchIn) (BranchOut, bool, error) {
	return BranchOut{}, false, nil
}

// Do reads. A branch that is not there is an answer.
func (a Branch) Do(ctx context.Context, _ action.Key, in BranchIn) (BranchOut, error) {
	const op = "forge.branch"
	if err := checkRef(op, "branch", in.Branch); err != nil {
		return BranchOut{}, err
	}
	p, err := open(ctx, a.c, op, in.Remote)
	if err != nil {
		return BranchOut{}, err
	}
	return p.branch(ctx, in.Branch)
}

func (p project) branch(ctx context.Context, branch string) (BranchOut, error) {
	got, resp, err := p.api.Branches.GetBranch(p.pid, branch, gogitlab.WithContext(ctx))
	if gone(resp, err) {
		return BranchOut{}, nil
	}
	if err != nil {
		return BranchOut{}, p.read(resp, err)
	}
	if got.Name != branch || got.Commit == nil || checkCommit("", "", got.Commit.ID) != nil {
		return BranchOut{}, p.odd("the branch " + quote(branch))
	}
	return BranchOut{Found: true, Tip: got.Commit.ID, URL: address(got.WebURL)}, nil
}

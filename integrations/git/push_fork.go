package git

import (
	"context"
	"strings"
	"time"

	"slipway/bot/action"
)

// PushFork puts a commit onto a branch of a fork, so that the pipeline there tries it. It is an action
// of its own beside [PushBranch] so that a playbook can promise that the project's own branch is never
// pushed without people's word. Policy: conditional: the branch must still be where it was expected.
type PushFork struct{ branch PushBranch }

// NewPushFork makes git.push_fork@1.
func NewPushFork(c Copies) PushFork { return PushFork{branch: NewPushBranch(c)} }

// PushForkIn is a commit to be tried. What the branch of the fork has beside it is replaced: an
// earlier try that did not become a release, for one.
type PushForkIn struct {
	Remote   string `cel:"remote" json:"remote" doc:"address of the project's own repository, which the commit is of, or was prepared for"`
	Fork     string `cel:"fork" json:"fork" doc:"address of the fork; never the project's own"`
	Branch   string `cel:"branch" json:"branch" doc:"of the fork; what it has beside the commit is replaced"`
	Expected string `cel:"expected,optional" json:"expected,omitempty" doc:"commit the branch must be at before the push; empty means that there must be no such branch"`
	Commit   string `cel:"commit" json:"commit" doc:"commit the branch moves to"`
}

// Contract of git.push_fork@1.
func (PushFork) Contract() action.Contract {
	return action.Contract{ByHand: pushForkByHand, Name: "git.push_fork", Version: 1, Policy: action.Conditional, Timeout: 10 * time.Minute,
		Doc:     "Pushes a commit to a branch of a fork, to be tried there.",
		Classes: []string{"conflict", "exists"},
		Shell:   "git push --force-with-lease=refs/heads/BRANCH:EXPECTED FORK COMMIT:refs/heads/BRANCH"}
}

func (in PushForkIn) push() (PushBranchIn, error) {
	if sameRepository(in.Fork, in.Remote) {
		return PushBranchIn{}, invalid("Name a fork of it", "%s is the project's own repository, not a fork", quote(Redact(in.Fork)))
	}
	return PushBranchIn{Remote: in.Fork, From: in.Remote, Branch: in.Branch, Expected: in.Expected, Commit: in.Commit, Replace: true}, nil
}

// sameRepository reports whether two addresses can be of one repository: the way to it, the account
// and the port may differ, and capitals do not count.
func sameRepository(a, b string) bool {
	plain := func(remote string) string {
		_, rest, found := strings.Cut(remote, "://")
		host, path, _ := strings.Cut(rest, "/")
		if !found {
			if host, path, found = strings.Cut(remote, ":"); !found || strings.HasPrefix(remote, "/") {
				host, path = "", remote
			}
		} else if at := strings.LastIndexByte(host, ':'); at >= 0 {
			host = host[:at]
		}
		host = host[strings.LastIndexByte(host, '@')+1:]
		return strings.ToLower(host + "/" + strings.TrimSuffix(strings.Trim(path, "/"), ".git"))
	}
	return plain(a) == plain(b)
}

// Probe asks the fork.
func (a PushFork) Probe(ctx context.Context, key action.Key, in PushForkIn) (PushBranchOut, bool, error) {
	push, err := in.push()
	if err != nil {
		return PushBranchOut{}, false, err
	}
	return a.branch.Probe(ctx, key, push)
}

// Do pushes.
func (a PushFork) Do(ctx context.Context, key action.Key, in PushForkIn) (PushBranchOut, error) {
	push, err := in.push()
	if err != nil {
		return PushBranchOut{}, err
	}
	return a.branch.Do(ctx, key, push)
}

// pushForkByHand pushes to the fork, from the copy of the project's own repository.
func pushForkByHand(h *action.Hand) {
	head := "refs/heads/" + h.Text("branch")
	h.Look("git ls-remote -- %s %s", h.Word("fork"), h.Quote(head))
	h.Note("It is done if the branch is at %s. What the branch has beside it is replaced.", h.Text("commit"))
	r := h.Repository(h.Text("remote"))
	h.Run("git -C %s push --no-verify --no-signed --no-follow-tags --force-with-lease=%s %s %s", r,
		h.Quote(head+":"+h.Text("expected")), h.Word("fork"), h.Quote(h.Text("commit")+":"+head))
	h.Set("branch", h.Word("branch"))
	h.Set("commit", h.Word("commit"))
}

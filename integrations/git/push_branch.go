package git

import (
	"context"
	"fmt"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// PushBranch moves a branch to a commit, or makes it, of the project itself or of a fork. Policy:
// conditional: the branch must still be where it was expected.
type PushBranch struct{ copies Copies }

// NewPushBranch makes git.push_branch@1.
func NewPushBranch(c Copies) PushBranch { return PushBranch{copies: c} }

// PushBranchIn is a branch to be moved.
type PushBranchIn struct {
	Remote   string `cel:"remote" json:"remote" doc:"address of the repository that is pushed to"`
	From     string `cel:"from,optional" json:"from,omitempty" doc:"address of the repository that the commit is of, or was prepared for; empty means remote. With a fork, it is the project's own"`
	Branch   string `cel:"branch" json:"branch"`
	Expected string `cel:"expected,optional" json:"expected,omitempty" doc:"commit the branch must be at before the push; empty means that there must be no such branch"`
	Commit   string `cel:"commit" json:"commit" doc:"commit the branch moves to"`
	Replace  bool   `cel:"replace,optional" json:"replace,omitempty" doc:"the branch may lose the commits that it has beside this one; only for a branch that is the bot's alone"`
}

// PushBranchOut is what the remote has now.
type PushBranchOut struct {
	Branch string `cel:"branch" json:"branch"`
	Commit string `cel:"commit" json:"commit"`
}

// Contract of git.push_branch@1.
func (PushBranch) Contract() action.Contract {
	return action.Contract{ByHand: pushBranchByHand, Name: "git.push_branch", Version: 1, Policy: action.Conditional, Timeout: 10 * time.Minute,
		Doc:     "Pushes a commit to a branch, if nobody else has pushed there meanwhile.",
		Classes: []string{"conflict", "exists"},
		Shell:   "git push --force-with-lease=refs/heads/BRANCH:EXPECTED REMOTE COMMIT:refs/heads/BRANCH"}
}

func (in PushBranchIn) check() error {
	if err := CheckRemote(in.Remote); err != nil {
		return err
	}
	if err := CheckBranch(in.Branch); err != nil {
		return err
	}
	if in.Expected != "" {
		if err := CheckCommit(in.Expected); err != nil {
			return err
		}
	}
	return CheckCommit(in.Commit)
}

// with calls do with the working copy that has the commit, and with the same seen as a copy of the
// repository that is pushed to.
func (a PushBranch) with(ctx context.Context, in PushBranchIn, do func(source, target *Copy) error) error {
	if err := in.check(); err != nil {
		return err
	}
	from := in.From
	if from == "" {
		from = in.Remote
	}
	return a.copies.With(ctx, from, func(c *Copy) error {
		return do(c, &Copy{repos: c.repos, remote: in.Remote, dir: c.dir})
	})
}

// Probe asks the remote. It returns an error of kind Exists when a branch that was to be new is there
// with other commits, and Conflict when the branch is neither where it was nor has the commit.
func (a PushBranch) Probe(ctx context.Context, _ action.Key, in PushBranchIn) (out PushBranchOut, found bool, err error) {
	err = a.with(ctx, in, func(_, target *Copy) error {
		found, err = target.pushed(ctx, in)
		return err
	})
	if !found || err != nil {
		return PushBranchOut{}, false, err
	}
	return PushBranchOut{Branch: in.Branch, Commit: in.Commit}, true, nil
}

// pushed reports whether the branch is at the commit, or has gone on from it.
func (c *Copy) pushed(ctx context.Context, in PushBranchIn) (bool, error) {
	const op = "git.push_branch"
	now, err := c.remoteHead(ctx, in.Branch)
	switch {
	case err != nil:
		return false, err
	case now == in.Commit:
		return true, nil
	case now == in.Expected:
		return false, nil
	case now == "":
		return false, errs.E(op, errs.Conflict, fmt.Errorf("%s has no branch %s any more; it was at %s", Redact(c.remote), in.Branch, in.Expected)).
			Hint("Find out who removed the branch")
	}
	if err := c.fetchHead(ctx, in.Branch, now); err != nil {
		return false, err
	}
	if c.has(ctx, in.Commit) {
		if ok, err := c.contains(ctx, now, in.Commit); ok || err != nil {
			return ok, err
		}
	}
	if in.Expected == "" {
		return false, errs.E(op, errs.Exists, fmt.Errorf("%s has a branch %s already, at %s, without the commit %s", Redact(c.remote), in.Branch, now, in.Commit)).
			Hint("Look whose branch it is; remove it, or name another one")
	}
	return false, errs.E(op, errs.Conflict, fmt.Errorf("the branch %s of %s moved from %s to %s, and does not have the commit %s", in.Branch, Redact(c.remote), in.Expected, now, in.Commit)).
		Hint("Begin again on top of %s, or find out who moved it", now)
}

// remoteHead is the commit that a branch of the remote is at just now; "" when there is none.
func (c *Copy) remoteHead(ctx context.Context, branch string) (string, error) {
	s, err := c.remoteState(ctx, branch, "")
	return s.branch, err
}

// fetchHead gets the commits of a branch of the remote without noting where the branch is: the copy
// may be of another repository.
func (c *Copy) fetchHead(ctx context.Context, branch, at string) error {
	if c.has(ctx, at) {
		return nil
	}
	_, err := c.exec(ctx, call{remote: true, args: []string{"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules",
		"--no-auto-maintenance", "--", remoteName, "refs/heads/" + branch}})
	return err
}

// Do pushes. Whatever git says, the remote is asked again afterwards: a push whose answer was lost is
// done, and one that was beaten by another says by what.
func (a PushBranch) Do(ctx context.Context, _ action.Key, in PushBranchIn) (PushBranchOut, error) {
	err := a.with(ctx, in, func(source, target *Copy) error {
		done, err := target.pushed(ctx, in)
		if done || err != nil {
			return err
		}
		if err := in.follows(ctx, source, target); err != nil {
			return err
		}
		if err := target.still(ctx); err != nil {
			return err
		}
		head := "refs/heads/" + in.Branch
		_, refused := target.exec(ctx, call{remote: true, args: []string{"push", "--no-verify", "--no-signed", "--no-follow-tags", "--recurse-submodules=no",
			"--force-with-lease=" + head + ":" + in.Expected, "--", remoteName, in.Commit + ":" + head}})
		if refused == nil {
			return nil
		}
		done, err = target.pushed(ctx, in)
		switch {
		case done && err == nil:
			return nil
		case errs.Is(err, errs.Exists), errs.Is(err, errs.Conflict):
			return err
		}
		return refused
	})
	if err != nil {
		return PushBranchOut{}, err
	}
	return PushBranchOut{Branch: in.Branch, Commit: in.Commit}, nil
}

// follows checks that the commit is here, and that the branch loses nothing that it has.
func (in PushBranchIn) follows(ctx context.Context, source, target *Copy) error {
	if !source.has(ctx, in.Commit) {
		if err := source.Fetch(ctx); err != nil {
			return err
		}
	}
	if _, err := source.resolve(ctx, in.Commit); err != nil {
		return err
	}
	if in.Expected == "" || in.Replace {
		return nil
	}
	if err := target.fetchHead(ctx, in.Branch, in.Expected); err != nil {
		return err
	}
	follows, err := target.contains(ctx, in.Commit, in.Expected)
	if err != nil || follows {
		return err
	}
	return invalid("Make the commit on top of the branch, or name another branch", "the commit %s does not follow %s, where %s of %s is: commits would be lost there",
		in.Commit, in.Expected, in.Branch, Redact(target.remote))
}

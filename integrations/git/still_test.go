package git

import (
	"context"
	"errors"
	"testing"

	"slipway/bot/errs"
)

// TestNothingIsPushedToAProjectThatMoved: a forge leads git from the old name of a project to the new
// one, so git alone would push there.
func TestNothingIsPushedToAProjectThatMoved(t *testing.T) {
	w, fork, tip := forked(t)
	in := w.release(tip)
	var asked []string
	moved := errs.E("t", errs.Conflict, errors.New("the project is yard/haven now"))
	w.repos.opts.Still = func(_ context.Context, remote string) error { asked = append(asked, remote); return moved }
	_, err := NewPushRelease(w.repos).Do(ctx(t), key("push"), in)
	if !errors.Is(err, moved) || w.at("refs/heads/main") != tip || w.at("refs/tags/2019.01") != "" {
		t.Errorf("%v: the branch is at %s, the tag at %s", err, w.at("refs/heads/main"), w.at("refs/tags/2019.01"))
	}
	if _, err = NewPushBranch(w.repos).Do(ctx(t), key("branch"), PushBranchIn{Remote: w.remote, Branch: "main", Expected: tip, Commit: in.Commit}); !errors.Is(err, moved) || w.at("refs/heads/main") != tip {
		t.Errorf("%v: the branch is at %s", err, w.at("refs/heads/main"))
	}
	before := w.in(fork, "refs/heads/main")
	if _, err = NewPushFork(w.repos).Do(ctx(t), key("fork"), PushForkIn{Remote: w.remote, Fork: fork, Branch: "main", Expected: before, Commit: in.Commit}); !errors.Is(err, moved) || w.in(fork, "refs/heads/main") != before {
		t.Errorf("%v: the fork is at %s", err, w.in(fork, "refs/heads/main"))
	}
	if len(asked) != 3 || asked[0] != w.remote || asked[1] != w.remote || asked[2] != fork {
		t.Errorf("asked about %q", asked)
	}
	w.repos.opts.Still = func(context.Context, string) error { return nil }
	if _, err = NewPushRelease(w.repos).Do(ctx(t), key("push"), in); err != nil || w.at("refs/heads/main") != in.Commit {
		t.Errorf("as it was meant: %v", err)
	}
}

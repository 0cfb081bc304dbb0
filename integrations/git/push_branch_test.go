package git

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"slipway/bot/errs"
)

// forked is a world with a fork of the project, which is behind it.
func forked(t *testing.T) (w *world, fork, tip string) {
	t.Helper()
	w = newWorld(t)
	tip = w.short()
	fork = filepath.Join(t.TempDir(), "fork.git")
	w.git("", "clone", "--quiet", "--bare", w.remote, fork)
	w.git(fork, "update-ref", "refs/heads/main", tip+"~1")
	return w, fork, tip
}

// short is a history that is quickly made: two commits on main, one more on later.
func (w *world) short() (tip string) {
	w.t.Helper()
	w.commit("Ann", "Start", "debian/changelog", "sample (2018.10-1) unstable; urgency=low\n")
	tip = w.commit("Bob", "Second", "a", "1")
	w.git(w.clone, "checkout", "--quiet", "-b", "later")
	w.commit("Ann", "Later", "b", "1")
	w.git(w.clone, "checkout", "--quiet", "main")
	w.push()
	return tip
}

// in is where a ref of another repository is.
func (w *world) in(repository, ref string) string {
	return w.git(repository, "for-each-ref", "--format=%(objectname)", ref)
}

func TestAPreparedCommitGoesToAForkAndNowhereElse(t *testing.T) {
	w, fork, tip := forked(t)
	commit := w.prepare(tip).Commit
	old := w.in(fork, "refs/heads/main")
	push := NewPushBranch(w.repos)
	in := PushBranchIn{Remote: fork, From: w.remote, Branch: "main", Expected: old, Commit: commit}
	if _, found, err := push.Probe(ctx(t), key("p"), in); found || err != nil {
		t.Fatalf("before: %v, %v", found, err)
	}
	out, err := push.Do(ctx(t), key("p"), in)
	if err != nil || out != (PushBranchOut{Branch: "main", Commit: commit}) {
		t.Fatalf("%+v, %v", out, err)
	}
	if w.in(fork, "refs/heads/main") != commit || w.at("refs/heads/main") != tip {
		t.Errorf("the fork is at %s, the project at %s", w.in(fork, "refs/heads/main"), w.at("refs/heads/main"))
	}
	// What the project has is still mirrored as it is: the fork left no trace there.
	if state, err := NewState(w.repos, tags{}).Do(ctx(t), key("s"), StateIn{Remote: w.remote, Branch: "main"}); err != nil || state.Tip != tip {
		t.Errorf("%+v, %v", state, err)
	}
	// Again, and after somebody went on from it: done, by probe and by another try.
	clone := filepath.Join(t.TempDir(), "theirs")
	w.git("", "clone", "--quiet", fork, clone)
	w.clone = clone
	next := w.commit("Maria", "On top")
	w.git(clone, "push", "--quiet", "origin", "main")
	for range 2 {
		if _, found, err := push.Probe(ctx(t), key("p"), in); !found || err != nil {
			t.Errorf("probe: %v, %v", found, err)
		}
		if _, err := push.Do(ctx(t), key("p"), in); err != nil {
			t.Error(err)
		}
	}
	if w.in(fork, "refs/heads/main") != next {
		t.Error("the fork moved")
	}
}

func TestABranchIsMovedFromWhereItWasExpectedAlone(t *testing.T) {
	w, fork, tip := forked(t)
	commit := w.prepare(tip).Commit
	old := w.in(fork, "refs/heads/main")
	push := NewPushBranch(w.repos)
	for name, c := range map[string]struct {
		in   PushBranchIn
		at   string // the branch is there
		kind errs.Kind
		want string
	}{
		"moved":   {PushBranchIn{Branch: "main", Expected: tip}, old, errs.Conflict, "moved from " + tip + " to " + old},
		"gone":    {PushBranchIn{Branch: "none", Expected: tip}, "", errs.Conflict, "no branch none any more; it was at " + tip},
		"there":   {PushBranchIn{Branch: "later"}, w.in(fork, "refs/heads/later"), errs.Exists, "has a branch later already, at " + w.in(fork, "refs/heads/later")},
		"loses":   {PushBranchIn{Branch: "later", Expected: w.in(fork, "refs/heads/later")}, w.in(fork, "refs/heads/later"), errs.Invalid, "commits would be lost"},
		"option":  {PushBranchIn{Branch: "--all"}, "", errs.Invalid, "hyphen"},
		"short":   {PushBranchIn{Branch: "main", Expected: "abc"}, old, errs.Invalid, "not the id of a commit"},
		"program": {PushBranchIn{Branch: "main", Remote: "ext::sh"}, old, errs.Invalid, "would run a program"},
	} {
		in := c.in
		in.From, in.Commit = w.remote, commit
		if in.Remote == "" {
			in.Remote = fork
		}
		_, _, probed := push.Probe(ctx(t), key("p"), in)
		_, done := push.Do(ctx(t), key("p"), in)
		if !errs.Is(done, c.kind) || !strings.Contains(errs.Text(done), c.want) || errs.HintOf(done) == "" {
			t.Errorf("%s: %v: %s", name, errs.KindOf(done), errs.Text(done))
		}
		if name != "loses" && errs.Text(probed) != errs.Text(done) {
			t.Errorf("%s: the probe says %v", name, probed)
		}
		if c.at != "" && w.in(fork, "refs/heads/"+c.in.Branch) != c.at {
			t.Errorf("%s: the branch moved", name)
		}
	}
	// A branch that is the bot's alone may be replaced, from where it was expected alone.
	later := w.in(fork, "refs/heads/later")
	in := PushBranchIn{Remote: fork, From: w.remote, Branch: "later", Expected: old, Commit: commit, Replace: true}
	if _, err := push.Do(ctx(t), key("p"), in); !errs.Is(err, errs.Conflict) || w.in(fork, "refs/heads/later") != later {
		t.Errorf("replaced from elsewhere: %v", err)
	}
	in.Expected = later
	if _, err := push.Do(ctx(t), key("p"), in); err != nil || w.in(fork, "refs/heads/later") != commit {
		t.Errorf("not replaced: %v", err)
	}
	in.Branch, in.Expected, in.Replace = "release/2019.01", "", false
	if _, err := push.Do(ctx(t), key("p"), in); err != nil || w.in(fork, "refs/heads/release/2019.01") != commit {
		t.Errorf("not made: %v", err)
	}
}

func TestOnlyOneOfTwoMovesABranch(t *testing.T) {
	w, _, tip := forked(t)
	mine := w.prepare(tip).Commit
	others, err := Open(filepath.Join(t.TempDir(), "state"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	theirs := &world{t: t, remote: w.remote, repos: others}
	made, err := NewPrepare(others).Do(ctx(t), key("theirs"), PrepareIn{Remote: w.remote, Commit: tip, Files: map[string]string{"x": "theirs"}, Message: "Theirs", Author: bot, Date: "1"})
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	var results [2]error
	for i, c := range []struct {
		w      *world
		commit string
	}{{w, mine}, {theirs, made.Commit}} {
		wait.Go(func() {
			_, results[i] = NewPushBranch(c.w.repos).Do(t.Context(), key("p"), PushBranchIn{Remote: w.remote, Branch: "main", Expected: tip, Commit: c.commit})
		})
	}
	wait.Wait()
	if (results[0] == nil) == (results[1] == nil) {
		t.Fatalf("results %v", results)
	}
	won, lost := mine, results[1]
	if results[0] != nil {
		won, lost = made.Commit, results[0]
	}
	if !errs.Is(lost, errs.Conflict) || w.at("refs/heads/main") != won {
		t.Errorf("the branch is at %s, not at %s; %v", w.at("refs/heads/main"), won, lost)
	}
}

func TestTheTagFollowsABranchThatWasPushedBefore(t *testing.T) {
	w := newWorld(t)
	tip := w.short()
	in := w.release(tip)
	if _, err := NewPushBranch(w.repos).Do(ctx(t), key("b"), PushBranchIn{Remote: w.remote, Branch: "main", Expected: tip, Commit: in.Commit}); err != nil {
		t.Fatal(err)
	}
	in.Expected = in.Commit
	// Somebody goes on while the pipeline of the branch runs.
	w.git(w.clone, "pull", "--quiet", "--ff-only", "origin", "main")
	next := w.commit("Ann", "Next")
	w.push()
	push := NewPushRelease(w.repos)
	if _, found, err := push.Probe(ctx(t), key("push"), in); found || err != nil {
		t.Fatalf("before: %v, %v", found, err)
	}
	for range 2 {
		if _, err := push.Do(ctx(t), key("push"), in); err != nil {
			t.Fatal(err)
		}
		if _, found, err := push.Probe(ctx(t), key("push"), in); !found || err != nil {
			t.Errorf("after: %v, %v", found, err)
		}
	}
	if w.at("refs/tags/2019.01") != ObjectID(in.Object, in.Commit) || w.at("refs/heads/main") != next {
		t.Errorf("the remote has %s and %s", w.at("refs/tags/2019.01"), w.at("refs/heads/main"))
	}
}

func TestNothingIsTaggedOnABranchThatLostTheCommit(t *testing.T) {
	w := newWorld(t)
	tip := w.short()
	in := w.release(tip)
	if _, err := NewPushBranch(w.repos).Do(ctx(t), key("b"), PushBranchIn{Remote: w.remote, Branch: "main", Expected: tip, Commit: in.Commit}); err != nil {
		t.Fatal(err)
	}
	in.Expected = in.Commit
	other := w.commit("Ann", "Rewritten")
	w.git(w.clone, "push", "--quiet", "--force", "origin", "main")
	for name, err := range map[string]error{"probe": probe(w, in), "do": do(w, in)} {
		if !errs.Is(err, errs.Conflict) || !strings.Contains(errs.Text(err), in.Commit) || !strings.Contains(errs.Text(err), other) {
			t.Errorf("%s: %v", name, errs.Text(err))
		}
	}
	w.git(w.clone, "tag", "-a", "-m", "mine", "2019.01", "HEAD~1")
	w.git(w.clone, "push", "--quiet", "origin", "2019.01")
	for name, err := range map[string]error{"probe": probe(w, in), "do": do(w, in)} {
		if !errs.Is(err, errs.Exists) || !strings.Contains(errs.Text(err), "of the commit "+tip) || !strings.Contains(errs.Text(err), "this release's is of "+in.Commit) {
			t.Errorf("%s: %v", name, errs.Text(err))
		}
	}
	if w.at("refs/tags/2019.01^{}") != "" && w.git(w.remote, "rev-parse", "2019.01^{}") != tip {
		t.Error("the tag moved")
	}
}

// Somebody moves the branch away at the moment in which the tag is pushed: the push cannot refuse that,
// and nobody may build on it.
func TestATagOnABranchThatIsMovedAwayIsNoRelease(t *testing.T) {
	w := newWorld(t)
	tip := w.short()
	in := w.release(tip)
	if _, err := NewPushBranch(w.repos).Do(ctx(t), key("b"), PushBranchIn{Remote: w.remote, Branch: "main", Expected: tip, Commit: in.Commit}); err != nil {
		t.Fatal(err)
	}
	in.Expected = in.Commit
	hook := "#!/bin/sh\ngit update-ref refs/heads/main " + tip + "\n"
	if err := os.MkdirAll(filepath.Join(w.remote, "hooks"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.remote, "hooks", "post-receive"), []byte(hook), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{"do": do(w, in), "probe": probe(w, in)} {
		if !errs.Is(err, errs.Conflict) || !strings.Contains(errs.Text(err), "now at "+tip+", does not contain the release commit "+in.Commit) {
			t.Errorf("%s: %v", name, errs.Text(err))
		}
	}
}

func TestAForkIsNeverTheProjectItself(t *testing.T) {
	w, fork, tip := forked(t)
	commit := w.prepare(tip).Commit
	push := NewPushFork(w.repos)
	later := w.in(fork, "refs/heads/later")
	in := PushForkIn{Remote: w.remote, Fork: fork, Branch: "later", Expected: later, Commit: commit}
	if _, found, err := push.Probe(ctx(t), key("f"), in); found || err != nil {
		t.Errorf("before: %v, %v", found, err)
	}
	if _, err := push.Do(ctx(t), key("f"), in); err != nil || w.in(fork, "refs/heads/later") != commit {
		t.Errorf("%v; the fork is at %s", err, w.in(fork, "refs/heads/later"))
	}
	in.Fork, in.Expected = w.remote+"/", w.at("refs/heads/later")
	if _, err := push.Do(ctx(t), key("f"), in); !errs.Is(err, errs.Invalid) || w.at("refs/heads/later") != in.Expected {
		t.Errorf("the project itself: %v", err)
	}
	const own = "https://gitlab.example/yard/harbour.git"
	for other, want := range map[string]bool{
		"https://gitlab.example/yard/harbour":        true,
		"https://bot@GitLab.example/yard/harbour/":   true,
		"ssh://git@gitlab.example:2222/yard/harbour": true,
		"git@gitlab.example:yard/harbour.git":        true,
		"https://gitlab.example/maria/harbour.git":   false,
		"https://gitlab.other/yard/harbour.git":      false,
		"/yard/harbour.git":                          false,
	} {
		if got := sameRepository(own, other); got != want {
			t.Errorf("%s: %v", other, got)
		}
	}
}

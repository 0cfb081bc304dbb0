package run

import (
	"strings"
	"testing"

	"slipway/bot/errs"
)

func TestLockTakeGivesTheLockToTheNamedRun(t *testing.T) {
	w := newWorld(t, locking)
	w.Start(map[string]any{"n": "1"})
	w.Fail("first", "x")
	l := w.locks["a"]
	l.Queue = []Claim{{Run: "run8", Name: "patient"}, {Run: "run9", Name: "urgent"}}
	w.locks["a"] = l
	take := Command{Verb: YieldVerb, Person: "manager", Lock: "a", Reason: "a security fix"}
	take.First = "run7"
	w.Refuses(take, errs.Conflict, "does not wait")
	take.First = "run9"
	w.Say(take)
	if !strings.Contains(w.last.Reply, "urgent goes first") {
		t.Fatalf("reply %q", w.last.Reply)
	}
	if got := w.locks["a"]; got.Holder.Run != "" || got.Queue[0].Run != "run9" || got.Queue[1].Run != "run8" {
		t.Fatalf("the lock is %+v", got)
	}
	if st := w.s.Steps["first"]; st.Status != Waiting || st.On != "lock a" {
		t.Fatalf("the loser is %+v", st)
	}
}

func TestPrivateRunsHaveNoNameInTheTableOfLocks(t *testing.T) {
	w := newWorld(t, locking)
	w.Do(Start{ID: "run1", Project: "lava", Playbook: w.p.Digest, Requester: "requester", Inputs: map[string]any{"n": "1"},
		Profile: map[string]any{"name": "lava", "tag": "t"}, Private: true})
	for name, l := range w.locks {
		if l.Holder.Name != PrivateRun {
			t.Errorf("the lock %s is held by %q", name, l.Holder.Name)
		}
	}
	if len(w.locks) == 0 {
		t.Fatal("no lock was taken")
	}
}

func TestMigrateKeepsWhatHasBegun(t *testing.T) {
	w := newWorld(t, gated)
	w.Start(map[string]any{"version": "1"})
	w.OK("payload", `{"r":"x","authors":[]}`)
	w.p = testPlaybook(t, strings.ReplaceAll(gated, "payload", "content"))
	w.Refuses(Command{Verb: MigrateVerb, Person: "manager", Playbook: w.p.Digest, Closure: "sha256:n"}, errs.Conflict, "payload is done")
}

func TestAbortWithoutThePlaybook(t *testing.T) {
	w := newWorld(t, gated)
	w.Start(map[string]any{"version": "1"})
	w.OK("payload", `{"r":"x","authors":[]}`)
	w.p = Orphan("gated", w.p.Digest)
	w.Say(Command{Verb: AbortVerb, Reason: "its playbook is gone"})
	if g := w.s.Steps["go"].Gate; g.Digest != "" {
		t.Errorf("the gate is still open: %+v", g)
	}
	w.WantOutcome("aborted")
}

// What broke in the middle is not tried again by itself, whatever the playbook allows.
func TestABrokenActionIsNotRetried(t *testing.T) {
	w := newWorld(t, "playbook: a\nsteps:\n  one: {do: t.make@1, on_fail: {retry: {any: {times: 3, after: 1m}}}}\n")
	w.Start(nil)
	w.End("one", ForStep, Result{Outcome: Fail, Class: errs.Internal.String(), Message: "it broke"})
	if st := w.s.Steps["one"]; st.Status != Stuck {
		t.Fatalf("it is %s", st.Status)
	}
}

// An aborted run holds its locks while something is in flight, and then only while it undoes.
func TestAbortedRunTakesItsLocksAgainToUndo(t *testing.T) {
	w := newWorld(t, "playbook: a\nuses: [whole]\nsteps:\n  one: {do: t.make@1, uses: [own]}\n  two: {do: t.push@1, needs: [one]}\n")
	w.Start(nil)
	w.OK("one", r1)
	w.Say(Command{Verb: AbortVerb, Reason: "wrong tree"})
	if w.s.NameFree() || w.s.Locks["whole"] != "" || len(w.s.Locks) != 1 {
		t.Fatalf("while the push is in flight: %v", w.s.Locks)
	}
	w.OK("two", r1)
	if !w.s.NameFree() || len(w.s.Locks) > 0 {
		t.Fatalf("when it is over: %v", w.s.Locks)
	}
	w.Say(Command{Verb: UndoVerb})
	if w.s.Locks["whole"] != "one" || w.s.Locks["own"] != "one" {
		t.Fatalf("while it undoes: %v", w.s.Locks)
	}
	w.End("one", ForUndo, Result{Outcome: OK, Output: []byte("{}")})
	w.WantOutcome("aborted")
}

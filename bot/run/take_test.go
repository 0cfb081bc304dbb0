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

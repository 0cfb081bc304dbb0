package run

import (
	"strings"
	"testing"
	"time"

	"slipway/bot/calendar"
	"slipway/bot/errs"
)

const locking = `
playbook: l
name: "l/${inputs.n}"
inputs: {n: string}
steps:
  first: {do: t.make@1, with: {v: "${inputs.n}"}, uses: ["archive/stable", "a"]}
  then: {do: t.mail@1, needs: [first]}
`

func TestTwoRunsWantOneLock(t *testing.T) {
	one := newWorld(t, locking)
	one.Start(map[string]any{"n": "1"})
	one.Want("first", Running)
	if len(one.s.Locks) != 2 {
		t.Fatalf("locks %v", one.s.Locks)
	}
	two := newWorld(t, locking)
	two.locks = one.locks
	two.s = &State{}
	two.Do(Start{ID: "run2", Project: "lava", Requester: "maintainer-a", Inputs: map[string]any{"n": "2"}})
	two.Want("first", Waiting)
	if got := two.why("first"); !strings.Contains(got, "held by l/1") {
		t.Fatal(got)
	}
	if len(two.s.Queued) != 2 || len(one.locks["a"].Queue) != 1 {
		t.Fatalf("queued %v, %+v", two.s.Queued, one.locks["a"])
	}
	if got := one.why(""); !strings.Contains(got, "for which l/2 waits") {
		t.Fatal(got)
	}
	one.OK("first", r1)
	if len(one.s.Locks) != 0 {
		t.Fatal("the lock outlives its step")
	}
	// A third run does not overtake the one that waits.
	three := newWorld(t, locking)
	three.locks = one.locks
	three.s = &State{}
	three.Do(Start{ID: "run3", Project: "lava", Requester: "maintainer-a", Inputs: map[string]any{"n": "3"}})
	three.Want("first", Waiting)
	two.Do(LocksChanged{Names: []string{"a"}})
	two.Want("first", Running)
	reads := 0
	for _, r := range two.last.Reads {
		if r.What == "lock" {
			reads++
		}
	}
	if reads != 2 {
		t.Fatalf("reads %v", two.last.Reads)
	}
}

func TestLockTake(t *testing.T) {
	w := newWorld(t, locking)
	w.Start(map[string]any{"n": "1"})
	take := Command{Verb: YieldVerb, Person: "manager", Lock: "a", Reason: "a security fix"}
	w.Refuses(take, errs.Conflict, "in flight")
	w.Fail("first", "x")
	w.Want("first", Stuck)
	if len(w.s.Locks) != 2 {
		t.Fatal("a stuck step gives up its locks")
	}
	w.Refuses(Command{Verb: YieldVerb, Person: "requester", Lock: "a", Reason: "x"}, errs.Denied, "manager")
	w.Refuses(Command{Verb: YieldVerb, Person: "manager", Lock: "a"}, errs.Invalid, "reason")
	l := w.locks["a"]
	l.Queue = []Claim{{Run: "run9", Name: "urgent"}}
	w.locks["a"] = l
	w.Say(take)
	w.Want("first", Waiting)
	if got := w.why("first"); !strings.Contains(got, "urgent") {
		t.Fatal(got)
	}
}

func TestHigherPriorityGetsTheLockBetweenEffects(t *testing.T) {
	w := newWorld(t, `
playbook: l
uses: ["mirror"]
guards: {repo: {watch: t.state@1, value: "state.status", from: a, to: b}}
steps:
  a: {do: t.make@1}
  b: {do: t.push@1, needs: [a]}
`)
	w.Start(nil)
	w.End("a", ForGuard, state("1"))
	w.OK("a", r1)
	l := w.locks["mirror"]
	l.Queue = []Claim{{Run: "run9", Name: "security", Priority: 5}}
	w.locks["mirror"] = l
	w.Do(LocksChanged{})
	if len(w.s.Locks) != 0 || w.locks["mirror"].Queue[1].Run != "run1" {
		t.Fatalf("locks %v table %+v", w.s.Locks, w.locks["mirror"])
	}
	w.Want("a", Waiting) // it runs again from its guard's start
	l = w.locks["mirror"].After(LockTaken{"mirror", Claim{Run: "run9"}}, "run9").After(LockReleased{Lock: "mirror"}, "run9")
	w.locks["mirror"] = l
	w.Do(LocksChanged{})
	w.Want("a", Done) // unchanged: its result stands
	w.End("b", ForGuard, state("1"))
	w.OK("b", r1)
	w.WantOutcome("done")
}

func TestFreezeBeginsInMidRun(t *testing.T) {
	w := newWorld(t, `
playbook: f
steps:
  a: {do: t.make@1, frozen_by: debian}
  b: {do: t.make@1, needs: [a], frozen_by: debian}
  c: {do: t.make@1, needs: [a], frozen_by: {calendar: debian, then: skip}}
  d: {do: t.make@1, needs: [a], frozen_by: {calendar: debian, then: ask}}
`)
	w.Start(nil)
	w.freeze = []calendar.Freeze{{ID: "f", Calendar: "debian", Why: "buster freeze", From: w.now, Until: w.now.Add(48 * time.Hour)}}
	w.OK("a", r1) // what runs goes on
	w.Want("b", Waiting)
	w.Want("c", SkippedSt)
	w.Want("d", Stuck)
	if got := w.why("b"); !strings.Contains(got, "buster freeze") {
		t.Fatal(got)
	}
	frozen := false
	for _, r := range w.last.Reads {
		frozen = frozen || r == Read{"freeze", "debian", 7}
	}
	if !frozen {
		t.Fatalf("reads %v", w.last.Reads)
	}
	w.Say(Command{Verb: RetryVerb, Step: "d"}) // in spite of it
	w.Want("d", Running)
	w.Pass(48 * time.Hour)
	w.Want("b", Running)
}

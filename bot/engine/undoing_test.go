package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/people"
	"slipway/bot/run"
)

// An aborted run gives up its name and its locks when nothing of it is under way; its undo plan
// waits beside the next run of that name, which is shown what it did.
func TestAbortFreesTheNameBeforeTheUndoPlanIsAnswered(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, madeYAML)
	w.open()
	w.say("requester", "made 1.0")
	w.say("requester", "abort 1.0")
	old := w.run("1.0")
	if old.Status != run.IsAborting || len(w.e.Locks()) > 0 {
		t.Fatalf("it is %s; locks: %+v", old.Status, w.e.Locks())
	}
	w.open()
	waits, err := w.e.Mine(ctx, "requester")
	if err != nil || len(waits) != 1 || waits[0].Kind != "undo" || waits[0].Run != old.ID {
		t.Fatalf("mine: %+v %v", waits, err)
	}
	w.say("requester", "made 1.0")
	next := w.run("1.0")
	if next.ID == old.ID || next.Status != run.Live {
		t.Fatalf("the name has %s, %s", next.ID, next.Status)
	}
	told := w.room.titled("what an earlier run of this name did")
	if len(told) != 1 || !strings.Contains(told[0].c.Blocks[0].Text, "test.made@1 of make") || !strings.Contains(told[0].c.Blocks[0].Text, old.ID) || told[0].ref.Thread == "" {
		t.Fatalf("told: %+v", told)
	}
	list, err := w.e.Runs(ctx, engine.Filter{Family: "made", Project: "lava"})
	if err != nil || len(list) != 2 {
		t.Fatalf("list: %+v %v", list, err)
	}
	w.wantSound()
	w.open()
	w.say("requester", "undo "+old.ID)
	w.wantApplied("test.unmade 1.0", 0)
	e, err := w.e.Why(ctx, old.ID, "")
	if text := strings.Join(e.Lines, "\n"); err != nil || !strings.Contains(text, "undoing make waits: the lock site/lava is held by made/lava/1.0") {
		t.Fatalf("why: %s %v", text, err)
	}
	w.wantSound()
	w.say("maintainer-a", "approve 1.0 go")
	w.pass(time.Minute)
	w.wantApplied("test.unmade 1.0", 1)
	if s, _, err := w.e.RunState(ctx, old.ID); err != nil || s.Outcome != "aborted" {
		t.Fatalf("the old run is %s %s %v", s.Status, s.Outcome, err)
	}
	if len(w.e.Locks()) > 0 {
		t.Fatalf("locks are left: %+v", w.e.Locks())
	}
	w.wantSound()
}

func TestAnUndoThatWaitsForItsLockCanBeDeclined(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, madeYAML)
	w.open()
	w.say("requester", "made 1.0")
	w.say("requester", "abort 1.0")
	old := w.run("1.0").ID
	w.say("requester", "made 2.0")
	w.say("requester", "undo "+old)
	w.say("requester", "undo "+old+" none")
	if s, _, err := w.e.RunState(ctx, old); err != nil || s.Outcome != "aborted" || s.Undo[0].State != "declined" {
		t.Fatalf("the old run is %+v %v", s.Undo, err)
	}
	if l := w.e.Locks(); len(l) != 1 || len(l[0].Queue) > 0 {
		t.Fatalf("locks: %+v", l)
	}
	w.wantSound()
}

func TestHoldsAreMine(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.open()
	w.say("requester", "release 1.0")
	w.say("manager", "hold 1.0")
	for who, want := range map[people.PersonID]int{"manager": 1, "requester": 0} {
		waits, err := w.e.Mine(ctx, who)
		if err != nil || len(waits) != want {
			t.Errorf("%s: %+v %v", who, waits, err)
		}
	}
	w.say("manager", "resume 1.0")
	if waits, err := w.e.Mine(ctx, "manager"); err != nil || len(waits) > 0 {
		t.Errorf("after it was resumed: %+v %v", waits, err)
	}
}

// A run that begins by itself replaces the one before by the playbook's word; a person who may not
// abort it is told, and waits.
func TestOverlapReplace(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, strings.Replace(madeYAML, "inputs:", "overlap: replace\ninputs:", 1))
	w.open()
	w.say("requester", "made 1.0")
	first := w.run("1.0").ID
	started, err := w.e.StartRun(ctx, engine.StartRequest{Family: "made", Project: "lava", Inputs: map[string]any{"version": "1.0"}, Owner: "release-manager"})
	if err != nil || !started.Waiting {
		t.Fatalf("%+v %v", started, err)
	}
	w.drain()
	s, _, err := w.e.RunState(ctx, first)
	if err != nil || s.Status != run.IsAborting || !strings.Contains(s.Why, "replaced by a newer run") {
		t.Fatalf("the first is %s: %s %v", s.Status, s.Why, err)
	}
	second := w.run("1.0")
	if second.ID == first || second.Status != run.Live || second.Owner != "release-manager" {
		t.Fatalf("the second is %s %s", second.ID, second.Status)
	}
	w.say("maintainer-a", "made 1.0")
	if told := w.room.titled("is under way and is not stopped"); len(told) != 1 || !strings.Contains(told[0].c.Title, "may not abort") {
		t.Fatalf("told: %+v", told)
	}
	if now := w.run("1.0"); now.ID != second.ID || now.Status != run.Live {
		t.Fatalf("the second is %s now", now.Status)
	}
	w.wantSound()
}

// A doubt pings those who may answer with a message of its own, once, and the message says when
// it is settled; so does a stuck step.
func TestADoubtCallsThoseWhoMayAnswer(t *testing.T) {
	for _, at := range []string{"", "call/before-commit", "call/before-post", "call/after-post"} {
		w := newWorld(t, effectYAML("quick", "test.once@1", ""))
		w.out.blind = true
		start := func() {
			w.open()
			w.say("requester", "quick 1.0")
			w.pass(time.Minute)
		}
		w.out.fail = doubtful("after")
		if at == "" {
			start()
		} else {
			w.dying(at, start)
		}
		w.out.fail = nil
		w.open()
		w.pass(time.Minute)
		calls := w.room.titled("nobody can tell whether it happened")
		if len(calls) != 1 || !slices.Equal(calls[0].c.Mentions, []string{"manager", "requester"}) || calls[0].ref.Thread == "" {
			t.Fatalf("%s: calls: %+v", at, calls)
		}
		w.say("manager", "doubt 1.0 it failed")
		w.pass(time.Minute)
		calls = w.room.titled("nobody can tell whether it happened")
		if len(calls) != 1 || !strings.Contains(calls[0].c.Blocks[0].Text, "It is settled: it is stuck") || len(calls[0].c.Mentions) > 0 {
			t.Fatalf("%s: afterwards: %+v", at, calls)
		}
		if stuck := w.room.titled("it is stuck"); len(stuck) != 1 || len(stuck[0].c.Mentions) != 2 {
			t.Fatalf("%s: stuck: %+v", at, stuck)
		}
		w.say("requester", "abort 1.0")
		w.pass(time.Minute)
		if stuck := w.room.titled("it was stuck"); len(stuck) != 1 || !strings.Contains(stuck[0].c.Blocks[0].Text, "has ended aborted") {
			t.Fatalf("%s: at the end: %+v", at, stuck)
		}
	}
}

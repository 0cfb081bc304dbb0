package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/run"
)

type crash struct{ at string }

// crashing runs f, which dies at the nth crash point that is hit, and says where that was; "" when
// f came to its end.
func (w *world) crashing(n int, f func()) (at string) {
	hits := 0
	w.point = func(name string) {
		if hits++; hits >= n { // a guard may catch it: the process is dead all the same
			panic(crash{name})
		}
	}
	defer func() {
		w.point = nil
		if p := recover(); p != nil {
			c, ok := p.(crash)
			if !ok {
				panic(p)
			}
			at = c.at
		}
	}()
	w.open()
	f()
	return ""
}

// TestCrashAtEveryPoint kills the process at each crash point of a release in turn, starts it
// again on what the store holds, and wants the same end with every effect once.
func TestCrashAtEveryPoint(t *testing.T) {
	seen := map[string]bool{}
	for n := 1; ; n++ {
		w := newWorld(t)
		at := w.crashing(n, func() { w.story() })
		if at != "" {
			seen[at] = true
		}
		w.open()
		w.story()
		s := w.run("2019.01")
		if s.Outcome != "done" {
			t.Fatalf("after a crash at %s (hit %d) the run is %s %s", at, n, s.Status, s.Outcome)
		}
		w.wantApplied("test.keyed 2019.01", 1)
		w.wantApplied("test.lookup 2019.01", 1)
		if c := w.room.titled("card of release"); len(c) != 1 || c[0].c.Status != "ended done" {
			t.Fatalf("after a crash at %s the cards are %+v", at, c)
		}
		if n := w.rows("stale"); n != 0 {
			t.Fatalf("after a crash at %s %d cards of an ended run are still looked after", at, n)
		}
		if c := len(w.room.titled(": gate go")); c != 1 {
			t.Fatalf("after a crash at %s there are %d gate messages", at, c)
		}
		if list, err := w.e.Effects(context.Background(), "", 0); err != nil || len(list) > 0 {
			t.Fatalf("after a crash at %s these effects are left: %+v %v", at, list, err)
		}
		if err := w.e.FsckFull(context.Background(), func(p string) { t.Errorf("after a crash at %s: %s", at, p) }); err != nil {
			t.Fatal(err)
		}
		if at == "" {
			break
		}
	}
	for _, want := range []string{"inbox/before-commit", "start/after-commit", "run/before-commit", "effect/test.lookup@1/after-do",
		"effect/slipway.gate_message@1/after-do", "effect/slipway.closing_read@1/after-do", "card/after-post", "decode/before-commit"} {
		if !seen[want] {
			t.Errorf("the sweep did not hit %s", want)
		}
	}
}

// rows counts what a space of the store holds.
func (w *world) rows(space string) (n int) {
	w.t.Helper()
	err := w.store.Scan(context.Background(), space, "", "", false, func(string, []byte) bool { n++; return true })
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// TestAFoundCardIsBroughtUpToDate: a card that was posted when the process died shows the run as it was
// then. It is edited, also if the run has nothing to say any more when it is found.
func TestAFoundCardIsBroughtUpToDate(t *testing.T) {
	w := newWorld(t, effectYAML("quick", "test.keyed@1", ""))
	w.point = func(name string) {
		if name == "card/after-post" {
			panic(crash{name})
		}
	}
	func() {
		defer func() { _ = recover() }()
		w.open()
		w.say("requester", "quick 1.0")
		t.Fatal("there was no card")
	}()
	w.point = nil
	w.room.blind = errs.E("room", errs.Unavailable, errors.New("the chat cannot be read")) // the run ends before the card is found
	w.open()
	w.drain()
	w.room.blind = nil
	w.pass(10 * time.Minute)
	w.pass(10 * time.Minute)
	if c := w.room.titled("card of quick"); len(c) != 1 || c[0].c.Status != "ended done" {
		t.Fatalf("the cards are %+v", c)
	}
}

// story tells the same deliveries each time it is called, as senders do that got no answer.
func (w *world) story() {
	must := func(err error) {
		if err != nil {
			w.t.Fatal(err)
		}
	}
	must(w.deliver(wire{Who: "requester", Place: "lava", Message: "s1", Text: "release 2019.01"}, "d1"))
	for range 4 {
		w.drain()
		w.clock.pass(2 * time.Minute) // settle times and pauses
	}
	msgs := w.room.titled(": gate go")
	if len(msgs) == 0 {
		w.t.Fatal("there is no gate message")
	}
	m := msgs[0].ref.Message
	w.room.mu.Lock()
	w.room.reactions[m] = []engine.Reaction{{Account: account("maintainer-a"), Emoji: "✅"}}
	w.room.mu.Unlock()
	must(w.deliver(wire{Place: "lava", Touched: m}, "d2"))
	for range 4 {
		w.drain()
		w.clock.pass(2 * time.Minute)
	}
	w.drain()
}

func TestCrashWithinOnceOrAsk(t *testing.T) {
	for _, c := range []struct {
		at      string
		blind   bool
		want    run.StepStatus
		applied int
	}{
		{"effect/test.once@1/mark/before-commit", false, run.Done, 1},
		{"effect/test.once@1/before-do", false, run.InDoubt, 0}, // marked: nobody can tell that it did not happen
		{"effect/test.once@1/after-do", false, run.Done, 1},     // the probe finds it
		{"effect/test.once@1/after-do", true, run.InDoubt, 1},
	} {
		w := newWorld(t, effectYAML("quick", "test.once@1", ""))
		w.out.blind = c.blind
		died := func() (died bool) {
			defer func() { died = recover() != nil }()
			w.point = func(name string) {
				if name == c.at {
					panic(crash{name})
				}
			}
			w.open()
			w.say("requester", "quick 1.0")
			return false
		}()
		w.point = nil
		if !died {
			t.Fatalf("there is no crash point %s", c.at)
		}
		w.open()
		w.drain()
		st := w.run("1.0").Steps["it"]
		if st.Status != c.want {
			t.Errorf("after a crash at %s (blind %v) the step is %s: %s", c.at, c.blind, st.Status, st.Message)
		}
		w.wantApplied("test.once 1.0", c.applied)
		if c.want == run.InDoubt {
			w.say("requester", "doubt 1.0 it redo")
			w.wantStep("1.0", "it", run.Done)
			w.wantApplied("test.once 1.0", c.applied+1)
		}
	}
}

func TestPoliciesUnderErrors(t *testing.T) {
	for _, c := range []struct {
		ref, phase string
		kind       errs.Kind
		times      int
		want       run.StepStatus
		applied    int
	}{
		{"test.keyed@1", "before", errs.Unavailable, 3, run.Done, 1},
		{"test.keyed@1", "after", errs.Doubtful, 1, run.Done, 1},
		{"test.lookup@1", "after", errs.Doubtful, 1, run.Done, 1},
		{"test.lookup@1", "before", errs.Busy, 2, run.Done, 1},
		{"test.conditional@1", "after", errs.Doubtful, 2, run.Done, 1},
		{"test.once@1", "before", errs.Unavailable, 2, run.Done, 1},
		{"test.once@1", "after", errs.Doubtful, 1, run.Done, 1},
		{"test.keyed@1", "before", errs.Failed, 1, run.Stuck, 0},
		{"test.keyed@1", "before", errs.Unavailable, 1000, run.Stuck, 0},
	} {
		name := fmt.Sprintf("%s %s %s x%d", c.ref, c.phase, c.kind, c.times)
		w := newWorld(t, effectYAML("quick", c.ref, ""))
		left := c.times
		w.out.fail = func(_, phase string) error {
			if phase != c.phase || left == 0 {
				return nil
			}
			left--
			return errs.E("test", c.kind, fmt.Errorf("it went wrong"))
		}
		w.open()
		w.say("requester", "quick 1.0")
		for range 40 { // for longer than it is tried
			w.pass(2 * time.Hour)
		}
		if st := w.run("1.0").Steps["it"]; st.Status != c.want {
			t.Errorf("%s: the step is %s: %s", name, st.Status, st.Message)
		}
		w.wantApplied(c.ref[:len(c.ref)-2]+" 1.0", c.applied)
	}
}

func TestRestoreAsksBeforeFirstUse(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, effectYAML("quick", "test.once@1", ""))
	w.open()
	if err := w.e.PauseEffects(ctx, "manager", "a backup is made"); err != nil {
		t.Fatal(err)
	}
	w.say("requester", "quick 1.0")
	// What the store holds now is the backup; whatever was done after it is unknown.
	w.open()
	if err := w.e.Restored(ctx, w.clock.Now()); err != nil {
		t.Fatal(err)
	}
	if err := w.e.ResumeEffects(ctx); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	w.wantStep("1.0", "it", run.InDoubt)
	w.wantApplied("test.once 1.0", 0)
	if n := len(w.room.titled("card of")); n != 1 {
		t.Fatalf("there are %d cards", n)
	}
}

package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"slipway/bot/run"
)

// waitYAML waits for what test.state reads, and looks slowly by itself.
const waitYAML = `
playbook: timed
doc: It waits for something outside.
name: "timed/${project.name}/${inputs.version}"
inputs: {version: {type: version, help: "a version"}}
steps:
  it: {wait: test.state@1, with: {name: "${inputs.version}"}, as: it, until: "it.result == 'green'", fail: "it.result == 'red'", poll: 10m}
  then: {do: test.keyed@1, with: {name: "${inputs.version}"}, needs: [it]}
`

func (w *world) set(state string) {
	w.out.mu.Lock()
	defer w.out.mu.Unlock()
	w.out.state = state
}

func (w *world) readings() int {
	w.out.mu.Lock()
	defer w.out.mu.Unlock()
	return w.out.applied["test.state 1.0"]
}

// fact tells that something happened which test.state reads.
func (w *world) fact(id string) {
	w.t.Helper()
	if err := w.deliver(wire{Place: "lava", Fact: "test.state"}, id); err != nil {
		w.t.Fatal(err)
	}
}

// wantToldBy wants the wait to say what made it look: in why, and in the event.
func (w *world) wantToldBy(want string) {
	w.t.Helper()
	s := w.run("1.0")
	if got := s.Steps["it"].ToldWords(); got != want {
		w.t.Fatalf("the wait says %q, not %q", got, want)
	}
	why, err := w.e.Why(context.Background(), s.ID, "it")
	if err != nil || !strings.Contains(strings.Join(why.Lines, "\n"), want) {
		w.t.Fatalf("why says %q %v", why.Lines, err)
	}
	commits, err := w.e.History(context.Background(), s.ID, 0, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range commits {
		for _, ev := range c.Events {
			switch b := ev.Body.(type) {
			case run.StepDone:
				if b.Step == "it" && b.Told.String() == want {
					return
				}
			case run.StepFailed:
				if b.Step == "it" && b.Told.String() == want {
					return
				}
			}
		}
	}
	w.t.Fatalf("no event of the wait says %q", want)
}

func TestWaitsSayWhatToldThem(t *testing.T) {
	for _, state := range []string{"green", "red"} {
		begin := func() *world {
			w := newWorld(t, waitYAML)
			w.open()
			w.say("requester", "timed 1.0")
			w.pass(time.Minute)
			w.wantStep("1.0", "it", run.Running)
			w.set(state)
			return w
		}
		w := begin()
		w.fact("hook-1")
		w.drain()
		w.wantToldBy("told by chat (delivery #2)")

		w = begin() // every hook is lost
		w.pass(time.Minute)
		w.wantStep("1.0", "it", run.Running)
		w.pass(10 * time.Minute)
		w.wantToldBy("found by polling")

		w = begin() // the hook was taken by a process that ended before it looked
		w.fact("hook-1")
		if err := w.e.DecodeForTest(context.Background()); err != nil {
			t.Fatal(err)
		}
		w.open()
		w.drain()
		w.wantToldBy("found when Slipway started again")
	}
}

// However many hints come, they bring about one reading, and one more for what came after it.
func TestAStormOfHintsIsOneReadingAndOneMore(t *testing.T) {
	w := newWorld(t, waitYAML)
	w.open()
	w.say("requester", "timed 1.0")
	w.pass(time.Minute)
	before := w.readings()
	for i := range 10_000 {
		w.fact(fmt.Sprint("storm-", i))
		if i%1000 == 0 {
			w.drain()
		}
	}
	w.drain()
	if n := w.readings() - before; n != 1 {
		t.Fatalf("there were %d readings at once", n)
	}
	w.set("green")
	w.pass(time.Second)
	if n := w.readings() - before; n != 2 {
		t.Fatalf("there were %d readings in all", n)
	}
	w.wantToldBy("told by chat (delivery #10001)")
	if w.run("1.0").Outcome != "done" {
		t.Error("it does not go on")
	}
}

// A hint that comes while the wait is being read brings about one reading afterwards: what was read
// may be older than the hint.
func TestAHintDuringAReadingIsNotLost(t *testing.T) {
	w := newWorld(t, waitYAML)
	w.open()
	w.say("requester", "timed 1.0")
	w.pass(time.Minute)
	before, hinted := w.readings(), false
	w.out.fail = func(action, phase string) error {
		if action == "test.state" && phase == "after" && !hinted {
			hinted = true
			for i := range 50 {
				w.fact(fmt.Sprint("during-", i))
			}
			if err := w.e.DecodeForTest(context.Background()); err != nil {
				t.Error(err)
			}
		}
		return nil
	}
	w.fact("first")
	w.drain()
	w.set("green") // too late for that reading
	w.pass(time.Second)
	if n := w.readings() - before; n != 2 {
		t.Fatalf("there were %d readings", n)
	}
	w.wantToldBy("told by chat (delivery #52)")
}

// A hint about one project does not bring forward what waits in another.
func TestHintsOfOtherProjectsAndFactsBringNothingForward(t *testing.T) {
	w := newWorld(t, waitYAML)
	w.open()
	w.say("requester", "timed 1.0")
	w.pass(time.Minute)
	before := w.readings()
	w.set("green")
	for _, x := range []wire{{Place: "glass", Fact: "test.state"}, {Place: "lava", Fact: "test.stately"}, {Place: "lava", Fact: "other.state"}} {
		if err := w.deliver(x, x.Place+x.Fact); err != nil {
			t.Fatal(err)
		}
		w.drain()
	}
	if n := w.readings() - before; n != 0 {
		t.Fatalf("there were %d readings", n)
	}
	w.pass(10 * time.Minute)
	w.wantToldBy("found by polling")
}

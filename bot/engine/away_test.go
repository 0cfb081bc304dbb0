package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// away is the error of an other side that cannot be reached; asked is for how long it wants to be left alone.
func away(asked time.Duration) error {
	return errs.E("test", errs.Unavailable, errors.New("forge.example answers 502")).AskedToWait(asked)
}

// awayCards are cards with the line about what does not get through.
type awayCards struct{}

func (awayCards) Render(_ *playbook.Playbook, s *run.State, w run.World) card.Card {
	return card.Card{Key: "card", Title: "card of " + s.Name, Status: string(s.Status) + " " + run.AwayLine(s, w)}
}

// down is a world whose outside does not answer from the first try on.
func down(t *testing.T, ref, more string, asked time.Duration) *world {
	w := newWorld(t, effectYAML("quick", ref, more), waitYAML)
	w.cfg = func(c *engine.Config) { c.Cards = awayCards{} }
	w.out.fail = func(_, phase string) error {
		if phase == "after" {
			return nil
		}
		return away(asked)
	}
	w.open()
	return w
}

func (w *world) up() {
	w.out.mu.Lock()
	defer w.out.mu.Unlock()
	w.out.fail = nil
}

func (w *world) line(step string) string {
	w.t.Helper()
	why, err := w.e.Why(context.Background(), w.run("1.0").ID, step)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, line := range why.Lines {
		if strings.Contains(line, "502") {
			return line
		}
	}
	return ""
}

// A day of outage is waited out, with one clear line on the card and in why, which goes away by itself.
func TestAnOutageIsWaitedOut(t *testing.T) {
	for _, ref := range []string{"test.keyed@1", "test.conditional@1", "test.lookup@1", "test.once@1"} {
		w := down(t, ref, "", 0)
		w.say("requester", "quick 1.0")
		for range 24 {
			w.pass(time.Hour)
		}
		w.wantStep("1.0", "it", run.Running)
		name := strings.TrimSuffix(ref, "@1")
		want := name + " does not get through since 2026-03-01 09:00 UTC: forge.example answers 502; tried 25 times, next at 09:"
		if got := w.line("it"); !strings.HasPrefix(got, want) {
			t.Fatalf("why says %q, not %q", got, want)
		}
		if got := w.room.titled("card of quick")[0].c.Status; !strings.Contains(got, want[:40]) {
			t.Fatalf("the card says %q", got)
		}
		w.open() // the next process knows it too
		w.drain()
		if got := w.line("it"); !strings.HasPrefix(got, want[:40]) {
			t.Fatalf("after a restart why says %q", got)
		}
		w.up()
		w.pass(10 * time.Minute)
		w.pass(time.Minute) // what must be looked for is left alone a little
		w.wantStep("1.0", "it", run.Done)
		w.wantApplied(name+" 1.0", 1)
		w.pass(time.Minute)
		if got := w.room.titled("card of quick")[0].c.Status; strings.Contains(got, "502") || w.line("it") != "" {
			t.Fatalf("%s: the line is still there: %s", ref, got)
		}
	}
}

// A first failure that is over in a moment is not shown.
func TestAFailureThatIsOverAtOnceIsNotShown(t *testing.T) {
	w := down(t, "test.keyed@1", "", 0)
	w.say("requester", "quick 1.0")
	if got := w.line("it"); got != "" {
		t.Fatalf("why says %q", got)
	}
	w.pass(10 * time.Second)
	if got := w.line("it"); !strings.HasPrefix(got, "test.keyed does not get through since 09:00 UTC: forge.example answers 502; tried 2 times, next at 09:00 UTC") {
		t.Fatalf("why says %q", got)
	}
}

// It is tried for three days, or until just before the deadline of the step; then the step fails.
func TestPatienceEnds(t *testing.T) {
	for more, last := range map[string]time.Duration{"": 72 * time.Hour, ", deadline: {after: 5h, then: stuck}": 5 * time.Hour} {
		w := down(t, "test.keyed@1", more, 0)
		w.say("requester", "quick 1.0")
		for at := time.Duration(0); at < last-time.Hour; at += time.Hour {
			w.pass(time.Hour)
			w.wantStep("1.0", "it", run.Running)
		}
		w.pass(time.Hour - time.Second)
		w.pass(time.Second)
		w.wantStep("1.0", "it", run.Stuck)
		if got := w.run("1.0").Steps["it"].Message; !strings.Contains(got, "forge.example answers 502; it was tried ") {
			t.Errorf("it says %q", got)
		}
		if list, err := w.e.Effects(context.Background(), "", 0); err != nil || len(list) > 0 {
			t.Errorf("left: %+v %v", list, err)
		}
	}
}

// Whoever asks to be left alone is left alone for that long, whatever hints come and whoever is
// impatient.
func TestTheOtherSideIsLeftAloneAsItAsks(t *testing.T) {
	w := down(t, "test.keyed@1", "", 20*time.Minute)
	tries := 0
	w.out.fail = func(_, phase string) error {
		if phase != "before" {
			return nil
		}
		tries++
		return away(20 * time.Minute)
	}
	w.say("requester", "quick 1.0")
	if got := w.line("it"); !strings.HasSuffix(got, "tried once, next at 09:20 UTC") {
		t.Fatalf("why says %q", got)
	}
	w.pass(10 * time.Minute)
	w.fact("hook")
	w.retry("it")
	w.drain()
	w.pass(9 * time.Minute)
	if tries != 1 {
		t.Fatalf("it was tried %d times", tries)
	}
	w.up()
	w.pass(time.Minute)
	w.wantStep("1.0", "it", run.Done)
}

func (w *world) retry(step string) {
	w.t.Helper()
	d, err := w.e.Submit(context.Background(), w.run("1.0").ID, run.Command{Verb: run.RetryVerb, Person: "requester", Step: step})
	if err != nil || d.Refusal != nil || d.Reply != step+" is tried again now" {
		w.t.Fatalf("%+v %v", d, err)
	}
	w.drain()
}

// The next try comes at once when a person wishes it, when a fact shows that the other side lives, and
// when something else gets through to it.
func TestTheNextTryIsBroughtForward(t *testing.T) {
	for name, sign := range map[string]func(w *world){
		"a person": func(w *world) { w.retry("it") },
		"a fact":   func(w *world) { w.fact("hook"); w.drain() },
		"another effect": func(w *world) {
			w.say("requester", "timed 3.0")
		},
	} {
		w := down(t, "test.keyed@1", "", 0)
		w.say("requester", "quick 1.0")
		for range 12 {
			w.pass(10 * time.Minute)
		}
		w.pass(time.Minute) // the next try is minutes away
		w.up()
		w.drain()
		w.wantStep("1.0", "it", run.Running)
		sign(w)
		if st := w.run("1.0").Steps["it"].Status; st != run.Done {
			t.Errorf("after %s: %s", name, st)
		}
		w.wantApplied("test.keyed 1.0", 1)
	}
	// What can be read is no other: its time is brought forward by a fact too.
	w := down(t, "test.keyed@1", "", 0)
	w.say("requester", "timed 1.0")
	for range 12 {
		w.pass(10 * time.Minute)
	}
	w.pass(time.Minute)
	if got := w.line("it"); !strings.HasPrefix(got, "test.state cannot be read since 09:00 UTC: forge.example answers 502; tried 13 times") {
		t.Errorf("why says %q", got)
	}
	w.up()
	w.set("green")
	w.fact("hook")
	w.drain()
	w.wantStep("1.0", "it", run.Done)
}

// A retry of what gets through is refused as before, and one of what was given up begins it anew.
func TestRetryOfWhatIsUnderWayIsRefused(t *testing.T) {
	w := newWorld(t, effectYAML("signed", "test.sign@1", ""))
	w.open()
	w.say("requester", "signed 1.0")
	d, err := w.e.Submit(context.Background(), w.run("1.0").ID, run.Command{Verb: run.RetryVerb, Person: "requester", Step: "it"})
	if err != nil || d.Refusal == nil {
		t.Fatalf("%+v %v", d, err)
	}
}

// A lost answer is looked for after the settle time; nobody is asked while the probe can tell, also
// when the outside is away for an hour in between.
func TestALostAnswerIsLookedForBeforeAnybodyIsAsked(t *testing.T) {
	for _, ref := range []string{"test.lookup@1", "test.conditional@1", "test.keyed@1"} {
		for _, lost := range []string{"before", "after"} { // it did not happen; it did
			w := newWorld(t, effectYAML("quick", ref, ""))
			asked, probes := 0, 0
			began := w.clock.Now()
			w.out.fail = func(_, phase string) error {
				since := w.clock.Now().Sub(began)
				if phase == "probe" {
					if probes++; since < time.Minute && ref == "test.lookup@1" {
						t.Errorf("it was looked for after %s already", since)
					}
					if since < time.Hour {
						return away(0)
					}
				}
				if phase == lost && asked == 0 {
					asked++
					return errs.E("test", errs.Doubtful, errors.New("the answer was lost"))
				}
				return nil
			}
			w.open()
			w.say("requester", "quick 1.0")
			for range 15 {
				w.pass(5 * time.Minute)
				if st := w.run("1.0").Steps["it"].Status; st == run.InDoubt || st == run.Stuck {
					t.Fatalf("%s %s: somebody is asked", ref, lost)
				}
			}
			w.wantStep("1.0", "it", run.Done)
			w.wantApplied(strings.TrimSuffix(ref, "@1")+" 1.0", 1)
			if probes == 0 {
				t.Errorf("%s %s: nobody looked", ref, lost)
			}
		}
	}
}

// Only when the probe itself cannot tell, however often it looks, a person is asked.
func TestAProbeThatCannotTellAsksAPerson(t *testing.T) {
	for _, ref := range []string{"test.lookup@1", "test.conditional@1"} {
		w := newWorld(t, effectYAML("quick", ref, ""))
		w.out.fail = func(_, phase string) error {
			if phase == "before" {
				return nil
			}
			return errs.E("test", errs.Doubtful, errors.New("there are two of them"))
		}
		w.open()
		w.say("requester", "quick 1.0")
		for range 15 {
			w.pass(10 * time.Minute)
		}
		w.wantStep("1.0", "it", run.InDoubt)
		w.wantApplied(strings.TrimSuffix(ref, "@1")+" 1.0", 1)
	}
}

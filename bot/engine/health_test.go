package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
)

func (w *world) load1() engine.Load {
	w.t.Helper()
	l, err := w.e.Load(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

func TestLoadCountsWhatWaits(t *testing.T) {
	w := newWorld(t, effectYAML("signed", "test.sign@1", ""))
	w.open()
	if l := w.load1(); len(l.Runs)+l.Queue+l.Due+len(l.Jobs) > 0 || !l.Oldest.IsZero() || !l.Longest.Since.IsZero() {
		t.Fatalf("nothing waits at first, got %+v", l)
	}
	w.say("requester", "signed 1.0")
	w.say("requester", "release 2019.01")
	began := w.clock.Now()
	l := w.load1()
	if l.Runs["live"] != 2 || l.Jobs["sign"].Count != 1 || !l.Jobs["sign"].Oldest.Equal(began) {
		t.Errorf("two runs and a job, got %+v", l)
	}
	if _, found, err := w.e.Lease(context.Background(), "signer", []string{"sign"}, time.Hour); err != nil || !found {
		t.Fatal(found, err)
	}
	if l := w.load1(); len(l.Jobs) != 0 {
		t.Errorf("a job that is leased waits for nobody, got %+v", l.Jobs)
	}
	if err := w.deliver(wire{Who: "requester", Place: "lava", Message: "x", Text: "hold 2019.01"}, "x"); err != nil {
		t.Fatal(err)
	}
	at := w.clock.Now()
	w.clock.pass(time.Hour)
	if l := w.load1(); l.Queue != 1 || !l.Oldest.Equal(at) {
		t.Errorf("a delivery lies there since %v, got %+v", at, l)
	}
	w.drain()
	if l := w.load1(); l.Queue != 0 || l.Runs["held"] != 1 || l.Runs["live"] != 1 {
		t.Errorf("it was read, got %+v", l)
	}
}

// The record of an effect with long inputs is in the blob store.
func TestLoadReadsLongEffects(t *testing.T) {
	long := strings.Repeat("x", 20<<10)
	w := newWorld(t, strings.Replace(effectYAML("quick", "test.keyed@1", ""), "name: \"${inputs.version}\"}", "name: \""+long+"\"}", 1))
	w.out.fail = func(_, phase string) error { return errs.E("test", errs.Unavailable, errors.New("it is away")) }
	w.open()
	w.say("requester", "quick 1.0")
	w.clock.pass(time.Hour)
	if l := w.load1(); l.Longest.Action != "test.keyed@1" {
		t.Errorf("got %+v", l.Longest)
	}
}

func TestLoadTellsTheEffectThatIsLate(t *testing.T) {
	w := newWorld(t, effectYAML("quick", "test.keyed@1", ""))
	w.out.fail = func(_, phase string) error {
		if phase == "before" {
			return errs.E("test", errs.Unavailable, errors.New("the mirror is away"))
		}
		return nil
	}
	w.open()
	w.say("requester", "quick 1.0")
	began := w.clock.Now()
	w.pass(10 * time.Second)
	l := w.load1()
	if l.Outbox == 0 || l.Longest.Action != "test.keyed@1" || l.Longest.Run != "quick/lava/1.0" || l.Longest.Since.After(began.Add(time.Second)) {
		t.Errorf("the effect is late since %v, got %+v", began, l)
	}
}

func TestTroublesAreWhatNeedsAPerson(t *testing.T) {
	w := newWorld(t, effectYAML("quick", "test.keyed@1", ""), effectYAML("made", "test.once@1", ""))
	w.open()
	w.say("requester", "release 2019.01")
	all, more, err := w.e.Troubles(context.Background())
	if err != nil || more || len(all) != 0 {
		t.Fatalf("a run that goes well is no trouble: %+v %v %v", all, more, err)
	}
	w.out.fail = func(_, phase string) error {
		if phase == "before" {
			return errs.E("test", errs.Failed, errors.New("it does not build"))
		}
		return nil
	}
	w.say("requester", "quick 1.0")
	w.say("requester", "secret 2019.02")
	w.out.fail = func(_, phase string) error {
		if phase == "after" {
			return errs.E("test", errs.Doubtful, errors.New("the line broke"))
		}
		return nil
	}
	w.out.blind = true
	w.say("requester", "made 1.0")
	if all, _, err = w.e.Troubles(context.Background()); err != nil || len(all) != 3 {
		t.Fatalf("%+v %v", all, err)
	}
	for _, tr := range all {
		switch {
		case tr.Private && tr.Run+tr.Step == "" && !tr.Doubt:
		case tr.Run == "quick/lava/1.0" && tr.Step == "it" && !tr.Doubt && !tr.Private:
		case tr.Run == "made/lava/1.0" && tr.Step == "it" && tr.Doubt && tr.Since.Equal(w.clock.Now()):
		default:
			t.Errorf("not expected: %+v", tr)
		}
	}
}

func TestLoopsTurnWhenTheyAreNudged(t *testing.T) {
	w := newWorld(t)
	w.open()
	for loop, at := range w.e.Turned() {
		if !at.IsZero() {
			t.Errorf("%s turned before Run", loop)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.e.Run(ctx) }()
	all := func(after time.Time) {
		t.Helper()
		for limit := time.Now().Add(time.Minute); ; {
			late := ""
			for loop, at := range w.e.Turned() {
				if at.Before(after) {
					late = loop
				}
			}
			if late == "" {
				return
			}
			if time.Now().After(limit) {
				t.Fatalf("%s does not turn", late)
			}
		}
	}
	all(w.clock.Now())
	w.clock.pass(time.Hour)
	w.e.Nudge()
	all(w.clock.Now())
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if w.e.Stopped() != nil {
		t.Error("an engine that was told to end has not stopped for good")
	}
}

func TestPausedSinceTellsWho(t *testing.T) {
	w := newWorld(t)
	w.open()
	if _, _, _, ok := w.e.PausedSince(); ok {
		t.Fatal("nobody paused anything")
	}
	if err := w.e.PauseEffects(context.Background(), "manager", "the mirror moves"); err != nil {
		t.Fatal(err)
	}
	by, why, since, ok := w.e.PausedSince()
	if !ok || by != "manager" || why != "the mirror moves" || !since.Equal(w.clock.Now()) {
		t.Errorf("%s %q %v %v", by, why, since, ok)
	}
}

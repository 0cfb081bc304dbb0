package engine_test

import (
	"errors"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/bot/run"
)

// After a crash a lookup waits out the settle time once, and then looks. Waiting is no try: it
// must not begin the time again.
func TestALostLookupSettlesOnce(t *testing.T) {
	w := newWorld(t, effectYAML("quick", "test.lookup@1", ""))
	func() {
		defer func() { _ = recover() }()
		w.point = func(name string) {
			if name == "effect/test.lookup@1/after-do" {
				panic(crash{name})
			}
		}
		w.open()
		w.say("requester", "quick 1.0")
		t.Fatal("the crash point was not passed")
	}()
	w.point = nil
	w.open()
	for range 20 {
		w.pass(3 * time.Second)
	}
	w.pass(time.Second)
	w.wantStep("1.0", "it", run.Done)
	w.wantApplied("test.lookup 1.0", 1)
}

// A mail that may have been sent, and an archive that cannot be asked: that is no failure, after
// which a retry would send it twice. A person is asked.
func TestALostLookupThatCannotLookIsDoubtful(t *testing.T) {
	for _, kind := range []errs.Kind{errs.Unavailable, errs.Busy, errs.Denied, errs.Other} {
		w := newWorld(t, effectYAML("quick", "test.lookup@1", ""))
		w.out.fail = func(_, phase string) error {
			switch phase {
			case "after":
				return errs.E("test", errs.Doubtful, errors.New("the connection broke after the final dot"))
			case "probe":
				return errs.E("test", kind, errors.New("the archive does not answer"))
			}
			return nil
		}
		w.open()
		w.say("requester", "quick 1.0")
		for range 60 {
			w.pass(2 * time.Hour)
		}
		w.wantStep("1.0", "it", run.InDoubt)
		w.wantApplied("test.lookup 1.0", 1)
	}
}

// Where every try said that nothing happened, an outage stays a failure that can be retried.
func TestALookupThatNeverBeganFails(t *testing.T) {
	w := newWorld(t, effectYAML("quick", "test.lookup@1", ""))
	w.out.fail = func(_, phase string) error {
		return errs.E("test", errs.Unavailable, errors.New("the network is down"))
	}
	w.open()
	w.say("requester", "quick 1.0")
	for range 60 {
		w.pass(2 * time.Hour)
	}
	w.wantStep("1.0", "it", run.Stuck)
	w.wantApplied("test.lookup 1.0", 0)
}

// Who is asked to come back later has changed nothing: a lookup comes back at that time and not after the
// time in which a lost try may land. One that was lost before still has its time.
func TestABusyLookupDoesNotSettle(t *testing.T) {
	busy := errs.E("test", errs.Busy, errors.New("too many requests"))
	w := newWorld(t, effectYAML("quick", "test.lookup@1", ""))
	fail := busy.AskedToWait(10 * time.Second)
	w.out.fail = func(_, phase string) error {
		if phase == "before" && fail != nil {
			return fail
		}
		return nil
	}
	w.open()
	w.say("requester", "quick 1.0")
	w.wantStep("1.0", "it", run.Running)
	fail = nil
	w.pass(11 * time.Second) // a lookup of this kind settles in a minute
	w.wantStep("1.0", "it", run.Done)
	w.wantApplied("test.lookup 1.0", 1)

	// First an answer is lost, then the other side is busy while it is looked: the minute counts from the
	// answer that was lost, and what had happened is found.
	lost, looks := true, 0
	w.out.fail = func(_, phase string) error {
		switch {
		case phase == "after" && lost:
			lost = false
			return errs.E("test", errs.Doubtful, errors.New("the connection broke"))
		case phase == "probe":
			if looks++; looks == 1 {
				return busy.AskedToWait(5 * time.Second)
			}
		}
		return nil
	}
	w.say("requester", "quick 2.0")
	for range 19 {
		w.pass(3 * time.Second)
	}
	if looks != 0 {
		t.Error("it was looked for while it could still land")
	}
	for range 15 {
		w.pass(3 * time.Second)
	}
	w.wantStep("2.0", "it", run.Done)
	w.wantApplied("test.lookup 2.0", 1)
	if looks != 2 {
		t.Errorf("it was looked for %d times", looks)
	}
}

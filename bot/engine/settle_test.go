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

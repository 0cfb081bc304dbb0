package engine_test

import (
	"testing"
	"time"

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

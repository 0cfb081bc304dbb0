package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/run"
)

// A chat that says of a gate message that somebody else changed it is asked to show it anew, and no
// gate closes on it before.
func TestAGateMessageThatWasChangedIsShownAnew(t *testing.T) {
	w := newWorld(t)
	w.open()
	w.say("requester", "release 2019.01")
	before := w.room.titled(": gate go")[0].n
	w.room.down = errs.E("chat", errs.Conflict, errors.New("it does not say what we wrote"))
	w.react("maintainer-a")
	w.pass(time.Minute)
	w.wantStep("2019.01", "go", run.Running)
	if after := w.room.titled(": gate go")[0].n; after <= before {
		t.Fatalf("it was edited %d times, and %d before", after, before)
	}
	w.room.down = nil
	w.pass(time.Hour)
	w.wantStep("2019.01", "ship", run.Done)
}

// What is told late is as old as it says: a command that is too old asks its author.
func TestWhatIsDeliveredLateIsAsOldAsItSays(t *testing.T) {
	w := newWorld(t)
	w.open()
	late := func(id, text string, age time.Duration) bool {
		body, err := json.Marshal(wire{Who: "requester", Place: "lava", Message: "late-" + id, Text: text})
		if err != nil {
			t.Fatal(err)
		}
		fresh, err := w.e.DeliverLate(context.Background(), engine.Delivery{Source: "chat", ID: id, Place: "lava", Body: body, At: w.clock.Now().Add(-age)})
		if err != nil {
			t.Fatal(err)
		}
		w.drain()
		return fresh
	}
	if !late("1", "release 2019.01", 3*time.Hour) || late("1", "release 2019.01", 3*time.Hour) {
		t.Fatal("it is not taken once")
	}
	if n := len(w.room.titled("2019.01")); n != 0 {
		t.Fatalf("an old command was carried out: %d messages", n)
	}
	late("2", "release 2019.02", 3*time.Minute)
	w.pass(time.Minute)
	if n := len(w.room.titled("2019.02")); n == 0 {
		t.Fatal("a command of a moment ago was not carried out")
	}
}

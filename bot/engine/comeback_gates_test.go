package engine_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/run"
)

// countReads counts how often each message is read from now on.
func (r *room) countReads() map[string]int {
	reads := map[string]int{}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read = func(message string) { reads[message]++ }
	return reads
}

// A stop that is too short to be an absence is long enough for a reaction: those of every open gate are
// read once after a start, and of none again.
func TestReactionsOfAShortStopAreFound(t *testing.T) {
	w := newWorld(t)
	w.open()
	const gates = 11 // more than are read at a time
	for i := range gates {
		w.say("requester", fmt.Sprintf("release %d.0", i))
	}
	w.say("requester", "release 2019.01")
	w.react("maintainer-a")
	w.wantStep("2019.01", "ship", run.Done)
	w.pass(time.Minute)
	last := w.room.titled(": gate go")[gates-1].ref.Message
	w.room.reactions[last] = []engine.Reaction{{Account: account("maintainer-a"), Emoji: "✅"}}
	reads := w.room.countReads()
	w.clock.pass(10 * time.Second)
	w.open()
	w.drain()
	w.wantStep(fmt.Sprintf("%d.0", gates-1), "ship", run.Done)
	w.pass(time.Hour)
	if len(reads) != gates {
		t.Errorf("%d messages were read, of %d open gates", len(reads), gates)
	}
	for message, n := range reads {
		if n != 1 && message != last { // as its gate closed it was read again
			t.Errorf("%s was read %d times", message, n)
		}
	}
	if n := len(w.room.titled("I was away")); n > 0 {
		t.Errorf("told %d times of no absence", n)
	}
	w.wantSound()
}

// While a chat is away, the reading of what is there goes on a few at a time, and ends when it is back.
func TestReactionsAreFoundWhenTheChatIsBack(t *testing.T) {
	w := newWorld(t)
	w.open()
	for i := range 6 {
		w.say("requester", fmt.Sprintf("release %d.0", i))
	}
	w.pass(time.Minute)
	for _, p := range w.room.titled(": gate go") {
		w.room.reactions[p.ref.Message] = []engine.Reaction{{Account: account("maintainer-a"), Emoji: "✅"}}
	}
	w.room.down = errs.E("room", errs.Unavailable, errors.New("it does not answer"))
	reads := w.room.countReads()
	w.open()
	w.drain()
	if len(reads) != 3 {
		t.Errorf("%d messages were read at once", len(reads))
	}
	w.pass(2 * time.Minute)
	w.room.down = nil
	for range 5 {
		w.pass(10 * time.Minute)
	}
	for i := range 6 {
		w.wantStep(fmt.Sprintf("%d.0", i), "ship", run.Done)
	}
}

// A chat that is away keeps none of the readings of another waiting.
func TestReactionsAreFoundBesideAChatThatIsAway(t *testing.T) {
	away := newRoom()
	w := twoChatWorld(t, away)
	const gates = 7
	for i := range gates {
		w.say("requester", fmt.Sprintf("release %d.0", i))
	}
	w.pass(time.Minute)
	away.down = errs.E("away", errs.Unavailable, errors.New("it does not answer"))
	reads, there := w.room.countReads(), away.countReads()
	w.open()
	w.drain()
	if len(reads) != gates || len(there) != 3 {
		t.Errorf("%d messages were read of %d, and %d where nothing is answered", len(reads), gates, len(there))
	}
}

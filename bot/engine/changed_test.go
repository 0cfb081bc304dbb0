package engine_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"slipway/bot/engine"
)

// tell has the chat tell of a message now, or late where it was asked.
func (w *world) tell(id string, m wire, late bool) {
	w.t.Helper()
	body, err := json.Marshal(m)
	if err != nil {
		w.t.Fatal(err)
	}
	d := engine.Delivery{Source: "chat", ID: id, Place: m.Place, Body: body, At: w.clock.Now()}
	if late {
		_, err = w.e.DeliverLate(context.Background(), d)
	} else {
		err = w.e.Deliver(context.Background(), d)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.drain()
}

// What was changed before it was heard of is not obeyed, and its author is told once; nor is its first
// version, when it comes after that.
func TestAMessageThatWasChangedSinceAsksItsAuthor(t *testing.T) {
	w := newWorld(t)
	w.open()
	m := wire{Who: "requester", Place: "lava", Message: "m1", Text: "release 2019.01"}
	changed := m
	changed.Changed = true
	w.tell("read-1", changed, true)
	w.tell("read-2", changed, true)
	w.tell("hook-1", m, false)
	w.pass(time.Minute)
	if told, begun := len(w.room.titled("it was changed since")), len(w.room.titled("2019.01")); told != 1 || begun != 0 {
		t.Fatalf("told %d times, with %d messages about a release", told, begun)
	}
}

// What was heard as it was written, and changed after that, is no news.
func TestAMessageThatWasHeardBeforeItsChangeIsNotSpokenOf(t *testing.T) {
	w := newWorld(t)
	w.open()
	m := wire{Who: "requester", Place: "lava", Message: "m1", Text: "release 2019.01"}
	w.tell("hook-1", m, false)
	m.Changed = true
	w.tell("read-1", m, true)
	w.pass(time.Minute)
	if told, begun := len(w.room.titled("it was changed since")), len(w.room.titled("2019.01")); told != 0 || begun == 0 {
		t.Fatalf("told %d times, with %d messages about a release", told, begun)
	}
}

// A delivery of now that tells of a message of long ago, such as a test of a hook, does not make it new.
func TestAMessageOfLongAgoThatIsToldNowAsksItsAuthor(t *testing.T) {
	w := newWorld(t)
	w.open()
	w.tell("hook-1", wire{Who: "requester", Place: "lava", Message: "m1", Text: "release 2019.01", At: w.clock.Now().Add(-3 * time.Hour)}, false)
	w.pass(time.Minute)
	if asked, begun := len(w.room.titled("comes to me only now")), len(w.room.titled("2019.01")); asked != 1 || begun != 0 {
		t.Fatalf("asked %d times, with %d messages about a release", asked, begun)
	}
	w.tell("hook-2", wire{Who: "requester", Place: "lava", Message: "m2", Text: "release 2019.02", At: w.clock.Now().Add(-3 * time.Minute)}, false)
	w.pass(time.Minute)
	if len(w.room.titled("2019.02")) == 0 {
		t.Fatal("what was written three minutes ago was not carried out")
	}
}

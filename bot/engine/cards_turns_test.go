package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/people"
)

// slow is a chat that notes when something was edited, and asks to slow down when it is told to.
type slow struct {
	*room
	clock *clock
	asks  bool
	edits []time.Time
}

func (s *slow) Edit(ctx context.Context, ref engine.Ref, c card.Card) error {
	if s.asks {
		s.asks = false
		return errs.E("chat", errs.Busy, errors.New("it asks to wait")).AskedToWait(time.Second)
	}
	s.edits = append(s.edits, s.clock.Now())
	return s.room.Edit(ctx, ref, c)
}

// show is how many of the first n cards say that their run is so.
func (w *world) show(n int, status string) (count int) {
	for i := range n {
		if strings.HasPrefix(w.room.status(fmt.Sprintf("card of release/lava/%d.0", i)), status) {
			count++
		}
	}
	return count
}

// command gives the same command for the first n runs.
func (w *world) command(n int, verb string) {
	w.t.Helper()
	for i := range n {
		w.msgs++
		text := fmt.Sprintf("%s %d.0", verb, i)
		if err := w.deliver(wire{Who: "requester", Place: "lava", Message: fmt.Sprint("c", w.msgs), Text: text}, fmt.Sprint("c", w.msgs)); err != nil {
			w.t.Fatal(err)
		}
	}
	w.drain()
}

// In a chat that asked to slow down, twenty cards are edited one after the other from the first moment on,
// at the pace that it takes. Runs that are looked at and have not changed take no part of that.
func TestACrowdedChatIsEditedAtItsPace(t *testing.T) {
	const runs, pace, step = 20, 1200 * time.Millisecond, 100 * time.Millisecond
	w := newWorld(t)
	chat := &slow{room: w.room, clock: w.clock}
	w.cfg = func(c *engine.Config) { c.Posters["chat"] = chat }
	w.open()
	for i := range runs {
		w.say("requester", fmt.Sprintf("release %d.0", i))
	}
	w.pass(time.Minute)
	within := func(what string, most time.Duration, n int, status string) {
		t.Helper()
		for spent := time.Duration(0); w.show(n, status) < n; spent += step {
			if spent > most {
				t.Fatalf("%s: %d of %d cards are shown after %s", what, w.show(n, status), n, most)
			}
			w.pass(step)
		}
	}
	chat.asks, chat.edits = true, nil
	began := w.clock.Now()
	w.command(runs, "hold")
	within("twenty at once", (runs+1)*pace, runs, "held")
	if first := chat.edits[0].Sub(began); first > pace {
		t.Errorf("the first edit came after %s", first)
	}
	for i, at := range chat.edits[1:] {
		if gap := at.Sub(chat.edits[i]); gap < pace {
			t.Errorf("edit %d came %s after the one before", i+1, gap)
		}
	}

	w.pass(10 * time.Second)
	w.e.ShowAgain()
	w.command(1, "resume")
	within("one beside many that have not changed", pace, 1, "live")

	w.pass(10 * time.Second)
	w.e.ShowAgain()
	w.pass(pace)
	w.pass(3 * time.Second) // the last of them had shares
	w.command(4, "abort")
	within("four after many that have not changed", 3*time.Second, 4, "ended")
}

// A private run that was begun when there was no place for it is shown when there is one.
func TestAPrivateRunIsShownWhereAPlaceWasFound(t *testing.T) {
	w := newWorld(t)
	open := false
	w.cfg = func(c *engine.Config) {
		c.Direct = func(p people.PersonID) []engine.Place {
			if !open {
				return nil
			}
			return []engine.Place{{Source: "chat", ID: "@" + string(p)}}
		}
	}
	w.open()
	w.say("requester", "secret 1.0")
	w.pass(time.Minute)
	open = true
	w.pass(time.Minute)
	if n := len(w.room.titled("card of")); n != 0 {
		t.Fatalf("%d cards before anybody said that there are places", n)
	}
	w.e.ShowAgain()
	w.drain()
	if n := len(w.room.titled("card of")); n != 2 {
		t.Errorf("%d cards for a circle of two", n)
	}
}

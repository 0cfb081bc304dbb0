package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"slipway/bot/engine"
	"slipway/bot/errs"
)

// Many deliveries are marked as decoded in one commit. When that fails, or its answer is lost with the
// process, what they said was done already: it is not done again, and none of them is left out.
func TestDeliveriesThatAreDecodedTogetherAreDoneOnce(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			w := newWorld(t)
			w.open()
			broken, marks := true, 0
			w.store.Before = func(b *engine.Batch) error {
				if !slices.ContainsFunc(b.Deletes, func(k engine.Key) bool { return k.Space == "queue" }) {
					return nil
				}
				if marks++; broken {
					return errs.E("store", errs.Full, errors.New("there is no room"))
				}
				return nil
			}
			const n = 5
			for i := range n {
				x := wire{Who: "requester", Place: "lava", Message: fmt.Sprint("s", i), Text: fmt.Sprintf("release 2019.0%d", i+1)}
				if err := w.deliver(x, fmt.Sprint("d", i)); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.e.Drain(context.Background()); !errs.Is(err, errs.Full) || marks == 0 {
				t.Fatalf("marked %d times: %v", marks, err)
			}
			broken, marks = false, 0
			if restart {
				w.open()
			}
			w.drain()
			runs, err := w.e.Runs(context.Background(), engine.Filter{})
			if err != nil || len(runs) != n {
				t.Fatalf("%d runs, %v", len(runs), err)
			}
			for i := range n {
				for _, title := range []string{"2019.0%d has begun", "2019.0%d: gate go"} {
					if posts := w.room.titled(fmt.Sprintf(title, i+1)); len(posts) != 1 {
						t.Errorf(title+": told %d times", i+1, len(posts))
					}
				}
			}
			if left, err := w.e.InboxList(context.Background(), "", 10, true); err != nil || len(left) != 0 || marks != 1 {
				t.Errorf("left are %+v, marked %d times, %v", left, marks, err)
			}
		})
	}
}

package engine_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"slipway/bot/engine"
)

// busy is a decoder during which time passes and more is delivered.
type busy struct{ meanwhile func() }

func (b busy) Decode(engine.Delivery) ([]engine.Fact, error) {
	b.meanwhile()
	return []engine.Fact{engine.Ignored{Why: "it is for counting"}}, nil
}

// While deliveries come in, decoding rests nine times as long as it took, and at most 250 ms; it then
// goes on by itself. When none came meanwhile, it does not rest.
func TestDecodingLeavesTheMachineToDeliveries(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct{ takes, rests time.Duration }{{10 * time.Millisecond, 90 * time.Millisecond}, {time.Second, 250 * time.Millisecond}} {
		w := newWorld(t)
		came, takes := 0, c.takes
		deliver := func() {
			came++
			if err := w.e.Deliver(ctx, engine.Delivery{Source: "chat", ID: fmt.Sprint("d", came), Body: []byte("x")}); err != nil {
				t.Fatal(err)
			}
		}
		w.cfg = func(c *engine.Config) {
			c.Decoders = map[string]engine.Decoder{"chat": busy{func() {
				if takes > 0 {
					w.clock.pass(takes)
					deliver()
				}
				takes = 0
			}}}
		}
		w.open()
		waiting := func(want int) {
			t.Helper()
			if l := w.load1(); l.Queue != want {
				t.Fatalf("%d wait, not %d", l.Queue, want)
			}
		}
		turn := func(rests time.Duration) {
			t.Helper()
			want := time.Time{}
			if rests > 0 {
				want = w.clock.Now().Add(rests)
			}
			if did, next, err := w.e.DecodePaced(ctx); err != nil || !next.Equal(want) || did != want.IsZero() {
				t.Fatalf("%v until %v, not %v: %v", did, next, want, err)
			}
		}
		deliver()
		began := w.clock.Now()
		if did, next, err := w.e.DecodePaced(ctx); err != nil || did || !next.Equal(began.Add(c.takes+c.rests)) {
			t.Fatalf("%v until %v: %v", did, next, err)
		}
		waiting(1)
		w.clock.pass(c.rests - time.Millisecond)
		deliver()
		turn(time.Millisecond)
		waiting(2)
		w.clock.pass(time.Millisecond)
		turn(0)
		waiting(0)
	}
}

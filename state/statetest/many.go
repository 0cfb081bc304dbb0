package statetest

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"

	"slipway/bot/engine"
	"slipway/bot/errs"
)

// The tests of many callers at once, whose batches meet in one group.

func oneCreator(t *testing.T, w *world) {
	const creators = 64
	var won atomic.Int32
	together(t, creators, func(i int) error {
		me := strconv.Itoa(i)
		err := w.s.Commit(context.Background(), &engine.Batch{
			Guards: []engine.Guard{lacks("names", "release/lava/2019.01")},
			Puts:   []engine.Record{put("names", "release/lava/2019.01", me), put("winners", me, me)},
		})
		if err == nil {
			won.Add(1)
		} else if !errs.Is(err, errs.Conflict) {
			return err
		}
		return nil
	})
	winners := w.scan("winners", "", "", false)
	name, _ := w.s.Get(context.Background(), key("names", "release/lava/2019.01"))
	if won.Load() != 1 || len(winners) != 1 || winners[0] != string(name)+"="+string(name) {
		t.Fatalf("%d were told that they won, %v wrote, and the name belongs to %q", won.Load(), winners, name)
	}
}

func noLostUpdate(t *testing.T, w *world) {
	const callers, each = 16, 40
	w.commit(engine.Batch{Puts: []engine.Record{put("count", "a", "0")}})
	together(t, callers, func(caller int) error {
		for n := range each {
			for {
				old, err := w.s.Get(context.Background(), key("count", "a"))
				if err != nil {
					return err
				}
				value, err := strconv.Atoi(string(old))
				if err != nil {
					return err
				}
				err = w.s.Commit(context.Background(), &engine.Batch{
					Guards: []engine.Guard{{Key: key("count", "a"), Want: old}},
					Puts:   []engine.Record{put("count", "a", strconv.Itoa(value+1)), put("steps", fmt.Sprintf("%d/%d", caller, n), "")},
				})
				if err == nil {
					break
				}
				if !errs.Is(err, errs.Conflict) {
					return err
				}
			}
		}
		return nil
	})
	w.want("count", "a", []byte(strconv.Itoa(callers*each)))
	if steps := w.scan("steps", "", "", false); len(steps) != callers*each {
		t.Fatalf("%d steps were written, want %d", len(steps), callers*each)
	}
}

func neighbours(t *testing.T, w *world) {
	const callers = 96
	together(t, callers, func(i int) error {
		b := engine.Batch{Puts: []engine.Record{put("s", fmt.Sprintf("%03d", i), "")}}
		refused := i%3 == 0
		if refused {
			b.Guards = []engine.Guard{has("nowhere", "never", "x")}
		}
		err := w.s.Commit(context.Background(), &b)
		if refused && !errs.Is(err, errs.Conflict) || !refused && err != nil {
			return fmt.Errorf("caller %d got %w", i, err)
		}
		return nil
	})
	if got := w.scan("s", "", "", false); len(got) != callers-callers/3 {
		t.Fatalf("%d records were written, want %d", len(got), callers-callers/3)
	}
}

// wholeReads writes pairs of records that belong together: a then b, always in one batch. A
// reader that sees the b of some number must see an a that is not older.
func wholeReads(t *testing.T, w *world) {
	const writes = 300
	number := func(id string) (int, error) {
		v, err := w.s.Get(context.Background(), key("pair", id))
		if err != nil || v == nil {
			return 0, err
		}
		return strconv.Atoi(string(v))
	}
	var acknowledged atomic.Int64
	together(t, 5, func(i int) error {
		if i == 0 {
			for n := 1; n <= writes; n++ {
				v := strconv.Itoa(n)
				if err := w.s.Commit(context.Background(), &engine.Batch{Puts: []engine.Record{put("pair", "a", v), put("pair", "b", v)}}); err != nil {
					return err
				}
				acknowledged.Store(int64(n))
			}
			return nil
		}
		for last := 0; last < writes; {
			known := int(acknowledged.Load())
			b, err := number("b")
			if err != nil {
				return err
			}
			a, err := number("a")
			if err != nil {
				return err
			}
			if b < known || b < last || a < b {
				return fmt.Errorf("read b %d and then a %d, after %d was seen and %d acknowledged", b, a, last, known)
			}
			last = b
		}
		return nil
	})
}

func durable(t *testing.T, w *world) {
	together(t, 32, func(i int) error {
		return w.s.Commit(context.Background(), &engine.Batch{Puts: []engine.Record{put("s", fmt.Sprintf("%02d", i), "kept"), put("gone", fmt.Sprint(i), "")}})
	})
	for i := range 32 {
		w.commit(engine.Batch{Deletes: []engine.Key{key("gone", fmt.Sprint(i))}})
	}
	before := w.scan("s", "", "", true)
	w.reopen()
	w.wantScan("s", "", "", true, before...)
	w.wantScan("gone", "", "", false)
	w.refuse(errs.Conflict, engine.Batch{Guards: []engine.Guard{lacks("s", "00")}})
	w.commit(engine.Batch{Guards: []engine.Guard{has("s", "00", "kept")}, Puts: []engine.Record{put("s", "00", "again")}})
	w.reopen()
	w.want("s", "00", []byte("again"))
}

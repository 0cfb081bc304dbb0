// Package statetest holds the suite that every [engine.Store] must pass, and [Memory], a store
// that passes it and needs no disk.
//
// A store's own test calls [Run]. When the store has a method Check(context.Context) error, the
// suite calls it after each test, so that damage is found where it was done.
package statetest

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway/bot/engine"
	"slipway/bot/errs"
)

// LargeSpace is the space in which a store opened for the suite must allow values up to
// [engine.MaxSnapshot].
const LargeSpace = "large"

// An Opener makes an empty store for one test, and a function that closes it and opens the same
// data again. It registers with t what must be cleaned up; the store that is open at the end is
// the one that was returned last.
type Opener func(t *testing.T) (s engine.Store, reopen func() engine.Store)

// Run holds a store to the contract of [engine.Store].
func Run(t *testing.T, open Opener) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, w *world)
	}{
		{"what is absent reads as nil", absent},
		{"a batch is written whole", whole},
		{"a guard refuses the whole batch", refusedWhole},
		{"guards tell nil, empty and value apart", guardKinds},
		{"guards see the batch before them, not their own", guardOrder},
		{"ids are ordered bytewise", ordered},
		{"ranges hold their start and not their end", ranges},
		{"a long scan misses and repeats nothing", longScan},
		{"visit may stop, read and write", visiting},
		{"slices belong to the caller", ownership},
		{"what can never be written is refused", refusedForEver},
		{"the largest values are kept", largest},
		{"an ended context writes nothing", endedContext},
		{"one of many creators wins", oneCreator},
		{"no update is lost", noLostUpdate},
		{"a refusal leaves its neighbours alone", neighbours},
		{"readers see whole batches in order", wholeReads},
		{"everything is there after opening again", durable},
		{"random batches behave as the model", model},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &world{t: t}
			s, reopen := open(t)
			w.s = s
			w.reopen = func() { w.s = reopen() }
			c.test(t, w)
			if checker, ok := w.s.(interface{ Check(context.Context) error }); ok && !t.Failed() {
				if err := checker.Check(context.Background()); err != nil {
					t.Errorf("the store is damaged after the test: %v", err)
				}
			}
		})
	}
}

// world is a store and the words in which a test speaks about it. It must not fail from another
// goroutine, so those use the store itself.
type world struct {
	t interface {
		Helper()
		Fatalf(string, ...any)
	}
	s      engine.Store
	reopen func()
}

func key(space, id string) engine.Key { return engine.Key{Space: space, ID: id} }

func put(space, id, value string) engine.Record {
	return engine.Record{Key: key(space, id), Value: []byte(value)}
}

func has(space, id, value string) engine.Guard {
	return engine.Guard{Key: key(space, id), Want: []byte(value)}
}

func lacks(space, id string) engine.Guard { return engine.Guard{Key: key(space, id)} }

func (w *world) commit(b engine.Batch) {
	w.t.Helper()
	if err := w.s.Commit(context.Background(), &b); err != nil {
		w.t.Fatalf("commit: %v", err)
	}
}

func (w *world) refuse(kind errs.Kind, b engine.Batch) {
	w.t.Helper()
	if err := w.s.Commit(context.Background(), &b); !errs.Is(err, kind) {
		w.t.Fatalf("commit gave %v, want an error of kind %s", err, kind)
	}
}

// want checks one record; a nil value means that it is absent.
func (w *world) want(space, id string, value []byte) {
	w.t.Helper()
	got, err := w.s.Get(context.Background(), key(space, id))
	if err != nil {
		w.t.Fatalf("get %s/%s: %v", space, id, err)
	}
	if (got == nil) != (value == nil) || !bytes.Equal(got, value) {
		w.t.Fatalf("%s/%s is %s, want %s", space, id, show(got), show(value))
	}
}

// scan returns "id=value" for each record visited.
func (w *world) scan(space, from, to string, reverse bool) []string {
	w.t.Helper()
	got := []string{}
	err := w.s.Scan(context.Background(), space, from, to, reverse, func(id string, value []byte) bool {
		got = append(got, id+"="+string(value))
		return true
	})
	if err != nil {
		w.t.Fatalf("scan %s: %v", space, err)
	}
	return got
}

func (w *world) wantScan(space, from, to string, reverse bool, want ...string) {
	w.t.Helper()
	if want == nil {
		want = []string{}
	}
	if diff := cmp.Diff(want, w.scan(space, from, to, reverse)); diff != "" {
		w.t.Fatalf("scan of %s from %q to %q, reverse %v (-want +got):\n%s", space, from, to, reverse, diff)
	}
}

func show(v []byte) string {
	if v == nil {
		return "absent"
	}
	if len(v) > 60 {
		return fmt.Sprintf("%q… (%d bytes)", v[:60], len(v))
	}
	return strconv.Quote(string(v))
}

// together runs work(0) to work(n-1) at the same time and fails with the first error.
func together(t *testing.T, n int, work func(i int) error) {
	t.Helper()
	var wg sync.WaitGroup
	failed := make(chan error, n)
	start := make(chan struct{})
	for i := range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			<-start
			if err := work(i); err != nil {
				failed <- err
			}
		}()
	}
	close(start)
	wg.Wait()
	close(failed)
	for err := range failed {
		t.Fatal(err)
	}
}

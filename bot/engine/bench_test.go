package engine_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"slipway/bot/engine"
	"slipway/state/bolt"
)

func openBolt(tb testing.TB) engine.Store {
	db, err := bolt.Open(filepath.Join(tb.TempDir(), "slipway.db"), bolt.Options{Large: engine.LargeSpaces()})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	return db
}

// BenchmarkStart compares the start of a run with a bare commit of one record, at 1 and 64 callers.
func BenchmarkStart(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("bare/%d", callers), func(b *testing.B) {
			db := openBolt(b)
			value := make([]byte, 512)
			parallel(b, callers, func(i int64) error {
				return db.Commit(context.Background(), &engine.Batch{Puts: []engine.Record{{Key: engine.Key{Space: "bare", ID: fmt.Sprint(i)}, Value: value}}})
			})
		})
		b.Run(fmt.Sprintf("start/%d", callers), func(b *testing.B) {
			e := benchEngine(b)
			parallel(b, callers, func(i int64) error { return start(e, i) })
		})
	}
}

func parallel(b *testing.B, callers int, f func(i int64) error) {
	var n atomic.Int64
	done := make(chan error, callers)
	b.ResetTimer()
	for range callers {
		go func() {
			for {
				i := n.Add(1)
				if i > int64(b.N) {
					done <- nil
					return
				}
				if err := f(i); err != nil {
					done <- err
					return
				}
			}
		}()
	}
	for range callers {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}

func start(e *engine.Engine, i int64) error {
	_, err := e.StartRun(context.Background(), engine.StartRequest{Family: "release", Project: "lava", Person: "requester",
		ID: fmt.Sprintf("run%08d", i), Inputs: map[string]any{"version": fmt.Sprintf("1.%d", i)}})
	return err
}

func benchEngine(tb testing.TB) *engine.Engine {
	w := newWorld(tb)
	db := openBolt(tb)
	w.cfg = func(c *engine.Config) { c.Store = db }
	return w.open()
}

// BenchmarkOpen measures how long a store with 50,000 live runs takes to be ready.
func BenchmarkOpen(b *testing.B) {
	w := newWorld(b)
	db := openBolt(b)
	w.cfg = func(c *engine.Config) { c.Store = db }
	e := w.open()
	var n atomic.Int64
	done := make(chan error)
	const runs = 50_000
	for range 64 {
		go func() {
			for i := n.Add(1); i <= runs; i = n.Add(1) {
				if err := start(e, i); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 64 {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		w.open()
	}
}

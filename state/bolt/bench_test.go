package bolt_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"slipway/bot/engine"
	"slipway/state/bolt"
)

// widths are the numbers of callers at the same time.
func widths() []int { return []int{1, 64, 256} }

// callers runs b.N calls from n goroutines and reports calls per second.
func callers(b *testing.B, n int, call func(i int64) error) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := call(i); err != nil {
					b.Error(err)
					return
				}
			}
		}()
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
}

// BenchmarkLimit is what this machine and bbolt give: group commit of one 512-byte value with
// nothing around it. Other results are read as a ratio to it.
func BenchmarkLimit(b *testing.B) {
	type request struct {
		id   [8]byte
		done chan error
	}
	for _, n := range widths() {
		b.Run(fmt.Sprintf("callers=%d", n), func(b *testing.B) {
			db, err := bbolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600,
				&bbolt.Options{NoFreelistSync: true, FreelistType: bbolt.FreelistMapType, InitialMmapSize: 1 << 30})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			queue := make(chan *request, 1024)
			value := bytes.Repeat([]byte("v"), 512)
			go func() {
				for first := range queue {
					group := []*request{first}
					for len(queue) > 0 {
						group = append(group, <-queue)
					}
					err := db.Update(func(tx *bbolt.Tx) error {
						bucket, err := tx.CreateBucketIfNotExists([]byte("s"))
						for _, r := range group {
							err = bucket.Put(r.id[:], value)
						}
						return err
					})
					for _, r := range group {
						r.done <- err
					}
				}
			}()
			requests := sync.Pool{New: func() any { return &request{done: make(chan error, 1)} }}
			callers(b, n, func(i int64) error {
				r := requests.Get().(*request)
				defer requests.Put(r)
				binary.BigEndian.PutUint64(r.id[:], uint64(i))
				queue <- r
				return <-r.done
			})
			close(queue)
		})
	}
}

func benchmarkDB(b *testing.B, o bolt.Options) *bolt.DB {
	b.Helper()
	db, err := bolt.Open(filepath.Join(b.TempDir(), "slipway.db"), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	return db
}

// BenchmarkCommitOne writes the same value as BenchmarkLimit through Commit.
func BenchmarkCommitOne(b *testing.B) {
	value := bytes.Repeat([]byte("v"), 512)
	for _, n := range widths() {
		b.Run(fmt.Sprintf("callers=%d", n), func(b *testing.B) {
			db := benchmarkDB(b, bolt.Options{})
			callers(b, n, func(i int64) error {
				return db.Commit(context.Background(), &engine.Batch{Puts: []engine.Record{{Key: engine.Key{Space: "s", ID: id(i)}, Value: value}}})
			})
		})
	}
}

// BenchmarkCommit writes what one command costs: two events, a snapshot, an effect, a key and a
// timer, guarded by the run's sequence and by the key.
func BenchmarkCommit(b *testing.B) { benchmarkCommand(b, bolt.Options{}) }

// BenchmarkCommitSlowDisk adds 2 ms to each commit, as a disk without a cache does.
func BenchmarkCommitSlowDisk(b *testing.B) {
	benchmarkCommand(b, bolt.Options{Faults: bolt.Faults{AfterCommit: func() error {
		time.Sleep(2 * time.Millisecond)
		return nil
	}}})
}

func benchmarkCommand(b *testing.B, o bolt.Options) {
	for _, n := range widths() {
		b.Run(fmt.Sprintf("callers=%d", n), func(b *testing.B) {
			db := benchmarkDB(b, o)
			callers(b, n, func(i int64) error { return db.Commit(context.Background(), command(i)) })
		})
	}
}

func id(i int64) string {
	var key [8]byte
	binary.BigEndian.PutUint64(key[:], uint64(i))
	return string(key[:])
}

func command(i int64) *engine.Batch {
	body := bytes.Repeat([]byte("v"), 900)
	run := "run/" + id(i)
	record := func(space, id string, size int) engine.Record {
		return engine.Record{Key: engine.Key{Space: space, ID: id}, Value: body[:size]}
	}
	return &engine.Batch{
		Guards: []engine.Guard{
			{Key: engine.Key{Space: "runs", ID: run}},
			{Key: engine.Key{Space: "keys", ID: "delivery/" + id(i)}},
		},
		Puts: []engine.Record{
			record("events", run+"/000001", 300),
			record("events", run+"/000002", 300),
			record("runs", run, 900),
			record("effects", run+"/000002/1", 250),
			record("keys", "delivery/"+id(i), 30),
			record("timers", id(i*7)+run, 30),
		},
	}
}

func BenchmarkGet(b *testing.B) {
	db := benchmarkDB(b, bolt.Options{})
	for i := range int64(1000) {
		if err := db.Commit(context.Background(), command(i)); err != nil {
			b.Fatal(err)
		}
	}
	callers(b, 2, func(i int64) error {
		_, err := db.Get(context.Background(), engine.Key{Space: "runs", ID: "run/" + id(i%1000)})
		return err
	})
}

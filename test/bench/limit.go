package main

import (
	"bytes"
	"encoding/binary"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"
)

// bare is what this machine and bbolt give: one writer that commits whatever waits, one 512-byte
// value for each caller, with nothing around it. Our figures are read as shares of it.
type bare struct {
	db    *bbolt.DB
	queue chan *request
	pool  sync.Pool
	value []byte
	delay time.Duration
	ended chan struct{}
}

type request struct {
	id   [8]byte
	done chan error
}

func openBare(dir string, delay time.Duration) (*bare, error) {
	db, err := bbolt.Open(filepath.Join(dir, "bare.db"), 0o600,
		&bbolt.Options{NoFreelistSync: true, FreelistType: bbolt.FreelistMapType, InitialMmapSize: 1 << 30})
	if err != nil {
		return nil, err
	}
	b := &bare{db: db, queue: make(chan *request, 1024), value: bytes.Repeat([]byte("v"), 512), delay: delay, ended: make(chan struct{})}
	b.pool.New = func() any { return &request{done: make(chan error, 1)} }
	go b.run()
	return b, nil
}

func (b *bare) run() {
	defer close(b.ended)
	for first := range b.queue {
		group := []*request{first}
		for len(b.queue) > 0 {
			group = append(group, <-b.queue)
		}
		err := b.db.Update(func(tx *bbolt.Tx) error {
			bucket, err := tx.CreateBucketIfNotExists([]byte("s"))
			for _, r := range group {
				if err == nil {
					err = bucket.Put(r.id[:], b.value)
				}
			}
			return err
		})
		if b.delay > 0 {
			time.Sleep(b.delay)
		}
		for _, r := range group {
			r.done <- err
		}
	}
}

func (b *bare) put(i int64) error {
	r := b.pool.Get().(*request)
	defer b.pool.Put(r)
	binary.BigEndian.PutUint64(r.id[:], uint64(i))
	b.queue <- r
	return <-r.done
}

func (b *bare) close() error {
	close(b.queue)
	<-b.ended
	return b.db.Close()
}

// updates is the rate of one caller of bbolt's own Update: default options, one 512-byte value.
func updates(dir string, n int) (rate float64, err error) {
	db, err := bbolt.Open(filepath.Join(dir, "updates.db"), 0o600, nil)
	if err != nil {
		return 0, err
	}
	defer func() { err = closed(db.Close, err) }()
	value := bytes.Repeat([]byte("v"), 512)
	begin := time.Now()
	for i := range n {
		if err := db.Update(func(tx *bbolt.Tx) error {
			bucket, err := tx.CreateBucketIfNotExists([]byte("s"))
			if err != nil {
				return err
			}
			return bucket.Put(binary.BigEndian.AppendUint64(nil, uint64(i)), value)
		}); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(begin).Seconds(), nil
}

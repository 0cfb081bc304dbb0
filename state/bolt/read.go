package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/state"
)

// Get reads one record. See [engine.Store].
func (db *DB) Get(ctx context.Context, k engine.Key) ([]byte, error) {
	const op = "store.get"
	if err := state.CheckKey(op, k); err != nil {
		return nil, err
	}
	var value []byte
	err := db.read(ctx, op, func(tx *bbolt.Tx) error {
		if b := tx.Bucket([]byte(k.Space)); b != nil {
			if v := b.Get([]byte(k.ID)); v != nil {
				value = append([]byte{}, v...)
			}
		}
		return nil
	})
	return value, err
}

// Bounds of one stretch of a scan. The first is short because many scans want only the head.
const (
	firstStretch = 8
	fullStretch  = 256
	stretchBytes = 1 << 20
)

// Scan visits a range. See [engine.Store].
//
// It reads in stretches of at most 256 records, each from one moment, and calls visit between
// them with no transaction open: visit may take its time, and may call the store. A record that
// is there during the whole scan is visited once; one that comes or goes meanwhile may be or not.
func (db *DB) Scan(ctx context.Context, space, from, to string, reverse bool, visit func(id string, value []byte) bool) error {
	const op = "store.scan"
	if err := state.CheckKey(op, engine.Key{Space: space, ID: "any"}); err != nil {
		return err
	}
	type record struct {
		id    string
		value []byte
	}
	var read []record
	lower, upper := []byte(from), []byte(to)
	if to == "" {
		upper = nil
	}
	for limit := firstStretch; ; limit = min(limit*4, fullStretch) {
		read = read[:0]
		more := false
		err := db.read(ctx, op, func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte(space))
			if b == nil {
				return nil
			}
			size := 0
			more = walk(b.Cursor(), lower, upper, reverse, func(id, value []byte) bool {
				read = append(read, record{string(id), append([]byte{}, value...)})
				size += len(id) + len(value)
				return len(read) < limit && size < stretchBytes
			})
			return nil
		})
		if err != nil {
			return err
		}
		for _, r := range read {
			if !visit(r.id, r.value) {
				return nil
			}
		}
		if !more {
			return nil
		}
		last := read[len(read)-1].id
		if reverse {
			upper = []byte(last)
		} else {
			lower = append([]byte(last), 0)
		}
	}
}

// walk steps through lower ≤ id < upper (no bound when nil) until step returns false, which it
// reports: there may be more.
func walk(c *bbolt.Cursor, lower, upper []byte, reverse bool, step func(id, value []byte) bool) (more bool) {
	var id, value []byte
	if !reverse {
		for id, value = c.Seek(lower); id != nil; id, value = c.Next() {
			if upper != nil && bytes.Compare(id, upper) >= 0 {
				return false
			}
			if !step(id, value) {
				return true
			}
		}
		return false
	}
	behind := []byte(nil)
	if upper != nil {
		behind, _ = c.Seek(upper)
	}
	if behind == nil {
		id, value = c.Last()
	} else {
		id, value = c.Prev()
	}
	for ; id != nil && bytes.Compare(id, lower) >= 0; id, value = c.Prev() {
		if !step(id, value) {
			return true
		}
	}
	return false
}

// read is view for what walks through pages, which may be damaged.
func (db *DB) read(ctx context.Context, op string, walk func(*bbolt.Tx) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if damaged(recover()) {
			err = corrupt(op, db.path, errDamaged)
		}
	}()
	return db.view(ctx, op, walk)
}

// view runs read in a transaction of the newest state that is on disk.
func (db *DB) view(ctx context.Context, op string, read func(*bbolt.Tx) error) error {
	if ctx.Err() != nil {
		return gaveUp(op, ctx)
	}
	tx, err := db.bolt.Begin(false)
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return closedError(op, db.path)
	}
	if err != nil {
		return errs.E(op, errs.Unavailable, fmt.Errorf("%s cannot be read: %w", db.path, err)).
			Hint("Start slipway again.")
	}
	defer tx.Rollback()
	if err := db.settle(ctx, op, tx.ID()); err != nil {
		return err
	}
	return read(tx)
}

// settle waits until transaction id is on disk. bbolt shows a commit to readers before the fsync
// that makes it durable, and an effect that began on such a read could outlive its reason.
func (db *DB) settle(ctx context.Context, op string, id int) error {
	for {
		db.mu.Lock()
		if id <= db.durable {
			db.mu.Unlock()
			return nil
		}
		if db.dead != nil {
			defer db.mu.Unlock()
			return db.dead
		}
		if db.settled == nil {
			db.settled = make(chan struct{})
		}
		settled := db.settled
		db.mu.Unlock()
		select {
		case <-settled:
		case <-ctx.Done():
			return gaveUp(op, ctx)
		}
	}
}

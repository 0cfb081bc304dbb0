package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/state"
)

const opCommit = "store.commit"

// Commit writes b. See [engine.Store] and the package comment for the outcomes.
//
// The end of ctx takes b back as long as the committer has not begun with it: then the error is
// of kind [errs.Unavailable] and nothing was written. After that Commit waits for the outcome
// whatever ctx says, because a commit that began cannot be undone.
//
// Nothing in b may be changed until Commit returns.
func (db *DB) Commit(ctx context.Context, b *engine.Batch) error {
	if db.readOnly {
		return errs.E(opCommit, errs.Denied, fmt.Errorf("the store %s is open for reading only", db.path)).Hint("Start slipway serve once: it brings the store up to date.")
	}
	size, err := db.limits.Check(opCommit, b)
	if err != nil {
		return err
	}
	if writesFormat(b) {
		return errs.E(opCommit, errs.Invalid, fmt.Errorf("the record meta/format belongs to the store"))
	}
	if ctx.Err() != nil {
		return gaveUp(opCommit, ctx)
	}
	r := db.requests.Get().(*request)
	r.batch, r.size, r.err = b, size, nil
	r.owner.Store(queued)
	if !db.queue.put(r) {
		return closedError(opCommit, db.path)
	}
	if cancelled := ctx.Done(); cancelled != nil {
		select {
		case <-r.done:
		case <-cancelled:
			if r.withdraw() {
				return gaveUp(opCommit, ctx) // the committer drops r, so it is not used again
			}
			<-r.done
		}
	} else {
		<-r.done
	}
	err = r.err
	r.batch, r.err = nil, nil
	db.requests.Put(r)
	return err
}

// A group is the committer's workspace, kept from one transaction to the next.
type group struct {
	requests []*request
	buckets  map[string]*bbolt.Bucket // of the transaction under way
}

// run is the committer. It ends when the queue is closed and empty.
func (db *DB) run() {
	defer close(db.stopped)
	debug.SetPanicOnFault(true) // see damaged
	g := &db.group
	for {
		runtime.Gosched() // those who were just answered may come back into this group
		g.requests = db.queue.next(g.requests[:0])
		if len(g.requests) == 0 {
			return
		}
		kept := g.requests[:0]
		for _, r := range g.requests {
			if r.take() {
				kept = append(kept, r)
			}
		}
		err := db.commit(g, kept)
		for _, r := range kept {
			if err != nil {
				r.err = err // of those that were refused too: what refused them may not have been written
			}
			r.done <- struct{}{}
		}
		clear(g.requests)
	}
}

// commit writes all requests in one transaction. A request that a guard refuses has its own
// error; the error that is returned is the outcome of all.
func (db *DB) commit(g *group, requests []*request) (err error) {
	if len(requests) == 0 {
		return nil
	}
	db.writing.Lock()
	defer db.writing.Unlock()
	if err := db.death(); err != nil {
		return err
	}
	tx, err := db.bolt.Begin(true)
	if err != nil {
		return db.die(err)
	}
	defer func() {
		if damaged(recover()) {
			db.stuck.Store(!release(tx))
			err = db.die(errDamaged)
		}
	}()
	clear(g.buckets)
	writes, refused := 0, 0
	for _, r := range requests {
		n, err := g.apply(tx, r.batch)
		switch {
		case errs.Is(err, errs.Conflict):
			r.err = err
			refused++
		case err != nil:
			// No batch that passed its check can fail here; what did is a defect, and half a
			// batch may stand in the transaction.
			_ = tx.Rollback()
			return errs.E(opCommit, errs.Internal, fmt.Errorf("writing to %s: %w", db.path, err))
		}
		writes += n
	}
	db.refused.Add(int64(refused))
	if writes == 0 {
		return tx.Rollback()
	}
	if err := db.finish(tx); err != nil {
		return err
	}
	n := int64(len(requests) - refused)
	db.commits.Add(1)
	db.batches.Add(n)
	if n > db.largest.Load() {
		db.largest.Store(n)
	}
	return nil
}

// finish makes tx durable. Its error is of kind Full when nothing was written for want of room,
// and Doubtful otherwise.
func (db *DB) finish(tx *bbolt.Tx) error {
	id := tx.ID()
	var err error
	if db.faults.BeforeCommit != nil {
		err = db.faults.BeforeCommit()
	}
	if err == nil {
		err = tx.Commit()
	} else {
		_ = tx.Rollback()
	}
	if err != nil {
		// Without room bbolt fails before it writes the page that makes the commit visible. If
		// that page was written all the same, the commit may be on disk or not.
		full := state.IsFull(err) || errors.Is(err, bolterrors.ErrMaxSizeReached)
		if full && !db.visible(id) {
			return errs.E(opCommit, errs.Full, fmt.Errorf("there is no room for %s: %w", db.path, err)).
				Hint("Make room on that disk; work goes on by itself.")
		}
		return db.die(err)
	}
	if db.faults.AfterCommit != nil {
		if err := db.faults.AfterCommit(); err != nil {
			return db.die(err)
		}
	}
	db.mu.Lock()
	db.durable = id
	db.wake()
	db.mu.Unlock()
	return nil
}

// visible reports whether a reader would see transaction id, or cannot be asked.
func (db *DB) visible(id int) bool {
	tx, err := db.bolt.Begin(false)
	if err != nil {
		return true
	}
	defer tx.Rollback()
	return tx.ID() >= id
}

// die ends all writing. It returns the error that every commit gets from now on.
func (db *DB) die(cause error) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.dead == nil {
		db.dead = errs.E(opCommit, errs.Doubtful, fmt.Errorf("the disk failed while %s was being written, and nobody can tell how far it got: %w",
			db.path, cause)).Hint("Check the disk, then start slipway again: it recovers from what is on disk.")
		db.wake()
		db.fatal <- db.dead
	}
	return db.dead
}

func (db *DB) death() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.dead
}

// wake lets waiting readers look again. The caller holds db.mu.
func (db *DB) wake() {
	if db.settled != nil {
		close(db.settled)
		db.settled = nil
	}
}

// apply checks the guards of b and then writes it into tx. It returns how many records it
// touched. An error of kind Conflict leaves tx as it was.
func (g *group) apply(tx *bbolt.Tx, b *engine.Batch) (int, error) {
	for i := range b.Guards {
		guard := &b.Guards[i]
		var have []byte
		if bucket := g.bucket(tx, guard.Key.Space); bucket != nil {
			have = bucket.Get([]byte(guard.Key.ID))
		}
		if (have == nil) != (guard.Want == nil) || !bytes.Equal(have, guard.Want) {
			return 0, state.Conflict(opCommit, guard.Key, have != nil, guard.Want != nil)
		}
	}
	for i := range b.Puts {
		p := &b.Puts[i]
		bucket := g.bucket(tx, p.Key.Space)
		if bucket == nil {
			var err error
			if bucket, err = tx.CreateBucket([]byte(p.Key.Space)); err != nil {
				return 0, err
			}
			g.buckets[p.Key.Space] = bucket
		}
		value := p.Value
		if value == nil {
			value = []byte{} // bbolt's Get could not tell it from a record that does not exist
		}
		if err := bucket.Put([]byte(p.Key.ID), value); err != nil {
			return 0, err
		}
	}
	for i := range b.Deletes {
		k := &b.Deletes[i]
		if bucket := g.bucket(tx, k.Space); bucket != nil {
			if err := bucket.Delete([]byte(k.ID)); err != nil {
				return 0, err
			}
		}
	}
	return len(b.Puts) + len(b.Deletes), nil
}

// bucket is the bucket of a space in tx, or nil when there is none yet.
func (g *group) bucket(tx *bbolt.Tx, space string) *bbolt.Bucket {
	b := g.buckets[space]
	if b == nil {
		if b = tx.Bucket([]byte(space)); b != nil {
			g.buckets[space] = b
		}
	}
	return b
}

func writesFormat(b *engine.Batch) bool {
	for i := range b.Puts {
		if b.Puts[i].Key == formatKey() {
			return true
		}
	}
	for i := range b.Deletes {
		if b.Deletes[i] == formatKey() {
			return true
		}
	}
	return false
}

func gaveUp(op string, ctx context.Context) error {
	return errs.E(op, errs.Unavailable, fmt.Errorf("given up before anything was done: %w", context.Cause(ctx)))
}

func closedError(op, path string) error {
	return errs.E(op, errs.Unavailable, fmt.Errorf("the store %s is closed", path))
}

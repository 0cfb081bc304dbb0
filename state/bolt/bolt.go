// Package bolt keeps Slipway's state in one bbolt file: the embedded default of [engine.Store].
//
// Each Space is one bucket. One goroutine, the committer, gathers the batches that wait and
// writes them in one transaction, so that many callers share the two fsyncs of bbolt. Guards are
// checked inside that transaction, in the order of arrival, against everything before them, the
// earlier batches of the same group included. A guard that does not hold refuses its own batch
// and touches no other.
//
// A commit has three outcomes. Committed: nil, and the batch is on disk. Refused: nothing of it
// was written ([errs.Conflict], [errs.Full], [errs.Invalid], [errs.Unavailable]). Doubtful:
// nobody can tell ([errs.Doubtful]), because the disk failed while it was being written. After a
// failed fsync the kernel may drop what it could not write and call the next fsync a success, so
// nothing is tried again: every later Commit is doubtful, [DB.Fatal] reports it, and the process
// must exit and recover from disk. A full disk is different: it is found before the commit is
// visible, so the store stays readable, and later commits try again.
//
// Reads never show what is not on disk yet: a read that begins while a commit is between its
// last write and its last fsync waits for that fsync.
//
// The record "format" in the space "meta" belongs to this package. It holds the version of the
// layout, and a store written by a newer version is refused.
package bolt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/state"
)

// Options of a store. The zero value is right for most.
type Options struct {
	Large        []string      // spaces whose values may have up to engine.MaxSnapshot bytes
	LockTimeout  time.Duration // how long to wait for another process to let go; 0 means 1 s
	MaxSize      int64         // bytes the file may have, beyond which commits are errs.Full; 0 means no bound
	GroupBatches int           // batches that may share a transaction; 0 means 1024
	GroupBytes   int           // bytes that may share a transaction; 0 means 8 MiB
	ReadOnly     bool          // commits are refused and nothing is written; several may read one file
	Faults       Faults        // for tests
}

// Faults lets tests fail, slow down or cut a commit at its durable steps.
type Faults struct {
	// BeforeCommit runs when a group is applied and nothing of it is on disk. Its error is
	// taken as that of the commit, which does not happen.
	BeforeCommit func() error
	// AfterCommit runs when the group is on disk and nobody was told yet. Its error makes the
	// group doubtful.
	AfterCommit func() error
	// OpenFile opens the database file in place of os.OpenFile.
	OpenFile func(name string, flag int, mode os.FileMode) (*os.File, error)
}

// DB is an open store. All methods may be called at the same time. It is an [engine.Store].
type DB struct {
	path   string
	bolt   *bbolt.DB
	limits state.Limits
	faults Faults
	group  group
	queue  queue

	requests sync.Pool
	writing  sync.Mutex    // held by whoever needs that nobody writes: the committer, Check
	stopped  chan struct{} // closed when the committer has ended
	readOnly bool          // there is no committer
	stuck    atomic.Bool   // bbolt broke in the middle of a transaction, and cannot be closed

	mu      sync.Mutex
	durable int           // id of the newest bbolt transaction that is known to be on disk
	settled chan struct{} // closed when durable moves or dead is set; nil while nobody waits
	dead    error         // why nothing is written any more, of kind errs.Doubtful
	fatal   chan error
	closing sync.Once
	closed  error

	commits, batches, refused, largest atomic.Int64
}

var _ engine.Store = (*DB)(nil)

// mapSize is the address space reserved for the file, in bytes. Outgrowing it makes bbolt wait
// for all readers, so that one slow backup would stop all writers. It takes no memory.
const mapSize = 1 << 30

// Open opens the store at path and creates it when there is none. The folder must exist.
//
// It returns an error of kind [errs.Busy] when another process uses the store, [errs.Denied] for
// missing permission, [errs.NotFound] for a missing folder, [errs.Full] when there is no room to
// create it, [errs.Corrupt] for a file that is damaged or no database, and [errs.Invalid] for a
// database of something else or of a newer Slipway.
func Open(path string, o Options) (*DB, error) {
	const op = "store.open"
	if o.LockTimeout == 0 {
		o.LockTimeout = time.Second
	}
	opened := &bbolt.Options{
		Timeout:        o.LockTimeout,
		NoFreelistSync: true,
		FreelistType:   bbolt.FreelistMapType,
		OpenFile:       o.Faults.OpenFile,
	}
	if math.MaxInt > math.MaxInt32 {
		opened.InitialMmapSize = mapSize
	}
	opened.ReadOnly = o.ReadOnly
	if o.MaxSize > 0 {
		opened.MaxSize = int(min(o.MaxSize, math.MaxInt))
	}
	if err := checkLength(op, path, *opened); err != nil {
		return nil, err
	}
	b, err := openBolt(path, opened)
	if err != nil {
		return nil, openError(op, path, err)
	}
	db := &DB{
		path: path, bolt: b, limits: state.Large(o.Large...), faults: o.Faults,
		group:   group{buckets: map[string]*bbolt.Bucket{}},
		stopped: make(chan struct{}), fatal: make(chan error, 1),
	}
	db.queue.init(o.GroupBatches, o.GroupBytes)
	db.requests.New = func() any { return &request{done: make(chan struct{}, 1)} }
	if o.ReadOnly {
		db.readOnly = true
		db.queue.close()
		close(db.stopped)
	}
	if err := db.prepare(op); err != nil {
		b.Close()
		return nil, err
	}
	if !o.ReadOnly {
		go db.run()
	}
	return db, nil
}

// openBolt turns a panic of bbolt, which meets a damaged file with one, into an error.
func openBolt(path string, o *bbolt.Options) (b *bbolt.DB, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if damaged(recover()) {
			err = errDamaged
		}
	}()
	return bbolt.Open(path, 0o600, o)
}

func openError(op, path string, err error) error {
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return errs.E(op, errs.Busy, fmt.Errorf("another slipway uses %s", path)).
			Hint("Stop it first, or give this one a folder of its own.")
	case errors.Is(err, errDamaged), errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum),
		errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return corrupt(op, path, errors.New("it is damaged or is not a store"))
	}
	return state.DiskError(op, path, err)
}

// prepare checks or writes the format, and makes sure that everything it read is on disk: a
// process killed between its last write and its last fsync leaves a state that is not.
func (db *DB) prepare(op string) error {
	if err := checkFormat(op, db.path, db.bolt); err != nil {
		return err
	}
	if !db.readOnly {
		if err := db.bolt.Sync(); err != nil {
			return state.DiskError(op, db.path, err)
		}
		if err := syncDir(filepath.Dir(db.path)); err != nil {
			return state.DiskError(op, filepath.Dir(db.path), err)
		}
	}
	return db.bolt.View(func(tx *bbolt.Tx) error {
		db.durable = tx.ID()
		return nil
	})
}

// syncDir makes the name of a new file durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Fatal delivers the reason once, when nothing can be written any more and the process must exit
// and recover from disk.
func (db *DB) Fatal() <-chan error { return db.fatal }

// Close writes what is queued, ends the committer and lets go of the file. A Commit that begins
// later is refused. Close waits for reads that are under way, and may be called more than once.
func (db *DB) Close() error {
	db.closing.Do(func() {
		db.queue.close()
		<-db.stopped
		if db.stuck.Load() {
			return
		}
		if err := db.bolt.Close(); err != nil {
			db.closed = state.DiskError("store.close", db.path, err)
		}
	})
	return db.closed
}

// Snapshot writes a consistent copy of the whole store, a database that [Open] opens, while work
// goes on. Write to a fast disk: pages that a commit replaces meanwhile stay in use until the
// copy is complete, so the file grows. It returns the error of w, or of kind [errs.Unavailable]
// when ctx ends first.
func (db *DB) Snapshot(ctx context.Context, w io.Writer) error {
	const op = "store.snapshot"
	return db.view(ctx, op, func(tx *bbolt.Tx) error {
		if _, err := tx.WriteTo(&contextWriter{ctx, w}); err != nil {
			if ctx.Err() != nil {
				return gaveUp(op, ctx)
			}
			return fmt.Errorf("writing a copy of %s: %w", db.path, err)
		}
		return nil
	})
}

type contextWriter struct {
	ctx context.Context
	w   io.Writer
}

func (c *contextWriter) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(p)
}

// Check reads the whole file and returns an error of kind [errs.Corrupt] that lists what is
// wrong in its structure. Commits wait until it is done.
func (db *DB) Check(ctx context.Context) error {
	const op = "store.check"
	db.writing.Lock()
	defer db.writing.Unlock()
	return db.view(ctx, op, func(tx *bbolt.Tx) error {
		if err := wantLength(op, db.path, tx); err != nil {
			return err
		}
		var found []error
		total := 0
		for err := range tx.Check() { // must be drained, or its goroutine never ends
			if total++; total <= 10 {
				found = append(found, err)
			}
		}
		if total == 0 {
			return nil
		}
		return corrupt(op, db.path, fmt.Errorf("%d faults: %w", total, errors.Join(found...)))
	})
}

// Stats describes a store. Sizes are in bytes; counters begin at Open.
type Stats struct {
	File     int64 // size of the file, which never shrinks
	Free     int64 // part of the file that is free for new records
	Spaces   int
	Commits  int64 // transactions written
	Batches  int64 // batches in them
	Refused  int64 // batches refused by a guard
	MaxGroup int64 // most batches in one transaction
}

// Stats reads the size and the counters. It is cheap: it reads no records.
func (db *DB) Stats(ctx context.Context) (Stats, error) {
	const op = "store.stats"
	s := Stats{Commits: db.commits.Load(), Batches: db.batches.Load(), Refused: db.refused.Load(), MaxGroup: db.largest.Load()}
	info, err := os.Stat(db.path)
	if err != nil {
		return s, state.DiskError(op, db.path, err)
	}
	s.File = info.Size()
	pages := db.bolt.Stats()
	s.Free = int64(pages.FreePageN+pages.PendingPageN) * int64(db.bolt.Info().PageSize)
	err = db.read(ctx, op, func(tx *bbolt.Tx) error {
		s.Free += max(0, s.File-tx.Size())
		return tx.ForEach(func([]byte, *bbolt.Bucket) error { s.Spaces++; return nil })
	})
	return s, err
}

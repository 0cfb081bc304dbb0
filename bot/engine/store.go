// Package engine is the shell around the pure core: the one path from a delivery on disk to an
// effect in the world and back. Its package contract is in doc.go.
package engine

import "context"

// Key names one record. Records of one Space are ordered by ID, bytewise; a Space holds one kind
// of record. Keys are made for range scans: nothing on a request path reads a whole Space.
type Key struct {
	Space string
	ID    string
}

// Record is a stored value. Values are at most [MaxValue] bytes; larger ones go to [Blobs].
type Record struct {
	Key   Key
	Value []byte
}

// MaxValue is the largest value a Store accepts, in bytes. Larger bodies go to the blob store.
const MaxValue = 16 << 10

// MaxSnapshot is the exception of MaxValue for the snapshot of a run with thousands of steps.
const MaxSnapshot = 1 << 20

// Guard is a condition under which a batch is committed: the record of Key has exactly the value
// Want, or, with a nil Want, does not exist.
type Guard struct {
	Key  Key
	Want []byte
}

// Batch is one transaction. It is committed whole or not at all.
type Batch struct {
	Guards  []Guard
	Puts    []Record
	Deletes []Key
}

// Store is durable, ordered storage with guarded batches. It is small enough to be fit for etcd.
//
// Commit returns nil once the batch is on disk. It returns an error of kind [errs.Conflict] when
// a guard did not hold (nothing was written; batches beside it are not affected), [errs.Full]
// when the disk is full (nothing was written, and the store stays readable), [errs.Doubtful]
// when nobody can tell whether it was written (the process must stop and recover from disk), and
// [errs.Invalid] for a batch that can never be written. Concurrent commits share one fsync.
//
// Get returns nil, nil for a record that does not exist. Scan visits the records of a Space with
// from ≤ ID < to, in order ("" as to means to the end), until visit returns false; descending
// when reverse. The slices handed out belong to the caller. Reads see every commit that
// returned before they began.
type Store interface {
	Commit(ctx context.Context, b *Batch) error
	Get(ctx context.Context, k Key) ([]byte, error)
	Scan(ctx context.Context, space, from, to string, reverse bool, visit func(id string, value []byte) bool) error
}

// Blobs keeps larger bodies by the digest of their content ("sha256:…").
//
// Put returns after the content is on disk under its digest; putting the same content again is
// cheap. Get returns an error of kind [errs.NotFound] for a digest that is not kept, and
// [errs.Corrupt] when the content no longer has that digest.
type Blobs interface {
	Put(ctx context.Context, content []byte) (digest string, err error)
	Get(ctx context.Context, digest string) ([]byte, error)
}

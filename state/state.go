// Package state holds the rules that every store of Slipway shares: what a batch may contain,
// and how an error of the disk is told to a person.
//
// The stores themselves are beside it: bolt is the embedded default, blob keeps larger bodies as
// content-addressed files, and statetest is the suite that every [engine.Store] must pass.
package state

import (
	"fmt"

	"slipway/bot/engine"
	"slipway/bot/errs"
)

// Bounds of a batch, in bytes. They leave room for stores with small transactions.
const (
	MaxSpace = 64      // name of a Space
	MaxID    = 1 << 10 // ID of a record
	MaxBatch = 8 << 20 // keys and values of one batch, guards included
)

// overhead is counted for each record beside its bytes, so that a batch of many empty records
// has a bound too.
const overhead = 32

// Limits says which spaces may hold values up to [engine.MaxSnapshot] instead of
// [engine.MaxValue]. The zero value allows none.
type Limits map[string]bool

// Large makes Limits in which the named spaces may hold snapshots.
func Large(spaces ...string) Limits {
	l := make(Limits, len(spaces))
	for _, s := range spaces {
		l[s] = true
	}
	return l
}

// Check reports the size of b in bytes, or an error of kind [errs.Invalid] for a batch that no
// store can ever write: no batch, a key without space or ID or with one that is too long, a
// value that is too large, a batch that is too large, or a key that is written twice. The last
// is refused because stores differ in which of the two writes wins, and etcd refuses it as well.
func (l Limits) Check(op string, b *engine.Batch) (size int, err error) {
	if b == nil {
		return 0, errs.E(op, errs.Invalid, fmt.Errorf("there is no batch to write"))
	}
	for i := range b.Guards {
		g := &b.Guards[i]
		if err := CheckKey(op, g.Key); err != nil {
			return 0, err
		}
		size += overhead + len(g.Key.Space) + len(g.Key.ID) + len(g.Want)
	}
	for i := range b.Puts {
		p := &b.Puts[i]
		if err := CheckKey(op, p.Key); err != nil {
			return 0, err
		}
		limit := engine.MaxValue
		if len(p.Value) > limit && l[p.Key.Space] {
			limit = engine.MaxSnapshot
		}
		if len(p.Value) > limit {
			return 0, errs.E(op, errs.Invalid, fmt.Errorf("the value of %s/%s has %d bytes, and %d are allowed",
				p.Key.Space, short(p.Key.ID), len(p.Value), limit)).Hint("Keep it in the blob store and write its digest.")
		}
		size += overhead + len(p.Key.Space) + len(p.Key.ID) + len(p.Value)
	}
	for i := range b.Deletes {
		if err := CheckKey(op, b.Deletes[i]); err != nil {
			return 0, err
		}
		size += overhead + len(b.Deletes[i].Space) + len(b.Deletes[i].ID)
	}
	if size > MaxBatch {
		return 0, errs.E(op, errs.Invalid, fmt.Errorf("the batch has %d bytes, and %d are allowed", size, MaxBatch)).
			Hint("Write it in several batches.")
	}
	if k, twice := writtenTwice(b); twice {
		return 0, errs.E(op, errs.Invalid, fmt.Errorf("the batch writes %s/%s twice", k.Space, short(k.ID))).
			Hint("Write each record once in a batch.")
	}
	return size, nil
}

// CheckKey returns an error of kind [errs.Invalid] for a key that no store accepts.
func CheckKey(op string, k engine.Key) error {
	switch {
	case k.Space == "" || len(k.Space) > MaxSpace:
		return errs.E(op, errs.Invalid, fmt.Errorf("the space name %q must have 1 to %d bytes", short(k.Space), MaxSpace))
	case k.ID == "":
		return errs.E(op, errs.Invalid, fmt.Errorf("a record of the space %s has no id", k.Space))
	case len(k.ID) > MaxID:
		return errs.E(op, errs.Invalid, fmt.Errorf("the id %q in %s has %d bytes, and %d are allowed",
			short(k.ID), k.Space, len(k.ID), MaxID)).Hint("Use a digest of it as the id.")
	}
	return nil
}

// Conflict is the refusal of a batch whose guard on k did not hold. exists says whether the
// record is there now, and wanted whether the guard expected it to be.
func Conflict(op string, k engine.Key, exists, wanted bool) error {
	what := "has changed since it was read"
	switch {
	case exists && !wanted:
		what = "exists already"
	case !exists && wanted:
		what = "does not exist any more"
	}
	return errs.E(op, errs.Conflict, fmt.Errorf("the record %s/%s %s", k.Space, short(k.ID), what)).
		Hint("Read it again and decide again.")
}

// writtenTwice compares pairwise where that is cheaper than a set: most batches are small.
func writtenTwice(b *engine.Batch) (engine.Key, bool) {
	n := len(b.Puts) + len(b.Deletes)
	key := func(i int) engine.Key {
		if i < len(b.Puts) {
			return b.Puts[i].Key
		}
		return b.Deletes[i-len(b.Puts)]
	}
	if n <= 12 {
		for i := 1; i < n; i++ {
			for j := range i {
				if key(i) == key(j) {
					return key(i), true
				}
			}
		}
		return engine.Key{}, false
	}
	seen := make(map[engine.Key]struct{}, n)
	for i := range n {
		k := key(i)
		if _, twice := seen[k]; twice {
			return k, true
		}
		seen[k] = struct{}{}
	}
	return engine.Key{}, false
}

// short keeps an error readable when the id in it is not.
func short(s string) string {
	if len(s) > 80 {
		return s[:77] + "..."
	}
	return s
}

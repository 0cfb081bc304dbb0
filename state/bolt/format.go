package bolt

import (
	"fmt"
	"strconv"

	"go.etcd.io/bbolt"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/state"
)

// Format is the version of the layout that this package writes. It brings an older one up as it
// opens it. Buckets and keys are those of format 1; what is new in format 2 is what the engine keeps
// in them. A program of that time looks at this number alone, so that it must be another one.
const Format = 2

// formatKey is the record that holds the version, in decimal digits.
func formatKey() engine.Key { return engine.Key{Space: "meta", ID: "format"} }

// checkFormat writes the version into a database that is empty or of an older format, and refuses
// one it does not understand.
func checkFormat(op, path string, b *bbolt.DB) error {
	key := formatKey()
	var found []byte
	empty := true
	err := b.View(func(tx *bbolt.Tx) error {
		first, _ := tx.Cursor().First()
		empty = first == nil
		if meta := tx.Bucket([]byte(key.Space)); meta != nil {
			found = append(found, meta.Get([]byte(key.ID))...)
		}
		return nil
	})
	if err != nil {
		return state.DiskError(op, path, err)
	}
	version, err := strconv.Atoi(string(found))
	switch {
	case empty:
	case found == nil || err != nil || version < 1:
		return errs.E(op, errs.Invalid, fmt.Errorf("%s is a database, but not of slipway", path)).
			Hint("Correct the path in the configuration.")
	case version > Format:
		return errs.E(op, errs.Invalid, fmt.Errorf("%s was written by a newer slipway: its format is %d, and this one knows up to %d",
			path, version, Format)).Hint("Start the newer slipway, or restore a backup made by this one.")
	case version == Format:
		return nil
	}
	err = b.Update(func(tx *bbolt.Tx) error {
		meta, err := tx.CreateBucketIfNotExists([]byte(key.Space))
		if err != nil {
			return err
		}
		return meta.Put([]byte(key.ID), []byte(strconv.Itoa(Format)))
	})
	if err != nil {
		return state.DiskError(op, path, err)
	}
	return nil
}

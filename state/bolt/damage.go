package bolt

import (
	"errors"
	"fmt"
	"os"

	"go.etcd.io/bbolt"

	"slipway/bot/errs"
	"slipway/state"
)

var errDamaged = errors.New("a page of the file is damaged or missing")

// damaged tells what recover found: bbolt panics when it meets a damaged page, and so does a
// read of the mapped file beyond its end where SetPanicOnFault allows it. Without that a file
// cut from outside would end the process with no word to anybody.
func damaged(panicked any) bool { return panicked != nil }

// release ends a transaction in which bbolt panicked. It reports whether its lock was let go;
// if not, the file cannot be closed before the process ends.
func release(tx *bbolt.Tx) (ok bool) {
	defer func() {
		if damaged(recover()) {
			ok = false
		}
	}()
	_ = tx.Rollback()
	return true
}

// checkLength refuses a file that was cut. Opening it for writing would read what is missing in a
// goroutine of bbolt, where nobody can catch the fault.
func checkLength(op, path string, o bbolt.Options) error {
	info, err := os.Stat(path)
	if err != nil || info.Size() == 0 {
		return nil // opening creates it, or tells why not
	}
	o.ReadOnly = true // reads nothing but the first two pages
	o.MaxSize = 0
	db, err := openBolt(path, &o)
	if err != nil {
		return openError(op, path, err)
	}
	defer db.Close()
	return db.View(func(tx *bbolt.Tx) error { return wantLength(op, path, tx) })
}

// wantLength returns an error of kind Corrupt when the file is shorter than tx needs.
func wantLength(op, path string, tx *bbolt.Tx) error {
	info, err := os.Stat(path)
	if err != nil {
		return state.DiskError(op, path, err)
	}
	if info.Size() < tx.Size() {
		return corrupt(op, path, fmt.Errorf("it was cut to %d bytes, and must have at least %d", info.Size(), tx.Size()))
	}
	return nil
}

func corrupt(op, path string, cause error) error {
	return errs.E(op, errs.Corrupt, fmt.Errorf("the store %s cannot be read: %w", path, cause)).
		Hint("Keep a copy of it, then restore the newest backup.")
}

package bolt_test

import (
	"path/filepath"
	"testing"

	"slipway/bot/engine"
	"slipway/state/bolt"
	"slipway/state/statetest"
)

// open opens the store at path and closes it at the end of the test.
func open(t *testing.T, path string, o bolt.Options) *bolt.DB {
	t.Helper()
	db, err := bolt.Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestContract(t *testing.T) {
	statetest.Run(t, func(t *testing.T) (engine.Store, func() engine.Store) {
		path := filepath.Join(t.TempDir(), "slipway.db")
		o := bolt.Options{Large: []string{statetest.LargeSpace}}
		db := open(t, path, o)
		return db, func() engine.Store {
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			db = open(t, path, o)
			return db
		}
	})
}

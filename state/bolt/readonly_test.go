package bolt

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
)

// A store that is opened for reading shows what is there, changes nothing, and is not to be had
// while somebody writes.
func TestReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	if _, err := Open(path, Options{ReadOnly: true}); !errs.Is(err, errs.NotFound) {
		t.Fatalf("nothing is there: %v", err)
	}
	db, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	key := engine.Key{Space: "things", ID: "a"}
	if err := db.Commit(t.Context(), &engine.Batch{Puts: []engine.Record{{Key: key, Value: []byte("1")}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{ReadOnly: true, LockTimeout: time.Millisecond}); !errs.Is(err, errs.Busy) {
		t.Fatalf("somebody writes: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // two may read
		r, err := Open(path, Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Close() })
		if got, err := r.Get(t.Context(), key); err != nil || string(got) != "1" {
			t.Fatalf("%q %v", got, err)
		}
		if err := r.Commit(t.Context(), &engine.Batch{}); !errs.Is(err, errs.Denied) {
			t.Fatalf("it wrote: %v", err)
		}
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Fatalf("the file changed (%v)", err)
	}
}

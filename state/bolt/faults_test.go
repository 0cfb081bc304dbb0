package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/state/bolt"
)

var background = context.Background()

func putOf(id, value string) *engine.Batch {
	return &engine.Batch{Puts: []engine.Record{{Key: engine.Key{Space: "s", ID: id}, Value: []byte(value)}}}
}

func want(t *testing.T, db *bolt.DB, id, value string) {
	t.Helper()
	got, err := db.Get(background, engine.Key{Space: "s", ID: id})
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != value {
		t.Errorf("s/%s is %q, want %q", id, got, value)
	}
}

func wantKind(t *testing.T, err error, kind errs.Kind, words ...string) {
	t.Helper()
	if !errs.Is(err, kind) {
		t.Fatalf("got %v, want an error of kind %s", err, kind)
	}
	for _, w := range words {
		if !strings.Contains(errs.Text(err), w) {
			t.Errorf("the person reads %q, which lacks %q", errs.Text(err), w)
		}
	}
}

func wantSound(t *testing.T, db *bolt.DB) {
	t.Helper()
	if err := db.Check(background); err != nil {
		t.Error(err)
	}
}

// fault is an error that the next commit meets, once.
type fault struct {
	mu  sync.Mutex
	err error
}

func (f *fault) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *fault) take() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.err
	f.err = nil
	return err
}

func TestFullDiskIsReadOnlyUntilThereIsRoom(t *testing.T) {
	var before fault
	path := filepath.Join(t.TempDir(), "slipway.db")
	db := open(t, path, bolt.Options{Faults: bolt.Faults{BeforeCommit: before.take}})
	if err := db.Commit(background, putOf("a", "1")); err != nil {
		t.Fatal(err)
	}
	for _, full := range []error{syscall.ENOSPC, syscall.EDQUOT, &os.PathError{Op: "write", Path: path, Err: syscall.ENOSPC},
		errors.New("file resize error: no space left on device")} {
		before.set(full)
		wantKind(t, db.Commit(background, putOf("a", "2")), errs.Full, "no room", path, "make room")
		want(t, db, "a", "1")
	}
	if err := db.Commit(background, putOf("a", "3")); err != nil {
		t.Fatalf("with room again: %v", err)
	}
	want(t, db, "a", "3")
	wantSound(t, db)
	select {
	case err := <-db.Fatal():
		t.Fatalf("a full disk ended the store: %v", err)
	default:
	}
}

func TestFileAtItsBoundIsReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slipway.db")
	value := strings.Repeat("v", engine.MaxValue)
	db := open(t, path, bolt.Options{MaxSize: 40 << 20})
	n := 0
	var err error
	for ; n < 10000 && err == nil; n++ {
		err = db.Commit(background, putOf(fmt.Sprintf("%05d", n), value))
	}
	wantKind(t, err, errs.Full)
	want(t, db, "00000", value)
	wantSound(t, db)
	remove := engine.Batch{}
	for i := range n / 2 {
		remove.Deletes = append(remove.Deletes, engine.Key{Space: "s", ID: fmt.Sprintf("%05d", i)})
	}
	if err := db.Commit(background, &remove); err != nil {
		t.Fatalf("deleting in a full store: %v", err)
	}
	if err := db.Commit(background, putOf("00000", "again")); err != nil {
		t.Fatalf("writing into the room that was made: %v", err)
	}
	want(t, db, "00000", "again")
	wantSound(t, db)
}

func TestFailedWriteEndsTheStore(t *testing.T) {
	for _, when := range []string{"before", "after"} {
		t.Run(when, func(t *testing.T) {
			var before, after fault
			path := filepath.Join(t.TempDir(), "slipway.db")
			db := open(t, path, bolt.Options{Faults: bolt.Faults{BeforeCommit: before.take, AfterCommit: after.take}})
			if err := db.Commit(background, putOf("a", "1")); err != nil {
				t.Fatal(err)
			}
			written := "1"
			if when == "before" {
				before.set(syscall.EIO)
			} else {
				after.set(syscall.EIO)
				written = "2"
			}
			first := db.Commit(background, putOf("a", "2"))
			wantKind(t, first, errs.Doubtful, "nobody can tell", "input/output error")
			wantKind(t, db.Commit(background, putOf("b", "1")), errs.Doubtful)
			if err := <-db.Fatal(); err != first {
				t.Errorf("the process was told %v, the caller %v", err, first)
			}
			got, err := db.Get(background, engine.Key{Space: "s", ID: "a"})
			if when == "before" && (err != nil || string(got) != "1") || when == "after" && !errs.Is(err, errs.Doubtful) {
				t.Errorf("reading what may not be on disk gave %q, %v", got, err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			db = open(t, path, bolt.Options{})
			want(t, db, "a", written)
			want(t, db, "b", "")
			wantSound(t, db)
		})
	}
}

// The file is closed under bbolt, so that the error is one of its own writes.
func TestLostFileEndsTheStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slipway.db")
	var file *os.File
	db := open(t, path, bolt.Options{Faults: bolt.Faults{OpenFile: func(name string, flag int, mode os.FileMode) (f *os.File, err error) {
		f, err = os.OpenFile(name, flag, mode)
		file = f
		return f, err
	}}})
	if err := db.Commit(background, putOf("a", "1")); err != nil {
		t.Fatal(err)
	}
	file.Close()
	wantKind(t, db.Commit(background, putOf("a", "2")), errs.Doubtful)
	wantKind(t, db.Commit(background, putOf("a", "3")), errs.Doubtful)
	want(t, db, "a", "1")
	<-db.Fatal()
	db.Close()
	db = open(t, path, bolt.Options{})
	want(t, db, "a", "1")
	wantSound(t, db)
}

func TestSecondProcessIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slipway.db")
	open(t, path, bolt.Options{})
	_, err := bolt.Open(path, bolt.Options{LockTimeout: time.Millisecond})
	wantKind(t, err, errs.Busy, "another slipway uses "+path)
}

func TestOpenRefusesWhatIsNotOurs(t *testing.T) {
	dir := t.TempDir()
	raw := func(name string, bucket, key, value string) string {
		path := filepath.Join(dir, name)
		db, err := bbolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte(bucket))
			if err != nil {
				return err
			}
			return b.Put([]byte(key), []byte(value))
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		return path
	}
	refused := func(path string, kind errs.Kind, words ...string) {
		t.Helper()
		_, err := bolt.Open(path, bolt.Options{})
		wantKind(t, err, kind, append(words, path)...)
	}
	refused(raw("newer.db", "meta", "format", "3"), errs.Invalid, "newer slipway: its format is 3, and this one knows up to 2", "restore a backup")
	refused(raw("other.db", "things", "a", "b"), errs.Invalid, "not of slipway")
	refused(raw("odd.db", "meta", "format", "one"), errs.Invalid, "not of slipway")
	refused(filepath.Join(dir, "missing", "slipway.db"), errs.NotFound, "create the folder")
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, bytes.Repeat([]byte("no database\n"), 4000), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(text, errs.Corrupt, "restore")
	short := filepath.Join(dir, "short.db")
	if err := os.WriteFile(short, []byte("cut"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(short, errs.Corrupt, "restore")

	// One of format 1 is brought up: the program that wrote it knows no other, and refuses it then.
	format := engine.Key{Space: "meta", ID: "format"}
	for range 2 {
		old := filepath.Join(dir, "old.db")
		if _, err := os.Stat(old); err != nil {
			raw("old.db", "meta", "format", "1")
		}
		db := open(t, old, bolt.Options{})
		if v, err := db.Get(background, format); err != nil || string(v) != "2" {
			t.Fatalf("%s %v", v, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}

	db := open(t, filepath.Join(dir, "ours.db"), bolt.Options{})
	wantKind(t, db.Commit(background, &engine.Batch{Deletes: []engine.Key{format}}), errs.Invalid, "belongs to the store")
	wantKind(t, db.Commit(background, &engine.Batch{Puts: []engine.Record{{Key: format}}}), errs.Invalid)
}

func TestSnapshotOpensAsAStore(t *testing.T) {
	dir := t.TempDir()
	db := open(t, filepath.Join(dir, "slipway.db"), bolt.Options{})
	for i := range 300 {
		if err := db.Commit(background, putOf(fmt.Sprint(i), "1")); err != nil {
			t.Fatal(err)
		}
	}
	// Commits go on while the copy is written; it shows one moment, that of its beginning.
	var copied bytes.Buffer
	write := writerFunc(func(p []byte) (int, error) {
		if err := db.Commit(background, putOf("later", "1")); err != nil {
			return 0, err
		}
		return copied.Write(p)
	})
	if err := db.Snapshot(background, write); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "copy.db")
	if err := os.WriteFile(path, copied.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	restored := open(t, path, bolt.Options{})
	want(t, restored, "0", "1")
	want(t, restored, "299", "1")
	want(t, restored, "later", "")
	wantSound(t, restored)

	ctx, cancel := context.WithCancel(background)
	err := db.Snapshot(ctx, writerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil }))
	wantKind(t, err, errs.Unavailable)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestCheckFindsDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slipway.db")
	db := open(t, path, bolt.Options{})
	for i := range 2000 {
		if err := db.Commit(background, putOf(fmt.Sprintf("%04d", i%200), strings.Repeat("v", 100))); err != nil {
			t.Fatal(err)
		}
		if i == 300 {
			break
		}
	}
	wantSound(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// Ids in the pages are overwritten, so that their order is wrong. Free pages hold old copies
	// of them, and those do not matter.
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := bytes.Index(whole, []byte("0100")); at >= 0; {
		if _, err := f.WriteAt([]byte("9999"), int64(at)); err != nil {
			t.Fatal(err)
		}
		next := bytes.Index(whole[at+1:], []byte("0100"))
		if next < 0 {
			break
		}
		at += 1 + next
	}
	db, err = bolt.Open(path, bolt.Options{})
	if err != nil {
		wantKind(t, err, errs.Corrupt)
		return
	}
	defer db.Close()
	wantKind(t, db.Check(background), errs.Corrupt, path, "restore")
}

// The file is cut while it is in use, as by a careless copy over it.
func TestFileCutWhileInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slipway.db")
	db := open(t, path, bolt.Options{})
	for i := range 40 {
		if err := db.Commit(background, putOf(fmt.Sprintf("%02d", i), strings.Repeat("v", engine.MaxValue))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Truncate(path, 4*4096); err != nil {
		t.Fatal(err)
	}
	err := db.Scan(background, "s", "", "", false, func(string, []byte) bool { return true })
	wantKind(t, err, errs.Corrupt, path, "damaged or missing")
	wantKind(t, db.Check(background), errs.Corrupt, "was cut to")
	wantKind(t, db.Commit(background, putOf("20", "1")), errs.Doubtful, "damaged or missing")
	wantKind(t, <-db.Fatal(), errs.Doubtful)
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	_, err = bolt.Open(path, bolt.Options{})
	wantKind(t, err, errs.Corrupt, path, "was cut to")
}

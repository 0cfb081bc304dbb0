package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/state/backup"
	"slipway/state/blob"
)

var taken = time.Date(2019, 1, 31, 12, 0, 0, 0, time.UTC)

// make makes a backup of some members and blobs.
func made(t *testing.T, to string, at time.Time, members map[string]string, blobs ...string) backup.Done {
	t.Helper()
	w, err := backup.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range members {
		path := filepath.Join(w.Scratch(), "x")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err == nil {
			err = errors.Join(w.Add(name, f), f.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range blobs {
		if err := w.AddBlob(blob.Digest([]byte(text)), int64(len(text)), content(text)); err != nil {
			t.Fatal(err)
		}
	}
	done, err := w.Commit(backup.Manifest{Program: "1.0", Taken: at})
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func content(text string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
}

// targets are a file and a folder.
func targets(t *testing.T) map[string]string {
	return map[string]string{"file": filepath.Join(t.TempDir(), "b.tar"), "folder": t.TempDir() + "/"}
}

// files lists what is left in the folder of a target, without the lock.
func files(t *testing.T, to string) string {
	t.Helper()
	root := to
	if !strings.HasSuffix(to, "/") {
		root = filepath.Dir(to)
	}
	var out []string
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != ".lock" {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, "\n")
}

func TestWhatWasBackedUpIsLaidOut(t *testing.T) {
	ctx := context.Background()
	for name, to := range targets(t) {
		members := map[string]string{"slipway.db": "records", "console.db": "talk", "ci/runs/1/log": "talk", "git/x.bundle": ""}
		done := made(t, to, taken, members, "one", "talk")
		s, err := backup.Open(done.Path)
		if err != nil {
			t.Fatal(name, err)
		}
		defer s.Close()
		if err := s.Verify(ctx, nil); err != nil || !s.Manifest.Taken.Equal(taken) || s.Manifest.Seal != done.Manifest.Seal {
			t.Fatalf("%s: %+v %v", name, s.Manifest, err)
		}
		dir := t.TempDir()
		last := int64(0)
		if err := s.Lay(ctx, dir, func(n, total int64) { last = total - n }); err != nil || last != 0 {
			t.Fatalf("%s: %d left, %v", name, last, err)
		}
		members[backup.BlobPath(blob.Digest([]byte("one")))] = "one"
		members[backup.BlobPath(blob.Digest([]byte("talk")))] = "talk"
		for path, want := range members {
			if got, err := os.ReadFile(filepath.Join(dir, path)); err != nil || string(got) != want {
				t.Errorf("%s: %s is %q %v", name, path, got, err)
			}
		}
		if n := strings.Count(files(t, dir+"/"), "\n") + 1; n != len(members) {
			t.Errorf("%s: %d files", name, n)
		}
		if err := s.Lay(ctx, dir, nil); !errs.Is(err, errs.Exists) {
			t.Errorf("%s: laid out over something: %v", name, err)
		}
	}
}

// TestAnAlteredBackupIsRefused changes and cuts a backup at every byte that means something.
func TestAnAlteredBackupIsRefused(t *testing.T) {
	ctx := context.Background()
	check := func(path string) error {
		s, err := backup.Open(path)
		if err != nil {
			return err
		}
		defer s.Close()
		return s.Verify(ctx, nil)
	}
	whole := made(t, filepath.Join(t.TempDir(), "b.tar"), taken, map[string]string{"slipway.db": "records"}, "one blob").Path
	raw, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	torn := filepath.Join(t.TempDir(), "torn.tar")
	for _, n := range []int{0, 1, 511, 512, 513, 1024, 1100, len(raw) - 1500, len(raw) - 1025} {
		if err := os.WriteFile(torn, raw[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if err := check(torn); !errs.Is(err, errs.Corrupt) {
			t.Errorf("cut at %d of %d: %v", n, len(raw), err)
		}
	}
	for _, text := range []string{"records", "one blob", `"taken"`, "2019-01-31", `"epoch":0`, "slipway.db", "sha256:"} {
		at := bytes.LastIndex(raw, []byte(text))
		if at < 0 {
			t.Fatalf("%q is not in it", text)
		}
		changed := bytes.Clone(raw)
		changed[at+len(text)/2] ^= 1
		if err := os.WriteFile(torn, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := check(torn); !errs.Is(err, errs.Corrupt) {
			t.Errorf("%q is changed: %v", text, err)
		}
	}
	folder := made(t, t.TempDir()+"/", taken, map[string]string{"slipway.db": "records"}, "one blob").Path
	for _, path := range strings.Split(files(t, filepath.Dir(folder)+"/"), "\n") {
		was, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for what, change := range map[string]func() error{
			"changed": func() error { return os.WriteFile(path, append([]byte{was[0] ^ 1}, was[1:]...), 0o600) },
			"cut":     func() error { return os.WriteFile(path, was[:len(was)-1], 0o600) },
		} {
			if err := change(); err != nil {
				t.Fatal(err)
			}
			if err := check(folder); !errs.Is(err, errs.Corrupt) {
				t.Errorf("%s is %s: %v", filepath.Base(path), what, err)
			}
		}
		if err := os.WriteFile(path, was, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := check(folder); err != nil {
		t.Fatal(err)
	}
}

// A manifest that is re-sealed still may not lead out of the state folder, nor name what a backup
// never holds.
func TestMembersStayInside(t *testing.T) {
	w, err := backup.Create(t.TempDir() + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	f, err := os.Create(filepath.Join(w.Scratch(), "x"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, path := range []string{"", "/etc/passwd", "../x", "ci/../../x", "ci/..", "ci", "git//x", "blobs/sha256/ab/cd", "slipway.sock", "login.db", `ci\x`, "slipway.db/x"} {
		if err := w.Add(path, f); err == nil {
			t.Errorf("%q was taken", path)
		}
	}
}

// In a folder what is there already is not written again, and what nothing names goes with its backup.
func TestAFolderKeepsEachContentOnce(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	var paths []string
	for i := range 4 {
		done := made(t, dir+"/", taken.Add(time.Duration(i)*time.Hour), map[string]string{"slipway.db": fmt.Sprint("records ", i)}, "the same", fmt.Sprint("new ", i))
		paths = append(paths, done.Path)
		if want := int64(len("records 0") + len("new 0")); i > 0 && done.Written != want {
			t.Errorf("%d bytes are new and not %d", done.Written, want)
		}
	}
	if at, ok := backup.TakenAt(paths[2]); !ok || !at.Equal(taken.Add(2*time.Hour)) {
		t.Errorf("%s was taken at %s", paths[2], at)
	}
	if n, err := backup.Prune(ctx, dir, 2); err != nil || n != 2 {
		t.Fatalf("%d went: %v", n, err)
	}
	left, err := backup.List(dir)
	if err != nil || len(left) != 2 || left[1] != paths[3] {
		t.Fatalf("left: %v %v", left, err)
	}
	for _, path := range append(left, dir) {
		s, err := backup.Open(path)
		if err == nil {
			err = s.Verify(ctx, nil)
		}
		if err != nil {
			t.Error(err)
		}
	}
	if n := strings.Count(files(t, dir+"/"), "objects"); n != 5 {
		t.Errorf("%d contents are left", n)
	}
}

// A backup that fails, for want of room or otherwise, leaves nothing behind.
func TestABackupThatFailsLeavesNothing(t *testing.T) {
	for name, to := range targets(t) {
		before := files(t, to)
		w, err := backup.Create(to)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.AddBlob(blob.Digest([]byte("one")), 3, content("one")); err != nil {
			t.Fatal(err)
		}
		if err := w.AddBlob(blob.Digest([]byte("two")), 3, content("twx")); !errs.Is(err, errs.Corrupt) {
			t.Errorf("%s: a damaged blob was taken: %v", name, err)
		}
		if name == "folder" {
			if _, err := backup.Create(to); !errs.Is(err, errs.Busy) {
				t.Errorf("two at a time: %v", err)
			}
		}
		w.Abort()
		if after := files(t, to); after != before {
			t.Errorf("%s: left: %s", name, after)
		}
	}
	to := filepath.Join(t.TempDir(), "b.tar")
	made(t, to, taken, nil)
	if _, err := backup.Create(to); !errs.Is(err, errs.Exists) {
		t.Errorf("an earlier one would be overwritten: %v", err)
	}
	if _, err := backup.Open(t.TempDir()); !errs.Is(err, errs.NotFound) {
		t.Errorf("an empty folder: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte("not a tar file"))
	f.Add(make([]byte, 1024))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, name := range []string{"x.tar", "x.backup"} {
			path := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(path, raw, 0o600); err != nil {
				t.Fatal(err)
			}
			if s, err := backup.Open(path); err == nil {
				_ = s.Close()
			}
		}
	})
}

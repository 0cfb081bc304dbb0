package blob_test

import (
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

	"github.com/google/go-cmp/cmp"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/state/blob"
	"slipway/state/statetest"
)

var background = context.Background()

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2019, 1, 14, 9, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}

func open(t *testing.T, dir string, o blob.Options) *blob.Store {
	t.Helper()
	s, err := blob.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func put(t *testing.T, s *blob.Store, content string) string {
	t.Helper()
	digest, err := s.Put(background, []byte(content))
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func want(t *testing.T, s *blob.Store, digest, content string) {
	t.Helper()
	got, err := s.Get(background, digest)
	if err != nil || string(got) != content {
		t.Errorf("%s is %q, %v; want %q", digest, got, err, content)
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

// files lists what is below dir, but for folders and the lock.
func files(t *testing.T, dir string) []string {
	t.Helper()
	found := []string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if name, _ := filepath.Rel(dir, path); err == nil && !d.IsDir() && name != "lock" {
			found = append(found, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// abc is the digest of "abc" in FIPS 180-2, appendix B.1.
const abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

func TestContract(t *testing.T) {
	statetest.RunBlobs(t, func(t *testing.T) engine.Blobs {
		return open(t, filepath.Join(t.TempDir(), "blobs"), blob.Options{})
	})
}

func TestContentIsKeptUnderItsDigest(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "blobs")
	s := open(t, dir, blob.Options{})
	if digest := put(t, s, "abc"); digest != abc {
		t.Errorf("the digest is %s", digest)
	}
	empty := put(t, s, "")
	put(t, s, "abc")
	want(t, s, abc, "abc")
	want(t, s, empty, "")
	if got, err := s.Get(background, empty); got == nil || err != nil {
		t.Errorf("an empty body reads as %v, %v", got, err)
	}
	if diff := cmp.Diff([]string{"sha256/ba/" + abc[9:], "sha256/e3/" + empty[9:]}, files(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	s.Close()
	s = open(t, dir, blob.Options{})
	want(t, s, abc, "abc")
	_, err := s.Get(background, blob.Digest([]byte("other")))
	wantKind(t, err, errs.NotFound, "is not kept")
}

func TestManyPutsAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "blobs")
	s := open(t, dir, blob.Options{})
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			content := fmt.Sprint("body ", i%4)
			digest, err := s.Put(background, []byte(content))
			if err != nil {
				t.Error(err)
				return
			}
			want(t, s, digest, content)
		}()
	}
	wg.Wait()
	if got := files(t, dir); len(got) != 4 {
		t.Errorf("files are %v", got)
	}
}

func TestDamageIsFound(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "blobs")
	s := open(t, dir, blob.Options{})
	digest := put(t, s, "content")
	path := filepath.Join(dir, files(t, dir)[0])
	if err := os.WriteFile(path, []byte("c0ntent"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := s.Get(background, digest)
	wantKind(t, err, errs.Corrupt, path, "backup")
	// Content of another size is seen by Put itself, and mended.
	if err := os.Truncate(path, 3); err != nil {
		t.Fatal(err)
	}
	put(t, s, "content")
	want(t, s, digest, "content")
}

func TestDigestsFromOutsideNameNoOtherFile(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "blobs"), blob.Options{})
	for _, digest := range []string{
		"", "sha256:", abc[7:], abc + "0", abc[:70], strings.ToUpper(abc), "sha256:" + strings.ToUpper(abc[7:]),
		"sha512:" + abc[7:], "sha256:../../../../etc/passwd", "sha256:" + strings.Repeat("../", 21) + "x",
		abc[:70] + "/", abc[:69] + "\x00\n", " " + abc, abc + "\n", strings.Repeat("a", 1000),
	} {
		_, err := s.Get(background, digest)
		wantKind(t, err, errs.Invalid, "no digest")
		wantKind(t, s.Remove(background, digest), errs.Invalid, "no digest")
	}
}

func FuzzDigest(f *testing.F) {
	for _, seed := range []string{abc, "sha256:", "sha256:../x", "sha256:" + strings.Repeat("g", 64)} {
		f.Add(seed)
	}
	s, err := blob.Open(filepath.Join(f.TempDir(), "blobs"), blob.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, digest string) {
		_, err := s.Get(background, digest)
		if !errs.Is(err, errs.Invalid) && !errs.Is(err, errs.NotFound) {
			t.Errorf("%q gave %v", digest, err)
		}
	})
}

func TestLeftoversAreCleanedAtOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "blobs")
	s := open(t, dir, blob.Options{})
	put(t, s, "abc")
	half := filepath.Join(dir, "tmp", "put-123")
	if err := os.WriteFile(half, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := blob.Open(dir, blob.Options{})
	wantKind(t, err, errs.Busy, "another slipway uses "+dir)
	reader := open(t, dir, blob.Options{ReadOnly: true})
	want(t, reader, abc, "abc")
	_, err = reader.Put(background, []byte("x"))
	wantKind(t, err, errs.Denied, "reading only")
	wantKind(t, reader.Remove(background, abc), errs.Denied)
	if len(files(t, dir)) != 2 {
		t.Error("a reader or a refused process cleaned the files of the one that works")
	}
	s.Close()
	s = open(t, dir, blob.Options{})
	if diff := cmp.Diff([]string{"sha256/ba/" + abc[9:]}, files(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	want(t, s, abc, "abc")
}

func TestFailingDisk(t *testing.T) {
	for _, c := range []struct {
		name  string
		at    string // part of the name of the file whose sync fails
		err   error
		kind  errs.Kind
		words string
	}{
		{"full", "/tmp/put-", syscall.ENOSPC, errs.Full, "make room"},
		{"over quota", "/tmp/put-", syscall.EDQUOT, errs.Full, "make room"},
		{"broken", "/tmp/put-", syscall.EIO, errs.Unavailable, "input/output error"},
		{"read-only", "/tmp/put-", syscall.EROFS, errs.Denied, "permission to read and write"},
		{"broken folder", "/sha256/ba", syscall.EIO, errs.Doubtful, "check the disk"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "blobs")
			failing := true
			s := open(t, dir, blob.Options{BeforeSync: func(name string) error {
				if failing && strings.Contains(name, c.at) {
					return c.err
				}
				return nil
			}})
			_, err := s.Put(background, []byte("abc"))
			wantKind(t, err, c.kind, c.words)
			if got := files(t, dir); len(got) != 0 {
				t.Errorf("it left %v", got)
			}
			failing = false
			put(t, s, "abc")
			want(t, s, abc, "abc")
		})
	}
}

func TestOpenTellsWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	_, err := blob.Open(filepath.Join(dir, "missing", "blobs"), blob.Options{})
	wantKind(t, err, errs.NotFound, "create the folder")
	_, err = blob.Open(filepath.Join(dir, "blobs"), blob.Options{ReadOnly: true})
	wantKind(t, err, errs.NotFound)
	if got := files(t, dir); len(got) != 0 {
		t.Errorf("opening for reading made %v", got)
	}
	_, err = blob.Open(filepath.Join(dir, "blobs"), blob.Options{BeforeSync: func(string) error { return os.ErrPermission }})
	wantKind(t, err, errs.Denied, "give it to the user")
	open(t, filepath.Join(dir, "blobs"), blob.Options{}) // the lock was let go
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = blob.Open(file, blob.Options{})
	wantKind(t, err, errs.Unavailable, "not a directory")
}

func TestCollectSparesTheLiveAndTheYoung(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "blobs")
	c := newClock()
	s := open(t, dir, blob.Options{Now: c.Now})
	live, dead, renewed := put(t, s, "live"), put(t, s, "dead"), put(t, s, "renewed")
	limit := c.add(time.Hour)
	put(t, s, "renewed")
	young := put(t, s, "young")
	if err := os.WriteFile(filepath.Join(dir, "sha256", "ba", "README"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	asked := []string{}
	got, err := s.Collect(background, func(digest string) bool {
		asked = append(asked, digest)
		return digest == live
	}, limit)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(blob.Collected{Kept: 3, Removed: 1, KeptSize: 16, Freed: 4}, got); diff != "" {
		t.Errorf("collected (-want +got):\n%s", diff)
	}
	if len(asked) != 2 {
		t.Errorf("it asked about %v", asked)
	}
	want(t, s, live, "live")
	want(t, s, renewed, "renewed")
	want(t, s, young, "young")
	_, err = s.Get(background, dead)
	wantKind(t, err, errs.NotFound)
	_, err = s.Collect(background, nil, limit)
	wantKind(t, err, errs.Invalid)
	_, err = s.Collect(background, func(string) bool { return false }, time.Time{})
	wantKind(t, err, errs.Invalid)
}

// A body that is put again while it is being collected is spared.
func TestCollectBesidePut(t *testing.T) {
	c := newClock()
	s := open(t, filepath.Join(t.TempDir(), "blobs"), blob.Options{Now: c.Now})
	digest := put(t, s, "body")
	limit := c.add(time.Hour)
	got, err := s.Collect(background, func(string) bool {
		put(t, s, "body")
		return false
	}, limit)
	if err != nil || got.Removed != 0 {
		t.Fatalf("collected %+v, %v", got, err)
	}
	want(t, s, digest, "body")
}

func TestWalkAndRemove(t *testing.T) {
	c := newClock()
	s := open(t, filepath.Join(t.TempDir(), "blobs"), blob.Options{Now: c.Now})
	put(t, s, "abc")
	other := put(t, s, "other")
	walk := func() []blob.Info {
		var all []blob.Info
		err := s.Walk(background, func(i blob.Info) error {
			i.Put = i.Put.UTC()
			all = append(all, i)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	all := []blob.Info{{Digest: abc, Size: 3, Put: c.Now()}, {Digest: other, Size: 5, Put: c.Now()}}
	if other < abc {
		all[0], all[1] = all[1], all[0]
	}
	if diff := cmp.Diff(all, walk()); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	if err := s.Remove(background, other); err != nil {
		t.Fatal(err)
	}
	wantKind(t, s.Remove(background, other), errs.NotFound)
	if diff := cmp.Diff([]blob.Info{{Digest: abc, Size: 3, Put: c.Now()}}, walk()); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	stop := errors.New("stop")
	if err := s.Walk(background, func(blob.Info) error { return stop }); err != stop {
		t.Errorf("walk gave %v", err)
	}
	ended, cancel := context.WithCancel(background)
	cancel()
	wantKind(t, s.Walk(ended, func(blob.Info) error { return nil }), errs.Unavailable)
	_, err := s.Put(ended, []byte("x"))
	wantKind(t, err, errs.Unavailable)
}

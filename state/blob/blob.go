// Package blob keeps larger bodies as files named by the digest of their content: the
// [engine.Blobs] of one machine.
//
// The body with the digest sha256:abcdef… is the file sha256/ab/cdef… below the folder of the
// store. A file appears there whole or not at all: it is written under another name in tmp/,
// synced, renamed, and its folder is synced before [Store.Put] returns. A file never changes, so
// a backup may copy the folder while work goes on.
//
// Nothing counts references. [Store.Collect] removes what its caller does not call live, and
// spares what was put recently, so that a body is safe between Put and the commit that names it.
package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/state"
)

// Options of a store. The zero value is right for most.
type Options struct {
	// ReadOnly opens the folder beside a process that uses it: nothing is created, cleaned or
	// locked, and Put, Remove and Collect are errs.Denied.
	ReadOnly bool
	// Now gives files their time. Nil means time.Now.
	Now func() time.Time
	// BeforeSync runs with the name of a file before it is synced; its error is taken as that of
	// the sync. It is for tests.
	BeforeSync func(name string) error
}

// Store is an open folder. All methods may be called at the same time. It is an [engine.Blobs].
type Store struct {
	dir  string
	opts Options
	lock *os.File

	// publish is held for reading while a file appears or is found, and for writing while one
	// is removed, so that a Put never relies on a file that goes away.
	publish sync.RWMutex

	removing sync.Mutex // held over a removal, and over a change of held
	held     int        // see Hold
}

var _ engine.Blobs = (*Store)(nil)

const (
	prefix  = "sha256:"
	hexSize = 2 * sha256.Size
)

// Open opens the folder dir and creates it when its parent exists. It removes what an earlier
// process left half-written. It returns an error of kind [errs.Busy] when another process uses
// the folder, [errs.Denied] for missing permission, [errs.NotFound] for a missing parent (or,
// with ReadOnly, folder), and [errs.Full] when there is no room.
func Open(dir string, o Options) (*Store, error) {
	const op = "blob.open"
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Store{dir: dir, opts: o}
	if o.ReadOnly {
		if _, err := os.Stat(s.root()); err != nil {
			return nil, state.DiskError(op, s.root(), err)
		}
		return s, nil
	}
	if err := mkdir(dir); err != nil {
		return nil, state.DiskError(op, dir, err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, state.DiskError(op, dir, err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errs.E(op, errs.Busy, fmt.Errorf("another slipway uses %s", dir)).
				Hint("Stop it first, or give this one a folder of its own.")
		}
		return nil, state.DiskError(op, dir, err)
	}
	s.lock = lock
	if err := s.prepare(); err != nil {
		lock.Close()
		return nil, state.DiskError(op, dir, err)
	}
	return s, nil
}

// prepare empties tmp and makes all folders, so that Put never has to sync a parent folder.
func (s *Store) prepare() error {
	if err := os.RemoveAll(s.tmp()); err != nil {
		return err
	}
	for _, dir := range []string{s.tmp(), s.root()} {
		if err := mkdir(dir); err != nil {
			return err
		}
	}
	for i := range 256 {
		if err := mkdir(filepath.Join(s.root(), hex.EncodeToString([]byte{byte(i)}))); err != nil {
			return err
		}
	}
	for _, dir := range []string{s.root(), s.dir, filepath.Dir(s.dir)} {
		if err := s.sync(dir); err != nil {
			return err
		}
	}
	return nil
}

func mkdir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// Close lets another process open the folder.
func (s *Store) Close() error {
	if s.lock == nil {
		return nil
	}
	return s.lock.Close()
}

func (s *Store) root() string { return filepath.Join(s.dir, "sha256") }
func (s *Store) tmp() string  { return filepath.Join(s.dir, "tmp") }

// path is the file of a digest that was checked.
func (s *Store) path(digest string) string {
	sum := digest[len(prefix):]
	return filepath.Join(s.root(), sum[:2], sum[2:])
}

// Digest names content.
func Digest(content []byte) string {
	sum := sha256.Sum256(content)
	return prefix + hex.EncodeToString(sum[:])
}

// checkDigest refuses every text but the one canonical form, so that a digest from outside can
// never name another file.
func checkDigest(op, digest string) error {
	sum, ok := strings.CutPrefix(digest, prefix)
	if ok && isHex(sum, hexSize) {
		return nil
	}
	if len(digest) > 100 {
		digest = digest[:97] + "..."
	}
	return errs.E(op, errs.Invalid, fmt.Errorf("%q is no digest", digest)).
		Hint("A digest is sha256: and %d digits of 0-9 and a-f.", hexSize)
}

func isHex(s string, size int) bool {
	if len(s) != size {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// Put keeps content. See [engine.Blobs]. Content that is there already is not written again; its
// time is renewed. It returns an error of kind [errs.Full] when there is no room,
// [errs.Unavailable] or [errs.Denied] when it could not be written, and [errs.Doubtful] when it
// was, but the disk failed while its name was made durable: then the process must stop.
func (s *Store) Put(ctx context.Context, content []byte) (digest string, err error) {
	const op = "blob.put"
	if err := s.begin(ctx, op, true); err != nil {
		return "", err
	}
	digest = Digest(content)
	path := s.path(digest)
	s.publish.RLock()
	defer s.publish.RUnlock()
	if info, err := os.Stat(path); err == nil && info.Size() == int64(len(content)) {
		now := s.opts.Now()
		if err := os.Chtimes(path, now, now); err != nil {
			return "", state.DiskError(op, path, err)
		}
	} else {
		// A file of another size was damaged from outside, and is replaced.
		if err := s.write(path, content); err != nil {
			return "", state.DiskError(op, path, err)
		}
	}
	// Also for a file that was found: another Put may have renamed it a moment ago, or a process
	// that died.
	if err := s.sync(filepath.Dir(path)); err != nil {
		// A second sync would succeed without writing what this one could not.
		_ = os.Remove(path)
		return "", errs.E(op, errs.Doubtful, fmt.Errorf("the disk failed while %s was being written: %w", path, err)).
			Hint("Check the disk, then start slipway again.")
	}
	return digest, nil
}

// write makes the file path appear whole.
func (s *Store) write(path string, content []byte) (err error) {
	f, err := os.CreateTemp(s.tmp(), "put-*")
	if err != nil {
		return err
	}
	defer func() {
		f.Close()
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(content); err != nil {
		return err
	}
	now := s.opts.Now()
	if err := os.Chtimes(f.Name(), now, now); err != nil {
		return err
	}
	if err := s.syncFile(f); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func (s *Store) sync(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return s.syncFile(d)
}

func (s *Store) syncFile(f *os.File) error {
	if s.opts.BeforeSync != nil {
		if err := s.opts.BeforeSync(f.Name()); err != nil {
			return err
		}
	}
	return f.Sync()
}

// Get reads the content of digest and checks it. See [engine.Blobs].
func (s *Store) Get(ctx context.Context, digest string) ([]byte, error) {
	const op = "blob.get"
	if err := checkDigest(op, digest); err != nil {
		return nil, err
	}
	if err := s.begin(ctx, op, false); err != nil {
		return nil, err
	}
	content, err := os.ReadFile(s.path(digest))
	if err != nil {
		return nil, s.missing(op, digest, err)
	}
	if Digest(content) != digest {
		return nil, errs.E(op, errs.Corrupt, fmt.Errorf("%s no longer has the content it is named by", s.path(digest))).
			Hint("Restore that file from a backup.")
	}
	return content, nil
}

// missing is the error of an operation on the file of digest.
func (s *Store) missing(op, digest string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errs.E(op, errs.NotFound, fmt.Errorf("%s is not kept in %s", digest, s.dir))
	}
	return state.DiskError(op, s.path(digest), err)
}

// begin refuses an operation whose context ended, or that writes where only reading is allowed.
func (s *Store) begin(ctx context.Context, op string, writes bool) error {
	if ctx.Err() != nil {
		return errs.E(op, errs.Unavailable, fmt.Errorf("given up before anything was done: %w", context.Cause(ctx)))
	}
	if writes && s.opts.ReadOnly {
		return errs.E(op, errs.Denied, fmt.Errorf("%s was opened for reading only", s.dir))
	}
	return nil
}

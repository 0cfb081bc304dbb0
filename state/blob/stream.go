package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"slipway/bot/errs"
	"slipway/state"
)

// PutFrom keeps what r gives, up to limit bytes, without holding it in memory: for packages and
// other artifacts. It promises what [Store.Put] does. Besides Put's errors it returns the error of
// r as it is, and one of kind [errs.Invalid] when there are more than limit bytes.
func (s *Store) PutFrom(ctx context.Context, r io.Reader, limit int64) (digest string, size int64, err error) {
	const op = "blob.put"
	if err := s.begin(ctx, op, true); err != nil {
		return "", 0, err
	}
	f, err := os.CreateTemp(s.tmp(), "put-*")
	if err != nil {
		return "", 0, state.DiskError(op, s.tmp(), err)
	}
	defer func() {
		f.Close()
		_ = os.Remove(f.Name()) // once it was renamed there is nothing to remove
	}()
	sum := sha256.New()
	from := &source{ctx: ctx, from: io.LimitReader(r, limit+1)}
	size, err = io.Copy(io.MultiWriter(f, sum), from)
	switch {
	case from.err != nil:
		return "", 0, from.err
	case err != nil:
		return "", 0, state.DiskError(op, f.Name(), err)
	case size > limit:
		return "", 0, errs.E(op, errs.Invalid, fmt.Errorf("it has more than %d bytes", limit)).Hint("Keep it elsewhere, or make it smaller.")
	}
	digest = prefix + hex.EncodeToString(sum.Sum(nil))
	path := s.path(digest)
	now := s.opts.Now()
	if err := os.Chtimes(f.Name(), now, now); err != nil {
		return "", 0, state.DiskError(op, f.Name(), err)
	}
	if err := s.syncFile(f); err != nil {
		return "", 0, state.DiskError(op, f.Name(), err)
	}
	s.publish.RLock()
	defer s.publish.RUnlock()
	// Renaming over a file of the same content changes nothing for its readers.
	if err := os.Rename(f.Name(), path); err != nil {
		return "", 0, state.DiskError(op, path, err)
	}
	if err := s.sync(filepath.Dir(path)); err != nil {
		_ = os.Remove(path)
		return "", 0, errs.E(op, errs.Doubtful, fmt.Errorf("the disk failed while %s was being written: %w", path, err)).
			Hint("Check the disk, then start slipway again.")
	}
	return digest, size, nil
}

// Open gives the file of digest for reading, and its size in bytes. The content is not checked
// against the digest: whoever must rely on it hashes what was read. Errors as of [Store.Get].
func (s *Store) Open(ctx context.Context, digest string) (f *os.File, size int64, err error) {
	const op = "blob.open"
	if err := checkDigest(op, digest); err != nil {
		return nil, 0, err
	}
	if err := s.begin(ctx, op, false); err != nil {
		return nil, 0, err
	}
	f, err = os.Open(s.path(digest))
	if err != nil {
		return nil, 0, s.missing(op, digest, err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, state.DiskError(op, s.path(digest), err)
	}
	return f, info.Size(), nil
}

// source reads until ctx ends, and remembers an error of its own side: the disk's is told in
// another way.
type source struct {
	ctx  context.Context
	from io.Reader
	err  error
}

func (s *source) Read(p []byte) (int, error) {
	if err := context.Cause(s.ctx); err != nil {
		s.err = errs.E("blob.put", errs.Unavailable, fmt.Errorf("given up half-way: %w", err))
		return 0, s.err
	}
	n, err := s.from.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

package blob

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"slipway/bot/errs"
	"slipway/state"
)

// Info describes one kept body.
type Info struct {
	Digest string
	Size   int64     // bytes
	Put    time.Time // when it was put last
}

// Walk calls visit for every body that is kept, in the order of digests, until visit returns an
// error, which Walk returns. Bodies that come or go meanwhile may be visited or not. Files that
// are no bodies are passed over.
func (s *Store) Walk(ctx context.Context, visit func(Info) error) error {
	const op = "blob.walk"
	shards, err := os.ReadDir(s.root())
	if err != nil {
		return state.DiskError(op, s.root(), err)
	}
	for _, shard := range shards {
		if !shard.IsDir() || !isHex(shard.Name(), 2) {
			continue
		}
		dir := filepath.Join(s.root(), shard.Name())
		files, err := os.ReadDir(dir)
		if err != nil {
			return state.DiskError(op, dir, err)
		}
		for _, file := range files {
			if err := s.begin(ctx, op, false); err != nil {
				return err
			}
			if !file.Type().IsRegular() || !isHex(file.Name(), hexSize-2) {
				continue
			}
			info, err := file.Info()
			if err != nil {
				continue // it was removed since the folder was read
			}
			if err := visit(Info{prefix + shard.Name() + file.Name(), info.Size(), info.ModTime()}); err != nil {
				return err
			}
		}
	}
	return nil
}

// Remove removes one body. It returns an error of kind [errs.NotFound] for one that is not kept.
func (s *Store) Remove(ctx context.Context, digest string) error {
	const op = "blob.remove"
	if err := checkDigest(op, digest); err != nil {
		return err
	}
	if err := s.begin(ctx, op, true); err != nil {
		return err
	}
	done, err := s.remove(op)
	if err != nil {
		return err
	}
	defer done()
	s.publish.Lock()
	defer s.publish.Unlock()
	if err := os.Remove(s.path(digest)); err != nil {
		return s.missing(op, digest, err)
	}
	return nil
}

// Collected is what [Store.Collect] did.
type Collected struct {
	Kept, Removed   int
	KeptSize, Freed int64 // bytes
}

// Collect removes every body that live does not call live and that was put last before
// olderThan. Mark first: read all references, then call Collect with a live that knows them and
// an olderThan well before that reading began, so that a body is spared whose reference was
// committed since. An hour is a good distance.
//
// It is safe beside Put. What it did until an error or the end of ctx is returned with it.
func (s *Store) Collect(ctx context.Context, live func(digest string) bool, olderThan time.Time) (Collected, error) {
	const op = "blob.collect"
	var done Collected
	if live == nil || olderThan.IsZero() {
		return done, errs.E(op, errs.Invalid, fmt.Errorf("what is still used, and since when, must be given"))
	}
	if err := s.begin(ctx, op, true); err != nil {
		return done, err
	}
	over, err := s.remove(op)
	if err != nil {
		return done, err
	}
	defer over()
	err = s.Walk(ctx, func(i Info) error {
		removed := false
		if i.Put.Before(olderThan) && !live(i.Digest) {
			var err error
			if removed, err = s.sweep(i.Digest, olderThan); err != nil {
				return state.DiskError(op, s.path(i.Digest), err)
			}
		}
		if removed {
			done.Removed++
			done.Freed += i.Size
		} else {
			done.Kept++
			done.KeptSize += i.Size
		}
		return nil
	})
	return done, err
}

// sweep removes a body unless it was put again since it was visited.
func (s *Store) sweep(digest string, olderThan time.Time) (bool, error) {
	s.publish.Lock()
	defer s.publish.Unlock()
	path := s.path(digest)
	info, err := os.Stat(path)
	if err != nil || !info.ModTime().Before(olderThan) {
		return false, ignoreMissing(err)
	}
	return true, os.Remove(path)
}

func ignoreMissing(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}

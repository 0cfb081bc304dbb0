package aptrepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"slipway/bot/errs"
)

// Removed counts what a cleanup took away.
type Removed struct {
	Snapshots   int
	Generations int
	Files       int   // of the pool
	Bytes       int64 // of those files
}

// Cleanup removes snapshots beyond their number or age, generations that no client can still be
// reading and no snapshot keeps, and then the files of the pool that no generation names. Staged
// generations stay, and so does what they name: [Archive.Drop] removes those.
//
// It locks the whole archive. A crash leaves less to do for the next one. Errors: Busy; Conflict
// when the archive has a suite that is not configured, whose packages it would not know; Corrupt
// when a generation cannot be read, so that nobody knows which files it names.
func (a *Archive) Cleanup(ctx context.Context, now time.Time) (Removed, error) {
	const op = "aptrepo.cleanup"
	var done Removed
	pool, err := a.lockFile("pool", false)
	if err != nil {
		return done, err
	}
	defer pool.release()
	known, err := os.ReadDir(filepath.Join(a.root, "generations"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return done, disk(op, err)
	}
	for _, e := range known {
		if !slices.Contains(a.names, e.Name()) {
			return done, errs.E(op, errs.Conflict, fmt.Errorf("the archive has the suite %s, which is not configured", e.Name())).
				Hint("configure it, or remove generations/%s and dists/%s by hand", e.Name(), e.Name())
		}
	}
	for _, name := range a.names {
		if err := ctx.Err(); err != nil {
			return done, err
		}
		if err := a.cleanSuite(a.suites[name], now, &done); err != nil {
			return done, disk(op, err)
		}
	}
	a.step("cleanup.generations")
	return done, disk(op, a.cleanPool(&done))
}

// cleanSuite needs no lock of the suite: whoever stages or publishes has a share in the pool.
func (a *Archive) cleanSuite(s Suite, now time.Time, done *Removed) error {
	kept, err := a.cleanSnapshots(s, now, done)
	if err != nil {
		return err
	}
	all, err := a.generations(s.Name)
	if err != nil {
		return err
	}
	for _, g := range all {
		end, ends := until(all, g, s.Keep)
		if !ends || end.After(now) || slices.Contains(kept, g.ID) {
			continue
		}
		// Renamed first: what is half removed must not be taken for a whole one.
		doomed := a.gen(s.Name, g.ID) + staging
		if err := errors.Join(os.RemoveAll(doomed), os.Rename(a.gen(s.Name, g.ID), doomed)); err != nil {
			return err
		}
		a.step("cleanup.renamed")
		if err := os.RemoveAll(doomed); err != nil {
			return err
		}
		done.Generations++
	}
	return a.sweep(s.Name, filepath.Join(a.root, "tmp", s.Name))
}

// cleanSnapshots removes the snapshots that are too many or too old, and returns the generations
// that the others keep.
func (a *Archive) cleanSnapshots(s Suite, now time.Time, done *Removed) (kept []string, err error) {
	dir := filepath.Join(a.root, "snapshots", s.Name)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var stamps []string
	for _, e := range entries {
		if _, err := time.Parse(stampForm, e.Name()); err == nil {
			stamps = append(stamps, e.Name())
		}
	}
	slices.Sort(stamps)
	slices.Reverse(stamps) // the newest first
	for n, stamp := range stamps {
		path := filepath.Join(dir, stamp)
		made, _ := time.Parse(stampForm, stamp)
		if n >= s.Snapshots || s.SnapshotsFor > 0 && !made.Add(s.SnapshotsFor).After(now) {
			if err := os.RemoveAll(path); err != nil {
				return nil, err
			}
			done.Snapshots++
			continue
		}
		target, err := os.Readlink(filepath.Join(path, "dists", s.Name))
		if err != nil {
			return nil, err
		}
		kept = append(kept, filepath.Base(target))
	}
	return kept, nil
}

// cleanPool removes the files that no generation names.
func (a *Archive) cleanPool(done *Removed) error {
	named := map[string]bool{}
	for _, suite := range a.names {
		all, err := a.generations(suite)
		if err != nil {
			return err
		}
		for _, g := range all {
			t, err := a.openTree("aptrepo.cleanup", suite, g.ID)
			if err != nil {
				return err
			}
			if err := t.eachPoolFile(func(f poolFile) error { named[f.path] = true; return nil }); err != nil {
				return err
			}
		}
	}
	var folders []string
	err := filepath.WalkDir(filepath.Join(a.root, "pool"), func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(a.root, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			folders = append(folders, path)
			return nil
		}
		if name := filepath.ToSlash(rel); !named[name] {
			if info, err := d.Info(); err == nil {
				done.Bytes += info.Size()
			}
			if err := os.Remove(path); err != nil {
				return err
			}
			done.Files++
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, f := range slices.Backward(folders) {
		if strings.Count(strings.TrimPrefix(f, a.root), string(filepath.Separator)) > 1 {
			_ = os.Remove(f) // those that are empty
		}
	}
	return nil
}

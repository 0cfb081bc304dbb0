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
	Generations int   // that were published
	Staged      int   // generations that never were
	Files       int   // of the pool
	Bytes       int64 // of those files
	// What names it: "stable: generation 20190107T130000Z-0123456789ab", "pool/main/h/hello/…".
	What []string

	plan bool            // nothing goes
	gone map[string]bool // folders of generations that went, or would
}

// PlanCleanup is what [Archive.Cleanup] would remove now; nothing is changed. Errors: as its own.
func (a *Archive) PlanCleanup(ctx context.Context, now time.Time) (Removed, error) {
	return a.clean(ctx, now, true)
}

// Cleanup removes snapshots beyond their number or age, generations that no client can still be
// reading and that neither a snapshot nor the history of their suite keeps, generations that were
// staged long ago, and then the files of the pool that no generation names.
//
// It locks the whole archive. A crash leaves less to do for the next one. Errors: Busy; Conflict
// when the archive has a suite that is not configured, whose packages it would not know; Corrupt
// when a generation cannot be read, so that nobody knows which files it names.
func (a *Archive) Cleanup(ctx context.Context, now time.Time) (Removed, error) {
	return a.clean(ctx, now, false)
}

func (a *Archive) clean(ctx context.Context, now time.Time, plan bool) (Removed, error) {
	const op = "aptrepo.cleanup"
	done := Removed{plan: plan, gone: map[string]bool{}}
	if plan && !isDir(a.root) {
		return done, nil // a plan makes no folder for its lock
	}
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
	if err := a.allKnown(s.Name, all); err != nil {
		return err
	}
	past, err := a.history(s, all)
	if err != nil {
		return err
	}
	kept = append(kept, past...)
	for _, g := range all {
		if g.Staged {
			// One that has its final name has its signatures, and an interrupted publication may have
			// shown it elsewhere: it stays until the suite moves on.
			if waits := a.gen(s.Name, g.ID) + staged; !g.Date.Add(s.StagedFor).After(now) && isDir(waits) {
				if err := a.discard(s.Name, g.ID, waits, done); err != nil {
					return err
				}
				done.Staged++
			}
			continue
		}
		end, ends := until(all, g, s.Keep)
		if !ends || end.After(now) || slices.Contains(kept, g.ID) {
			continue
		}
		if err := a.discard(s.Name, g.ID, a.gen(s.Name, g.ID), done); err != nil {
			return err
		}
		done.Generations++
	}
	if done.plan {
		return nil
	}
	return a.sweep(s.Name, filepath.Join(a.root, "tmp", s.Name))
}

// allKnown refuses a suite with a generation that is not in all, because its folder or its record is
// gone: an archive that was copied without the files whose names begin with a point. Its packages
// would be taken for those that nobody names.
func (a *Archive) allKnown(suite string, all []Generation) error {
	lost := func(id string) error {
		return errs.E("aptrepo.cleanup", errs.Corrupt, fmt.Errorf("generation %s of %s has no record, so nobody knows which packages it needs", id, suite)).
			Hint("restore %s of generations/%s/%s; or move that folder away, unless clients read it", recordFile, suite, id)
	}
	known := func(id string) bool {
		return slices.ContainsFunc(all, func(g Generation) bool { return g.ID == id })
	}
	current, err := a.current(suite)
	if err != nil {
		return err
	}
	if current != "" && !known(current) {
		return lost(current)
	}
	entries, err := os.ReadDir(a.gens(suite))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		id := strings.TrimSuffix(e.Name(), staged)
		if _, err := os.Lstat(filepath.Join(a.gens(suite), e.Name(), "Release")); err == nil && generationID(id) && !known(id) {
			return lost(e.Name())
		}
	}
	return nil
}

// discard removes the folder of a generation. It is renamed first: what is half removed must not be
// taken for a whole one.
func (a *Archive) discard(suite, id, dir string, done *Removed) error {
	what := suite + ": generation " + id
	if strings.HasSuffix(dir, staged) {
		what += ", which was never signed"
	}
	done.What = append(done.What, what)
	if done.gone[dir] = true; done.plan {
		return nil
	}
	doomed := a.gen(suite, id) + staging
	if err := errors.Join(os.RemoveAll(doomed), os.Rename(dir, doomed)); err != nil {
		return err
	}
	a.step("cleanup.renamed")
	return os.RemoveAll(doomed)
}

func isDir(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.IsDir()
}

// history are the newest published generations that stay whatever their age. Publishing the same
// packages anew, so that they do not expire, must not push out what one could go back to: of
// neighbours with the same indexes the newest alone counts.
func (a *Archive) history(s Suite, all []Generation) (kept []string, err error) {
	var newer *tree
	for _, g := range slices.Backward(all) {
		if len(kept) == s.History {
			break
		}
		if g.Staged || g.Published.IsZero() {
			continue
		}
		t, err := a.openTree("aptrepo.cleanup", s.Name, g.ID)
		if err != nil {
			return nil, err
		}
		if newer != nil && sameIndexes(newer, t) {
			continue
		}
		kept, newer = append(kept, g.ID), t
	}
	return kept, nil
}

// sameIndexes reports whether two generations offer the same, by the checksums that both list.
func sameIndexes(x, y *tree) bool {
	all := x.indexes()
	if len(all) != len(y.indexes()) {
		return false
	}
	for _, i := range all {
		a, _ := x.release.find(i.path())
		b, listed := y.release.find(i.path())
		same := listed && a.size == b.size
		compared := false
		for alg := range algorithms {
			if a.sums[alg] != "" && b.sums[alg] != "" {
				same, compared = same && a.sums[alg] == b.sums[alg], true
			}
		}
		if !same || !compared {
			return false
		}
	}
	return true
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
	all, err := a.generations(s.Name)
	if err != nil {
		return nil, err
	}
	// A snapshot is made before clients are turned to its generation; others may have come first.
	abandoned := func(stamp string) bool {
		return slices.ContainsFunc(all, func(g Generation) bool {
			return strings.HasPrefix(g.ID, stamp+"-") && !g.Staged && g.Published.IsZero()
		})
	}
	var stamps []string
	for _, e := range entries {
		if _, err := time.Parse(stampForm, e.Name()); err != nil {
			continue
		}
		if abandoned(e.Name()) {
			if err := done.snapshot(s.Name, filepath.Join(dir, e.Name())); err != nil {
				return nil, err
			}
			continue
		}
		stamps = append(stamps, e.Name())
	}
	slices.Sort(stamps)
	slices.Reverse(stamps) // the newest first
	for n, stamp := range stamps {
		path := filepath.Join(dir, stamp)
		made, _ := time.Parse(stampForm, stamp)
		if n >= s.Snapshots || s.SnapshotsFor > 0 && !made.Add(s.SnapshotsFor).After(now) {
			if err := done.snapshot(s.Name, path); err != nil {
				return nil, err
			}
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

func (r *Removed) snapshot(suite, path string) error {
	r.Snapshots++
	r.What = append(r.What, suite+": snapshot "+filepath.Base(path))
	if r.plan {
		return nil
	}
	return os.RemoveAll(path)
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
			if done.gone[t.dir] {
				continue
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
			done.Files++
			done.What = append(done.What, name)
			if done.plan {
				return nil
			}
			return os.Remove(path)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, f := range slices.Backward(folders) {
		if !done.plan && strings.Count(strings.TrimPrefix(f, a.root), string(filepath.Separator)) > 1 {
			_ = os.Remove(f) // those that are empty
		}
	}
	return nil
}

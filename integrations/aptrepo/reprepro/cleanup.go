package reprepro

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"slipway/bot/errs"
	"slipway/integrations/aptrepo"
)

// Cleanup removes trees that no client can still be reading and that no history keeps, and those
// that were staged long ago. Of the suites the longest times and the longest history count, since a
// tree holds all of them. A tree that Slipway does not know stays. The pool of a tree goes with it:
// reprepro keeps in each no more than that tree needs.
func (p *Place) Cleanup(ctx context.Context, now time.Time) (done aptrepo.Removed, err error) {
	release, err := p.lock()
	if err != nil {
		return done, err
	}
	defer release()
	if err := p.sweep(); err != nil {
		return done, disk(err)
	}
	all, current, err := p.trees()
	if err != nil {
		return done, err
	}
	var keep, stagedFor time.Duration
	var history int
	for _, s := range p.suites {
		keep, stagedFor, history = max(keep, s.Keep), max(stagedFor, s.StagedFor), max(history, s.History)
	}
	var kept int
	var newer string
	for _, t := range slices.Backward(all) {
		if err := ctx.Err(); err != nil {
			return done, err
		}
		if !t.served {
			if !t.Date.Add(stagedFor).After(now) {
				if err := p.discard(t.dir, nil); err != nil {
					return done, disk(err)
				}
				done.Staged++
			}
			continue
		}
		// Publishing the same anew must not push out what one could go back to.
		if kept < history {
			holds, err := p.holds(t.dir)
			if err != nil {
				return done, disk(err)
			}
			if holds != newer {
				kept, newer = kept+1, holds
				continue
			}
		}
		if t.ID == current || t.Replaced.Add(keep).After(now) {
			continue
		}
		if err := p.discard(t.dir, &done); err != nil {
			return done, disk(err)
		}
		done.Generations++
	}
	return done, nil
}

// holds is a digest of all packages of a tree.
func (p *Place) holds(dir string) (string, error) {
	h := sha256.New()
	for _, s := range p.suites {
		items, err := readItems(dir, codename(s))
		if err != nil {
			return "", err
		}
		for _, i := range items {
			fmt.Fprintln(h, s.Name, i.index(), i.name, i.version, i.sum)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// discard drops a tree, and counts the packages that go with it.
func (p *Place) discard(dir string, done *aptrepo.Removed) error {
	if done != nil {
		err := filepath.WalkDir(filepath.Join(dir, "pool"), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil // it is counted only
			}
			if info, err := d.Info(); err == nil {
				if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Nlink == 1 {
					done.Files++
					done.Bytes += info.Size()
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	p.step("cleanup.tree")
	return drop(dir)
}

// sweep removes what an interrupted call left; the lock is held.
func (p *Place) sweep() error {
	entries, err := os.ReadDir(p.base)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() && strings.HasSuffix(e.Name(), staging) {
			if err := os.RemoveAll(filepath.Join(p.base, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// Reach looks whether a change could be staged and published now, and changes nothing. Errors:
// Conflict, Denied, NotFound, each with what to do.
func (p *Place) Reach(context.Context) error {
	current, err := p.current()
	if err != nil {
		return err
	}
	dir := filepath.Join(p.base, current)
	if err := p.settings(dir); err != nil {
		return disk(err)
	}
	for _, s := range p.suites {
		if err := p.named(dir, s); err != nil {
			return err
		}
	}
	if err := owned(dir); err != nil {
		return disk(err)
	}
	if unix.Access(p.base, unix.W_OK|unix.X_OK) != nil {
		return errs.E(op, errs.Denied, fmt.Errorf("%s cannot be written", p.base)).Hint("trees are made beside the one that clients read: give the folder to this user")
	}
	info, err := os.Stat(p.base)
	if err != nil {
		return disk(err)
	}
	if info.Mode().Perm()&0o002 != 0 {
		return errs.E(op, errs.Denied, fmt.Errorf("everybody may write into %s", p.base)).Hint("chmod o-w %s", p.base)
	}
	return nil
}

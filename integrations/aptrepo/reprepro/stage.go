package reprepro

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"slipway/bot/errs"
	"slipway/integrations/aptrepo"
	"slipway/integrations/debian"
)

// Stage makes the change in a copy of the tree that clients read, which waits for its signatures.
// Suites that are changed with one key and one date share a copy. Repeated with the same key it
// returns what is there; when somebody else has driven reprepro meanwhile, the copy is made anew.
//
// Errors: those of [aptrepo.Archive.Stage]; Conflict also when reprepro is set up to sign, or to
// keep its database or its indexes elsewhere.
func (p *Place) Stage(ctx context.Context, c aptrepo.Change) (aptrepo.Staged, error) {
	s, err := p.suite(c.Suite)
	if err != nil {
		return aptrepo.Staged{}, err
	}
	if c, err = c.Prepared(); err != nil {
		return aptrepo.Staged{}, err
	}
	release, err := p.lock()
	if err != nil {
		return aptrepo.Staged{}, err
	}
	defer release()
	done, err := p.stage(ctx, s, c)
	return done, disk(err)
}

func (p *Place) stage(ctx context.Context, s aptrepo.Suite, c aptrepo.Change) (done aptrepo.Staged, err error) {
	if err := p.sweep(); err != nil {
		return done, err
	}
	if done, found, err := p.stagedBefore(s, c); found || err != nil {
		return done, err
	}
	all, current, err := p.trees()
	if err != nil {
		return done, err
	}
	parent := filepath.Join(p.base, current)
	if err := p.settings(parent); err != nil {
		return done, err
	}
	if err := p.named(parent, s); err != nil {
		return done, err
	}
	if err := owned(parent); err != nil {
		return done, err
	}
	dir := filepath.Join(p.base, c.ID()) + staging
	rec := record{ID: c.ID(), Parent: current, Date: c.Date, Suites: map[string]state{}}
	p.step("stage.swept")
	if waiting := filepath.Join(p.base, c.ID()) + staged; isDir(waiting) {
		// Another suite of the same change. A crash from here on loses both, and both are made again.
		if rec, err = readRecord(waiting); err != nil {
			return done, err
		}
		if rec.Parent != current {
			return done, conflict("drop it and stage the change under a new key", "%s follows %s, and clients read %s", rec.ID, rec.Parent, current)
		}
		err = os.Rename(waiting, dir)
	} else {
		if rec.Seen, err = seen(parent); err == nil {
			err = copyTree(parent, dir)
		}
	}
	defer func() {
		if err != nil {
			_ = drop(dir) // what stays is swept before the next one
		}
	}()
	if err != nil {
		return done, err
	}
	p.step("stage.copied")
	if now, err := seen(parent); err != nil {
		return done, err
	} else if now != rec.Seen {
		return done, errs.E(op, errs.Busy, fmt.Errorf("somebody else is changing %s", parent)).Hint("wait until that has ended")
	}
	mine := state{Key: c.Key, Run: c.Run, Change: c.Digest(s), Base: c.Base, Sources: c.Sources}
	if mine.Base == "" {
		mine.Base = current
	}
	text, err := p.change(ctx, dir, all, s, c, &mine)
	if err != nil {
		return done, err
	}
	p.step("stage.made")
	rec.Suites[s.Name] = mine
	if err := errors.Join(openModes(dir, parent), writeRecord(dir, rec), p.syncTree(dir)); err != nil {
		return done, err
	}
	p.step("stage.synced")
	if err := errors.Join(os.Rename(dir, strings.TrimSuffix(dir, staging)+staged), syncPath(p.base)); err != nil {
		return done, err
	}
	p.step("stage.done")
	return aptrepo.Staged{Generation: p.generation(rec, s.Name, mine), Release: text, Moves: mine.Moves}, nil
}

func (p *Place) generation(r record, suite string, mine state) aptrepo.Generation {
	return aptrepo.Generation{ID: r.ID, Suite: suite, Date: r.Date, Run: mine.Run, Parent: r.Parent, Base: mine.Base, Sources: mine.Sources, Digest: mine.Digest, Counts: mine.Counts, Staged: true}
}

// change drives reprepro in the copy, and returns the Release to sign.
func (p *Place) change(ctx context.Context, dir string, all []found, s aptrepo.Suite, c aptrepo.Change, mine *state) ([]byte, error) {
	code := codename(s)
	dist := filepath.Join(dir, "dists", code)
	was, _, err := readRelease(filepath.Join(dist, "Release"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	before, err := readItems(dir, code)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"InRelease", "Release.gpg"} {
		if err := os.Remove(filepath.Join(dist, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	known := was
	if was.Date.IsZero() { // never exported: that tells what the suite has
		if err := p.drive(ctx, dir, "export", code); err != nil {
			return nil, err
		}
		if known, _, err = readRelease(filepath.Join(dist, "Release")); err != nil {
			return nil, err
		}
		if before, err = readItems(dir, code); err != nil {
			return nil, err
		}
	}
	temp := filepath.Join(dir, ".incoming")
	have, want := goalOf(dir, before), goalOf(dir, before)
	if want, err = p.goal(ctx, dir, temp, all, s, c, want, known); err != nil {
		return nil, err
	}
	if err := want.judge(s.Name, have, c.Rollback); err != nil {
		return nil, err
	}
	for _, o := range want.orders(have) {
		if err := p.perform(ctx, dir, code, o); err != nil {
			return nil, err
		}
		p.step("stage.order")
	}
	if err := errors.Join(p.drive(ctx, dir, "export", code), os.RemoveAll(temp)); err != nil {
		return nil, err
	}
	for _, name := range []string{"InRelease", "Release.gpg"} {
		if _, err := os.Lstat(filepath.Join(dist, name)); err == nil {
			return nil, conflict("remove SignWith from conf/distributions", "reprepro signed %s by itself", code)
		}
	}
	after, err := readItems(dir, code)
	if err != nil {
		return nil, err
	}
	if err := want.reached(after); err != nil {
		return nil, err
	}
	now, _, err := readRelease(filepath.Join(dist, "Release"))
	if err != nil {
		return nil, err
	}
	if len(c.Sources) > 0 {
		t, err := pick(all, c.Base)
		if err != nil {
			return nil, err
		}
		then, err := readItems(t.dir, code)
		if err != nil {
			return nil, err
		}
		for index := range counts(before) { // what was empty then may be empty again
			if counts(then)[index] == 0 {
				c.Allow = append(slices.Clip(c.Allow), "empty/"+index)
			}
		}
	}
	if err := gates(s, c, was, now, before, after); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dist, "Release"))
	if err != nil {
		return nil, err
	}
	text = redate(text, now, c)
	if err := replaceFile(filepath.Join(dist, "Release"), text, c.Date); err != nil {
		return nil, err
	}
	mine.Digest, mine.Counts, mine.Moves = digestOf(text), counts(after), moves(before, after)
	return text, nil
}

// goal is what the suite is to hold after the change.
func (p *Place) goal(ctx context.Context, dir, temp string, all []found, s aptrepo.Suite, c aptrepo.Change, want goal, known debian.Release) (goal, error) {
	// Of the trees that hold a suite: "" is the copy itself.
	items := func(id, code string) (goal, error) {
		from := dir
		if id != "" {
			t, err := pick(all, id)
			if err != nil {
				return nil, err
			}
			from = t.dir
		}
		i, err := readItems(from, code)
		return goalOf(from, i), err
	}
	var err error
	if c.Base != "" {
		earlier, err := items(c.Base, codename(s))
		if err != nil {
			return nil, err
		}
		if len(c.Sources) == 0 {
			want = earlier
		}
		want.restore(earlier, c.Sources)
	}
	if err := want.remove(s.Name, c.Remove); err != nil {
		return nil, err
	}
	if c.From != nil {
		other, err := p.suite(c.From.Suite)
		if err != nil {
			return nil, err
		}
		from, err := items(c.From.Generation, codename(other))
		if err != nil {
			return nil, err
		}
		if err := want.promote(from, other.Name, c.From.Packages, known); err != nil {
			return nil, err
		}
	}
	arrivals, err := incoming{temp: temp, suite: s, known: known}.read(ctx, c.Add)
	if err != nil {
		return nil, err
	}
	return want, want.add(arrivals, known)
}

// stagedBefore finds the tree that was made with the key of the change. One that somebody else's
// work has made void is dropped.
func (p *Place) stagedBefore(s aptrepo.Suite, c aptrepo.Change) (done aptrepo.Staged, found bool, err error) {
	all, current, err := p.trees()
	if err != nil {
		return done, false, err
	}
	for _, t := range all {
		mine, has := t.Suites[s.Name]
		if !has || mine.Key != c.Key {
			continue
		}
		if mine.Change != c.Digest(s) {
			return done, true, conflict("use a new key, or drop "+t.ID, "the key %q was used for another change of %s", c.Key, s.Name)
		}
		if !t.served {
			if t.Parent != current {
				return done, true, conflict("drop "+t.ID+" and stage the change under a new key", "others published since %s was staged", t.ID)
			}
			now, err := seen(filepath.Join(p.base, current))
			if err != nil {
				return done, true, err
			}
			if now != t.Seen {
				return done, false, drop(t.dir)
			}
		}
		done = aptrepo.Staged{Generation: p.generation(t.record, s.Name, mine), Moves: mine.Moves}
		done.Staged, done.Current = !t.served, t.ID == current
		if t.served {
			done.Published = t.Published
		}
		done.Release, err = os.ReadFile(filepath.Join(t.dir, "dists", codename(s), "Release"))
		if err == nil && digestOf(done.Release) != mine.Digest {
			err = errs.E(op, errs.Corrupt, fmt.Errorf("the Release of %s was changed by hand", t.ID)).Hint("drop it and stage the change under a new key")
		}
		return done, true, err
	}
	return done, false, nil
}

func digestOf(text []byte) string {
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// seen is what a tree is, as far as a change of it by others would be lost: its configuration, the
// Release files, and when its database was written.
func seen(dir string) (string, error) {
	h := sha256.New()
	for _, pattern := range []string{"conf/*", "conf/*/*", "dists/*/Release", "db/packages.db", "db/references.db"} {
		files, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
		if err != nil {
			return "", err
		}
		for _, f := range files {
			info, err := os.Stat(f)
			if err != nil {
				return "", err
			}
			if !info.Mode().IsRegular() {
				continue
			}
			fmt.Fprintf(h, "%s %d\n", strings.TrimPrefix(f, dir), info.Size())
			if strings.HasPrefix(pattern, "db/") {
				fmt.Fprintln(h, info.ModTime().UnixNano())
				continue
			}
			text, err := os.ReadFile(f)
			if err != nil {
				return "", err
			}
			h.Write(text)
		}
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}

// named refuses a suite that clients could not ask for by its name.
func (p *Place) named(dir string, s aptrepo.Suite) error {
	if codename(s) == s.Name {
		return nil
	}
	if target, err := os.Readlink(filepath.Join(dir, "dists", s.Name)); err == nil && target == codename(s) {
		return nil
	}
	return conflict("reprepro createsymlinks in the tree, or name the suite "+codename(s)+" under suites:", "dists/%s of %s is not a link to %s", s.Name, dir, codename(s))
}

// owned refuses a tree whose files would change their owner. root gives them back.
func owned(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() != 0 && int(stat.Uid) != os.Geteuid() {
		return errs.E(op, errs.Denied, fmt.Errorf("%s is owned by the user with the number %d, and its copy would not be", dir, stat.Uid)).
			Hint("run Slipway as the user who owns the archive, or chown -R the archive")
	}
	return nil
}

// openModes lets a web server read what is new in dists and pool, and nobody else write it; root
// gives all that is new to the owner of the tree that it came from.
func openModes(dir, like string) error {
	info, err := os.Stat(like)
	if err != nil {
		return err
	}
	owner, known := info.Sys().(*syscall.Stat_t)
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && !d.IsDir() && stat.Nlink > 1 {
			return nil // a file of the pool that others name too
		}
		if known && os.Geteuid() == 0 {
			if err := os.Lchown(path, int(owner.Uid), int(owner.Gid)); err != nil {
				return err
			}
		}
		rel, _ := filepath.Rel(dir, path)
		top, _, _ := strings.Cut(rel, string(filepath.Separator))
		switch want := info.Mode().Perm(); {
		case d.Type()&fs.ModeSymlink != 0 || top != "." && top != "dists" && top != "pool":
			return nil
		case d.IsDir():
			return os.Chmod(path, want&^0o022|0o755)
		default:
			return os.Chmod(path, want&^0o022|0o644)
		}
	})
}

func isDir(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.IsDir()
}

// pick finds a tree by its id. Errors: NotFound.
func pick(all []found, id string) (found, error) {
	for _, t := range all {
		if t.ID == id {
			return t, nil
		}
	}
	return found{}, errs.E(op, errs.NotFound, fmt.Errorf("there is no tree %q", id)).Hint("it may have been cleaned up; take one from the list of generations")
}

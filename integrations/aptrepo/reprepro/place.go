// Package reprepro publishes an archive that is kept with reprepro, by driving that.
//
//	BASE/release                 a link to the tree that clients read: BASE/release/dists, …/pool
//	BASE/<tree>/                 conf, db, dists and pool of reprepro
//	BASE/<id>.staged/            a tree that waits for its signatures
//	BASE/<id>.staging/           one that is being made; thrown away when found
//
// The tree that release leads to when Slipway begins, such as current-release, is taken as it is.
// From then on every change is made in a copy: packages of the pool as hard links, since reprepro
// never writes into one, and everything else, its database above all, as real copies. What clients
// read is never touched, and one rename of the link turns them. Whoever else runs reprepro must run
// it on BASE/release, and not while a change waits for its signatures: what is published meanwhile
// makes the change void.
//
// A tree holds all suites. Those of one change share a tree, which clients see when the last of
// them is published.
//
// reprepro must not sign: no SignWith. It writes the Release files; Slipway sets their Date to that
// of the change, moves Valid-Until with it, and puts signatures beside them. What reprepro cannot do
// is said: no by-hash, so that a client that reads during the turn may have to try again; one version
// of a package only; going back is done package by package.
package reprepro

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"slipway/bot/errs"
	"slipway/integrations/aptrepo"
)

// Options are for the whole archive.
type Options struct {
	Program string // the reprepro to use; default "reprepro"
	// Step is called around every step that a crash could separate from the next; it is for tests.
	Step func(name string)
}

// Place is an archive that reprepro keeps. Several processes may use it at once; one works, the
// others are told so.
type Place struct {
	base   string
	suites []aptrepo.Suite
	opts   Options
	// hurried leaves it to the system when a staged tree comes to the disk. It is for tests, which lose
	// no power and of which there are many.
	hurried bool
}

var _ aptrepo.Place = (*Place)(nil)

// Link is the name of the link to the tree that clients read.
const Link = "release"

const (
	recordFile = ".slipway.json"
	staging    = ".staging"
	staged     = ".staged"
)

var treeForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9+.~_-]*$`)

// Open is the archive in the folder base; nothing is read yet. Errors: Invalid, for suites that
// reprepro could not keep.
func Open(base string, opts Options, suites ...aptrepo.Suite) (*Place, error) {
	abs, err := filepath.Abs(base)
	if base == "" || err != nil {
		return nil, invalid("name the folder that holds the link release", "%q is no folder of a reprepro", base)
	}
	if _, err := aptrepo.Open(abs, aptrepo.Options{}, suites...); err != nil {
		return nil, err
	}
	filled := make([]aptrepo.Suite, 0, len(suites))
	for _, s := range suites {
		one, err := s.Filled()
		if err != nil {
			return nil, err
		}
		filled = append(filled, one)
		if s.Versions > 1 {
			return nil, invalid("leave out versions", "suite %s is to keep %d versions of a package; reprepro keeps one", s.Name, s.Versions)
		}
		if s.Snapshots > 0 || s.SnapshotsFor > 0 {
			return nil, invalid("leave out snapshots; history says how many earlier trees stay", "suite %s is to have snapshots, which a reprepro does not get", s.Name)
		}
	}
	if opts.Program == "" {
		opts.Program = "reprepro"
	}
	return &Place{base: abs, suites: filled, opts: opts}, nil
}

const op = "archive.reprepro"

func invalid(hint, format string, args ...any) error {
	return errs.E(op, errs.Invalid, fmt.Errorf(format, args...)).Hint("%s", hint)
}

func conflict(hint, format string, args ...any) error {
	return errs.E(op, errs.Conflict, fmt.Errorf(format, args...)).Hint("%s", hint)
}

func (p *Place) step(name string) {
	if p.opts.Step != nil {
		p.opts.Step(name)
	}
}

func (p *Place) suite(name string) (aptrepo.Suite, error) {
	var names []string
	for _, s := range p.suites {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return aptrepo.Suite{}, errs.E(op, errs.NotFound, fmt.Errorf("the archive has no suite %q", name)).Hint("configured are: %s", strings.Join(names, ", "))
}

// record is what a tree knows of itself.
type record struct {
	ID        string           `json:"id"`
	Parent    string           `json:"parent"`
	Seen      string           `json:"seen,omitempty"` // digest of what the parent was when it was copied
	Date      time.Time        `json:"date"`
	Published time.Time        `json:"published,omitzero"` // the time that its InRelease files bear
	Replaced  time.Time        `json:"replaced,omitzero"`  // clients have read it until then
	Suites    map[string]state `json:"suites"`             // those that were changed in it
}

// state is what was done to one suite.
type state struct {
	Key     string         `json:"key"`
	Run     string         `json:"run,omitempty"` // that asked for it
	Change  string         `json:"change"`        // digest of the change
	Base    string         `json:"base"`
	Sources []string       `json:"sources,omitempty"` // those that went back to it alone
	Digest  string         `json:"digest"`            // of Release
	Counts  map[string]int `json:"counts"`
	Moves   []aptrepo.Move `json:"moves"`
	Signed  bool           `json:"signed,omitempty"`
}

func readRecord(dir string) (r record, err error) {
	text, err := os.ReadFile(filepath.Join(dir, recordFile))
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, errs.E(op, errs.Corrupt, fmt.Errorf("%s of %s cannot be read", recordFile, filepath.Base(dir))).Hint("move the tree away, unless clients read it; then remove that file alone")
	}
	return r, nil
}

func writeRecord(dir string, r record) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(dir, recordFile), append(text, '\n'), time.Time{})
}

// current is the name of the tree that clients read.
func (p *Place) current() (string, error) {
	link := filepath.Join(p.base, Link)
	name, err := os.Readlink(link)
	if err != nil {
		hint := fmt.Sprintf("move the reprepro that is there to %s/current-release, and: ln -s current-release %s", p.base, link)
		if errors.Is(err, fs.ErrPermission) {
			return "", disk(err)
		}
		return "", conflict(hint, "%s is not a link to the tree that clients read", link)
	}
	if !treeForm.MatchString(name) || strings.HasSuffix(name, staging) || strings.HasSuffix(name, staged) || name == Link {
		return "", conflict("ln -sfn TREE "+link, "%s leads to %q, which is not a folder beside it", link, name)
	}
	if info, err := os.Lstat(filepath.Join(p.base, name)); err != nil || !info.IsDir() {
		return "", conflict("ln -sfn TREE "+link, "%s leads to %q, which is not a folder", link, name)
	}
	return name, nil
}

// found is a tree with its name; its record is made up when it has none, for the one that was
// there before Slipway came.
type found struct {
	record
	dir    string
	served bool // clients read it, or have read it
}

// trees are all that are known, the oldest first.
func (p *Place) trees() (all []found, current string, err error) {
	if current, err = p.current(); err != nil {
		return nil, "", err
	}
	entries, err := os.ReadDir(p.base)
	if err != nil {
		return nil, "", disk(err)
	}
	for _, e := range entries {
		dir := filepath.Join(p.base, e.Name())
		if !e.IsDir() || strings.HasSuffix(e.Name(), staging) {
			continue
		}
		r, err := readRecord(dir)
		if errors.Is(err, fs.ErrNotExist) {
			if e.Name() != current {
				continue // not ours
			}
			r, err = p.adopted(current)
		}
		if err != nil {
			return nil, "", disk(err)
		}
		if r.ID != strings.TrimSuffix(e.Name(), staged) {
			continue // a copy that somebody made by hand
		}
		all = append(all, found{r, dir, e.Name() == current || !r.Replaced.IsZero()})
	}
	slices.SortFunc(all, func(a, b found) int { return cmp.Or(a.Date.Compare(b.Date), strings.Compare(a.ID, b.ID)) })
	return all, current, nil
}

// adopted is the record of a tree that Slipway did not make: dated by its newest Release.
func (p *Place) adopted(name string) (record, error) {
	r := record{ID: name, Suites: map[string]state{}}
	for _, s := range p.suites {
		release := filepath.Join(p.base, name, "dists", codename(s), "Release")
		info, err := os.Stat(release)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return r, err
		}
		got, _, err := readRelease(release)
		if err != nil {
			return r, err
		}
		if got.Date.After(r.Date) {
			r.Date = got.Date
		}
		if info.ModTime().After(r.Published) {
			r.Published = info.ModTime().UTC().Truncate(time.Second)
		}
	}
	return r, nil
}

func codename(s aptrepo.Suite) string { return cmp.Or(s.Codename, s.Name) }

// Generations are the trees that have the suite, the oldest first.
func (p *Place) Generations(suite string) ([]aptrepo.Generation, error) {
	s, err := p.suite(suite)
	if err != nil {
		return nil, err
	}
	all, current, err := p.trees()
	if err != nil {
		return nil, err
	}
	var list []aptrepo.Generation
	for _, t := range all {
		mine, changed := t.Suites[suite]
		if !t.served && !changed {
			continue
		}
		r, digest, err := readRelease(filepath.Join(t.dir, "dists", codename(s), "Release"))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it came later
		}
		if err != nil {
			return nil, err
		}
		g := aptrepo.Generation{ID: t.ID, Suite: suite, Date: t.Date, Run: mine.Run, Parent: t.Parent, Base: cmp.Or(mine.Base, t.Parent), Sources: mine.Sources, Digest: digest,
			Counts: mine.Counts, Current: t.ID == current, Staged: !t.served}
		if t.served {
			g.Published = t.Published
		}
		if g.Current {
			g.Until = r.ValidUntil
		}
		list = append(list, g)
	}
	return list, nil
}

// tree finds one by its id. Errors: NotFound.
func (p *Place) tree(id string) (found, error) {
	all, _, err := p.trees()
	if err != nil {
		return found{}, err
	}
	return pick(all, id)
}

// lock keeps others of us away from the folder.
func (p *Place) lock() (release func(), err error) {
	f, err := os.OpenFile(filepath.Join(p.base, ".slipway.lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, disk(err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, errs.E(op, errs.Busy, fmt.Errorf("somebody else is at work on %s", p.base)).Hint("wait until it has ended")
	}
	return func() { _ = unix.Flock(int(f.Fd()), unix.LOCK_UN); f.Close() }, nil
}

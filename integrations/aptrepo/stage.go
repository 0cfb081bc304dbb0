package aptrepo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"slipway/bot/errs"
)

// Staged is a generation as [Archive.Stage] leaves it.
type Staged struct {
	Generation
	Release []byte // the bytes to approve and to sign
	Moves   []Move // what changes for clients, against the generation that was current
}

// Stage makes a new generation of a suite, whole but for its signatures, and changes nothing that
// clients read. Repeated with the same key it returns the generation that is there, also when it
// has been published meanwhile.
//
// Errors: Busy when others work on the suite; Conflict when the key was used for another change,
// when the suite moved on since a generation with this key was staged, when a version would go
// backwards or the date would not go forwards, or when something happens that [Change.Allow] must
// name; Exists when a version is there with other content; Invalid for files that cannot be added;
// NotFound for packages and generations that are not there; Full; Corrupt when the generation to
// start from is damaged.
func (a *Archive) Stage(ctx context.Context, c Change) (Staged, error) {
	const op = "aptrepo.stage"
	s, err := a.suite(op, c.Suite)
	if err != nil {
		return Staged{}, err
	}
	c.Date = c.Date.UTC().Truncate(time.Second)
	if err := c.check(); err != nil {
		return Staged{}, err
	}
	unlock, err := a.lockSuite(s.Name)
	if err != nil {
		return Staged{}, err
	}
	defer unlock()
	result, err := a.stage(ctx, s, c)
	return result, disk(op, err)
}

func (a *Archive) stage(ctx context.Context, s Suite, c Change) (Staged, error) {
	current, err := a.current(s.Name)
	if err != nil {
		return Staged{}, err
	}
	if done, found, err := a.stagedBefore(s, c, current); found || err != nil {
		return done, err
	}
	var sync pending
	temp := filepath.Join(a.root, "tmp", s.Name)
	if err := errors.Join(a.sweep(s.Name, temp), os.MkdirAll(temp, 0o755), mkdirs(a.root, a.gens(s.Name), &sync)); err != nil {
		return Staged{}, err
	}
	sync.dir(a.root)
	a.step("stage.swept")

	b := &build{archive: a, suite: s, change: c, sync: &sync, dir: a.gen(s.Name, c.id()) + staging}
	if current != "" {
		if b.current, err = a.openTree("aptrepo.stage", s.Name, current); err != nil {
			return Staged{}, err
		}
	}
	b.base = b.current
	if c.Base != "" && c.Base != current {
		from := &b.base
		if len(c.Sources) > 0 {
			from = &b.back
		}
		if *from, err = a.openTree("aptrepo.stage", s.Name, c.Base); err != nil {
			return Staged{}, err
		}
	}
	if err := b.gates(); err != nil {
		return Staged{}, err
	}
	in := &intake{suite: s, root: a.root, temp: temp, link: a.opts.Link, sync: &sync, algs: packageAlgorithms(s, c)}
	arrivals, err := in.read(ctx, c.Add)
	if err != nil {
		return Staged{}, err
	}
	if err := b.wishes(arrivals); err != nil {
		return Staged{}, err
	}
	if err := b.plan(ctx); err != nil {
		return Staged{}, err
	}
	// What is in the pool under its name is on disk: first the bytes, then the name.
	if len(arrivals) > 0 {
		if err := sync.flush(a.root); err != nil {
			return Staged{}, err
		}
		a.step("stage.content")
		if err := b.fillPool(ctx, arrivals); err != nil {
			return Staged{}, err
		}
		a.step("stage.pool")
	}
	release, err := b.write()
	if err != nil {
		return Staged{}, err
	}
	a.step("stage.written")
	if err := sync.flush(a.root); err != nil {
		return Staged{}, err
	}
	a.step("stage.synced")
	final := a.gen(s.Name, c.id()) + staged
	if err := errors.Join(os.Rename(b.dir, final), syncPath(a.gens(s.Name))); err != nil {
		return Staged{}, err
	}
	a.step("stage.done")
	_ = os.RemoveAll(temp) // swept again before the next use
	return Staged{Generation: b.record.generation(), Release: release, Moves: b.moves}, nil
}

func (r record) generation() Generation {
	return Generation{ID: r.ID, Suite: r.Suite, Run: r.Run, Date: r.Date, Parent: r.Parent, Base: r.Base, Sources: r.Sources, Digest: r.Digest, Counts: r.Counts, Staged: true}
}

// stagedBefore finds the generation that was made with the key of the change.
func (a *Archive) stagedBefore(s Suite, c Change, current string) (done Staged, found bool, err error) {
	entries, err := os.ReadDir(a.gens(s.Name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return done, false, err
	}
	for _, e := range entries {
		id := strings.TrimSuffix(e.Name(), staged)
		if !strings.HasSuffix(id, "-"+keyTag(c.Key)) || !generationID(id) {
			continue
		}
		dir := filepath.Join(a.gens(s.Name), e.Name())
		r, err := readRecord(dir)
		if err != nil {
			return done, false, err
		}
		if r.Key != c.Key || r.Change != c.digest(s) {
			return done, true, errs.E("aptrepo.stage", errs.Conflict, fmt.Errorf("the key %q was used for another change of %s", c.Key, s.Name)).
				Hint("use a new key, or drop generation %s", id)
		}
		isServed := served(dir, id, current)
		if !isServed && r.Parent != current {
			return done, true, errs.E("aptrepo.stage", errs.Conflict, fmt.Errorf("suite %s was published by others since generation %s was staged", s.Name, id)).
				Hint("drop %s and stage the change under a new key", id)
		}
		done.Generation = r.generation()
		done.Staged, done.Current = !isServed, id == current
		if isServed {
			p, err := readPublication(dir)
			if err != nil {
				return done, true, err
			}
			done.Published = p.At
		}
		if done.Release, err = os.ReadFile(filepath.Join(dir, "Release")); err != nil {
			return done, true, err
		}
		if sum := sha256.Sum256(done.Release); "sha256:"+hex.EncodeToString(sum[:]) != r.Digest {
			return done, true, errs.E("aptrepo.stage", errs.Corrupt, fmt.Errorf("the Release of generation %s was changed by hand", id)).
				Hint("drop it and stage the change under a new key")
		}
		done.Moves, err = readMoves(dir)
		return done, true, err
	}
	return done, false, nil
}

// Moves is what a generation changed against its parent.
func (a *Archive) Moves(suite, id string) ([]Move, error) {
	t, err := a.openTree("aptrepo.moves", suite, id)
	if err != nil {
		return nil, err
	}
	moves, err := readMoves(t.dir)
	return moves, disk("aptrepo.moves", err)
}

func readMoves(dir string) (moves []Move, err error) {
	text, err := os.ReadFile(filepath.Join(dir, movesFile))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &moves); err != nil {
		return nil, errs.E("aptrepo.moves", errs.Corrupt, fmt.Errorf("the list of changes of %s cannot be read", filepath.Base(dir))).
			Hint("compare the generations instead")
	}
	return moves, nil
}

// sweep removes what an interrupted Stage of the suite left; its lock is held.
func (a *Archive) sweep(suite, temp string) error {
	entries, err := os.ReadDir(a.gens(suite))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), staging) {
			if err := os.RemoveAll(filepath.Join(a.gens(suite), e.Name())); err != nil {
				return err
			}
		}
	}
	return os.RemoveAll(temp)
}

// Drop removes a staged generation. One that is not there is success; one that was published is
// refused.
func (a *Archive) Drop(suite, id string) error {
	const op = "aptrepo.drop"
	if _, err := a.suite(op, suite); err != nil {
		return err
	}
	if !generationID(id) {
		return errs.E(op, errs.Invalid, fmt.Errorf("%q is no generation", id)).Hint("take one from the list of generations")
	}
	unlock, err := a.lockSuite(suite)
	if err != nil {
		return err
	}
	defer unlock()
	current, err := a.current(suite)
	if err != nil {
		return err
	}
	if dir := a.gen(suite, id); isDir(dir) && !served(dir, id, current) {
		return errs.E(op, errs.Conflict, fmt.Errorf("the publication of generation %s was begun", id)).
			Hint("publish it again, or publish another one; cleanup removes it then")
	} else if isDir(dir) {
		return errs.E(op, errs.Conflict, fmt.Errorf("generation %s was published", id)).Hint("roll back by staging an earlier one; cleanup removes what is old")
	}
	// Renamed first: what is half removed must not be taken for a whole one.
	err = os.Rename(a.gen(suite, id)+staged, a.gen(suite, id)+staging)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	a.step("drop.renamed")
	return disk(op, errors.Join(err, os.RemoveAll(a.gen(suite, id)+staging)))
}

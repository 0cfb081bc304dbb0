package reprepro

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"slipway/integrations/aptrepo"
)

// Publish puts the signatures beside the Release of a suite. When every suite that was changed in
// the tree has its own, clients are turned to it. A repeat after success is a success.
//
// Errors: those of [aptrepo.Archive.Publish]; Conflict also when somebody else has driven reprepro
// since the change was staged.
func (p *Place) Publish(ctx context.Context, u aptrepo.Publication) (aptrepo.Published, error) {
	s, err := p.suite(u.Suite)
	if err != nil {
		return aptrepo.Published{}, err
	}
	if !treeForm.MatchString(u.Generation) || u.Now.IsZero() {
		return aptrepo.Published{}, invalid("take the generation that was staged", "a publication needs a generation and a time")
	}
	release, err := p.lock()
	if err != nil {
		return aptrepo.Published{}, err
	}
	defer release()
	if err := ctx.Err(); err != nil {
		return aptrepo.Published{}, err
	}
	done, err := p.publish(s, u)
	return done, disk(err)
}

func (p *Place) publish(s aptrepo.Suite, u aptrepo.Publication) (done aptrepo.Published, err error) {
	all, current, err := p.trees()
	if err != nil {
		return done, err
	}
	t, err := pick(all, u.Generation)
	if err != nil {
		return done, err
	}
	mine, changed := t.Suites[s.Name]
	switch {
	case t.ID == current && changed: // done before
		return aptrepo.Published{Previous: t.Parent, At: t.Published}, syncPath(p.base)
	case !changed:
		return done, conflict("stage a change of "+s.Name, "%s changes nothing in %s", t.ID, s.Name)
	case u.Expect != current || t.Parent != current:
		return done, conflict("stage the change again on top of what is published now", "clients read %s, and %s was made to follow %s", current, t.ID, t.Parent)
	case u.Digest != "" && u.Digest != mine.Digest:
		return done, conflict("approve and sign what is staged", "%s has another Release of %s than the one that was approved", t.ID, s.Name)
	}
	if now, err := seen(filepath.Join(p.base, current)); err != nil {
		return done, err
	} else if now != t.Seen {
		return done, conflict("stage the change again on top of that", "somebody else has driven reprepro in %s since %s was staged", current, t.ID)
	}
	dist := filepath.Join(t.dir, "dists", codename(s))
	text, err := os.ReadFile(filepath.Join(dist, "Release"))
	if err != nil {
		return done, err
	}
	if digestOf(text) != mine.Digest {
		return done, conflict("drop it and stage the change again", "the Release of %s in %s was changed by hand", s.Name, t.ID)
	}
	if err := u.Check(text); err != nil {
		return done, err
	}
	at, err := p.freshTime(t, current, s, u.Now)
	if err != nil {
		return done, err
	}
	p.step("publish.checked")
	for _, f := range []struct {
		name string
		text []byte
	}{{"Release", text}, {"Release.gpg", u.ReleaseGPG}, {"InRelease", u.InRelease}} {
		if err := replaceFile(filepath.Join(dist, f.name), f.text, at); err != nil {
			return done, err
		}
		p.step("publish." + f.name)
	}
	mine.Signed = true
	t.Suites[s.Name], t.Published = mine, at
	if err := errors.Join(openModes(dist, filepath.Join(p.base, current)), writeRecord(t.dir, t.record)); err != nil {
		return done, err
	}
	done = aptrepo.Published{Previous: current, At: at}
	for _, other := range t.Suites {
		if !other.Signed {
			return done, nil // the last one turns the clients
		}
	}
	p.step("publish.signed")
	return done, p.turn(t, all, current, at)
}

// turn gives the tree its name, marks the one before it as read by clients until now, and turns the
// link.
func (p *Place) turn(t found, all []found, current string, at time.Time) error {
	if final := filepath.Join(p.base, t.ID); t.dir != final {
		if err := errors.Join(syncPath(t.dir), os.Rename(t.dir, final), syncPath(p.base)); err != nil {
			return err
		}
		p.step("publish.renamed")
	}
	before, err := pick(all, current)
	if err != nil {
		return err
	}
	before.Replaced = at
	if err := writeRecord(before.dir, before.record); err != nil {
		return err
	}
	p.step("publish.marked")
	temp := filepath.Join(p.base, "."+Link+".tmp")
	if err := os.RemoveAll(temp); err != nil {
		return err
	}
	if err := os.Symlink(t.ID, temp); err != nil {
		return err
	}
	p.step("publish.turning")
	if err := errors.Join(os.Rename(temp, filepath.Join(p.base, Link)), syncPath(p.base)); err != nil {
		return err
	}
	p.step("publish.switched")
	return nil
}

// freshTime is when clients are told that the suite changed: later than the time before, or a server
// would answer that nothing is new. All suites of the tree bear the latest of their times in its record.
func (p *Place) freshTime(t found, current string, s aptrepo.Suite, now time.Time) (time.Time, error) {
	now = now.UTC().Truncate(time.Second)
	for _, name := range []string{"InRelease", "Release"} {
		info, err := os.Stat(filepath.Join(p.base, current, "dists", codename(s), name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return now, err
		}
		if next := info.ModTime().UTC().Truncate(time.Second).Add(time.Second); now.Before(next) {
			now = next
		}
	}
	if now.Before(t.Published) {
		now = t.Published
	}
	return now, nil
}

// Drop removes a staged tree, with all suites that were changed in it. One that is not there is
// success. Errors: Conflict for one that was published, or whose publication was begun.
func (p *Place) Drop(suite, generation string) error {
	if _, err := p.suite(suite); err != nil {
		return err
	}
	if !treeForm.MatchString(generation) {
		return invalid("take one from the list of generations", "%q is no generation", generation)
	}
	release, err := p.lock()
	if err != nil {
		return err
	}
	defer release()
	waiting := filepath.Join(p.base, generation)
	if isDir(waiting) {
		return conflict("roll back by staging an earlier one; cleanup removes what is old", "%s was published, or its publication was begun", generation)
	}
	if err := drop(waiting + staged); err != nil {
		return disk(fmt.Errorf("dropping %s: %w", generation, err))
	}
	return disk(syncPath(p.base))
}

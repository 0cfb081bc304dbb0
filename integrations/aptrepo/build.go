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
	"sync"

	"golang.org/x/sync/errgroup"

	"slipway/bot/errs"
)

// build is one generation on its way.
type build struct {
	archive       *Archive
	suite         Suite
	change        Change
	current, base *tree // nil when there is none
	back          *tree // where the sources of the change go back to, if there are any
	sync          *pending
	dir           string

	want    wishes
	indexes []*indexBuild
	moves   []Move
	record  record
}

// indexBuild is what becomes of one index.
type indexBuild struct {
	index
	old   []byte
	edits []edit
	moves []Move
	count int
	keep  bool // nothing changes: files of the base are linked
}

// packageAlgorithms are the checksums of packages: those of the suite, SHA256 to tell contents
// apart, and MD5 where a source package needs its field Files (Debian Policy 5.6.21).
func packageAlgorithms(s Suite, c Change) []Algorithm {
	algs := withSHA256(s.Algorithms)
	source := slices.ContainsFunc(c.Add, func(f File) bool { return !strings.HasSuffix(f.Path, ".deb") })
	if source && !slices.Contains(algs, MD5Sum) {
		algs = append(slices.Clone(algs), MD5Sum)
	}
	return algs
}

func (b *build) refuse(hint, format string, args ...any) error {
	return errs.E("aptrepo.stage", errs.Conflict, fmt.Errorf(format, args...)).Hint("%s", hint)
}

func (b *build) allowed(what string) bool { return slices.Contains(b.change.Allow, what) }

// gates refuses what clients of the current generation would stumble over.
func (b *build) gates() error {
	if b.current == nil {
		return nil
	}
	now, s := b.current.release, b.suite
	if !b.change.Date.After(now.date) {
		return b.refuse("stage it with the present time", "the date %s is not after that of the current generation, %s; clients would ignore it",
			b.change.Date.Format(dateForm), now.date.Format(dateForm))
	}
	for _, f := range [][2]string{{"Origin", s.Origin}, {"Label", s.Label}, {"Codename", s.Codename}} {
		if was := now.fields.Get(f[0]); was != f[1] && !b.allowed(f[0]) {
			return b.refuse("keep it, or allow "+f[0]+" by name and tell your users to run apt-get update --allow-releaseinfo-change",
				"%s of %s would change from %q to %q, and apt would refuse the archive", f[0], s.Name, was, f[1])
		}
	}
	for _, arch := range now.architectures {
		if what := "architecture/" + arch; !slices.Contains(s.Architectures, arch) && !b.allowed(what) {
			return b.refuse("keep it, or allow "+what+" by name", "suite %s would lose the architecture %s, and its clients would find nothing, without an error", s.Name, arch)
		}
	}
	for _, comp := range now.components {
		if what := "component/" + comp; !slices.Contains(s.Components, comp) && !b.allowed(what) {
			return b.refuse("keep it, or allow "+what+" by name", "suite %s would lose the component %s", s.Name, comp)
		}
	}
	return nil
}

// wishes sorts what is to happen by index and package.
func (b *build) wishes(arrivals []arrival) error {
	b.want = wishes{}
	for _, a := range arrivals {
		arches := []string{a.arch}
		if a.arch == "all" {
			arches = b.suite.Architectures
		}
		for _, arch := range arches {
			w := b.want.of(index{a.component, arch}, a.name)
			w.add = append(w.add, a.row)
		}
	}
	if err := b.removals(); err != nil {
		return err
	}
	if err := b.restore(); err != nil {
		return err
	}
	return b.promotions()
}

func (b *build) removals() error {
	if len(b.change.Remove) == 0 {
		return nil
	}
	hit := map[Ref]bool{}
	for _, i := range b.suite.indexes() {
		text, err := b.base.text(i)
		if err != nil {
			return err
		}
		found, err := chosen(i, text, b.change.Remove)
		if err != nil {
			return err
		}
		for ref, rows := range found {
			hit[ref] = true
			for _, r := range rows {
				w := b.want.of(i, r.name)
				w.remove = append(w.remove, r.version)
			}
		}
	}
	return allFound(b.suite.Name, b.change.Remove, hit)
}

func (b *build) promotions() error {
	from := b.change.From
	if from == nil {
		return nil
	}
	tree, err := b.archive.openTree("aptrepo.stage", from.Suite, from.Generation)
	if err != nil {
		return err
	}
	hit := map[Ref]bool{}
	for _, i := range tree.indexes() {
		text, err := tree.text(i)
		if err != nil {
			return err
		}
		found, err := chosen(i, text, from.Packages)
		if err != nil {
			return err
		}
		for ref, rows := range found {
			if !slices.Contains(b.suite.Components, i.component) {
				return errs.E("aptrepo.stage", errs.Invalid, fmt.Errorf("%v is in component %s, which suite %s does not have", ref, i.component, b.suite.Name)).
					Hint("add the component to the suite")
			}
			if !slices.Contains(b.suite.indexes(), i) {
				continue // an architecture that this suite does not have
			}
			hit[ref] = true
			for n, r := range rows {
				if newer := n+1 < len(rows) && rows[n+1].name == r.name; ref.Version == "" && newer {
					continue // the newest alone, as rows are sorted
				}
				w := b.want.of(i, r.name)
				w.add = append(w.add, r)
			}
		}
	}
	return allFound(from.Suite, from.Packages, hit)
}

func allFound(suite string, refs []Ref, hit map[Ref]bool) error {
	for _, ref := range refs {
		if !hit[ref] {
			return errs.E("aptrepo.stage", errs.NotFound, fmt.Errorf("suite %s has no %v", suite, ref)).
				Hint("look at its packages; a source is named as one")
		}
	}
	return nil
}

// plan finds the edits of every index and refuses what must not be.
func (b *build) plan(ctx context.Context) error {
	listed := b.base.indexes()
	for _, i := range b.suite.indexes() {
		if i.arch == sourceArch && !slices.Contains(listed, i) && len(b.want[i]) == 0 {
			continue
		}
		b.indexes = append(b.indexes, &indexBuild{index: i})
	}
	r := rules{suite: b.suite.Name, versions: b.suite.Versions, rollback: b.change.Rollback}
	var g errgroup.Group
	g.SetLimit(workers())
	for _, ib := range b.indexes {
		g.Go(func() (err error) {
			if err := ctx.Err(); err != nil {
				return err
			}
			return b.planIndex(ib, r)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if b.base != b.current {
		return b.planAgainstCurrent()
	}
	for _, ib := range b.indexes {
		b.moves = append(b.moves, ib.moves...)
	}
	b.moves = mergeMoves(b.moves)
	if b.back == nil {
		return b.emptied()
	}
	// An index of sources that came with what goes, goes with it.
	before := b.back.indexes()
	b.indexes = slices.DeleteFunc(b.indexes, func(ib *indexBuild) bool {
		return ib.arch == sourceArch && ib.count == 0 && !slices.Contains(before, ib.index)
	})
	return b.judge()
}

func (b *build) planIndex(ib *indexBuild, r rules) (err error) {
	if len(b.want[ib.index]) == 0 && b.linkable(ib.index) {
		ib.keep, ib.count = true, b.base.record.Counts[ib.dir()]
		return nil
	}
	if ib.old, err = b.base.text(ib.index); err != nil {
		return err
	}
	var more int
	if ib.edits, ib.moves, more, err = plan(ib.index, ib.old, b.want[ib.index], r); err != nil {
		return err
	}
	if b.base != nil {
		ib.count = b.base.record.Counts[ib.dir()]
	}
	ib.count += more
	ib.keep = len(ib.edits) == 0 && b.linkable(ib.index)
	return nil
}

// linkable reports whether the base has every file of an index in the forms that the suite ships.
func (b *build) linkable(i index) bool {
	if b.base == nil {
		return false
	}
	for _, alg := range b.suite.Algorithms {
		if !slices.Contains(b.base.release.algs, alg) {
			return false
		}
	}
	if _, listed := b.base.release.find(i.path()); !listed {
		return false
	}
	for _, c := range b.suite.Compressions {
		e, listed := b.base.release.find(i.path() + string(c))
		if !listed {
			return false
		}
		if info, err := os.Stat(filepath.Join(b.base.dir, filepath.FromSlash(e.path))); err != nil || info.Size() != e.size {
			return false
		}
	}
	return true
}

// planAgainstCurrent judges a generation that starts from an earlier one by what clients have now.
// The pool has what comes back: a cleanup keeps the files of every generation that is there.
func (b *build) planAgainstCurrent() error {
	for _, ib := range b.indexes {
		before, err := b.current.text(ib.index)
		if err != nil {
			return err
		}
		if ib.old == nil {
			if ib.old, err = b.base.text(ib.index); err != nil {
				return err
			}
		}
		after := join(splice(ib.old, ib.edits))
		moves, err := diff(ib.index, before, after)
		if err != nil {
			return err
		}
		b.moves = append(b.moves, moves...)
	}
	b.moves = mergeMoves(b.moves)
	return b.judge()
}

// judge refuses to go back where the change does not say that it does.
func (b *build) judge() error {
	if m, found := backwards(b.moves); found && !b.change.Rollback {
		return b.refuse("say that this is a rollback; clients that have a higher version keep it", "%s would go back from %s to %s in %s", m.Name, m.From, m.To, b.suite.Name)
	}
	return b.emptied()
}

// emptied refuses an index that loses everything: apt says nothing about it.
func (b *build) emptied() error {
	for _, ib := range b.indexes {
		if b.current == nil || ib.count > 0 || b.current.record.Counts[ib.dir()] == 0 {
			continue
		}
		if b.back != nil && b.back.record.Counts[ib.dir()] == 0 {
			continue // so it was, and its clients know it so
		}
		if what := "empty/" + ib.dir(); !b.allowed(what) {
			return b.refuse("allow "+what+" by name if that is meant", "%s of %s has %d packages and would have none", ib.dir(), b.suite.Name, b.current.record.Counts[ib.dir()])
		}
	}
	return nil
}

// fillPool gives every file its name in the pool.
func (b *build) fillPool(ctx context.Context, arrivals []arrival) error {
	root := b.archive.root
	var made sync.Map // folders that are there
	return inParallel(ctx, len(arrivals), func(i int) error {
		a := &arrivals[i]
		dir := root + "/" + poolDir(a.component, a.source)
		if _, there := made.Load(dir); !there {
			if err := mkdirs(root, dir, b.sync); err != nil {
				return err
			}
			made.Store(dir, true)
			b.sync.dir(dir)
		}
		for _, p := range a.parts {
			if err := b.fill(dir+"/"+p.name, p); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *build) fill(to string, p part) error {
	err := os.Link(p.from, to)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	same, err := sameContent(to, p.size, p.sums[SHA256])
	if err == nil && !same {
		return errs.E("aptrepo.stage", errs.Exists, fmt.Errorf("the pool has %s already, with other content", p.name)).
			Hint("give the new build a higher version; if no generation has that file, run cleanup")
	}
	return err
}

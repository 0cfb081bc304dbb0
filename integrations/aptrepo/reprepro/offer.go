package reprepro

import (
	"cmp"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"slipway/bot/version"
	"slipway/integrations/aptrepo"
)

// items are what a suite holds in a tree; "" is the tree that clients read.
func (p *Place) items(suite, generation string) ([]item, error) {
	s, err := p.suite(suite)
	if err != nil {
		return nil, err
	}
	if generation == "" {
		if generation, err = p.current(); err != nil {
			return nil, err
		}
	}
	t, err := p.tree(generation)
	if err != nil {
		return nil, err
	}
	items, err := readItems(t.dir, codename(s))
	return items, disk(err)
}

// Packages are what a tree offers in a suite, by component, name and version. With names it is those
// alone. See [aptrepo.Archive.Packages].
func (p *Place) Packages(suite, generation string, names ...string) ([]aptrepo.Package, error) {
	items, err := p.items(suite, generation)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(items, func(a, b item) int {
		return cmp.Or(strings.Compare(a.component, b.component), strings.Compare(a.name, b.name), version.Compare(a.version, b.version), strings.Compare(a.version, b.version))
	})
	var all []aptrepo.Package
	for _, i := range items {
		if len(names) > 0 && !slices.Contains(names, i.name) {
			continue
		}
		n := len(all) - 1
		if n < 0 || all[n].Component != i.component || all[n].Name != i.name || all[n].Version != i.version {
			all, n = append(all, aptrepo.Package{Component: i.component, Name: i.name, Version: i.version, Source: i.source}), n+1
		}
		all[n].Architectures = append(all[n].Architectures, i.arch)
		if i.arch != "source" {
			all[n].Sums = append(all[n].Sums, i.sum)
		}
	}
	return all, nil
}

// Diff is what changed in a suite from one tree to another; "" means the one that clients read.
func (p *Place) Diff(suite, from, to string) ([]aptrepo.Move, error) {
	before, err := p.items(suite, from)
	if err != nil {
		return nil, err
	}
	after, err := p.items(suite, to)
	if err != nil {
		return nil, err
	}
	return moves(before, after), nil
}

// Moves is what a tree changed in a suite: nothing in one that was not changed there.
func (p *Place) Moves(suite, id string) ([]aptrepo.Move, error) {
	if _, err := p.suite(suite); err != nil {
		return nil, err
	}
	t, err := p.tree(id)
	return t.Suites[suite].Moves, err
}

// Settle waits until what clients read is on disk, as Publish does. See [aptrepo.Archive.Settle].
func (p *Place) Settle() error {
	if err := syncPath(p.base); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return disk(err)
	}
	return nil
}

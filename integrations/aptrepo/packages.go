package aptrepo

import (
	"cmp"
	"slices"
	"strings"

	"slipway/bot/version"
)

// Package is one version of a package in a generation.
type Package struct {
	Component     string   `json:"component"`
	Name          string   `json:"name"`
	Version       string   `json:"version"`
	Source        string   `json:"source"`           // name of the source package
	Architectures []string `json:"architectures"`    // of the indexes that have it; "source" is the one of sources
	Sums          []string `json:"sha256,omitempty"` // of its files, in the order of Architectures; none for sources
}

// Packages are what a generation of a suite offers, by component, name and version; "" is the
// generation that clients read. With names it is those alone. Errors: NotFound; Corrupt.
func (a *Archive) Packages(suite, generation string, names ...string) ([]Package, error) {
	const op = "aptrepo.packages"
	if _, err := a.suite(op, suite); err != nil {
		return nil, err
	}
	t, err := a.openTree(op, suite, generation)
	if err != nil {
		return nil, err
	}
	var all []Package
	for _, i := range t.indexes() {
		text, err := t.text(i)
		if err != nil {
			return nil, disk(op, err)
		}
		add := func(r row) error {
			p := Package{Component: i.component, Name: r.name, Version: r.version, Source: r.source, Architectures: []string{i.arch}}
			if i.arch != sourceArch {
				p.Sums = []string{r.sum}
			}
			all = append(all, p)
			return nil
		}
		if len(names) == 0 {
			if err := eachRow(text, i.arch == sourceArch, add); err != nil {
				return nil, err
			}
			continue
		}
		for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
			at, err := search(text, name)
			if err != nil {
				return nil, err
			}
			rows, _, err := rowsAt(text, at, name, i.arch == sourceArch)
			if err != nil {
				return nil, err
			}
			for _, r := range rows {
				_ = add(r)
			}
		}
	}
	return mergePackages(all), nil
}

// mergePackages joins what is equal but for the architecture, and sorts.
func mergePackages(all []Package) (out []Package) {
	key := func(a, b Package) int {
		return cmp.Or(strings.Compare(a.Component, b.Component), strings.Compare(a.Name, b.Name), version.Compare(a.Version, b.Version), strings.Compare(a.Version, b.Version))
	}
	slices.SortStableFunc(all, key)
	for _, p := range all {
		if n := len(out); n > 0 && key(out[n-1], p) == 0 {
			out[n-1].Architectures, out[n-1].Sums = append(out[n-1].Architectures, p.Architectures...), append(out[n-1].Sums, p.Sums...)
			continue
		}
		out = append(out, p)
	}
	return out
}

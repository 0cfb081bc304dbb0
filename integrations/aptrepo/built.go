package aptrepo

import (
	"slices"

	"slipway/bot/version"
)

// Built is one version of a source package in a generation, with what was built from it.
type Built struct {
	Version  string   // of the source package
	Packages []string // binary packages, sorted
}

// Built are the versions of a source package in a generation of a suite, the newest first; "" is
// the generation that clients read. A suite that was never published has none. Errors: NotFound
// for a generation that is not there.
func (a *Archive) Built(suite, generation, source string) ([]Built, error) {
	const op = "aptrepo.built"
	if _, err := a.suite(op, suite); err != nil {
		return nil, err
	}
	if generation == "" {
		current, err := a.current(suite)
		if err != nil || current == "" {
			return nil, err
		}
		generation = current
	}
	t, err := a.openTree(op, suite, generation)
	if err != nil {
		return nil, err
	}
	var all []Built
	add := func(v, binary string) {
		i := slices.IndexFunc(all, func(b Built) bool { return b.Version == v })
		if i < 0 {
			all, i = append(all, Built{Version: v}), len(all)
		}
		if binary != "" && !slices.Contains(all[i].Packages, binary) {
			all[i].Packages = append(all[i].Packages, binary)
		}
	}
	for _, i := range t.indexes() {
		text, err := t.text(i)
		if err != nil {
			return nil, disk(op, err)
		}
		err = eachRow(text, i.arch == sourceArch, func(r row) error {
			if r.source != source {
				return nil
			}
			if i.arch == sourceArch {
				add(r.version, "")
			} else {
				add(sourceVersion(r), r.name)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(x, y Built) int { return version.Compare(y.Version, x.Version) })
	for i := range all {
		slices.Sort(all[i].Packages)
	}
	return all, nil
}

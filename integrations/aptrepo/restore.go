package aptrepo

import "slices"

// restore wishes for the sources of the change what the generation that they go back to had of them.
// What was built from others stays, whatever it was then.
func (b *build) restore() error {
	if b.back == nil {
		return nil
	}
	ours := func(r row) bool { return slices.Contains(b.change.Sources, r.source) }
	for _, i := range b.suite.indexes() {
		now, err := b.current.text(i)
		if err != nil {
			return err
		}
		then, err := b.back.text(i)
		if err != nil {
			return err
		}
		names := map[string]bool{}
		for _, text := range [][]byte{now, then} {
			err := eachRow(text, i.arch == sourceArch, func(r row) error {
				if ours(r) {
					names[r.name] = true
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		for name := range names {
			before, err := stanzasOf(i, now, name)
			if err != nil {
				return err
			}
			earlier, err := stanzasOf(i, then, name)
			if err != nil {
				return err
			}
			w := b.want.of(i, name)
			w.add, w.exactly = restored(before, earlier, ours), true
		}
	}
	return nil
}

// stanzasOf are the stanzas of one package.
func stanzasOf(i index, text []byte, name string) ([]row, error) {
	at, err := search(text, name)
	if err != nil {
		return nil, err
	}
	rows, _, err := rowsAt(text, at, name, i.arch == sourceArch)
	return rows, err
}

// restored is what the stanzas of one package become when those of some sources go back to what they
// were. A package that one of them took over from another source is the other's again; one that
// another source has taken over since stays with that.
func restored(now, then []row, ours func(row) bool) []row {
	others := slices.DeleteFunc(slices.Clone(now), ours)
	switch {
	case len(now) == 0:
		return slices.DeleteFunc(slices.Clone(then), func(r row) bool { return !ours(r) })
	case len(others) == 0:
		return then
	case len(others) == len(now):
		return now
	}
	all := others
	for _, r := range then {
		if ours(r) && !slices.ContainsFunc(others, func(o row) bool { return o.version == r.version }) {
			all = append(all, r)
		}
	}
	slices.SortStableFunc(all, inOrder)
	return all
}

package aptrepo

import (
	"fmt"
	"slices"
	"strings"

	"slipway/bot/errs"
	"slipway/bot/version"
)

// wish is what is to happen to one package in one index.
type wish struct {
	add    []row
	remove []string // versions; "" is every one

	exactly bool // add is all that there is to be, whatever was there
}

// wishes are those of all indexes, by package.
type wishes map[index]map[string]*wish

func (w wishes) of(i index, name string) *wish {
	if w[i] == nil {
		w[i] = map[string]*wish{}
	}
	if w[i][name] == nil {
		w[i][name] = &wish{}
	}
	return w[i][name]
}

// rules are what a plan must not break.
type rules struct {
	suite    string
	versions int  // how many of one package stay
	rollback bool // versions may go backwards
}

// plan turns wishes for one index into edits of its text; more is how many stanzas it gains.
func plan(i index, text []byte, want map[string]*wish, r rules) (edits []edit, moves []Move, more int, err error) {
	names := make([]string, 0, len(want))
	for name := range want {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		at, err := search(text, name)
		if err != nil {
			return nil, nil, 0, err
		}
		before, end, err := rowsAt(text, at, name, i.arch == sourceArch)
		if err != nil {
			return nil, nil, 0, err
		}
		after, err := r.apply(i, before, want[name])
		if err != nil {
			return nil, nil, 0, err
		}
		var stanzas []byte
		for _, a := range after {
			stanzas = append(stanzas, a.text...)
		}
		if string(stanzas) == string(text[at:end]) {
			continue
		}
		more += len(after) - len(before)
		edits = append(edits, edit{at, end, stanzas})
		moves = append(moves, movesOf(i, name, before, after)...)
	}
	return edits, moves, more, nil
}

// apply is what the stanzas of one package become.
func (r rules) apply(i index, before []row, w *wish) (after []row, err error) {
	if w.exactly {
		return w.add[max(0, len(w.add)-r.versions):], nil
	}
	for _, b := range before {
		if !slices.ContainsFunc(w.remove, func(v string) bool { return v == "" || v == b.version }) {
			after = append(after, b)
		}
	}
	for _, a := range w.add {
		for _, b := range before {
			switch c := version.Compare(a.version, b.version); {
			case c == 0 && (a.sum != b.sum || a.version != b.version):
				return nil, errs.E("aptrepo.stage", errs.Exists, fmt.Errorf("%s %s is in %s of %s already, with other content", b.name, b.version, i.dir(), r.suite)).
					Hint("give the new build a higher version")
			case c < 0 && !r.rollback:
				return nil, errs.E("aptrepo.stage", errs.Conflict, fmt.Errorf("%s would go back from %s to %s in %s of %s", b.name, b.version, a.version, i.dir(), r.suite)).
					Hint("use a higher version, or allow the rollback; clients that have %s keep it", b.version)
			}
		}
		// What is replaced by the same, or is above a version that was rolled back to, goes.
		after = slices.DeleteFunc(after, func(b row) bool {
			c := version.Compare(b.version, a.version)
			return c == 0 && b.sum == a.sum || c > 0 && slices.ContainsFunc(before, func(o row) bool { return o.version == b.version })
		})
		for _, b := range after {
			if version.Compare(b.version, a.version) == 0 {
				return nil, errs.E("aptrepo.stage", errs.Exists, fmt.Errorf("%s %s comes twice in this change, with different content", a.name, a.version)).
					Hint("add one of them")
			}
		}
		after = append(after, a)
	}
	slices.SortStableFunc(after, inOrder)
	return after[max(0, len(after)-r.versions):], nil
}

// inOrder is the order of the stanzas of one package.
func inOrder(a, b row) int {
	if c := version.Compare(a.version, b.version); c != 0 {
		return c
	}
	return strings.Compare(a.arch, b.arch)
}

// movesOf says what changed. One that came and one that went are a replacement.
func movesOf(i index, name string, before, after []row) (moves []Move) {
	only := func(a, b []row) (versions []string) {
		for _, x := range a {
			if !slices.ContainsFunc(b, func(y row) bool { return y.version == x.version }) {
				versions = append(versions, x.version)
			}
		}
		return versions
	}
	came, went := only(after, before), only(before, after)
	m := Move{Component: i.component, Name: name, Architectures: []string{i.arch}}
	for n := range max(len(came), len(went)) {
		m.From, m.To = "", ""
		if n < len(went) {
			m.From = went[n]
		}
		if n < len(came) {
			m.To = came[n]
		}
		moves = append(moves, m)
	}
	return moves
}

// diff compares two texts of one index.
func diff(i index, a, b []byte) (moves []Move, err error) {
	sources := i.arch == sourceArch
	for x, y := 0, 0; x < len(a) || y < len(b); {
		var nameA, nameB []byte
		if x < len(a) {
			if nameA, err = nameAt(a, x); err != nil {
				return nil, err
			}
		}
		if y < len(b) {
			if nameB, err = nameAt(b, y); err != nil {
				return nil, err
			}
		}
		name := string(nameA)
		if x == len(a) || y < len(b) && string(nameB) < name {
			name = string(nameB)
		}
		before, endA, err := rowsAt(a, x, name, sources)
		if err != nil {
			return nil, err
		}
		after, endB, err := rowsAt(b, y, name, sources)
		if err != nil {
			return nil, err
		}
		if string(a[x:endA]) != string(b[y:endB]) {
			moves = append(moves, movesOf(i, name, before, after)...)
		}
		x, y = endA, endB
	}
	return moves, nil
}

// backwards is the first move to a lower version.
func backwards(moves []Move) (Move, bool) {
	for _, m := range moves {
		if m.From != "" && m.To != "" && version.Compare(m.To, m.From) < 0 {
			return m, true
		}
	}
	return Move{}, false
}

// chosen collects the rows of an index that a reference means; for a source package that are its
// binaries, too. A version of a source reference is that of the source.
func chosen(i index, text []byte, refs []Ref) (found map[Ref][]row, err error) {
	found = map[Ref][]row{}
	byName := map[string][]Ref{}
	scan := false
	for _, r := range refs {
		byName[r.Name] = append(byName[r.Name], r)
		scan = scan || r.Source && i.arch != sourceArch
	}
	pick := func(r row) error {
		for _, ref := range byName[r.name] {
			if ref.Source == (i.arch == sourceArch) && (ref.Version == "" || ref.Version == r.version) {
				found[ref] = append(found[ref], r)
			}
		}
		if i.arch == sourceArch {
			return nil
		}
		for _, ref := range byName[r.source] {
			if ref.Source && (ref.Version == "" || ref.Version == sourceVersion(r)) {
				found[ref] = append(found[ref], r)
			}
		}
		return nil
	}
	if scan {
		return found, eachRow(text, false, pick)
	}
	for name := range byName {
		at, err := search(text, name)
		if err != nil {
			return nil, err
		}
		rows, _, err := rowsAt(text, at, name, i.arch == sourceArch)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			if err := pick(r); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

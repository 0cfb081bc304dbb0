package reprepro

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"slipway/bot/errs"
	"slipway/bot/version"
	"slipway/integrations/aptrepo"
	"slipway/integrations/debian"
)

// key is a place in an index: reprepro keeps one version there.
type key struct{ component, arch, name string }

func keyOf(i item) key { return key{i.component, i.arch, i.name} }

// goal is what a suite is to hold: where the file of each entry lies.
type goal map[key]arrival

func goalOf(dir string, items []item) goal {
	g := goal{}
	for _, i := range items {
		g[keyOf(i)] = arrival{i, filepath.Join(dir, filepath.FromSlash(i.file))}
	}
	return g
}

// keys are sorted, so that reprepro is driven in one order.
func (g goal) keys() []key {
	all := make([]key, 0, len(g))
	for k := range g {
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b key) int {
		return cmp.Or(strings.Compare(a.component, b.component), strings.Compare(a.name, b.name), strings.Compare(a.arch, b.arch))
	})
	return all
}

func means(r aptrepo.Ref, i item) bool {
	if r.Source {
		return i.source == r.Name && (r.Version == "" || i.sourceVer == r.Version)
	}
	return i.arch != "source" && i.name == r.Name && (r.Version == "" || i.version == r.Version)
}

// remove takes away what the references mean. Errors: NotFound.
func (g goal) remove(suite string, refs []aptrepo.Ref) error {
	for _, r := range refs {
		found := false
		for k, a := range g {
			if means(r, a.item) {
				delete(g, k)
				found = true
			}
		}
		if !found {
			return missing(suite, r)
		}
	}
	return nil
}

// restore takes packages of some sources back to what they were in earlier; what was built from
// others stays. A package that one of them took over from another source is the other's again; one
// that another source has taken over since stays with that.
func (g goal) restore(earlier goal, sources []string) {
	ours := func(a arrival) bool { return slices.Contains(sources, a.source) }
	for k, a := range g {
		if !ours(a) {
			continue
		}
		if was, there := earlier[k]; there {
			g[k] = was
		} else {
			delete(g, k)
		}
	}
	for k, was := range earlier {
		if _, there := g[k]; !there && ours(was) {
			g[k] = was
		}
	}
}

func missing(suite string, r aptrepo.Ref) error {
	return errs.E(op, errs.NotFound, fmt.Errorf("suite %s has no %v", suite, r)).Hint("look at its packages; a source is named as one")
}

// promote takes packages over from what another suite holds. Errors: NotFound, Invalid.
func (g goal) promote(from goal, suite string, refs []aptrepo.Ref, known debian.Release) error {
	for _, r := range refs {
		found := false
		for k, a := range from {
			if !means(r, a.item) {
				continue
			}
			if !slices.Contains(known.Components, a.component) {
				return invalid("add the component to the suite", "%v is in the component %s, which the suite does not have", r, a.component)
			}
			if a.arch == "source" || slices.Contains(known.Architectures, a.arch) {
				g[k], found = a, true
			}
		}
		if !found {
			return missing(suite, r)
		}
	}
	return nil
}

// add puts packages in; those for all architectures go into every index.
func (g goal) add(all []arrival, known debian.Release) error {
	mine := map[key]string{}
	for _, a := range all {
		arches := []string{a.arch}
		if a.arch == "all" {
			arches = known.Architectures
		}
		for _, arch := range arches {
			one := a
			one.arch = arch
			k := keyOf(one.item)
			if sum, twice := mine[k]; twice && sum != a.sum {
				return errs.E(op, errs.Exists, fmt.Errorf("%s comes twice in this change, with different content", a.name)).Hint("add one of them")
			}
			g[k], mine[k] = one, a.sum
		}
	}
	return nil
}

// judge refuses versions that go backwards, and other content under a version that is there.
func (g goal) judge(suite string, before goal, rollback bool) error {
	for _, k := range g.keys() {
		was, there := before[k]
		if !there {
			continue
		}
		switch order := version.Compare(g[k].version, was.version); {
		case order == 0 && (g[k].sum != was.sum || g[k].version != was.version) && !rollback:
			return errs.E(op, errs.Exists, fmt.Errorf("%s %s is in %s of %s already, with other content", k.name, was.version, was.index(), suite)).
				Hint("give the new build a higher version")
		case order < 0 && !rollback:
			return conflict(fmt.Sprintf("use a higher version, or allow the rollback; clients that have %s keep it", was.version),
				"%s would go back from %s to %s in %s of %s", k.name, was.version, g[k].version, was.index(), suite)
		}
	}
	return nil
}

func same(a, b arrival) bool { return a.version == b.version && a.sum == b.sum }

// order is one call of reprepro for several architectures.
type order struct {
	component, kind, name string // kind is "deb" or "dsc"
	path                  string // "" to remove
	arches                []string
	section, priority     string
}

// orders are the calls that turn what is there into the goal: what reprepro would not replace by
// itself is removed first.
func (g goal) orders(before goal) (all []order) {
	put := func(o order, arch string) {
		n := slices.IndexFunc(all, func(x order) bool {
			return x.component == o.component && x.kind == o.kind && x.name == o.name && x.path == o.path
		})
		if n < 0 {
			n = len(all)
			all = append(all, o)
		}
		all[n].arches = append(all[n].arches, arch)
	}
	kind := func(k key) string {
		if k.arch == "source" {
			return "dsc"
		}
		return "deb"
	}
	for _, k := range before.keys() {
		if next, stays := g[k]; !stays || !same(next, before[k]) && version.Compare(next.version, before[k].version) <= 0 {
			put(order{component: k.component, kind: kind(k), name: k.name}, k.arch)
		}
	}
	for _, k := range g.keys() {
		if was, there := before[k]; !there || !same(g[k], was) {
			put(order{component: k.component, kind: kind(k), name: k.name, path: g[k].path, section: g[k].section, priority: g[k].priority}, k.arch)
		}
	}
	return all
}

// perform gives reprepro one order for a suite of a tree.
func (p *Place) perform(ctx context.Context, dir, code string, o order) error {
	line := []string{"--export=never", "-C", o.component, "-A", strings.Join(o.arches, "|")}
	if o.path == "" {
		return p.drive(ctx, dir, append(line, "-T", o.kind, "remove", code, o.name)...)
	}
	if o.kind == "dsc" {
		line = line[:3] // a source has no architecture of an index
	}
	// A .dsc need not say where it belongs, and reprepro wants to know; its override files may say it.
	err := p.drive(ctx, dir, append(slices.Clone(line), "include"+o.kind, code, o.path)...)
	if err != nil && strings.Contains(errs.Cause(err), "No section") {
		line = append(line, "-S", cmp.Or(o.section, "misc"), "-P", cmp.Or(o.priority, "optional"))
		err = p.drive(ctx, dir, append(line, "include"+o.kind, code, o.path)...)
	}
	return err
}

// reached holds what reprepro made against the goal.
func (g goal) reached(items []item) error {
	left := len(g)
	for _, i := range items {
		want, there := g[keyOf(i)]
		if !there || !same(want, arrival{item: i}) {
			return errs.E(op, errs.Failed, fmt.Errorf("reprepro has %s %s in %s, which is not what was asked for", i.name, i.version, i.index())).
				Hint("look for filters and limits in its conf, and for changes that were never exported (reprepro export); what clients read did not change")
		}
		left--
	}
	if left != 0 {
		return errs.E(op, errs.Failed, fmt.Errorf("reprepro left out %d entries that were asked for", left)).
			Hint("look for filters and limits in its conf, and for changes that were never exported (reprepro export); what clients read did not change")
	}
	return nil
}

// gates refuses what clients of the suite would stumble over.
func gates(s aptrepo.Suite, c aptrepo.Change, was, now debian.Release, before, after []item) error {
	allowed := func(what string) bool { return slices.Contains(c.Allow, what) }
	if !was.Date.IsZero() && !c.Date.After(was.Date) {
		return conflict("stage it with the present time", "the date %s is not after that of what clients read, %s; they would ignore it",
			debian.FormatDate(c.Date), debian.FormatDate(was.Date))
	}
	if was.Date.IsZero() {
		return nil
	}
	for _, f := range [][3]string{{"Origin", was.Origin, now.Origin}, {"Label", was.Label, now.Label}, {"Codename", was.Codename, now.Codename}, {"Suite", was.Suite, now.Suite}} {
		if f[1] != f[2] && !allowed(f[0]) {
			return conflict("change conf/distributions back, or allow "+f[0]+" by name and tell your users to run apt-get update --allow-releaseinfo-change",
				"%s of %s would change from %q to %q, and apt would refuse the archive", f[0], s.Name, f[1], f[2])
		}
	}
	for _, arch := range was.Architectures {
		if what := "architecture/" + arch; !slices.Contains(now.Architectures, arch) && !allowed(what) {
			return conflict("change conf/distributions back, or allow "+what+" by name", "suite %s would lose the architecture %s, and its clients would find nothing, without an error", s.Name, arch)
		}
	}
	for _, component := range was.Components {
		if what := "component/" + component; !slices.Contains(now.Components, component) && !allowed(what) {
			return conflict("change conf/distributions back, or allow "+what+" by name", "suite %s would lose the component %s", s.Name, component)
		}
	}
	left := counts(after)
	for index, n := range counts(before) {
		if what := "empty/" + index; left[index] == 0 && !allowed(what) {
			return conflict("allow "+what+" by name if that is meant", "%s of %s has %d packages and would have none", index, s.Name, n)
		}
	}
	return nil
}

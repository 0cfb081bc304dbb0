package playbooks

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/engine"
	"slipway/bot/playbook"
	"slipway/commands/release"
	"slipway/integrations/aptrepo"
	"slipway/integrations/debian"
	"slipway/integrations/debian/build"
	"slipway/integrations/git"
	"slipway/integrations/gitlab/forge"
	"slipway/integrations/localci"
	"slipway/integrations/mail"
	"slipway/integrations/signing"
)

// built are the contracts of the integrations that exist. Only their types are used: nothing is
// opened, and nothing is performed.
func built(t *testing.T) []action.Contract {
	t.Helper()
	var bounds []action.Bound
	add := func(more []action.Bound, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		bounds = append(bounds, more...)
	}
	add(git.Bind(&git.Repositories{}, nil, nil))
	add(localci.Bind(nil, nil))
	add(forge.Bind(nil, nil))
	add(release.Bind(time.Now))
	tag, err := signing.NewTag(nil, time.Now).Bind()
	add([]action.Bound{tag}, err)
	files, err := signing.NewRelease(nil, time.Now).Bind()
	add([]action.Bound{files}, err)
	add((&aptrepo.Actions{}).Bind())
	add(debian.Bind(nil))
	add(build.BindImport(nil, build.ImportOptions{}))
	announce, err := mail.NewAnnounce(nil, nil, 0).Bind()
	add([]action.Bound{announce}, err)
	set, err := action.NewSet(bounds...)
	if err != nil {
		t.Fatal(err)
	}
	own, err := engine.Contracts()
	if err != nil {
		t.Fatal(err)
	}
	return append(set.Contracts(), own...)
}

// known joins what is built with what is declared here. What is built wins.
func known(t *testing.T) []action.Contract {
	t.Helper()
	all := built(t)
	for _, c := range Contracts() {
		if !slices.ContainsFunc(all, func(b action.Contract) bool { return b.Ref() == c.Ref() }) {
			all = append(all, c)
		}
	}
	return all
}

func parseAll(t *testing.T) map[string]*playbook.Playbook {
	t.Helper()
	sources := map[string][]byte{}
	names, err := fs.Glob(Files(), "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if sources[name], err = fs.ReadFile(Files(), name); err != nil {
			t.Fatal(err)
		}
	}
	for name, src := range release.Playbooks() {
		sources[name+".yaml"] = src
	}
	out := map[string]*playbook.Playbook{}
	for name, src := range sources {
		p, err := playbook.Parse(name, src)
		if err != nil {
			var findings playbook.Errors
			if errors.As(err, &findings) {
				t.Errorf("%s does not parse:\n%v", name, findings)
			} else {
				t.Errorf("%s does not parse: %v", name, err)
			}
			continue
		}
		if want := strings.TrimSuffix(name, ".yaml"); p.Name != want {
			t.Errorf("%s holds the playbook %s, want %s", name, p.Name, want)
		}
		out[p.Name] = p
	}
	return out
}

func TestEveryProcessOfTheFiveFamiliesIsAPlaybook(t *testing.T) {
	all, contracts := parseAll(t), known(t)
	for name, p := range all {
		_, findings := playbook.Check(p, playbook.Known{
			Contracts: contracts,
			Profile:   Profile(),
			Playbooks: func(name string) *playbook.Playbook { return all[name] },
			Roles:     Roles(Family(name)),
		})
		for _, f := range findings {
			if f.Severity == playbook.Error {
				t.Errorf("%s", f)
			} else {
				t.Logf("%s", f)
			}
		}
	}
}

// TestTheCheckIsNoFormality takes one safeguard out of a playbook at a time: each must be missed.
func TestTheCheckIsNoFormality(t *testing.T) {
	all, contracts := parseAll(t), known(t)
	for _, cut := range []struct{ book, from, to string }{
		{"pilot", "needs: [deployable, sa3, flag, functionality, repository, precheck]", "needs: [flag, functionality, repository, precheck]"},
		{"pilot", "fills: coordinator\n", ""},
		{"pilot", "to: mirrored", "to: appoint"},
		{"rollout-increment", "needs: [ready, before, bundle, waves]", "needs: [before, bundle, waves]"},
		{"rollout", "closes: infra-lead", "closes: infra-leader"},
		{"instance", "undo: [switch]", "undo: [tell]"},
		{"rebuild", "needs: [publish, contents, archive]", "needs: [contents, archive]"},
		{"rebuild-stage", "dep_wait: {to: dep_wait,", "depwait: {to: dep_wait,"},
		{"release-publish", "needs: [publish, images]", "needs: [images]"},
		{"release-undo", "needs: [publish, stage]", "needs: [stage]"},
		{"release-promote", "needs: [publish, stage]", "needs: [stage]"},
	} {
		src := strings.Replace(string(all[cut.book].Source), cut.from, cut.to, 1)
		if src == string(all[cut.book].Source) {
			t.Errorf("%s has no %q", cut.book, cut.from)
			continue
		}
		p, err := playbook.Parse(cut.book+".yaml", []byte(src))
		if err != nil {
			continue // refused even earlier
		}
		checked, findings := playbook.Check(p, playbook.Known{Contracts: contracts, Profile: Profile(),
			Playbooks: func(name string) *playbook.Playbook { return all[name] }, Roles: Roles(Family(cut.book + ".yaml"))})
		if checked != nil && len(findings) == 0 {
			t.Errorf("%s passes with %q instead of %q", cut.book, cut.to, cut.from)
		}
	}
}

func TestContractsAreWhole(t *testing.T) {
	refs := map[string]action.Contract{}
	for _, c := range Contracts() {
		if _, twice := refs[c.Ref()]; twice {
			t.Errorf("%s is declared twice", c.Ref())
		}
		refs[c.Ref()] = c
	}
	for _, c := range known(t) {
		refs[c.Ref()] = c
	}
	for _, c := range Contracts() {
		if c.Doc == "" {
			t.Errorf("%s has no doc", c.Ref())
		}
		if c.Watched && c.Policy != action.Read {
			t.Errorf("%s is watched, but is no read", c.Ref())
		}
		if c.Policy == action.Lookup && c.Settle == 0 {
			t.Errorf("%s looks before it repeats, but does not say how long to wait", c.Ref())
		}
		if c.Policy == action.Read && (c.Undo != "" || c.Irreversible || c.Job != "") {
			t.Errorf("%s reads, so it has nothing to undo and no job", c.Ref())
		}
		checkUndo(t, c, refs)
	}
}

// checkUndo holds the inputs of an undo against what the action has to give.
func checkUndo(t *testing.T, c action.Contract, refs map[string]action.Contract) {
	t.Helper()
	if c.Undo == "" {
		return
	}
	back, ok := refs[c.Undo]
	if !ok {
		t.Errorf("%s is undone by %s, which does not exist", c.Ref(), c.Undo)
		return
	}
	for _, f := range back.In.Fields {
		from, name, _ := strings.Cut(c.UndoIn[f.Name], ".")
		side := map[string]action.Type{"in": c.In, "out": c.Out}[from]
		got, found := side.Field(name)
		switch {
		case from == "" && f.Optional:
		case !found:
			t.Errorf("the undo of %s does not fill %s of %s", c.Ref(), f.Name, back.Ref())
		case got.Type.String() != f.Type.String():
			t.Errorf("the undo of %s fills %s of %s with %s, want %s", c.Ref(), f.Name, back.Ref(), got.Type, f.Type)
		}
	}
	for name := range c.UndoIn {
		if _, ok := back.In.Field(name); !ok {
			t.Errorf("the undo of %s fills %s, which %s does not take", c.Ref(), name, back.Ref())
		}
	}
}

// TestEveryContractIsUsed keeps the list from growing past what the processes need.
func TestEveryContractIsUsed(t *testing.T) {
	var text strings.Builder
	for _, p := range parseAll(t) {
		text.Write(p.Source)
	}
	for _, c := range Contracts() {
		text.WriteString(c.Undo)
	}
	for _, c := range Contracts() {
		if !strings.Contains(text.String(), c.Ref()) {
			t.Errorf("no playbook uses %s", c.Ref())
		}
	}
}

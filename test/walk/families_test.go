package walk

import (
	"io/fs"
	"maps"
	"os"
	"slices"
	"testing"

	"slipway/bot/action"
	"slipway/bot/playbook"
	"slipway/bot/rehearse"
	"slipway/commands/release"
	"slipway/test/playbooks"
)

// families are the playbooks of all processes, checked, by file name.
func families(t *testing.T) map[string]rehearse.Options {
	t.Helper()
	names, err := fs.Glob(playbooks.Files(), "*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatalf("no playbooks: %v", err)
	}
	parsed := map[string]*playbook.Playbook{}
	byFile := map[string]*playbook.Playbook{}
	for _, name := range names {
		src, err := fs.ReadFile(playbooks.Files(), name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := playbook.Parse(name, src)
		if err != nil {
			t.Fatal(err)
		}
		parsed[p.Name], byFile[name] = p, p
	}
	for name, src := range release.Playbooks() {
		p, err := playbook.Parse(name+".yaml", src)
		if err != nil {
			t.Fatal(err)
		}
		parsed[name] = p
		if name != "release" { // which has tests of its own
			byFile[name+".yaml"] = p
		}
	}
	values := archived()
	for _, f := range playbooks.Profile().Fields {
		if _, given := values[f.Name]; given {
			continue
		}
		values[f.Name] = f.Name
		if f.Type.Kind == action.List {
			values[f.Name] = []any{f.Name + "-one", f.Name + "-two"}
		}
	}
	k := playbook.Known{Contracts: append(contracts(t), playbooks.Contracts()...), Profile: playbooks.Profile(),
		Playbooks: func(name string) *playbook.Playbook { return parsed[name] }}
	out := map[string]rehearse.Options{}
	for name, p := range byFile {
		q, found := playbook.Check(p, k)
		if q == nil {
			t.Fatalf("%s is refused:\n%v", name, playbook.Errors(found))
		}
		out[name] = rehearse.Options{Playbook: q, Contracts: k.Contracts, Project: "lava", Profile: values}
	}
	return out
}

// TestTheFamilyIsWithoutAWarning: what a good configuration is told of is worth reading.
func TestTheFamilyIsWithoutAWarning(t *testing.T) {
	k := known(t)
	for name, src := range release.Playbooks() {
		p, err := playbook.Parse(name+".yaml", src)
		if err != nil {
			t.Fatal(err)
		}
		_, found := playbook.Check(p, k)
		for _, f := range found {
			t.Error(f)
		}
	}
}

// TestTheFamilyKeepsTheRulesOfTheHouse: what is signed or cannot be taken back is promised behind
// its gate, in every playbook that has gates.
func TestTheFamilyKeepsTheRulesOfTheHouse(t *testing.T) {
	for name, o := range families(t) {
		gates := slices.ContainsFunc(o.Playbook.Steps, func(s *playbook.Step) bool { return s.Kind == playbook.GateK })
		if _, ours := release.Playbooks()[o.Playbook.Name]; ours && gates {
			for _, broken := range house(o.Playbook) {
				t.Errorf("%s: %s", name, broken)
			}
		}
	}
}

func TestEveryProcessRehearsesToItsEnd(t *testing.T) {
	for name, o := range families(t) {
		r, err := rehearse.Rehearse(o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r.Outcome != "done" {
			t.Errorf("%s ends as %s:\n%s", name, r.Outcome, r.Text())
		}
	}
}

// TestWalkOfEveryProcess lets one thing go wrong at every moment, with every condition free, in the
// 1,000 states nearest to the start of each process. SLIPWAY_SOAK=1 visits all of them, and adds one
// unasked command.
func TestWalkOfEveryProcess(t *testing.T) {
	t.Parallel()
	b := rehearse.Bounds{Commands: -1, Troubles: 1, First: 1000}
	if os.Getenv("SLIPWAY_SOAK") != "" {
		b.Commands, b.First = 1, 0
	}
	all := families(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if raced {
			b.First = 300
		}
		walkAll(t, name, all[name], b)
	}
}

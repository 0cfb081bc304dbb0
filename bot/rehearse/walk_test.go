package rehearse

import (
	"strings"
	"testing"

	"slipway/bot/playbook"
)

func TestWalkReachesEveryOutcome(t *testing.T) {
	o := checked(t, small)
	stats, violations, err := Walk(o, Bounds{})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(stats)
	for _, v := range violations {
		t.Error(v)
	}
	for _, outcome := range []string{"done", "rejected", "aborted", "stuck"} {
		if stats.Outcomes[outcome] == 0 {
			t.Errorf("no run ends as %s", outcome)
		}
	}
	few, _, _ := Walk(o, Bounds{First: 20})
	if few.States < 20 || few.States >= stats.States {
		t.Errorf("the first of them: %s", few)
	}
	again, _, _ := Walk(o, Bounds{})
	if again.String() != stats.String() {
		t.Errorf("a second walk has %s", again)
	}
}

// The two orders of independent reads lead to the same ends: the reduction leaves nothing out.
func TestReductionKeepsOutcomes(t *testing.T) {
	o := checked(t, small)
	few, _, _ := Walk(o, Bounds{Commands: -1})
	all, _, _ := Walk(o, Bounds{Commands: -1, Crossed: true})
	t.Logf("reduced: %s; crossed: %s", few, all)
	if few.States > all.States {
		t.Error("the reduced walk has more states")
	}
	for outcome, n := range all.Outcomes {
		if n > 0 && few.Outcomes[outcome] == 0 {
			t.Errorf("the reduced walk does not end as %s", outcome)
		}
	}
}

func TestWalkOfEveryKind(t *testing.T) {
	stats, violations, err := Walk(checked(t, kinds), Bounds{Troubles: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(stats)
	for _, v := range violations {
		t.Error(v)
	}
}

// A promise that the checker would refuse is put in behind its back: the walk must find the way
// around the gate.
func TestWalkFindsABrokenNever(t *testing.T) {
	o := checked(t, strings.Replace(strings.Replace(small, "needs: [go]", "needs: [ready]", 1), "  - {do: x.send, without: go}", "  []", 1))
	p := *o.Playbook
	p.Never = []playbook.Never{{Do: "x.send", Without: "go"}}
	o.Playbook = &p
	_, violations, err := Walk(o, Bounds{Commands: -1})
	if err != nil {
		t.Fatal(err)
	}
	if len(violations) == 0 || violations[0].Promise != "never" || len(violations[0].Way) == 0 {
		t.Errorf("found %v", violations)
	}
}

func TestWalkGivesUpAtItsBound(t *testing.T) {
	_, violations, err := Walk(checked(t, small), Bounds{States: 20})
	if err != nil {
		t.Fatal(err)
	}
	if len(violations) != 1 || violations[0].Promise != "bound" {
		t.Errorf("found %v", violations)
	}
}

// Short processes, each with a way that is easily forgotten.
func TestWalkOfShortProcesses(t *testing.T) {
	for name, src := range map[string]string{
		"what comes after an adopted step waits for the gate that was opened again": `
playbook: p
never: [{do: x.make, without: go}]
steps:
  read: {do: x.read@1}
  go: {gate: "1 of boss", binds: ["${steps.read.digest}"], needs: [read]}
  put: {by_hand: boss, text: "do it", evidence: {url: string}, needs: [go]}
  look: {do: x.read@1, needs: [put]}
  make: {do: x.make@1, with: {of: "${steps.look.digest}"}, needs: [look]}
`,
		"a doubtful element leaves the list": `
playbook: p
steps:
  read: {do: x.read@1}
  sites:
    each: "steps.read.sites"
    as: site
    needs: [read]
    steps: {make: {do: x.make@1, with: {of: "${site}"}}}
`,
		"elements under a gate that goes stale": `
playbook: p
never: [{do: x.make, without: go}]
steps:
  read: {do: x.read@1}
  first: {do: x.send@1, with: {what: "${steps.read.digest}"}, needs: [read]}
  go: {gate: "1 of boss", binds: ["${steps.read.digest}", "${steps.first.id}"], needs: [first]}
  sites:
    each: "steps.read.sites"
    as: site
    needs: [go]
    steps: {make: {do: x.make@1, with: {of: "${site}"}}}
`,
		"a doubt about asking again": `
playbook: p
steps:
  w: {wait: x.watch@1, until: "watch.state == 'good'", fail: "watch.state == 'bad'", poll: 1m, on_fail: {retry: {any: {times: 2}}, ask_again: {do: x.make@1, with: {of: "a"}}}}
`,
		"a veto on a gate with enough approvals": `
playbook: p
steps:
  read: {do: x.read@1}
  go: {gate: "1 of boss", binds: ["${steps.read.digest}"], needs: [read]}
`,
		"an answer changes while a reading after it is doubtful": `
playbook: p
steps:
  which: {ask: boss, prompt: "Which?", fields: {one: bool}}
  look: {do: x.read@1, needs: [which]}
`,
	} {
		t.Run(name, func(t *testing.T) {
			stats, violations, err := Walk(checked(t, src), Bounds{Troubles: 2})
			if err != nil {
				t.Fatal(err)
			}
			t.Log(stats)
			for _, v := range violations {
				t.Error(v)
			}
		})
	}
}

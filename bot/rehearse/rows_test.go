package rehearse

import (
	"strings"
	"testing"

	"slipway/bot/action"
)

const rowsWorked = `
playbook: yard
ledgers:
  packages:
    key: package
    columns: {package: string}
    states: [wanted, building, built, failed]
    moves: {wanted: [building], building: [built, failed, wanted]}
    final: [built, failed]
steps:
  builds:
    each: {ledger: packages}
    job: {do: x.build@1, with: {of: "${row.key}"}, from: wanted, takes: building, ok: built, failed: {any: failed}}
    until: "ledgers.packages.count.built + ledgers.packages.count.failed == 2"
  good: {do: x.read@1, when: "ledgers.packages.count.failed == 0", needs: [builds]}
`

func yardOptions(t *testing.T) Options {
	o := checkedWith(t, rowsWorked, action.Contract{Name: "x.build", Version: 1, Policy: action.Keyed, Job: "build", In: action.Obj(field("of", typ(action.String))), Out: action.Obj()})
	return o
}

func TestRowsAreLeasedInARehearsal(t *testing.T) {
	r := report(t, yardOptions(t))
	if r.Outcome != "done" || strings.Count(r.Text(), "a builder takes a row") != 2 || strings.Count(r.Text(), "a row is built") != 2 {
		t.Fatalf("%s:\n%s", r.Outcome, r.Text())
	}
}

func TestTheWalkLetsRowsFail(t *testing.T) {
	stats, bad, err := Walk(yardOptions(t), Bounds{Commands: -1, Troubles: 2})
	if err != nil {
		t.Fatal(err)
	}
	if len(bad) > 0 || stats.States < 20 {
		t.Fatalf("%d states, violations %v", stats.States, bad)
	}
}

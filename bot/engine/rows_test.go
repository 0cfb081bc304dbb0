package engine_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

const pilotYAML = `
playbook: quick
doc: Sites that deploy.
name: "quick/${project.name}/${inputs.version}"
inputs: {version: {type: version, help: "a version"}}
ledgers:
  sites:
    key: site
    columns: {site: string, size: {type: int, optional: true}}
    states: [asked, agreed]
    moves: {asked: [agreed]}
    final: [agreed]
steps:
  each:
    each: {ledger: sites, where: "site.state == 'agreed'"}
    as: site
    until: "ledgers.sites.count.agreed >= 2"
    in: parallel 2
    steps:
      it: {do: test.keyed@1, with: {name: "${site.key}"}}
`

func TestRowsAreToldToTheRun(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, pilotYAML)
	w.open()
	w.say("requester", "quick 1.0")
	id := w.run("1.0").ID
	for _, site := range []string{"a", "b", "c"} {
		for range 2 {
			_, err := w.e.ChangeRow(ctx, id, "sites", site, engine.RowChange{Add: true, Values: map[string]any{"site": site, "size": int64(3)}}, engine.Once{Key: "add " + site})
			if err != nil && !errs.Is(err, errs.Exists) {
				t.Fatal(err)
			}
		}
	}
	w.drain()
	w.wantApplied("test.keyed a", 0)
	for _, site := range []string{"a", "b"} {
		if _, err := w.e.ChangeRow(ctx, id, "sites", site, engine.RowChange{To: "agreed"}, engine.Once{}); err != nil {
			t.Fatal(err)
		}
	}
	w.open() // before the run was told
	w.drain()
	w.wantApplied("test.keyed a", 1)
	w.wantApplied("test.keyed b", 1)
	w.wantApplied("test.keyed c", 0)
	if s := w.run("1.0"); s.Status != run.RunEnded || s.Ledgers["sites"].Total != 3 {
		t.Fatalf("the run is %s, its ledger %+v", s.Status, s.Ledgers["sites"])
	}
}

func TestQueuedStartBeginsWhenTheNameIsFree(t *testing.T) {
	w := newWorld(t, `
playbook: quick
doc: One after the other.
name: "quick/${project.name}/daily"
overlap: queue
inputs: {version: {type: version, help: "a version"}}
steps:
  go: {gate: "1 of maintainer", binds: ["${inputs.version}"]}
`)
	w.open()
	w.say("requester", "quick 1.0")
	w.say("requester", "quick 2.0")
	first := w.run("daily").ID
	w.open()
	w.say("maintainer-a", "approve daily go")
	w.pass(time.Minute)
	if s := w.run("daily"); s.ID == first || s.Status != run.Live || s.Inputs["version"] != "2.0" {
		t.Fatalf("the name has run %s %s %v", s.ID, s.Status, s.Inputs)
	}
}

func TestMisfitWaitsAndOthersGoOn(t *testing.T) {
	w := newWorld(t, effectYAML("quick", "test.once@1", ""))
	w.open()
	if err := w.e.PauseEffects(context.Background(), "manager", "an upgrade"); err != nil {
		t.Fatal(err)
	}
	w.say("requester", "quick 1.0")
	w.say("requester", "release 1.0")
	old := w.books["quick"]
	w.books["quick"] = &playbook.Playbook{Name: "quick", Digest: "sha256:other"}
	w.open()
	if err := w.e.ResumeEffects(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.drain()
	w.wantApplied("test.once 1.0", 0)
	w.wantApplied("test.keyed 1.0", 1)
	list, err := w.e.Runs(context.Background(), engine.Filter{Family: "quick"})
	if err != nil || len(list) != 1 || list[0].Misfit == "" {
		t.Fatalf("list: %+v %v", list, err)
	}
	w.books["quick"] = old
	w.open()
	w.drain()
	w.wantApplied("test.once 1.0", 1)
}

func TestResolveSuggests(t *testing.T) {
	w := newWorld(t)
	w.open()
	w.say("requester", "release 2019.01")
	_, err := w.e.Resolve(context.Background(), "2019.02", "manager")
	if !errs.Is(err, errs.NotFound) || errs.HintOf(err) != "did you mean 2019.01?" {
		t.Fatal(fmt.Sprint(err, ": ", errs.HintOf(err)))
	}
}

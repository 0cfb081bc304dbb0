package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/job"
	"slipway/bot/ledger"
	"slipway/bot/run"
)

const buildsYAML = `
playbook: quick
doc: Packages that builders take.
name: "quick/${project.name}/${inputs.version}"
inputs: {version: {type: version, help: "a version"}}
ledgers:
  sites:
    key: site
    columns: {site: string, points: {type: int, optional: true}, host: {type: string, optional: true}, why: {type: string, optional: true}}
    states: [wanted, building, built, failed, put_aside]
    moves: {wanted: [building, put_aside], building: [built, failed, wanted, put_aside], put_aside: [wanted]}
    final: [built, failed]
    actions: {retry: {failed: wanted}, pause: {wanted: put_aside, building: put_aside}}
steps:
  builds:
    each: {ledger: sites, where: "row.site != 'never'"}
    job:
      do: test.sign@1
      with: {name: "${row.key} ${inputs.version}"}
      from: wanted
      takes: {to: building, set: {host: "${lease.holder}"}}
      first: "row.?points.orValue(0)"
      tries: 2
      ok: built
      failed: {any: {to: failed, set: {why: "${lease.class}: ${lease.reason}"}}}
    until: "ledgers.sites.total == 3 && ledgers.sites.count.wanted == 0"
  after: {do: test.keyed@1, with: {name: "${steps.builds.head}"}, needs: [builds]}
`

type builds struct {
	*world
	id string
}

func newBuilds(t *testing.T, points map[string]int64) *builds {
	w := newWorld(t, buildsYAML)
	w.open()
	w.say("requester", "quick 1.0")
	b := &builds{w, w.run("1.0").ID}
	for _, site := range []string{"a", "b", "c"} {
		values := map[string]any{"site": site}
		if p, ok := points[site]; ok {
			values["points"] = p
		}
		b.change(site, engine.RowChange{Add: true, Values: values})
		w.pass(time.Second)
	}
	return b
}

func (b *builds) change(site string, c engine.RowChange) {
	b.t.Helper()
	if _, err := b.e.ChangeRow(context.Background(), b.id, "sites", site, c, engine.Once{}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *builds) lease(holder string) job.Job {
	b.t.Helper()
	j, found, err := b.e.Lease(context.Background(), holder, []string{"sign"}, time.Minute)
	if err != nil || !found {
		b.t.Fatalf("%s gets nothing: %v", holder, err)
	}
	return j
}

func (b *builds) none(holder string) {
	b.t.Helper()
	if j, found, err := b.e.Lease(context.Background(), holder, []string{"sign"}, time.Minute); err != nil || found {
		b.t.Fatalf("%s gets %s: %v", holder, j.ID, err)
	}
}

func (b *builds) finish(j job.Job, v job.Verdict) error {
	_, err := b.e.Finish(context.Background(), j.Kind, j.ID, j.Lease.Holder, j.Lease.Fence, v)
	return err
}

func (b *builds) wantState(site, state string) ledger.Row {
	b.t.Helper()
	row := b.row(b.id, site)
	if row.State != state {
		b.t.Fatalf("%s is %s, not %s", site, row.State, state)
	}
	return row
}

func fine() job.Verdict { return job.Verdict{OK: true, Result: []byte(`{"result":"built"}`)} }

func TestBuildersWorkTheRows(t *testing.T) {
	b := newBuilds(t, map[string]int64{"c": 5})
	events := b.run("1.0").Events
	one, two, three := b.lease("one"), b.lease("two"), b.lease("three")
	if got := []string{string(one.Payload), string(two.Payload), string(three.Payload)}; !slices.Equal(got, []string{`{"name":"c 1.0"}`, `{"name":"a 1.0"}`, `{"name":"b 1.0"}`}) {
		t.Fatalf("the order is %v", got)
	}
	b.none("four")
	if again := b.lease("two"); again.ID != two.ID || again.Lease.Fence != two.Lease.Fence {
		t.Fatalf("a holder that asks again gets %+v", again)
	}
	if row := b.wantState("c", "building"); row.Values["host"] != "one" {
		t.Fatalf("%+v", row)
	}
	if now := b.run("1.0").Events; now != events {
		t.Fatalf("leases made %d events of the run", now-events)
	}
	b.open() // leases outlive the process
	if _, err := b.e.Renew(context.Background(), "sign", one.ID, "one", one.Lease.Fence, 2*time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := b.finish(two, fine()); err != nil {
		t.Fatal(err)
	}
	if err := b.finish(two, fine()); err != nil { // its answer was lost
		t.Fatal(err)
	}
	b.wantState("a", "built")
	// The third builder is silent: its row goes back, its late result is refused.
	b.pass(90 * time.Second)
	b.wantState("b", "wanted")
	b.wantState("c", "building")
	if err := b.finish(three, fine()); !errs.Is(err, errs.Conflict) {
		t.Fatalf("a late result: %v", err)
	}
	four := b.lease("four")
	if four.Lease.Fence <= three.Lease.Fence || four.Blame.Lost != 1 {
		t.Fatalf("%+v", four)
	}
	// Nothing waits any more, but what is leased may come back: the list ends with the last lease.
	b.drain()
	if st := b.run("1.0").Steps["builds"]; st.Status != run.Running || st.Closed {
		t.Fatalf("%+v", st)
	}
	if err := b.finish(four, job.Verdict{Class: "build", Reason: "gcc says no"}); err != nil {
		t.Fatal(err)
	}
	if row := b.wantState("b", "failed"); row.Values["why"] != "build: gcc says no" {
		t.Fatalf("%+v", row)
	}
	if err := b.finish(one, fine()); err != nil {
		t.Fatal(err)
	}
	b.drain()
	s := b.run("1.0")
	if s.Status != run.RunEnded || s.Steps["builds"].Output["rows"] != int64(3) || !strings.HasPrefix(fmt.Sprint(s.Steps["builds"].Output["head"]), "sha256:") {
		t.Fatalf("%s: %+v", s.Status, s.Steps["builds"])
	}
	b.wantSound()
}

func TestTriesOfARowAreCounted(t *testing.T) {
	ctx := context.Background()
	b := newBuilds(t, nil)
	one := b.lease("one")
	if _, err := b.e.GiveBack(ctx, "sign", one.ID, "one", one.Lease.Fence, "no disk"); err != nil {
		t.Fatal(err)
	}
	b.wantState("a", "wanted")
	if next := b.lease("one"); next.ID == one.ID { // not at once to who gave it back
		t.Fatal("the same row again")
	}
	b.lease("two") // c: a came back last
	b.lease("three")
	b.pass(2 * time.Minute)
	if row := b.wantState("a", "failed"); row.Values["why"] == nil {
		t.Fatalf("%+v", row)
	}
	b.wantState("c", "wanted")
}

func TestPersonsMoveRowsFromTheirHolders(t *testing.T) {
	ctx := context.Background()
	b := newBuilds(t, nil)
	one := b.lease("one")
	if _, err := b.e.ChangeRow(ctx, b.id, "sites", "b", engine.RowChange{To: "building"}, engine.Once{}); !errs.Is(err, errs.Conflict) {
		t.Fatalf("moved to where only a lease leads: %v", err)
	}
	b.change("a", engine.RowChange{Act: "pause", By: "manager"})
	if _, err := b.e.Renew(ctx, "sign", one.ID, "one", one.Lease.Fence, time.Minute); !errs.Is(err, errs.Conflict) {
		t.Fatalf("renewed: %v", err)
	}
	if err := b.finish(one, fine()); !errs.Is(err, errs.Conflict) {
		t.Fatalf("finished: %v", err)
	}
	b.wantState("a", "put_aside")
	b.change("a", engine.RowChange{To: "wanted"})
	if again := b.lease("one"); again.Lease.Fence == one.Lease.Fence && again.ID == one.ID {
		t.Fatal("the old fence")
	}
}

func TestAHeldRunLeasesNothing(t *testing.T) {
	ctx := context.Background()
	b := newBuilds(t, nil)
	one, two := b.lease("one"), b.lease("two")
	hold := func(now bool) {
		t.Helper()
		d, err := b.e.Submit(ctx, b.id, run.Command{Verb: run.HoldVerb, Person: "requester", Reason: "wait", Now: now})
		if err != nil || d.Refusal != nil {
			t.Fatal(err, d.Refusal)
		}
	}
	hold(false)
	b.none("three")
	if err := b.finish(one, fine()); err != nil { // it runs to its verdict
		t.Fatal(err)
	}
	b.wantState("a", "built")
	hold(true)
	if err := b.finish(two, fine()); !errs.Is(err, errs.Conflict) {
		t.Fatalf("finished: %v", err)
	}
	b.wantState("b", "wanted")
	if d, err := b.e.Submit(ctx, b.id, run.Command{Verb: run.ResumeVerb, Person: "requester"}); err != nil || d.Refusal != nil {
		t.Fatal(err, d.Refusal)
	}
	if j := b.lease("three"); j.Blame != (job.Blame{}) {
		t.Fatalf("%+v", j)
	}
}

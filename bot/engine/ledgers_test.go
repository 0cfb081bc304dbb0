package engine_test

import (
	"context"
	"strings"
	"testing"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/ledger"
	"slipway/bot/run"
)

const rowsYAML = `
playbook: quick
doc: Steps that write rows.
name: "quick/${project.name}/${inputs.version}"
inputs: {version: {type: version, help: "a version"}}
ledgers:
  sites:
    key: site
    columns: {site: string, size: {type: int, optional: true}, note: {type: string, optional: true}}
    states: [asked, agreed, refused]
    moves: {asked: [agreed, refused]}
    final: [agreed, refused]
    actions: {retry: {refused: asked}}
steps:
  enter: {do: ledger.fill@1, with: {ledger: sites, rows: [{site: a, size: "3"}, {site: b, size: "", note: "x|y"}]}}
  again: {do: ledger.fill@1, with: {ledger: sites, rows: [{site: a, size: "5"}, {site: c}]}, needs: [enter]}
  poll: {collect: {ledger: sites, ask: {note: string}, deadline: 3d, enough: "answers.size() == 1"}, needs: [again]}
  size: {do: ledger.set@1, with: {ledger: sites, key: c, set: {size: "7"}}, needs: [again]}
  move: {do: ledger.move@1, with: {ledger: sites, key: a, to: agreed, set: {size: "${string(steps.again.added)}"}}, needs: [again, poll]}
  twice: {do: ledger.move@1, with: {ledger: sites, key: a, to: agreed}, needs: [move]}
  no: {do: ledger.move@1, with: {ledger: sites, key: b, to: refused}, needs: [poll]}
  table: {do: ledger.table@1, with: {ledger: sites, columns: [key, state, size, note]}, needs: [twice, size, no]}
`

func (w *world) row(id, key string) (out ledger.Row) {
	w.t.Helper()
	err := w.e.Rows(context.Background(), id, "sites", func(r ledger.Row) bool {
		if r.Key == key {
			out = r
		}
		return true
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func TestStepsWriteRows(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, rowsYAML)
	w.open()
	w.say("requester", "quick 1.0")
	id := w.run("1.0").ID
	w.drain()
	if s := w.run("1.0"); s.Steps["poll"].Status != run.Running || s.Steps["enter"].Output["added"] != int64(2) || s.Steps["again"].Output["added"] != int64(1) {
		t.Fatalf("enter %+v, again %+v", s.Steps["enter"], s.Steps["again"])
	}
	if _, err := w.e.Submit(ctx, id, run.Answer{Step: "poll", Person: "requester", Member: "a", Values: map[string]any{"note": "we do"}}); err != nil {
		t.Fatal(err)
	}
	w.drain()
	w.open() // nothing is done twice
	w.drain()
	s := w.run("1.0")
	if s.Status != run.RunEnded || s.Outcome != "done" {
		t.Fatalf("%s %s: %+v", s.Status, s.Outcome, s.Steps["table"])
	}
	if a := w.row(id, "a"); a.State != "agreed" || a.Values["size"] != int64(1) || a.Values["note"] != "we do" || a.Seq != 3 {
		t.Errorf("row a: %+v", a)
	}
	if c := w.row(id, "c"); c.State != "asked" || c.Values["size"] != int64(7) {
		t.Errorf("row c: %+v", c)
	}
	want := "| key | state | size | note |\n| --- | --- | --- | --- |\n| a | agreed | 1 | we do |\n| b | refused |  | x\\|y |\n| c | asked | 7 |  |\n"
	if got := s.Steps["table"].Output["text"]; got != want {
		t.Errorf("table:\n%s", got)
	}
	// Only a row command leads out of an end.
	if _, err := w.e.ChangeRow(ctx, id, "sites", "b", engine.RowChange{To: "asked"}, engine.Once{}); !errs.Is(err, errs.Conflict) {
		t.Errorf("a move out of an end: %v", err)
	}
	if _, err := w.e.ChangeRow(ctx, id, "sites", "a", engine.RowChange{Act: "retry", By: "manager"}, engine.Once{}); !errs.Is(err, errs.Conflict) {
		t.Errorf("a retry that is not declared: %v", err)
	}
	if row, err := w.e.ChangeRow(ctx, id, "sites", "b", engine.RowChange{Act: "retry", By: "manager"}, engine.Once{}); err != nil || row.State != "asked" {
		t.Errorf("retry: %+v %v", row, err)
	}
}

func TestRowsThatDoNotFitAreRefused(t *testing.T) {
	w := newWorld(t, strings.Replace(strings.Replace(rowsYAML, `{site: a, size: "5"}`, `{site: d, size: "many"}`, 1), "steps:", "steps:\n  load: {do: ledger.load@1, with: {ledger: sites, table: \"sha256:"+strings.Repeat("0", 64)+"\"}}", 1))
	w.open()
	w.say("requester", "quick 1.0")
	w.drain()
	s := w.run("1.0")
	if st := s.Steps["again"]; st.Status != run.Stuck || !strings.Contains(st.Message, "size") {
		t.Errorf("again: %+v", st)
	}
	if st := s.Steps["load"]; st.Status == run.Done {
		t.Errorf("load: %+v", st)
	}
}

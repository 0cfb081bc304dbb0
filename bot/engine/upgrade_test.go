package engine_test

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/run"
)

// madeYAML is also the playbook of the runs in testdata/store-1.jsonl, so it must stay as it is.
const madeYAML = `
playbook: made
doc: Something is made under a lock, and can be undone.
name: "made/${project.name}/${inputs.version}"
inputs: {version: {type: version, help: "a version"}}
uses: ["site/${project.name}"]
steps:
  make: {do: test.made@1, with: {name: "${inputs.version}"}}
  go: {gate: "1 of maintainer", binds: ["${steps.make.result}"], needs: [make]}
`

// A store of format 1, written before there was an index of the last parts of names: 1.0 has ended,
// the undo plan of 2.0 waits and keeps the name and the lock, 3.0 waits for the lock and is held.
func TestStoreOfFormat1IsBroughtUp(t *testing.T) {
	ctx := context.Background()
	for _, crashAt := range []string{"", "upgrade/names/after-commit", "upgrade/end/before-commit"} {
		w := broughtUp(t, "testdata/store-1.jsonl", crashAt)
		w.drain()
		w.wantSound()
		if s := w.run("1.0"); s.Outcome != "done" {
			t.Errorf("1.0 is %s %s", s.Status, s.Outcome)
		}
		old := w.run("2.0")
		if old.Status != run.IsAborting {
			t.Fatalf("2.0 is %s", old.Status)
		}
		for _, l := range w.e.Locks() {
			if l.Holder.Run == old.ID {
				t.Errorf("2.0 keeps the lock %s", l.Name)
			}
		}
		waits, err := w.e.Mine(ctx, "requester")
		var kinds []string
		for _, x := range waits {
			kinds = append(kinds, x.Name+" "+x.Kind)
		}
		if got := strings.Join(kinds, ", "); err != nil || got != "made/lava/2.0 undo, made/lava/3.0 hold" {
			t.Errorf("mine: %s %v", got, err)
		}
		w.say("requester", "made 2.0")
		if s := w.run("2.0"); s.ID == old.ID || s.Status != run.Live {
			t.Errorf("the name is not free: %s", s.Status)
		}
		w.say("requester", "undo "+old.ID+" none")
		if s, _, err := w.e.RunState(ctx, old.ID); err != nil || s.Outcome != "aborted" {
			t.Errorf("the plan is not answered: %s %v", s.Status, err)
		}
		w.wantSound()
	}
}

// broughtUp is an engine on a store of an earlier format, which may have died once on its way up.
func broughtUp(t *testing.T, file, crashAt string) *world {
	t.Helper()
	w := newWorld(t, madeYAML)
	w.cfg = func(c *engine.Config) { c.LogKey = newLogKey(1) }
	w.clock.pass(time.Hour)
	w.ids, w.msgs = 100, 100
	w.load(file)
	if crashAt != "" {
		w.dying(crashAt, func() { w.open() })
	}
	w.open()
	if raw, err := w.store.Get(t.Context(), engine.Key{Space: "meta", ID: "layout"}); err != nil || string(raw) != "4" {
		t.Fatalf("the format is %s %v", raw, err)
	}
	return w
}

// A store of format 2, written before heads were signed: 1.0 has ended with a gate that was closed,
// the gate of 2.0 is open and the run is held. Nothing of it changes but the number, by which older
// programs refuse it, and gates that close from now on have signed heads.
func TestStoreOfFormat2IsBroughtUp(t *testing.T) {
	ctx := context.Background()
	for _, crashAt := range []string{"", "upgrade/end/before-commit", "upgrade/end/after-commit"} {
		w := broughtUp(t, "testdata/store-2.jsonl", crashAt)
		w.drain()
		w.wantSound()
		old := w.run("1.0")
		if heads, err := w.e.Heads(ctx, old.ID); err != nil || len(heads) != 0 || old.Outcome != "done" {
			t.Errorf("1.0 is %s, with the heads %v %v", old.Outcome, heads, err)
		}
		w.say("requester", "resume 2.0")
		w.say("maintainer-a", "approve 2.0 go")
		now := w.run("2.0")
		heads, err := w.e.Heads(ctx, now.ID)
		if err != nil || now.Outcome != "done" || len(heads) != 1 || heads[0].By == "" {
			t.Errorf("2.0 is %s %s, with the heads %v %v", now.Status, now.Outcome, heads, err)
		}
		w.wantSound()
	}
}

// A store of format 3, written when the body of a delivery stood in its record: 1.0 has ended, the
// gate of 2.0 is open, one delivery could not be decoded, and one that approves 2.0 is not decoded yet.
// Both are read as they are.
func TestStoreOfFormat3IsBroughtUp(t *testing.T) {
	ctx := context.Background()
	for _, crashAt := range []string{"", "upgrade/end/before-commit", "upgrade/end/after-commit"} {
		w := broughtUp(t, "testdata/store-3.jsonl", crashAt)
		bad, err := w.e.InboxList(ctx, "", 10, true)
		if err != nil || len(bad) != 1 || bad[0].Error == "" || bad[0].Size != 1 || bad[0].Headers["a"] != "<1>" {
			t.Fatalf("not decoded: %+v %v", bad, err)
		}
		w.drain()
		if s := w.run("2.0"); s.Steps["go"].Status != run.Done {
			w.say("maintainer-a", "approve 2.0 go") // it was too old, and asked
		}
		if s := w.run("2.0"); s.Outcome != "done" {
			t.Errorf("2.0 is %s %s", s.Status, s.Outcome)
		}
		if err := w.e.InboxReplay(ctx, bad[0].Seq); err != nil {
			t.Fatal(err)
		}
		w.drain()
		one, err := w.e.InboxShow(ctx, bad[0].Seq)
		if err != nil || string(one.Body) != "{" || one.Size != 1 || one.Replayed != 1 || one.Error == "" {
			t.Errorf("after a replay: %+v %v", one, err)
		}
		w.wantSound()
		w.pass(365 * 24 * time.Hour)
		for n := 1; n > 0; {
			if n, err = w.e.SweepInbox(ctx); err != nil {
				t.Fatal(err)
			}
		}
		for k := range w.store.Records() {
			if k.Space == "inbox" || k.Space == "bodies" {
				t.Errorf("%s/%s is left", k.Space, k.ID)
			}
		}
	}
}

// load puts a stored history into the store.
func (w *world) load(file string) {
	w.t.Helper()
	f, err := os.Open(file)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	b := &engine.Batch{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var r struct{ Space, ID, Value string }
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			w.t.Fatal(err)
		}
		b.Puts = append(b.Puts, engine.Record{Key: engine.Key{Space: r.Space, ID: r.ID}, Value: []byte(r.Value)})
	}
	if err := w.store.Commit(context.Background(), b); err != nil {
		w.t.Fatal(err)
	}
}

// dying runs f, which must end at the crash point.
func (w *world) dying(at string, f func()) {
	w.t.Helper()
	w.point = func(name string) {
		if name == at {
			panic(crash{name})
		}
	}
	defer func() {
		w.t.Helper()
		w.point = nil
		if _, died := recover().(crash); !died {
			w.t.Fatalf("there is no crash point %s", at)
		}
	}()
	f()
}

// A store of a newer format is left as it is.
func TestStoreOfANewerFormatIsRefused(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, madeYAML)
	w.open()
	layout := engine.Key{Space: "meta", ID: "layout"}
	if err := w.store.Commit(ctx, &engine.Batch{Puts: []engine.Record{{Key: layout, Value: []byte("5")}}}); err != nil {
		t.Fatal(err)
	}
	_, err := engine.New(ctx, w.config())
	if !errs.Is(err, errs.Corrupt) || !strings.Contains(errs.Text(err), "the store has the format 5, and this program writes 4") ||
		!strings.Contains(errs.Text(err), "a newer one") {
		t.Fatal(err)
	}
	if raw, err := w.store.Get(ctx, layout); err != nil || string(raw) != "5" {
		t.Fatalf("%s %v", raw, err)
	}
}

package engine_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/job"
	"slipway/bot/people"
	"slipway/bot/run"
)

func TestClosingReadIsNotCleanWhenSomethingCame(t *testing.T) {
	w := newWorld(t)
	w.open()
	w.say("requester", "release 2019.01")
	reads, dirty := 0, 0
	w.room.reads = func() {
		reads++
		if reads > 1 && dirty == 0 { // the first is the look at the reaction, the second the closing read
			dirty++
			w.room.mu.Lock()
			for m := range w.room.reactions {
				w.room.reactions[m] = nil // withdrawn while we read
			}
			w.room.mu.Unlock()
			m := w.room.titled(": gate go")[0].ref.Message
			if err := w.deliver(wire{Place: "lava", Touched: m}, "withdrawn"); err != nil {
				t.Error(err)
			}
		}
	}
	w.react("maintainer-a")
	w.pass(time.Hour)
	if dirty != 1 {
		t.Fatal("there was no closing read")
	}
	w.wantStep("2019.01", "go", run.Running)
	w.wantApplied("test.lookup 2019.01", 0)
	w.react("maintainer-b")
	w.pass(time.Hour)
	w.wantStep("2019.01", "ship", run.Done)
}

func TestRemovedMaintainerDoesNotCloseAGate(t *testing.T) {
	w := newWorld(t)
	s := &staff{gone: map[string]bool{}}
	w.cfg = func(c *engine.Config) { c.People = s }
	w.open()
	w.say("requester", "release 2019.01")
	s.gone["maintainer-a"] = true // at the source; nobody has told us
	w.react("maintainer-a")
	w.pass(time.Hour)
	w.wantStep("2019.01", "go", run.Running)
	w.react("maintainer-b")
	w.pass(time.Hour)
	w.wantStep("2019.01", "go", run.Done)
}

func TestUnreachableRolesKeepAGateOpen(t *testing.T) {
	w := newWorld(t)
	s := &staff{gone: map[string]bool{}}
	w.cfg = func(c *engine.Config) { c.People = s }
	w.open()
	w.say("requester", "release 2019.01")
	s.down = errs.E("staff", errs.Unavailable, fmt.Errorf("the directory does not answer"))
	w.react("maintainer-a")
	w.wantStep("2019.01", "go", run.Running)
	s.down = nil
	w.pass(10 * time.Minute)
	w.pass(10 * time.Minute)
	w.wantStep("2019.01", "go", run.Done)
}

func TestPauseStopsEffectsButNotWords(t *testing.T) {
	w := newWorld(t)
	w.open()
	if err := w.e.PauseEffects(context.Background(), "manager", "the network is being moved"); err != nil {
		t.Fatal(err)
	}
	w.say("requester", "release 2019.01")
	w.pass(time.Hour)
	w.wantApplied("test.keyed 2019.01", 0)
	if len(w.room.titled("card of")) != 1 {
		t.Fatal("the card is not shown")
	}
	w.open() // the pause survives
	if _, _, yes := w.e.Paused(); !yes {
		t.Fatal("the pause was forgotten")
	}
	w.drain()
	w.wantApplied("test.keyed 2019.01", 0)
	if err := w.e.ResumeEffects(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.drain()
	w.wantApplied("test.keyed 2019.01", 1)
}

const lockedYAML = `
playbook: locked
doc: One at a time.
name: "locked/${project.name}/${inputs.version}"
inputs: {version: {type: version, help: "a version"}}
uses: ["archive/stable"]
steps:
  go: {gate: "1 of maintainer", binds: ["${inputs.version}"]}
  ship: {do: test.keyed@1, with: {name: "${inputs.version}"}, needs: [go]}
`

func TestLockIsHandedOver(t *testing.T) {
	for _, restart := range []bool{false, true} {
		w := newWorld(t, lockedYAML)
		w.open()
		w.say("requester", "locked 1.0")
		w.say("requester", "locked 2.0")
		if l := w.e.Locks(); len(l) != 1 || l[0].Holder.Name != "locked/lava/1.0" || len(l[0].Queue) != 1 {
			t.Fatalf("locks: %+v", l)
		}
		if restart {
			w.open()
		}
		w.say("maintainer-a", "approve 1.0 go")
		w.pass(time.Minute)
		if l := w.e.Locks(); len(l) != 1 || l[0].Holder.Name != "locked/lava/2.0" || len(l[0].Queue) != 0 {
			t.Fatalf("locks after the first: %+v; %+v", l, w.room.posts[len(w.room.posts)-1].c)
		}
		w.say("maintainer-a", "approve 2.0 go")
		w.pass(time.Minute)
		w.wantApplied("test.keyed 2.0", 1)
		if l := w.e.Locks(); len(l) != 0 {
			t.Fatalf("locks after both: %+v", l)
		}
		if err := w.e.FsckFull(context.Background(), func(p string) { t.Error(p) }); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTimersFireOnceAndNeverEarly(t *testing.T) {
	w := newWorld(t, `
playbook: timed
doc: A quiet time.
name: "timed/${project.name}/${inputs.version}"
inputs: {version: {type: version, help: "a version"}}
steps:
  go: {gate: "1 of maintainer", binds: ["${inputs.version}"], deadline: {after: 2h, then: stuck}}
`)
	w.open()
	w.say("requester", "timed 1.0")
	w.pass(2*time.Hour - time.Nanosecond)
	w.wantStep("1.0", "go", run.Running)
	w.open()
	w.pass(time.Nanosecond)
	w.wantStep("1.0", "go", run.Stuck)
	before := w.run("1.0").Events
	w.open()
	w.pass(time.Hour)
	if after := w.run("1.0").Events; after != before {
		t.Fatalf("it fired again: %d events, then %d", before, after)
	}
}

func TestSignerFence(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, effectYAML("signed", "test.sign@1", ""))
	w.open()
	w.say("requester", "signed 1.0")
	j, found, err := w.e.Lease(ctx, "signer-a", []string{"sign"}, time.Minute)
	if err != nil || !found {
		t.Fatalf("lease: %v %v", found, err)
	}
	w.pass(2 * time.Minute) // silent
	k, found, err := w.e.Lease(ctx, "signer-b", []string{"sign"}, time.Minute)
	if err != nil || !found || k.ID != j.ID || k.Lease.Fence <= j.Lease.Fence {
		t.Fatalf("second lease: %+v %v", k, err)
	}
	good := job.Verdict{OK: true, Result: []byte(`{"result":"signature"}`)}
	if _, err := w.e.Finish(ctx, "sign", j.ID, "signer-a", j.Lease.Fence, good); !errs.Is(err, errs.Conflict) {
		t.Fatalf("a late result counted: %v", err)
	}
	w.open()
	if _, err := w.e.Renew(ctx, "sign", k.ID, "signer-b", k.Lease.Fence, time.Minute); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the same report again is harmless
		if _, err := w.e.Finish(ctx, "sign", k.ID, "signer-b", k.Lease.Fence, good); err != nil {
			t.Fatal(err)
		}
	}
	w.drain()
	w.wantStep("1.0", "it", run.Done)
	if _, found, _ := w.e.Lease(ctx, "signer-b", []string{"sign"}, time.Minute); found {
		t.Fatal("a finished job was leased")
	}
}

func TestGrantsAreVersioned(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.open()
	v := w.e.World().Directory.Version("lava", "maintainer")
	g := people.Grant{ID: "g1", Person: "requester", Role: "maintainer", Project: "lava"}
	if err := w.e.Grant(ctx, g, engine.Once{Key: "k1"}); err != nil {
		t.Fatal(err)
	}
	if err := w.e.Grant(ctx, g, engine.Once{Key: "k1"}); !errs.Is(err, errs.Exists) {
		t.Fatalf("a repeat: %v", err)
	}
	if got := w.e.World().Directory.Version("lava", "maintainer"); got != v+1 {
		t.Fatalf("version %d, then %d", v, got)
	}
	w.open()
	if _, ok := w.e.World().Directory.Has("lava", "maintainer", "requester", w.clock.Now()); !ok {
		t.Fatal("the grant was forgotten")
	}
	if got := w.e.World().Directory.Version("lava", "maintainer"); got != v+1 {
		t.Fatalf("opening changed the version to %d", got)
	}
	w.say("requester", "release 1.0")
	waits, err := w.e.Mine(ctx, "maintainer-a")
	if err != nil || len(waits) != 1 || waits[0].Step != "go" {
		t.Fatalf("mine: %+v %v", waits, err)
	}
}

func TestRunStopsCleanly(t *testing.T) {
	w := newWorld(t)
	w.open()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- w.e.Run(ctx) }()
	if err := w.deliver(wire{Who: "requester", Place: "lava", Message: "s1", Text: "release 2019.01"}, "d1"); err != nil {
		t.Fatal(err)
	}
	for len(w.room.titled(": gate go")) == 0 {
		w.clock.pass(time.Millisecond)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	w.open()
	w.drain()
	w.wantStep("2019.01", "go", run.Running)
	w.wantApplied("test.keyed 2019.01", 1)
}

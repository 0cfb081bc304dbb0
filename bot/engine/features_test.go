package engine_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/job"
	"slipway/bot/run"
)

func TestHoldNowTakesTheJobBack(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, effectYAML("signed", "test.sign@1", ""))
	w.open()
	w.say("requester", "signed 1.0")
	j, found, err := w.e.Lease(ctx, "signer-a", []string{"sign"}, time.Hour)
	if err != nil || !found {
		t.Fatalf("lease: %v %v", found, err)
	}
	w.say("requester", "hold 1.0 now")
	if _, err := w.e.Renew(ctx, "sign", j.ID, "signer-a", j.Lease.Fence, time.Hour); !errs.Is(err, errs.Conflict) {
		t.Fatalf("the lease goes on: %v", err)
	}
	if _, found, _ := w.e.Lease(ctx, "signer-b", []string{"sign"}, time.Hour); found {
		t.Fatal("a held run has a job on offer")
	}
	w.wantStep("1.0", "it", run.Waiting)
	good := job.Verdict{OK: true, Result: []byte(`{"result":"signature"}`)}
	if _, err := w.e.Finish(ctx, "sign", j.ID, "signer-a", j.Lease.Fence, good); err != nil {
		t.Fatal(err)
	}
	w.wantStep("1.0", "it", run.Waiting) // it is kept, and not used
	if unused, err := w.e.Unused(ctx, w.run("1.0").ID); err != nil || len(unused) != 1 {
		t.Fatalf("unused: %v %v", unused, err)
	}
	w.open()
	w.say("requester", "resume 1.0")
	k, found, err := w.e.Lease(ctx, "signer-b", []string{"sign"}, time.Hour)
	if err != nil || !found || k.Lease.Fence <= j.Lease.Fence {
		t.Fatalf("after resume: %v %v %+v", found, err, k.Lease)
	}
	if _, err := w.e.Finish(ctx, "sign", k.ID, "signer-a", j.Lease.Fence, good); !errs.Is(err, errs.Conflict) {
		t.Fatalf("the old holder counts: %v", err)
	}
	if _, err := w.e.Finish(ctx, "sign", k.ID, "signer-b", k.Lease.Fence, good); err != nil {
		t.Fatal(err)
	}
	w.drain()
	w.wantStep("1.0", "it", run.Done)
}

func TestFailedJobIsOfferedAgainAfterARetry(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, effectYAML("signed", "test.sign@1", ""))
	w.open()
	w.say("requester", "signed 1.0")
	j, _, err := w.e.Lease(ctx, "signer-a", []string{"sign"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.e.Finish(ctx, "sign", j.ID, "signer-a", j.Lease.Fence, job.Verdict{Reason: "the card is not there"}); err != nil {
		t.Fatal(err)
	}
	w.drain()
	w.wantStep("1.0", "it", run.Stuck)
	d, err := w.e.Submit(ctx, w.run("1.0").ID, run.Command{Verb: run.RetryVerb, Person: "requester", Step: "it"})
	if err != nil || d.Refusal != nil {
		t.Fatal(err, d.Refusal)
	}
	w.drain()
	k, found, err := w.e.Lease(ctx, "signer-a", []string{"sign"}, time.Hour)
	if err != nil || !found || k.Lease.Fence <= j.Lease.Fence {
		t.Fatalf("the retry: %v %v", found, err)
	}
}

func TestLockIsTakenForANamedRun(t *testing.T) {
	w := newWorld(t, lockedYAML)
	w.open()
	w.say("requester", "locked 1.0")
	w.say("requester", "take archive/stable 1.0 1.0")
	if len(w.room.titled("may not take a lock")) != 1 {
		t.Fatalf("posts: %+v", w.room.posts[len(w.room.posts)-1].c)
	}
	w.say("requester", "locked 2.0")
	w.say("requester", "locked 3.0")
	w.say("manager", "take archive/stable 1.0 3.0")
	w.pass(time.Minute)
	l := w.e.Locks()
	if len(l) != 1 || l[0].Holder.Name != "locked/lava/3.0" || len(l[0].Queue) != 2 || l[0].Queue[0].Name != "locked/lava/2.0" {
		t.Fatalf("locks: %+v", l)
	}
	w.wantStep("1.0", "go", run.Waiting)
	w.wantStep("3.0", "go", run.Running)
	if lost, got := w.room.titled("has lost the lock"), w.room.titled("goes first for the lock"); len(lost) != 1 || len(got) != 1 {
		t.Fatalf("told: %+v %+v", lost, got)
	}
	if err := w.e.FsckFull(context.Background(), func(p string) { t.Error(p) }); err != nil {
		t.Fatal(err)
	}
}

func TestMigrateDecidesWithTheNewPlaybook(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.open()
	w.say("requester", "release 2019.01")
	id := w.run("2019.01").ID
	w.books["release"] = newWorld(t, strings.Replace(releaseYAML, "1 of maintainer", "2 of maintainer", 1)).books["release"]
	w.open() // the old one is known by its source only, and this program cannot read it
	if len(w.e.Misfits()) != 1 {
		t.Fatalf("misfits: %v", w.e.Misfits())
	}
	plan, err := w.e.MigratePlan(ctx, id)
	if err != nil || len(plan.Lost) != 0 || len(plan.Lines) != 1 || !strings.Contains(plan.Lines[0], "was 1 of maintainer") {
		t.Fatalf("plan: %+v %v", plan, err)
	}
	w.say("requester", "migrate 2019.01")
	s := w.run("2019.01")
	if s.Playbook != w.books["release"].Digest || s.Steps["go"].Gate.Manifest.Rule != "2 of maintainer, not requester" || s.Steps["build"].Status != run.Done {
		t.Fatalf("the run is %+v", s.Steps["go"].Gate)
	}
	w.wantApplied("test.keyed 2019.01", 1)
	w.react("maintainer-a")
	w.react("maintainer-b")
	w.pass(time.Minute)
	w.wantStep("2019.01", "ship", run.Done)
	if err := w.e.FsckFull(ctx, func(p string) { t.Error(p) }); err != nil {
		t.Fatal(err)
	}
}

func TestMigrateRefusesToLoseAStep(t *testing.T) {
	w := newWorld(t)
	w.open()
	w.say("requester", "release 2019.01")
	was := w.run("2019.01").Playbook
	w.books["old"] = w.books["release"]
	w.books["release"] = newWorld(t, strings.ReplaceAll(releaseYAML, "build", "make")).books["release"]
	w.say("requester", "migrate 2019.01")
	if w.run("2019.01").Playbook != was || len(w.room.titled("build is done, and the new playbook does not have it")) != 1 {
		t.Fatalf("posts: %+v", w.room.posts[len(w.room.posts)-1].c)
	}
}

func TestMisfitRunCanBeAborted(t *testing.T) {
	w := newWorld(t)
	w.open()
	w.say("requester", "release 2019.01")
	delete(w.books, "release")
	w.open()
	w.say("requester", "abort 2019.01")
	w.pass(time.Minute)
	list, err := w.e.Runs(context.Background(), engine.Filter{Past: true})
	if err != nil || len(list) != 1 || list[0].Outcome != "aborted" {
		t.Fatalf("runs: %+v %v", list, err)
	}
	if m := w.room.titled(": gate go"); len(m) != 1 || !strings.Contains(m[0].c.Status, "void") {
		t.Fatalf("the gate message: %+v", m)
	}
}

func TestBlobsOfWhatIsSweptAreNotLive(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.open()
	w.say("requester", "release 2019.01")
	long := wire{Who: "requester", Place: "lava", Message: "long", Text: strings.Repeat("nothing to do. ", 2000)}
	if err := w.deliver(long, "long"); err != nil {
		t.Fatal(err)
	}
	w.drain()
	live := func() map[string]bool {
		out := map[string]bool{}
		if err := w.e.LiveBlobs(ctx, func(d string) { out[d] = true }); err != nil {
			t.Fatal(err)
		}
		return out
	}
	gate := string(w.run("2019.01").Steps["go"].Gate.Digest)
	before := live()
	if !before[gate] || !before[w.run("2019.01").Playbook] {
		t.Fatal("what a run names is not live")
	}
	w.clock.pass(31 * 24 * time.Hour)
	for {
		n, err := w.e.SweepInbox(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
	}
	if gone := len(before) - len(live()); gone != 1 {
		t.Fatalf("%d digests are no longer live", gone)
	}
}

func TestKeysAndIndexesOutliveTheirRunForAWhile(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.open()
	w.say("requester", "release 2019.01") // s1
	repeat := func(id string) int {
		if err := w.deliver(wire{Who: "requester", Place: "lava", Message: "s1", Text: "release 2019.01"}, id); err != nil {
			t.Fatal(err)
		}
		w.drain()
		live, err := w.e.Runs(ctx, engine.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		return len(live)
	}
	w.clock.pass(400 * 24 * time.Hour) // the run lives on
	if n, err := w.e.SweepEnded(ctx); err != nil || n != 0 {
		t.Fatalf("swept %d of a live run: %v", n, err)
	}
	w.react("maintainer-a")
	w.pass(time.Minute)
	w.wantStep("2019.01", "ship", run.Done)
	w.pass(29 * 24 * time.Hour)
	if n, err := w.e.SweepEnded(ctx); err != nil || n != 0 {
		t.Fatalf("swept %d too early: %v", n, err)
	}
	if n := repeat("again"); n != 0 {
		t.Fatalf("a repeat started %d runs", n)
	}
	w.pass(2 * 24 * time.Hour)
	n, err := w.e.SweepEnded(ctx)
	if err != nil || n < 4 { // the key, the gate message twice, the card
		t.Fatalf("swept %d: %v", n, err)
	}
	if err := w.e.FsckFull(ctx, func(p string) { t.Error(p) }); err != nil {
		t.Fatal(err)
	}
}

func delivery(t testing.TB, x wire, id string) engine.Delivery {
	t.Helper()
	body, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	return engine.Delivery{Source: "chat", ID: id, Place: x.Place, Account: account(x.Who), Body: body}
}

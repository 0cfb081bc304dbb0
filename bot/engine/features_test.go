package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/job"
	"slipway/bot/run"
)

// yard is the projects with what a test sets.
type yard struct {
	projects
	triggers []string
	tell     []engine.Place
}

func (y yard) Project(name string) (engine.Project, bool) {
	p, ok := y.projects.Project(name)
	if name == "lava" {
		p.Triggers, p.Tell = y.triggers, y.tell
	}
	return p, ok
}

func zones(name string) (*time.Location, error) {
	if name != "Europe/Minsk" {
		return nil, errors.New("unknown")
	}
	return time.FixedZone(name, 3*3600), nil
}

func dailyYAML(every, missed string) string {
	return `
playbook: quick
doc: A daily build.
name: "quick/${project.name}/${inputs.version}"
inputs: {version: {type: string, help: "a day"}}
trigger: {every: "` + every + `", missed: ` + missed + `, owner: maintainer, with: {version: "${project.name + '-' + string(now)}"}}
steps:
  it: {do: test.keyed@1, with: {name: "${inputs.version}"}}
`
}

func (w *world) past(t *testing.T) []string {
	t.Helper()
	list, err := w.e.Runs(context.Background(), engine.Filter{Past: true, Person: "manager"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range list {
		names = append(names, r.Name)
	}
	return names
}

func TestScheduleStartsOnceAtItsTime(t *testing.T) {
	w := newWorld(t, dailyYAML("daily 15:00 Europe/Minsk", "run-once")) // 12:00 UTC
	w.cfg = func(c *engine.Config) { c.Projects, c.Zone = yard{triggers: []string{"quick"}}, zones }
	w.open()
	w.drain()
	w.pass(3*time.Hour - time.Second)
	if got := w.past(t); len(got) != 0 {
		t.Fatalf("too early: %v", got)
	}
	w.open() // the next time is kept on disk
	w.pass(time.Second)
	w.drain()
	want := "quick/lava/lava-2026-03-01T12:00:00Z"
	if got := w.past(t); len(got) != 1 || got[0] != want {
		t.Fatalf("started %v, want %s", got, want)
	}
	w.open()
	w.drain()
	w.pass(24 * time.Hour)
	if got := w.past(t); len(got) != 2 {
		t.Fatalf("after a day: %v", got)
	}
	if n := len(w.room.titled("missed")); n != 0 {
		t.Fatalf("%d notices of missed starts", n)
	}
}

func TestMissedStartsFollowThePolicy(t *testing.T) {
	for policy, want := range map[string]struct{ started, told int }{"run-once": {1, 1}, "run-all": {3, 0}, "skip": {0, 1}} {
		t.Run(policy, func(t *testing.T) {
			w := newWorld(t, dailyYAML("daily 12:00 UTC", policy))
			w.cfg = func(c *engine.Config) { c.Projects = yard{triggers: []string{"quick"}} }
			w.open()
			w.drain()
			w.clock.pass(3 * 24 * time.Hour) // nobody is there
			w.open()
			w.drain()
			if got := w.past(t); len(got) != want.started {
				t.Errorf("started %v", got)
			}
			if got := w.room.titled("missed"); len(got) != want.told {
				t.Errorf("told: %+v", got)
			}
			w.open()
			w.drain()
			w.pass(3 * time.Hour) // 12:00 of the next day
			if got := w.past(t); len(got) != want.started+1 {
				t.Errorf("then started %v", got)
			}
		})
	}
}

func TestScheduleThatCannotStartIsTold(t *testing.T) {
	same := strings.Replace(dailyYAML("12h", "run-once"), "${project.name + '-' + string(now)}", "same", 1)
	w := newWorld(t, strings.Replace(same, "do: test.keyed@1, with: {name: \"${inputs.version}\"}", "gate: \"1 of maintainer\", binds: [\"${inputs.version}\"]", 1))
	w.cfg = func(c *engine.Config) { c.Projects = yard{triggers: []string{"quick"}} }
	w.open()
	w.drain()
	w.pass(3 * time.Hour)
	w.wantStep("quick/lava/same", "it", run.Running)
	w.pass(12 * time.Hour) // its name is taken
	if got := w.room.titled("quick was not started at 2026-03-02 00:00 UTC"); len(got) != 1 || !strings.Contains(got[0].c.Blocks[0].Text, "under way already") {
		t.Fatalf("told: %+v", w.room.posts)
	}
	w.pass(time.Hour)
	if got := w.room.titled("quick was not started at"); len(got) != 1 {
		t.Fatalf("told again: %+v", got)
	}
}

func TestScheduleAtEveryCrash(t *testing.T) {
	for n := 1; ; n++ {
		w := newWorld(t, dailyYAML("daily 12:00 UTC", "run-all"))
		w.cfg = func(c *engine.Config) { c.Projects = yard{triggers: []string{"quick"}} }
		w.open()
		w.drain()
		w.clock.pass(2 * 24 * time.Hour)
		at := w.crashing(n, w.drain)
		w.open()
		w.pass(time.Minute)
		if got := w.past(t); len(got) != 2 {
			t.Fatalf("after a crash at %s: %v", at, got)
		}
		if at == "" {
			return
		}
	}
}

const offerYAML = `
playbook: timed
doc: A pilot.
name: "timed/${project.name}/${inputs.version}"
inputs: {version: {type: version, help: "a version"}}
steps:
  updates:
    offer:
      nightly: {playbook: quick, every: "daily 12:00 UTC", with: {version: "1.0"}}
      pushed: {playbook: quick, fact: git.pushed, with: {version: "${fact.version}"}}
    closes: maintainer
`

func TestFactStartsARunOnce(t *testing.T) {
	w := newWorld(t, strings.Replace(strings.Replace(dailyYAML("12h", "skip"), `every: "12h"`, `fact: git.pushed, when: "fact.branch == 'main'"`, 1),
		"${project.name + '-' + string(now)}", "${fact.commit}", 1))
	w.cfg = func(c *engine.Config) { c.Projects = yard{triggers: []string{"quick"}} }
	w.open()
	for _, branch := range []string{"main", "side", "main"} {
		if err := w.deliver(wire{Place: "lava", Fact: "git.pushed", Fields: map[string]any{"branch": branch, "commit": "abc"}}, "push-"+branch); err != nil {
			t.Fatal(err)
		}
		w.drain()
	}
	if got := w.past(t); len(got) != 1 || got[0] != "quick/lava/abc" {
		t.Fatalf("started %v", got)
	}
}

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

func TestGateMessageShowsWhoCounts(t *testing.T) {
	w := newWorld(t, strings.Replace(releaseYAML, "1 of maintainer", "2 of maintainer", 1))
	w.open()
	w.say("requester", "release 2019.01")
	says := func() string {
		var b strings.Builder
		p := w.room.titled(": gate go")[0]
		for _, x := range p.c.Blocks {
			b.WriteString(x.Text + "\n")
		}
		return p.c.Status + "\n" + b.String()
	}
	if got := says(); !strings.Contains(got, "needs 2 maintainer") {
		t.Fatalf("at first: %s", got)
	}
	w.react("requester")
	w.react("maintainer-a")
	w.pass(time.Second)
	if got := says(); !strings.Contains(got, "1 of 2 maintainer: maintainer-a") || !strings.Contains(got, "requester does not count") || !strings.Contains(got, "needs 1 more maintainer: maintainer-b") {
		t.Fatalf("after one: %s", got)
	}
	w.open()
	w.react("maintainer-b")
	w.pass(time.Minute)
	if got := says(); !strings.Contains(got, "approved") || !strings.Contains(got, "2 of 2 maintainer: maintainer-a and maintainer-b") {
		t.Fatalf("at the end: %s", got)
	}
	n := w.room.titled(": gate go")[0].n
	w.open()
	w.pass(time.Hour)
	if now := w.room.titled(": gate go")[0].n; now != n {
		t.Fatalf("edited again after its end: %d, then %d", n, now)
	}
}

func TestPrivateRunIsNotSeen(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.cfg = func(c *engine.Config) { c.Projects = yard{tell: []engine.Place{{Source: "chat", ID: "news"}}} }
	w.open()
	w.say("requester", "secret 2019.01")
	if len(w.room.titled("2019.01")) != 0 {
		t.Fatalf("posted: %+v", w.room.posts)
	}
	for _, p := range []string{"maintainer-b", "manager", ""} {
		if list, _ := w.e.Runs(ctx, engine.Filter{Person: "maintainer-b"}); len(list) != 0 {
			t.Errorf("%s lists %+v", p, list)
		}
	}
	if _, err := w.e.Resolve(ctx, "2019.01", "maintainer-b"); !errs.Is(err, errs.NotFound) || strings.Contains(errs.Text(err), "2019.01\"?") {
		t.Errorf("resolve: %v", err)
	}
	if _, err := w.e.Resolve(ctx, "2019.02", "maintainer-b"); strings.Contains(errs.Text(err), "2019.01") {
		t.Errorf("did you mean tells: %v", err)
	}
	w.say("requester", "approve 2019.0 go") // a circle member mistypes in a channel: nobody else learns the name
	for _, p := range w.room.titled("there is no run") {
		if strings.Contains(p.c.Title, "2019.01") {
			t.Errorf("a channel was told: %s", p.c.Title)
		}
	}
	w.say("maintainer-b", "approve 2019.01 go")
	if len(w.room.titled("there is no run")) != 2 {
		t.Errorf("posts: %+v", w.room.posts[len(w.room.posts)-1].c)
	}
	waits, err := w.e.Mine(ctx, "maintainer-b")
	if err != nil || len(waits) != 0 {
		t.Errorf("mine: %+v %v", waits, err)
	}
	if waits, _ = w.e.Mine(ctx, "maintainer-a"); len(waits) != 1 {
		t.Errorf("the circle's mine: %+v", waits)
	}
	w.say("requester", "open 2019.01")
	w.pass(time.Minute)
	if got := w.room.titled("release/lava/2019.01 is open"); len(got) != 1 || got[0].ref.Place.ID != "news" {
		t.Fatalf("told: %+v", got)
	}
	if len(w.room.titled(": gate go")) != 1 || len(w.room.titled("card of")) != 1 {
		t.Fatal("what was private is not shown")
	}
	w.react("maintainer-b")
	w.pass(time.Minute)
	w.wantStep("2019.01", "ship", run.Done)
}

func TestPrivateRunIsApprovedByCommand(t *testing.T) {
	w := newWorld(t)
	w.open()
	w.say("requester", "secret 2019.01")
	w.say("maintainer-a", "approve 2019.01 go")
	w.pass(time.Minute)
	list, err := w.e.Runs(context.Background(), engine.Filter{Past: true, Person: "requester"})
	if err != nil || len(list) != 1 || list[0].Outcome != "done" {
		t.Fatalf("runs: %+v %v", list, err)
	}
}

func TestPrivateRunHidesBehindItsLock(t *testing.T) {
	w := newWorld(t, strings.Replace(releaseYAML, "steps:", "uses: [archive/stable]\nsteps:", 1), lockedYAML)
	w.open()
	w.say("requester", "secret 9.9")
	w.say("requester", "locked 1.0")
	if l := w.e.Locks(); len(l) != 1 || l[0].Holder.Name != run.PrivateRun {
		t.Fatalf("locks: %+v", l)
	}
	e, err := w.e.Why(context.Background(), w.run("locked/lava/1.0").ID, "")
	if text := strings.Join(e.Lines, "\n"); err != nil || strings.Contains(text, "9.9") || !strings.Contains(text, "a private run") {
		t.Fatalf("why: %s %v", text, err)
	}
}

func TestWithdrawalInAnotherChannelMakesTheClosingReadUnclean(t *testing.T) {
	w := newWorld(t)
	w.open()
	w.say("requester", "release 2019.01")
	tries := 0
	w.point = func(name string) {
		if strings.HasSuffix(name, "closing_read@1/before-do") {
			if tries++; tries == 1 {
				// Typed in a direct message, far from the gate, at exactly this moment.
				x := wire{Who: "maintainer-a", Place: "elsewhere", Message: "x1", Text: "withdraw release/lava/2019.01 go"}
				if err := w.e.Deliver(context.Background(), delivery(t, x, "x1")); err != nil {
					t.Error(err)
				}
			}
		}
	}
	w.open()
	w.say("maintainer-a", "approve 2019.01 go")
	w.pass(time.Minute)
	if tries == 0 {
		t.Fatal("there was no closing read")
	}
	w.wantStep("2019.01", "go", run.Running)
	w.wantApplied("test.lookup 2019.01", 0)
	w.say("maintainer-b", "approve 2019.01 go")
	w.pass(time.Minute)
	w.wantStep("2019.01", "ship", run.Done)
}

func TestAbbreviatedManifest(t *testing.T) {
	w := newWorld(t)
	w.open()
	w.say("requester", "release 2019.01")
	digest := string(w.run("2019.01").Steps["go"].Gate.Digest)
	for written, told := range map[string]string{"sha256:00000000000000": "does not show", digest[:16]: "too short"} {
		w.say("maintainer-a", "approve 2019.01 go "+written)
		if len(w.room.titled(told)) != 1 {
			t.Errorf("%s: %+v", written, w.room.posts[len(w.room.posts)-1].c)
		}
		w.wantStep("2019.01", "go", run.Running)
	}
	w.say("maintainer-a", "approve 2019.01 go "+digest[:19])
	w.pass(time.Minute)
	w.wantStep("2019.01", "ship", run.Done)
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

func TestOfferStartsOnScheduleAndFact(t *testing.T) {
	w := newWorld(t, effectYAML("quick", "test.keyed@1", ""), offerYAML)
	w.open()
	w.say("requester", "timed 7.0")
	w.pass(3*time.Hour - time.Second)
	if got := w.past(t); len(got) != 0 {
		t.Fatalf("too early: %v", got)
	}
	w.open()
	w.pass(time.Second)
	if got := w.past(t); len(got) != 1 || got[0] != "quick/lava/1.0" {
		t.Fatalf("the schedule started %v", got)
	}
	for range 2 { // the same delivery again
		if err := w.deliver(wire{Place: "lava", Fact: "git.pushed", Fields: map[string]any{"version": "2.0", "commit": "abc"}}, "push"); err != nil {
			t.Fatal(err)
		}
		w.drain()
	}
	if got := w.past(t); len(got) != 2 || got[1] != "quick/lava/2.0" {
		t.Fatalf("the fact started %v", got)
	}
	w.clock.pass(5 * 24 * time.Hour)
	w.open()
	w.drain()
	if got := w.past(t); len(got) != 3 {
		t.Fatalf("after days away: %v", got)
	}
	d, err := w.e.Submit(context.Background(), w.run("timed/lava/7.0").ID, run.Command{Verb: run.CloseVerb, Person: "maintainer-a", Step: "updates"})
	if err != nil || d.Refusal != nil {
		t.Fatal(err, d.Refusal)
	}
	w.pass(48 * time.Hour)
	if got := w.past(t); len(got) != 4 { // with the pilot itself
		t.Fatalf("after the end: %v", got)
	}
	if err := w.e.FsckFull(context.Background(), func(p string) { t.Error(p) }); err != nil {
		t.Fatal(err)
	}
}

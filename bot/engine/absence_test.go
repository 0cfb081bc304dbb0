package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/run"
)

const remindedYAML = `
playbook: quick
doc: A gate that reminds.
name: "quick/${project.name}/${inputs.version}"
inputs: {version: {type: version, help: "a version"}}
steps:
  go: {gate: "2 of maintainer", binds: ["${inputs.version}"], remind: 1h}
  it: {do: test.keyed@1, with: {name: "${inputs.version}"}, needs: [go]}
`

func (w *world) away(p people.PersonID, d time.Duration, standIn people.PersonID, key string) error {
	w.t.Helper()
	dir, now := w.e.World().Directory, w.clock.Now()
	a, err := people.GoAway(dir, p, people.Absence{Person: p, Until: now.Add(d), Reason: "at sea", StandIn: standIn}, run.ReleaseManager, now)
	if err != nil {
		w.t.Fatal(err)
	}
	err = w.e.SetAbsence(context.Background(), a, people.StandIns(dir, a, now), engine.Once{Key: key})
	w.drain()
	return err
}

func (w *world) why(name, step string) string {
	w.t.Helper()
	e, err := w.e.Why(context.Background(), w.run(name).ID, step)
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.Join(e.Lines, "\n")
}

// Who is away is not reminded; whoever waits is told until when, and that the gate cannot pass
// before. It ends by itself, and what was approved before counts.
func TestWhoIsAwayIsLeftInPeace(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, remindedYAML)
	w.open()
	w.say("requester", "quick 1.0")
	w.say("maintainer-b", "approve 1.0 go")
	if err := w.away("maintainer-b", 24*time.Hour, "", "k1"); err != nil {
		t.Fatal(err)
	}
	if text := w.why("1.0", "go"); !strings.Contains(text, "1 of 2 maintainers: maintainer-b") || strings.Contains(text, "away") {
		t.Fatalf("an approval from before does not count: %s", text)
	}
	if err := w.away("maintainer-a", 24*time.Hour, "", "k2"); err != nil {
		t.Fatal(err)
	}
	for _, open := range []bool{false, true} { // it is durable
		if open {
			w.open()
		}
		if text := w.why("1.0", "go"); !strings.Contains(text, "maintainer-a is away until 2026-03-02 09:00 UTC: at sea") || !strings.Contains(text, "cannot pass before somebody is back") {
			t.Fatalf("why: %s", text)
		}
	}
	gates, err := w.e.AbsentGates(ctx, "requester")
	if err != nil || len(gates) != 1 || gates[0].Gate != "go" {
		t.Fatalf("gates: %+v %v", gates, err)
	}
	w.pass(61 * time.Minute)
	reminders := func() (mentions []string) {
		for _, p := range w.room.titled("waits: go") {
			mentions = append(mentions, p.c.Mentions...)
		}
		return mentions
	}
	if got := reminders(); len(got) != 0 {
		t.Fatalf("reminded: %v", got)
	}
	before := w.e.World().Directory.Version("lava", "maintainer")
	w.pass(24 * time.Hour)
	if text := w.why("1.0", "go"); strings.Contains(text, "away") {
		t.Fatalf("it does not end by itself: %s", text)
	}
	w.pass(61 * time.Minute)
	if got := reminders(); !slices.Contains(got, "maintainer-a") {
		t.Fatalf("nobody is reminded any more: %v", got)
	}
	if err := w.away("maintainer-a", time.Hour, "", "k2"); !errs.Is(err, errs.Exists) {
		t.Fatalf("said twice: %v", err)
	}
	if err := w.away("maintainer-a", time.Hour, "", "k3"); err != nil {
		t.Fatal(err)
	}
	if after := w.e.World().Directory.Version("lava", "maintainer"); after <= before {
		t.Errorf("the version of the role is %d, then %d", before, after)
	}
	w.say("maintainer-a", "approve 1.0 go") // from afar
	w.pass(time.Minute)
	w.wantStep("1.0", "it", run.Done)
}

// A stand-in holds the roles for the time, counts as one with the absent, and loses them with `back`.
func TestStandInForTheAbsent(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, remindedYAML)
	w.open()
	w.say("requester", "quick 1.0")
	w.say("maintainer-a", "approve 1.0 go")
	if err := w.away("maintainer-b", 24*time.Hour, "manager", "k"); err != nil {
		t.Fatal(err)
	}
	text := w.why("1.0", "go")
	if !strings.Contains(text, "manager") || !strings.Contains(text, "stand-in manager") || strings.Contains(text, "cannot pass") {
		t.Fatalf("why: %s", text)
	}
	if err := w.e.EndAbsence(ctx, "maintainer-b", engine.Once{Key: "back"}); err != nil {
		t.Fatal(err)
	}
	if _, ok := w.e.World().Directory.Has("lava", "maintainer", "manager", w.clock.Now()); ok {
		t.Fatal("the stand-in keeps the role")
	}
	if err := w.away("maintainer-b", 24*time.Hour, "manager", "again"); err != nil {
		t.Fatal(err)
	}
	w.say("manager", "approve 1.0 go")
	w.pass(time.Minute)
	w.wantStep("1.0", "it", run.Done)
}

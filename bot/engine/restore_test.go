package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/job"
	"slipway/bot/people"
	"slipway/bot/run"
	"slipway/state/statetest"
)

// backup is what a store held at a moment.
type backup map[engine.Key]string

func (w *world) backup() backup { return maps.Clone(w.store.Records()) }

// restore is another machine: the records are those of the backup, the outside and the chat are as
// they are. A start follows, as of the whole program.
func (w *world) restore(b backup) {
	w.t.Helper()
	w.store = statetest.NewMemory(engine.LargeSpaces()...)
	batch := &engine.Batch{}
	for k, v := range b {
		batch.Puts = append(batch.Puts, engine.Record{Key: k, Value: []byte(v)})
	}
	if err := w.store.Commit(context.Background(), batch); err != nil {
		w.t.Fatal(err)
	}
	w.clock.pass(time.Hour)
	if err := w.open().Restored(context.Background(), w.clock.Now().Add(-2*time.Hour)); err != nil {
		w.t.Fatal(err)
	}
	w.open()
	w.drain()
}

func (w *world) resume() {
	w.t.Helper()
	if err := w.e.ResumeEffects(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	w.pass(5 * time.Minute)
}

// gatedYAML is one effect behind a gate.
func gatedYAML(ref string) string {
	return strings.Replace(effectYAML("quick", ref, ", needs: [go]"), "steps:",
		"steps:\n  go: {gate: \"1 of maintainer\", binds: [\"${inputs.version}\"]}", 1)
}

// Whoever pauses once more after a restore does not let gates close or jobs be handed out by it.
func TestAnotherPauseLeavesThatOfTheRestore(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, gatedYAML("test.keyed@1"))
	w.open()
	w.say("requester", "quick 1.0")
	w.restore(w.backup())
	if err := w.e.PauseEffects(ctx, "manager", "lunch"); err != nil {
		t.Fatal(err)
	}
	w.open() // it is stored
	w.say("maintainer-a", "approve 1.0 go")
	w.pass(time.Minute)
	if st := w.run("1.0").Steps["go"]; st.Status == run.Done {
		t.Fatal("the gate closed")
	}
	if _, err := w.e.LeaseOne(ctx, "sign", "any", "signer", time.Hour); !errs.Is(err, errs.Busy) {
		t.Errorf("a job is handed out: %v", err)
	}
	w.resume()
	w.wantStep("1.0", "it", run.Done)
}

// An effect that was done after the backup is not done again, whatever its policy: it is looked for,
// or people are asked.
func TestWhatWasDoneAfterTheBackupIsNotDoneAgain(t *testing.T) {
	for _, ref := range []string{"test.keyed@1", "test.conditional@1", "test.lookup@1", "test.once@1"} {
		for _, blind := range []bool{false, true} {
			if blind && ref != "test.once@1" {
				continue // what can never be looked for is once-or-ask
			}
			w := newWorld(t, gatedYAML(ref))
			w.open()
			w.say("requester", "quick 1.0")
			b := w.backup()
			w.say("maintainer-a", "approve 1.0 go")
			w.pass(time.Minute)
			w.wantStep("1.0", "it", run.Done)
			w.out.blind = blind
			w.restore(b)
			w.say("maintainer-a", "approve 1.0 go")
			w.pass(time.Minute)
			w.wantStep("1.0", "go", run.Running) // until an operator has looked
			w.resume()
			what := strings.TrimSuffix(ref, "@1") + " 1.0"
			w.wantApplied(what, 1)
			if blind {
				w.wantStep("1.0", "it", run.InDoubt)
				if why := w.run("1.0").Steps["it"].Message; !strings.Contains(why, "restored on 2026-03-01") {
					t.Errorf("the question is %q", why)
				}
				w.say("requester", "doubt 1.0 it failed")
				w.wantStep("1.0", "it", run.Stuck)
				d, err := w.e.Submit(context.Background(), w.run("1.0").ID, run.Command{Verb: run.RetryVerb, Person: "requester", Step: "it"})
				if err != nil || d.Refusal != nil {
					t.Fatal(err, d.Refusal)
				}
				w.pass(time.Minute)
				w.wantApplied(what, 2) // a person said so, and is not asked a second time
			}
			w.wantStep("1.0", "it", run.Done)
			w.wantSound()
		}
	}
}

// Redo, said of a doubt that stood in the backup or came after it, does the effect once.
func TestRedoAfterARestore(t *testing.T) {
	w := newWorld(t, gatedYAML("test.once@1"))
	w.open()
	w.say("requester", "quick 1.0")
	b := w.backup()
	for _, doubted := range []bool{false, true} {
		w.out.applied = map[string]int{}
		w.restore(b)
		if !doubted {
			w.say("maintainer-a", "approve 1.0 go")
		}
		w.resume()
		if doubted { // it was asked before this backup; that does not count now
			w.wantStep("1.0", "it", run.InDoubt)
		}
		w.wantApplied("test.once 1.0", 0)
		w.wantStep("1.0", "it", run.InDoubt)
		b = w.backup()
		w.say("requester", "doubt 1.0 it redo")
		w.pass(time.Minute)
		w.wantApplied("test.once 1.0", 1)
		w.wantStep("1.0", "it", run.Done)
	}
}

// A run that began after the backup is lost. Asked for again it is another run, and what cannot be
// looked for is asked, until nobody can repeat what was lost or an operator says that nothing was.
func TestALostRunThatIsAskedForAgain(t *testing.T) {
	for _, c := range []struct {
		name    string
		trusted func(w *world)
		want    run.StepStatus
	}{
		{"at once", func(*world) {}, run.InDoubt},
		{"nothing was lost", func(w *world) {
			if err := w.e.NothingLost(context.Background()); err != nil {
				t.Fatal(err)
			}
		}, run.Done},
		{"a month later", func(w *world) { w.pass(31 * 24 * time.Hour) }, run.Done},
	} {
		w := newWorld(t, effectYAML("quick", "test.once@1", ""))
		w.open()
		b := w.backup()
		w.say("requester", "quick 1.0")
		w.wantApplied("test.once 1.0", 1)
		w.restore(b)
		w.resume()
		c.trusted(w)
		w.open()
		w.say("requester", "quick 1.0")
		w.pass(time.Minute)
		if st := w.run("1.0").Steps["it"]; st.Status != c.want {
			t.Errorf("%s: it is %s, not %s", c.name, st.Status, c.want)
		}
	}
}

// Cards, gate messages and notices that were posted after the backup are found by their keys.
func TestMessagesAfterTheBackupAreFound(t *testing.T) {
	for _, at := range []string{"start/after-commit", "card/after-post", "effect/slipway.gate_message@1/before-do"} {
		w := newWorld(t)
		var b backup
		w.point = func(name string) {
			if name == at && b == nil {
				b = w.backup()
			}
		}
		w.open()
		w.say("requester", "release 2019.01")
		w.pass(time.Minute)
		w.point = nil
		if b == nil {
			t.Fatalf("%s was not passed", at)
		}
		w.restore(b)
		w.resume()
		if cards, gates := len(w.room.titled("card of release")), len(w.room.titled(": gate go")); cards != 1 || gates != 1 {
			t.Errorf("%s: %d cards, %d gate messages", at, cards, gates)
		}
		w.react("maintainer-a")
		w.pass(time.Minute)
		w.wantStep("2019.01", "ship", run.Done)
		w.wantApplied("test.lookup 2019.01", 1)
	}
}

// Reactions that came or went after the backup are read again by themselves.
func TestReactionsAfterTheBackupAreRead(t *testing.T) {
	w := newWorld(t)
	w.open()
	w.say("requester", "release 2019.01")
	b := w.backup()
	w.react("maintainer-a")
	w.pass(time.Minute)
	w.restore(b)
	w.resume()
	w.wantStep("2019.01", "ship", run.Done)
	w.wantApplied("test.lookup 2019.01", 1)
}

// A gate message that was edited after the backup says again what is so now.
func TestGateMessagesAreEditedAnew(t *testing.T) {
	w := newWorld(t)
	w.open()
	w.say("requester", "release 2019.01")
	w.pass(time.Minute)
	b := w.backup()
	w.say("maintainer-a", "approve 2019.01 go")
	w.pass(time.Minute)
	says := func() string { return fmt.Sprintf("%+v", w.room.titled(": gate go")[0].c) }
	if !strings.Contains(says(), "approved") {
		t.Fatalf("it says %s", says())
	}
	w.restore(b)
	w.resume()
	if got := says(); strings.Contains(got, "approved") || !strings.Contains(got, "needs 1 maintainer") {
		t.Fatalf("it says %s", got)
	}
}

// Leases of before count neither for signers nor for builders, and two restores of one backup have
// nothing in common.
func TestLeasesOfBeforeARestoreDoNotCount(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, effectYAML("signed", "test.sign@1", ""))
	w.open()
	w.say("requester", "signed 1.0")
	j, found, err := w.e.Lease(ctx, "signer-a", []string{"sign"}, time.Hour)
	if err != nil || !found {
		t.Fatal(found, err)
	}
	b := w.backup()
	good := job.Verdict{OK: true, Result: []byte(`{"result":"signature"}`)}
	fence := j.Lease.Fence
	for range 2 {
		w.restore(b)
		if _, found, err := w.e.Lease(ctx, "signer-a", []string{"sign"}, time.Hour); found || err != nil {
			t.Fatalf("handed out before an operator looked: %v %v", found, err)
		}
		w.resume()
		if _, err := w.e.Finish(ctx, "sign", j.ID, "signer-a", fence, good); !errs.Is(err, errs.Conflict) {
			t.Fatalf("a lease of before counts: %v", err)
		}
		k, found, err := w.e.Lease(ctx, "signer-a", []string{"sign"}, time.Hour)
		if err != nil || !found || k.Lease.Fence <= fence {
			t.Fatalf("%v %v: the fence is %d after %d", found, err, k.Lease.Fence, fence)
		}
		fence = k.Lease.Fence
	}
	if _, err := w.e.Finish(ctx, "sign", j.ID, "signer-a", fence, good); err != nil {
		t.Fatal(err)
	}
	w.drain()
	w.wantStep("1.0", "it", run.Done)
}

// The operators are told what to look at, everybody that it happened, and nobody of a private run.
func TestOperatorsAreToldOfARestore(t *testing.T) {
	w := newWorld(t)
	w.cfg = func(c *engine.Config) {
		c.Direct = func(p people.PersonID) []engine.Place { return []engine.Place{{Source: "chat", ID: "@" + string(p)}} }
		c.People = bosses{&staff{gone: map[string]bool{}}}
	}
	w.open()
	w.say("requester", "secret 9.9")
	w.say("requester", "release 2019.01")
	w.restore(w.backup())
	w.open()
	w.drain()
	text := map[string]string{}
	for _, p := range w.room.titled("was restored from a backup") {
		text[p.ref.Place.ID] += fmt.Sprintf("%+v", p.c)
	}
	if len(text) != 3 || !strings.Contains(text["@manager"], "resume effects") || !strings.Contains(text["lava"], "2026-03-01") {
		t.Fatalf("told: %q", text)
	}
	for place, said := range text {
		if strings.Contains(said, "9.9") {
			t.Errorf("%s reads of the private run: %s", place, said)
		}
	}
}

// bosses are the staff with the manager as admin.
type bosses struct{ *staff }

func (b bosses) People(ctx context.Context) ([]people.Person, []people.Grant, error) {
	persons, grants, err := b.staff.People(ctx)
	return persons, append(grants, people.FirstAdmins([]people.PersonID{"manager"})...), err
}

// past is a chat that can tell again what was said.
type past []engine.Delivery

func (p past) Since(_ context.Context, from time.Time, deliver func(engine.Delivery) error) error {
	for _, d := range p {
		if d.At.Before(from) {
			continue
		}
		if err := deliver(d); err != nil {
			return err
		}
	}
	return nil
}

// Deliveries after the backup are read back: what was stored is dropped, what is new is heard, and
// an old command asks its author.
func TestMissedDeliveriesAreReadBack(t *testing.T) {
	w := newWorld(t)
	var told past
	w.cfg = func(c *engine.Config) { c.Past = map[string]engine.Past{"chat": told} }
	w.open()
	w.say("requester", "release 2019.01")
	said := func(id, text string, at time.Time) engine.Delivery {
		body, err := json.Marshal(wire{Who: "requester", Place: "lava", Message: id, Text: text})
		if err != nil {
			t.Fatal(err)
		}
		return engine.Delivery{Source: "chat", ID: id, Place: "lava", Body: body, At: at}
	}
	now := w.clock.Now().Add(time.Hour) // when the restore will be
	told = past{said("s1", "release 2019.01", now.Add(-time.Hour)), said("x1", "release 2019.02", now.Add(-90*time.Minute)), said("x2", "release 2019.03", now.Add(-time.Minute))}
	w.restore(w.backup())
	for _, want := range []int{2, 0} {
		if n, err := w.e.ReadBack(context.Background()); err != nil || n != want {
			t.Fatalf("%d are new, not %d: %v", n, want, err)
		}
		w.drain()
		w.open()
	}
	if _, err := w.e.Resolve(context.Background(), "2019.03", "manager"); err != nil {
		t.Errorf("a minute old: %v", err)
	}
	if _, err := w.e.Resolve(context.Background(), "2019.02", "manager"); !errs.Is(err, errs.NotFound) {
		t.Errorf("an hour and a half old, and done: %v", err)
	}
	if n := len(w.room.titled("This was written at")); n != 1 {
		t.Errorf("its author was asked %d times", n)
	}
}

// An answer to a doubt that was given after the backup knew of nothing that was lost: the effect that
// followed from it is not done again by hearing it again.
func TestAnAnswerOfBeforeTheRestoreIsAskedForAgain(t *testing.T) {
	w := newWorld(t, effectYAML("quick", "test.once@1", ""))
	var told past
	w.cfg = func(c *engine.Config) { c.Past = map[string]engine.Past{"chat": told} }
	w.out.blind = true
	w.out.fail = func(_, phase string) error {
		if phase == "before" {
			return errs.E("test", errs.Doubtful, errors.New("the line broke"))
		}
		return nil
	}
	w.open()
	w.say("requester", "quick 1.0")
	w.pass(time.Hour)
	w.wantStep("1.0", "it", run.InDoubt)
	b := w.backup()
	w.out.fail = nil
	w.say("requester", "doubt 1.0 it redo")
	w.pass(time.Minute)
	w.wantStep("1.0", "it", run.Done)
	body, err := json.Marshal(wire{Who: "requester", Place: "lava", Message: "y1", Text: "doubt 1.0 it redo"})
	if err != nil {
		t.Fatal(err)
	}
	told = past{{Source: "chat", ID: "y1", Place: "lava", Body: body, At: w.clock.Now().Add(50 * time.Minute)}}
	w.restore(b)
	if n, err := w.e.ReadBack(context.Background()); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	w.drain()
	w.resume()
	w.wantStep("1.0", "it", run.InDoubt)
	w.wantApplied("test.once 1.0", 1)
	if n := len(w.room.titled("This was written at")); n != 1 {
		t.Errorf("its author was asked %d times", n)
	}
}

package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/run"
)

// doubtful makes each try end so that nobody can tell.
func doubtful(phase string) func(string, string) error {
	return func(_, at string) error {
		if at != phase {
			return nil
		}
		return errs.E("test", errs.Doubtful, errors.New("the line was cut"))
	}
}

// Code of an integration that breaks ends its step, without another attempt by itself; what cannot
// be repeated safely is in doubt; everything else goes on.
func TestABrokenActionEndsItsStepAlone(t *testing.T) {
	retried := ", on_fail: {retry: {any: {times: 3, after: 1s}}}"
	for ref, want := range map[string]run.StepStatus{"test.keyed@1": run.Stuck, "test.conditional@1": run.Stuck, "test.lookup@1": run.InDoubt, "test.once@1": run.InDoubt} {
		w := newWorld(t, effectYAML("quick", ref, retried))
		tries := 0
		w.out.fail = func(name, phase string) error {
			if tries++; phase == "after" && tries < 4 {
				panic("an index is out of range")
			}
			return nil
		}
		w.open()
		w.say("requester", "quick 1.0")
		for range 5 {
			w.pass(10 * time.Minute)
		}
		if st := w.run("quick/lava/1.0").Steps["it"]; st.Status != want || st.Attempt != 1 || strings.Contains(st.Message, "index") {
			t.Errorf("%s: the step is %s at attempt %d: %s", ref, st.Status, st.Attempt, st.Message)
		}
		w.wantApplied(ref[:len(ref)-2]+" 1.0", 1)
		w.out.fail = nil
		w.say("requester", "release 2019.01")
		w.wantStep("2019.01", "build", run.Done)
	}
}

// brokenDecoder breaks on one text.
type brokenDecoder struct{ decoder }

func (b brokenDecoder) Decode(d engine.Delivery) ([]engine.Fact, error) {
	if strings.Contains(string(d.Body), "zalgo") {
		panic("cannot fold this")
	}
	return b.decoder.Decode(d)
}

func TestBrokenDecodersAndChatsAreSurvived(t *testing.T) {
	w := newWorld(t)
	w.cfg = func(c *engine.Config) { c.Decoders["chat"] = brokenDecoder{} }
	w.open()
	w.say("requester", "zalgo")
	list, err := w.e.InboxList(context.Background(), "", 1, false)
	if err != nil || len(list) != 1 || !strings.Contains(list[0].Error, "broke") {
		t.Fatalf("inbox: %+v %v", list, err)
	}
	w.say("requester", "release 2019.01")
	reads := 0
	w.room.reads = func() {
		if reads++; reads < 4 {
			panic("the reactions are not a list")
		}
	}
	w.react("maintainer-a")
	w.wantStep("2019.01", "go", run.Running)
	for range 4 {
		w.pass(10 * time.Minute)
	}
	w.wantStep("2019.01", "ship", run.Done)
}

// A reaction is not lost when reading it fails, whatever the error is and however long it lasts.
func TestAReadOfReactionsIsNeverGivenUp(t *testing.T) {
	for _, kind := range []errs.Kind{errs.Failed, errs.Denied, errs.Invalid, errs.NotFound, errs.Internal, errs.Doubtful, errs.Unavailable} {
		w := newWorld(t)
		w.open()
		w.say("requester", "release 2019.01")
		w.room.down = errs.E("chat", kind, fmt.Errorf("the token has no right to read"))
		w.react("maintainer-a")
		for range 30 {
			w.pass(10 * time.Minute)
		}
		list, err := w.e.Effects(context.Background(), "", 0)
		if err != nil || len(list) == 0 || !strings.Contains(list[0].Last, "no right to read") {
			t.Fatalf("%s: it is not told: %+v %v", kind, list, err)
		}
		w.open()
		w.room.down = nil
		for range 3 {
			w.pass(10 * time.Minute)
		}
		w.wantStep("2019.01", "ship", run.Done)
	}
}

// After a restore every card is looked for before it is posted; what a crash left half done is
// ended at the next start, and a restore that could not be committed has changed nothing.
func TestRestoredForgetsCardsAFewAtATime(t *testing.T) {
	ctx := context.Background()
	for _, at := range []string{"", "restore/cards/before-commit", "restore/cards/after-commit", "restore/before-commit"} {
		w := newWorld(t, effectYAML("quick", "test.keyed@1", ""))
		w.open()
		const runs = 150
		for i := range runs {
			if err := w.deliver(wire{Who: "requester", Place: "lava", Message: fmt.Sprint("s", i), Text: fmt.Sprint("quick 1.", i)}, fmt.Sprint("s", i)); err != nil {
				t.Fatal(err)
			}
		}
		w.pass(time.Minute)
		restore := func() {
			w.open()
			if err := w.e.Restored(ctx, w.clock.Now()); err != nil {
				t.Fatal(err)
			}
		}
		if at == "" {
			restore()
		} else {
			w.dying(at, restore)
		}
		w.open()
		left := 0
		err := w.store.Scan(ctx, "cards", "", "", false, func(_ string, value []byte) bool {
			if strings.Contains(string(value), `"message"`) {
				left++
			}
			return true
		})
		_, _, paused := w.e.Paused()
		if begun := at != "restore/before-commit"; err != nil || begun != paused || begun != (left == 0) {
			t.Fatalf("%s: %d cards are not forgotten, paused %v, %v", at, left, paused, err)
		}
		if raw, err := w.store.Get(ctx, engine.Key{Space: "meta", ID: "reshow"}); err != nil || raw != nil {
			t.Fatalf("%s: it is not done: %s %v", at, raw, err)
		}
	}
}

package engine_test

import (
	"context"
	"testing"
	"time"

	"slipway/bot/run"
)

func TestFromASentenceToTheEnd(t *testing.T) {
	w := newWorld(t)
	w.open()
	w.say("requester", "release 2019.01")
	w.wantStep("2019.01", "build", run.Done)
	w.wantStep("2019.01", "go", run.Running)
	w.wantApplied("test.keyed 2019.01", 1)
	w.react("requester")
	w.wantStep("2019.01", "go", run.Running)
	w.react("maintainer-a")
	w.wantStep("2019.01", "go", run.Done)
	w.wantStep("2019.01", "ship", run.Done)
	if s := w.run("release/lava/2019.1"); s.Status != run.RunEnded || s.Outcome != "done" {
		t.Fatalf("the run is %s %s", s.Status, s.Outcome)
	}
	w.pass(time.Minute)
	cards := w.room.titled("card of release/lava/2019.01")
	if len(cards) != 1 || cards[0].c.Status != "ended done" {
		t.Fatalf("cards: %+v", cards)
	}
	if err := w.e.FsckFull(context.Background(), func(problem string) { t.Error(problem) }); err != nil {
		t.Fatal(err)
	}
}

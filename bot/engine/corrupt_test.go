package engine_test

import (
	"context"
	"testing"

	"slipway/bot/engine"
	"slipway/bot/run"
)

// A record that does not read back stops its own run, not everybody else's words.
func TestACorruptRunLeavesTheOthersAlone(t *testing.T) {
	w := newWorld(t)
	w.open()
	w.say("requester", "release 2019.01")
	id, err := w.e.Resolve(context.Background(), "2019.01", "requester")
	if err != nil {
		t.Fatal(err)
	}
	for key := range w.store.Records() {
		if key.Space == "runs" && key.ID == id {
			if err := w.store.Commit(context.Background(), &engine.Batch{Puts: []engine.Record{{Key: key, Value: []byte("{half")}}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.open() // the state in memory is gone
	w.say("requester", "hold 2019.01")
	w.say("requester", "release 7.0")
	w.wantStep("7.0", "build", run.Done)
	list, err := w.e.InboxList(context.Background(), "", 10, true)
	if err != nil || len(list) != 1 || list[0].Error == "" {
		t.Fatalf("the word that could not be carried out is not kept with its reason: %+v %v", list, err)
	}
}

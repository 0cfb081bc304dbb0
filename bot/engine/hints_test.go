package engine

import (
	"testing"
	"time"

	"slipway/bot/run"
)

// TestHintsTakenAreTheTakersOwn: decoding goes on noting hints while those that were taken are read.
func TestHintsTakenAreTheTakersOwn(t *testing.T) {
	f := &effects{hints: hints{all: map[hintKey]hint{}, pending: map[hintKey]run.Told{}}}
	for i, first := range []bool{true, false} {
		taken, began := f.pendingHints(time.Unix(1, 0))
		if began != first || len(taken) != i {
			t.Fatalf("taking %d: %d hints, first %v", i, len(taken), began)
		}
		f.hinted("ci.pipeline", "harbour", run.Told{By: run.ToldByHook})
		if len(taken) != i || len(f.hints.pending) != 1 {
			t.Fatalf("taking %d: a hint that came later is among the %d taken; %d wait", i, len(taken), len(f.hints.pending))
		}
	}
}

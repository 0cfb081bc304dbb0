package statetest_test

import (
	"context"
	"errors"
	"testing"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/state/statetest"
)

func TestMemoryKeepsTheContract(t *testing.T) {
	statetest.Run(t, func(t *testing.T) (engine.Store, func() engine.Store) {
		m := statetest.NewMemory(statetest.LargeSpace)
		return m, func() engine.Store { return m }
	})
}

func TestMemoryFailsOnRequest(t *testing.T) {
	k := engine.Key{Space: "runs", ID: "a"}
	batch := &engine.Batch{Puts: []engine.Record{{Key: k, Value: []byte("1")}}}

	full := statetest.NewMemory()
	full.Before = func(*engine.Batch) error { return errs.E("test", errs.Full, errors.New("no room")) }
	if err := full.Commit(context.Background(), batch); !errs.Is(err, errs.Full) {
		t.Errorf("commit gave %v", err)
	}
	if got := full.Records(); len(got) != 0 {
		t.Errorf("a failed commit wrote %v", got)
	}

	lost := statetest.NewMemory()
	lost.After = func(*engine.Batch) error { return errs.E("test", errs.Doubtful, errors.New("no answer")) }
	if err := lost.Commit(context.Background(), batch); !errs.Is(err, errs.Doubtful) {
		t.Errorf("commit gave %v", err)
	}
	if got := lost.Records()[k]; got != "1" {
		t.Errorf("the record whose answer was lost is %q", got)
	}
}

func TestMemoryBlobsKeepTheContract(t *testing.T) {
	statetest.RunBlobs(t, func(*testing.T) engine.Blobs { return &statetest.MemoryBlobs{} })
}

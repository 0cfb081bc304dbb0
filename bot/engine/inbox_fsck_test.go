package engine_test

import (
	"context"
	"strings"
	"testing"

	"slipway/bot/engine"
)

// TestBodiesThatDoNotFitTheirDeliveries are found by the full check.
func TestBodiesThatDoNotFitTheirDeliveries(t *testing.T) {
	for what, change := range map[string]struct {
		of   func(seq string, body []byte) engine.Batch
		want string
	}{
		"gone": {func(seq string, _ []byte) engine.Batch {
			return engine.Batch{Deletes: []engine.Key{{Space: "bodies", ID: seq}}}
		}, "is not there"},
		"cut":    {func(seq string, body []byte) engine.Batch { return put(seq, body[:len(body)-1]) }, "bytes, and"},
		"orphan": {func(seq string, body []byte) engine.Batch { return put("9"+seq[1:], body) }, "belongs to no delivery"},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			w.open()
			w.say("ann", "hello")
			ctx := context.Background()
			var seq string
			var body []byte
			if err := w.store.Scan(ctx, "bodies", "", "", false, func(k string, v []byte) bool { seq, body = k, v; return false }); err != nil || seq == "" {
				t.Fatalf("no body: %v", err)
			}
			batch := change.of(seq, body)
			if err := w.store.Commit(ctx, &batch); err != nil {
				t.Fatal(err)
			}
			found := ""
			if err := w.e.FsckFull(ctx, func(p string) { found += p + "\n" }); err != nil || !strings.Contains(found, change.want) {
				t.Errorf("found %q, %v", found, err)
			}
		})
	}
}

func put(seq string, body []byte) engine.Batch {
	return engine.Batch{Puts: []engine.Record{{Key: engine.Key{Space: "bodies", ID: seq}, Value: body}}}
}

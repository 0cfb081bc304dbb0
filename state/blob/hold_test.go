package blob_test

import (
	"context"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/state/blob"
)

func TestNothingIsRemovedWhileABackupHolds(t *testing.T) {
	ctx := context.Background()
	s, err := blob.Open(t.TempDir(), blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	digest, err := s.Put(ctx, []byte("a log"))
	if err != nil {
		t.Fatal(err)
	}
	dead := func(string) bool { return false }
	later := time.Now().Add(time.Hour)
	first, second := s.Hold(), s.Hold()
	first()
	first() // once more is nothing
	if _, err := s.Collect(ctx, dead, later); !errs.Is(err, errs.Busy) {
		t.Fatalf("collected: %v", err)
	}
	if err := s.Remove(ctx, digest); !errs.Is(err, errs.Busy) {
		t.Fatalf("removed: %v", err)
	}
	if _, err := s.Get(ctx, digest); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(ctx, []byte("another")); err != nil { // writers go on
		t.Fatal(err)
	}
	second()
	if done, err := s.Collect(ctx, dead, later); err != nil || done.Removed != 2 {
		t.Fatalf("after the backup: %+v %v", done, err)
	}
}

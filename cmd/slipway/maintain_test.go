package main

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"slipway/state/blob"
)

// steps is a clock that comes to every time it is asked for at once, a few times.
type steps struct {
	now  time.Time
	left int
	stop context.CancelFunc
}

func (s *steps) Now() time.Time { return s.now }

func (s *steps) Wake(t time.Time) (<-chan struct{}, func()) {
	c := make(chan struct{})
	if s.left == 0 {
		s.stop()
		return c, func() {}
	}
	s.left--
	s.now = t
	close(c)
	return c, func() {}
}

type store struct {
	inbox  int
	bodies map[string]bool
	live   []string
	at     []time.Time
	fail   error
}

func (s *store) SweepInbox(context.Context) (int, error) {
	n := min(s.inbox, 128)
	s.inbox -= n
	return n, nil
}
func (s *store) SweepEnded(context.Context) (int, error) { return 0, s.fail }
func (s *store) LiveBlobs(_ context.Context, live func(string)) error {
	for _, d := range s.live {
		live(d)
	}
	return nil
}
func (s *store) Collect(_ context.Context, live func(string) bool, olderThan time.Time) (blob.Collected, error) {
	s.at = append(s.at, olderThan)
	for d := range s.bodies {
		if !live(d) {
			delete(s.bodies, d)
		}
	}
	return blob.Collected{}, nil
}

func TestMaintenanceForgetsDaily(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	begin := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	s := &store{inbox: 300, bodies: map[string]bool{"a": true, "b": true}, live: []string{"b"}}
	if err := maintain(ctx, &steps{begin, 2, cancel}, s, s, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if s.inbox != 0 || s.bodies["a"] || !s.bodies["b"] {
		t.Fatalf("left: %+v", s)
	}
	if len(s.at) != 2 || !s.at[0].Equal(begin.Add(maintainFirst-blobAge)) || s.at[1].Sub(s.at[0]) != maintainEvery {
		t.Fatalf("collected at %v", s.at)
	}
}

func TestMaintenanceCollectsNothingAfterAFailure(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &store{bodies: map[string]bool{"a": true}, fail: errors.New("the disk does not answer")}
	if err := maintain(ctx, &steps{time.Unix(0, 0), 1, cancel}, s, s, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if !s.bodies["a"] {
		t.Fatal("a body was removed although not all references are known")
	}
}

package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// gateRound is one round of starts and approvals on a store that keeps growing.
type gateRound struct {
	h     *house
	bare  *bare
	done  int64 // runs so far
	wrote int64 // values the limit has so far
}

func openRound(ctx context.Context, dir string, delay time.Duration) (*gateRound, error) {
	b, err := openBare(dir, delay)
	if err != nil {
		return nil, err
	}
	h, err := open(ctx, dir, options{delay: delay, workers: 64})
	if err != nil {
		return nil, closed(b.close, err)
	}
	return &gateRound{h: h, bare: b}, nil
}

func (g *gateRound) close() error { return closed(g.bare.close, g.h.close()) }

func runID(i int64) string      { return fmt.Sprintf("%026x", i) }
func runVersion(i int64) string { return fmt.Sprintf("2019.%02d.%d", 1+i%12, i) }

// limit is the bare group commit at this width.
func (g *gateRound) limit(callers, n int) (taken, error) {
	from := g.wrote
	g.wrote += int64(n)
	return calls(callers, n, func(i int64) error { return g.bare.put(from + i) })
}

// gate starts n runs and then approves them. An approval ends when it is committed.
func (g *gateRound) gate(ctx context.Context, callers, n int) (start, approve taken, err error) {
	from := g.done
	g.done += int64(n)
	start, err = calls(callers, n, func(i int64) error { return g.h.start(ctx, "bench", runID(from+i), runVersion(from+i)) })
	if err != nil {
		return start, approve, err
	}
	approve, err = calls(callers, n, func(i int64) error { return g.h.approve(ctx, runID(from+i), "go", "maintainer-a") })
	return start, approve, err
}

// cycles takes n runs from their start to their end: start, approve, close, three effects with
// intent and result, ended. A caller begins its next run when one of those under way has ended.
func (g *gateRound) cycles(ctx context.Context, callers, n int) (taken, error) {
	from := g.done
	g.done += int64(n)
	ended := make(chan struct{}, n)
	var results atomic.Int64
	g.h.after = func(point string) {
		if point == "effect/bench.third@1/after-result" && results.Add(1) <= int64(n) {
			ended <- struct{}{}
		}
	}
	var took taken
	ctx, give := context.WithTimeout(ctx, time.Minute)
	defer give()
	err := g.h.work(ctx, func() error {
		var err error
		took, err = calls(callers, n, func(i int64) error {
			id := runID(from + i)
			if err := g.h.start(ctx, "bench", id, runVersion(from+i)); err != nil {
				return err
			}
			if err := g.h.approve(ctx, id, "go", "maintainer-a"); err != nil {
				return err
			}
			select {
			case <-ended:
				return nil
			case <-ctx.Done():
				return fmt.Errorf("the runs did not end: %w", ctx.Err())
			}
		})
		return err
	})
	g.h.after = nil
	if err != nil {
		return took, err
	}
	for i := range int64(n) {
		s, _, err := g.h.e.RunState(ctx, runID(from+i))
		if err != nil {
			return took, err
		}
		if s.Outcome != "done" {
			return took, fmt.Errorf("the run %s is %s %s, not done", s.Name, s.Status, s.Outcome)
		}
	}
	return took, nil
}

package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/job"
)

// buildKind is the kind of the jobs of rows, and builders how many lease them at once.
const (
	buildKind = "build"
	builders  = 48
)

// openBuilds is a yard whose packages are leased by builders.
func openBuilds(ctx context.Context, dir string) (*yard, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	h, err := open(ctx, dir, options{})
	if err != nil {
		return nil, err
	}
	y := &yard{h: h, run: runID(1)}
	if err := h.start(ctx, "yard", y.run, "1.0"); err != nil {
		return nil, closed(h.close, err)
	}
	return y, nil
}

// transitions of one package that is leased, built and wanted again.
const transitions = 3

// build has builders lease n packages, report them as built, and want them again. It tells the
// bytes that the process wrote for each transition.
func (y *yard) build(ctx context.Context, n int) (taken, float64, error) {
	before, err := written()
	if err != nil {
		return taken{}, 0, err
	}
	free := make(chan string, builders)
	for i := range builders {
		free <- "builder-" + strconv.Itoa(i)
	}
	took, err := calls(builders, n, func(int64) error {
		holder := <-free
		defer func() { free <- holder }()
		j, found, err := y.h.e.Lease(ctx, holder, []string{buildKind}, time.Hour)
		if err != nil {
			return err
		}
		if !found {
			return errs.E("bench.lease", errs.Internal, fmt.Errorf("%s gets nothing", holder))
		}
		v := job.Verdict{OK: true, Result: []byte(`{"result":"built"}`)}
		if _, err := y.h.e.Finish(ctx, buildKind, j.ID, holder, j.Lease.Fence, v); err != nil {
			return err
		}
		name := j.ID[len(j.ID)-len(packageName(0)):]
		_, err = y.h.e.ChangeRow(ctx, y.run, "packages", name, engine.RowChange{To: "needs"}, engine.Once{})
		return err
	})
	if err != nil {
		return taken{}, 0, err
	}
	after, err := written()
	return took, float64(after-before) / float64(n*transitions), err
}

// measureBuilds is measureLedger with rows that builders lease.
func measureBuilds(ctx context.Context, dir string, t *table, rows, moves int) (err error) {
	y, err := openBuilds(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = closed(y.h.close, err) }()
	const few = 1_000
	return y.h.work(ctx, func() error {
		if err := y.grow(ctx, few); err != nil {
			return err
		}
		small, bytesSmall, err := y.build(ctx, 4*few)
		if err != nil {
			return err
		}
		if err := y.grow(ctx, rows); err != nil {
			return err
		}
		n := max(moves/transitions, rows)
		begin := time.Now()
		large, bytesLarge, err := y.build(ctx, n)
		if err != nil {
			return err
		}
		t.note(fmt.Sprintf("%d transitions of leased rows, %d builders", n*transitions, builders), time.Since(begin).Round(time.Millisecond).String())
		t.note("lease, verdict and return with 1000 rows", fmt.Sprintf("%.0f/s  p50 %s p99 %s", small.rate, short(small.p50), short(small.p99)))
		t.note(fmt.Sprintf("lease, verdict and return with %d rows", rows), fmt.Sprintf("%.0f/s  p50 %s p99 %s", large.rate, short(large.p50), short(large.p99)))
		ratio := bytesLarge / bytesSmall
		t.judged([]string{"bytes written per transition of a leased row", fmt.Sprintf("%.0f B with %d rows", bytesLarge, rows),
			fmt.Sprintf("%.0f B with %d rows", bytesSmall, few), fmt.Sprintf("%.2f", ratio), "≤ 2.00"}, ratio <= 2)
		return y.quiet(ctx)
	})
}

// quiet checks that leases made no events of the run.
func (y *yard) quiet(ctx context.Context) error {
	s, _, err := y.h.e.RunState(ctx, y.run)
	if err != nil {
		return err
	}
	if s.Events > 100 {
		return fmt.Errorf("the run has %d events", s.Events)
	}
	return y.sound(ctx)
}

package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/state/blob"
)

const (
	// maintainEvery is how often what is no longer needed goes.
	maintainEvery = 24 * time.Hour
	// maintainFirst is when that happens first, so that a start is not slowed down.
	maintainFirst = 10 * time.Minute
	// blobAge spares bodies whose record may not be written yet.
	blobAge = time.Hour
)

// sweeper is the part of the engine that forgets.
type sweeper interface {
	SweepInbox(ctx context.Context) (int, error)
	SweepEnded(ctx context.Context) (int, error)
	LiveBlobs(ctx context.Context, live func(digest string)) error
}

// collector is the part of the blob store that forgets.
type collector interface {
	Collect(ctx context.Context, live func(digest string) bool, olderThan time.Time) (blob.Collected, error)
}

// maintain forgets once a day what nothing needs any more. A failure is logged and tried again the
// next day: nothing is lost by keeping more.
func maintain(ctx context.Context, clock engine.Clock, e sweeper, blobs collector, log *slog.Logger) error {
	next := clock.Now().Add(maintainFirst)
	for {
		due, stop := clock.Wake(next)
		select {
		case <-ctx.Done():
			stop()
			return nil
		case <-due:
		}
		if err := forget(ctx, clock.Now(), e, blobs, log); err != nil && ctx.Err() == nil {
			log.Warn("what is old could not be removed", "error", errs.Text(err))
		}
		next = clock.Now().Add(maintainEvery)
	}
}

// forget removes old deliveries, the indexes of runs that ended long ago, and then the bodies that
// no record names.
func forget(ctx context.Context, now time.Time, e sweeper, blobs collector, log *slog.Logger) error {
	deliveries := 0
	for {
		n, err := e.SweepInbox(ctx)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		deliveries += n
	}
	records, err := e.SweepEnded(ctx)
	if err != nil {
		return err
	}
	live := map[string]bool{}
	if err := e.LiveBlobs(ctx, func(digest string) { live[digest] = true }); err != nil {
		return fmt.Errorf("finding what is still used: %w", err)
	}
	done, err := blobs.Collect(ctx, func(digest string) bool { return live[digest] }, now.Add(-blobAge))
	if err != nil {
		return err
	}
	log.Info("removed what is old", "deliveries", deliveries, "records", records, "bodies", done.Removed, "bytes", done.Freed)
	return nil
}

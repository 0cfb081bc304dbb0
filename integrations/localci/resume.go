package localci

import (
	"context"
	"os"
	"path/filepath"
	"time"
)

// hintsFor is how long after its end a run is told of again when the bot restarts: a hint that
// was lost in a crash is made good, and old runs make no noise.
const hintsFor = 24 * time.Hour

// lookAgain is how often a run is looked at whose watcher is a child of an earlier process.
const lookAgain = 500 * time.Millisecond

// Resume begins again what was interrupted, after a restart of the bot. It returns how many runs
// that were, and the first error; the others are begun all the same. Until ctx ends it also
// follows the runs that an earlier process began, so that [Options.Ended] hears of them too.
func (r *Runner) Resume(ctx context.Context) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list, err := os.ReadDir(filepath.Join(r.root, "runs"))
	if err != nil {
		return 0, broken("the runs cannot be listed: %w", err)
	}
	count := 0
	var first error
	for _, e := range list {
		q, err := r.request(e.Name())
		if err != nil {
			continue // never asked for completely
		}
		before := r.number(e.Name(), "tries")
		if err := r.ensure(ctx, e.Name(), q); err != nil && first == nil {
			first = err
		}
		if r.number(e.Name(), "tries") > before {
			count++
			continue
		}
		if r.opts.Ended == nil {
			continue
		}
		if at := r.endedAt(e.Name()); at.IsZero() {
			go r.follow(ctx, e.Name())
		} else if r.opts.Now().Sub(at) < hintsFor {
			go r.tell(e.Name())
		}
	}
	return count, first
}

// endedAt is when a run got its verdict or was stopped; zero while it has not.
func (r *Runner) endedAt(run string) time.Time {
	at := modified(filepath.Join(r.dir(run), "verdict"))
	if stopped := modified(filepath.Join(r.dir(run), "stopped")); at.IsZero() {
		at = stopped
	}
	return at
}

// tell gives the hint of a run that has ended.
func (r *Runner) tell(run string) {
	if r.opts.Ended != nil && !r.endedAt(run).IsZero() {
		r.opts.Ended(run)
	}
}

// follow waits for the end of a run whose watcher is not our child. A watcher that goes without a
// verdict was interrupted; the next start or restart begins that run again.
func (r *Runner) follow(ctx context.Context, run string) {
	look := time.NewTicker(lookAgain)
	defer look.Stop()
	for r.locked(run) && r.endedAt(run).IsZero() {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
	r.tell(run)
}

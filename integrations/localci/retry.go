package localci

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/pipeline"
)

// Retry is ci.retry@1: it begins a run that failed or was canceled again, under the same id. Policy:
// keyed. One key begins it once, even if it then fails again.
type Retry struct{ runner *Runner }

// NewRetry makes ci.retry@1.
func NewRetry(r *Runner) Retry { return Retry{runner: r} }

// Contract of ci.retry@1.
func (Retry) Contract() action.Contract {
	c := pipeline.Retry()
	c.Policy, c.Timeout, c.ByHand, c.Shell = action.Keyed, 10*time.Minute, retryByHand, "run COMMAND again in the checkout of the commit"
	return c
}

// Probe reports a run that was begun again under this key.
func (a Retry) Probe(_ context.Context, key action.Key, in RetryIn) (RetryOut, bool, error) {
	s, err := a.runner.Status(in.Pipeline)
	if err != nil {
		return RetryOut{}, false, err
	}
	if _, err := os.Stat(a.runner.retried(in.Pipeline, key)); err != nil {
		return RetryOut{}, false, nil
	}
	return RetryOut{State: s.State, URL: s.URL}, true, nil
}

// Do begins it again. A run that works already is left alone, and one that passed too: its state says
// so. A run of another commit is an error of kind [errs.Conflict].
func (a Retry) Do(ctx context.Context, key action.Key, in RetryIn) (RetryOut, error) {
	if err := a.runner.retry(ctx, key, in); err != nil {
		return RetryOut{}, err
	}
	s, err := a.runner.Status(in.Pipeline)
	return RetryOut{State: s.State, URL: s.URL}, err
}

// retried is the file that tells that a run was begun again under a key: it is the verdict that it
// had before.
func (r *Runner) retried(run string, key action.Key) string {
	return filepath.Join(r.dir(run), "before-"+key.String())
}

func (r *Runner) retry(ctx context.Context, key action.Key, in RetryIn) error {
	s, err := r.Status(in.Pipeline)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	run, dir := in.Pipeline, r.dir(in.Pipeline)
	q, err := r.request(run)
	if err != nil {
		return broken("the request of the run cannot be read: %w", err)
	}
	if q.Commit != in.Commit {
		return errs.E("ci.retry", errs.Conflict, fmt.Errorf("the pipeline %s is of the commit %s, not of %s", run, q.Commit, in.Commit)).
			Hint("give the id that ci.start gave for this commit")
	}
	_, err = os.Stat(r.retried(run, key))
	if err == nil || s.State != Failed && s.State != Canceled {
		return r.ensure(ctx, run, q)
	}
	if r.locked(run) {
		return errs.E("ci.retry", errs.Busy, errors.New("the run is just coming to its end")).Hint("Retry in a moment")
	}
	if err := replace(filepath.Join(dir, "tries"), []byte("0")); err != nil {
		return err
	}
	// The last renaming takes the verdict away and notes the key, as one.
	verdict, stopped := filepath.Join(dir, "verdict"), filepath.Join(dir, "stopped")
	ends := []string{stopped}
	if _, err := os.Stat(verdict); err == nil {
		ends = []string{stopped, verdict}
	}
	for i, end := range ends {
		if i < len(ends)-1 {
			err = os.Remove(end)
		} else {
			err = os.Rename(end, r.retried(run, key))
		}
		if err != nil && !os.IsNotExist(err) {
			return broken("the last verdict cannot be put away: %w", err)
		}
	}
	if log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_WRONLY|os.O_APPEND, 0); err == nil {
		fmt.Fprintf(log, "\n--- begun again by a person ---\n")
		log.Close()
	}
	return r.ensure(ctx, run, q)
}

package engine

import (
	"context"
	"strings"
	"sync"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/run"
)

// effects is the schedule of the outbox. Rows are read in the order in which they are due, when
// they are due; those in hand are few. All of it is made again from the outbox at start.
type effects struct {
	mu     sync.Mutex
	booted time.Time            // of this process
	cursor string               // rows below it are in hand or gone
	hand   map[string]time.Time // rows read or pushed and not begun → not before
	busy   map[string]bool      // rows being worked on
	dirty  map[string]bool      // busy rows that were pushed again
	tried  map[string]time.Time // rows that were begun by this process and have not ended
	next   time.Time            // when the first row behind the cursor is due; zero: not known
	causes map[string]run.Told  // rows that were brought forward → by what
	forced map[string]bool      // rows that are tried before their time
	hints  hints
}

func (f *effects) init(now time.Time) {
	f.booted = now
	f.hand, f.busy, f.dirty, f.tried = map[string]time.Time{}, map[string]bool{}, map[string]bool{}, map[string]time.Time{}
	f.causes, f.forced = map[string]run.Told{}, map[string]bool{}
	f.hints = hints{all: map[hintKey]hint{}, pending: map[hintKey]run.Told{}, looked: map[string]time.Time{}}
}

// push takes a row in hand, to be done at due.
func (f *effects) push(row string, due time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.busy[row] {
		f.dirty[row] = true
		return
	}
	if row >= f.cursor {
		f.next = earlier(f.next, due) // the scan will find it
		return
	}
	f.hand[row] = due
}

// soon makes a row due now, wherever it is.
func (f *effects) soon(row string, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.busy[row] {
		f.dirty[row] = true
		return
	}
	f.hand[row] = now
}

func (f *effects) unblock() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for row := range f.hand {
		f.hand[row] = time.Time{}
	}
}

// begin gives the rows that are due, at most max of them, and marks them busy.
func (f *effects) begin(now time.Time, max int) (rows []string, next time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for row, due := range f.hand {
		switch {
		case due.After(now):
			next = earlier(next, due)
		case len(rows) < max:
			rows = append(rows, row)
		default:
			next = now
		}
	}
	for _, row := range rows {
		delete(f.hand, row)
		f.busy[row] = true
	}
	return rows, earlier(next, f.next)
}

// end gives a row back. With again it is in hand until then; otherwise it is gone, unless it was
// pushed meanwhile.
func (f *effects) end(row string, again time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.busy, row)
	switch {
	case f.dirty[row]:
		delete(f.dirty, row)
		f.hand[row] = time.Time{}
	case !again.IsZero():
		f.hand[row] = again
	default:
		delete(f.tried, row)
		delete(f.causes, row)
		delete(f.forced, row)
	}
}

// trying notes that a row is begun, so that an interruption of any kind is followed by a look.
func (f *effects) trying(row string, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tried[row] = now
}

// untried forgets a try after which it is known that nothing happened.
func (f *effects) untried(row string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.tried, row)
}

func (f *effects) tryOf(row string) (time.Time, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, ok := f.tried[row]
	return at, ok
}

// effectScan bounds how many rows are taken in hand at a time.
const effectScan = 256

// fill reads rows that have become due into hand.
func (e *Engine) fill(ctx context.Context) error {
	f := &e.effects
	now := e.now()
	f.mu.Lock()
	from, full := f.cursor, len(f.hand) >= effectScan
	to := stamp(now.Add(1))
	if full || from >= to {
		to = from
	}
	// A row that is committed while the scan goes on may be missed by it. Pushed below the new
	// cursor it comes in hand by itself, so the cursor moves first.
	f.cursor = to
	f.mu.Unlock()
	var rows []string
	if from < to {
		err := e.cfg.Store.Scan(ctx, spOutbox, from, to, false, func(k string, _ []byte) bool {
			rows = append(rows, k)
			return len(rows) < effectScan
		})
		if err != nil {
			f.mu.Lock()
			f.cursor = from
			f.mu.Unlock()
			return err
		}
		if len(rows) == effectScan {
			to = rows[len(rows)-1] + "\x00"
		}
	}
	next := time.Time{}
	err := e.cfg.Store.Scan(ctx, spOutbox, to, "", false, func(k string, _ []byte) bool {
		next = stampTime(k)
		return false
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.cursor = from
		return err
	}
	for _, row := range rows {
		if !f.busy[row] {
			if _, had := f.hand[row]; !had {
				f.hand[row] = time.Time{}
			}
		}
	}
	f.cursor = to
	f.next = next
	return nil
}

func stampTime(k string) time.Time {
	var n int64
	for i := 0; i < 19 && i < len(k); i++ {
		n = n*10 + int64(k[i]-'0')
	}
	return time.Unix(0, n).UTC()
}

// effectsDue begins what is due through start, and says when to come again.
func (e *Engine) effectsDue(ctx context.Context, start func(func())) (bool, time.Time, error) {
	if err := e.takeHints(ctx); err != nil {
		return false, time.Time{}, err
	}
	if err := e.fill(ctx); err != nil {
		return false, time.Time{}, err
	}
	rows, next := e.effects.begin(e.now(), e.cfg.Workers)
	var mu sync.Mutex
	var first error
	for _, row := range sortedByDue(rows) {
		start(func() {
			again, err := e.perform(ctx, row)
			if err != nil {
				again = e.now().Add(time.Second)
				if ctx.Err() == nil {
					e.cfg.Log.Warn("an effect waits", "error", errs.Text(err))
				}
				mu.Lock()
				first = err
				mu.Unlock()
			}
			e.effects.end(row, again)
			if again.IsZero() && e.comeback.gates.ended(row) {
				e.wake(loopTimers)
			}
			e.wake(loopEffects)
		})
	}
	mu.Lock()
	defer mu.Unlock()
	if first != nil && e.failed() == nil && ctx.Err() == nil && !errs.Is(first, errs.Full) {
		first = nil // it is in hand again
	}
	return len(rows) > 0, next, first
}

func sortedByDue(rows []string) []string {
	for i := 1; i < len(rows); i++ {
		for j := i; j > 0 && rows[j] < rows[j-1]; j-- {
			rows[j], rows[j-1] = rows[j-1], rows[j]
		}
	}
	return rows
}

// own tells the engine's own actions from those of integrations.
func own(ref string) bool {
	return strings.HasPrefix(ref, "slipway.") || ref == actBroadcast || writesRows(ref)
}

// bound finds the code of an effect: the project's provider for a capability.
func (e *Engine) bound(r *effectRecord) (action.Bound, error) {
	provider := ""
	if p, ok := e.cfg.Projects.Project(r.Project); ok {
		name, _, _ := strings.Cut(r.Action, "@")
		provider = p.Providers[name]
	}
	return e.cfg.Actions.Lookup(r.Action, provider)
}

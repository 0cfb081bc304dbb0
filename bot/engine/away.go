package engine

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/run"
)

// An effect whose other side does not answer, or asks to be left alone, is tried again by itself: with
// pauses that grow up to [Config.BackoffCap], never before the other side allows it, for
// [Config.Patience] or until just before the deadline of its step. What is in the outbox decides;
// aways is what cards and `why` show of it.

// Bounds of being tried again.
const (
	askedMost  = 6 * time.Hour    // a longer wish to be left alone counts as this
	hurryEvery = 10 * time.Second // between two tries that hints bring about
	awayShown  = 30 * time.Second // a first failure is shown only if the next try is that far
)

// aways are the effects of which a try failed, by key. They are made again from the outbox as it is
// worked on.
type aways struct {
	mu    sync.Mutex
	all   map[string]awayRow
	shown atomic.Pointer[map[string]run.Away]
}

type awayRow struct {
	run.Away
	row, action, project, run string
	tried, asked              time.Time
}

func (a *aways) init() { a.all = map[string]awayRow{} }

// view is what is shown of runs. It is never written.
func (a *aways) view() map[string]run.Away {
	if m := a.shown.Load(); m != nil {
		return *m
	}
	return nil
}

// awayNow notes that an effect waits for its next try.
func (e *Engine) awayNow(row string, r *effectRecord) {
	if r.Attempts == 0 || r.Since.IsZero() {
		return
	}
	one := awayRow{run.Away{Since: r.Since, Tries: r.Attempts, Next: r.NotBefore, Why: r.Last, Reads: e.isPoll(r)},
		row, r.Action, r.Project, r.Run, r.LastTry, r.Asked}
	a := &e.aways
	a.mu.Lock()
	old, had := a.all[r.Key]
	a.all[r.Key] = one
	changed := !had || old != one
	show := r.Run != "" && (r.Attempts > 1 || r.NotBefore.Sub(r.LastTry) >= awayShown)
	if changed && show {
		next := maps.Clone(a.view())
		if next == nil {
			next = map[string]run.Away{}
		}
		next[r.Key] = one.Away
		a.shown.Store(&next)
	}
	a.mu.Unlock()
	if changed && show {
		e.showAgain(r.Run)
	}
}

// awayOver notes that nothing is awaited of an effect any more.
func (e *Engine) awayOver(key string) {
	a := &e.aways
	a.mu.Lock()
	old, had := a.all[key]
	delete(a.all, key)
	_, shown := a.view()[key]
	if shown {
		next := maps.Clone(a.view())
		delete(next, key)
		a.shown.Store(&next)
	}
	a.mu.Unlock()
	if had && shown {
		e.showAgain(old.run)
	}
}

// showAgain has what is shown of a run looked at, though nothing of the run changed.
func (e *Engine) showAgain(runID string) {
	e.feed.note(runID)
	e.show(runID)
}

// awayMark changes when what is shown of a run's effects does; "" when they all get through.
func awayMark(s *run.State, w run.World) string {
	if len(w.Away) == 0 {
		return ""
	}
	w.Now = time.Time{} // the mark must not change with the time alone
	line := run.AwayLine(s, w)
	if line == "" {
		return ""
	}
	return short(line)
}

// answers notes that the other side of a capability ("forge" of "forge.tag") answers: what did not get
// through to it is tried again soon.
func (e *Engine) answers(contract, project string) {
	family, _, _ := strings.Cut(contract, ".")
	now := e.now()
	e.aways.mu.Lock()
	at := map[string]time.Time{}
	for _, one := range e.aways.all {
		if f, _, _ := strings.Cut(one.action, "."); f == family && !own(one.action) && (project == "" || one.project == project) {
			at[one.row] = later(now, later(one.asked, one.tried.Add(hurryEvery)))
		}
	}
	e.aways.mu.Unlock()
	e.hurry(at)
}

// hurryKeys tries effects again at once, as a person wishes, unless the other side asked to be left
// alone.
func (e *Engine) hurryKeys(keys []string) {
	now := e.now()
	e.aways.mu.Lock()
	at := map[string]time.Time{}
	for _, key := range keys {
		if one, ok := e.aways.all[key]; ok {
			at[one.row] = later(now, one.asked)
		}
	}
	e.aways.mu.Unlock()
	e.hurry(at)
}

func (e *Engine) hurry(at map[string]time.Time) {
	if len(at) == 0 {
		return
	}
	f := &e.effects
	f.mu.Lock()
	for row, when := range at {
		if old, waits := f.hand[row]; waits && when.Before(old) {
			f.hand[row], f.forced[row] = when, true
		}
	}
	f.mu.Unlock()
	e.wake(loopEffects)
}

// force reports, once, whether a row is to be tried before its time.
func (f *effects) force(row string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	yes := f.forced[row]
	delete(f.forced, row)
	return yes
}

// tryLater is what follows when the other side could not be reached: another try, or, when the time
// for that is over, the failure.
func (e *Engine) tryLater(c action.Contract, r *effectRecord, err error, clear bool, over run.Result) outcome {
	now, since := e.now(), r.Since
	if since.IsZero() {
		since = now
	}
	until := since.Add(e.cfg.Patience)
	if d := e.deadlineOf(r); !d.IsZero() && d.Before(until) {
		until = d.Add(-time.Second) // so that the failure comes before the deadline does
	}
	o := outcome{again: now.Add(e.backoff(r.Attempts)), err: err, clear: clear}
	if after := min(errs.After(err), askedMost); after > 0 {
		o.asked = now.Add(after)
		o.again = later(o.again, o.asked)
	}
	switch {
	case !now.Before(until) || o.asked.After(until):
		if r.Attempts > 0 {
			over.Message += fmt.Sprintf("; it was tried %d times since %s", r.Attempts+1, since.UTC().Format("2006-01-02 15:04 UTC"))
		}
		return outcome{result: over}
	case o.again.After(until):
		o.again = until
	}
	return o
}

// deadlineOf is the first deadline of the step of an effect and of the lists and steps that it is in;
// zero when there is none.
func (e *Engine) deadlineOf(r *effectRecord) (first time.Time) {
	if r.Run == "" || r.Step == "" {
		return first
	}
	l, err := e.load(context.Background(), r.Run)
	if err != nil || l.raw == nil {
		return first
	}
	for name, due := range l.state.Timers {
		path, is := strings.CutPrefix(name, "deadline/")
		if rest, in := strings.CutPrefix(r.Step, path); is && in && (rest == "" || rest[0] == '[' || rest[0] == '/') {
			first = earlier(first, due)
		}
	}
	return first
}

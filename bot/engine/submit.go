package engine

import (
	"context"
	"errors"
	"fmt"

	"slipway/bot/errs"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// errRepeat tells that a semantic key was used before: nothing was changed, and nothing is said.
var errRepeat = errs.E("engine.submit", errs.Exists, errors.New("this was done already"))

// decideTries bounds how often a decision is made again because the world moved meanwhile.
const decideTries = 24

// also is what goes into the same commit as a decision.
type also struct {
	once   Once                                    // semantic key: must be new
	guards []Guard                                 // must hold besides
	then   func(b *batch, l *live, d run.Decision) // further writes; called for each try, for refusals too
}

// Submit gives an input to a run: it decides, and commits everything that follows in one guarded
// transaction. A refusal is in the Decision, not in the error. When the run, a lock, a role or a
// freeze moved meanwhile it decides again. Errors: [errs.NotFound] for a run that does not exist,
// [errs.Conflict] when the world never stood still, [errs.Full], [errs.Unavailable] for a run
// whose playbook does not fit any more.
func (e *Engine) Submit(ctx context.Context, runID string, in run.Input) (run.Decision, error) {
	return e.submit(ctx, runID, in, also{})
}

// SubmitOnce is Submit under a semantic key; a repeat changes nothing and returns [errs.Exists].
func (e *Engine) SubmitOnce(ctx context.Context, runID string, in run.Input, once Once) (run.Decision, error) {
	return e.submit(ctx, runID, in, also{once: once})
}

func (e *Engine) submit(ctx context.Context, runID string, in run.Input, more also) (run.Decision, error) {
	const op = "engine.submit"
	if err := e.tellFirst(ctx, runID, in); err != nil {
		return run.Decision{}, err
	}
	unlock := e.stripes.hold(runID)
	defer unlock()
	var last error
	for range decideTries {
		if err := ctx.Err(); err != nil {
			return run.Decision{}, errs.E(op, errs.Unavailable, err)
		}
		start, starting := in.(run.Start)
		l, err := e.loadFor(ctx, runID, starting && last == nil)
		if err != nil {
			return run.Decision{}, err
		}
		if (l.raw == nil) != starting {
			if starting {
				return run.Decision{}, errRepeat
			}
			return run.Decision{}, errs.E(op, errs.NotFound, fmt.Errorf("there is no run %s", runID))
		}
		digest := l.state.Playbook
		if starting {
			digest = start.Playbook
		}
		book, err := e.bookFor(ctx, l, digest, in)
		if err != nil {
			return run.Decision{}, err
		}
		v := e.world.view.Load()
		w := v.forRun(e.now())
		w.Away = e.aways.view()
		d := run.Decide(book, l.state, in, w)
		next, err := e.follow(ctx, book, l, d, v, more)
		if err == nil {
			if next != nil {
				e.followed(l, next, d)
			}
			e.hurryKeys(d.Hurry)
			return d, nil
		}
		if !errs.Is(err, errs.Conflict) {
			return run.Decision{}, err
		}
		last = err
		if starting && e.exists(ctx, runID) {
			return run.Decision{}, errRepeat
		}
		if more.once.Key != "" {
			if raw, err := e.cfg.Store.Get(ctx, Key{spSaid, more.once.Key}); err != nil || raw != nil {
				if err == nil {
					err = errRepeat
				}
				return run.Decision{}, err
			}
		}
		if again, err := e.moved(ctx, l, starting, more, next); err != nil || !again {
			if err == nil {
				err = last
			}
			return run.Decision{}, err
		}
	}
	return run.Decision{}, errs.E(op, errs.Conflict, fmt.Errorf("run %s could not be changed because others kept changing what it needs: %w", runID, last)).
		Hint("Try again.")
}

// loadFor is load; a run that is to begin is taken to be new, and the guard of the commit finds out
// when it is not.
func (e *Engine) loadFor(ctx context.Context, runID string, begins bool) (*live, error) {
	if begins && e.cache.get(runID) == nil {
		return &live{id: runID, state: &run.State{Steps: map[string]*run.Step{}}}, nil
	}
	return e.load(ctx, runID)
}

// moved reads again what may have caused a conflict. again is false when deciding again cannot
// help: a guard of the caller failed, or the name of a new run is taken.
func (e *Engine) moved(ctx context.Context, l *live, starting bool, more also, next *live) (again bool, err error) {
	for _, g := range more.guards {
		now, err := e.cfg.Store.Get(ctx, g.Key)
		if err != nil {
			return false, err
		}
		if (now == nil) != (g.Want == nil) || string(now) != string(g.Want) {
			return false, nil
		}
	}
	if next != nil && next.name != nil && (starting || l.name == nil || nameKey(l.name.Name) != nameKey(next.name.Name)) {
		taken, err := e.cfg.Store.Get(ctx, Key{spNames, nameKey(next.name.Name)})
		if err != nil || taken != nil {
			return false, err
		}
	}
	e.cache.drop(l.id)
	return true, e.refreshWorld(ctx)
}

// follow commits what follows from d, with what the caller adds. It returns the run as it is
// then, or nil when nothing of the run changed. With a conflict it returns what was tried.
func (e *Engine) follow(ctx context.Context, book *playbook.Playbook, l *live, d run.Decision, v *view, more also) (*live, error) {
	b := newBatch()
	if more.once.Key != "" {
		b.guard(spSaid, more.once.Key, nil)
		b.put(spSaid, more.once.Key, saidAt(e.now(), l.id))
	}
	for _, g := range more.guards {
		b.guard(g.Key.Space, g.Key.ID, g.Want)
	}
	if more.then != nil {
		more.then(b, l, d)
	}
	if d.Refusal != nil || len(d.Events) == 0 {
		if b.empty() {
			return nil, nil
		}
		return nil, e.commit(ctx, "input", b)
	}
	w := writer{e: e, ctx: ctx, book: book, was: l, d: d, b: b, view: v}
	next, err := w.write()
	if err != nil {
		return next, err
	}
	unlock := func() {}
	if names := w.lockNames(); len(names) > 0 {
		unlock = e.world.stripes.hold(names...)
	}
	defer unlock()
	if err := w.guardReads(); err != nil {
		return next, err
	}
	what := "run"
	if l.raw == nil {
		what = "start"
	}
	if err := e.commit(ctx, what, b); err != nil {
		return next, err
	}
	if w.scheduled {
		e.plans.look()
		e.wake(loopTimers)
	}
	if w.headed {
		e.heads.more()
		e.wake(loopHeads)
	}
	e.cache.put(next)
	e.lists.changed(l.name, next.name)
	e.feed.note(next.id)
	e.world.setLocks(w.locks, w.lockRaw)
	return next, nil
}

package engine

import (
	"context"
	"time"

	"slipway/bot/errs"
	"slipway/bot/run"
)

// timersDue wakes runs, fires the timers whose time has come, and takes back leases that ran out.
func (e *Engine) timersDue(ctx context.Context) (bool, time.Time, error) {
	if w, ok := e.wakes.take(); ok {
		_, err := e.Submit(ctx, w.run, w.in)
		if err != nil && (stops(err) || ctx.Err() != nil) {
			e.wakes.add(w.run, w.in)
			return false, time.Time{}, err
		}
		if _, ok := w.in.(run.Wake); ok { // who could approve may be others now
			e.show(w.run)
		}
		return true, time.Time{}, nil
	}
	if name, ok := e.wakes.takeFreed(); ok {
		e.nameFreed(ctx, name)
		return true, time.Time{}, nil
	}
	if name, ok := e.wakes.takeCounted(); ok {
		if err := e.tellLedger(ctx, name, false); err != nil && (stops(err) || ctx.Err() != nil) {
			e.wakes.counted(name)
			return false, time.Time{}, err
		}
		return true, time.Time{}, nil
	}
	now := e.now()
	var due []string
	next := time.Time{}
	err := e.cfg.Store.Scan(ctx, spTimers, "", "", false, func(k string, _ []byte) bool {
		if at := stampTime(k); at.After(now) {
			next = at
			return false
		}
		due = append(due, k)
		return len(due) < 64
	})
	if err != nil {
		return false, time.Time{}, err
	}
	fired := false
	for _, k := range due {
		did, err := e.fire(ctx, k)
		if err != nil {
			return fired, time.Time{}, err
		}
		fired = fired || did
	}
	if len(due) > 0 && !fired {
		next = earlier(next, now.Add(time.Minute)) // only timers of runs that cannot go on now
	}
	jobs, lease, err := e.leasesDue(ctx)
	if err != nil {
		return fired || jobs, lease, err
	}
	started, scheduled, err := e.schedulesDue(ctx)
	if err != nil {
		return fired || jobs || started, time.Time{}, err
	}
	told, digest, err := e.digestsDue(ctx)
	if err != nil {
		return fired || jobs || started, time.Time{}, err
	}
	back := e.absencesDue()
	made, alive, err := e.backDue(ctx)
	if err != nil {
		return fired || jobs || started || told, time.Time{}, err
	}
	next = earlier(earlier(earlier(next, lease), scheduled), earlier(earlier(digest, back), alive))
	return fired || jobs || started || told || made, next, err
}

// fire gives a timer to its run, once: the commit is guarded by the timer's record.
func (e *Engine) fire(ctx context.Context, k string) (bool, error) {
	parts := splitID(k)
	if len(parts) < 3 {
		return false, nil
	}
	name := k[len(parts[0])+len(parts[1])+2:]
	_, err := e.submit(ctx, parts[1], run.TimerFired{ID: name}, also{
		guards: []Guard{{Key{spTimers, k}, []byte("t")}},
		then:   func(b *batch, _ *live, _ run.Decision) { b.del(spTimers, k) },
	})
	switch {
	case errs.Is(err, errs.NotFound) && !e.exists(ctx, parts[1]):
		b := newBatch()
		b.del(spTimers, k)
		return true, e.commit(ctx, "timer", b)
	case errs.Is(err, errs.Conflict):
		return true, nil // it was moved or cleared meanwhile
	case err != nil && !stops(err):
		return false, ctx.Err() // the run cannot go on now: its playbook does not fit
	}
	return err == nil, err
}

func (e *Engine) exists(ctx context.Context, runID string) bool {
	raw, err := e.cfg.Store.Get(ctx, Key{spRuns, runID})
	return err != nil || raw != nil
}

// followed does what a commit means for others: locks, names, cards, the loops.
func (e *Engine) followed(was, now *live, d run.Decision) {
	timers := false
	for _, ev := range d.Events {
		switch body := ev.Body.(type) {
		case run.LockReleased:
			l := e.world.view.Load().locks[body.Lock]
			if r := next(l); r != "" && r != now.id {
				e.wakes.add(r, run.LocksChanged{Names: []string{body.Lock}})
			}
			timers = true
		case run.LockQueued:
			// A claim of higher priority makes the holder yield.
			l := e.world.view.Load().locks[body.Lock]
			if l.Holder.Run != "" && l.Holder.Run != now.id && l.Holder.Priority < body.Claim.Priority {
				e.wakes.add(l.Holder.Run, run.LocksChanged{Names: []string{body.Lock}})
			}
			timers = true
		case run.TimerSet, run.TimerCleared:
			timers = true
		}
	}
	if timers {
		e.wake(loopTimers)
	}
	e.show(now.id)
	if was.name != nil && (now.state.NameFree() && !was.state.NameFree() || nameKey(was.name.Name) != nameKey(now.name.Name)) {
		e.wakes.freed(was.name.Name)
		e.wake(loopTimers)
	}
}

// wakeAll makes the runs that wait for people or for the end of a freeze look again.
func (e *Engine) wakeAll(why string) {
	ctx := context.Background()
	seen := map[string]bool{}
	err := e.cfg.Store.Scan(ctx, spAwaits, "", "", false, func(k string, _ []byte) bool {
		if parts := splitID(k); len(parts) >= 3 && !seen[parts[2]] {
			seen[parts[2]] = true
			e.wakes.add(parts[2], run.Wake{Why: why})
		}
		return true
	})
	if err != nil {
		e.cfg.Log.Error("runs could not be woken", "error", errs.Text(err))
	}
	e.wake(loopTimers)
}

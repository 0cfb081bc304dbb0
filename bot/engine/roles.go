package engine

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/bot/people"
)

// Roles are read again at their sources when gates close, and by a loop of their own: a service that
// hangs keeps no deadline and no lease waiting.

const (
	awayRetry = time.Minute      // how long a source of roles that could not be reached is left alone
	roleKept  = 5 * time.Minute  // how long what was read of a role stands while its source asks to wait
	roleLimit = 10 * time.Second // for one reading
)

// roleRead is when a role was read.
type roleRead struct {
	asked time.Time // when its source was asked last
	known time.Time // when it answered last
	later time.Time // its source asks to be left alone until then
	told  uint64    // the newest question that was answered
}

// due is when a role may be read again that is read so often.
func (r roleRead) due(every time.Duration) time.Time {
	if !r.later.IsZero() {
		return r.later
	}
	return r.asked.Add(every)
}

// peopleDue reads what services tell of people: roles whose source was away, accounts that do not count,
// and roles that are kept elsewhere.
func (e *Engine) peopleDue(ctx context.Context) (did bool, next time.Time, err error) {
	for _, part := range []func(context.Context) (bool, time.Time, error){e.rolesDue, e.barredDue, e.elsewhereDue} {
		some, again, err := part(ctx)
		did, next = did || some, earlier(next, again)
		if err != nil {
			return did, next, err
		}
	}
	return did, next, nil
}

// rolesDue reads the roles again whose source could not be reached. Runs look again when one answers.
func (e *Engine) rolesDue(ctx context.Context) (did bool, next time.Time, err error) {
	e.world.change.Lock()
	away := slices.Sorted(maps.Keys(e.world.down))
	e.world.change.Unlock()
	for _, key := range away {
		i := strings.LastIndexByte(key, '/')
		asked, again, err := e.readDue(ctx, key[:i], key[i+1:], awayRetry, true)
		did, next = did || asked, earlier(next, again)
		if err != nil {
			return did, next, err
		}
	}
	return did, next, nil
}

// readDue reads a role if its time has come and its source is away, or is not. next is when it is to be
// read again; an error is of the engine itself.
func (e *Engine) readDue(ctx context.Context, project, role string, every time.Duration, away bool) (did bool, next time.Time, err error) {
	key, now := project+"/"+role, e.now()
	e.world.change.Lock()
	r, down := e.world.reads[key], e.world.down[key] != ""
	due := r.due(every)
	ask := down == away && !due.After(now)
	if ask {
		r.asked, r.later = now, time.Time{} // nobody else asks meanwhile
		e.world.reads[key] = r
	}
	e.world.change.Unlock()
	switch {
	case down != away:
		return false, time.Time{}, nil
	case !ask:
		return false, due, nil
	}
	limited, cancel := context.WithTimeout(ctx, roleLimit)
	changed, err := e.readRole(limited, project, role)
	cancel()
	if err != nil && (stops(err) || ctx.Err() != nil) {
		return true, time.Time{}, err
	}
	switch {
	case err == nil && away:
		e.wakeAll("the source of the role " + key + " answers again")
	case changed:
		e.wakeAll("who holds the role " + key + " has changed")
	}
	if err != nil {
		e.cfg.Log.Info("a role cannot be read now", "role", strings.TrimPrefix(key, people.EveryProject+"/"), "error", errs.Text(err))
	}
	e.world.change.Lock()
	defer e.world.change.Unlock()
	return true, e.world.reads[key].due(every), nil
}

// roleAgain reads one role at its source. The result is in the view when it returns; an unreachable
// source is remembered until it answers.
func (e *Engine) roleAgain(ctx context.Context, project, role string) error {
	_, err := e.readRole(ctx, project, role)
	return err
}

// readRole is roleAgain, and reports whether what is known of the role has changed. A source that only
// asks to wait is not away: what it said a moment ago stands, though nothing closes on it. An answer that
// comes after that to a later question says nothing any more.
func (e *Engine) readRole(ctx context.Context, project, role string) (changed bool, err error) {
	if e.cfg.People == nil {
		return false, nil
	}
	number := e.world.questions.Add(1)
	grants, err := e.cfg.People.Again(ctx, project, role)
	e.world.change.Lock()
	defer e.world.change.Unlock()
	key, now := project+"/"+role, e.now()
	r := e.world.reads[key]
	if number < r.told {
		return false, err
	}
	r.asked, r.later = now, time.Time{}
	if err != nil {
		busy := errs.Is(err, errs.Busy)
		if after := min(errs.After(err), askedMost); busy && after > 0 {
			r.later = now.Add(after)
		}
		e.world.reads[key] = r
		e.wake(loopPeople)
		if busy && e.world.down[key] == "" && now.Sub(r.known) <= roleKept || e.world.down[key] == errs.Text(err) {
			return false, err
		}
		e.world.down = maps.Clone(e.world.down)
		e.world.down[key] = errs.Text(err)
		if again := e.rebuild(ctx, newBatch()); again != nil {
			return false, again
		}
		return true, err
	}
	r.known, r.told = now, number
	e.world.reads[key] = r
	same := func(list []people.Grant) []people.Grant {
		return slices.DeleteFunc(slices.Clone(list), func(g people.Grant) bool { return g.Project+"/"+g.Role != key })
	}
	had := same(e.world.granted)
	if e.world.reread[key] {
		had = same(e.world.again)
	}
	if string(encode(had)) == string(encode(same(grants))) && e.world.down[key] == "" {
		return false, nil
	}
	e.world.down = maps.Clone(e.world.down)
	delete(e.world.down, key)
	rest := slices.DeleteFunc(slices.Clone(e.world.again), func(g people.Grant) bool { return g.Project+"/"+g.Role == key })
	e.world.again = append(rest, same(grants)...)
	e.world.reread[key] = true
	return true, e.rebuild(ctx, newBatch())
}

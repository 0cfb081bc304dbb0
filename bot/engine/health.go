package engine

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"slipway/bot/job"
	"slipway/bot/people"
	"slipway/bot/run"
)

// Load is how much work lies there, without a look into any run.
type Load struct {
	Runs    map[string]int // live runs by status, without private ones: their number would tell of them
	Queue   int            // deliveries that are not decoded, counted up to healthMost
	Oldest  time.Time      // when the oldest of them was stored; zero: none
	Outbox  int            // effects that have not ended, counted up to healthMost
	Due     int            // of these, those whose time has come
	Longest Overdue        // the one whose time came first
	Jobs    map[string]Idle
}

// Overdue is an effect that should have ended. Run is "" for the engine's own, such as a reply.
type Overdue struct {
	Action  string
	Run     string // its name; "" when it is private
	Since   time.Time
	Last    string // why the last try failed, for people
	Private bool
}

// Idle are the pulled jobs of one kind that nobody works on.
type Idle struct {
	Count  int
	Oldest time.Time // when the oldest was made
}

// healthMost bounds what one look counts.
const healthMost = 10_000

// Load counts what waits.
func (e *Engine) Load(ctx context.Context) (Load, error) {
	l := Load{Runs: map[string]int{}, Jobs: map[string]Idle{}}
	var bad error
	scan := func(space string, visit func(key string, value []byte) bool) {
		if bad == nil {
			if err := e.cfg.Store.Scan(ctx, space, "", "", false, visit); err != nil {
				bad = err
			}
		}
	}
	scan(spNames, func(k string, value []byte) bool {
		var r nameRecord
		if bad = decode(spNames+"/"+k, value, &r); bad == nil && r.Ended.IsZero() && !r.Private {
			l.Runs[r.Status]++
		}
		return bad == nil
	})
	first := ""
	scan(spQueue, func(k string, _ []byte) bool {
		if l.Queue++; first == "" {
			first = k
		}
		return l.Queue < healthMost
	})
	if first != "" && bad == nil {
		var r inboxRecord
		if _, found, err := e.get(ctx, spInbox, first, &r); err != nil {
			return l, err
		} else if found {
			l.Oldest = r.At
		}
	}
	now := e.now()
	due := ""
	scan(spOutbox, func(k string, value []byte) bool {
		if l.Outbox++; !stampTime(k).After(now) {
			if l.Due++; due == "" {
				due = k
				var r effectRecord
				if value, bad = e.unpack(ctx, value); bad == nil {
					bad = decode(spOutbox+"/"+k, value, &r)
				}
				if bad == nil {
					l.Longest = Overdue{Action: r.Action, Run: r.Run, Since: stampTime(k), Last: r.Last}
				}
			}
		}
		return bad == nil && l.Outbox < healthMost
	})
	if id := l.Longest.Run; id != "" && bad == nil {
		l.Longest.Run = ""
		if loaded, err := e.load(ctx, id); err == nil && loaded.raw != nil {
			if l.Longest.Private = loaded.name.Private; !loaded.name.Private {
				l.Longest.Run = loaded.name.Name
			}
		}
	}
	scanned := 0
	scan(spJobQueue, func(k string, _ []byte) bool {
		parts := strings.Split(k, sep)
		if len(parts) != 3 {
			return true
		}
		var r jobRecord
		if _, found, err := e.get(ctx, spJobs, id(parts[0], parts[2]), &r); err != nil {
			bad = err
			return false
		} else if found && r.Job.State == job.Pending {
			idle := l.Jobs[parts[0]]
			if idle.Count++; idle.Oldest.IsZero() || r.Job.Created.Before(idle.Oldest) {
				idle.Oldest = r.Job.Created
			}
			l.Jobs[parts[0]] = idle
		}
		scanned++
		return scanned < healthMost
	})
	return l, bad
}

// Trouble is a step that goes no further without a person.
type Trouble struct {
	Run     string // name of the run; "" when it is private
	Step    string // "" when the run is private
	Private bool
	Doubt   bool // nobody can tell whether its effect happened; otherwise it is stuck
	Since   time.Time
}

// troubleMost bounds how many live runs one look goes into.
const troubleMost = 1000

// Troubles looks into the live runs for steps that are stuck or doubtful, the oldest first. more
// tells that there are more live runs than it looked into.
func (e *Engine) Troubles(ctx context.Context) (all []Trouble, more bool, err error) {
	live, err := e.everyLive(ctx)
	if err != nil {
		return nil, false, err
	}
	if more = len(live) > troubleMost; more {
		live = live[:troubleMost]
	}
	for _, r := range live {
		l, err := e.load(ctx, r)
		if err != nil {
			return nil, more, err
		}
		if l.raw == nil || l.state.Status == run.RunEnded {
			continue
		}
		for path, st := range l.state.Steps {
			doubt := st.Status == run.InDoubt
			if !doubt && (st.Status != run.Stuck || l.state.Status == run.IsAborting) {
				continue
			}
			t := Trouble{Run: l.name.Name, Step: path, Private: l.name.Private, Doubt: doubt, Since: st.Since}
			if t.Private {
				t.Run, t.Step = "", ""
			}
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(a, b Trouble) int {
		if c := a.Since.Compare(b.Since); c != 0 {
			return c
		}
		return strings.Compare(a.Run+"\n"+a.Step, b.Run+"\n"+b.Step)
	})
	return all, more, nil
}

// everyLive are the ids of all live runs.
func (e *Engine) everyLive(ctx context.Context) (ids []string, err error) {
	var bad error
	err = e.cfg.Store.Scan(ctx, spNames, "", "", false, func(k string, value []byte) bool {
		var r nameRecord
		if bad = decode(spNames+"/"+k, value, &r); bad == nil && r.Ended.IsZero() {
			ids = append(ids, r.ID)
		}
		return bad == nil && len(ids) <= troubleMost
	})
	if err == nil {
		err = bad
	}
	return ids, err
}

// turns notes when each loop last looked for work, as Unix nanoseconds.
type turns map[string]*atomic.Int64

// Nudge makes every loop look for work. One that does not turn soon after hangs.
func (e *Engine) Nudge() {
	for name := range e.signal {
		e.wake(name)
	}
}

// Turned is when each loop of [Engine.Run] last looked for work; zero before its first look.
func (e *Engine) Turned() map[string]time.Time {
	out := make(map[string]time.Time, len(e.turns))
	for name, at := range e.turns {
		var t time.Time
		if ns := at.Load(); ns != 0 {
			t = time.Unix(0, ns).UTC()
		}
		out[name] = t
	}
	return out
}

// Stopped is why the engine stopped for good, or nil.
func (e *Engine) Stopped() error { return e.failed() }

// PausedSince is when and by whom effects were paused; ok is false when they are not.
func (e *Engine) PausedSince() (by people.PersonID, why string, since time.Time, ok bool) {
	if p := e.world.paused.Load(); p != nil {
		return p.By, p.Why, p.At, true
	}
	return "", "", time.Time{}, false
}

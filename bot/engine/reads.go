package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/job"
	"slipway/bot/people"
)

// Log says how long the log of a run is: the number of its newest commit, and the value of its hash
// chain after that. The error is of kind [errs.NotFound] for a run that does not exist.
func (e *Engine) Log(ctx context.Context, runID string) (seq uint64, chain string, err error) {
	l, err := e.load(ctx, runID)
	if err != nil {
		return 0, "", err
	}
	if l.raw == nil {
		return 0, "", errs.E("engine.log", errs.NotFound, fmt.Errorf("there is no run %s", runID))
	}
	return l.rec.Seq, l.rec.Chain, nil
}

// ShownAt are the messages of the card of a run, one for each place that shows it; the thread of
// each is where people speak about the run.
func (e *Engine) ShownAt(ctx context.Context, runID string) ([]Ref, error) {
	var out []Ref
	var bad error
	prefix := runID + sep
	err := e.cfg.Store.Scan(ctx, spCards, prefix, after(prefix), false, func(k string, value []byte) bool {
		var r cardRecord
		if bad = decode("cards/"+k, value, &r); bad != nil {
			return false
		}
		if parts := splitID(k); len(parts) == 3 && r.Message != "" && !r.Gone {
			out = append(out, Ref{Place: Place{parts[1], parts[2]}, Message: r.Message})
		}
		return len(out) < 64
	})
	return out, errors.Join(err, bad)
}

// Timer is a moment at which a run goes on, reminds or gives up by itself. ID begins with what it is
// for: deadline/, remind/, at/, retry/ and others, before the path of the step.
type Timer struct {
	Run, ID string
	Due     time.Time
}

// Timers lists the timers of all runs that are due before until, the first n.
func (e *Engine) Timers(ctx context.Context, until time.Time, n int) ([]Timer, error) {
	var out []Timer
	err := e.cfg.Store.Scan(ctx, spTimers, "", stamp(until), false, func(k string, _ []byte) bool {
		if parts := strings.SplitN(k, sep, 3); len(parts) == 3 {
			out = append(out, Timer{Run: parts[1], ID: parts[2], Due: stampTime(parts[0])})
		}
		return len(out) < n
	})
	return out, err
}

// Planned is a run that a schedule starts.
type Planned struct {
	Project, Playbook string
	Every             string // the schedule as it is written
	Due               time.Time
}

// Schedules lists when each trigger with a schedule starts its next run.
func (e *Engine) Schedules(ctx context.Context) ([]Planned, error) {
	var out []Planned
	var bad error
	err := e.cfg.Store.Scan(ctx, spSchedules, "", "", false, func(k string, value []byte) bool { // one a trigger
		var r scheduleRecord
		if bad = decode("schedules/"+k, value, &r); bad != nil {
			return false
		}
		if parts := splitID(k); len(parts) == 2 {
			out = append(out, Planned{Project: parts[0], Playbook: parts[1], Every: r.Every, Due: r.Due})
		}
		return len(out) < 1000
	})
	return out, errors.Join(err, bad)
}

// Queued is a start that waits until the run that has its name ends.
type Queued struct {
	ID, Name, Project, Family string
	Person                    people.PersonID
	Private                   bool
	Circle                    []people.PersonID
	Since                     time.Time
}

// Waiting lists the starts that wait for their name, the first n by name.
func (e *Engine) Waiting(ctx context.Context, n int) ([]Queued, error) {
	var out []Queued
	var bad error
	err := e.cfg.Store.Scan(ctx, spStarts, "", "", false, func(k string, value []byte) bool {
		var r startRecord
		if bad = decode("starts/"+k, value, &r); bad != nil {
			return false
		}
		if parts := splitID(k); len(parts) == 3 {
			out = append(out, Queued{ID: r.ID, Name: parts[0], Project: r.Request.Project, Family: r.Request.Family, Person: r.Request.Person,
				Private: r.Request.Private, Circle: r.Request.Circle, Since: stampTime(parts[1])})
		}
		return len(out) < n
	})
	return out, errors.Join(err, bad)
}

// Jobs lists the pulled jobs that have no verdict yet, by kind and oldest first, the first n.
func (e *Engine) Jobs(ctx context.Context, n int) ([]job.Job, error) {
	type key struct{ kind, id string }
	var keys []key
	err := e.cfg.Store.Scan(ctx, spJobQueue, "", "", false, func(k string, _ []byte) bool {
		if parts := splitID(k); len(parts) == 3 {
			keys = append(keys, key{parts[0], parts[2]})
		}
		return len(keys) < n
	})
	if err != nil {
		return nil, err
	}
	var out []job.Job
	for _, k := range keys {
		j, found, err := e.Job(ctx, k.kind, k.id)
		if err != nil {
			return nil, err
		}
		if found {
			out = append(out, j)
		}
	}
	return out, nil
}

// Contract is what is known of an action by its reference, e.g. "git.push_tag@1"; found is false
// for one that this program does not have.
func (e *Engine) Contract(ref string) (c action.Contract, found bool) {
	for _, known := range e.cfg.Actions.Contracts() {
		if known.Ref() == ref {
			return known, true
		}
	}
	return c, false
}

// Read gives a body that was kept by its digest. Whoever asks must make sure that it belongs to what
// the viewer may see. The error is of kind [errs.NotFound] for one that is not kept.
func (e *Engine) Read(ctx context.Context, digest string) ([]byte, error) {
	return e.cfg.Blobs.Get(ctx, digest)
}

// Projects are the names of the configured projects.
func (e *Engine) Projects() []string { return e.cfg.Projects.Names() }

// Project is what is configured of a project.
func (e *Engine) Project(name string) (Project, bool) { return e.cfg.Projects.Project(name) }

// Direct are the places that only this person and the bot read.
func (e *Engine) Direct(p people.PersonID) []Place {
	if e.cfg.Direct == nil || p == "" {
		return nil
	}
	return e.cfg.Direct(p)
}

// ByCommand begins the name under which a vote by command came, before that of the message.
const ByCommand = byCommand

// ParseRef reads what [Ref.String] wrote; ok is false for anything else, such as the name of a review
// through which a vote came.
func ParseRef(s string) (r Ref, ok bool) { return parseRef(s) }

// GateMessages are the messages on which people react to one manifest of a gate.
func (e *Engine) GateMessages(ctx context.Context, digest, runID, step string) ([]Ref, error) {
	return e.gateRefs(ctx, digest, runID, step)
}

// PendingOf lists the effects of one run that have not ended, the first n.
func (e *Engine) PendingOf(ctx context.Context, runID string, n int) ([]Pending, error) {
	l, err := e.load(ctx, runID)
	if err != nil {
		return nil, err
	}
	rows := slices.Sorted(maps.Values(l.rec.Pending))
	out := []Pending{}
	for _, row := range rows[:min(len(rows), n)] {
		var r effectRecord
		_, found, err := e.get(ctx, spOutbox, row, &r)
		if err != nil {
			return nil, err
		}
		if found { // one that became a job has left the outbox
			out = append(out, Pending{r.Run, r.Step, r.Action, r.Key, later(r.After, r.NotBefore), r.Attempts, r.Last, r.Marked != ""})
		}
	}
	return out, nil
}

// Occurrences are the next times of a schedule from its due time on, before until, at most n.
func (e *Engine) Occurrences(p Planned, until time.Time, n int) []time.Time {
	s, loc, err := e.schedule(p.Every)
	if err != nil {
		return nil
	}
	var out []time.Time
	for at := p.Due; !at.IsZero() && at.Before(until) && len(out) < n; at = s.Next(at, loc) {
		out = append(out, at)
	}
	return out
}

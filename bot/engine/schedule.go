package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"slipway/bot/calendar"
	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// late is how long after its time a scheduled start still counts as on time. What comes later was
// missed, and the trigger says what becomes of it.
const late = 5 * time.Minute

// plans is when the next schedule comes, of triggers and offers.
type plans struct {
	mu    sync.Mutex
	known bool
	next  time.Time // zero with known: none
}

// look makes the schedules be read again.
func (p *plans) look() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known = false
}

func (p *plans) quiet(now time.Time) (next time.Time, yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next, p.known && (p.next.IsZero() || p.next.After(now))
}

func (p *plans) set(next time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known, p.next = true, next
}

// schedulesDue starts what schedules say, and tells when the next one comes.
func (e *Engine) schedulesDue(ctx context.Context) (did bool, next time.Time, err error) {
	now := e.now()
	if next, quiet := e.plans.quiet(now); quiet {
		return false, next, nil
	}
	e.plans.set(time.Time{}) // an offer that opens meanwhile makes it be read again
	wait := func(what string, err error) error {
		if stops(err) || ctx.Err() != nil {
			e.plans.look()
			return err
		}
		e.cfg.Log.Warn("a schedule waits", "schedule", what, "error", errs.Text(err))
		next = earlier(next, now.Add(time.Minute))
		return nil
	}
	for _, name := range e.cfg.Projects.Names() {
		project, _ := e.cfg.Projects.Project(name)
		for _, family := range project.Triggers {
			p := e.cfg.Playbooks.Current(family)
			if p == nil || p.Trigger == nil || p.Trigger.Every == "" {
				continue
			}
			started, due, err := e.triggerDue(ctx, project, p)
			if err != nil {
				if err := wait(family+" of "+name, err); err != nil {
					return did, time.Time{}, err
				}
			}
			did, next = did || started, earlier(next, due)
		}
	}
	started, due, err := e.offersDue(ctx)
	if err != nil {
		if err := wait("offers", err); err != nil {
			return did, time.Time{}, err
		}
	}
	did, next = did || started, earlier(next, due)
	if did {
		e.plans.look()
		return true, time.Time{}, nil
	}
	if _, quiet := e.plans.quiet(now); quiet {
		e.plans.set(next)
	}
	return false, next, nil
}

// schedule reads a schedule and finds its zone.
func (e *Engine) schedule(text string) (calendar.Schedule, *time.Location, error) {
	s, err := calendar.ParseSchedule(text)
	if err != nil || s.Zone() == "UTC" {
		return s, time.UTC, err
	}
	if e.cfg.Zone == nil {
		return s, nil, errs.E("engine.schedule", errs.Invalid, fmt.Errorf("the time zone %s is not known here", s.Zone())).Hint("write the time in UTC")
	}
	loc, err := e.cfg.Zone(s.Zone())
	if err != nil {
		return s, nil, errs.E("engine.schedule", errs.Invalid, fmt.Errorf("there is no time zone %s", s.Zone())).
			Hint("use a name such as Europe/London, or UTC")
	}
	return s, loc, nil
}

// triggerDue starts a run of a playbook in a project if its time has come. The time of the next
// is written in the commit that begins the run, so that a crash neither loses nor doubles one.
func (e *Engine) triggerDue(ctx context.Context, project Project, p *playbook.Playbook) (did bool, next time.Time, err error) {
	s, loc, err := e.schedule(p.Trigger.Every)
	if err != nil {
		return false, time.Time{}, err
	}
	key, now := id(project.Name, p.Name), e.now()
	var r scheduleRecord
	raw, found, err := e.get(ctx, spSchedules, key, &r)
	if err != nil {
		return false, time.Time{}, err
	}
	if found && r.Every == p.Trigger.Every && r.Due.After(now) {
		return false, r.Due, nil
	}
	record := func(b *batch, due time.Time) {
		b.put(spSchedules, key, encode(scheduleRecord{p.Trigger.Every, due}))
	}
	write := func(due time.Time, fill func(b *batch) error) (bool, time.Time, error) {
		b := newBatch()
		b.guard(spSchedules, key, raw)
		record(b, due)
		if fill != nil {
			if err := fill(b); err != nil {
				return false, time.Time{}, err
			}
		}
		err := e.commit(ctx, "schedule", b)
		e.wake(loopEffects)
		return true, due, err
	}
	if !found || r.Every != p.Trigger.Every { // it counts from now on
		return write(s.Next(now, loc), nil)
	}
	at, lost, due := due(s, loc, r.Due, now, p.Trigger.Missed)
	missed := func(b *batch) error {
		if len(lost) == 0 {
			return nil
		}
		return e.putNotice(ctx, b, "missed\x00"+key+stamp(r.Due), noticeIn{Places: project.Places,
			Title: fmt.Sprintf("%s: %d starts were missed", p.Name, len(lost)), Text: missedText(lost, at)})
	}
	if at.IsZero() {
		return write(due, missed)
	}
	failed := func(b *batch, why error) error {
		return e.putNotice(ctx, b, "failed\x00"+key+stamp(at), noticeIn{Places: project.Places,
			Title: fmt.Sprintf("%s was not started at %s", p.Name, card.Moment(at)), Text: errs.Text(why)})
	}
	inputs, yes, err := triggerInputs(p, project, nil, at)
	if err != nil {
		return write(due, func(b *batch) error { return failed(b, err) })
	}
	if !yes {
		return write(due, missed)
	}
	var bad error
	_, err = e.startRun(ctx, StartRequest{Family: p.Name, Project: project.Name, Inputs: inputs, Owner: p.Trigger.Owner,
		Via: "schedule " + at.Format(time.RFC3339)}, also{
		once:   Once{short("schedule\x00" + key + "\x00" + stamp(at))},
		guards: []Guard{{Key{spSchedules, key}, raw}},
		then: func(b *batch, _ *live, d run.Decision) {
			record(b, due)
			if d.Refusal != nil {
				bad = errors.Join(bad, failed(b, d.Refusal))
				return
			}
			bad = errors.Join(bad, missed(b))
		},
	})
	e.wake(loopEffects)
	if bad != nil {
		e.cfg.Log.Warn("what a schedule missed could not be told", "error", errs.Text(bad))
	}
	switch {
	case err == nil:
	case stops(err) || ctx.Err() != nil || errs.Is(err, errs.Unavailable):
		return false, time.Time{}, err
	}
	// The start may have been refused, or waits for its name: then the schedule did not move.
	again, _, readErr := e.get(ctx, spSchedules, key, &r)
	if readErr != nil || string(again) != string(raw) {
		return true, due, readErr
	}
	return write(due, func(b *batch) error {
		if err == nil || err == errRepeat {
			return missed(b)
		}
		return failed(b, err)
	})
}

// due says which of the times up to now is started, which are not, and when the next one comes.
// For run-all they are started one after another.
func due(s calendar.Schedule, loc *time.Location, first, now time.Time, policy string) (at time.Time, lost []time.Time, next time.Time) {
	times := s.Missed(first.Add(-1), now, loc)
	for i := range times {
		times[i] = times[i].UTC()
	}
	if len(times) == 0 {
		return time.Time{}, nil, s.Next(now, loc)
	}
	last := len(times) - 1
	switch {
	case policy == "run-all":
		return times[0], nil, s.Next(times[0], loc)
	case policy == "skip" && now.Sub(times[last]) > late:
		return time.Time{}, times, s.Next(now, loc)
	}
	return times[last], times[:last], s.Next(now, loc)
}

func missedText(lost []time.Time, at time.Time) string {
	text := "I was away at " + card.Moment(lost[0])
	if n := len(lost); n > 1 {
		text += " and until " + card.Moment(lost[n-1])
	}
	if at.IsZero() {
		return text + ". None of them is started; the next one comes at its time."
	}
	return text + ". One is started now, for " + card.Moment(at) + "."
}

// triggerInputs makes the inputs of a run that a trigger starts; yes is false when its condition
// does not hold. fact is nil for a schedule.
func triggerInputs(p *playbook.Playbook, project Project, fact map[string]any, at time.Time) (in map[string]any, yes bool, err error) {
	scope := playbook.Scope{Project: project.Profile, Now: at}
	if fact != nil {
		scope.Locals = map[string]any{"fact": fact}
	}
	if p.Trigger.When != nil {
		if yes, err := p.Trigger.When.Bool(scope); err != nil || !yes {
			return nil, false, err
		}
	}
	in = map[string]any{}
	for name, t := range p.Trigger.With {
		v, err := t.Eval(scope)
		if err != nil {
			return nil, false, err
		}
		if v != nil {
			in[name] = v
		}
	}
	return in, true, nil
}

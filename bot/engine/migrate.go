package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// bookFor is the playbook with which an input of a run is decided: the one it began with, but for
// a migration the one it is to move to, and for the abort of a run whose playbook does not fit
// any more, and what follows that, none at all.
func (e *Engine) bookFor(ctx context.Context, l *live, digest string, in run.Input) (*playbook.Playbook, error) {
	c, _ := in.(run.Command)
	if c.Verb == run.MigrateVerb && c.Playbook != "" {
		digest = c.Playbook
	}
	p, err := e.book(ctx, digest)
	if err == nil || stops(err) || l.raw == nil {
		return p, err
	}
	_, replaced := in.(run.Replaced)
	if c.Verb == run.AbortVerb || replaced || l.state.Status == run.IsAborting || l.state.Status == run.RunEnded {
		return run.Orphan(l.name.Family, digest), nil
	}
	return nil, err
}

// Migration is what moving a run to the present playbook would change.
type Migration struct {
	Name     string // of the run
	From, To string // digests of the playbooks
	Lines    []string
	Lost     []string // steps that have begun and would be gone: then the run cannot move
}

// MigratePlan says what moving a run to the present playbook and profile would change. Errors:
// [errs.NotFound] for a run or playbook that does not exist.
func (e *Engine) MigratePlan(ctx context.Context, runID string) (Migration, error) {
	l, err := e.load(ctx, runID)
	if err != nil {
		return Migration{}, err
	}
	if l.raw == nil {
		return Migration{}, errs.E("engine.migrate", errs.NotFound, fmt.Errorf("there is no run %s", runID))
	}
	s := l.state
	next, was, err := e.present(ctx, s)
	if err != nil {
		return Migration{}, err
	}
	m := Migration{Name: s.Name, From: s.Playbook, To: next.Digest, Lost: run.Vanished(next, s)}
	if next.Digest != s.Playbook {
		m.Lines = playbook.Diff([]byte(was.Source), next.Source)
	}
	closure, members, err := e.closure(next)
	if err != nil {
		return Migration{}, err
	}
	if closure != s.Closure {
		old := map[string]string{}
		if _, _, err := e.get(ctx, spClosures, s.Closure, &old); err != nil {
			return Migration{}, err
		}
		for _, name := range slices.Sorted(maps.Keys(members)) {
			if name != next.Name && old[name] != members[name] {
				m.Lines = append(m.Lines, "playbook "+name+", which it starts, changes")
			}
		}
	}
	values := e.pinProfile(s.Project, next)
	for _, name := range next.ProfileReads() {
		if a, b := encode(s.Profile[name]), encode(values[name]); string(a) != string(b) {
			m.Lines = append(m.Lines, fmt.Sprintf("project.%s: was %s, now %s", name, clip(string(a), 120), clip(string(b), 120)))
		}
	}
	return m, nil
}

// present is the playbook that the run would begin with now, and the one that it began with, as it
// is kept.
func (e *Engine) present(ctx context.Context, s *run.State) (*playbook.Playbook, bookRecord, error) {
	var was bookRecord
	_, found, err := e.get(ctx, spBooks, s.Playbook, &was)
	if err != nil {
		return nil, was, err
	}
	if !found {
		p, err := e.book(ctx, s.Playbook)
		if err != nil {
			return nil, was, err
		}
		was = bookRecord{Name: p.Name, Source: string(p.Source)}
	}
	p := e.cfg.Playbooks.Current(was.Name)
	if p == nil {
		return nil, was, errs.E("engine.migrate", errs.NotFound, fmt.Errorf("there is no playbook %q any more", was.Name)).
			Hint("put it back, or abort the run")
	}
	return p, was, nil
}

func (e *Engine) pinProfile(project string, p *playbook.Playbook) map[string]any {
	out := map[string]any{}
	found, _ := e.cfg.Projects.Project(project)
	for _, field := range p.ProfileReads() {
		if v, ok := found.Profile[field]; ok {
			out[field] = v
		}
	}
	return out
}

// migration fills in where a run moves to: never taken from what a person wrote.
func (e *Engine) migration(ctx context.Context, s *run.State, c run.Command) (run.Input, error) {
	p, _, err := e.present(ctx, s)
	if err != nil {
		return nil, err
	}
	closure, members, err := e.closure(p)
	if err == nil {
		err = e.keepBooks(ctx, closure, members, p)
	}
	c.Playbook, c.Closure, c.Values = p.Digest, closure, map[string]any{"profile": e.pinProfile(s.Project, p)}
	return c, err
}

// Migrate moves a run to the present playbook and profile. A refusal is in the Decision.
func (e *Engine) Migrate(ctx context.Context, runID string, by people.PersonID, reason string, once Once) (run.Decision, error) {
	l, err := e.load(ctx, runID)
	if err != nil {
		return run.Decision{}, err
	}
	if l.raw == nil {
		return run.Decision{}, errs.E("engine.migrate", errs.NotFound, fmt.Errorf("there is no run %s", runID))
	}
	in, err := e.migration(ctx, l.state, run.Command{Verb: run.MigrateVerb, Person: by, Reason: reason})
	if err != nil {
		return run.Decision{}, err
	}
	return e.submit(ctx, runID, in, also{once: once})
}

// taking finds the run that a lock is taken for.
func (e *Engine) taking(ctx context.Context, s Spoken, from string, c run.Command) (run.Input, error) {
	if c.First != "" {
		first, err := e.resolveFor(ctx, s, c.First)
		c.First = first
		return c, err
	}
	l := e.world.view.Load().locks[c.Lock]
	if l.Holder.Run == from && !slices.ContainsFunc(l.Queue, func(q run.Claim) bool { return q.Run != from }) {
		return nil, errs.E("engine.lock", errs.Conflict, fmt.Errorf("no other run waits for the lock %s", c.Lock)).
			Hint("start the run that needs it; then it can be taken")
	}
	return c, nil
}

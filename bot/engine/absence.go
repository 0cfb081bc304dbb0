package engine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/run"
)

func awayID(a people.Absence) string { return id(string(a.Person), stamp(a.Until)) }

// SetAbsence stores an absence, in place of those of the person that it overlaps, with the
// delegations that it brings. Whoever asks for it must have been allowed to ([people.GoAway]); once
// makes it happen at most once. Runs that wait for the person look again.
func (e *Engine) SetAbsence(ctx context.Context, a people.Absence, standIns []people.Grant, once Once) error {
	now := e.now()
	known := e.World().Directory.Absences()
	return e.changeWorld(ctx, once, func(b *batch) {
		for _, old := range known {
			over := old.Until.Add(e.cfg.KeepInbox).Before(now) // long past: nobody asks any more
			if over || old.Person == a.Person && old.From.Before(a.Until) && a.From.Before(old.Until) {
				b.del(spAway, awayID(old))
			}
		}
		e.endStandIns(b, a.Person)
		b.put(spAway, awayID(a), encode(a))
		for _, g := range standIns {
			b.put(spGrants, g.ID, encode(g))
		}
	})
}

// EndAbsence says that a person is back: absences that have not ended go, with their delegations.
func (e *Engine) EndAbsence(ctx context.Context, p people.PersonID, once Once) error {
	now := e.now()
	known := e.World().Directory.Absences()
	return e.changeWorld(ctx, once, func(b *batch) {
		for _, old := range known {
			if old.Person == p && now.Before(old.Until) {
				b.del(spAway, awayID(old))
			}
		}
		e.endStandIns(b, p)
	})
}

// endStandIns takes the delegations away that absences of a person made.
func (e *Engine) endStandIns(b *batch, p people.PersonID) {
	prefix := people.StandInID(p)
	err := e.cfg.Store.Scan(context.Background(), spGrants, prefix, after(prefix), false, func(k string, _ []byte) bool {
		if strings.HasPrefix(k, prefix) {
			b.del(spGrants, k)
		}
		return true
	})
	if err != nil {
		e.cfg.Log.Error("the stand-ins of somebody cannot be read", "error", errs.Text(err))
	}
}

// absencesDue makes runs look again when an absence begins or ends, and says when the next one does.
func (e *Engine) absencesDue() (next time.Time) {
	e.world.change.Lock()
	now, since := e.now(), e.world.absent
	e.world.absent = now
	e.world.change.Unlock()
	moved := false
	for _, a := range e.world.view.Load().dir.Absences() {
		for _, at := range []time.Time{a.From, a.Until} {
			switch {
			case at.After(now):
				next = earlier(next, at)
			case at.After(since) && !since.IsZero():
				moved = true
			}
		}
	}
	if moved {
		e.wakeAll("somebody went away or is back")
	}
	return next
}

// AbsentGate is an open gate that cannot pass before somebody who is away is back.
type AbsentGate struct {
	Run, Name, Gate string // Name is "a private run" to whom it is one
	Why             string
}

// AbsentGates lists them, as the viewer may know of them.
func (e *Engine) AbsentGates(ctx context.Context, viewer people.PersonID) ([]AbsentGate, error) {
	w := e.World()
	if !slices.ContainsFunc(w.Directory.Absences(), func(a people.Absence) bool { return a.At(w.Now) }) {
		return nil, nil
	}
	var runs []string
	err := e.cfg.Store.Scan(ctx, spAwaits, "", "", false, func(k string, _ []byte) bool {
		if parts := splitID(k); len(parts) >= 4 && !slices.Contains(runs, parts[2]) {
			runs = append(runs, parts[2])
		}
		return ctx.Err() == nil
	})
	if err = errors.Join(err, ctx.Err()); err != nil {
		return nil, err
	}
	var out []AbsentGate
	for _, runID := range runs {
		l, err := e.load(ctx, runID)
		if err != nil {
			return nil, err
		}
		if l.raw == nil {
			continue
		}
		book, err := e.book(ctx, l.state.Playbook)
		if err != nil {
			continue
		}
		for path, why := range run.AbsentGates(book, l.state, w) {
			g := AbsentGate{Run: runID, Name: l.name.Name, Gate: path, Why: why}
			if !visible(*l.name, viewer) {
				g = AbsentGate{Name: run.PrivateRun, Why: "it cannot pass before somebody is back"}
			}
			out = append(out, g)
		}
	}
	slices.SortFunc(out, func(a, b AbsentGate) int { return strings.Compare(a.Name+a.Gate, b.Name+b.Gate) })
	return out, nil
}

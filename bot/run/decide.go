// Package run is one execution of a playbook as a pure state machine.
//
// [Decide] says what follows from an input; it changes nothing. [State.Apply] replays the events
// that it returns. The same playbook, state, input and world give the same decision, so that a
// run can be rebuilt from its events, walked exhaustively in a test, and rehearsed. A refusal is
// a Decision too: commands from people always get an answer.
//
// Inside, a [decider] holds a working copy of the state. Every change is an event: emitting one
// applies it to the copy at once. After the input was handled, advance looks at every step in
// the order of declaration until nothing more follows. What a step still waits for is answered
// by one function, blockers, for advance and for [Why] alike.
package run

import (
	"fmt"
	"time"

	"slipway/bot/errs"
	"slipway/bot/gate"
	"slipway/bot/people"
	"slipway/bot/playbook"
)

// Decision is what follows from an input.
//
// Refusal and Events exclude each other; with neither, the input changed nothing (a repeat).
// Events are to be committed together. Effects, timers and locks are not listed apart: they are
// events ([EffectIntended], [TimerSet], [LockTaken] …), so that a store can be checked against
// the log it was made from.
type Decision struct {
	Events  []Event
	Refusal *errs.Error
	Reply   string   // to the person who spoke; "" when there is nothing to say
	Reads   []Read   // versions that the decision rests on
	After   *State   // the state after Events; the same pointer as before when there are none
	Hurry   []string // keys of effects in flight whose next try should come at once
}

// Read is one version that a decision rests on.
type Read struct {
	What    string // "lock", "role" or "freeze"
	Name    string // lock: its name; role: "project/role"; freeze: the calendar
	Version uint64
}

// maxRounds bounds advance. Every round but the last emits an event, and a playbook has no way
// to start a step twice in one decision, so the bound is never met; it turns a defect into a
// stuck run instead of an endless loop.
const maxRounds = 10_000

// Decide says what follows from in. It changes nothing; Apply replays the events it returns.
// p is the playbook that the run keeps, or, for [MigrateVerb], the one it is to move to. s may be
// nil for a run that has not started. Refusals are of kind Invalid (the input cannot be used),
// Denied (this person may not), NotFound (no such step) or Conflict (not as things stand now).
func Decide(p *playbook.Playbook, s *State, in Input, w World) Decision {
	if s == nil {
		s = &State{}
	}
	d := newDecider(p, s, w)
	if refusal := d.handle(in); refusal != nil {
		return Decision{Refusal: refusal, Reads: d.reads, After: s}
	}
	d.advance()
	if len(d.events) == 0 {
		return Decision{Reply: d.reply, Reads: d.reads, After: s, Hurry: d.hurried}
	}
	return Decision{Events: d.events, Reply: d.reply, Reads: d.reads, After: d.s}
}

type decider struct {
	fold
	p      *playbook.Playbook
	w      World
	now    time.Time
	by     people.PersonID // to whom the events now emitted are due
	dir    people.Directory
	hasDir bool
	events []Event
	reads  []Read
	reply  string

	told    *Told    // what made the wait look whose result is taken now
	hurried []string // effects that are to be tried at once

	anew      string // the step that starts anew, and so sees the ledgers as they are now
	untouched Step   // every step of which no event has spoken; it is never written

	list   []*inst // instances, in order; nil: to be made
	locks  map[string]Lock
	branch map[string][]string // declared path of a branch step → the steps that lead to it
	turns  map[string]map[string]bool
	dead   map[string]bool // steps that can never be over, as of deadAt events
	deadAt int

	open   map[string]*Blocker // what is not over before a step that is, as of openAt events
	openAt int

	ends   *[2]string // the gate whose no ends the run, and the step that refuses it, as of endsAt events
	endsAt int

	states    map[string][]string // of the elements of each list, as of statesAt events
	statesAt  int
	verdicts  map[string]gate.Verdict // of open gates, as of verdictAt events
	verdictAt int
}

func newDecider(p *playbook.Playbook, s *State, w World) *decider {
	return &decider{fold: *newFold(s), p: p, w: w, now: w.Now.UTC().Round(0), untouched: Step{Status: Waiting}}
}

// emit applies body to the working state and adds it to the decision.
func (d *decider) emit(body Body) {
	e := Event{At: d.now, By: d.by, Body: body}
	d.events = append(d.events, e)
	d.apply(e)
	switch body.(type) {
	case Listed, Relisted, Started, Migrated:
		d.list = nil
	case Appointed:
		d.hasDir = false
	}
}

func (d *decider) read(what, name string, version uint64) {
	for i := range d.reads {
		if d.reads[i].What == what && d.reads[i].Name == name {
			return
		}
	}
	d.reads = append(d.reads, Read{what, name, version})
}

func refuse(kind errs.Kind, format string, args ...any) *errs.Error {
	return errs.E("run", kind, fmt.Errorf(format, args...))
}

func (d *decider) handle(in Input) *errs.Error {
	if st, ok := in.(Start); ok {
		return d.start(st)
	}
	if d.s.Status == "" {
		return refuse(errs.NotFound, "this run has not been started")
	}
	if d.s.Status == RunEnded {
		return d.handleEnded(in)
	}
	switch in := in.(type) {
	case Result:
		return d.result(in)
	case Vote:
		return d.vote(in)
	case Reactions:
		return d.reactions(in)
	case Closing:
		return d.closing(in)
	case TimerFired:
		d.timer(in.ID)
	case Look:
		d.lookNow(in.Step)
	case LocksChanged, Wake:
		d.yieldToHigher()
	case Ended:
		d.childEnded(in)
	case Aggregate:
		d.aggregate(in)
	case Answer:
		return d.answer(in)
	case Triggered:
		return d.triggered(in)
	case Replaced:
		return d.abort(Command{Reason: in.Why})
	case Command:
		return d.command(in)
	}
	return nil
}

// handleEnded answers what comes after the end: people get a refusal, the rest is a repeat.
func (d *decider) handleEnded(in Input) *errs.Error {
	switch in := in.(type) {
	case Vote, Answer, Command:
		return refuse(errs.Conflict, "%s has ended: %s", d.s.Name, d.s.Outcome).
			Hint("it was over at %s; start a new run if there is more to do", d.s.EndedAt.Format(time.RFC3339))
	case TimerFired:
		d.clearTimer(in.ID)
	}
	return nil
}

// start begins a run.
func (d *decider) start(in Start) *errs.Error {
	if d.s.Status != "" {
		if d.s.ID == in.ID {
			return nil // a repeat
		}
		return refuse(errs.Exists, "this run was started already as %s", d.s.Name)
	}
	if in.ID == "" || in.Project == "" {
		return refuse(errs.Invalid, "a run needs an id and a project")
	}
	if in.Requester == "" && in.Owner == "" {
		return refuse(errs.Invalid, "nobody is known to have asked for this run").
			Hint("link your account first, or name an owner role in the playbook's trigger")
	}
	inputs, err := fit("input", d.p.Inputs, in.Inputs, true)
	if err != nil {
		return err
	}
	in.Inputs = inputs
	in.Inherited = inherited(d.p, in.Inherited)
	d.s.Start = in // the name is made from it
	name := d.p.Name + "/" + in.ID
	if d.p.RunName != nil {
		text, err := d.nameIn(d.scope(nil, nil))
		if err != nil {
			return err
		}
		name = text
	}
	d.s.Start = Start{}
	d.by = in.Requester
	d.emit(Started{Start: in, Name: name})
	if in.Adopt {
		d.emit(Adopting{})
	}
	return nil
}

// plainError is the text of err for people, or a stand-in when there is none.
func plainError(err error) string {
	if err == nil {
		return "the value is not text"
	}
	return errs.Text(err)
}

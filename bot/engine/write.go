package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"slipway/bot/errs"
	"slipway/bot/evidence"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// writer turns one decision into the writes of one commit.
type writer struct {
	e    *Engine
	ctx  context.Context
	book *playbook.Playbook
	was  *live
	d    run.Decision
	b    *batch
	view *view

	rec       runRecord
	oldBook   *playbook.Playbook // of the run as it was
	scheduled bool               // an offer with a schedule was opened
	headed    bool               // a head of the log is to be signed
	at        time.Time          // of the commit

	locks   map[string]run.Lock // as they are after the events
	lockRaw map[string][]byte
}

func (w *writer) write() (*live, error) {
	after, b := w.d.After, w.b
	if after == nil {
		return nil, errs.E("engine.write", errs.Internal, errors.New("a decision with events has no state after them"))
	}
	w.rec = runRecord{Seq: w.was.rec.Seq + 1, Chain: w.was.rec.Chain, Pending: maps.Clone(w.was.rec.Pending), Epoch: w.was.rec.Epoch}
	if w.was.raw == nil {
		var err error
		if w.rec.Epoch, err = w.e.epochOf(w.ctx, after.Parent); err != nil {
			return nil, err
		}
	}
	if w.rec.Pending == nil {
		w.rec.Pending = map[string]string{}
	}
	if err := w.events(); err != nil {
		return nil, err
	}
	for _, path := range w.touched() {
		if err := w.step(path); err != nil {
			return nil, err
		}
	}
	if err := w.consequences(); err != nil {
		return nil, err
	}
	if err := w.headsAt(); err != nil {
		return nil, err
	}
	w.timers()
	head, err := run.EncodeHead(after.Head)
	if err != nil {
		return nil, errs.E("engine.write", errs.Internal, fmt.Errorf("the head of run %s does not encode: %w", after.ID, err))
	}
	next := &live{id: after.ID, state: after, name: nameOf(after, w.book.Name)}
	w.names(next)
	w.awaited()
	if err := w.begun(); err != nil {
		return nil, err
	}
	next.raw = encodeRun(w.rec, head)
	next.rec = w.rec
	b.guard(spRuns, after.ID, w.was.raw)
	b.put(spRuns, after.ID, next.raw)
	return next, nil
}

// touched are the paths of the steps whose records change. A run that moves to another playbook
// is indexed anew.
func (w *writer) touched() []string {
	paths := run.Touched(w.d.Events)
	w.oldBook = w.book
	if w.was.raw == nil || w.was.state.Playbook == w.d.After.Playbook {
		return paths
	}
	if old, err := w.e.book(w.ctx, w.was.state.Playbook); err == nil {
		w.oldBook = old
	}
	for path := range w.d.After.Steps {
		if !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	return paths
}

func (w *writer) events() error {
	list := make([]json.RawMessage, len(w.d.Events))
	for i, ev := range w.d.Events {
		raw, err := run.EncodeEvent(ev)
		if err != nil {
			return errs.E("engine.write", errs.Internal, fmt.Errorf("an event of run %s does not encode: %w", w.d.After.ID, err))
		}
		list[i] = raw
	}
	w.at = w.e.now()
	r := eventRecord{At: w.at, Events: list}
	var err error
	if r.Chain, err = evidence.Link(w.rec.Chain, r.At, list); err != nil {
		return err
	}
	w.rec.Chain = r.Chain
	value, err := w.e.pack(w.ctx, encodeEvents(r))
	if err != nil {
		return err
	}
	w.b.put(spEvents, id(w.d.After.ID, seqID(w.rec.Seq)), value)
	return nil
}

// encodeEvents keeps the bytes of the events as they were chained.
func encodeEvents(r eventRecord) []byte {
	n := 256
	for _, ev := range r.Events {
		n += len(ev) + 1
	}
	out := append(make([]byte, 0, n), `{"at":"`...)
	out = append(r.At.AppendFormat(out, time.RFC3339Nano), '"')
	out = append(append(append(out, `,"chain":"`...), r.Chain...), `","events":[`...)
	for i, ev := range r.Events {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, ev...)
	}
	return append(out, "]}"...)
}

func (w *writer) step(path string) error {
	now, had := w.d.After.Steps[path], w.was.state.Steps[path]
	key := id(w.d.After.ID, path)
	if now == nil {
		if had != nil {
			w.b.del(spSteps, key)
		}
	} else {
		raw, err := run.EncodeStep(now)
		if err != nil {
			return errs.E("engine.write", errs.Internal, fmt.Errorf("the step %s does not encode: %w", path, err))
		}
		value, err := w.e.pack(w.ctx, raw)
		if err != nil {
			return err
		}
		w.b.put(spSteps, key, value)
	}
	w.offers(had, now)
	w.works(had, now)
	if err := w.elements(path, had, now); err != nil {
		return err
	}
	before, then := awaits(w.oldBook, w.was.state, had), awaits(w.book, w.d.After, now)
	for _, a := range before {
		if !slices.Contains(then, a) {
			w.b.del(spAwaits, a)
		}
	}
	for _, a := range then {
		if !slices.Contains(before, a) {
			w.b.put(spAwaits, a, nil)
		}
	}
	return nil
}

// awaited keeps the entries of the run itself in the index of who is awaited.
func (w *writer) awaited() {
	before, then := runAwaits(w.was.state), runAwaits(w.d.After)
	for _, a := range before {
		if !slices.Contains(then, a) {
			w.b.del(spAwaits, a)
		}
	}
	for _, a := range then {
		if !slices.Contains(before, a) {
			w.b.put(spAwaits, a, nil)
		}
	}
}

// consequences writes what the events say about effects and locks, in their order.
func (w *writer) consequences() error {
	for _, ev := range w.d.Events {
		switch body := ev.Body.(type) {
		case run.EffectIntended:
			if err := w.intend(body); err != nil {
				return err
			}
		case run.EffectEnded:
			w.endEffect(body.Key)
		case run.EffectVoided:
			if err := w.voidJob(body); err != nil {
				return err
			}
			w.endEffect(body.Key)
		case run.GateOpened:
			w.b.put(spGates, id(string(body.Digest), w.d.After.ID, body.Step), nil)
		case run.Counted:
			if err := w.listed(body.Aggregate); err != nil {
				return err
			}
		case run.LockTaken:
			w.lock(body.Lock, func(l *run.Lock) {
				l.Holder = body.Claim
				l.Queue = slices.DeleteFunc(slices.Clone(l.Queue), func(c run.Claim) bool { return sameClaim(c, body.Claim) })
			})
		case run.LockQueued:
			w.lock(body.Lock, func(l *run.Lock) { l.Queue = enqueue(l.Queue, body.Claim) })
		case run.LockReleased:
			w.lock(body.Lock, func(l *run.Lock) { *l = l.After(body, w.d.After.ID) })
			if body.First != "" {
				if err := w.lockTaken(body); err != nil {
					return err
				}
			}
		case run.UndoPlanned:
			// For the parent it is over: nothing of it is in flight, and what a person says to the
			// plan concerns this run alone.
			if w.d.After.Parent != "" && w.d.After.Status == run.IsAborting {
				if err := w.tellParent("aborted"); err != nil {
					return err
				}
			}
		case run.Finished:
			if err := w.finish(); err != nil {
				return err
			}
		}
	}
	if err := w.news(); err != nil {
		return err
	}
	for name, l := range w.locks {
		if l.Holder == (run.Claim{}) && len(l.Queue) == 0 {
			w.b.del(spLocks, name)
			w.lockRaw[name] = nil
			continue
		}
		l.Version = w.view.locks[name].Version + 1
		w.locks[name] = l
		w.lockRaw[name] = encode(l)
		w.b.put(spLocks, name, w.lockRaw[name])
	}
	return nil
}

func (w *writer) intend(ev run.EffectIntended) error {
	now := w.e.now()
	due := now
	if ev.After.After(now) {
		due = ev.After
	}
	r := effectRecord{Key: ev.Key, Run: w.d.After.ID, Step: ev.Step, Project: w.d.After.Project, Action: ev.Action,
		Inputs: string(ev.Inputs), Generation: ev.Generation, Undoes: ev.Undoes, ProbeOnly: ev.ProbeOnly, After: due,
		Boot: w.e.boot, Epoch: w.e.world.epoch}
	was := w.was.state.Effects[ev.Key]
	if was != nil {
		r.First = w.was.state.Began
	}
	row := id(stamp(due), ev.Key)
	value, err := w.e.pack(w.ctx, r.encode())
	if err != nil {
		return err
	}
	w.b.intend(row, value)
	w.rec.Pending[ev.Key] = row
	if was != nil && was.Outcome == run.Doubtful {
		w.e.asks(w.b, &r) // a person says that it is to be done again
	}
	return nil
}

// listed writes the rows that the run was told of, each by itself.
func (w *writer) listed(a run.Aggregate) error {
	for _, r := range a.Rows {
		key := id(w.d.After.ID, a.Ledger, r.Key)
		if !r.Match {
			w.b.del(spListed, key)
			continue
		}
		raw, err := run.EncodeRow(r)
		if err != nil {
			return errs.E("engine.write", errs.Internal, fmt.Errorf("the row %s of %s does not encode: %w", r.Key, a.Ledger, err))
		}
		value, err := w.e.pack(w.ctx, raw)
		if err != nil {
			return err
		}
		w.b.put(spListed, key, value)
	}
	return nil
}

func (w *writer) endEffect(key string) {
	if row, ok := w.rec.Pending[key]; ok {
		w.b.del(spOutbox, row)
		delete(w.rec.Pending, key)
	}
}

// finish clears what an ended run leaves behind, but for what must still be told of it.
func (w *writer) finish() error {
	for key, row := range w.rec.Pending {
		if !outlives(w.d.After.Effects[key]) {
			if err := w.voidJob(run.EffectVoided{Key: key, Why: "the run has ended"}); err != nil {
				return err
			}
			w.b.del(spOutbox, row)
			delete(w.rec.Pending, key)
		}
	}
	w.worksEnd()
	if w.d.After.Parent != "" {
		return w.tellParent(w.d.After.Outcome)
	}
	return nil
}

func outlives(ef *run.Effect) bool {
	return ef != nil && ef.Outcome == "" && (ef.Action == actEditGate || ef.Action == actBroadcast)
}

func (w *writer) timers() {
	was, now := w.was.state.Timers, w.d.After.Timers
	if w.d.After.Status == run.RunEnded {
		now = nil
	}
	for name, due := range was {
		if again, still := now[name]; !still || !again.Equal(due) {
			w.b.del(spTimers, timerID(due, w.was.id, name))
		}
	}
	for name, due := range now {
		if before, had := was[name]; !had || !before.Equal(due) {
			w.b.put(spTimers, timerID(due, w.d.After.ID, name), []byte("t"))
		}
	}
}

// names keeps the index of live runs and the list of past ones.
func (w *writer) names(next *live) {
	was, before := w.was.name, ""
	key := nameRow(&w.d.After.Head, next.name.Name)
	ended := w.d.After.Status == run.RunEnded
	if was != nil && was.Ended.IsZero() {
		before = nameRow(&w.was.state.Head, was.Name)
	}
	if before != "" && (ended || before != key) {
		w.b.del(spNames, before)
	}
	if was != nil && ending(was.Name) != ending(next.name.Name) {
		w.b.del(spEndings, id(ending(was.Name), was.ID))
	}
	if was == nil || was.Name != next.name.Name {
		w.b.put(spEndings, id(ending(next.name.Name), next.name.ID), []byte(next.name.Name))
	}
	switch {
	case ended:
		w.b.put(spPast, id(next.name.Name, stamp(next.name.Ended), next.name.ID), next.name.encode())
		w.e.staleCards(w.b, w.d.After)
	case before != key:
		w.b.guard(spNames, key, nil)
		w.b.put(spNames, key, next.name.encode())
	case !was.same(next.name):
		w.b.put(spNames, key, next.name.encode())
	}
}

// lockNames are the locks that this decision read or changed.
func (w *writer) lockNames() []string {
	var names []string
	for _, r := range w.d.Reads {
		if r.What == "lock" {
			names = append(names, r.Name)
		}
	}
	for name := range w.locks {
		names = append(names, name)
	}
	return names
}

// guardReads guards the commit by the records that the decision rests on.
func (w *writer) guardReads() error {
	for _, r := range w.d.Reads {
		switch r.What {
		case "lock":
			w.b.guard(spLocks, r.Name, w.view.lockRaw[r.Name])
		case "role":
			w.b.guard(spRoles, r.Name, w.view.roleRaw[r.Name])
			w.b.guard(spRoles, everywhere(r.Name), w.view.roleRaw[everywhere(r.Name)])
		case "freeze":
			w.b.guard(spCalendars, r.Name, w.view.calRaw[r.Name])
		default:
			return errs.E("engine.write", errs.Internal, fmt.Errorf("a decision rests on %q, which has no versions", r.What))
		}
	}
	for name := range w.locks {
		w.b.guard(spLocks, name, w.view.lockRaw[name])
	}
	return nil
}

func timerID(due time.Time, runID, name string) string { return id(stamp(due), runID, name) }

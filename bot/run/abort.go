package run

import (
	"slices"
	"strings"

	"slipway/bot/errs"
	"slipway/bot/playbook"
)

// NameFree reports whether another run may have the name: this one has ended, or it is aborted,
// nothing of it is in flight or doubtful, and only its undo plan waits for an answer.
func (h *Head) NameFree() bool { return h.Status == RunEnded || h.Status == IsAborting && h.Planned }

// abort stops a run for good: open manifests are void, outcomes in flight are awaited, and then
// a person decides what is undone.
func (d *decider) abort(c Command) *errs.Error {
	if d.s.Status == IsAborting {
		d.reply = d.s.Name + " is being aborted already: " + d.s.Why
		return nil
	}
	if strings.TrimSpace(c.Reason) == "" {
		return refuse(errs.Invalid, "an abort needs a reason").Hint("say why, for those who read the log")
	}
	why := "the run is aborted: " + c.Reason
	d.emit(Aborting{c.Reason})
	for _, path := range sortedNames(d.s.Steps) {
		d.voidGate(path, why)
	}
	d.voidLooking(why)
	for _, key := range sortedNames(d.s.Effects) {
		if e := d.s.Effects[key]; e.For == ForAgain && e.Outcome == "" && e.After.After(d.now) {
			d.emit(EffectVoided{key, e.Step, why})
		}
	}
	for _, id := range sortedNames(d.s.Timers) {
		d.emit(TimerCleared{id})
	}
	d.tellChildren(AbortVerb, c.Reason, false)
	d.reply = "aborting"
	return nil
}

// advanceAbort goes on with an abort when nothing is in flight or doubtful any more.
func (d *decider) advanceAbort() {
	if d.busy() {
		return
	}
	if !d.s.Planned {
		var items []UndoItem
		for _, u := range d.undoables(func(string, *playbook.Step) bool { return true }) {
			item := UndoItem{Key: u.key, Step: u.path, Did: u.effect.Action}
			if ref, inputs, ok := undoOf(u.def.Do.Contract, u.effect); ok {
				item.Action, item.Inputs = ref, inputs
			}
			items = append(items, item)
		}
		d.emit(UndoPlanned{append(items, d.orphaned()...)})
	}
	if item, ok := d.nextUndo(); ok {
		// Newest first, one at a time: what an older effect made may still be used by a newer one.
		if st := d.s.Steps[item.Step]; st != nil && st.Past[item.Key] != nil && d.undoLocked(item) == nil {
			d.intendUndo(item.Step, ForUndo, item.Action, item.Inputs, undoable{path: item.Step, key: item.Key, effect: st.Past[item.Key]})
		}
		return
	}
	for _, item := range d.s.Undo {
		if item.Action != "" && (item.State == "" || item.State == "failed") {
			return // a person has to say
		}
	}
	d.conclude("aborted")
}

// undo is a person's answer to the undo plan: all of it, some of its items, or none of the rest.
func (d *decider) undo(c Command) *errs.Error {
	if d.s.Status != IsAborting {
		return refuse(errs.Conflict, "%s is not being aborted", d.s.Name).Hint("an undo plan is made by abort")
	}
	if !d.s.Planned {
		return refuse(errs.Conflict, "outcomes in flight or doubtful are awaited before the undo plan is made").Hint("`why` names them")
	}
	if len(c.Items) == 1 && c.Items[0] == "none" {
		var waits []string // confirmed before, and not begun: it waits for a lock, say
		for _, item := range d.s.Undo {
			if item.State == "confirmed" && d.undoInFlight(item.Step) == nil {
				waits = append(waits, item.Key)
			}
		}
		d.emit(UndoConfirmed{Rest: true, Declined: waits})
		d.reply = "the rest stays as it is"
		return nil
	}
	var keys []string
	for _, item := range d.s.Undo {
		open := item.Action != "" && (item.State == "" || item.State == "failed")
		if open && (len(c.Items) == 0 || slices.Contains(c.Items, item.Key) || slices.Contains(c.Items, item.Step)) {
			keys = append(keys, item.Key)
		}
	}
	for _, name := range c.Items {
		i := slices.IndexFunc(d.s.Undo, func(i UndoItem) bool { return i.Key == name || i.Step == name })
		if i < 0 {
			return refuse(errs.NotFound, "%q is not in the undo plan", name).Hint("name a step of the plan, or say none")
		}
		if d.s.Undo[i].Action == "" {
			return refuse(errs.Conflict, "%s (%s) cannot be undone", d.s.Undo[i].Step, d.s.Undo[i].Did)
		}
	}
	if len(keys) == 0 {
		d.reply = "nothing is left to undo"
		return nil
	}
	d.emit(UndoConfirmed{Keys: keys})
	d.reply = "undoing"
	return nil
}

// nextUndo is the item of the plan that is to be undone now: the newest of those confirmed.
func (d *decider) nextUndo() (UndoItem, bool) {
	for _, item := range d.s.Undo {
		if item.State == "confirmed" {
			return item, true
		}
	}
	return UndoItem{}, false
}

// undoInFlight is the effect that undoes something of the step and has no outcome or is doubtful.
func (d *decider) undoInFlight(step string) *Effect { return d.inFlight(step, ForUndo) }

// undoLocks names the locks under which the step at path did what is to be undone: its own, and
// those of all that holds it. Of an element that is gone from its list only the locks of the run
// can be named.
func (d *decider) undoLocks(path string) ([]string, error) {
	var names []string
	add := func(in *inst, uses []*playbook.Template) error {
		scope := d.scope(in, nil)
		for _, t := range uses {
			name, err := evalText(t, scope)
			if err != nil {
				return err
			}
			if name != "" && !slices.Contains(names, name) && d.s.Locks[name] != path {
				names = append(names, name)
			}
		}
		return nil
	}
	for in := d.find(path); in != nil; {
		if err := add(in, in.def.Uses); err != nil {
			return nil, err
		}
		if in.in == nil {
			break
		}
		in = in.in.each
	}
	err := add(nil, d.p.Uses)
	slices.Sort(names)
	return names, err
}

// undoLocked takes the locks for an item of the undo plan again, or queues for them and says what
// is in the way. They were given up with the name, when only the plan was left.
func (d *decider) undoLocked(item UndoItem) *Blocker {
	names, err := d.undoLocks(item.Step)
	if err != nil {
		return &Blocker{Kind: "lock", Why: "the locks of " + item.Step + " cannot be named: " + errs.Text(err)}
	}
	if name, by, ok := d.take(names, item.Step); !ok {
		return &Blocker{Kind: "lock", What: name, Why: lockedBy(name, by)}
	}
	return nil
}

// releaseAborted frees the locks of an aborted run that only its undo plan keeps open. A lock is
// held while something is undone under it, and waited for while the next item needs it.
func (d *decider) releaseAborted() {
	const why = "the run is aborted, and nothing of it is under way"
	for _, name := range sortedNames(d.s.Locks) {
		if scope := d.s.Locks[name]; scope == "" || d.undoInFlight(scope) == nil {
			d.release(name, scope, why)
		}
	}
	next, wanted := d.nextUndo()
	for _, name := range sortedNames(d.s.Queued) {
		if scope := d.s.Queued[name]; !wanted || scope != next.Step {
			d.release(name, scope, why)
		}
	}
}

// whyUndo says what keeps the next confirmed item of the undo plan waiting.
func (d *decider) whyUndo() (Blocker, bool) {
	item, ok := d.nextUndo()
	if !ok || d.undoInFlight(item.Step) != nil {
		return Blocker{}, false
	}
	names, err := d.undoLocks(item.Step)
	if err != nil {
		return Blocker{Kind: "lock", Why: "the locks of " + item.Step + " cannot be named: " + errs.Text(err) + "; say none to leave it as it is"}, true
	}
	for _, name := range names {
		if by, blocked := d.inTheWay(name, item.Step); blocked {
			return Blocker{Kind: "lock", What: name, Why: "undoing " + item.Step + " waits: " + lockedBy(name, by)}, true
		}
	}
	return Blocker{}, false
}

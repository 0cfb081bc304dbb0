package run

import (
	"slices"
	"strings"

	"slipway/bot/errs"
	"slipway/bot/playbook"
)

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
	for _, item := range d.s.Undo {
		if item.State != "confirmed" {
			continue
		}
		// Newest first, one at a time: what an older effect made may still be used by a newer one.
		if st := d.s.Steps[item.Step]; st != nil && st.Past[item.Key] != nil {
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
		d.emit(UndoConfirmed{Rest: true})
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

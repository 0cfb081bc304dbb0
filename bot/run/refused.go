package run

import (
	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/playbook"
)

// refusedBy is the step that found, before anything was done or asked, that what the run is to
// make exists already, that what it names is not there, or that what it was given is wrong; or "".
// Such a run ends as refused, and its name is free: nothing in it could be settled but by another
// beginning.
func (d *decider) refusedBy() string { return d.endedBy()[1] }

// endedBy are the gate whose no ends the run and the step that refuses it. Each step asks for both
// before it starts, so they are kept until the next event.
func (d *decider) endedBy() [2]string {
	if d.ends == nil || d.endsAt != len(d.events) {
		d.ends, d.endsAt = &[2]string{d.turnedDownBy(), d.turnedAwayBy()}, len(d.events)
	}
	return *d.ends
}

func (d *decider) turnedAwayBy() string {
	found := ""
	for _, def := range d.p.Steps {
		if def.Kind != playbook.Do || def.OnFail != nil {
			continue
		}
		if st := d.s.Steps[def.ID]; st != nil && st.Status == FailedSt && turnsAway(st) {
			found = def.ID
			break
		}
	}
	if found == "" || !d.onlyLooked() {
		return ""
	}
	return found
}

// turnsAway reports whether a failed read says that the run should not have begun so.
func turnsAway(st *Step) bool {
	for _, kind := range []errs.Kind{errs.Exists, errs.NotFound, errs.Invalid} {
		if st.Failures[kind.String()] > 0 {
			return true
		}
	}
	return false
}

// onlyLooked reports whether nothing but reading has begun, ever.
func (d *decider) onlyLooked() bool {
	for path, st := range d.s.Steps {
		if st.Attempt == 0 {
			continue
		}
		def := d.p.Step(DeclaredPath(path))
		if def == nil || def.Do == nil || def.Do.Contract.Policy != action.Read {
			return false
		}
	}
	return len(d.s.Children) == 0
}

package run

import (
	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/playbook"
)

// refusedBy is the step that found, before anything was done or asked, that what the run is to
// make exists already, or "". Such a run ends as refused, and its name is free: there is nothing
// in it that a person could settle.
func (d *decider) refusedBy() string {
	found := ""
	for _, def := range d.p.Steps {
		if def.Kind != playbook.Do || def.OnFail != nil {
			continue
		}
		if st := d.s.Steps[def.ID]; st != nil && st.Status == FailedSt && st.Failures[errs.Exists.String()] > 0 {
			found = def.ID
			break
		}
	}
	if found == "" || !d.onlyLooked() {
		return ""
	}
	return found
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

package run

import (
	"slices"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/manifest"
	"slipway/bot/playbook"
)

// adopt looks for what was done outside of the run: every do step that can be reached is probed.
func (d *decider) adopt() *errs.Error {
	if d.s.Adopting {
		d.reply = "the search goes on already"
		return nil
	}
	if step, _ := d.effectUnder(""); step != "" {
		return refuse(errs.Conflict, "an effect of %s is under way", step).Hint("wait for its outcome, or settle its doubt")
	}
	d.emit(Adopting{})
	d.reply = "looking for what was done already"
	return nil
}

// advanceAdopt probes what can be reached; the search ends when no probe is left.
func (d *decider) advanceAdopt() {
	for _, in := range d.instances() {
		st := d.at(in.path)
		if in.def.Kind != playbook.Do || st.Status != Waiting && st.Status != Stuck && st.Status != FailedSt || !d.reachable(in) {
			continue
		}
		if d.inFlight(in.path, ForAdopt) != nil {
			continue
		}
		if in.def.When != nil {
			if ok, err := in.def.When.Bool(d.scope(in, nil)); err != nil || !ok {
				continue
			}
		}
		inputs, err := d.inputsOf(in)
		if err != nil {
			continue // something it reads is not there yet
		}
		if _, digest := canonical(inputs); st.Probed == digest {
			continue
		}
		// A read changes nothing, so it is done: what comes after it can be looked for only then.
		d.intend(in.path, ForAdopt, in.def.Do.Ref, inputs, intent{probeOnly: in.def.Do.Contract.Policy != action.Read})
	}
	for _, e := range d.s.Effects {
		if e.For == ForAdopt {
			return
		}
	}
	d.emit(AdoptEnded{})
	// What was found is part of what the gates before it approve, open or closed.
	for _, in := range slices.Clone(d.instances()) {
		if in.def.Kind == playbook.GateK && len(d.findings(in)) > 0 {
			d.reopen(in.path)
		}
	}
}

// reopen sets back a gate that findings concern, and what comes after it. The findings themselves
// stand, and so does a step whose child goes on: started anew, it would be done twice.
func (d *decider) reopen(gate string) {
	why := "steps after it were found done by others"
	d.staleStep(gate, why)
	for _, path := range d.after(gate) {
		if step, _ := d.effectUnder(path); step != "" || d.childRuns(path) || d.at(path).Status == Adopted {
			continue
		}
		d.staleStep(path, gate+" is open again: steps after it were found done by others")
	}
}

// foundAgain sets back the gates that closed while a step found done by others was examined
// again: what they approved does not name it.
func (d *decider) foundAgain(in *inst) {
	for _, g := range slices.Clone(d.instances()) {
		st := d.at(g.path)
		if g.def.Kind != playbook.GateK || st.Status != Done || st.Gate == nil {
			continue
		}
		after := d.after(g.path)
		if !slices.Contains(after, in.path) {
			continue
		}
		if m, err := d.manifest(g, st); err == nil && manifest.Same(m, st.Gate.Manifest) {
			continue
		}
		why := in.path + " is found done by others again"
		d.staleStep(g.path, why)
		for _, path := range after {
			if !d.childRuns(path) && d.at(path).Status != Adopted {
				d.staleStep(path, why)
			}
		}
	}
}

// reachable: what it needs is over, is not for this run, or is a person's or the outside's part,
// which a probe of what comes after answers as well.
func (d *decider) reachable(in *inst) bool {
	for _, list := range [][]string{in.def.Needs, in.def.Any} {
		for _, declared := range list {
			def := d.p.Step(declared)
			if def == nil {
				continue
			}
			other := d.find(d.resolve(in, declared))
			if other != nil && d.leftOut(other) && d.reachable(other) {
				continue
			}
			switch def.Kind {
			case playbook.GateK, playbook.Ask, playbook.Wait, playbook.ByHand:
				if other != nil && d.reachable(other) {
					continue
				}
				return false
			case playbook.Do:
				// It was looked for and is not there. What comes after it may be there all the same.
				if other != nil && d.at(other.path).Probed != "" && d.reachable(other) {
					continue
				}
			}
			if !settledWell(d.at(d.resolve(in, declared)).Status) {
				return false
			}
		}
	}
	return true
}

// leftOut: the condition of a step says no, or its list has no elements, as far as what it reads
// is known.
func (d *decider) leftOut(in *inst) bool {
	if in.def.Kind == playbook.Each && in.def.Each.Ledger == "" {
		if keys, _, err := d.elements(in); err == nil && len(keys) == 0 {
			return true
		}
	}
	if in.def.When == nil {
		return false
	}
	ok, err := in.def.When.Bool(d.scope(in, nil))
	return err == nil && !ok
}

// adoptProbed takes what a probe found.
func (d *decider) adoptProbed(in *inst, e *Effect, r EffectEnded) {
	if r.Outcome != OK || !d.s.Adopting {
		return
	}
	out, err := action.DecodeValues(r.Output)
	if err == nil {
		err = in.def.Do.Contract.Out.Check("what was found", out)
	}
	if err != nil {
		d.emit(StepWaits{in.path, "", "what was found cannot be used: " + err.Error()})
		return
	}
	inputs, _ := action.DecodeValues(e.Inputs)
	d.emit(StepStarted{Step: in.path, Attempt: d.at(in.path).Attempt + 1, Inputs: inputs, Digest: e.Digest, Saw: d.sees(in)})
	d.emit(StepDone{Step: in.path, Output: out, Adopted: in.def.Do.Contract.Policy != action.Read})
}

// findings lists the adopted steps that come after the gate: they are part of what it approves.
func (d *decider) findings(in *inst) []*Step {
	any := false
	for _, st := range d.s.Steps {
		any = any || st.Status == Adopted
	}
	if !any {
		return nil
	}
	var out []*Step
	after := d.after(in.path)
	for _, i := range d.instances() {
		if st := d.at(i.path); st.Status == Adopted && slices.Contains(after, i.path) {
			out = append(out, st)
		}
	}
	return out
}

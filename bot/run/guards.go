package run

import (
	"fmt"
	"slices"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/playbook"
)

// guardsHold reads every guard that spans the step again before it performs anything. It
// returns false while a reading is awaited.
func (d *decider) guardsHold(in *inst) bool {
	if len(d.p.Guards) == 0 {
		return true
	}
	st := d.at(in.path)
	if st.On == "guard passed" || d.inFlight(in.path, ForGuard) != nil {
		return st.On == "guard passed"
	}
	for i := range d.p.Guards {
		if g := &d.p.Guards[i]; d.spans(g, in) {
			d.readGuard(in, g)
			return false
		}
	}
	return true
}

// spans reports whether the guard watches over the start of the step: from From to To, both
// included; between them only steps that perform something are watched.
func (d *decider) spans(g *playbook.Guard, in *inst) bool {
	if in.path == g.From || in.path == g.To {
		return true
	}
	if in.def.Kind != playbook.Call && (in.def.Kind != playbook.Do || d.onlyReads(in.path)) {
		return false
	}
	return slices.Contains(d.after(g.From), in.path) && slices.Contains(d.after(in.path), g.To)
}

func (d *decider) readGuard(in *inst, g *playbook.Guard) {
	inputs, err := eval(g.With, d.scope(in, nil))
	if err != nil {
		d.stuck(in.path, "the guard "+g.Name+" cannot be read: "+errs.Text(err))
		return
	}
	d.emit(StepWaits{in.path, "guard " + g.Name, "the guard " + g.Name + " is read again"})
	d.intend(in.path, ForGuard, g.Watch, inputs, intent{undoes: g.Name})
}

// guardRead compares what was read with what was seen first. A value that moved holds the run
// and fails the attempt, naming the difference.
func (d *decider) guardRead(in *inst, e *Effect, r EffectEnded) {
	st := d.at(in.path)
	if st.Status != Waiting {
		return
	}
	i := slices.IndexFunc(d.p.Guards, func(g playbook.Guard) bool { return g.Name == e.Undoes })
	if i < 0 {
		return
	}
	g := &d.p.Guards[i]
	out, err := action.DecodeValues(r.Output)
	var value any
	if r.Outcome != OK {
		err = fmt.Errorf("%s", orElse(r.Message, "it could not be read"))
	}
	if err == nil {
		value, err = g.Value.Eval(d.scope(in, map[string]any{g.As: out}))
	}
	if err != nil {
		d.stuck(in.path, "the guard "+g.Name+" cannot be read: "+errs.Text(err))
		return
	}
	was, seen := d.s.Guards[g.Name]
	switch {
	case !seen || in.path == g.From:
		d.emit(GuardSeen{g.Name, value})
	case !sameValue(was, value):
		why := fmt.Sprintf("the guard %s is broken: it was %v and is %v", g.Name, was, value)
		d.emit(GuardBroken{g.Name, was, value})
		if d.s.Hold == nil {
			d.emit(Held{Reason: why})
		}
		d.emit(StepFailed{Step: in.path, Class: "guard", Message: why})
		d.emit(StepStuck{Step: in.path, Why: why + "; after resume, retry from " + g.From})
		return
	}
	for j := i + 1; j < len(d.p.Guards); j++ {
		if next := &d.p.Guards[j]; d.spans(next, in) {
			d.readGuard(in, next)
			return
		}
	}
	d.emit(StepWaits{in.path, "guard passed", ""})
}

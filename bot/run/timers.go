package run

import (
	"fmt"
	"strings"

	"slipway/bot/playbook"
)

// timer does what a timer that has fired was for. A timer that was moved or disarmed meanwhile
// does nothing.
func (d *decider) timer(id string) {
	due, set := d.s.Timers[id]
	if !set || due.After(d.now) {
		return
	}
	d.emit(TimerCleared{id})
	kind, path, _ := strings.Cut(id, "/")
	in := d.find(path)
	if in == nil {
		return
	}
	st := d.at(path)
	switch kind {
	case "deadline":
		d.deadline(in, st)
	case "remind":
		d.remind(in, st)
	case "at":
		switch {
		case st.Status != Running:
		case in.def.Kind == playbook.Wait:
			d.done(in, map[string]any{"at": st.Inputs["at"]})
		}
		// The answers of a collect are taken by the look that follows.
	case "expire":
		if d.s.Status == Live || d.s.Status == OnHold {
			d.expired(in)
		}
	}
	// retry, freeze and closing need nothing but another look, which advance takes.
}

// deadline ends a step that took too long, as its playbook says. An effect in flight cannot be
// left behind: then a person decides, whatever the playbook says.
func (d *decider) deadline(in *inst, st *Step) {
	if st.Status != Running && st.Status != Waiting || d.s.Status == IsAborting {
		return
	}
	over := fmt.Sprintf("it has not ended within %s", in.def.Deadline.After)
	if step, _ := d.effectUnder(in.path); step != "" || in.def.Kind == playbook.Call && d.childRuns(in.path) {
		d.stuck(in.path, over+", and an effect of it is still under way")
		return
	}
	switch in.def.Deadline.Then {
	case "skip":
		d.quiet(in, over)
		d.end(in.path, StepSkipped{in.path, over})
	case "fail":
		d.quiet(in, over)
		d.fail(in, "deadline", over)
	default:
		d.stuck(in.path, over)
	}
}

// quiet withdraws what the step has open outside: its manifest, polls and checks.
func (d *decider) quiet(in *inst, why string) {
	if in.def.Kind == playbook.GateK {
		d.voidGate(in.path, why)
	}
	d.voidEffects(in.path, why, ForPoll, ForConfirm, ForClosing, ForRemind, ForGuard, ForAdopt)
	for _, sub := range d.instances() {
		if under(sub.path, in.path) {
			d.quiet(sub, why)
		}
	}
}

// remind reminds those that the step waits for, once, and again after the same time. While the
// run is held only the holder is reminded.
func (d *decider) remind(in *inst, st *Step) {
	if st.Status != Running && st.Status != Stuck || d.s.Status == IsAborting || d.inFlight(in.path, ForRemind) != nil {
		return
	}
	inputs := map[string]any{"step": in.path, "run": d.s.ID, "name": d.s.Name}
	who := []any{}
	if d.s.Hold != nil {
		who = append(who, string(d.s.Hold.By))
		inputs["held"] = true
	} else {
		for _, a := range d.awaited(in, st) {
			for _, p := range a.Persons {
				who = append(who, string(p))
			}
		}
	}
	who, away := d.present(who)
	if away != "" {
		inputs["why"] = away
	}
	inputs["persons"] = who
	d.intend(in.path, ForRemind, Remind, inputs, intent{})
	d.emit(TimerSet{"remind/" + in.path, d.now.Add(in.def.Remind)})
}

package run

import (
	"fmt"
	"strings"
	"time"

	"slipway/bot/playbook"
)

// Blocker is one thing that keeps a step from starting.
type Blocker struct {
	Kind  string    // run, needs, any, branch, turn, retry, freeze, lock
	What  string    // the path, calendar or lock that it is about
	Why   string    // in words
	Until time.Time // when it ends by itself; zero: unknown
	Never bool      // it cannot end: what it waits for has failed and the run goes another way
}

// blockers says what keeps in from starting: nil when it may start now. It is the one answer to
// that question: advance starts what it does not block, [Why] tells what it says. With first,
// it stops at the first one and leaves out the words.
func (d *decider) blockers(in *inst, first bool) []Blocker {
	out := d.unmet(in, first)
	if first && len(out) > 0 {
		return out
	}
	if out = append(out, d.waitsFor(in, first)...); first && len(out) > 0 {
		return out
	}
	if b, frozen := d.frozen(in); frozen {
		if out = append(out, b); first {
			return out
		}
	}
	return append(out, d.locked(in)...)
}

// unmet says what must come before in: needs, any, branches, and the run itself.
func (d *decider) unmet(in *inst, first bool) []Blocker {
	var out []Blocker
	if b, stopped := d.stopped(); stopped {
		if out = append(out, b); first {
			return out
		}
	}
	if in.in != nil {
		if st := d.at(in.in.each.path); st.Status != Running {
			if out = append(out, Blocker{Kind: "needs", What: in.in.each.path, Why: "its list " + in.in.each.path + " is " + string(st.Status)}); first {
				return out
			}
		} else if b := d.openBefore(in.in.each, in.in.each.def, in.in.each.path, first); b != nil {
			if out = append(out, *b); first {
				return out
			}
		}
	}
	for _, need := range in.def.Needs {
		if b, ok := d.met(in, need, first); !ok {
			if out = append(out, b); first {
				return out
			}
		}
	}
	if len(in.def.Any) > 0 {
		if b, ok := d.anyMet(in, first); !ok {
			if out = append(out, b); first {
				return out
			}
		}
	}
	if taken, decided := d.branchTaken(in); !taken && !decided {
		sources := strings.Join(d.branchSources(in.def), " or ")
		out = append(out, Blocker{Kind: "branch", What: sources, Why: "it starts only when " + sources + " leads to it"})
	}
	return out
}

// stopped says what keeps every step of the run from starting.
func (d *decider) stopped() (Blocker, bool) {
	switch s := d.s; {
	case s.Status == RunEnded:
		return Blocker{Kind: "run", Why: "the run has ended: " + s.Outcome, Never: true}, true
	case s.Status == IsAborting:
		return Blocker{Kind: "run", Why: "the run is being aborted: " + s.Why, Never: true}, true
	case s.Status == OnHold && s.Hold != nil:
		return Blocker{Kind: "run", What: "hold", Why: held(s.Hold)}, true
	case s.Adopting:
		return Blocker{Kind: "run", What: "adopt", Why: "the run is looking for what was done outside of it"}, true
	}
	if path := d.rejected(); path != "" {
		return Blocker{Kind: "run", What: path, Why: path + " was rejected, the run ends", Never: true}, true
	}
	if path := d.refusedBy(); path != "" {
		return Blocker{Kind: "run", What: path, Why: "it is refused: " + d.at(path).Message, Never: true}, true
	}
	return Blocker{}, false
}

func held(h *Hold) string {
	text := fmt.Sprintf("held by %s since %s", orElse(string(h.By), "Slipway"), h.At.Format("2006-01-02 15:04 MST"))
	if h.Reason != "" {
		text += ": " + h.Reason
	}
	return text
}

// rejected is the gate at the top whose no ends the run, or "".
func (d *decider) rejected() string { return d.endedBy()[0] }

func (d *decider) turnedDownBy() string {
	for _, def := range d.p.Steps {
		if def.Kind != playbook.GateK || def.Gate.OnReject != "" {
			continue
		}
		if st := d.s.Steps[def.ID]; st != nil && st.Status == FailedSt && turnedDown(st) {
			return def.ID
		}
	}
	return ""
}

func turnedDown(st *Step) bool { return st.Gate != nil && st.Gate.Verdict != nil && !st.Gate.Approved }

// met reports whether the needed step is over, and all that comes before it too, however far
// back: nothing passes a gate that was opened again because a step after it was found done by
// others, or because the run was moved to another playbook while a later step went on.
func (d *decider) met(in *inst, declared string, first bool) (Blocker, bool) {
	path := d.resolve(in, declared)
	st := d.at(path)
	switch st.Status {
	case SkippedSt:
		return Blocker{}, true // it leads on by itself
	case Done, Adopted:
		if b := d.openBefore(in, d.p.Step(declared), path, first); b != nil {
			return *b, false
		}
		return Blocker{}, true
	}
	b := Blocker{Kind: "needs", What: path}
	if first {
		return b, false
	}
	b.Why = "it needs " + path + ", which is " + string(st.Status)
	b.Never = d.unreachable(path)
	return b, false
}

// openBefore is what is not over of that which comes before the step at path, or nil. in is where
// the names of steps are seen from. It is asked once until something happens.
func (d *decider) openBefore(in *inst, def *playbook.Step, path string, first bool) *Blocker {
	if def == nil {
		return nil
	}
	if d.open == nil || d.openAt != len(d.events) {
		d.open, d.openAt = map[string]*Blocker{}, len(d.events)
	}
	key := path
	if first { // without words
		key += "?"
	}
	if b, known := d.open[key]; known {
		return b
	}
	d.open[key] = nil // a circle is nobody's beginning
	b := d.findOpen(in, def, first)
	d.open[key] = b
	return b
}

func (d *decider) findOpen(in *inst, def *playbook.Step, first bool) *Blocker {
	for _, need := range def.Needs {
		if b, ok := d.met(in, need, first); !ok {
			return &b
		}
	}
	var open *Blocker
	for _, other := range def.Any {
		b, ok := d.met(in, other, first)
		if ok {
			return nil
		}
		open = &b
	}
	return open
}

func (d *decider) anyMet(in *inst, first bool) (Blocker, bool) {
	never := true
	paths := make([]string, len(in.def.Any))
	for i, declared := range in.def.Any {
		b, ok := d.met(in, declared, first)
		// A branch that was not taken is skipped; that alone does not lead on.
		if ok && !(d.at(d.resolve(in, declared)).Status == SkippedSt && len(d.branchSources(d.p.Step(declared))) > 0) {
			return Blocker{}, true
		}
		never = never && (b.Never || ok)
		paths[i] = d.resolve(in, declared)
	}
	list := strings.Join(paths, ", ")
	return Blocker{Kind: "any", What: list, Why: "it needs one of " + list, Never: never}, false
}

// unreachable reports whether the step at path can never be over as things stand: it failed and
// its failure leads elsewhere, or what it needs is unreachable.
func (d *decider) unreachable(path string) bool {
	if d.dead == nil || d.deadAt != len(d.events) {
		d.dead, d.deadAt = map[string]bool{}, len(d.events)
	}
	dead, known := d.dead[path]
	if !known {
		d.dead[path] = false // a circle is nobody's end
		dead = d.findUnreachable(path)
		d.dead[path] = dead
	}
	return dead
}

func (d *decider) findUnreachable(path string) bool {
	st := d.at(path)
	if st.Status != FailedSt && st.Status != Waiting || !st.RetryAt.IsZero() {
		return false
	}
	in := d.find(path)
	if in == nil {
		return false
	}
	if st.Status == FailedSt {
		return d.leadsOn(in, st)
	}
	for _, b := range d.unmet(in, false) {
		if b.Never && b.Kind != "run" {
			return true
		}
	}
	return false
}

// leadsOn reports whether the failure of in is handled: another step follows it.
func (d *decider) leadsOn(in *inst, st *Step) bool {
	if turnedDown(st) {
		return in.def.Gate.OnReject != ""
	}
	return in.def.OnFail != nil && in.def.OnFail.Goto != ""
}

// branchSources lists the steps whose failure or rejection leads to def, or nil for a step of
// the main line.
func (d *decider) branchSources(def *playbook.Step) []string {
	if def == nil {
		return nil
	}
	if d.branch == nil {
		d.branch = map[string][]string{}
		d.branches(d.p.Steps)
	}
	return d.branch[def.Path]
}

func (d *decider) branches(defs []*playbook.Step) {
	for _, def := range defs {
		if def.OnFail != nil && def.OnFail.Goto != "" {
			d.branch[def.OnFail.Goto] = append(d.branch[def.OnFail.Goto], def.Path)
		}
		if def.Kind == playbook.GateK && def.Gate.OnReject != "" {
			d.branch[def.Gate.OnReject] = append(d.branch[def.Gate.OnReject], def.Path)
		}
		if def.Kind == playbook.Each {
			d.branches(def.Each.Steps)
		}
	}
}

// branchTaken reports whether the branch that in begins was taken, and whether that is decided.
// A step of the main line is always taken.
func (d *decider) branchTaken(in *inst) (taken, decided bool) {
	sources := d.branchSources(in.def)
	if len(sources) == 0 {
		return true, true
	}
	decided = true
	for _, declared := range sources {
		path := d.resolve(in, declared)
		st, def := d.at(path), d.p.Step(declared)
		switch {
		case settledWell(st.Status), st.Status == WithdrawnSt:
		case st.Status == FailedSt && turnedDown(st):
			taken = taken || def.Gate.OnReject == in.def.Path
		case st.Status == FailedSt && def.OnFail != nil && def.OnFail.Goto == in.def.Path:
			source := d.find(path)
			back := source != nil && d.rollbackLeft(source)
			taken, decided = taken || !back, decided && !back
		case d.unreachable(path):
		default:
			decided = false
		}
	}
	return taken, decided || taken
}

// waitsFor says what in waits for though all that it needs is over: its turn or its next attempt.
func (d *decider) waitsFor(in *inst, first bool) []Blocker {
	var out []Blocker
	st := d.at(in.path)
	if in.in != nil && !d.hasTurn(in.in) {
		out = append(out, Blocker{Kind: "turn", What: in.in.each.path, Why: "other elements of " + in.in.each.path + " go first"})
	}
	if st.RetryAt.After(d.now) {
		out = append(out, Blocker{Kind: "retry", Why: "attempt " + fmt.Sprint(st.Attempt+1) + " follows; " + st.Message, Until: st.RetryAt})
	} else if st.Attempt == 0 {
		return out
	} else if e := d.inFlight(in.path, ForAgain); e != nil {
		out = append(out, Blocker{Kind: "retry", What: e.Action, Why: "the outside is asked to try again"})
	}
	return out
}

// frozen says which freeze keeps in from starting.
func (d *decider) frozen(in *inst) (Blocker, bool) {
	f := in.def.FrozenBy
	if f == nil || d.at(in.path).Despite == f.Calendar {
		return Blocker{}, false
	}
	// A freeze stands in the calendar for everybody, or in the one of the project.
	names := [2]string{f.Calendar, f.Calendar + "/" + d.s.Project}
	why, next, free := "", d.now, true
	for range names { // twice: the end of one window may lie in the other
		for _, name := range names {
			d.read("freeze", name, d.w.Calendar.Version(name))
			if freeze, frozen := d.w.Calendar.Frozen(name, next); frozen && free {
				why = orElse(why, freeze.Why)
				next, free = d.w.Calendar.NextFree(name, next)
			}
		}
	}
	if why == "" {
		return Blocker{}, false
	}
	b := Blocker{Kind: "freeze", What: f.Calendar, Why: "the calendar " + f.Calendar + " is frozen: " + why}
	if free {
		b.Until = next
	}
	return b, true
}

// inFlight is the effect of the step for a purpose that has no outcome or is doubtful, or nil.
func (d *decider) inFlight(path string, purpose Purpose) *Effect {
	for _, e := range d.s.Effects {
		if e.Step == path && e.For == purpose {
			return e
		}
	}
	return nil
}

package run

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/playbook"
)

// The actions that the engine itself performs.
const (
	GateMessage     = "slipway.gate_message@1"      // put a manifest to the people
	EditGateMessage = "slipway.edit_gate_message@1" // say that it is void, approved or rejected
	ClosingRead     = "slipway.closing_read@1"      // read roles and reactions of the counted approvals again
	StartRun        = "slipway.start_run@1"         // start a child
	TellRun         = "slipway.tell_run@1"          // tell a child to hold, resume or abort
	Remind          = "slipway.remind@1"            // remind those that a step waits for
	SetRow          = "ledger.set@1"                // set columns of a row; steps may name it too
)

// intent is what an effect has besides its step, action and inputs.
type intent struct {
	after     time.Time
	undoes    string
	raw       []byte // canonical inputs that are there already
	probeOnly bool
}

// key is the effect key of the step's action with the inputs of that digest.
func (d *decider) key(path, digest string) (string, int) {
	generation := d.at(path).Generations[digest]
	return action.Key{Run: d.s.ID, Step: path, Inputs: digest, Generation: generation}.String(), generation
}

// intend emits the intent of an effect and returns its key. An effect for the step's own action
// has the key of its inputs; every other is numbered within the step, so that two of them never
// share a key.
func (d *decider) intend(path string, purpose Purpose, ref string, inputs map[string]any, opt intent) string {
	raw, digest := opt.raw, ""
	if raw == nil {
		raw, digest = canonical(inputs)
	} else {
		digest = action.DigestOf(raw)
	}
	generation, key := 0, ""
	switch purpose {
	case ForStep, ForAdopt:
		key, generation = d.key(path, digest)
	default:
		n := d.at(path).Polls
		if path == "" {
			n = int(d.s.Events)
		}
		key = action.Key{Run: d.s.ID, Step: path + "#" + string(purpose) + "." + strconv.Itoa(n+1), Inputs: digest}.String()
	}
	forget := false
	switch purpose {
	case ForPoll, ForConfirm, ForMessage, ForClosing, ForRemind, ForTell, ForGuard, ForAgain, ForBack, ForUndo, ForChild, ForAdopt, ForRow:
		forget = true
	case ForStep:
		if in := d.find(path); in != nil && in.def.Do != nil {
			forget = in.def.Do.Contract.Policy == action.Read
		}
	}
	d.emit(EffectIntended{Key: key, Step: path, Action: ref, Inputs: raw, Generation: generation, Undoes: opt.undoes,
		After: opt.after, ProbeOnly: opt.probeOnly, For: purpose, Digest: digest, Forget: forget})
	return key
}

// beginDo intends the action of a do step, unless it was done with these inputs before.
func (d *decider) beginDo(in *inst) {
	st := d.at(in.path)
	key, _ := d.key(in.path, st.Digest)
	if past := st.Past[key]; past != nil && past.Outcome == OK && !past.Undone {
		if out, err := action.DecodeValues(past.Output); err == nil {
			d.done(in, out)
			return
		}
	}
	if d.s.Effects[key] == nil {
		d.intend(in.path, ForStep, in.def.Do.Ref, st.Inputs, intent{})
	}
}

// result records how an effect ended and does what follows for the step it was for. A result of
// an effect that is not awaited (a repeat, or withdrawn meanwhile) changes nothing.
func (d *decider) result(r Result) *errs.Error {
	e := d.s.Effects[r.Key]
	if e == nil || e.Outcome == Doubtful && r.Outcome == Doubtful {
		return nil
	}
	in := d.find(e.Step)
	ended := EffectEnded{Key: r.Key, Step: e.Step, Outcome: r.Outcome, Output: r.Output, Class: r.Class, Message: r.Message, Found: r.Found}
	switch ended.Outcome {
	case OK, Fail, Doubtful, Skipped:
	default:
		return refuse(errs.Invalid, "an effect cannot end as %q", r.Outcome)
	}
	if ended.Outcome == Doubtful {
		switch e.For {
		case ForStep, ForChild, ForAgain, ForBack, ForUndo:
		default: // only looks: it is tried again by whoever needs it
			ended.Outcome = Fail
		}
	}
	if ended.Outcome == Doubtful && d.onlyReads(e.Step) && e.For == ForStep {
		// Nothing can have happened: it could not be read, and may be read again.
		ended.Outcome, ended.Class = Fail, orElse(ended.Class, "unavailable")
	}
	if e.ProbeOnly && e.For == ForStep && ended.Outcome != OK {
		ended.Outcome, ended.Message = Doubtful, "a probe does not find it"+colon(r.Message)
	}
	doubted := d.at(e.Step).Status == InDoubt && d.at(e.Step).Effect == r.Key
	d.emit(ended)
	if ended.Outcome == Doubtful {
		return nil
	}
	if in != nil && doubted { // it was tried again after a doubt
		d.afterDoubt(in, e, ended)
		return nil
	}
	if in == nil {
		if e.Step != "" && !settledWell(d.at(e.Step).Status) && d.at(e.Step).Status != WithdrawnSt {
			d.emit(StepWithdrawn{e.Step, "its element is gone from the list"})
		}
		if e.For == ForUndo && ended.Outcome == OK {
			d.emit(Undone{e.Step, e.Undoes})
		}
		return nil
	}
	switch e.For {
	case ForStep:
		d.doEnded(in, e, ended)
	case ForPoll:
		d.told = r.Told
		d.polled(in, ended)
		d.told = nil
	case ForConfirm:
		d.confirmed(in, ended)
	case ForAgain:
		if ended.Outcome == Fail {
			d.clearTimer("retry/" + in.path)
			d.stuck(in.path, "the outside could not be asked to try again"+colon(r.Message))
		}
	case ForMessage:
		if ended.Outcome == Fail && in.def.Kind == playbook.GateK && d.at(in.path).Status == Running {
			d.emit(GateReopened{Step: in.path, Why: "its message could not be posted" + colon(r.Message)})
		}
	case ForClosing:
		if ended.Outcome == Fail {
			return d.closing(Closing{Step: in.path, Number: d.at(in.path).gateClosing(), Unavailable: orElse(r.Message, "the sources could not be read")})
		}
	case ForChild:
		d.childStarted(in, e, ended)
	case ForUndo, ForBack:
		if ended.Outcome == OK {
			d.emit(Undone{e.undoneStep(), e.Undoes})
		} else if e.For == ForBack {
			d.stuck(in.path, "a rollback failed"+colon(r.Message))
		}
	case ForGuard:
		d.guardRead(in, e, ended)
	case ForAdopt:
		d.adoptProbed(in, e, ended)
	case ForRow:
		if ended.Outcome != OK && d.at(in.path).Status == Running {
			d.emit(StepWaits{in.path, "", "an answer could not be noted in its row" + colon(r.Message)})
		}
	}
	return nil
}

// undoneStep is the step whose effect an undo closes. A rollback itself belongs to the step that
// failed.
func (e *Effect) undoneStep() string { return orElse(e.UndoesOf, e.Step) }

func (st *Step) gateClosing() int {
	if st.Gate == nil {
		return 0
	}
	return st.Gate.Closing
}

func colon(s string) string {
	if s == "" {
		return ""
	}
	return ": " + s
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// doEnded goes on after the action of a do step.
func (d *decider) doEnded(in *inst, e *Effect, r EffectEnded) {
	st := d.at(in.path)
	if st.Status == Waiting || settledWell(st.Status) {
		return // stale, or settled by a person, while it was under way: only the effect is recorded
	}
	switch r.Outcome {
	case OK:
		out, err := action.DecodeValues(r.Output)
		if err == nil {
			err = in.def.Do.Contract.Out.Check("its result", out)
		}
		if err != nil {
			d.clearStepTimers(in.path)
			d.stuck(in.path, in.def.Do.Ref+" was done, but its result cannot be used: "+err.Error())
			return
		}
		d.done(in, out)
	case Fail:
		if d.s.Status == IsAborting {
			d.end(in.path, StepFailed{Step: in.path, Class: orElse(r.Class, "any"), Message: r.Message})
			return
		}
		d.fail(in, r.Class, orElse(r.Message, in.def.Do.Ref+" failed"))
	case Skipped:
		if d.s.Status != IsAborting {
			d.clearStepTimers(in.path)
			d.emit(StepStale{Step: in.path, Because: "it was never tried" + colon(r.Message)})
		}
	}
}

// undoOf makes the inputs of the action that undoes an effect. ok is false for an effect that
// cannot be undone.
func undoOf(c action.Contract, e *Effect) (ref string, inputs []byte, ok bool) {
	if c.Undo == "" {
		return "", nil, false
	}
	in, err := action.DecodeValues(e.Inputs)
	if err != nil {
		return "", nil, false
	}
	out, err := action.DecodeValues(e.Output)
	if err != nil {
		return "", nil, false
	}
	values := make(map[string]any, len(c.UndoIn))
	for _, name := range sortedNames(c.UndoIn) {
		from, field, _ := strings.Cut(c.UndoIn[name], ".")
		source := in
		if from == "out" {
			source = out
		}
		if v, given := source[field]; given {
			values[name] = v
		}
	}
	inputs, _ = canonical(values)
	return c.Undo, inputs, true
}

// undoable is an effect that was done and can be undone.
type undoable struct {
	path, key string
	effect    *Effect
	def       *playbook.Step
}

// undoables lists the effects of do steps for which keep holds, newest first.
func (d *decider) undoables(keep func(path string, def *playbook.Step) bool) []undoable {
	var out []undoable
	for path, st := range d.s.Steps {
		if len(st.Past) == 0 {
			continue
		}
		def := d.p.Step(DeclaredPath(path))
		if def == nil || def.Do == nil || !keep(path, def) {
			continue
		}
		for key, e := range st.Past {
			if e.Outcome == OK && !e.Undone && e.For == ForStep {
				out = append(out, undoable{path, key, e, def})
			}
		}
	}
	slices.SortFunc(out, func(a, b undoable) int {
		return cmp.Or(cmp.Compare(b.effect.Order, a.effect.Order), strings.Compare(a.key, b.key))
	})
	return out
}

// toRollBack lists what on_fail of in undoes, newest first.
func (d *decider) toRollBack(in *inst) []undoable {
	if in.def.OnFail == nil || len(in.def.OnFail.Undo) == 0 {
		return nil
	}
	return d.undoables(func(path string, def *playbook.Step) bool {
		return def.Do.Contract.Undo != "" && rollsBack(in, path, def)
	})
}

// rollsBack reports whether on_fail of in names the step, or a list that holds it. In the body
// of an each, only the same element is rolled back.
func rollsBack(in *inst, path string, def *playbook.Step) bool {
	if in.def.OnFail == nil || in.in != nil && strings.HasPrefix(def.Path, in.def.Parent.Path+"/") && !strings.HasPrefix(path, in.in.path+"/") {
		return false
	}
	for s := def; s != nil; s = s.Parent {
		if slices.Contains(in.def.OnFail.Undo, s.Path) {
			return true
		}
	}
	return false
}

// halfDone names the steps that a rollback of in leaves to a person: they failed, so nobody knows
// how much of them was done, and only what ended well is undone.
func (d *decider) halfDone(in *inst) []string {
	var out []string
	for _, i := range d.instances() {
		st := d.at(i.path)
		failed := st.Status == FailedSt || st.Status == Stuck || i.path == in.path
		if i.def.Do == nil || st.Attempt == 0 || !failed || d.onlyReads(i.path) || !rollsBack(in, i.path, i.def) {
			continue
		}
		key, _ := d.key(i.path, st.Digest)
		if past := st.Past[key]; past == nil || past.Undone {
			out = append(out, i.path)
		}
	}
	return out
}

func (d *decider) rollbackLeft(in *inst) bool {
	return d.inFlight(in.path, ForBack) != nil || len(d.toRollBack(in)) > 0
}

// rollback undoes one effect at a time, the newest first.
func (d *decider) rollback(in *inst) {
	if d.inFlight(in.path, ForBack) != nil {
		return
	}
	left := d.toRollBack(in)
	if len(left) == 0 {
		return
	}
	ref, inputs, ok := undoOf(left[0].def.Do.Contract, left[0].effect)
	if !ok {
		d.stuck(in.path, "the rollback of "+left[0].path+" cannot be made from its inputs and result")
		return
	}
	d.intendUndo(in.path, ForBack, ref, inputs, left[0])
}

func (d *decider) intendUndo(path string, purpose Purpose, ref string, inputs []byte, u undoable) {
	key := action.Key{Run: d.s.ID, Step: path + "#undo", Inputs: u.key, Generation: u.effect.Generation}.String()
	d.emit(EffectIntended{Key: key, Step: path, Action: ref, Inputs: inputs, Generation: u.effect.Generation, Undoes: u.key,
		UndoesOf: u.path, For: purpose, Digest: action.DigestOf(inputs), Forget: true})
}

package run

import (
	"errors"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/bot/manifest"
	"slipway/bot/playbook"
)

// advance does everything that follows from the state as it is, until nothing more does.
func (d *decider) advance() {
	if d.s.Status == "" || d.s.Status == RunEnded {
		return
	}
	by := d.by
	d.by = "" // what follows is Slipway's own doing
	defer func() { d.by = by }()
	for round := 0; round < maxRounds; round++ {
		before := len(d.events)
		d.turns = nil
		if d.s.Status == IsAborting {
			d.advanceAbort()
		} else if d.s.Adopting {
			d.advanceAdopt()
		} else {
			d.advanceSteps()
		}
		d.releaseLocks()
		if len(d.events) == before {
			break
		}
		if d.s.Status == RunEnded {
			return
		}
	}
	d.finish()
}

func (d *decider) advanceSteps() {
	if b := d.runLocked(); b != nil {
		return
	}
	for _, in := range d.instances() {
		st := d.at(in.path)
		switch st.Status {
		case Waiting:
			d.tryStart(in, st)
		case Running:
			d.lookRunning(in, st)
		case FailedSt:
			d.lookFailed(in, st)
		}
		if d.list == nil || d.s.Status != Live && d.s.Status != OnHold {
			return // the elements changed, or the run: the next round looks again
		}
	}
}

func (d *decider) lookRunning(in *inst, st *Step) {
	switch in.def.Kind {
	case playbook.GateK:
		d.lookGate(in, st)
	case playbook.Each:
		d.lookEach(in, st)
	case playbook.Offer:
		d.lookOffer(in, st)
	case playbook.Collect:
		d.lookCollect(in, st)
	}
}

// tryStart starts in when nothing keeps it from starting, and otherwise tells what does.
func (d *decider) tryStart(in *inst, st *Step) {
	if in.in != nil && !d.hasTurn(in.in) || len(d.unmet(in, true)) > 0 {
		return
	}
	if taken, _ := d.branchTaken(in); !taken {
		d.emit(StepSkipped{in.path, "its branch was not taken"})
		return
	}
	if in.def.When != nil {
		ok, err := in.def.When.Bool(d.scope(in, nil))
		if err != nil {
			d.stuck(in.path, "its condition cannot be told: "+errs.Text(err))
			return
		}
		if !ok {
			d.emit(StepSkipped{in.path, NoCondition + in.def.When.Text})
			return
		}
	}
	if len(d.waitsFor(in, true)) > 0 {
		return
	}
	inputs, err := d.inputsOf(in)
	if err != nil {
		d.stuck(in.path, "its inputs cannot be made: "+errs.Text(err))
		return
	}
	_, digest := canonical(inputs)
	if d.reuse(in, st, digest) {
		return
	}
	if st.Prior != nil && st.Prior.Saw != nil { // it starts anew: it sees the ledgers as they are now
		d.anew = in.path
		defer func() { d.anew = "" }()
		if inputs, err = d.inputsOf(in); err != nil {
			d.stuck(in.path, "its inputs cannot be made: "+errs.Text(err))
			return
		}
		_, digest = canonical(inputs)
	}
	if b, frozen := d.frozen(in); frozen {
		d.freeze(in, st, b)
		return
	}
	if !d.takeLocks(in) {
		return
	}
	if !d.guardsHold(in) {
		return
	}
	d.begin(in, inputs, digest)
}

// reuse keeps the result of a step that is examined again and has the same inputs as before.
func (d *decider) reuse(in *inst, st *Step, digest string) bool {
	if st.Prior == nil || in.def.Kind == playbook.Each || st.Prior.Digest != digest {
		return false
	}
	if in.def.Kind == playbook.GateK {
		m, err := d.manifest(in, st)
		if err != nil || st.Prior.Gate == nil || !manifest.Same(st.Prior.Gate.Manifest, m) {
			return false
		}
	}
	found := st.Prior.Status == Adopted
	d.emit(StepDone{Step: in.path, Reused: true})
	if found {
		d.foundAgain(in)
	}
	return true
}

// freeze does what the playbook says about a freeze.
func (d *decider) freeze(in *inst, st *Step, b Blocker) {
	switch on := "freeze " + b.What; in.def.FrozenBy.Then {
	case "skip":
		d.emit(StepSkipped{in.path, b.Why})
	case "ask":
		d.emit(StepStuck{Step: in.path, Why: b.Why + "; retry to go ahead in spite of it", On: on})
	default:
		if st.On != on {
			d.emit(StepWaits{in.path, on, b.Why})
		}
		if id := "freeze/" + in.path; !b.Until.IsZero() && !d.s.Timers[id].Equal(b.Until) {
			d.emit(TimerSet{id, b.Until})
		}
	}
}

// inputsOf evaluates what in is to be started with. The digest of it decides whether an earlier
// result still stands.
func (d *decider) inputsOf(in *inst) (map[string]any, error) {
	scope := d.scope(in, nil)
	text := func(name string, t *playbook.Template) (map[string]any, error) {
		v, err := evalText(t, scope)
		if err != nil {
			return nil, err
		}
		return map[string]any{name: v}, nil
	}
	asking := func(name string, t, person *playbook.Template) (map[string]any, error) {
		values, err := text(name, t)
		if err == nil && person != nil {
			values["person"], err = evalText(person, scope)
		}
		return values, err
	}
	switch in.def.Kind {
	case playbook.Do:
		values, err := eval(in.def.Do.With, scope)
		if err != nil {
			return nil, err
		}
		return values, in.def.Do.Contract.In.Check("with", values)
	case playbook.Wait:
		if in.def.Wait.At != nil {
			return text("at", in.def.Wait.At)
		}
		values, err := eval(in.def.Wait.With, scope)
		if err != nil {
			return nil, err
		}
		return values, in.def.Wait.Contract.In.Check("with", values)
	case playbook.GateK:
		return text("say", in.def.Gate.Say)
	case playbook.Ask:
		return asking("prompt", in.def.Ask.Prompt, in.def.Ask.Person)
	case playbook.ByHand:
		return asking("text", in.def.ByHand.Text, in.def.ByHand.Person)
	case playbook.Collect:
		return text("prompt", in.def.Collect.Prompt)
	case playbook.Call:
		return eval(in.def.Call.With, scope)
	case playbook.Each, playbook.Offer:
		return nil, nil
	}
	return nil, errors.New("this kind of step is not known")
}

// begin makes an attempt of in.
func (d *decider) begin(in *inst, inputs map[string]any, digest string) {
	d.emit(StepStarted{Step: in.path, Attempt: d.at(in.path).Attempt + 1, Inputs: inputs, Digest: digest, Saw: d.sees(in)})
	if def := in.def.Deadline; def != nil && def.After > 0 {
		d.emit(TimerSet{"deadline/" + in.path, d.now.Add(def.After)})
	}
	if in.def.Remind > 0 {
		d.emit(TimerSet{"remind/" + in.path, d.now.Add(in.def.Remind)})
	}
	switch in.def.Kind {
	case playbook.Do:
		d.beginDo(in)
	case playbook.GateK:
		d.openGate(in)
	case playbook.Wait:
		d.beginWait(in)
	case playbook.Each:
		d.beginEach(in)
	case playbook.Call:
		d.beginCall(in)
	case playbook.Collect:
		d.beginCollect(in)
	case playbook.Ask, playbook.ByHand:
		d.askable(in)
	}
}

// end emits what ends an attempt and disarms its timers.
func (d *decider) end(path string, body Body) {
	d.emit(body)
	d.clearStepTimers(path)
}

func (d *decider) done(in *inst, output map[string]any) {
	d.end(in.path, StepDone{Step: in.path, Output: output, Told: d.told})
}

func (d *decider) stuck(path, why string) {
	d.clearTimer("remind/" + path)
	d.emit(StepStuck{Step: path, Why: why})
}

// fail ends an attempt badly: another one follows while the playbook allows it for this class
// of failure, and else what on_fail says, or a person.
func (d *decider) fail(in *inst, class, message string) {
	d.clearStepTimers(in.path)
	if class == "" {
		class = "any"
	}
	if r, ok := d.retryOf(in, class); ok {
		at := d.now.Add(r.After)
		d.emit(StepFailed{Step: in.path, Class: r.Class, Message: message, RetryAt: at, Told: d.told})
		if r.After > 0 {
			d.emit(TimerSet{"retry/" + in.path, at})
		}
		if in.def.OnFail.Ref != nil {
			d.askAgain(in, at)
		}
		return
	}
	if half := d.halfDone(in); len(half) > 0 {
		message += "; what failed half-way is not rolled back, look at it: " + strings.Join(half, ", ")
	}
	d.emit(StepFailed{Step: in.path, Class: class, Message: message, Told: d.told})
	d.lookFailed(in, d.at(in.path))
}

// retryOf finds the rule that allows another attempt: the one of the class, else the one of any.
func (d *decider) retryOf(in *inst, class string) (playbook.Retry, bool) {
	if in.def.OnFail == nil || class == errs.Internal.String() { // code that broke breaks again, or did half
		return playbook.Retry{}, false
	}
	failures := d.at(in.path).Failures
	for _, name := range []string{class, "any"} {
		for _, r := range in.def.OnFail.Retries {
			if r.Class == name {
				return r, failures[name] < r.Times
			}
		}
	}
	return playbook.Retry{}, false
}

// askAgain asks the outside to try again before the next attempt.
func (d *decider) askAgain(in *inst, at time.Time) {
	ref := in.def.OnFail.Ref
	inputs, err := eval(ref.With, d.scope(in, nil))
	if err == nil {
		err = ref.Contract.In.Check("with", inputs)
	}
	if err != nil {
		d.stuck(in.path, "the outside cannot be asked to try again: "+errs.Text(err))
		return
	}
	d.intend(in.path, ForAgain, ref.Ref, inputs, intent{after: at})
}

// lookFailed goes on after a failure that no attempt follows: first the rollback, then the
// branch, and without one the step is stuck.
func (d *decider) lookFailed(in *inst, st *Step) {
	if turnedDown(st) {
		return
	}
	if d.rollbackLeft(in) {
		d.rollback(in)
		return
	}
	if d.refusedBy() == in.path {
		return // the run ends
	}
	if !d.leadsOn(in, st) {
		d.stuck(in.path, st.Message)
	}
}

// finish ends the run when nothing can happen any more.
func (d *decider) finish() {
	if d.s.Status != Live || d.s.Adopting || d.busy() {
		return
	}
	if gate := d.rejected(); gate != "" {
		d.conclude("rejected")
		return
	}
	if d.refusedBy() != "" {
		d.conclude("refused")
		return
	}
	failed := false
	for _, def := range d.p.Steps {
		st := d.at(def.ID)
		switch {
		case settledWell(st.Status), st.Status == WithdrawnSt:
		case st.Status == FailedSt || st.Status == Waiting:
			if !d.unreachable(def.ID) {
				return
			}
			failed = failed || !d.bypassed(def)
		default:
			return
		}
	}
	if failed {
		d.conclude("failed")
		return
	}
	d.conclude("done")
}

// bypassed reports whether a step that names def in any: went on without it.
func (d *decider) bypassed(def *playbook.Step) bool {
	for _, other := range d.p.Steps {
		for _, path := range other.Any {
			if path == def.Path && settledWell(d.at(other.ID).Status) {
				return true
			}
		}
	}
	return false
}

// busy reports whether an effect is in flight or doubtful, or a child runs. Reminders and the
// posting of messages do not keep a run alive.
func (d *decider) busy() bool {
	for _, e := range d.s.Effects {
		switch e.For {
		case ForRemind, ForMessage, ForPoll, ForClosing:
		default:
			return true
		}
	}
	for _, c := range d.s.Children {
		if c.Outcome == "" {
			return true
		}
	}
	return false
}

// conclude is the last of a run: effects that only look are withdrawn, timers and locks freed.
func (d *decider) conclude(outcome string) {
	for _, path := range sortedNames(d.s.Steps) {
		d.voidGate(path, "the run has ended: "+outcome)
	}
	d.voidLooking("the run has ended")
	for _, id := range sortedNames(d.s.Timers) {
		d.emit(TimerCleared{id})
	}
	for _, lock := range sortedNames(d.s.Locks) {
		d.release(lock, d.s.Locks[lock], "the run has ended")
	}
	for _, lock := range sortedNames(d.s.Queued) {
		d.release(lock, d.s.Queued[lock], "the run has ended")
	}
	var output map[string]any
	if outcome == "done" && len(d.p.Outputs) > 0 {
		output = map[string]any{}
		for _, o := range d.p.Outputs {
			if v, err := o.Value.Eval(d.scope(nil, nil)); err == nil && v != nil {
				output[o.Name] = v
			}
		}
	}
	d.emit(Finished{outcome, output})
}

// voidLooking withdraws the effects that change nothing outside.
func (d *decider) voidLooking(why string) {
	for _, key := range sortedNames(d.s.Effects) {
		switch e := d.s.Effects[key]; e.For {
		case ForPoll, ForClosing, ForRemind, ForGuard, ForConfirm, ForAdopt:
			d.emit(EffectVoided{key, e.Step, why})
		}
	}
}

func (d *decider) clearTimer(id string) {
	if _, set := d.s.Timers[id]; set {
		d.emit(TimerCleared{id})
	}
}

func (d *decider) clearStepTimers(path string) {
	if len(d.s.Timers) == 0 {
		return
	}
	for _, kind := range [...]string{"deadline/", "remind/", "retry/", "freeze/", "expire/", "closing/", "at/", "poll/"} {
		d.clearTimer(kind + path)
	}
}

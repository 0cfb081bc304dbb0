package run

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/playbook"
)

// command does what a person tells the run. Every command gets events, a reply or a refusal.
func (d *decider) command(c Command) *errs.Error {
	if err := d.known(c.Person); err != nil {
		return err
	}
	d.by = c.Person
	switch c.Verb { // those with rules of their own about who may
	case AppointVerb:
		return d.appoint(c)
	case SkipVerb:
		return d.skip(c)
	case StartVerb:
		return d.startChild(c)
	case CloseVerb:
		return d.closeOffer(c)
	}
	if c.Verb == YieldVerb {
		// The other run's people take the lock, so a release manager or an admin speaks.
		if !d.has(ReleaseManager, c.Person) && !d.has("admin", c.Person) {
			return refuse(errs.Denied, "%s may not take a lock from %s", c.Person, d.s.Name).Hint("%s, or an admin may", d.whoHas(ReleaseManager))
		}
		return d.yield(c)
	}
	if err := d.steer(c.Verb, c.Person); err != nil {
		return err
	}
	if d.s.Status == IsAborting {
		switch c.Verb {
		case AbortVerb, UndoVerb, DoubtVerb, OpenVerb, HandOverVerb:
		default:
			return refuse(errs.Conflict, "%s is being aborted: %s", d.s.Name, d.s.Why).Hint("only undo and doubt are left")
		}
	}
	switch c.Verb {
	case HoldVerb:
		return d.hold(c)
	case ResumeVerb:
		return d.resume()
	case RetryVerb:
		return d.retry(c)
	case AbortVerb:
		return d.abort(c)
	case UndoVerb:
		return d.undo(c)
	case RenameVerb:
		return d.rename(c)
	case HandOverVerb:
		return d.handOver(c)
	case AdoptVerb:
		return d.adopt()
	case AgainVerb:
		return d.again(c)
	case DoubtVerb:
		return d.doubt(c)
	case MigrateVerb:
		return d.migrate(c)
	case OpenVerb:
		if !d.s.Private {
			d.reply = d.s.Name + " is not private"
			return nil
		}
		d.emit(Opened{})
		for _, in := range d.instances() { // their messages were posted nowhere
			if st := d.at(in.path); in.def.Kind == playbook.GateK && st.Status == Running && st.Gate != nil && st.Gate.Digest != "" {
				d.askPeople(in)
			}
		}
		d.reply = "opened"
		return nil
	}
	return refuse(errs.Invalid, "a run does not know the command %q", c.Verb)
}

// stepAt finds the step that a command names.
func (d *decider) stepAt(path string) (*inst, *Step, *errs.Error) {
	in := d.find(path)
	if path == "" || in == nil {
		return nil, nil, refuse(errs.NotFound, "%s has no step %q", d.s.Name, path).Hint("%s", d.stepsHint())
	}
	return in, d.at(path), nil
}

func (d *decider) stepsHint() string {
	names := make([]string, len(d.p.Steps))
	for i, def := range d.p.Steps {
		names[i] = def.ID
	}
	return "steps: " + strings.Join(names, ", ")
}

// hold stops the starting of steps, and the deadlines with it. With now, jobs that are leased
// are given back.
func (d *decider) hold(c Command) *errs.Error {
	if d.s.Hold != nil && (d.s.Hold.Now || !c.Now) {
		d.reply = "already " + held(d.s.Hold)
		return nil
	}
	paused := map[string]time.Duration{}
	if d.s.Hold != nil {
		paused = d.s.Hold.Paused
	}
	for _, id := range sortedNames(d.s.Timers) {
		if strings.HasPrefix(id, "deadline/") {
			paused[id] = d.s.Timers[id].Sub(d.now)
			d.emit(TimerCleared{id})
		}
	}
	if len(paused) == 0 {
		paused = nil
	}
	d.emit(Held{Reason: c.Reason, Now: c.Now, Paused: paused})
	if c.Now {
		for _, key := range sortedNames(d.s.Effects) {
			e := d.s.Effects[key]
			in := d.find(e.Step)
			if e.For == ForStep && e.Outcome == "" && in != nil && in.def.Do != nil && in.def.Do.Contract.Job != "" {
				d.emit(EffectVoided{key, e.Step, "the run is held: its job is given back"})
				d.emit(StepStale{Step: e.Step, Because: "its job was given back by hold --now"})
			}
		}
	}
	d.tellChildren(HoldVerb, c.Reason, c.Now)
	d.reply = "held"
	return nil
}

// resume goes on; deadlines have what was left of them.
func (d *decider) resume() *errs.Error {
	if d.s.Hold == nil {
		d.reply = d.s.Name + " is not held"
		return nil
	}
	paused := d.s.Hold.Paused
	d.emit(Resumed{})
	for _, id := range sortedNames(paused) {
		_, path, _ := strings.Cut(id, "/")
		if st := d.at(path); st.Status == Running || st.Status == Waiting && st.Attempt > 0 {
			d.emit(TimerSet{id, d.now.Add(max(paused[id], 0))})
		}
	}
	d.tellChildren(ResumeVerb, "", false)
	d.reply = "resumed"
	return nil
}

// retry makes a new attempt of a step; what comes after it is examined again.
func (d *decider) retry(c Command) *errs.Error {
	in, st, err := d.stepAt(c.Step)
	if err != nil {
		return err
	}
	switch {
	case st.Status == InDoubt:
		return refuse(errs.Conflict, "nobody can tell whether %s happened", c.Step).Hint("settle it first: `doubt %s happened|redo|failed`", c.Step)
	case st.Status == WithdrawnSt:
		return refuse(errs.Conflict, "%s is gone from its list", c.Step)
	case st.Status == Waiting && st.RetryAt.IsZero():
		return refuse(errs.Conflict, "%s has not been tried yet", c.Step).Hint("`%s` tells what it waits for", WhySay(d.s.Name, c.Step))
	}
	if d.hurry(in, st, c) {
		d.reply = c.Step + " is tried again now"
		return nil
	}
	if step := d.inFlightAfter(c.Step); step != "" {
		return refuse(errs.Conflict, "an effect of %s is under way", step).Hint("wait for its outcome, or settle its doubt")
	}
	if st.Status == Running && len(c.Values) == 0 && in.def.Kind != playbook.Wait {
		return refuse(errs.Conflict, "%s is under way", c.Step).Hint("`%s` tells what it waits for", WhySay(d.s.Name, c.Step))
	}
	if len(c.Values) > 0 {
		if err := d.changeInputs(c.Values); err != nil {
			return err
		}
	}
	because := "retried by " + string(c.Person)
	despite := ""
	if freeze, ok := strings.CutPrefix(st.On, "freeze "); ok && st.Status == Stuck {
		despite = freeze
	}
	before := d.after(c.Step)
	for _, u := range d.undoneBefore(in) {
		d.staleWith(StepStale{Step: u, Because: because, Forget: true})
		d.staleAfter(u, because)
	}
	d.staleWith(StepStale{Step: c.Step, Because: because, Forget: true, Despite: despite})
	if in.def.Kind == playbook.Each {
		for _, sub := range slices.Clone(d.instances()) {
			if s := d.at(sub.path).Status; under(sub.path, c.Step) && (s == Stuck || s == FailedSt) {
				d.staleWith(StepStale{Step: sub.path, Because: because, Forget: true})
			}
		}
	}
	for _, path := range before {
		d.staleStep(path, c.Step+" was "+because)
	}
	d.reply = "retrying " + c.Step
	return nil
}

// undoneBefore lists the steps that a rollback of in undid: a new attempt of in needs them anew.
func (d *decider) undoneBefore(in *inst) []string {
	if in.def.OnFail == nil {
		return nil
	}
	var out []string
	for _, i := range d.instances() {
		st := d.s.Steps[i.path]
		if st == nil || !rollsBack(in, i.path, i.def) {
			continue
		}
		for _, e := range st.Past {
			if e.Undone && e.Digest == st.Digest {
				out = append(out, i.path)
				break
			}
		}
	}
	return out
}

// skip leaves a step out, where its playbook lets people do so.
func (d *decider) skip(c Command) *errs.Error {
	in, st, err := d.stepAt(c.Step)
	if err != nil {
		return err
	}
	may := in.def.MaySkip
	if may == nil {
		return refuse(errs.Denied, "%s cannot be skipped: the playbook gives it no may_skip", c.Step).
			Hint("retry it, or abort the run")
	}
	for _, n := range d.p.Never {
		if n.Without == in.def.Path {
			return refuse(errs.Denied, "%s cannot be skipped: the playbook promises never to do %s without it", c.Step, n.Do)
		}
	}
	allowed := false
	for _, role := range may.By {
		allowed = allowed || role == "requester" && d.isRequester(c.Person) || role != "requester" && d.has(role, c.Person)
	}
	if !allowed {
		return refuse(errs.Denied, "%s may not skip %s: its may_skip names %s", c.Person, c.Step, strings.Join(may.By, ", ")).
			Hint("%s may", d.whoHas(may.By[0]))
	}
	if may.When != nil {
		ok, err := may.When.Bool(d.scope(in, nil))
		if err != nil || !ok {
			return refuse(errs.Conflict, "%s may be skipped only when %s", c.Step, may.When.Text)
		}
	}
	switch {
	case st.Status == SkippedSt:
		d.reply = c.Step + " is skipped already"
		return nil
	case settledWell(st.Status):
		return refuse(errs.Conflict, "%s is done already", c.Step)
	case d.s.Status == IsAborting:
		return refuse(errs.Conflict, "%s is being aborted", d.s.Name)
	}
	if step, doubtful := d.effectUnder(in.path); step != "" || st.Status == InDoubt || d.childRuns(in.path) {
		if doubtful || st.Status == InDoubt {
			return refuse(errs.Conflict, "nobody can tell whether %s happened", c.Step).Hint("settle it first: `doubt %s happened|redo|failed`", c.Step)
		}
		return refuse(errs.Conflict, "an effect of %s is under way", c.Step).Hint("wait for its outcome")
	}
	why := "skipped by " + string(c.Person) + colon(c.Reason)
	d.quiet(in, why)
	d.end(in.path, StepSkipped{in.path, why})
	d.reply = c.Step + " is skipped"
	return nil
}

// doubt settles an effect of which nobody can tell whether it happened.
func (d *decider) doubt(c Command) *errs.Error {
	if d.find(c.Step) == nil && d.s.Steps[c.Step] != nil {
		return d.doubtGone(c)
	}
	in, st, err := d.stepAt(c.Step)
	if err != nil {
		return err
	}
	e := d.s.Effects[st.Effect]
	if st.Status != InDoubt || e == nil {
		return refuse(errs.Conflict, "there is no doubt about %s: it is %s", c.Step, st.Status)
	}
	key := st.Effect
	if e.Outcome == "" {
		d.reply = "it is tried again already"
		return nil
	}
	answer, _ := c.Values["answer"].(string)
	switch answer {
	case "happened":
		return d.happened(in, key, e, c)
	case "redo": // the same key: what looks first and then does, does it once
		d.emit(EffectIntended{Key: key, Step: e.Step, Action: e.Action, Inputs: e.Inputs, Generation: e.Generation, Undoes: e.Undoes,
			UndoesOf: e.UndoesOf, For: e.For, Digest: e.Digest, Forget: e.Forget})
		d.reply = "it is tried again, after another look"
	case "failed":
		d.emit(EffectEnded{Key: key, Step: e.Step, Outcome: Fail, Message: "not done, says " + string(c.Person)})
		d.afterDoubt(in, e, EffectEnded{Key: key, Step: e.Step, Outcome: Fail, Message: "it was not done, says " + string(c.Person) + colon(c.Reason)})
		d.reply = "noted: it did not happen"
	default:
		return refuse(errs.Invalid, "%q does not settle a doubt", answer).Hint("say happened, redo or failed")
	}
	return nil
}

// happened takes a person's word that an effect was done. What it gave comes with the word, or
// from a probe.
func (d *decider) happened(in *inst, key string, e *Effect, c Command) *errs.Error {
	values, given := c.Values["output"].(map[string]any)
	if e.For == ForStep {
		out := in.def.Do.Contract.Out
		if given {
			if err := out.Check("output", values); err != nil {
				return refuse(errs.Invalid, "that is not what %s gives: %w", e.Action, err).Hint("it gives %s", out)
			}
		} else if out.Check("output", map[string]any{}) != nil {
			if in.def.Do.Contract.Policy == action.OnceOrAsk {
				return refuse(errs.Invalid, "%s gives %s, which later steps need", e.Action, out).Hint("say it with the answer: output={…}")
			}
			d.emit(EffectIntended{Key: key, Step: e.Step, Action: e.Action, Inputs: e.Inputs, Generation: e.Generation, For: e.For,
				Digest: e.Digest, Forget: e.Forget, ProbeOnly: true})
			d.reply = "a probe reads what it gave"
			return nil
		}
	}
	raw, _ := canonical(values)
	if values == nil {
		raw = []byte("{}")
	}
	ended := EffectEnded{Key: key, Step: e.Step, Outcome: OK, Output: raw, Message: "it happened, says " + string(c.Person)}
	d.emit(ended)
	d.afterDoubt(in, e, ended)
	d.reply = "noted: it happened"
	return nil
}

// afterDoubt goes on as the result of the effect would have.
func (d *decider) afterDoubt(in *inst, e *Effect, r EffectEnded) {
	switch e.For {
	case ForStep:
		d.doEnded(in, e, r)
		d.changedMeanwhile(in)
	case ForChild:
		d.childStarted(in, e, r)
	case ForAgain:
		if r.Outcome != OK { // else the step waits for its next attempt again, which advance begins
			d.stuck(in.path, "the outside was not asked to try again"+colon(r.Message))
		}
	case ForBack, ForUndo:
		if r.Outcome == OK {
			d.emit(Undone{e.undoneStep(), e.Undoes})
		}
		if e.For == ForBack && r.Outcome == OK {
			d.emit(StepFailed{Step: in.path, Class: "any", Message: "it failed; its rollback goes on"})
		} else if e.For == ForBack {
			d.stuck(in.path, "a rollback was not done")
		}
	}
}

// again lets a step repeat what it did with the same inputs. The person must have been shown
// what was done: its key is the proof.
func (d *decider) again(c Command) *errs.Error {
	in, st, err := d.stepAt(c.Step)
	if err != nil {
		return err
	}
	if in.def.Kind != playbook.Do || st.Status != Done && st.Status != Adopted {
		return refuse(errs.Conflict, "%s has nothing to repeat: it is %s", c.Step, st.Status).Hint("`retry` makes a new attempt of what failed")
	}
	if step := d.inFlightAfter(c.Step); step != "" {
		return refuse(errs.Conflict, "an effect of %s is under way", step).Hint("wait for its outcome")
	}
	key, _ := d.key(in.path, st.Digest)
	if seen, _ := c.Values["seen"].(string); seen != key {
		out, _ := canonical(st.Output)
		return refuse(errs.Conflict, "%s was done at %s with this result: %s", in.def.Do.Ref, st.Since.Format(time.RFC3339), clip(string(out))).
			Hint("to do it a second time, say: again %s seen=%s", c.Step, key)
	}
	after := d.after(c.Step)
	d.emit(Again{c.Step, st.Digest})
	d.staleWith(StepStale{Step: c.Step, Because: "to be done again, says " + string(c.Person), Forget: true})
	for _, path := range after {
		d.staleStep(path, c.Step+" is done again")
	}
	d.reply = c.Step + " is done again"
	return nil
}

func clip(s string) string {
	if len(s) <= 300 {
		return s
	}
	return fmt.Sprintf("%s… (%d bytes)", strings.ToValidUTF8(s[:300], ""), len(s))
}

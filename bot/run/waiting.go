package run

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/playbook"
)

// beginWait looks for the first time, or sets the clock.
func (d *decider) beginWait(in *inst) {
	st := d.at(in.path)
	if in.def.Wait.At == nil {
		d.poll(in, time.Time{})
		return
	}
	text, _ := st.Inputs["at"].(string)
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		d.stuck(in.path, fmt.Sprintf("%q is not a time", text))
		return
	}
	if !at.After(d.now) {
		d.done(in, map[string]any{"at": text})
		return
	}
	d.emit(TimerSet{"at/" + in.path, at.UTC()})
}

// poll reads the fact once more. Each reading is an effect of its own.
func (d *decider) poll(in *inst, after time.Time) {
	d.intend(in.path, ForPoll, in.def.Wait.Ref, d.at(in.path).Inputs, intent{after: after})
}

// lookNow reads the fact at once: something happened outside that touches it.
func (d *decider) lookNow(path string) {
	in := d.find(path)
	if in == nil || in.def.Kind != playbook.Wait || in.def.Wait.At != nil || d.at(path).Status != Running {
		return
	}
	d.voidEffects(path, "it is read at once", ForPoll)
	d.poll(in, time.Time{})
}

// polled goes on after a reading.
func (d *decider) polled(in *inst, r EffectEnded) {
	st := d.at(in.path)
	if st.Status != Running || d.s.Status == IsAborting {
		return
	}
	next := d.now.Add(in.def.Wait.Poll)
	out, err := action.DecodeValues(r.Output)
	if r.Outcome == OK && err == nil {
		err = in.def.Wait.Contract.Out.Check("what was read", out)
	}
	if r.Outcome != OK || err != nil {
		why := "it could not be read" + colon(r.Message)
		if r.Outcome == OK {
			why = "what was read cannot be used: " + err.Error()
		}
		if st.Message != why {
			d.emit(StepWaits{in.path, "poll", why})
		}
		d.poll(in, next)
		return
	}
	scope := d.scope(in, map[string]any{in.def.Wait.As: out})
	if in.def.Wait.Until != nil {
		ok, err := in.def.Wait.Until.Bool(scope)
		if err != nil {
			d.stuck(in.path, "until cannot be told: "+errs.Text(err))
			return
		}
		if ok {
			d.done(in, out)
			return
		}
	}
	if in.def.Wait.Fail != nil {
		failed, err := in.def.Wait.Fail.Bool(scope)
		if err != nil {
			d.stuck(in.path, "fail cannot be told: "+errs.Text(err))
			return
		}
		if failed {
			d.fail(in, "failed", "what it waits for has failed: "+orElse(seen(out), in.def.Wait.Fail.Text))
			return
		}
	}
	if now := seen(out); st.On != "" || st.Message != now {
		d.emit(StepWaits{in.path, "", now})
	}
	d.poll(in, next)
}

// seen is what the watched object says of itself to people, in its field `told`: why it is still waited
// for. Most have none.
func seen(out map[string]any) string {
	text, _ := out["told"].(string)
	return text
}

// answer is a person's answer to an ask, a by_hand or a collect.
func (d *decider) answer(a Answer) *errs.Error {
	if err := d.known(a.Person); err != nil {
		return err
	}
	in := d.find(a.Step)
	if in == nil {
		return refuse(errs.NotFound, "%s has no step %q", d.s.Name, a.Step).Hint("%s", d.stepsHint())
	}
	if d.s.Status == IsAborting {
		return refuse(errs.Conflict, "%s is being aborted", d.s.Name)
	}
	d.by = a.Person
	switch in.def.Kind {
	case playbook.Ask:
		return d.answerAsk(in, a)
	case playbook.ByHand:
		return d.answerByHand(in, a)
	case playbook.Collect:
		return d.answerCollect(in, a)
	}
	return refuse(errs.Invalid, "%s asks nothing: it is a %s step", a.Step, in.def.Kind).Hint("%s", d.stepsHint())
}

// answerer checks that the person holds the role that is asked, or is the one person who is
// asked. For that person a release manager or an admin may answer too; behalf names the person.
func (d *decider) answerer(in *inst, of string, a Answer) (behalf people.PersonID, refusal *errs.Error) {
	if asked := d.asked(in); asked != "" {
		switch {
		case a.Person == asked:
			return "", nil
		case d.has(ReleaseManager, a.Person) || d.has(people.Admin, a.Person):
			return asked, nil
		}
		return "", refuse(errs.Denied, "%s asks %s, and nobody else", in.path, asked).Hint("on behalf of %s: %s, or an admin", asked, d.whoHas(ReleaseManager))
	}
	return "", d.holder(in, of, a)
}

// asked is the one person whom the step addresses, or "".
func (d *decider) asked(in *inst) people.PersonID {
	id, _ := d.at(in.path).Inputs["person"].(string)
	return people.PersonID(id)
}

// askable stops a step that addresses nobody who could answer.
func (d *decider) askable(in *inst) {
	if in.def.Ask != nil && in.def.Ask.Person == nil || in.def.ByHand != nil && in.def.ByHand.Person == nil {
		return
	}
	if id := d.asked(in); d.person(id) != nil {
		d.stuck(in.path, fmt.Sprintf("it asks %q, who is not a person that can act here", id))
	}
}

func (d *decider) holder(in *inst, of string, a Answer) *errs.Error {
	if of == "requester" && d.isRequester(a.Person) || of != "requester" && d.has(of, a.Person) {
		return nil
	}
	return refuse(errs.Denied, "%s asks %s, and %s is not one", in.path, article(of), a.Person).Hint("%s", d.whoHas(of))
}

func article(role string) string {
	if role == "requester" {
		return "the requester"
	}
	if strings.ContainsRune("aeiou", rune(role[0])) {
		return "an " + role
	}
	return "a " + role
}

func (d *decider) answerAsk(in *inst, a Answer) *errs.Error {
	part := in.def.Ask
	behalf, err := d.answerer(in, part.Of, a)
	if err != nil {
		return err
	}
	values, bad := fit("field", part.Fields, a.Values, true)
	if bad != nil {
		return bad
	}
	st := d.at(in.path)
	if bad := d.answerable(in, st); bad != nil {
		return bad
	}
	filled := func(p people.PersonID) bool { return slices.Contains(d.s.Filled[part.Fills], p) }
	if d.sameAnswer(st, values) && (part.Fills == "" || !slices.ContainsFunc(named(values), func(p people.PersonID) bool { return !filled(p) })) {
		d.reply = "that is the answer to " + in.path + " already; nothing changes"
		return nil
	}
	if part.Fills != "" {
		if err := d.fill(part.Fills, values, st.Output); err != nil {
			return err
		}
	}
	changed := st.Status == Done
	d.emit(Answered{Step: in.path, Values: values, For: behalf})
	output := maps.Clone(values)
	output["by"] = string(a.Person)
	d.done(in, output)
	d.reply = thanks(behalf)
	if changed {
		d.staleAfter(in.path, "the answer to "+in.path+" was changed by "+string(a.Person))
		d.reply = "changed"
	}
	return nil
}

// sameAnswer reports whether an answered step has these very values: to say them again is no change,
// whoever says it, and must not void what followed.
func (d *decider) sameAnswer(st *Step, values map[string]any) bool {
	if st.Status != Done {
		return false
	}
	had := maps.Clone(st.Output)
	delete(had, "by")
	old, _ := canonical(had)
	now, _ := canonical(values)
	return string(old) == string(now)
}

// answerable: an answer may be given while the step asks, and changed until an effect used it.
func (d *decider) answerable(in *inst, st *Step) *errs.Error {
	switch st.Status {
	case Running, Stuck:
		return nil
	case Done:
		if used := d.usedAfter(in.path); used != "" {
			return refuse(errs.Conflict, "the answer to %s can no longer change: %s has used it", in.path, used).
				Hint("`retry --from %s` asks anew", in.path)
		}
		return nil
	}
	return refuse(errs.Conflict, "%s does not ask now: it is %s", in.path, st.Status).Hint("`%s` tells what it waits for", WhySay(d.s.Name, in.path))
}

func (d *decider) answerByHand(in *inst, a Answer) *errs.Error {
	part := in.def.ByHand
	behalf, err := d.answerer(in, part.Of, a)
	if err != nil {
		return err
	}
	values, bad := fit("evidence", part.Evidence, a.Values, true)
	if bad != nil {
		return bad
	}
	st := d.at(in.path)
	if bad := d.answerable(in, st); bad != nil {
		return bad
	}
	if d.sameAnswer(st, values) {
		d.reply = "that is what was said of " + in.path + " already; nothing changes"
		return nil
	}
	changed := st.Status == Done
	if part.Probe == nil {
		d.emit(Answered{Step: in.path, Values: values, For: behalf})
		d.done(in, evidence(values, string(a.Person)))
		d.reply = thanks(behalf)
	} else {
		inputs, err := eval(part.Probe.With, d.scope(in, map[string]any{"evidence": values}))
		if err == nil {
			err = part.Probe.Contract.In.Check("probe", inputs)
		}
		if err != nil {
			return refuse(errs.Invalid, "the evidence cannot be checked: %s", errs.Text(err))
		}
		d.emit(Answered{Step: in.path, Values: values, For: behalf})
		if changed || st.Status == Stuck {
			d.emit(StepStarted{Step: in.path, Attempt: st.Attempt, Inputs: st.Inputs, Digest: st.Digest, Saw: st.Saw})
		}
		d.voidEffects(in.path, "there is newer evidence", ForConfirm)
		d.intend(in.path, ForConfirm, part.Probe.Ref, inputs, intent{})
		d.emit(StepWaits{in.path, "check", "the evidence of " + string(a.Person) + " is being checked"})
		d.reply = "thank you, it is being checked"
	}
	if changed {
		d.staleAfter(in.path, "the evidence of "+in.path+" was changed by "+string(a.Person))
	}
	return nil
}

func thanks(behalf people.PersonID) string {
	if behalf != "" {
		return "recorded, on behalf of " + string(behalf)
	}
	return "thank you, recorded"
}

func evidence(values map[string]any, by string) map[string]any {
	out := maps.Clone(values)
	out["by"] = by
	return out
}

// confirmed is the answer of the probe of a by_hand step.
func (d *decider) confirmed(in *inst, r EffectEnded) {
	st := d.at(in.path)
	if st.Status != Running {
		return
	}
	values, by := st.Answers[""], string(st.AnsweredBy[""])
	if r.Outcome != OK {
		d.emit(StepWaits{in.path, "evidence", "the evidence could not be checked" + colon(r.Message) + "; give it again to have it checked again"})
		return
	}
	out, err := action.DecodeValues(r.Output)
	ok := err == nil
	part := in.def.ByHand
	if ok && part.Until != nil {
		ok, err = part.Until.Bool(d.scope(in, map[string]any{part.As: out, "evidence": values}))
	}
	switch {
	case err != nil:
		d.emit(StepWaits{in.path, "evidence", "the evidence could not be checked: " + errs.Text(err)})
	case !ok:
		d.emit(StepWaits{in.path, "evidence", "the check does not confirm it: " + part.Until.Text})
	default:
		d.done(in, evidence(values, by))
	}
}

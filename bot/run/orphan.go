package run

import (
	"cmp"
	"slices"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/playbook"
)

// Orphan stands for the playbook of a run that this program cannot read any more. Only an abort
// may be decided with it, and what follows one: nothing is started, outcomes in flight are
// awaited, and what was done is listed for a person, since no contract says how it is undone.
func Orphan(name, digest string) *playbook.Playbook {
	return &playbook.Playbook{Name: name, Digest: digest}
}

// orphaned lists what was done by steps that the playbook does not have, newest first.
func (d *decider) orphaned() []UndoItem {
	type done struct {
		item  UndoItem
		order uint64
	}
	var all []done
	for path, st := range d.s.Steps {
		if d.p.Step(DeclaredPath(path)) != nil {
			continue
		}
		for key, e := range st.Past {
			if e.Outcome == OK && !e.Undone && e.For == ForStep {
				all = append(all, done{UndoItem{Key: key, Step: path, Did: e.Action}, e.Order})
			}
		}
	}
	slices.SortFunc(all, func(a, b done) int {
		return cmp.Or(cmp.Compare(b.order, a.order), cmp.Compare(a.item.Key, b.item.Key))
	})
	var items []UndoItem
	for _, a := range all {
		items = append(items, a.item)
	}
	return items
}

// goneInDoubt lists the steps that are not in the run any more, since their element left its list
// or their playbook is gone, and of which nobody can tell whether they happened.
func (d *decider) goneInDoubt() []string {
	var out []string
	for _, path := range sortedNames(d.s.Steps) {
		if d.s.Steps[path].Status == InDoubt && d.find(path) == nil {
			out = append(out, path)
		}
	}
	return out
}

// whyGone explains a step that is not in the run any more.
func (d *decider) whyGone(path string, st *Step) Explanation {
	gone := d.gone(path)
	e := Explanation{Step: path, Status: string(st.Status), Since: st.Since, Lines: []string{orElse(st.Message, gone)}}
	if st.Status == InDoubt {
		e.Lines = []string{"nobody can tell whether it happened, and " + gone + colon(st.Message)}
		e.Awaited = d.inDoubt(path, st)
	}
	return e
}

func (d *decider) gone(path string) string {
	if d.p.Step(DeclaredPath(path)) == nil {
		return "its playbook is gone"
	}
	return "its element is gone from the list"
}

// doubtGone settles the doubt about a step that is not in the run any more, and withdraws it.
// Whether it is done again is no question: nothing wants it.
func (d *decider) doubtGone(c Command) *errs.Error {
	st, gone := d.s.Steps[c.Step], d.gone(c.Step)
	if st.Status != InDoubt || d.s.Effects[st.Effect] == nil {
		return refuse(errs.NotFound, "%s has no step %q of which there is a doubt: %s", d.s.Name, c.Step, gone)
	}
	e, key := d.s.Effects[st.Effect], st.Effect
	if e.Outcome == "" {
		d.reply = "it is looked at already"
		return nil
	}
	switch answer, _ := c.Values["answer"].(string); answer {
	case "happened":
		raw, probe, err := d.gaveGone(e, c)
		if err != nil {
			return err
		}
		if probe {
			d.emit(EffectIntended{Key: key, Step: e.Step, Action: e.Action, Inputs: e.Inputs, Generation: e.Generation, For: e.For,
				Digest: e.Digest, Forget: e.Forget, ProbeOnly: true})
			d.reply = "a probe reads what it gave"
			return nil
		}
		d.emit(EffectEnded{Key: key, Step: e.Step, Outcome: OK, Output: raw, Message: "it happened, says " + string(c.Person)})
		if e.For == ForUndo || e.For == ForBack {
			d.emit(Undone{e.undoneStep(), e.Undoes})
		}
		d.reply = "noted: it happened"
	case "failed":
		d.emit(EffectEnded{Key: key, Step: e.Step, Outcome: Fail, Message: "not done, says " + string(c.Person)})
		d.reply = "noted: it did not happen"
	default:
		return refuse(errs.Invalid, "%q does not settle the doubt about %s: %s", answer, c.Step, gone).Hint("say happened or failed")
	}
	d.emit(StepWithdrawn{Step: c.Step, Why: gone})
	return nil
}

// gaveGone is what the effect gave, which an undo of it needs: from the person's word, or, with
// probe, from a look at it.
func (d *decider) gaveGone(e *Effect, c Command) (raw []byte, probe bool, refusal *errs.Error) {
	def := d.p.Step(DeclaredPath(e.Step))
	if def == nil || def.Do == nil || e.For != ForStep {
		return []byte("{}"), false, nil
	}
	contract := def.Do.Contract
	values, given := c.Values["output"].(map[string]any)
	if !given {
		values = map[string]any{}
	}
	err := contract.Out.Check("output", values)
	switch {
	case err == nil:
		raw, _ = canonical(values)
		return raw, false, nil
	case given:
		return nil, false, refuse(errs.Invalid, "that is not what %s gives: %w", e.Action, err).Hint("it gives %s", contract.Out)
	case contract.Policy == action.OnceOrAsk:
		return nil, false, refuse(errs.Invalid, "%s gives %s, which an undo needs", e.Action, contract.Out).Hint("say it with the answer: output={…}")
	}
	return nil, true, nil
}

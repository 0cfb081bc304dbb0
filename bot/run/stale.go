package run

import (
	"slices"
	"strings"

	"slipway/bot/action"
	"slipway/bot/playbook"
)

// staleStep sets one instance back to the beginning; what it has open outside is withdrawn. A
// step that was never started, or is stale already, stays as it is.
func (d *decider) staleStep(path, because string) {
	d.staleWith(StepStale{Step: path, Because: because})
}

func (d *decider) staleWith(b StepStale) {
	st := d.s.Steps[b.Step]
	if st == nil || st.Status == WithdrawnSt {
		return
	}
	if e := d.s.Effects[st.Effect]; st.Status == InDoubt && e != nil {
		return // set back, the doubt would be forgotten; it is examined again when a person has settled it
	}
	if st.Status == Waiting && st.RetryAt.IsZero() && !b.Forget && b.Despite == "" {
		return
	}
	if in := d.find(b.Step); in != nil {
		if in.def.Kind == playbook.GateK {
			d.voidGate(b.Step, b.Because)
		}
		d.voidEffects(b.Step, b.Because, ForPoll, ForConfirm, ForClosing, ForRemind, ForGuard, ForAdopt)
	}
	d.clearStepTimers(b.Step)
	d.emit(b)
}

// changedMeanwhile sets back a step of an element that was in doubt while its element changed.
func (d *decider) changedMeanwhile(in *inst) {
	st := d.at(in.path)
	if in.in == nil || st.Status != Done || d.sees(in) != nil {
		return
	}
	inputs, err := d.inputsOf(in)
	if err != nil {
		return
	}
	if _, digest := canonical(inputs); digest != st.Digest {
		d.staleStep(in.path, "its element has other values now")
	}
}

// staleAfter sets back everything that comes after the instance at path.
func (d *decider) staleAfter(path, because string) {
	for _, p := range d.after(path) {
		d.staleStep(p, because)
	}
}

// after lists the instances that come after the one at path, in order: those that need it or
// read it, the branches it leads to, the list that holds it, and so on from each. The steps of an
// element come after all that their list comes after, but not after the other elements, though
// the list itself does.
func (d *decider) after(path string) []string {
	all := d.instances()
	reached := map[string]bool{path: true}
	begins := map[string]bool{} // lists that cannot begin before path is over, and so their elements
	for changed := true; changed; {
		changed = false
		for _, in := range all {
			list := in.def.Kind == playbook.Each
			if in.path == path || reached[in.path] && (!list || begins[in.path]) {
				continue
			}
			if !d.follows(in, reached) && (in.in == nil || !begins[in.in.each.path]) {
				continue
			}
			reached[in.path] = true
			if list {
				begins[in.path] = true
			}
			changed = true
		}
		// An each comes after every step of its elements.
		for _, in := range all {
			if in.in != nil && reached[in.path] && !reached[in.in.each.path] {
				reached[in.in.each.path] = true
				changed = true
			}
		}
	}
	delete(reached, path)
	var out []string
	for _, in := range all {
		if reached[in.path] {
			out = append(out, in.path)
		}
	}
	return out
}

func (d *decider) follows(in *inst, reached map[string]bool) bool {
	for _, list := range [][]string{in.def.Needs, in.def.Any, in.def.Reads, d.branchSources(in.def)} {
		for _, declared := range list {
			if reached[d.resolve(in, declared)] {
				return true
			}
		}
	}
	return false
}

// usedAfter names a step after path that performed an action, or is performing one, or "".
func (d *decider) usedAfter(path string) string {
	for _, p := range d.after(path) {
		if step := d.performed(p); step != "" {
			return step
		}
	}
	return ""
}

// performed is path when an effect of its step was done and not undone, or is under way.
func (d *decider) performed(path string) string {
	for _, e := range d.s.Effects {
		if e.Step == path && !onlyLooks(e.For) && !d.onlyReads(path) {
			return path
		}
	}
	if st := d.s.Steps[path]; st != nil {
		for _, e := range st.Past {
			if e.Outcome == OK && !e.Undone {
				return path
			}
		}
	}
	for _, c := range d.s.Children {
		if c.Step == path {
			return path
		}
	}
	return ""
}

// onlyReads reports whether the action of the step changes nothing outside.
func (d *decider) onlyReads(path string) bool {
	def := d.p.Step(DeclaredPath(path))
	return def != nil && def.Do != nil && def.Do.Contract.Policy == action.Read
}

// inFlightAfter names a step at or after path with an effect in flight or doubtful, or "".
func (d *decider) inFlightAfter(path string) string {
	paths := append([]string{path}, d.after(path)...)
	for _, key := range sortedNames(d.s.Effects) {
		if e := d.s.Effects[key]; !onlyLooks(e.For) && (slices.Contains(paths, e.Step) || under(e.Step, path)) {
			return e.Step
		}
	}
	for _, p := range paths {
		if d.childRuns(p) {
			return p
		}
	}
	return ""
}

// mentions reports whether an expression of the step itself names any of the inputs.
func mentions(def *playbook.Step, names []string, runName bool) bool {
	for _, text := range texts(def) {
		if runName && strings.Contains(text, "run.name") {
			return true
		}
		for _, name := range names {
			if mentionsWord(text, "inputs."+name) {
				return true
			}
		}
	}
	return false
}

// mentionsWord finds word in text where it is not the beginning of a longer name. Optional
// access ("inputs.?notes") counts too.
func mentionsWord(text, word string) bool {
	text = strings.ReplaceAll(text, ".?", ".")
	for {
		i := strings.Index(text, word)
		if i < 0 {
			return false
		}
		text = text[i+len(word):]
		if text == "" || !nameByte(text[0]) {
			return true
		}
	}
}

func nameByte(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// texts lists the sources of the expressions of a step.
func texts(def *playbook.Step) []string {
	var out []string
	add := func(list ...*playbook.Template) {
		for _, t := range list {
			if t != nil {
				out = append(out, t.Text)
			}
		}
	}
	with := func(m map[string]*playbook.Template) {
		for _, name := range sortedNames(m) {
			add(m[name])
		}
	}
	cond := func(list ...*playbook.Expr) {
		for _, e := range list {
			if e != nil {
				out = append(out, e.Text)
			}
		}
	}
	add(def.Uses...)
	cond(def.When)
	if def.OnFail != nil && def.OnFail.Ref != nil {
		with(def.OnFail.Ref.With)
	}
	switch def.Kind {
	case playbook.Do:
		with(def.Do.With)
	case playbook.GateK:
		add(def.Gate.Binds...)
		add(def.Gate.Say)
	case playbook.Ask:
		add(def.Ask.Prompt, def.Ask.Person)
	case playbook.Wait:
		with(def.Wait.With)
		add(def.Wait.At)
		cond(def.Wait.Until, def.Wait.Fail)
	case playbook.Each:
		cond(def.Each.Of, def.Each.Where, def.Each.Key, def.Each.Enough, def.Each.Until)
		if j := def.Each.Job; j != nil {
			with(j.Do.With)
		}
	case playbook.Call:
		with(def.Call.With)
	case playbook.ByHand:
		add(def.ByHand.Text, def.ByHand.Person)
		cond(def.ByHand.Until)
		if def.ByHand.Probe != nil {
			with(def.ByHand.Probe.With)
		}
	case playbook.Collect:
		add(def.Collect.Prompt)
		cond(def.Collect.Enough)
	case playbook.Offer:
		for _, e := range def.Offer.Entries {
			with(e.With)
		}
	}
	return out
}

package run

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"slipway/bot/errs"
	"slipway/bot/playbook"
)

// inName reports whether the run's name is made from the input.
func (d *decider) inName(input string) bool {
	return d.p.RunName != nil && mentionsWord(d.p.RunName.Text, "inputs."+input)
}

// nameIn makes the run's name. It stands in one line of commands, cards and mails, so characters that
// break a line or act on a terminal are refused, as are bytes that are no text.
func (d *decider) nameIn(scope playbook.Scope) (string, *errs.Error) {
	v, err := d.p.RunName.Eval(scope)
	name, ok := v.(string)
	if err != nil || !ok || name == "" {
		return "", refuse(errs.Invalid, "the name of the run cannot be made from these inputs: %s", plainError(err)).
			Hint("the playbook makes it from %s: give what that needs", d.p.RunName.Text)
	}
	for i, r := range name {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == utf8.RuneError && !strings.HasPrefix(name[i:], "\uFFFD") {
			return "", refuse(errs.Invalid, "the name of the run would be %q, with a line break or another control character in it", name).
				Hint("the playbook makes it from %s: write that in one line, of printable characters", d.p.RunName.Text)
		}
	}
	return name, nil
}

// rename changes the inputs that are in the run's name. Steps that read them go stale.
func (d *decider) rename(c Command) *errs.Error {
	names := sortedNames(c.Values)
	if len(names) == 0 {
		return refuse(errs.Invalid, "a rename needs the new value of an input").Hint("e.g. rename version=2019.02")
	}
	for _, name := range names {
		if !d.inName(name) {
			return refuse(errs.Invalid, "the name of the run is not made from %q", name).
				Hint("`retry --from STEP %s=…` changes other inputs", name)
		}
	}
	if err := d.fitInputs(c.Values); err != nil {
		return err
	}
	if step := d.irreversibleUse(names, true); step != "" {
		return refuse(errs.Conflict, "%s has used the name in a way that cannot be taken back", step).
			Hint("abort this run and start one with the right name")
	}
	stale, err := d.staleByInputs(names, true)
	if err != nil {
		return err
	}
	before := d.s.Inputs
	changed := false
	for name, v := range c.Values {
		changed = changed || !sameValue(before[name], v)
	}
	if !changed {
		d.reply = "that is its name already"
		return nil
	}
	scope := d.scope(nil, nil)
	scope.Inputs = map[string]any{}
	for k, v := range before {
		scope.Inputs[k] = v
	}
	for k, v := range c.Values {
		scope.Inputs[k] = v
	}
	name, err := d.nameIn(scope)
	if err != nil {
		return err
	}
	was := d.s.Name
	d.emit(Renamed{name, c.Values})
	d.staleAll(stale, "the run was renamed from "+was)
	d.reply = was + " is now " + name
	return nil
}

// fitInputs checks new values of the run's inputs, as at the start.
func (d *decider) fitInputs(values map[string]any) *errs.Error {
	for _, name := range sortedNames(values) {
		i := slices.IndexFunc(d.p.Inputs, func(in playbook.Input) bool { return in.Name == name })
		if i < 0 {
			return refuse(errs.NotFound, "%s has no input %q", d.p.Name, name)
		}
		if err := d.p.Inputs[i].Type.Check(name, values[name]); err != nil {
			return refuse(errs.Invalid, "the input %s does not fit: %w", name, err).Hint("%s", fieldHint(d.p.Inputs[i]))
		}
	}
	return nil
}

// changeInputs gives inputs that are not in the run's name other values.
func (d *decider) changeInputs(values map[string]any) *errs.Error {
	names := sortedNames(values)
	if err := d.fitInputs(values); err != nil {
		return err
	}
	for _, name := range names {
		if d.inName(name) {
			return refuse(errs.Conflict, "%s is in the name of the run", name).Hint("use rename %s=…", name)
		}
	}
	if step := d.irreversibleUse(names, false); step != "" {
		return refuse(errs.Conflict, "%s has used %s in a way that cannot be taken back", step, strings.Join(names, ", "))
	}
	stale, err := d.staleByInputs(names, false)
	if err != nil {
		return err
	}
	d.emit(InputsChanged{values})
	d.staleAll(stale, "inputs were changed: "+strings.Join(names, ", "))
	return nil
}

// staleByInputs lists the instances that read the inputs, and refuses when an effect of one of
// them, or after it, is under way.
func (d *decider) staleByInputs(names []string, runName bool) ([]string, *errs.Error) {
	var out []string
	for _, in := range d.instances() {
		if d.s.Steps[in.path] == nil || !mentions(in.def, names, runName) {
			continue
		}
		if step := d.inFlightAfter(in.path); step != "" {
			return nil, refuse(errs.Conflict, "an effect of %s is under way", step).Hint("wait for its outcome, or settle its doubt")
		}
		out = append(out, in.path)
	}
	if !runName {
		return out, nil
	}
	// The name is part of every manifest.
	for _, in := range d.instances() {
		if in.def.Kind == playbook.GateK && d.s.Steps[in.path] != nil && !slices.Contains(out, in.path) {
			out = append(out, in.path)
		}
	}
	return out, nil
}

func (d *decider) staleAll(paths []string, because string) {
	for _, path := range paths {
		after := d.after(path)
		d.staleStep(path, because)
		for _, p := range after {
			d.staleStep(p, because)
		}
	}
}

// irreversibleUse names a step whose effect cannot be taken back and that used one of the
// inputs, itself or through what it reads; "" when there is none.
func (d *decider) irreversibleUse(names []string, runName bool) string {
	seen := map[string]bool{}
	var uses func(def *playbook.Step) bool
	uses = func(def *playbook.Step) bool {
		if def == nil {
			return false
		}
		if used, known := seen[def.Path]; known {
			return used
		}
		seen[def.Path] = false
		used := mentions(def, names, runName) || uses(def.Parent)
		for _, declared := range def.Reads {
			used = used || uses(d.p.Step(declared))
		}
		seen[def.Path] = used
		return used
	}
	for _, in := range d.instances() {
		if in.def.Do != nil && in.def.Do.Contract.Irreversible && d.performed(in.path) != "" && uses(in.def) {
			return in.path
		}
	}
	return ""
}

// migrate moves the run to the playbook that Decide was given, or its pin to other values of the
// profile. What is done stays done when its inputs are unchanged; every gate is asked anew,
// since its manifest names the playbook.
func (d *decider) migrate(c Command) *errs.Error {
	profile, _ := c.Values["profile"].(map[string]any)
	if c.Playbook != "" && d.p.Digest != "" && c.Playbook != d.p.Digest {
		return refuse(errs.Invalid, "that is not the playbook to move to").Hint("name the digest of the playbook in use")
	}
	next, closure := orElse(c.Playbook, d.s.Playbook), orElse(c.Closure, d.s.Closure)
	if next == d.s.Playbook && closure == d.s.Closure && (profile == nil || sameValue(profile, d.s.Profile)) {
		d.reply = d.s.Name + " uses that playbook already"
		return nil
	}
	if lost := Vanished(d.p, d.s); len(lost) > 0 {
		st := d.s.Steps[lost[0]]
		return refuse(errs.Conflict, "%s is %s, and the new playbook does not have it", lost[0], st.Status).
			Hint("keep the step in the new playbook, or abort the run")
	}
	if step, _ := d.effectUnder(""); step != "" {
		return refuse(errs.Conflict, "an effect of %s is under way", step).Hint("wait for its outcome, or settle its doubt")
	}
	d.emit(Migrated{Playbook: next, Closure: closure, Profile: profile, What: c.Reason})
	why := "the run was moved to another playbook"
	behind := map[string]bool{} // a gate that is asked anew: what people do there waits for it
	for _, in := range slices.Clone(d.instances()) {
		st := d.at(in.path)
		if st.Status == Running && in.def.Kind != playbook.GateK && !behind[in.path] {
			continue
		}
		if in.def.Kind == playbook.GateK && st.Status == Done {
			for _, path := range d.after(in.path) {
				behind[path] = !d.childRuns(path)
			}
		}
		d.staleStep(in.path, why)
	}
	d.reply = "moved; what is unchanged keeps its result, and gates are asked anew"
	return nil
}

// Vanished lists the steps of a run that have begun and that p does not have, or has as a step
// of another kind: a run cannot be moved to p while there are any. Their effects would be lost.
func Vanished(p *playbook.Playbook, s *State) []string {
	var out []string
	for _, path := range sortedNames(s.Steps) {
		st := s.Steps[path]
		if st.Status == Waiting && st.Attempt == 0 || st.Status == SkippedSt || st.Status == WithdrawnSt {
			continue
		}
		if def := p.Step(DeclaredPath(path)); def == nil || st.Gate != nil && def.Kind != playbook.GateK {
			out = append(out, path)
		}
	}
	return out
}

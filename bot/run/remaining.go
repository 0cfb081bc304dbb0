package run

import (
	"fmt"
	"slices"
	"strings"

	"slipway/bot/action"
	"slipway/bot/people"
	"slipway/bot/playbook"
)

// Rest is a run as somebody would take it up who has to end it without Slipway: every step in an
// order in which they can be done, those that are done too.
type Rest struct {
	Tasks []Task
	Vars  []Unknown // values that are not known yet, in the order in which steps give them
	Marks action.Marks
}

// Unknown is a value that is not known yet. In texts it is the mark of Name.
type Unknown struct {
	Name   string // of a shell variable
	From   string // path of the step that gives it; "" when Text says how it is worked out
	Output string // of that step
	Doc    string // what it is
	Text   string // the template of the playbook that makes it
}

// Task is one step of it.
type Task struct {
	Path    string
	Title   string
	Kind    playbook.StepKind
	Status  StepStatus
	Message string
	Never   bool   // its condition does not hold, or the run went another way: nothing is to be done
	When    string // the condition under which it is done, when that cannot be told yet
	Each    string // the list of which this stands for every element, when that is not known yet

	Ref      string // of the action: what do performs, what wait looks at
	Contract action.Contract
	In       action.Values     // the inputs, as far as they are known
	Out      action.Values     // of a step that is done
	Outs     map[string]string // variable of each output
	Reads    []string          // the steps whose outputs it reads

	Text   string // what a gate, an ask or a by_hand step says
	Rule   string // of a gate
	Binds  []Bound
	Fields []playbook.Input // what an ask or a by_hand step wants to know
	Who    []Holders        // who can do it, or say yes
	Lines  []string         // how it stands: votes, what is in the way
	Until  string           // what a wait waits for
	Fail   string
}

// Bound is a value that a gate asks approval for.
type Bound struct{ Name, Value string }

// Holders are the persons who hold a role now.
type Holders struct {
	Role    string
	Persons []people.PersonID
}

// Remains says what of a run is done, what is under way and what is still to come, with the inputs
// of every step as far as they are known. It changes nothing.
func Remains(p *playbook.Playbook, s *State, w World) Rest {
	d := newDecider(p, s, w)
	o := &outlook{d: d, marks: action.NewMarks(known(s)...), vars: map[string]string{}, taken: map[string]bool{}, skips: map[string]bool{}}
	for _, in := range o.order(d.p.Steps, nil) {
		o.task(in)
	}
	return Rest{o.tasks, o.unknown, o.marks}
}

// known is everything that a mark must not be mistaken for.
func known(s *State) [][]byte {
	all, _ := canonical([]any{s.ID, s.Name, s.Inputs, s.Profile})
	out := [][]byte{all}
	for _, path := range sortedNames(s.Steps) {
		st := s.Steps[path]
		all, _ := canonical([]any{path, st.Inputs, st.Output, st.Items, st.Answers})
		out = append(out, all)
	}
	return out
}

// outlook walks over a run.
type outlook struct {
	d       *decider
	marks   action.Marks
	tasks   []Task
	unknown []Unknown
	vars    map[string]string // path and output → variable
	taken   map[string]bool   // names of variables
	skips   map[string]bool   // steps that will not be done
	touched bool              // the last evaluation read something that is not known
}

// order lists the instances below defs so that each comes after what it needs, else as they are
// declared. A list that has not begun gets the elements that it would have now.
func (o *outlook) order(defs []*playbook.Step, in *elem) []*inst {
	var out []*inst
	placed := map[string]bool{}
	ready := func(def *playbook.Step) bool {
		for _, need := range slices.Concat(def.Needs, def.Any, def.Branch, def.Reads) {
			if need != def.Path && !placed[need] && slices.ContainsFunc(defs, func(s *playbook.Step) bool { return s.Path == need }) {
				return false
			}
		}
		return true
	}
	for left := slices.Clone(defs); len(left) > 0; {
		i := max(slices.IndexFunc(left, ready), 0) // a circle has no beginning: any will do
		def := left[i]
		left = slices.Delete(left, i, i+1)
		placed[def.Path] = true
		path := def.ID
		if in != nil {
			path = in.path + "/" + def.ID
		}
		one := &inst{path: path, def: def, in: in}
		out = append(out, one)
		if def.Kind != playbook.Each || def.Each.Job != nil {
			continue
		}
		for _, e := range o.elements(one) {
			out = append(out, o.order(def.Each.Steps, e)...)
		}
	}
	return out
}

// elements are those of a list; one that stands for all when they cannot be told.
func (o *outlook) elements(in *inst) []*elem {
	var out []*elem
	keys, items := o.d.at(in.path).Keys, o.d.at(in.path).Items
	if o.d.s.Steps[in.path] == nil || keys == nil {
		var err error
		if keys, items, err = o.d.elements(in); err != nil {
			return []*elem{{each: in, path: in.path + "[…]", key: "…"}}
		}
	}
	for _, key := range keys {
		out = append(out, &elem{each: in, key: key, path: ElementPath(in.path, key), item: items[key]})
	}
	return out
}

// task describes one instance.
func (o *outlook) task(in *inst) {
	d, st := o.d, o.d.at(in.path)
	t := Task{Path: in.path, Title: in.def.Title(), Kind: in.def.Kind, Status: st.Status, Message: st.Message, Out: st.Output, Outs: map[string]string{}}
	for _, f := range in.def.Out.Fields {
		t.Outs[f.Name] = o.name(in.path, f.Name)
	}
	for _, declared := range in.def.Reads {
		t.Reads = append(t.Reads, d.resolve(in, declared))
	}
	for e := in.in; e != nil; e = e.each.in {
		if e.key == "…" {
			t.Each = e.each.def.Each.Of.Text
		}
	}
	if st.Status != Done && st.Status != Adopted {
		t.Out = nil
	}
	o.condition(in, st, &t)
	if !t.Never && !settledWell(st.Status) {
		for _, f := range in.def.Out.Fields {
			o.unknown = append(o.unknown, Unknown{Name: t.Outs[f.Name], From: in.path, Output: f.Name, Doc: f.Doc})
		}
		if b, frozen := d.frozen(in); frozen {
			line := b.Why
			if !b.Until.IsZero() {
				line += ", until " + b.Until.Format("2006-01-02 15:04 MST")
			}
			t.Lines = append(t.Lines, line)
		}
		for _, b := range d.locked(in) {
			t.Lines = append(t.Lines, b.Why)
		}
	}
	o.part(in, st, &t)
	if t.Kind == playbook.Each && t.Text == "" && !t.Never {
		return // its elements say all
	}
	o.tasks = append(o.tasks, t)
}

// condition tells whether the step will be done at all.
func (o *outlook) condition(in *inst, st *Step, t *Task) {
	switch {
	case settledWell(st.Status):
	case st.Status == WithdrawnSt:
		t.Never = true
	case o.parentSkipped(in):
		t.Never = true
	default:
		if len(o.d.branchSources(in.def)) > 0 && st.Status == Waiting {
			if taken, decided := o.d.branchTaken(in); !taken {
				t.Never = decided
				t.When = strings.Join(o.d.branchSources(in.def), " or ") + " failed or was turned down"
				o.skips[in.path] = true
				return
			}
		}
		if in.def.When == nil || st.Status != Waiting {
			break
		}
		holds, sure := o.decided(in, in.def.When)
		switch {
		case !sure:
			t.When = in.def.When.Text
		case !holds:
			t.Never = true
		}
	}
	o.skips[in.path] = t.Never
}

func (o *outlook) parentSkipped(in *inst) bool {
	for e := in.in; e != nil; e = e.each.in {
		if o.skips[e.each.path] {
			return true
		}
	}
	return false
}

// part fills in what the kind of the step has.
func (o *outlook) part(in *inst, st *Step, t *Task) {
	d, def := o.d, in.def
	role := func(of string, person *playbook.Template) {
		if asked := d.asked(in); asked != "" {
			t.Who = append(t.Who, Holders{of, []people.PersonID{asked}})
		} else if of != "" {
			t.Who = append(t.Who, Holders{of, d.holders(of)})
		} else if person != nil {
			t.Who = append(t.Who, Holders{Role: "the person " + o.text(in, person)})
		}
	}
	switch def.Kind {
	case playbook.Do:
		t.Ref, t.Contract = def.Do.Ref, def.Do.Contract
		t.In = o.inputs(in, st, def.Do.With, def.Do.Contract.In)
	case playbook.Wait:
		if def.Wait.At != nil {
			t.Until = "it is " + o.text(in, def.Wait.At)
			break
		}
		t.Ref, t.Contract, t.Until = def.Wait.Ref, def.Wait.Contract, def.Wait.Until.Text
		if def.Wait.Fail != nil {
			t.Fail = def.Wait.Fail.Text
		}
		t.In = o.inputs(in, st, def.Wait.With, def.Wait.Contract.In)
	case playbook.GateK:
		t.Rule, t.Text = def.Gate.Rule.String(), o.text(in, def.Gate.Say)
		for _, of := range def.Gate.Rule.Roles() {
			role(of, nil)
		}
		for _, b := range def.Gate.Binds {
			t.Binds = append(t.Binds, Bound{bindName(b.Text), o.text(in, b)})
		}
		t.Lines = append(t.Lines, GateLines(d.p, d.s, d.w, in.path)...)
	case playbook.Ask:
		t.Text, t.Fields = o.text(in, def.Ask.Prompt), def.Ask.Fields
		role(def.Ask.Of, def.Ask.Person)
	case playbook.ByHand:
		t.Text, t.Fields = o.text(in, def.ByHand.Text), def.ByHand.Evidence
		role(def.ByHand.Of, def.ByHand.Person)
	case playbook.Call, playbook.Offer, playbook.Collect, playbook.Each:
		t.Text = o.manifold(in, st)
	}
}

// manifold says in words what steps are that do more than one thing.
func (o *outlook) manifold(in *inst, st *Step) string {
	var running []string
	for _, id := range sortedNames(o.d.s.Children) {
		if c := o.d.s.Children[id]; c.Step == in.path && c.Outcome == "" {
			running = append(running, id)
		}
	}
	text := ""
	switch in.def.Kind {
	case playbook.Call:
		text = "It is a run of its own, of the playbook " + in.def.Call.Playbook + "."
	case playbook.Offer:
		text = "It offers runs that people may start; it is open until it is closed by " + article(in.def.Offer.Closes) + "."
	case playbook.Collect:
		text = fmt.Sprintf("%d of %d have answered.", len(st.Answers), len(st.Keys))
	case playbook.Each:
		if in.def.Each.Job != nil {
			return "Builders work on the rows of " + in.def.Each.Ledger + "."
		}
	}
	if len(running) > 0 {
		text += " These go on, each with a runbook of its own: " + strings.Join(running, ", ") + "."
	}
	return text
}

package playbook

import (
	"fmt"
	"sort"

	"slipway/bot/action"
)

// body checks the steps of one level in an order in which each comes after those it reads.
func (c *checker) body(steps []*Step, b *body, at *place) {
	for _, s := range steps {
		b.own[s.ID] = s
	}
	done := map[string]bool{}
	var visit func(s *Step)
	visit = func(s *Step) {
		if done[s.Path] {
			return
		}
		done[s.Path] = true
		for _, sib := range steps {
			if c.may[s.Path][sib.Path] {
				visit(sib)
			}
		}
		c.step(s, at)
		s.Reads = distinct(c.reads[s.Path])
		name := "slipway.step." + s.Path
		f := &valueField{name: s.ID, typ: c.types.of(name, s.Out)}
		f.ft = fieldType(f)
		b.steps.fields[s.ID] = f
	}
	for _, s := range steps {
		visit(s)
	}
}

func distinct(list []string) []string {
	sort.Strings(list)
	var out []string
	for _, s := range list {
		if len(out) == 0 || out[len(out)-1] != s {
			out = append(out, s)
		}
	}
	return out
}

func plainText() action.Type { return action.Type{Kind: action.String} }

// step checks one step and works out the type of its output.
func (c *checker) step(s *Step, around *place) {
	at := around.of(s)
	where := "step " + s.Path
	s.Out = action.Obj()
	c.condition(s.When, where+".when", at)
	if s.MaySkip != nil {
		c.condition(s.MaySkip.When, where+".may_skip.when", at)
	}
	for _, u := range s.Uses {
		c.fill(u, where+".uses", plainText(), false, at)
	}
	switch s.Kind {
	case Do:
		c.do(s.Do, where, at)
		s.Out = s.Do.Contract.Out
	case GateK:
		for i, b := range s.Gate.Binds {
			what := fmt.Sprintf("%s.binds[%d]", where, i)
			if c.fill(b, what, action.Type{}, false, at) && b.shape == fixedText {
				c.bad("gate", b.Pos, fmt.Sprintf("%s is plain text that never changes", what), "bind the values of this run: ${steps.NAME.FIELD}")
			} else if t := b.Type; t.Kind == action.Object || t.Kind == action.Map || t.Kind == action.List && (t.Elem.Kind == action.Object || t.Elem.Kind == action.List || t.Elem.Kind == action.Map) {
				c.bad("gate", b.Pos, fmt.Sprintf("%s is %s: people cannot see what they approve", what, article(t)), "bind its fields or its digest")
			}
		}
		c.fill(s.Gate.Say, where+".say", plainText(), false, at)
		s.Out = action.Obj(action.Field{Name: "manifest", Type: action.Type{Kind: action.Digest}},
			action.Field{Name: "text", Type: action.Type{Kind: action.String}, Doc: "the manifest itself, canonical"}, listField("by"), action.Field{Name: "at", Type: action.Type{Kind: action.Time}})
	case Ask:
		c.person(s.Ask.Person, where+".ask", at)
		c.fill(s.Ask.Prompt, where+".prompt", plainText(), false, at)
		s.Out = answers(s.Ask.Fields, textField("by"))
	case Wait:
		c.wait(s, where, at)
	case Each:
		c.each(s, where, at)
	case Call:
		c.call(s, where, at)
	case ByHand:
		c.byHand(s, where, at)
	case Collect:
		c.collect(s, where, at)
	case Offer:
		c.offer(s, where, at)
	}
	if f := s.OnFail; f != nil {
		if f.Ref != nil {
			c.do(f.Ref, where+".on_fail.ask_again", at)
		}
		c.retries(s, where)
		c.undos(s)
	}
}

func textField(name string) action.Field { return action.Field{Name: name, Type: plainText()} }
func listField(name string) action.Field {
	return action.Field{Name: name, Type: action.ListOf(plainText())}
}

// answers is the object of what a person gave, with the fields that every answer has.
func answers(in []Input, more ...action.Field) action.Type {
	var fields []action.Field
	for _, f := range in {
		fields = append(fields, action.Field{Name: f.Name, Type: f.Type, Optional: f.Optional && f.Default == nil, Doc: f.Help})
	}
	return action.Obj(append(fields, more...)...)
}

func (c *checker) do(d *DoPart, where string, at *place) {
	k, ok := c.contract(d.Ref, d.Pos)
	if !ok {
		// The expressions are looked at all the same, so that one run shows all mistakes.
		for _, name := range withNames(d.With) {
			c.fill(d.With[name], where+".with."+name, action.Type{}, true, at)
		}
		return
	}
	d.Contract = k
	c.rows(d, where)
	switch k.Policy {
	case action.Read, action.Keyed, action.Conditional, action.Lookup, action.OnceOrAsk:
	default:
		c.bad("policy", d.Pos, fmt.Sprintf("%s has no policy, so nobody knows how it may be repeated", d.Ref), "its integration must declare one")
	}
	c.fillFields(d.With, d.Pos, where+".with", k.In, d.Ref, at)
}

func withNames(with map[string]*Template) []string {
	var names []string
	for n := range with {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

func (c *checker) retries(s *Step, where string) {
	classes := []string{"any"}
	switch s.Kind {
	case Do:
		classes = append(classes, s.Do.Contract.Classes...)
	case Wait:
		classes = append(classes, s.Wait.Contract.Classes...)
	}
	for _, r := range s.OnFail.Retries {
		if !contains(classes, r.Class) {
			c.bad("retry", r.pos, fmt.Sprintf("%s retries the class %q, which %s never reports", where, r.Class, subject(s)), didYouMean(r.Class, classes))
		}
	}
}

func subject(s *Step) string {
	switch s.Kind {
	case Do:
		return s.Do.Ref
	case Wait:
		return s.Wait.Ref
	}
	return "a " + string(s.Kind) + " step"
}

// undos checks that what on_fail rolls back was done before and can be undone.
func (c *checker) undos(s *Step) {
	for _, ref := range s.refs {
		if ref.key != "undo" || ref.path == "" {
			continue
		}
		target := c.p.index[ref.path]
		outer := target
		for outer.Parent != s.Parent && outer.Parent != nil {
			outer = outer.Parent
		}
		if outer != s && !c.may[s.Path][outer.Path] {
			c.bad("undo", ref.pos, fmt.Sprintf("step %s undoes %s, which is not done before it", s.Path, ref.path), fmt.Sprintf("write needs: [%s] in %s", outer.ID, s.Path))
			continue
		}
		undoable, found := 0, 0
		walk([]*Step{target}, func(t *Step) {
			if t.Kind != Do {
				return
			}
			found++
			k, ok := c.refs[t.Do.Ref]
			if !ok {
				undoable++ // reported where it stands
				return
			}
			if k.Undo != "" {
				undoable++
				if _, ok := c.refs[k.Undo]; !ok {
					c.bad("undo", ref.pos, fmt.Sprintf("%s is undone by %s, which does not exist", k.Ref(), k.Undo), "its integration must offer it")
				}
			}
		})
		switch {
		case found == 0:
			c.bad("undo", ref.pos, fmt.Sprintf("step %s does nothing that could be undone", ref.path), "name a do step")
		case undoable == 0:
			c.bad("undo", ref.pos, fmt.Sprintf("nothing undoes step %s", ref.path), "take it out, and say in on_fail.goto what a person does")
		}
	}
}

func (c *checker) wait(s *Step, where string, at *place) {
	w := s.Wait
	if w.Ref == "" {
		c.fill(w.At, where+".at", action.Type{Kind: action.Time}, false, at)
		s.Out = action.Obj(action.Field{Name: "at", Type: action.Type{Kind: action.Time}})
		return
	}
	k, ok := c.contract(w.Ref, w.RefPos)
	if !ok {
		return
	}
	w.Contract, s.Out = k, k.Out
	if !k.Watched || k.Policy != action.Read {
		c.bad("action", w.RefPos, fmt.Sprintf("%s cannot be waited for", w.Ref), "use do:, or an action that is made to be watched")
		return
	}
	c.fillFields(w.With, w.RefPos, where+".with", k.In, w.Ref, at)
	c.notSeen(w.As, w.RefPos, where, at)
	here := at.with(w.As, c.types.of("slipway.watched."+w.Ref, k.Out))
	c.condition(w.Until, where+".until", here)
	c.condition(w.Fail, where+".fail", here)
	if w.Fail == nil && s.Deadline == nil {
		c.warn("wait", s.Pos, fmt.Sprintf("%s could wait for ever and nobody would hear of it: it has neither fail nor deadline", where), "write deadline: 3d, or fail: a condition")
	}
}

func (c *checker) byHand(s *Step, where string, at *place) {
	h := s.ByHand
	c.person(h.Person, where+".by_hand", at)
	c.fill(h.Text, where+".text", plainText(), false, at)
	for _, f := range h.Evidence {
		if f.Name == "by" {
			c.bad("value", f.Pos, `the evidence "by" has a name that every answer has`, "choose another name")
		}
	}
	s.Out = answers(h.Evidence, textField("by"))
	if h.Probe == nil {
		return
	}
	k, ok := c.reader(h.Probe.Ref, h.Probe.Pos, where+".probe")
	if !ok {
		return
	}
	h.Probe.Contract = k
	c.fillFields(h.Probe.With, h.Probe.Pos, where+".probe.with", k.In, k.Ref(), at.with("evidence", c.types.of("slipway.evidence."+s.Path, answers(h.Evidence))))
	c.notSeen(h.As, h.Probe.Pos, where, at)
	c.condition(h.Until, where+".until", at.with(h.As, c.types.of("slipway.watched."+k.Ref(), k.Out)))
}

func (c *checker) collect(s *Step, where string, at *place) {
	part := s.Collect
	c.fill(part.Prompt, where+".prompt", plainText(), false, at)
	c.noted(s, where)
	item := answers(part.Ask, textField("key"), textField("by"), action.Field{Name: "late", Type: action.Type{Kind: action.Bool}})
	s.Out = action.Obj(action.Field{Name: "answers", Type: action.ListOf(item)})
	c.condition(part.Enough, where+".enough", at.with("answers", c.types.of("slipway.answers."+s.Path, action.ListOf(item))))
}

// each checks the list, then the body, then what is said over the items.
func (c *checker) each(s *Step, where string, around *place) {
	e := s.Each
	elem := plainText()
	if e.Ledger != "" {
		for _, l := range c.p.Ledgers {
			if l.Name == e.Ledger {
				elem = action.Obj(append([]action.Field{textField("key"), {Name: "state", Type: action.Type{Kind: action.String, Enum: l.States}}}, l.Columns...)...)
			}
		}
	} else if c.compile(e.Of, around) {
		switch {
		case e.Of.Type.Kind != action.List:
			c.bad("type", e.Of.Pos, fmt.Sprintf("%s goes over %s, want a list", where, article(e.Of.Type)), "")
			return
		case e.Of.Optional:
			c.bad("absent", e.Of.Pos, fmt.Sprintf("%s goes over a list that may be absent", where), fmt.Sprintf("write %s.orValue([])", e.Of.Text))
		}
		elem = *e.Of.Type.Elem
	} else {
		return // without the element nothing in the body can be typed
	}
	elemT := c.types.of("slipway.element."+s.Path, elem)
	inside := around.with(e.As, elemT)
	if e.Job != nil {
		c.rowJob(s, elemT, inside)
		s.Out = action.Obj(action.Field{Name: "rows", Type: action.Type{Kind: action.Int}, Doc: "of the ledger"},
			action.Field{Name: "head", Type: action.Type{Kind: action.Digest}, Doc: "over every change of every row until the list closed"})
		c.condition(e.Until, where+".until", around)
		return
	}
	c.condition(e.Where, where+".where", inside)
	if e.Key == nil && e.Ledger == "" && !textual(elem) {
		c.bad("key", s.Pos, fmt.Sprintf("%s has no key: an element is %s", where, article(elem)), fmt.Sprintf("write key: the text that names an element, like %s.name", e.As))
	}
	if e.Key != nil && c.compile(e.Key, inside) {
		if !textual(e.Key.Type) || e.Key.Optional {
			c.bad("type", e.Key.Pos, fmt.Sprintf("the key of %s is %s, want text that is always there", where, article(e.Key.Type)), "")
		}
	}
	b := &body{outer: around.body, own: map[string]*Step{}, steps: c.types.of("slipway.steps."+s.Path, action.Obj())}
	for name, f := range around.body.steps.fields {
		b.steps.fields[name] = f
	}
	in := inside.with("steps", b.steps)
	in.body = b
	c.body(e.Steps, b, in)
	fields := []action.Field{textField("key"), {Name: "state", Type: plainText()}, {Name: e.As, Type: elem}}
	for _, child := range e.Steps {
		fields = append(fields, action.Field{Name: child.ID, Type: child.Out, Optional: true})
	}
	items := action.ListOf(action.Obj(fields...))
	s.Out = action.Obj(action.Field{Name: "items", Type: items})
	c.condition(e.Enough, where+".enough", around.with("items", c.types.of("slipway.items."+s.Path, items)))
	c.condition(e.Until, where+".until", around)
}

// child finds a called or offered playbook.
func (c *checker) child(name string, pos Pos, how string) *Playbook {
	if c.known.Playbooks == nil {
		c.bad("call", pos, fmt.Sprintf("the playbook %q cannot be looked up here", name), "")
		return nil
	}
	child := c.known.Playbooks(name)
	if child == nil {
		c.bad("call", pos, fmt.Sprintf("there is no playbook %q", name), "see `playbook list`")
		return nil
	}
	return child
}

func (c *checker) call(s *Step, where string, at *place) {
	s.Out = action.Obj(textField("run"), textField("outcome"))
	child := c.child(s.Call.Playbook, s.Call.Pos, "call")
	if child == nil {
		return
	}
	if child.Name == c.p.Name || contains(c.known.within, child.Name) {
		c.bad("end", s.Call.Pos, fmt.Sprintf("the playbook %s calls itself without end", child.Name), "use offer: for runs that a person starts")
		return
	}
	c.fillFields(s.Call.With, s.Call.Pos, where+".with", inputType(child.Inputs), "playbook "+child.Name, at)
	if len(child.Outputs) == 0 && !calls(child) {
		return
	}
	known := c.known
	known.within = append(append([]string(nil), known.within...), c.p.Name)
	checked, found := Check(child, known)
	if checked == nil {
		for _, f := range found {
			if f.Severity == Error {
				c.bad("call", s.Call.Pos, fmt.Sprintf("the playbook %s is refused: %s", child.Name, f), "mend it first")
				break
			}
		}
		return
	}
	for _, o := range checked.Outputs {
		s.Out.Fields = append(s.Out.Fields, action.Field{Name: o.Name, Type: o.Value.Type, Optional: true})
	}
}

func calls(p *Playbook) bool {
	found := false
	walk(p.Steps, func(s *Step) { found = found || s.Kind == Call })
	return found
}

func (c *checker) offer(s *Step, where string, at *place) {
	text := action.Obj(textField("entry"), textField("run"), textField("outcome"))
	s.Out = action.Obj(action.Field{Name: "children", Type: action.ListOf(text)})
	for _, e := range s.Offer.Entries {
		child := c.child(e.Playbook, e.Pos, "offer")
		if child == nil {
			continue
		}
		here := at
		if e.Fact != "" {
			here = at.with("fact", c.types.of("", action.MapOf(plainText())))
		}
		want := inputType(child.Inputs)
		if e.Fact == "" && e.Every == "" { // a person who starts it is asked for the rest
			for i := range want.Fields {
				if e.With[want.Fields[i].Name] == nil {
					want.Fields[i].Optional = true
				}
			}
		}
		c.fillFields(e.With, e.Pos, where+".offer."+e.Name+".with", want, "playbook "+child.Name, here)
	}
}

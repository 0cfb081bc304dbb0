package playbook

import (
	"fmt"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"slipway/bot/action"
)

// typing walks a parsed expression before CEL checks it. It finds names and fields that do not
// exist, with better words than CEL has; it notes what is read; and it turns the selection of a
// field that may be absent into an optional selection, so that `steps.x.tag` and `steps.x.?tag`
// both are optional values of one level.
type typing struct {
	c        *checker
	at       *place
	ast      *ast.AST
	fac      ast.ExprFactory
	next     int64
	funcs    func(name string) bool
	report   func(id int64, code, text, fix string)
	steps    map[string]bool // paths that are read
	profile  map[string]bool
	optional map[string]bool // steps read that may be absent
}

// guess is what typing knows of a value: nil type when it knows nothing.
type guess struct {
	typ *valueType
	opt bool
}

func (t *typing) walk(e ast.Expr, vars map[string]guess) guess {
	switch e.Kind() {
	case ast.IdentKind:
		return t.ident(e, vars)
	case ast.SelectKind:
		sel := e.AsSelect()
		g := t.choose(e, sel.Operand(), sel.FieldName(), vars)
		if sel.IsTestOnly() {
			return guess{typ: t.c.bool}
		}
		if f := t.field(g.holder, sel.FieldName()); f != nil && f.optional || g.stepOptional {
			t.next++
			lit := t.fac.NewLiteral(t.next, types.String(sel.FieldName()))
			if r, ok := t.ast.SourceInfo().GetOffsetRange(e.ID()); ok {
				t.ast.SourceInfo().SetOffsetRange(t.next, r)
			}
			e.SetKindCase(t.fac.NewCall(e.ID(), operators.OptSelect, sel.Operand(), lit))
			return guess{g.typ, true}
		}
		return guess{g.typ, g.opt}
	case ast.CallKind:
		return t.call(e, vars)
	case ast.ListKind:
		var first guess
		for i, el := range e.AsList().Elements() {
			g := t.walk(el, vars)
			if i == 0 {
				first = g
			} else if first.typ != g.typ {
				first = guess{}
			}
		}
		if first.typ == nil || first.opt {
			return guess{}
		}
		return guess{typ: listOf(first.typ)}
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			t.walk(entry.AsMapEntry().Key(), vars)
			t.walk(entry.AsMapEntry().Value(), vars)
		}
	case ast.StructKind:
		t.report(e.ID(), "expr", "objects cannot be made in an expression", "")
	case ast.ComprehensionKind:
		return t.comprehension(e.AsComprehension(), vars)
	case ast.LiteralKind:
		switch e.AsLiteral().(type) {
		case types.String:
			return guess{typ: t.c.text}
		case types.Int:
			return guess{typ: t.c.int}
		case types.Bool:
			return guess{typ: t.c.bool}
		}
	}
	return guess{}
}

func (t *typing) ident(e ast.Expr, vars map[string]guess) guess {
	name := e.AsIdent()
	if g, ok := vars[name]; ok {
		return g
	}
	if v, ok := t.at.names[name]; ok {
		if name == "steps" || name == "project" || name == "ledgers" {
			t.report(e.ID(), "expr", fmt.Sprintf("%s as a whole is no value", name), fmt.Sprintf("name one: %s.NAME", name))
		}
		return guess{typ: v}
	}
	switch {
	case strings.HasPrefix(name, "@") || strings.HasPrefix(name, "__"):
		return guess{}
	case name == "now":
		t.report(e.ID(), "expr", "now is not known here: values must come out the same when they are looked at again", "use it in a condition, or take the time from the output of a step")
		return guess{}
	case contains([]string{"int", "uint", "double", "bool", "string", "bytes", "list", "map", "null_type", "type", "optional_type"}, name):
		t.report(e.ID(), "expr", fmt.Sprintf("%s names a type, not a value", name), "")
		return guess{}
	}
	names := []string{"true", "false"}
	for n := range t.at.names {
		names = append(names, n)
	}
	for n := range vars {
		if !strings.HasPrefix(n, "@") && !strings.HasPrefix(n, "__") {
			names = append(names, n)
		}
	}
	fix := didYouMean(name, names)
	if near(name, names) == "" {
		for _, holder := range []string{"inputs", "steps", "project"} {
			if h := t.at.names[holder]; h != nil && h.fields[name] != nil {
				fix = fmt.Sprintf("did you mean %s.%s?", holder, name)
			}
		}
	}
	t.report(e.ID(), "expr", fmt.Sprintf("%s is not known here", name), fix)
	return guess{}
}

// chosen is a selected field before it is known how it is selected.
type chosen struct {
	guess
	holder       *valueType
	stepOptional bool
}

// choose types operand.field, and reports a field that does not exist.
func (t *typing) choose(e, operand ast.Expr, field string, vars map[string]guess) chosen {
	if operand.Kind() == ast.IdentKind {
		name := operand.AsIdent()
		_, shadowed := vars[name]
		if name == "steps" && !shadowed && t.at.names["steps"] != nil {
			return t.stepField(e, field)
		}
		if (name == "project" || name == "ledgers") && !shadowed && t.at.names[name] != nil {
			if name == "project" && t.at.names[name].fields[field] != nil {
				t.profile[field] = true
			}
			return t.select_(e, guess{typ: t.at.names[name]}, name, field)
		}
	}
	return t.select_(e, t.walk(operand, vars), source0(operand), field)
}

func (t *typing) select_(e ast.Expr, of guess, what, field string) chosen {
	if of.typ == nil {
		return chosen{}
	}
	switch of.typ.typ.Kind {
	case action.Object:
		f := of.typ.fields[field]
		if f == nil {
			fix := didYouMean(field, fieldNames(of.typ.typ))
			if of.typ.typ.Fields == nil {
				fix = "it has no fields at all"
			}
			t.report(e.ID(), "expr", fmt.Sprintf("%s has no field %q", what, field), fix)
			return chosen{}
		}
		return chosen{guess: guess{f.typ, of.opt}, holder: of.typ}
	case action.Map:
		return chosen{guess: guess{of.typ.elem, of.opt}}
	}
	t.report(e.ID(), "expr", fmt.Sprintf("%s is %s and has no field %q", what, article(of.typ.typ), field), "")
	return chosen{}
}

// stepField types steps.ID and checks that the step may be read here.
func (t *typing) stepField(e ast.Expr, id string) chosen {
	s := t.at.body.find(id)
	if s == nil {
		var ids []string
		for b := t.at.body; b != nil; b = b.outer {
			for id := range b.own {
				ids = append(ids, id)
			}
		}
		t.report(e.ID(), "expr", fmt.Sprintf("there is no step %q here", id), didYouMean(id, ids))
		return chosen{}
	}
	reader := t.at.step
	optional := s.Optional
	if reader != nil {
		switch {
		case reader == s:
			t.report(e.ID(), "needs", fmt.Sprintf("step %s reads its own output", s.Path), "an expression sees only steps before it")
			return chosen{}
		case !t.c.may[reader.Path][s.Path]:
			t.report(e.ID(), "needs", fmt.Sprintf("step %s reads steps.%s but does not need it, so it may not be there yet", reader.Path, id), t.c.needsFix(reader, s))
			return chosen{}
		case !t.c.must[reader.Path][s.Path]:
			optional = true
		}
	} else {
		optional = true // of the run's outputs
		if !s.Optional && t.c.always(s) {
			optional = false
		}
	}
	t.steps[s.Path] = true
	f := t.at.body.field(id)
	if f == nil {
		return chosen{}
	}
	return chosen{guess: guess{typ: f.typ}, stepOptional: optional}
}

func (b *body) field(id string) *valueField { return b.steps.fields[id] }

func (t *typing) field(holder *valueType, name string) *valueField {
	if holder == nil {
		return nil
	}
	return holder.fields[name]
}

func (t *typing) call(e ast.Expr, vars map[string]guess) guess {
	c := e.AsCall()
	name := c.FunctionName()
	if name == operators.OptSelect && len(c.Args()) == 2 && c.Args()[1].Kind() == ast.LiteralKind {
		field, _ := c.Args()[1].AsLiteral().(types.String)
		g := t.choose(e, c.Args()[0], string(field), vars)
		return guess{g.typ, true}
	}
	var target guess
	if c.IsMemberFunction() {
		if c.Target().Kind() == ast.IdentKind && c.Target().AsIdent() == "optional" { // optional.of, optional.none
			for _, a := range c.Args() {
				t.walk(a, vars)
			}
			return guess{opt: true}
		}
		target = t.walk(c.Target(), vars)
	}
	args := make([]guess, len(c.Args()))
	for i, a := range c.Args() {
		args[i] = t.walk(a, vars)
	}
	switch name {
	case "dyn", "type":
		t.report(e.ID(), "expr", fmt.Sprintf("the function %s is not part of the language", name), "everything has one known type")
		return guess{}
	case operators.Conditional:
		if args[1].typ == nil {
			return guess{args[2].typ, args[2].opt}
		}
		if args[2].typ != nil && args[1].typ.typ.Kind != args[2].typ.typ.Kind {
			return guess{}
		}
		return guess{args[1].typ, args[1].opt}
	case operators.Index:
		if args[0].typ != nil && args[0].typ.elem != nil {
			return guess{args[0].typ.elem, args[0].opt}
		}
		return guess{}
	case operators.OptIndex:
		if args[0].typ != nil && args[0].typ.elem != nil {
			return guess{args[0].typ.elem, true}
		}
		return guess{}
	case operators.Add:
		for _, g := range args {
			if g.typ != nil && g.typ.elem != nil {
				return guess{typ: g.typ}
			}
		}
		if args[0].typ != nil && textual(args[0].typ.typ) {
			return guess{typ: t.c.text}
		}
		return guess{}
	case "orValue":
		if target.typ != nil && len(args) == 1 && args[0].typ != nil && args[0].typ.typ.Kind != target.typ.typ.Kind {
			return guess{} // "none" beside a digest: text
		}
		return guess{typ: target.typ}
	case "or":
		return guess{target.typ, true}
	case "value":
		return guess{typ: target.typ}
	case "replace", "join", "format", "trim", "lowerAscii", "upperAscii", "substring", "charAt", "reverse", "short", "string":
		return guess{typ: t.c.text}
	}
	if !strings.ContainsAny(name, "_@!-") || strings.HasPrefix(name, "version_") || wordy(name) {
		if !t.funcs(name) {
			t.report(e.ID(), "expr", fmt.Sprintf("there is no function %s", name), didYouMean(name, t.c.functions))
		}
	}
	return guess{}
}

// wordy reports whether a function was written as a word and not as an operator.
func wordy(name string) bool {
	return name != "" && name[0] >= 'a' && name[0] <= 'z'
}

func (t *typing) comprehension(c ast.ComprehensionExpr, vars map[string]guess) guess {
	over := t.walk(c.IterRange(), vars)
	inner := make(map[string]guess, len(vars)+3)
	for k, v := range vars {
		inner[k] = v
	}
	for _, v := range []string{c.IterVar(), c.IterVar2()} {
		if t.at.names[v] != nil {
			t.report(c.IterRange().ID(), "expr", fmt.Sprintf("the variable %s hides the name %s", v, v), "choose another name for it")
		}
	}
	var el guess
	if over.typ != nil {
		switch over.typ.typ.Kind {
		case action.List:
			el = guess{typ: over.typ.elem}
		case action.Map:
			el = guess{typ: t.c.text}
		}
	}
	inner[c.IterVar()] = el
	if c.HasIterVar2() {
		inner[c.IterVar()], inner[c.IterVar2()] = guess{}, guess{}
	}
	accu := t.walk(c.AccuInit(), vars)
	inner[c.AccuVar()] = accu
	t.walk(c.LoopCondition(), inner)
	step := t.walk(c.LoopStep(), inner)
	if accu.typ == nil {
		accu = step
	}
	inner[c.AccuVar()] = accu
	return t.walk(c.Result(), inner)
}

// source0 is the expression in words, as far as it is a chain of names.
func source0(e ast.Expr) string {
	switch e.Kind() {
	case ast.IdentKind:
		if name := e.AsIdent(); !strings.HasPrefix(name, "@") {
			return name
		}
	case ast.SelectKind:
		return source0(e.AsSelect().Operand()) + "." + e.AsSelect().FieldName()
	case ast.CallKind:
		if c := e.AsCall(); c.FunctionName() == operators.OptSelect {
			if f, ok := c.Args()[1].AsLiteral().(types.String); ok {
				return source0(c.Args()[0]) + "." + string(f)
			}
		} else if wordy(c.FunctionName()) {
			return "the result of " + c.FunctionName()
		}
	}
	return "this value"
}

func listOf(elem *valueType) *valueType {
	return &valueType{typ: action.ListOf(elem.typ), elem: elem, cel: types.NewListType(elem.cel)}
}

func fieldNames(t action.Type) []string {
	var out []string
	for _, f := range t.Fields {
		out = append(out, f.Name)
	}
	return out
}

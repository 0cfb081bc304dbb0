package playbook

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// Expr is one CEL expression of a checked playbook.
type Expr struct {
	Text     string
	Pos      Pos
	Type     action.Type // of the value; without it being absent
	Optional bool        // the value may be absent

	node  *node // that holds it
	off   int   // where it begins in the node's text
	exact bool  // Type tells the kinds of text apart
	prog  cel.Program
	at    *place
}

// Template is text with expressions in it, or a list or map of such. With one expression and
// nothing else it has the type of the expression; a mixed one is text.
type Template struct {
	Text     string
	Pos      Pos
	Type     action.Type
	Optional bool // the value may be absent; only of a template that is one expression

	node   *node
	keyPos Pos
	pieces []part
	list   []*Template
	fields []templateField
	fixed  any // the value, when there is no expression in it
	shape  shape
}

type shape uint8

const (
	fixedText  shape = iota // no expression
	oneExpr                 // nothing but one expression
	mixedText               // text and expressions
	listShape               // a list of templates
	fieldShape              // a map of templates
)

type part struct {
	text string
	expr *Expr
}

type templateField struct {
	name string
	tmpl *Template
}

// Eval gives the typed value of the expression in s, or nil when it is absent. An error is of
// kind [errs.Invalid]: the value does not exist after all (an index out of range, a text that
// is no time), or the cost limit was met.
func (e *Expr) Eval(s Scope) (any, error) {
	if e.prog == nil {
		return nil, errs.E("playbook.eval", errs.Internal, fmt.Errorf("the expression %q was not checked", e.Text))
	}
	v, _, err := e.prog.Eval(&activation{scope: s, at: e.at})
	if err != nil {
		return nil, e.failed(err.Error())
	}
	out, err := plainValue(v)
	if err != nil {
		return nil, e.failed(err.Error())
	}
	return out, nil
}

// Bool is Eval of a condition. An absent value is false. The value of a condition that s.Decide
// knows is that.
func (e *Expr) Bool(s Scope) (bool, error) {
	if s.Decide != nil {
		if v, known := s.Decide(e.Text); known {
			return v, nil
		}
	}
	v, err := e.Eval(s)
	if err != nil {
		return false, err
	}
	b, _ := v.(bool)
	return b, nil
}

func (e *Expr) failed(why string) error {
	why = strings.TrimPrefix(why, "evaluation error: ")
	return errs.E("playbook.eval", errs.Invalid, fmt.Errorf("%s: %s gave no value: %s", e.Pos, strconv.Quote(e.Text), why)).
		Hint("look at what it reads with `why`")
}

// Written is the template as it stands in the playbook; of a list or map, its parts one after another.
func (t *Template) Written() string {
	parts := []string{}
	if t.Text != "" {
		parts = append(parts, t.Text)
	}
	for _, e := range t.list {
		parts = append(parts, e.Written())
	}
	for _, f := range t.fields {
		parts = append(parts, f.name+": "+f.tmpl.Written())
	}
	return strings.Join(parts, ", ")
}

// Expressions are those of the template, as they are written.
func (t *Template) Expressions() []string {
	var out []string
	t.exprs(func(e *Expr) { out = append(out, e.Text) })
	return out
}

// Eval gives the value of the template in s, or nil when it is absent. Fields of a map that are
// absent are left out.
func (t *Template) Eval(s Scope) (any, error) {
	switch t.shape {
	case fixedText:
		return t.fixed, nil
	case oneExpr:
		return t.pieces[0].expr.Eval(s)
	case listShape:
		out := make([]any, 0, len(t.list))
		for _, e := range t.list {
			v, err := e.Eval(s)
			if err != nil {
				return nil, err
			}
			if v != nil {
				out = append(out, v)
			}
		}
		return out, nil
	case fieldShape:
		out := make(map[string]any, len(t.fields))
		for _, f := range t.fields {
			v, err := f.tmpl.Eval(s)
			if err != nil {
				return nil, err
			}
			if v != nil {
				out[f.name] = v
			}
		}
		return out, nil
	}
	var b strings.Builder
	for _, p := range t.pieces {
		if p.expr == nil {
			b.WriteString(p.text)
			continue
		}
		v, err := p.expr.Eval(s)
		if err != nil {
			return nil, err
		}
		switch v := v.(type) {
		case string:
			b.WriteString(v)
		case int64:
			b.WriteString(strconv.FormatInt(v, 10))
		case bool:
			b.WriteString(strconv.FormatBool(v))
		}
	}
	return b.String(), nil
}

// exprs calls f for each expression in the template.
func (t *Template) exprs(f func(*Expr)) {
	if t == nil {
		return
	}
	for _, p := range t.pieces {
		if p.expr != nil {
			f(p.expr)
		}
	}
	for _, e := range t.list {
		e.exprs(f)
	}
	for _, e := range t.fields {
		e.tmpl.exprs(f)
	}
}

// template reads a scalar, or with deep also lists and maps, as a template.
func (r *reader) template(n *node, what string, deep bool) *Template {
	if n == nil {
		return nil
	}
	t := &Template{Pos: n.pos, node: n, keyPos: n.pos}
	switch {
	case n.kind == scalarNode:
	case deep && n.kind == listNode:
		t.shape = listShape
		for i, item := range n.items {
			t.list = append(t.list, r.template(item, fmt.Sprintf("%s[%d]", what, i), true))
		}
		return t
	case deep && n.kind == mapNode:
		t.shape = fieldShape
		for _, e := range n.entries {
			f := r.template(e.val, what+"."+e.key, true)
			f.keyPos = e.pos
			t.fields = append(t.fields, templateField{e.key, f})
		}
		return t
	default:
		r.bad("value", n.pos, fmt.Sprintf("%s is %s, want text", what, n.describe()), `an empty text is ""`)
		return t
	}
	t.Text = n.text
	pieces, at, err := splitTemplate(n.text)
	if err != nil {
		r.bad("expr", n.place(at), fmt.Sprintf("in %s %v", what, err), "close each ${ with }, or write $${ for a literal ${")
		return t
	}
	var exprs int
	for _, p := range pieces {
		if !p.expr {
			t.pieces = append(t.pieces, part{text: p.text})
			continue
		}
		exprs++
		t.pieces = append(t.pieces, part{expr: &Expr{Text: strings.TrimSpace(p.text), Pos: n.place(p.at), node: n, off: p.at}})
	}
	switch {
	case exprs == 0:
		t.fixed = ""
		if len(pieces) == 1 {
			t.fixed = pieces[0].text
		}
		t.pieces = nil
	case len(pieces) == 1:
		t.shape = oneExpr
	default:
		t.shape = mixedText
	}
	return t
}

func (r *reader) templates(n *node, what string) []*Template {
	var out []*Template
	for _, item := range r.list(n, what) {
		out = append(out, r.template(item, what, false))
	}
	return out
}

// with reads named values for an action or a playbook.
func (r *reader) with(n *node, what string) map[string]*Template {
	out := map[string]*Template{}
	for _, e := range r.named(n, what, idForm, idRule) {
		t := r.template(e.val, what+"."+e.key, true)
		t.keyPos = e.pos
		out[e.key] = t
	}
	return out
}

// condition reads a bare expression; ${ … } around the whole is allowed.
func (r *reader) condition(n *node, what string) *Expr {
	if n == nil {
		return nil
	}
	if n.kind != scalarNode || strings.TrimSpace(n.text) == "" {
		r.bad("value", n.pos, fmt.Sprintf("%s is %s, want an expression", what, n.describe()), `for example "steps.build.ok"`)
		return nil
	}
	e := &Expr{Text: n.text, Pos: n.pos, node: n}
	if strings.HasPrefix(strings.TrimSpace(n.text), "${") {
		pieces, at, err := splitTemplate(strings.TrimRight(n.text, " \n"))
		switch {
		case err != nil:
			r.bad("expr", n.place(at), fmt.Sprintf("in %s %v", what, err), "close it with }")
			return nil
		case len(pieces) != 1:
			r.bad("expr", n.pos, what+" is a template with text around its expression, want one expression", "write a bare expression")
			return nil
		}
		e.Text, e.off = pieces[0].text, pieces[0].at
	}
	lead := len(e.Text) - len(strings.TrimLeft(e.Text, " \n"))
	e.off += lead
	e.Text = strings.TrimSpace(e.Text)
	e.Pos = n.place(e.off)
	return e
}

// plainValue turns a CEL value into the plain Go value of bot/action; an absent one is nil.
func plainValue(v ref.Val) (any, error) {
	switch v := v.(type) {
	case types.String:
		return string(v), nil
	case types.Int:
		return int64(v), nil
	case types.Bool:
		return bool(v), nil
	case types.Timestamp:
		return v.Time.UTC().Format(time.RFC3339Nano), nil
	case types.Duration:
		return v.Duration.String(), nil
	case *types.Optional:
		if !v.HasValue() {
			return nil, nil
		}
		return plainValue(v.GetValue())
	case *record:
		return v.plain()
	case types.Null:
		return nil, nil
	case *types.Err:
		return nil, v
	}
	return plainMany(v)
}

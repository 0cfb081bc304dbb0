package run

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"slipway/bot/action"
	"slipway/bot/playbook"
)

// name is the variable of an output. It is of lower-case letters: POSIX keeps the others for the
// system (Base Definitions, section 8.1).
func (o *outlook) name(path, output string) string {
	key := path + "\x00" + output
	if name := o.vars[key]; name != "" {
		return name
	}
	plain := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '_'
	}, path+"_"+output)
	if plain[0] < 'a' || plain[0] > 'z' {
		plain = "v" + plain
	}
	name := plain
	for n := 2; o.taken[name]; n++ {
		name = fmt.Sprintf("%s_%d", plain, n)
	}
	o.taken[name], o.vars[key] = true, name
	return name
}

// guess is what stands for values that are not known. To tell whether an expression only passes a
// value on, or looks at it, it is evaluated with different ones.
type guess struct {
	marks action.Marks
	empty bool // texts are empty, lists too
	yes   bool // of a bool
	n     int64
}

func (g guess) value(name string, t action.Type) any {
	switch t.Kind {
	case action.Int:
		return g.n
	case action.Bool:
		return g.yes
	case action.List:
		if g.empty {
			return []any{}
		}
		return []any{g.value(name, *t.Elem)}
	case action.Map:
		if g.empty {
			return map[string]any{}
		}
		return map[string]any{g.marks.Of(name): g.value(name, *t.Elem)}
	case action.Object:
		out := make(map[string]any, len(t.Fields))
		for _, f := range t.Fields {
			out[f.Name] = g.value(name+"_"+f.Name, f.Type)
		}
		return out
	}
	if g.empty {
		return ""
	}
	return g.marks.Of(name)
}

// someNumber stands for a number that is not known.
const someNumber = int64(3_000_017)

// guesses are the three worlds in which everything is evaluated; the first has the marks that are
// shown.
func (o *outlook) guesses() []guess {
	other := action.NewMarks([]byte("other"), []byte(o.marks.Of("")))
	return []guess{{marks: o.marks, yes: true, n: someNumber}, {marks: other, n: someNumber + 1}, {empty: true}}
}

// scope is what expressions of in see when steps that are not done gave what g says.
func (o *outlook) scope(in *inst, g guess) playbook.Scope {
	s := o.d.scope(in, nil)
	done := s.Step
	s.Step = func(declared string) (map[string]any, bool) {
		if out, ok := done(declared); ok {
			return out, true
		}
		path := o.d.resolve(in, declared)
		def := o.d.p.Step(declared)
		if def == nil || o.skips[path] || o.d.at(path).Status == SkippedSt {
			return nil, false
		}
		o.touched = true
		out := make(map[string]any, len(def.Out.Fields))
		for _, f := range def.Out.Fields {
			out[f.Name] = g.value(o.name(path, f.Name), f.Type)
		}
		return out, true
	}
	for e := in.in; e != nil; e = e.each.in {
		o.touched = o.touched || e.key == "…"
		if e.key == "…" && e.each.def.Each.Of.Type.Elem != nil {
			s.Locals[e.each.def.Each.As] = g.value(o.name(e.path, e.each.def.Each.As), *e.each.def.Each.Of.Type.Elem)
		}
	}
	return s
}

// decided evaluates a condition; sure is false when it looks at what is not known.
func (o *outlook) decided(in *inst, e *playbook.Expr) (holds, sure bool) {
	o.touched = false
	holds, err := e.Bool(o.scope(in, o.guesses()[0]))
	return holds, err == nil && !o.touched
}

// looksAt finds what an expression could decide by, or make another text by that leaves a mark as it
// is. A dot before a question mark only asks whether there is a value.
var looksAt = regexp.MustCompile(`[=<>!&|]|(^|[^.])\?|\bin\b|\b(has|size|filter|exists|exists_one|all|contains|startsWith|endsWith|matches|lines|lowerAscii|quote|replace|split|trim)\(`)

// joins finds where a list becomes one text. People may read the variable of the list there; for a
// command it is another value.
var joins = regexp.MustCompile(`\bjoin\(`)

// inputs are those of an action: those it was started with, or what they would be now.
func (o *outlook) inputs(in *inst, st *Step, with map[string]*playbook.Template, typ action.Type) action.Values {
	if st.Inputs != nil && st.Status != Waiting && st.Status != Stuck && st.Status != FailedSt {
		return st.Inputs
	}
	if o.skips[in.path] {
		return nil
	}
	out := action.Values{}
	for _, name := range sortedNames(with) {
		field, _ := typ.Field(name)
		if v := o.value(in, name, with[name], field.Type); v != nil {
			out[name] = v
		}
	}
	return out
}

// value evaluates one template. When it looks at what is not known, the whole is not known.
func (o *outlook) value(in *inst, name string, t *playbook.Template, typ action.Type) any {
	v, sure := o.evaluated(in, t)
	if !sure || v == any(someNumber) || o.marks.In(v) && slices.ContainsFunc(t.Expressions(), joins.MatchString) {
		return o.whole(in, name, t, typ)
	}
	return v
}

// evaluated is the value of a template, with marks for what is not known. sure is false when more than
// passing values on is done with them.
func (o *outlook) evaluated(in *inst, t *playbook.Template) (v any, sure bool) {
	var got []any
	for i, g := range o.guesses() {
		o.touched = false
		v, err := t.Eval(o.scope(in, g))
		if err != nil {
			return nil, false
		}
		if i == 0 && !o.touched {
			return v, true
		}
		got = append(got, v)
	}
	if slices.ContainsFunc(t.Expressions(), looksAt.MatchString) {
		return nil, false
	}
	for i, g := range o.guesses() {
		if text(fill(got[0], o.marks, g)) != text(fill(got[i], o.marks, g)) {
			return nil, false
		}
	}
	return got[0], true
}

// whole is the mark of an input that cannot be worked out yet.
func (o *outlook) whole(in *inst, name string, t *playbook.Template, typ action.Type) any {
	variable := o.name(in.path, "in_"+name)
	o.unknown = append(o.unknown, Unknown{Name: variable, Doc: name + " of " + in.path, Text: t.Written()})
	if typ.Kind == action.Int || typ.Kind == action.Bool {
		return o.marks.Of(variable)
	}
	return guess{marks: o.marks}.value(variable, typ)
}

// text evaluates a template for people, and is its own text when nothing else can be said.
func (o *outlook) text(in *inst, t *playbook.Template) string {
	if t == nil || o.skips[in.path] {
		return ""
	}
	v, sure := o.evaluated(in, t)
	if !sure || v == nil {
		return t.Written()
	}
	return text(v)
}

// fill replaces the marks in v by what g says. In an empty world, what is empty goes away: lists
// are shorter there.
func fill(v any, m action.Marks, g guess) any {
	switch v := v.(type) {
	case int64:
		if v == someNumber {
			return g.n
		}
	case string:
		return m.Fill(v, func(name string) string {
			if g.empty {
				return ""
			}
			return g.marks.Of(name)
		})
	case []any:
		out := []any{}
		for _, e := range v {
			if e = fill(e, m, g); !g.empty || !nothing(e) {
				out = append(out, e)
			}
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			if e = fill(e, m, g); !g.empty || !nothing(e) {
				out[fill(k, m, g).(string)] = e
			}
		}
		return out
	}
	return v
}

func nothing(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case int64:
		return v == 0
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// text is a value in canonical bytes; plain text is itself.
func text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(data)
}

package playbook

import (
	"fmt"
	"strconv"

	"slipway/bot/action"
)

// misfit says why a value of type got cannot stand where want is wanted, or "".
// exact tells that the kinds of text in got are known, not only that it is text.
func misfit(got, want action.Type, exact bool) string {
	wrong := fmt.Sprintf("it is %s, want %s", article(got), article(want))
	switch want.Kind {
	case action.String:
		if !textual(got) {
			return wrong
		}
		if len(want.Enum) > 0 {
			for _, v := range got.Enum {
				if !contains(want.Enum, v) {
					return fmt.Sprintf("it may be %q, which is not one of the values allowed", v)
				}
			}
		}
		return ""
	case action.Version:
		if got.Kind == action.Version || got.Kind == action.String {
			return ""
		}
		return wrong
	case action.Digest:
		if got.Kind == action.Digest || got.Kind == action.String && !exact {
			return ""
		}
		return wrong
	case action.List, action.Map:
		if got.Kind != want.Kind {
			return wrong
		}
		return misfit(*got.Elem, *want.Elem, exact)
	case action.Object:
		if got.Kind != action.Object {
			return wrong
		}
		for _, f := range want.Fields {
			g, ok := got.Field(f.Name)
			switch {
			case !ok && f.Optional:
				continue
			case !ok:
				return fmt.Sprintf("it has no field %s", f.Name)
			case g.Optional && !f.Optional:
				return fmt.Sprintf("its field %s may be absent", f.Name)
			}
			if why := misfit(g.Type, f.Type, exact); why != "" {
				return "in field " + f.Name + " " + why
			}
		}
		for _, f := range got.Fields {
			if _, ok := want.Field(f.Name); !ok {
				return fmt.Sprintf("it has a field %s, which is not wanted", f.Name)
			}
		}
		return ""
	}
	if got.Kind != want.Kind {
		return wrong
	}
	return ""
}

// fill compiles t where it stands and checks it against want; the zero want takes any value.
// optional tells that an absent value is welcome.
func (c *checker) fill(t *Template, what string, want action.Type, optional bool, at *place) bool {
	if t == nil {
		return false
	}
	switch t.shape {
	case fixedText:
		t.Type = action.Type{Kind: action.String}
		if want.Kind == "" {
			return true
		}
		n := t.node
		if textual(want) && n.kind == scalarNode {
			n = &node{text: fmt.Sprint(t.fixed), pos: n.pos} // $${ is undone
		}
		v, err := constant(n, want)
		if err != nil {
			c.bad("type", t.Pos, fmt.Sprintf("%s does not fit: %v", what, err), "")
			return false
		}
		t.fixed, t.Type = v, want
		return true
	case oneExpr:
		e := t.pieces[0].expr
		if !c.compile(e, at) {
			return false
		}
		t.Type, t.Optional = e.Type, e.Optional
		if want.Kind != "" {
			if why := misfit(e.Type, want, e.exact); why != "" {
				fix := ""
				if want.Kind == action.String && e.Type.Kind == action.Int {
					fix = "write string(…)"
				}
				c.bad("type", e.Pos, fmt.Sprintf("%s does not fit: %s", what, why), fix)
				return false
			}
		}
		if e.Optional && !optional {
			c.bad("absent", e.Pos, fmt.Sprintf("%s needs a value, but %s may be absent", what, e.Text), fmt.Sprintf("say what is meant then: ${%s.orValue(%s)}", e.Text, zeroText(e.Type)))
			return false
		}
		return true
	case mixedText:
		ok := true
		for _, p := range t.pieces {
			if p.expr == nil {
				continue
			}
			if !c.compile(p.expr, at) {
				ok = false
				continue
			}
			e := p.expr
			switch {
			case e.Optional:
				c.bad("absent", e.Pos, fmt.Sprintf("%s may be absent, and text cannot have a hole", e.Text), fmt.Sprintf("write ${%s.orValue(%s)}", e.Text, zeroText(e.Type)))
				ok = false
			case !textual(e.Type) && e.Type.Kind != action.Int && e.Type.Kind != action.Bool:
				fix := ""
				if e.Type.Kind == action.List {
					fix = "write " + e.Text + `.join(", ")`
				}
				c.bad("type", e.Pos, fmt.Sprintf("%s is %s, which cannot stand inside text", e.Text, article(e.Type)), fix)
				ok = false
			}
		}
		t.Type = action.Type{Kind: action.String}
		if why := misfit(t.Type, want, true); ok && want.Kind != "" && why != "" {
			c.bad("type", t.Pos, fmt.Sprintf("%s does not fit: %s", what, why), "write one ${ … } and nothing around it")
			return false
		}
		return ok
	case listShape:
		t.Type = want
		if want.Kind != "" && want.Kind != action.List {
			c.bad("type", t.Pos, fmt.Sprintf("%s is a list, want %s", what, article(want)), "")
			return false
		}
		ok := true
		for i, e := range t.list {
			var elem action.Type
			if want.Elem != nil {
				elem = *want.Elem
			}
			ok = c.fill(e, fmt.Sprintf("%s[%d]", what, i), elem, false, at) && ok
		}
		return ok
	}
	t.Type = want
	switch want.Kind {
	case action.Object:
		by := map[string]*Template{}
		for _, f := range t.fields {
			by[f.name] = f.tmpl
		}
		return c.fillFields(by, t.keyPos, what, want, "", at)
	case action.Map, "":
		ok := true
		for _, f := range t.fields {
			var elem action.Type
			if want.Elem != nil {
				elem = *want.Elem
			}
			ok = c.fill(f.tmpl, what+"."+f.name, elem, false, at) && ok
		}
		return ok
	}
	c.bad("type", t.Pos, fmt.Sprintf("%s is a map, want %s", what, article(want)), "")
	return false
}

// fillFields checks named values against an object type: none missing, none unknown.
func (c *checker) fillFields(with map[string]*Template, pos Pos, what string, want action.Type, of string, at *place) bool {
	ok := true
	if of == "" {
		of = what
	}
	for _, f := range want.Fields {
		t := with[f.Name]
		if t == nil {
			if !f.Optional {
				fix := ""
				for _, name := range withNames(with) {
					if _, known := want.Field(name); !known && near(name, []string{f.Name}) != "" {
						fix = "is " + strconv.Quote(name) + " meant to be it?"
					}
				}
				if fix == "" {
					fix = fmt.Sprintf("give %s in with: it is %s", f.Name, article(f.Type))
				}
				c.bad("with", pos, fmt.Sprintf("%s is missing %s", of, f.Name), fix)
				ok = false
			}
			continue
		}
		ok = c.fill(t, what+"."+f.Name, f.Type, f.Optional, at) && ok
	}
	for _, name := range withNames(with) {
		if _, known := want.Field(name); !known {
			fix := didYouMean(name, fieldNames(want))
			if len(want.Fields) == 0 {
				fix = "it takes nothing"
			}
			c.bad("with", with[name].keyPos, fmt.Sprintf("%s takes no %q", of, name), fix)
			ok = false
		}
	}
	return ok
}

// zeroText is an example of a value of the type, as it is written in an expression.
func zeroText(t action.Type) string {
	switch t.Kind {
	case action.Int:
		return "0"
	case action.Bool:
		return "false"
	case action.List:
		return "[]"
	case action.Map:
		return "{}"
	case action.Time:
		return `timestamp("2019-01-01T00:00:00Z")`
	case action.Duration:
		return `duration("0s")`
	case action.Object:
		return "…"
	}
	return `"…"`
}

// condition compiles e and checks that it is true or false.
func (c *checker) condition(e *Expr, what string, at *place) {
	if e == nil {
		return
	}
	if !c.compile(e, c.withNow(at)) {
		return
	}
	if e.Type.Kind != action.Bool {
		fix := "compare it with something"
		if e.Type.Kind == action.List {
			fix = "for example " + e.Text + ".size() > 0"
		}
		c.bad("type", e.Pos, fmt.Sprintf("%s is %s, want a condition", what, article(e.Type)), fix)
		return
	}
	if e.Optional {
		c.bad("absent", e.Pos, fmt.Sprintf("%s may be absent, want true or false", what), fmt.Sprintf("write (%s).orValue(false)", e.Text))
	}
}

package playbook

import (
	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/interpreter"
)

// place is where an expression stands: the names that it can see, and their types.
type place struct {
	names map[string]*valueType
	body  *body
	step  *Step // whose needs bound what it can read; nil outside of steps
	env   *cel.Env
}

// body is one level of steps: the whole playbook, or the inside of an each.
type body struct {
	outer *body
	steps *valueType       // type of the variable steps
	own   map[string]*Step // by id, this level only
}

// find is the step that the id means here: of this level first, then outward.
func (b *body) find(id string) *Step {
	for ; b != nil; b = b.outer {
		if s := b.own[id]; s != nil {
			return s
		}
	}
	return nil
}

// activation gives an expression its variables when it asks for them: nothing is converted
// that is not read.
type activation struct {
	scope Scope
	at    *place
}

func (a *activation) Parent() interpreter.Activation { return nil }

func (a *activation) ResolveName(name string) (any, bool) {
	t, ok := a.at.names[name]
	if !ok {
		return nil, false
	}
	switch name {
	case "inputs":
		return &record{typ: t, m: a.scope.Inputs}, true
	case "project":
		return &record{typ: t, m: a.scope.Project}, true
	case "run":
		return &record{typ: t, m: a.scope.Run}, true
	case "now":
		return t.wrap(a.scope.Now), true
	case "steps":
		return &record{typ: t, get: a.step}, true
	}
	v, ok := a.scope.Locals[name]
	if !ok || v == nil {
		switch name { // what is not filled yet is empty
		case "roles", "ledgers", "fact":
			v = map[string]any{}
		case "items", "answers":
			v = []any{}
		default:
			return nil, false
		}
	}
	return t.wrap(v), true
}

// step gives the output of the step with this id as seen from here.
func (a *activation) step(id string) (any, bool) {
	s := a.at.body.find(id)
	if s == nil || a.scope.Step == nil {
		return nil, false
	}
	out, ok := a.scope.Step(s.Path)
	if !ok {
		return nil, false
	}
	if out == nil {
		out = map[string]any{}
	}
	return out, true
}

package run

import (
	"strings"

	"slipway/bot/playbook"
)

// inst is one instance of a playbook's step: the step itself, or, in the body of an each, the
// step for one element.
type inst struct {
	path string // "build[armel]/compile"
	def  *playbook.Step
	in   *elem // the innermost element that holds it; nil at the top
}

// elem is one element of an each.
type elem struct {
	each *inst
	key  string
	path string // "build[armel]"
	item any
}

// keyEscapes keeps the separators of a path out of the keys of elements.
var keyEscapes = strings.NewReplacer("%", "%25", "[", "%5B", "]", "%5D", "/", "%2F")

// ElementPath is the path of the element key of the each at path: "build[armel]".
func ElementPath(each, key string) string { return each + "[" + keyEscapes.Replace(key) + "]" }

// DeclaredPath is the path of the playbook's step of which path is an instance.
func DeclaredPath(path string) string {
	if !strings.Contains(path, "[") {
		return path
	}
	var b strings.Builder
	depth := 0
	for _, r := range path {
		switch {
		case r == '[':
			depth++
		case r == ']':
			depth = max(depth-1, 0)
		case depth == 0:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// instances lists every instance that exists now, in order of declaration; an each goes before
// its elements. The list is kept until the elements change.
func (d *decider) instances() []*inst {
	if d.list == nil {
		d.list = make([]*inst, 0, len(d.p.Steps)+len(d.s.Steps))
		d.collect(d.p.Steps, nil)
	}
	return d.list
}

func (d *decider) collect(defs []*playbook.Step, in *elem) {
	for _, def := range defs {
		path := def.ID
		if in != nil {
			path = in.path + "/" + def.ID
		}
		i := &inst{path: path, def: def, in: in}
		d.list = append(d.list, i)
		if def.Kind != playbook.Each {
			continue
		}
		st := d.s.Steps[path]
		if st == nil {
			continue
		}
		for _, key := range st.Keys {
			d.collect(def.Each.Steps, &elem{each: i, key: key, path: ElementPath(path, key), item: st.Items[key]})
		}
	}
}

// find is the instance at path, or nil when there is none now.
func (d *decider) find(path string) *inst {
	for _, i := range d.instances() {
		if i.path == path {
			return i
		}
	}
	return nil
}

// resolve is the instance path of the declared path, as seen from in: steps of the same element
// first, then outward.
func (d *decider) resolve(in *inst, declared string) string {
	def := d.p.Step(declared)
	if def == nil || def.Parent == nil || in == nil {
		return declared
	}
	for e := in.in; e != nil; e = e.each.in {
		if e.each.def == def.Parent {
			return e.path + "/" + def.ID
		}
	}
	return declared
}

// at is the step at path as it is now; a step that was never touched is waiting.
func (d *decider) at(path string) *Step {
	if st := d.s.Steps[path]; st != nil {
		return st
	}
	return &d.untouched
}

func settledWell(s StepStatus) bool { return s == Done || s == Adopted || s == SkippedSt }

func under(path, each string) bool {
	return len(path) > len(each) && path[:len(each)] == each && (path[len(each)] == '[' || path[len(each)] == '/')
}

package playbook

import (
	"fmt"
	"sort"
	"strings"

	"slipway/bot/action"
)

// link turns the names of steps into paths and refuses those that lead nowhere or in a circle.
func (r *reader) link(p *Playbook) {
	walk(p.Steps, func(s *Step) {
		for i := range s.refs {
			ref := &s.refs[i]
			path, ok := r.resolve(p, s, ref)
			if !ok {
				ref.path = ""
				continue
			}
			ref.path = path
			switch ref.key {
			case "needs":
				if contains(s.Needs, path) {
					r.bad("needs", ref.pos, fmt.Sprintf("step %s needs %s twice", s.Path, path), "remove one of the two")
					continue
				}
				s.Needs = append(s.Needs, path)
			case "any":
				s.Any = append(s.Any, path)
			case "undo":
				s.OnFail.Undo = append(s.OnFail.Undo, path)
			case "goto":
				if s.OnFail.Goto != "" {
					r.bad("value", ref.pos, fmt.Sprintf("step %s goes to two steps", s.Path), "name one")
					continue
				}
				s.OnFail.Goto = path
				p.index[path].Branch = append(p.index[path].Branch, s.Path)
			case "on_reject":
				s.Gate.OnReject = path
				p.index[path].Branch = append(p.index[path].Branch, s.Path)
			}
		}
	})
	for i := range p.Guards {
		g := &p.Guards[i]
		r.known(p, g.From, g.fromPos, "guards."+g.Name+".from")
		r.known(p, g.To, g.toPos, "guards."+g.Name+".to")
	}
	for _, n := range p.Never {
		if n.Without == "" || !r.known(p, n.Without, n.withoutPos, "never.without") {
			continue
		}
		if s := p.index[n.Without]; s.Kind != GateK {
			r.bad("never", n.withoutPos, fmt.Sprintf("never.without names %s, which is not a gate", n.Without), didYouMean(n.Without, pathsOf(p, GateK)))
		}
	}
	r.circles(p)
}

func (r *reader) known(p *Playbook, path string, pos Pos, what string) bool {
	if path == "" {
		return false
	}
	if p.index[path] == nil {
		r.bad("needs", pos, fmt.Sprintf("%s names the step %q, which does not exist", what, path), didYouMean(path, pathsOf(p, "")))
		return false
	}
	return true
}

// resolve finds the step that ref means: a sibling of s, or for undo a step inside a sibling.
func (r *reader) resolve(p *Playbook, s *Step, ref *reference) (string, bool) {
	prefix := ""
	if s.Parent != nil {
		prefix = s.Parent.Path + "/"
	}
	path := prefix + ref.path
	what := fmt.Sprintf("%s of step %s", ref.key, s.Path)
	target := p.index[path]
	var siblings []string
	for _, sib := range siblingsOf(p, s) {
		if sib != s {
			siblings = append(siblings, sib.ID)
		}
	}
	if target == nil {
		fix := didYouMean(ref.path, siblings)
		if p.index[ref.path] != nil && s.Parent != nil {
			fix = fmt.Sprintf("%s stands outside of %s: let %s need it", ref.path, s.Parent.Path, s.Parent.Path)
		} else {
			for _, path := range pathsOf(p, "") {
				if other := p.index[path]; other.ID == ref.path && other.Parent != nil && other.Parent != s.Parent {
					fix = fmt.Sprintf("%s stands inside of %s: name that", path, other.Parent.Path)
				}
			}
		}
		r.bad("needs", ref.pos, fmt.Sprintf("%s names the step %q, which does not exist here", what, ref.path), fix)
		return "", false
	}
	if target == s && ref.key != "undo" {
		r.bad("needs", ref.pos, fmt.Sprintf("%s names the step itself", what), "remove it")
		return "", false
	}
	if strings.Contains(ref.path, "/") && ref.key != "undo" {
		r.bad("needs", ref.pos, fmt.Sprintf("%s names %s, a step inside another", what, ref.path), "name "+strings.SplitN(ref.path, "/", 2)[0])
		return "", false
	}
	return path, true
}

func siblingsOf(p *Playbook, s *Step) []*Step {
	if s.Parent != nil {
		return s.Parent.Each.Steps
	}
	return p.Steps
}

// circles reports steps that wait for each other. A branch is an edge too: a step that is
// started by the failure of one that needs it could go round for ever.
func (r *reader) circles(p *Playbook) {
	const (
		unseen = iota
		open
		closed
	)
	state := map[string]int{}
	var trail []string
	var visit func(s *Step)
	visit = func(s *Step) {
		state[s.Path] = open
		trail = append(trail, s.Path)
		for _, ref := range s.refs {
			if ref.key != "needs" && ref.key != "any" || ref.path == "" {
				continue
			}
			r.round(p, s, ref.path, ref.pos, state[ref.path] == open, trail)
			if state[ref.path] == unseen {
				visit(p.index[ref.path])
			}
		}
		for _, from := range s.Branch {
			r.round(p, s, from, s.Pos, state[from] == open, trail)
			if state[from] == unseen {
				visit(p.index[from])
			}
		}
		trail = trail[:len(trail)-1]
		state[s.Path] = closed
	}
	walk(p.Steps, func(s *Step) {
		if state[s.Path] == unseen {
			visit(s)
		}
	})
}

func (r *reader) round(p *Playbook, s *Step, to string, pos Pos, isOpen bool, trail []string) {
	if !isOpen {
		return
	}
	for i, path := range trail {
		if path == to {
			around := append(append([]string(nil), trail[i:]...), to)
			r.bad("cycle", pos, "these steps wait for each other: "+strings.Join(around, " → "), "remove one of the references")
			return
		}
	}
}

// walk calls f for every step, a body after its each.
func walk(steps []*Step, f func(*Step)) {
	for _, s := range steps {
		f(s)
		if s.Each != nil {
			walk(s.Each.Steps, f)
		}
	}
}

// pathsOf lists the paths of all steps of a kind, or of all; sorted.
func pathsOf(p *Playbook, kind StepKind) []string {
	var out []string
	for path, s := range p.index {
		if kind == "" || s.Kind == kind {
			out = append(out, path)
		}
	}
	sort.Strings(out)
	return out
}

func textual(t action.Type) bool {
	switch t.Kind {
	case action.String, action.Version, action.Digest, action.Time, action.Duration:
		return true
	}
	return false
}

package playbook

import (
	"fmt"
	"strings"

	"slipway/bot/action"
)

// proof holds, for one gate, which steps may start although the gate has not closed approved.
//
// A step is open when one of its entrances is: its needs and any, the each around it, or a
// branch that leads to it. A need closes an entrance only if the needed step cannot have ended,
// done or skipped, without the gate. This is a fixpoint from below: a step is open only if there
// is a finite way to start it, and why records the last part of that way.
type proof struct {
	c    *checker
	gate string
	why  map[string][]string // of an open step: the way to it, oldest first
}

func (c *checker) proof(gate string) *proof {
	if p := c.proofs[gate]; p != nil {
		return p
	}
	p := &proof{c: c, gate: gate, why: map[string][]string{}}
	for changed := true; changed; {
		changed = false
		walk(c.p.Steps, func(s *Step) {
			if p.why[s.Path] == nil {
				if way := p.entrance(s); way != nil {
					p.why[s.Path] = append(append([]string(nil), way...), s.Path)
					changed = true
				}
			}
		})
	}
	c.proofs[gate] = p
	return p
}

// path is a way to start the step without the gate, or nil when there is none.
func (p *proof) path(step string) []string { return p.why[step] }

// entrance finds a way into s that does not go through the gate; nil when there is none.
func (p *proof) entrance(s *Step) []string {
	for _, from := range s.Branch {
		if from == p.gate {
			return []string{from + " (rejected or failed)"}
		}
		if way := p.why[from]; way != nil {
			return add(way, from+" (fails)")
		}
	}
	if len(s.Branch) > 0 {
		return nil
	}
	return p.ready(s)
}

// ready finds a way in which the needs of s are met without the gate.
func (p *proof) ready(s *Step) []string {
	way := []string{}
	if s.Parent != nil {
		up := p.why[s.Parent.Path]
		if up == nil {
			return nil
		}
		way = up
	}
	for _, n := range s.Needs {
		end := p.ended(p.c.p.index[n])
		if end == nil {
			return nil
		}
		if len(end) > len(way) {
			way = end
		}
	}
	if len(s.Any) > 0 {
		var best []string
		for _, a := range s.Any {
			if end := p.ended(p.c.p.index[a]); end != nil && best == nil {
				best = add(end, "any of "+strings.Join(s.Any, ", "))
			}
		}
		if best == nil {
			return nil
		}
		if len(best) > len(way) {
			way = best
		}
	}
	return way
}

// ended finds a way in which s is done or skipped although the gate has not closed approved.
func (p *proof) ended(s *Step) []string {
	if s.MaySkip != nil { // a person may skip it at any time
		return []string{s.Path + " (skipped by a person)"}
	}
	if s.Path != p.gate {
		if way := p.why[s.Path]; way != nil {
			return way
		}
	}
	// Skipped without having started: by when or by a freeze once it is ready, or as a branch
	// that was not taken.
	if s.When != nil {
		if way := p.ready(s); way != nil {
			return add(way, s.Path+" (skipped by its when)")
		}
	}
	if s.FrozenBy != nil && s.FrozenBy.Then != "wait" {
		if way := p.ready(s); way != nil {
			return add(way, s.Path+" (skipped by a freeze)")
		}
	}
	if s.Deadline != nil && s.Deadline.Then == "skip" && (s.Path == p.gate || p.why[s.Path] != nil) {
		return []string{s.Path + " (skipped by its deadline)"}
	}
	if len(s.Branch) > 0 {
		return []string{s.Path + " (branch not taken)"}
	}
	return nil
}

func add(way []string, more string) []string {
	return append(append([]string(nil), way...), more)
}

// nevers proves every promise of the playbook, or shows the way round it.
func (c *checker) nevers() {
	for _, n := range c.p.Never {
		g := c.p.index[n.Without]
		if g == nil || g.Kind != GateK {
			continue
		}
		if !c.seals(g) {
			c.bad("never", g.Pos, fmt.Sprintf("the gate %s guards %s, but binds no digest or commit: nobody can tell what was approved", g.Path, n.Do), `bind what ships: "${steps.NAME.digest}"`)
		}
		p := c.proof(g.Path)
		used := false
		for _, use := range c.uses(n.Do) {
			used = true
			way := p.path(use.step)
			if use.step == g.Path && (use.how != "") {
				way = []string{g.Path}
			}
			if way == nil {
				continue
			}
			last := strings.Join(way, " → ")
			if use.how != "" {
				last += " → " + use.how
			}
			c.bad("never", n.Pos, fmt.Sprintf("%s can start without the gate %s: %s", n.Do, g.Path, last), c.neverFix(use.step, g.Path, way))
		}
		if !used && !c.anyAction(n.Do) {
			names := map[string]bool{}
			for _, k := range c.known.Contracts {
				names[k.Name] = true
			}
			var list []string
			for k := range names {
				list = append(list, k)
			}
			fix := ""
			if m := near(n.Do, list); m != "" {
				fix = fmt.Sprintf("did you mean %q?", m)
			}
			c.bad("never", n.doPos, fmt.Sprintf("there is no action %s, so the promise says nothing", n.Do), fix)
		} else if !used {
			c.warn("never", n.doPos, fmt.Sprintf("no step performs %s", n.Do), "remove the promise, or mend the name")
		}
	}
}

func (c *checker) neverFix(step, gate string, way []string) string {
	for _, w := range way {
		if i := strings.Index(w, " (skipped by a person)"); i > 0 {
			return "take may_skip off " + w[:i]
		}
		if i := strings.Index(w, " (skipped"); i > 0 {
			return "let " + step + " need a step that cannot be skipped, or take the skip off " + w[:i]
		}
	}
	return fmt.Sprintf("let %s need %s", way[0], gate)
}

// use is a place where an action may be performed: when step has started, by how.
type use struct{ step, how string }

// uses finds every way in which the steps of this playbook, and of those that it can start,
// perform the action.
func (c *checker) uses(name string) []use {
	is := func(ref string) bool { n, _, _ := strings.Cut(ref, "@"); return n == name }
	var out []use
	walk(c.p.Steps, func(s *Step) {
		if s.Kind == Do && is(s.Do.Ref) {
			out = append(out, use{step: s.Path})
		}
		if s.Each != nil && s.Each.Job != nil && is(s.Each.Job.Do.Ref) {
			out = append(out, use{step: s.Path, how: "the jobs of its rows"})
		}
		if s.Kind == Wait && is(s.Wait.Ref) {
			out = append(out, use{step: s.Path})
		}
		if s.Kind == ByHand && s.ByHand.Probe != nil && is(s.ByHand.Probe.Ref) {
			out = append(out, use{step: s.Path, how: "its probe"})
		}
		if s.Kind == Do {
			// An undo, by on_fail or after abort, follows only on the step itself.
			if k, ok := c.refs[s.Do.Ref]; ok && k.Undo != "" && is(k.Undo) {
				out = append(out, use{step: s.Path, how: "the undo of " + s.Path})
			}
		}
		if s.OnFail != nil && s.OnFail.Ref != nil && is(s.OnFail.Ref.Ref) {
			out = append(out, use{step: s.Path, how: "ask_again of " + s.Path})
		}
		for _, child := range childrenOf(s) {
			if how := c.within(child, is, map[string]bool{}); how != "" {
				out = append(out, use{step: s.Path, how: how})
			}
		}
	})
	for _, g := range c.p.Guards {
		if is(g.Watch) {
			out = append(out, use{step: g.From, how: "guard " + g.Name})
		}
	}
	return out
}

// within finds the action in a playbook or in those that it can start; "" when it is nowhere.
func (c *checker) within(name string, is func(string) bool, seen map[string]bool) string {
	if seen[name] || c.known.Playbooks == nil {
		return ""
	}
	seen[name] = true
	p := c.known.Playbooks(name)
	if p == nil {
		return ""
	}
	how := ""
	walk(p.Steps, func(s *Step) {
		if how != "" {
			return
		}
		switch {
		case s.Kind == Do && (is(s.Do.Ref) || is(c.refs[s.Do.Ref].Undo)),
			s.Kind == Wait && is(s.Wait.Ref),
			s.Each != nil && s.Each.Job != nil && is(s.Each.Job.Do.Ref),
			s.Kind == ByHand && s.ByHand.Probe != nil && is(s.ByHand.Probe.Ref),
			s.OnFail != nil && s.OnFail.Ref != nil && is(s.OnFail.Ref.Ref):
			how = fmt.Sprintf("step %s of playbook %s", s.Path, name)
			return
		}
		for _, child := range childrenOf(s) {
			if deeper := c.within(child, is, seen); deeper != "" {
				how = fmt.Sprintf("playbook %s → %s", name, deeper)
			}
		}
	})
	return how
}

// childrenOf lists the playbooks that a step can start.
func childrenOf(s *Step) []string {
	switch s.Kind {
	case Call:
		return []string{s.Call.Playbook}
	case Offer:
		var out []string
		for _, e := range s.Offer.Entries {
			out = append(out, e.Playbook)
		}
		return out
	}
	return nil
}

func (c *checker) anyAction(name string) bool {
	for _, k := range c.known.Contracts {
		if k.Name == name {
			return true
		}
	}
	return false
}

// seals reports whether the gate binds something that pins content: a digest, or a commit.
func (c *checker) seals(g *Step) bool {
	found := false
	for _, b := range g.Gate.Binds {
		t := b.Type
		if t.Kind == action.List && t.Elem != nil {
			t = *t.Elem
		}
		found = found || t.Kind == action.Digest
		b.exprs(func(e *Expr) {
			word := e.Text[strings.LastIndexAny(e.Text, ".?")+1:]
			found = found || strings.HasPrefix(e.Text, "steps.") && contains([]string{"commit", "digest", "sha", "sha256", "revision", "revno", "object"}, word)
		})
	}
	return found
}

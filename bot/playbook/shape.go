package playbook

import (
	"fmt"
	"strings"

	"cel.dev/cel-go/common/types"

	"slipway/bot/action"
)

// roles checks that every role exists, and that those declared in the playbook can be filled.
func (c *checker) roles() {
	p := c.p
	declared := map[string]*Role{}
	for i := range p.Roles {
		declared[p.Roles[i].Name] = &p.Roles[i]
	}
	use := func(role string, pos Pos, what string, requester bool) {
		if role == "" || declared[role] != nil || requester && role == "requester" {
			return
		}
		if c.known.Roles == nil || contains(c.known.Roles, role) {
			return
		}
		names := append([]string(nil), c.known.Roles...)
		for n := range declared {
			names = append(names, n)
		}
		if requester {
			names = append(names, "requester")
		}
		c.bad("role", pos, fmt.Sprintf("%s names the role %q, which nobody can hold", what, role), didYouMean(role, names))
	}
	fillable := map[string]bool{}
	can := func(role string) bool { return declared[role] == nil || fillable[role] }
	for changed := true; changed; {
		changed = false
		for name, role := range declared {
			ok := fillable[name] || len(role.By) == 0 && p.Trigger == nil
			for _, by := range role.By {
				ok = ok || can(by)
			}
			walk(p.Steps, func(s *Step) {
				ok = ok || s.Kind == Ask && s.Ask.Fills == name && can(s.Ask.Of)
			})
			if ok && !fillable[name] {
				fillable[name], changed = true, true
			}
		}
	}
	for _, role := range p.Roles {
		for _, by := range role.By {
			use(by, role.Pos, "roles."+role.Name+".by", false)
		}
		if !fillable[role.Name] {
			c.bad("role", role.Pos, fmt.Sprintf("the role %s can never be filled", role.Name), "write by: [ROLE], or an ask step with fills: "+role.Name)
		}
	}
	if p.Trigger != nil {
		use(p.Trigger.Owner, p.Trigger.Pos, "trigger.owner", false)
	}
	walk(p.Steps, func(s *Step) {
		where := "step " + s.Path
		if s.MaySkip != nil {
			for _, by := range s.MaySkip.By {
				use(by, s.Pos, where+".may_skip.by", true)
			}
		}
		switch s.Kind {
		case GateK:
			for _, role := range s.Gate.Rule.Roles() {
				use(role, s.Pos, "the gate "+s.Path, false)
				if declared[role] != nil && !fillable[role] {
					c.bad("gate", s.Pos, fmt.Sprintf("the gate %s can never pass: nobody can fill the role %s", s.Path, role), "let somebody fill it before")
				}
			}
			use(s.Gate.Lifts, s.Pos, where+".lifts", false)
		case Ask:
			use(s.Ask.Of, s.Pos, where+".ask", true)
		case ByHand:
			use(s.ByHand.Of, s.Pos, where+".by_hand", true)
		case Offer:
			use(s.Offer.Closes, s.Pos, where+".closes", true)
			for _, e := range s.Offer.Entries {
				for _, by := range e.By {
					use(by, e.Pos, where+".offer."+e.Name+".by", true)
				}
			}
		}
	})
}

// shape checks that every step can start and every run can end, and warns of what cannot be
// taken back and has no gate before it.
func (c *checker) shape() {
	walk(c.p.Steps, func(s *Step) {
		where := "step " + s.Path
		if never, _ := constantly(s.When); s.When != nil && never == "false" {
			c.bad("reach", s.When.Pos, where+" can never start: its when is always false", "remove the step or mend when")
		}
		if len(s.Branch) > 0 {
			dead := true
			for _, from := range s.Branch {
				dead = dead && c.must[s.Path][from] && contains(s.Needs, from)
			}
			if dead {
				c.bad("reach", s.Pos, fmt.Sprintf("%s can never start: it needs %s to end well and starts only when that fails", where, strings.Join(s.Branch, ", ")), "remove it from needs")
			}
		}
		if s.Wait != nil && s.Wait.Until != nil {
			if v, _ := constantly(s.Wait.Until); v == "false" {
				c.bad("end", s.Wait.Until.Pos, where+" never ends: its until is always false", "")
			}
		}
		if s.Each != nil && s.Each.Until != nil {
			if v, _ := constantly(s.Each.Until); v == "false" {
				c.bad("end", s.Each.Until.Pos, where+" never ends: its until is always false", "")
			}
		}
		part := s.Do
		if s.Each != nil && s.Each.Job != nil {
			part = s.Each.Job.Do
		}
		if part != nil && part.Contract.Irreversible && part.Contract.Policy != action.Read {
			gates := pathsOf(c.p, GateK)
			if len(gates) == 0 && c.p.Trigger != nil {
				return // it starts by itself and asks nobody: whoever gave it a schedule meant that
			}
			for _, g := range gates {
				if c.proof(g).path(s.Path) == nil {
					return
				}
			}
			c.warn("ungated", part.Pos, fmt.Sprintf("%s cannot be taken back, and no gate stands before it", part.Ref), "put a gate before "+s.Path)
		}
	})
}

// constantly evaluates a condition that reads nothing.
func constantly(e *Expr) (string, bool) {
	if e == nil || e.prog == nil {
		return "", false
	}
	v, _, err := e.prog.Eval(map[string]any{})
	if err != nil {
		return "", false
	}
	if b, ok := v.(types.Bool); ok {
		if b {
			return "true", true
		}
		return "false", true
	}
	return "", false
}

package playbook

import (
	"fmt"
	"sort"
	"strings"

	"slipway/bot/action"
)

// Node is a step as it is drawn.
type Node struct {
	Path  string
	Kind  StepKind
	Title string // for people: doc, or what the step does
	In    string // path of the each that holds it; ""
}

// Edge leads from a step to one that follows it.
type Edge struct {
	From, To string
	Kind     string // needs, any, fails (goto), rejected (on_reject), undo
}

// Graph gives the steps and what leads from one to another, in order of declaration.
func Graph(p *Playbook) ([]Node, []Edge) {
	var nodes []Node
	var edges []Edge
	walk(p.Steps, func(s *Step) {
		n := Node{Path: s.Path, Kind: s.Kind, Title: s.Title()}
		if s.Parent != nil {
			n.In = s.Parent.Path
		}
		nodes = append(nodes, n)
		for _, from := range s.Needs {
			edges = append(edges, Edge{from, s.Path, "needs"})
		}
		for _, from := range s.Any {
			edges = append(edges, Edge{from, s.Path, "any"})
		}
		if s.OnFail != nil {
			if s.OnFail.Goto != "" {
				edges = append(edges, Edge{s.Path, s.OnFail.Goto, "fails"})
			}
			for _, u := range s.OnFail.Undo {
				edges = append(edges, Edge{s.Path, u, "undo"})
			}
		}
		if s.Gate != nil && s.Gate.OnReject != "" {
			edges = append(edges, Edge{s.Path, s.Gate.OnReject, "rejected"})
		}
	})
	return nodes, edges
}

// Title is the step in a few words, for cards and explanations: the first line of its doc, or
// else what it does.
func (s *Step) Title() string {
	if s.Doc != "" {
		return firstLine(s.Doc)
	}
	switch s.Kind {
	case Do:
		return s.Do.Ref
	case GateK:
		return s.Gate.Rule.String()
	case Ask:
		return "ask " + addressed(s.Ask.Of, s.Ask.Person)
	case Wait:
		if s.Wait.Ref == "" {
			return "wait until " + s.Wait.At.Text
		}
		return "wait for " + s.Wait.Ref
	case Each:
		if s.Each.Job != nil {
			return s.Each.Job.Do.Ref + " for each row of " + s.Each.Ledger
		}
		if s.Each.Ledger != "" {
			return "each row of " + s.Each.Ledger
		}
		return "each of " + s.Each.Of.Text
	case Call:
		return "call " + s.Call.Playbook
	case ByHand:
		return "by hand: " + addressed(s.ByHand.Of, s.ByHand.Person)
	case Collect:
		return "collect from " + s.Collect.Ledger
	case Offer:
		return "offer " + strings.Join(childrenOf(s), ", ")
	}
	return s.ID
}

// addressed is the role that is asked, or the expression that gives the person.
func addressed(role string, person *Template) string {
	if person != nil {
		return person.Text
	}
	return role
}

// Describe lists a playbook as text for people: inputs, roles, steps and promises.
func Describe(p *Playbook) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s", p.Name)
	if p.Doc != "" {
		fmt.Fprintf(&b, ": %s", strings.TrimSpace(p.Doc))
	}
	fmt.Fprintf(&b, "\ndigest %s\n", p.Digest)
	if p.RunName != nil {
		fmt.Fprintf(&b, "a run is named %s; a second one of that name: %s\n", p.RunName.Text, p.Overlap)
		if p.Once {
			b.WriteString("a name whose run was done is not given again\n")
		}
	}
	if t := p.Trigger; t != nil {
		when := t.Every
		if when == "" {
			when = "on " + t.Fact
		}
		fmt.Fprintf(&b, "starts by itself: %s, missed: %s, owned by %s\n", when, t.Missed, t.Owner)
	}
	if len(p.Inputs) > 0 {
		b.WriteString("inputs:\n")
		for _, in := range p.Inputs {
			extra := ""
			switch {
			case in.Default != nil:
				extra = fmt.Sprintf(", default %v", in.Default)
				if in.Default == "" {
					extra = `, default ""`
				}
			case in.Optional:
				extra = ", optional"
			}
			fmt.Fprintf(&b, "  %-16s %s%s", in.Name, in.Type, extra)
			if in.Help != "" {
				fmt.Fprintf(&b, "  (%s)", in.Help)
			}
			b.WriteByte('\n')
		}
	}
	if len(p.Roles) > 0 {
		b.WriteString("roles filled in the run:\n")
		for _, r := range p.Roles {
			fmt.Fprintf(&b, "  %-16s %s\n", r.Name, r.Doc)
		}
	}
	b.WriteString("steps:\n")
	walk(p.Steps, func(s *Step) {
		fmt.Fprintf(&b, "  %s%-16s %-8s %s", strings.Repeat("  ", strings.Count(s.Path, "/")), s.ID, s.Kind, s.Title())
		var notes []string
		if len(s.Needs) > 0 {
			notes = append(notes, "after "+strings.Join(s.Needs, ", "))
		}
		if len(s.Any) > 0 {
			notes = append(notes, "after any of "+strings.Join(s.Any, ", "))
		}
		if len(s.Branch) > 0 {
			notes = append(notes, "if it goes wrong: "+strings.Join(s.Branch, ", "))
		}
		if s.When != nil {
			notes = append(notes, "only when "+s.When.Text)
		}
		if s.MaySkip != nil {
			notes = append(notes, strings.Join(s.MaySkip.By, " or ")+" may skip it")
		}
		if len(notes) > 0 {
			fmt.Fprintf(&b, "  [%s]", strings.Join(notes, "; "))
		}
		b.WriteByte('\n')
	})
	for _, n := range p.Never {
		fmt.Fprintf(&b, "never %s without %s\n", n.Do, n.Without)
	}
	return b.String()
}

// Closure is the digest over p and every playbook that it can call or offer, directly or through
// others: what a run pins. A playbook that Known does not have counts by its name alone.
func Closure(p *Playbook, known Known) string {
	digests := map[string]string{p.Name: p.Digest}
	var visit func(p *Playbook)
	visit = func(p *Playbook) {
		walk(p.Steps, func(s *Step) {
			for _, name := range childrenOf(s) {
				if _, seen := digests[name]; seen {
					continue
				}
				digests[name] = ""
				if known.Playbooks == nil {
					continue
				}
				if child := known.Playbooks(name); child != nil {
					digests[name] = child.Digest
					visit(child)
				}
			}
		})
	}
	visit(p)
	names := make([]string, 0, len(digests))
	for n := range digests {
		names = append(names, n)
	}
	sort.Strings(names)
	var b strings.Builder
	for _, n := range names {
		fmt.Fprintf(&b, "%s %s\n", n, digests[n])
	}
	return action.DigestOf([]byte(p.Name + "\n" + b.String()))
}

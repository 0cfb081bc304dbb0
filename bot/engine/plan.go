package engine

import (
	"fmt"
	"slices"
	"strings"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/gate"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// planDigest is the digest of what a run would pin and be given. Who may approve is not part of
// it: gates ask who does when they close.
func planDigest(s run.Start) string {
	return action.DigestOf(encode([]any{s.Project, s.Closure, s.Inputs, s.Profile}))
}

// matches refuses a plan that is not the one a person saw.
func matches(written, digest string) error {
	const op = "engine.start"
	hex := strings.TrimPrefix(written, "sha256:")
	switch {
	case len(hex) < minDigest:
		return errs.E(op, errs.Invalid, fmt.Errorf("%q is too short for the digest of a plan", written)).Hint("give at least %d of its digits", minDigest)
	case !strings.HasPrefix(strings.TrimPrefix(digest, "sha256:"), hex):
		return errs.E(op, errs.Conflict, fmt.Errorf("the plan is not %s any more: it is %s now", written, digest)).
			Hint("look at the new one with --plan")
	}
	return nil
}

// PlanText says what a start would do: its steps, what each may do outside and by which policy,
// and its gates with those who could pass them now.
func (e *Engine) PlanText(s Started) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s would take these steps:\n", s.Name)
	fmt.Fprintf(&b, "playbook %s %s\nplan %s\n", s.Book.Name, s.Book.Digest, s.Digest)
	var list func(steps []*playbook.Step, indent string)
	list = func(steps []*playbook.Step, indent string) {
		for _, st := range steps {
			b.WriteString(indent + "• " + st.Path)
			if st.Doc != "" {
				b.WriteString(": " + st.Doc)
			}
			b.WriteString(e.planned(s, st) + "\n")
			if st.Each != nil {
				list(st.Each.Steps, indent+"  ")
			}
		}
	}
	list(s.Book.Steps, "")
	fmt.Fprintf(&b, "To start exactly this, add --match %s", s.Digest)
	return b.String()
}

func (e *Engine) planned(s Started, st *playbook.Step) string {
	switch st.Kind {
	case playbook.Do:
		c := st.Do.Contract
		text := fmt.Sprintf(" [%s, %s", st.Do.Ref, c.Policy)
		if c.Irreversible {
			text += ", cannot be undone"
		}
		return text + "]"
	case playbook.GateK:
		return fmt.Sprintf(" [gate: %s; %s]", st.Gate.Rule, e.passers(s, st.Gate.Rule))
	case playbook.Ask:
		return " [asks " + st.Ask.Of + "]"
	case playbook.ByHand:
		return " [by hand: " + st.ByHand.Of + "]"
	case playbook.Wait:
		if st.Wait.Ref != "" {
			return fmt.Sprintf(" [waits for %s, looks every %s]", st.Wait.Ref, st.Wait.Poll)
		}
		return " [waits for a time]"
	case playbook.Call:
		return " [a run of " + st.Call.Playbook + "]"
	}
	return " [" + string(st.Kind) + "]"
}

// passers names those whose approval of a gate would count now.
func (e *Engine) passers(s Started, rule gate.Rule) string {
	w := e.World()
	after := s.Plan.After
	v := gate.Evaluate(gate.Question{Rule: rule, Project: after.Project, Requester: after.Requester, Directory: w.Directory, Opened: w.Now, Now: w.Now}, nil)
	var who []people.PersonID
	var why []string
	for _, n := range v.Needs {
		who = append(who, n.From...)
		if n.Why != "" {
			why = append(why, n.Why)
		}
	}
	slices.Sort(who)
	names := make([]string, 0, len(who))
	for _, p := range slices.Compact(who) {
		if !after.Private || p == after.Requester || slices.Contains(after.Circle, p) {
			names = append(names, string(p))
		}
	}
	text := "nobody could pass it now"
	if len(names) > 0 {
		text = "could pass it now: " + strings.Join(names, ", ")
	}
	return strings.Join(append([]string{text}, why...), "; ")
}

package evidence

import (
	"regexp"
	"slices"

	"slipway/bot/playbook"
	"slipway/bot/run"
)

// books reads the pinned playbooks. One that this program does not understand any more is left out.
func (b *opened) books() map[string]*playbook.Playbook {
	out := map[string]*playbook.Playbook{}
	for name, source := range b.docs {
		if len(name) < 10 || name[:10] != "playbooks/" || name[len(name)-5:] != ".yaml" {
			continue
		}
		if p, err := playbook.Parse(name, source); err == nil {
			out[p.Digest] = p
		}
	}
	return out
}

var elementOf = regexp.MustCompile(`\[[^\]]*\]`)

// promises holds an event against the pinned playbook: gates are asked by the rules that stand in
// it, and what it says is never done without a gate was not.
func (r *replay) promises(ev run.Event, bad func(string, ...any) error) error {
	p := r.books[r.s.Playbook]
	if p == nil {
		if _, opened := ev.Body.(run.GateOpened); opened {
			r.unread = true
		}
		return nil
	}
	switch b := ev.Body.(type) {
	case run.GateOpened:
		def := p.Step(elementOf.ReplaceAllString(b.Step, ""))
		if def == nil || def.Gate == nil || def.Gate.Rule.String() != b.Manifest.Rule {
			return bad("the gate %s was asked by the rule %q, which is not the one in the pinned playbook", b.Step, b.Manifest.Rule)
		}
	case run.EffectIntended:
		if b.For != run.ForStep {
			return nil
		}
		name := Deed{Action: b.Action}.Name()
		for _, n := range p.Never {
			st := r.s.Steps[n.Without]
			if n.Do == name && (st == nil || !slices.Contains([]run.StepStatus{run.Done, run.Adopted}, st.Status)) {
				return bad("%s was to be done by %s while the gate %s had not passed, which the pinned playbook says never happens", name, b.Step, n.Without)
			}
		}
	}
	return nil
}

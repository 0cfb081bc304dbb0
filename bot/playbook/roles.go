package playbook

import "sort"

// StartsRuns reports whether a step calls or offers another playbook.
func (p *Playbook) StartsRuns() bool {
	starts := false
	walk(p.Steps, func(s *Step) { starts = starts || s.Kind == Call || s.Kind == Offer })
	return starts
}

// RoleNames lists the roles that the playbook declares, or that its steps name, sorted.
func (p *Playbook) RoleNames() []string {
	seen := map[string]bool{}
	add := func(names ...string) {
		for _, n := range names {
			seen[n] = true
		}
	}
	for _, r := range p.Roles {
		add(r.Name)
		add(r.By...)
	}
	walk(p.Steps, func(s *Step) {
		if s.MaySkip != nil {
			add(s.MaySkip.By...)
		}
		switch s.Kind {
		case GateK:
			add(s.Gate.Rule.Roles()...)
			add(s.Gate.Lifts)
		case Ask:
			add(s.Ask.Of)
		case ByHand:
			add(s.ByHand.Of)
		case Offer:
			add(s.Offer.Closes)
			for _, e := range s.Offer.Entries {
				add(e.By...)
			}
		}
	})
	delete(seen, "")
	delete(seen, "requester")
	names := make([]string, 0, len(seen))
	for n := range seen {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

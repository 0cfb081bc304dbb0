package gate

import (
	"slices"

	"slipway/bot/people"
)

// absent says why the gate cannot pass before somebody who is away is back, or "". An absence takes
// no approval away: whoever is away and approves all the same is counted.
func (e *evaluation) absent(v *Verdict) string {
	var away []people.Absence
	needs := slices.Clone(v.Needs)
	for _, other := range v.Other {
		needs = append(needs, other.Needs...)
	}
	for _, n := range needs {
		for _, a := range n.Away {
			if !slices.Contains(away, a) {
				away = append(away, a)
			}
		}
	}
	if len(away) == 0 || v.Passes || v.Rejected || e.passable(false) || !e.passable(true) {
		return ""
	}
	return "it cannot pass before somebody is back: " + people.TheirAbsences(away)
}

// passable reports whether the gate passes once everybody who may approve does; with away, those who
// are away too.
func (e *evaluation) passable(away bool) bool {
	all := evaluation{q: e.q, yes: slices.Clone(e.yes)}
	for _, role := range e.q.Rule.roles {
		members := e.q.Directory.Members(e.q.Project, role, e.q.Now)
		if !away {
			members, _ = e.q.Directory.Present(members, e.q.Now)
		}
		for _, p := range members {
			if c, no := all.candidate(p, true); no.why == "" && !all.approves(p) {
				all.yes = append(all.yes, c)
			}
		}
	}
	for choice := range all.choices() {
		units := all.units(choice)
		for _, w := range e.q.Rule.ways {
			if m := all.fill(w, units); m.missing == 0 {
				return true
			}
		}
	}
	return false
}

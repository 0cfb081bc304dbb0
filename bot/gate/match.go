package gate

import (
	"fmt"
	"slices"

	"slipway/bot/people"
)

// maxChoices bounds the tries for persons who could count in more than one standing. Six such
// persons can choose freely; further ones count in their first standing only, which never lets a
// gate pass that should not.
const maxChoices = 64

// unit is what fills one slot: one identity, with the votes of the person and of delegates.
type unit struct {
	who   people.PersonID
	roles uint64
	from  []int // indexes of candidates
}

// match is one way through the rule and how far it is filled.
type match struct {
	way     way
	units   []unit
	term    []int // unit → term, -1 none
	filled  []int // by term
	missing int
	needs   []Need
	hard    int // how many of the missing nobody could give
}

// best finds the way that needs the fewest further approvals, possible ones first.
func (e *evaluation) best() match {
	var best match
	found := false
	for choice := range e.choices() {
		units := e.units(choice)
		for _, w := range e.q.Rule.ways {
			m := e.fill(w, units)
			if m.missing == 0 {
				return m
			}
			e.need(&m)
			if !found || m.hard < best.hard || m.hard == best.hard && m.missing < best.missing {
				best, found = m, true
			}
		}
	}
	return best
}

// choices is how many assignments of standings to persons there are.
func (e *evaluation) choices() int {
	n := 1
	for i := range e.yes {
		if k := len(e.yes[i].as); k > 1 && n*k <= maxChoices {
			n *= k
		}
	}
	return n
}

// units groups the approvers by identity; choice, in mixed radix, picks the standing of those
// who have several.
func (e *evaluation) units(choice int) []unit {
	units := make([]unit, 0, len(e.yes))
	n := 1
	for i := range e.yes {
		c := &e.yes[i]
		s := c.as[0]
		if k := len(c.as); k > 1 && n*k <= maxChoices {
			s = c.as[choice%k]
			choice /= k
			n *= k
		}
		j := slices.IndexFunc(units, func(u unit) bool { return u.who == s.who })
		if j < 0 {
			units = append(units, unit{who: s.who})
			j = len(units) - 1
		}
		units[j].roles |= s.roles
		units[j].from = append(units[j].from, i)
	}
	return units
}

// fill assigns units to the terms of w so that as many slots as possible are filled, each unit
// at most once: a bipartite matching by augmenting paths, oldest approval first. A unit once
// assigned stays assigned, so an older approval is never displaced by a newer one.
func (e *evaluation) fill(w way, units []unit) match {
	m := match{way: w, units: units, missing: w.slots()}
	cells := make([]int, len(units)+len(w))
	m.term, m.filled = cells[:len(units)], cells[len(units):]
	for u := range m.term {
		m.term[u] = -1
	}
	for u := range units {
		if m.missing == 0 {
			break
		}
		var seen uint64
		if e.place(&m, u, &seen) {
			m.missing--
		}
	}
	return m
}

func (e *evaluation) bit(role string) uint64 { return 1 << slices.Index(e.q.Rule.roles, role) }

// place finds a slot for unit u, moving others on where that helps. Seen marks terms tried.
func (e *evaluation) place(m *match, u int, seen *uint64) bool {
	for t := range m.way {
		if *seen&(1<<t) != 0 || m.units[u].roles&e.bit(m.way[t].role) == 0 {
			continue
		}
		*seen |= 1 << t
		if m.filled[t] < m.way[t].n {
			m.term[u] = t
			m.filled[t]++
			return true
		}
		for other := range m.units {
			if m.term[other] != t {
				continue
			}
			if e.place(m, other, seen) {
				m.term[u] = t
				return true
			}
		}
	}
	return false
}

// need fills in what is missing and who could give it.
func (e *evaluation) need(m *match) {
	for t, term := range m.way {
		short := term.n - m.filled[t]
		if short == 0 {
			continue
		}
		n := Need{Role: term.role, Count: short}
		if why := e.q.Directory.Unavailable(e.q.Project, term.role); why != "" {
			n.Why = fmt.Sprintf("who holds %s in %s cannot be read now: %s", term.role, e.q.Project, why)
			m.hard += short
		} else {
			n.From = e.helpers(m, t)
			_, n.Away = e.q.Directory.Present(n.From, e.q.Now)
			switch missing := short - len(n.From); {
			case missing <= 0:
			case len(n.From) > 0:
				n.Why = fmt.Sprintf("only %d of the %d needed can still be given", len(n.From), short)
				m.hard += missing
			case m.filled[t] > 0:
				n.Why = fmt.Sprintf("nobody else who may approve holds %s in %s", term.role, e.q.Project)
				m.hard += missing
			default:
				n.Why = fmt.Sprintf("nobody who may approve holds %s in %s", term.role, e.q.Project)
				m.hard += missing
			}
		}
		m.needs = append(m.needs, n)
	}
}

// helpers lists the persons whose approval would fill one more slot of term t: holders of its
// role, and holders of another role of the way when somebody who fills that one can move on to t.
func (e *evaluation) helpers(m *match, t int) []people.PersonID {
	reach := uint64(1) << t
	queue := []int{t}
	var roles uint64
	for len(queue) > 0 {
		t, queue = queue[0], queue[1:]
		bit := e.bit(m.way[t].role)
		roles |= bit
		for u := range m.units {
			if from := m.term[u]; from >= 0 && reach&(1<<from) == 0 && m.units[u].roles&bit != 0 {
				reach |= 1 << from
				queue = append(queue, from)
			}
		}
	}
	var out []people.PersonID
	for i, role := range e.q.Rule.roles {
		if roles&(1<<i) == 0 || e.q.Directory.Unavailable(e.q.Project, role) != "" {
			continue
		}
		for _, p := range e.q.Directory.Members(e.q.Project, role, e.q.Now) {
			if !slices.Contains(out, p) && e.helps(m, p, roles) {
				out = append(out, p)
			}
		}
	}
	slices.Sort(out)
	return out
}

// helps reports whether p, who has not approved yet, could take a slot of one of the roles in a
// standing that nobody has taken.
func (e *evaluation) helps(m *match, p people.PersonID, roles uint64) bool {
	for i := range e.yes {
		if e.yes[i].person == p {
			return false
		}
	}
	c, no := e.candidate(p, true)
	if no.why != "" {
		return false
	}
	for _, s := range c.as {
		taken := slices.IndexFunc(m.units, func(u unit) bool { return u.who == s.who })
		if s.roles&roles != 0 && taken < 0 {
			return true
		}
	}
	return false
}

// record writes what was found into the verdict.
func (e *evaluation) record(v *Verdict, m match) {
	v.Needs = m.needs
	counts := make([]int, len(e.yes)) // candidate → term + 1
	for u, t := range m.term {
		if t < 0 {
			continue
		}
		counts[m.speaker(e, u)] = t + 1
	}
	v.Terms = make([]Term, len(m.way))
	for t, term := range m.way {
		v.Terms[t] = Term{N: term.n, Role: term.role}
	}
	for i := range e.yes {
		t := counts[i] - 1
		if t >= 0 {
			v.Terms[t].By = append(v.Terms[t].By, e.yes[i].person)
			v.Counted = append(v.Counted, e.spoken[i])
			continue
		}
		if u := m.unitOf(i); m.term[u] >= 0 {
			twin := e.yes[m.speaker(e, u)].person
			v.Refused = append(v.Refused, Refusal{Vote: e.spoken[i], Why: m.sharedBy(e, i, twin)})
			continue
		}
		v.Spare = append(v.Spare, e.spoken[i])
	}
	if !v.Passes {
		for _, w := range e.q.Rule.ways {
			if slices.Equal(w, m.way) {
				continue
			}
			other := e.fill(w, m.units)
			e.need(&other)
			text := w.String()
			var by []people.PersonID
			for u, t := range other.term {
				if t >= 0 {
					by = append(by, e.yes[other.speaker(e, u)].person)
				}
			}
			if len(by) > 0 {
				text += fmt.Sprintf(" (%s counted, %d more needed)", list(by, "and"), other.missing)
			}
			v.Or = append(v.Or, text)
			if other.hard == 0 {
				v.Other = append(v.Other, Other{Way: w.String(), Needs: other.needs, Given: len(by)})
			}
		}
	}
}

// speaker is the candidate whose vote fills the slot of unit u: the person himself if he spoke
// and holds the role, else the delegate who spoke first.
func (m *match) speaker(e *evaluation, u int) int {
	bit := e.bit(m.way[m.term[u]].role)
	first := -1
	for _, i := range m.units[u].from {
		for _, s := range e.yes[i].as {
			if s.who != m.units[u].who || s.roles&bit == 0 {
				continue
			}
			if e.yes[i].person == s.who {
				return i
			}
			if first < 0 {
				first = i
			}
		}
	}
	return first
}

func (m *match) unitOf(candidate int) int {
	return slices.IndexFunc(m.units, func(u unit) bool { return slices.Contains(u.from, candidate) })
}

func (m *match) sharedBy(e *evaluation, i int, twin people.PersonID) string {
	p, who := e.yes[i].person, m.units[m.unitOf(i)].who
	switch who {
	case twin:
		return fmt.Sprintf("%s stands in for %s, who counted already", p, who)
	case p:
		return fmt.Sprintf("%s stands in for %s and counted already", twin, p)
	}
	return fmt.Sprintf("%s and %s both stand in for %s, and %s counted already", p, twin, who, twin)
}

// String is the way in words: "1 of qa and 2 of maintainer".
func (w way) String() string {
	n := node{op: '&'}
	for _, t := range w {
		n.kids = append(n.kids, node{op: 't', term: t})
	}
	return n.text()
}

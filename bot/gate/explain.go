package gate

import (
	"fmt"
	"strings"
	"time"

	"slipway/bot/people"
)

// Explain says the verdict in lines for people, most important first:
//
//	1 of 2 maintainers: maria
//	joe does not count ("not requester")
//	needs 1 more maintainer: bo or eva
func (v Verdict) Explain() []string {
	var out []string
	for _, a := range v.Against {
		line := fmt.Sprintf("%s %s it", a.Person, past(a.Kind))
		if a.Reason != "" {
			line += ": " + a.Reason
		}
		out = append(out, line)
	}
	for _, t := range v.Terms {
		line := fmt.Sprintf("%d of %d %s", len(t.By), t.N, plural(t.Role, t.N))
		if len(t.By) > 0 {
			line += ": " + list(t.By, "and")
		}
		out = append(out, line)
	}
	for _, s := range v.Spare {
		out = append(out, fmt.Sprintf("%s approved too, which is not needed", s.Person))
	}
	for _, r := range v.Refused {
		if r.Rule != "" && r.Vote.Person != "" {
			line := fmt.Sprintf("%s does not count (%q)", r.Vote.Person, r.Rule)
			if strings.Contains(r.Why, " stands in for ") {
				line = fmt.Sprintf("%s does not count: %s (%q)", r.Vote.Person, r.Why, r.Rule)
			}
			out = append(out, line)
			continue
		}
		out = append(out, "does not count: "+r.Why)
	}
	for _, n := range v.Needs {
		out = append(out, n.explain(v))
	}
	if v.Absent != "" {
		out = append(out, v.Absent)
	}
	for _, w := range v.Or {
		out = append(out, "or else: "+w)
	}
	return out
}

func (n Need) explain(v Verdict) string {
	if n.Role == "" {
		return n.Why
	}
	more := ""
	for _, t := range v.Terms {
		if t.Role == n.Role && len(t.By) > 0 {
			more = "more "
		}
	}
	line := fmt.Sprintf("needs %d %s%s", n.Count, more, plural(n.Role, n.Count))
	if len(n.From) > 0 {
		line += ": " + n.from()
	}
	if len(n.Away) > 0 {
		line += " (" + people.TheirAbsences(n.Away) + ")"
	}
	switch {
	case n.Why == "":
		return line
	case len(n.From) > 0:
		return line + "; " + n.Why
	}
	return line + ": " + n.Why
}

// from names those who could give it: "bo or eva" of whom one is enough, "bo, eva" who both must,
// "2 of bo, eva, ann" otherwise.
func (n Need) from() string {
	switch names := list(n.From, ""); {
	case n.Count == 1:
		return list(n.From, "or")
	case len(n.From) > n.Count:
		return fmt.Sprintf("%d of %s", n.Count, names)
	default:
		return names
	}
}

// plural is a role's name for n persons. Short names, such as qa, stay as they are.
func plural(role string, n int) string {
	stem, consonantY := strings.CutSuffix(role, "y")
	consonantY = consonantY && stem != "" && !strings.ContainsAny(stem[len(stem)-1:], "aeiou")
	switch {
	case n == 1 || len(role) < 4 || strings.HasSuffix(role, "s"):
		return role
	case consonantY:
		return stem + "ies"
	case strings.HasSuffix(role, "ch") || strings.HasSuffix(role, "sh") || strings.HasSuffix(role, "x"):
		return role + "es"
	}
	return role + "s"
}

// list writes persons as "ann, bo or eva", or without last as "ann, bo, eva".
func list(ids []people.PersonID, last string) string {
	var b strings.Builder
	for i, p := range ids {
		switch {
		case i == 0:
		case i == len(ids)-1 && last != "":
			b.WriteString(" " + last + " ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(string(p))
	}
	return b.String()
}

// Passable says why a gate with this rule can never pass with the people there are now, or "".
// The requester may be "" when nobody is excluded as such. Authors are not known beforehand, and
// a role whose source cannot be reached is taken as held.
func Passable(rule Rule, directory people.Directory, project string, requester people.PersonID, now time.Time) string {
	if rule.IsZero() {
		return noRule
	}
	e := evaluation{q: Question{Rule: rule, Project: project, Requester: requester, Directory: directory, Now: now}}
	var unread uint64
	for i, role := range rule.roles {
		if directory.Unavailable(project, role) != "" {
			unread |= 1 << i
			continue
		}
		for _, p := range directory.Members(project, role, now) {
			if c, no := e.candidate(p, true); no.why == "" && !e.approves(p) {
				e.yes = append(e.yes, c)
			}
		}
	}
	why := ""
	for choice := range e.choices() {
		units := e.units(choice)
		for _, w := range rule.ways {
			m := e.fill(w, units)
			short := ""
			for t, term := range w {
				if short == "" && m.filled[t] < term.n && unread&e.bit(term.role) == 0 {
					short = fmt.Sprintf("%q cannot pass: of the %d %s needed in %s, %s", rule.text, term.n, plural(term.role, term.n), project, have(m.filled[t]))
				}
			}
			if short == "" {
				return ""
			}
			if why == "" {
				why = short
			}
		}
	}
	return why
}

func have(n int) string {
	switch n {
	case 0:
		return "nobody is there who may approve"
	case 1:
		return "only one person may approve"
	}
	return fmt.Sprintf("only %d persons may approve", n)
}

func (e *evaluation) approves(p people.PersonID) bool {
	for i := range e.yes {
		if e.yes[i].person == p {
			return true
		}
	}
	return false
}

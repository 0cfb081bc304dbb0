package people

import (
	"maps"
	"time"
)

// A link has no effect on what was put to people before it: an approval through an account that was
// linked later does not count, nor does a role that is held only by such an account. Otherwise
// somebody could make himself an approver of what he has seen already.

// LinkedAt is when the account was linked to p in a chat; zero when it was always p's.
func (p Person) LinkedAt(a Account) time.Time { return p.Linked[a.String()] }

// AskedAt is d for a question that was put to people at that moment: roles that are held only by
// accounts linked since then, or just then, are not held.
func (d Directory) AskedAt(at time.Time) Directory {
	d.asked = &at
	return d
}

// counts reports whether the grant gives its role for what is asked.
func (d Directory) counts(g Grant) bool { return d.lapse(g) == "" }

// lapse says why a grant by an account in a group gives nothing, or "".
func (d Directory) lapse(g Grant) string {
	if g.Account.ID == "" {
		return ""
	}
	if why := d.Barred(g.Account); why != "" {
		return "which does not count: " + why
	}
	if d.asked != nil && !g.Linked.IsZero() && !g.Linked.Before(*d.asked) {
		return "which was linked after this manifest was posted: it counts from the next one on"
	}
	return ""
}

// Lapsed finds the grant by which p would hold the role if his account in a group counted, and a clause
// that says why it does not; "" when there is none, or p holds the role by another one.
func (d Directory) Lapsed(project, role string, p PersonID, now time.Time) (found Grant, why string) {
	if _, shadowed := d.filled[role]; shadowed || !d.acts(p) {
		return Grant{}, ""
	}
	for g := range d.granted(project, role, p, now) {
		if because := d.lapse(g); because == "" {
			return Grant{}, ""
		} else if why == "" {
			found, why = g, because
		}
	}
	return found, why
}

// Through are the accounts in groups by which p holds the role, and without which he would not: his own
// or, where he stands in for others, theirs.
func (d Directory) Through(project, role string, p PersonID, now time.Time) (out []Account) {
	if _, shadowed := d.filled[role]; shadowed || !d.acts(p) {
		return nil
	}
	own := func(p PersonID) (list []Account, holds bool) {
		for g := range d.granted(project, role, p, now) {
			switch {
			case !d.counts(g):
			case g.Account.ID == "":
				return nil, true
			default:
				list = append(list, g.Account.key())
			}
		}
		return list, len(list) > 0
	}
	out, holds := own(p)
	if holds {
		return out
	}
	for _, g := range d.Delegations(project, role, p, now) {
		theirs, _ := own(g.For)
		out = append(out, theirs...)
	}
	return out
}

// Barred is an account that counts nowhere, and why: "it is a guest".
type Barred struct {
	Account Account `json:"account"`
	Why     string  `json:"why"`
}

// WithBarred is d in which these accounts, and no others, count nowhere.
func (d Directory) WithBarred(list []Barred) Directory {
	if d.book == nil || len(list) == 0 && len(d.book.barred) == 0 {
		return d
	}
	b := *d.book
	b.barred = make(map[Account]string, len(list))
	for _, x := range list {
		b.barred[x.Account.key()] = x.Why
	}
	d.book = &b
	return d
}

// Barred says why the account counts nowhere, or "" when it does.
func (d Directory) Barred(a Account) string {
	if d.book == nil {
		return ""
	}
	return d.book.barred[a.key()]
}

// WithLink is p with one account more, linked at that moment.
func (p Person) WithLink(a Account, at time.Time) Person {
	p.Accounts = append(p.Accounts[:len(p.Accounts):len(p.Accounts)], a)
	if p.Linked = maps.Clone(p.Linked); p.Linked == nil {
		p.Linked = map[string]time.Time{}
	}
	p.Linked[a.String()] = at
	return p
}

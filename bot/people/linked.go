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

// inTime reports whether the grant counts for what is asked.
func (d Directory) inTime(g Grant) bool {
	return d.asked == nil || g.Linked.IsZero() || g.Linked.Before(*d.asked)
}

// TooLate finds the grant by which p would hold the role, had its account been linked before the
// question was put.
func (d Directory) TooLate(project, role string, p PersonID, now time.Time) (Grant, bool) {
	if d.asked == nil {
		return Grant{}, false
	}
	asIs := d
	asIs.asked = nil
	g, ok := asIs.Has(project, role, p, now)
	return g, ok && !d.inTime(g)
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

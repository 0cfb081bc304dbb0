package people

import (
	"fmt"
	"strings"
	"time"

	"slipway/bot/errs"
)

// Rules are what the configuration adds to who may change roles.
type Rules struct {
	// MayGrant names, for a role, the roles whose holders may grant it besides admins. A role
	// may be granted by its own holders only where it is in its own list. It never widens who
	// grants [Admin].
	MayGrant map[string][]string
}

// FirstAdmins makes the grants of the admins whom the configuration names. They are the only
// grants that nobody gave.
func FirstAdmins(ids []PersonID) []Grant {
	out := make([]Grant, len(ids))
	for i, id := range ids {
		out[i] = Grant{ID: "config:admin:" + string(id), Person: id, Role: Admin, Project: EveryProject}
	}
	return out
}

// GrantRole checks whether by may make the grant g, and returns it with By filled in. Its kinds
// of error: [errs.Denied], [errs.Invalid], [errs.NotFound], [errs.Exists], and
// [errs.Unavailable] when the source of the roles that decide cannot be reached. The caller
// gives the grant its id.
func GrantRole(d Directory, rules Rules, by PersonID, g Grant, now time.Time) (Grant, error) {
	const op = "people.grant"
	d = Directory{book: d.book} // roles of a run give no power over roles
	if g.For != "" {
		return g, errs.E(op, errs.Invalid, fmt.Errorf("a grant in the place of %s is a delegation", g.For)).
			Hint("%s can delegate the role", g.For)
	}
	if err := d.checkGrant(op, g, now); err != nil {
		return g, err
	}
	if err := d.mayGrant(op, rules, by, g.Role, g.Project, now); err != nil {
		return g, err
	}
	if old, ok := d.own(g.Project, g.Role, g.Person, now); ok && covers(old, g, now) {
		return g, errs.E(op, errs.Exists, fmt.Errorf("%s is %s in %s already", g.Person, g.Role, where(old.Project))).
			Hint("nothing needs to be done")
	}
	g.By = by
	return g, nil
}

// covers reports whether the grant old makes g needless.
func covers(old, g Grant, now time.Time) bool {
	begins := old.From.IsZero() || !old.From.After(now) || !old.From.After(g.From)
	ends := old.Until.IsZero() || !g.Until.IsZero() && !g.Until.After(old.Until)
	return begins && ends
}

// checkGrant refuses a grant that makes no sense whoever makes it.
func (d Directory) checkGrant(op string, g Grant, now time.Time) error {
	if err := CheckRoleName(g.Role); err != nil {
		return errs.E(op, errs.Invalid, err)
	}
	if g.Project == "" {
		return errs.E(op, errs.Invalid, fmt.Errorf("the grant of %s names no project", g.Role)).
			Hint(`name a project, or "*" for every project`)
	}
	if err := d.checkPerson(op, g.Person); err != nil {
		return err
	}
	if !g.Until.IsZero() && (!g.From.Before(g.Until) || !now.Before(g.Until)) {
		return errs.E(op, errs.Invalid, fmt.Errorf("the grant would end at %s, before it holds", g.Until.Format(time.RFC3339))).
			Hint("give a later end, or none")
	}
	return nil
}

func (d Directory) checkPerson(op string, id PersonID) error {
	p, ok := d.Person(id)
	switch {
	case !ok:
		return errs.E(op, errs.NotFound, fmt.Errorf("there is no person %q", id)).Hint("an admin can add one")
	case p.Gone:
		return errs.E(op, errs.Invalid, fmt.Errorf("%s has left", id)).Hint("an admin can bring %s back first", id)
	case p.Bot:
		return errs.E(op, errs.Invalid, fmt.Errorf("%s is a bot, and a bot has no role", id)).Hint("name a person")
	}
	return nil
}

// CheckRoleName refuses what cannot be written in a gate's rule.
func CheckRoleName(role string) error {
	bad := role == "" || !letter(role[0])
	for i := 0; i < len(role) && !bad; i++ {
		c := role[i]
		bad = !letter(c) && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.'
	}
	switch strings.ToLower(role) {
	case "of", "and", "or", "not", "all", "any", "requester", "author":
		bad = true
	}
	if bad {
		return errs.E("people.role", errs.Invalid, fmt.Errorf("%q cannot be the name of a role", role)).
			Hint("a role begins with a letter, has letters, digits, - _ and ., and is not a word of the gate rules")
	}
	return nil
}

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// IsAdmin reports whether p is an admin of the project, or of every project.
func (d Directory) IsAdmin(p PersonID, project string, now time.Time) bool {
	if d.book == nil || !d.acts(p) {
		return false
	}
	_, ok := d.own(project, Admin, p, now) // what an admin may do is not delegated
	return ok
}

func (d Directory) mayGrant(op string, rules Rules, by PersonID, role, project string, now time.Time) error {
	if why := d.Unavailable(project, Admin); why != "" {
		return errs.E(op, errs.Unavailable, fmt.Errorf("the admins of %s cannot be read now: %s", where(project), why))
	}
	if d.IsAdmin(by, project, now) {
		return nil
	}
	if role != Admin {
		for _, from := range rules.MayGrant[role] {
			if why := d.Unavailable(project, from); why != "" {
				return errs.E(op, errs.Unavailable, fmt.Errorf("the holders of %s in %s cannot be read now: %s", from, where(project), why))
			}
			if g, ok := d.Has(project, from, by, now); ok && g.For == "" {
				return nil
			}
		}
	}
	e := errs.E(op, errs.Denied, fmt.Errorf("%s may not grant or revoke %s in %s", nameOf(by), role, where(project)))
	if could := d.granters(rules, role, project, now); len(could) > 0 {
		return e.Hint("ask %s", orList(could))
	}
	return e.Hint("the configuration names the first admin")
}

// granters lists who may grant the role.
func (d Directory) granters(rules Rules, role, project string, now time.Time) []PersonID {
	var out []PersonID
	add := func(list []PersonID) {
		for _, p := range list {
			seen := false
			for _, o := range out {
				seen = seen || o == p
			}
			if !seen {
				out = append(out, p)
			}
		}
	}
	for _, p := range d.Members(project, Admin, now) {
		if d.IsAdmin(p, project, now) {
			add([]PersonID{p})
		}
	}
	if role != Admin {
		for _, from := range rules.MayGrant[role] {
			add(d.Members(project, from, now))
		}
	}
	return out
}

// Revoke checks whether by may end the grant g: who may grant the role may, and so may its
// holder, and the delegator of a delegation. The last admin of every project cannot be removed.
func Revoke(d Directory, rules Rules, by PersonID, g Grant, now time.Time) error {
	const op = "people.revoke"
	d = Directory{book: d.book}
	own := by != "" && (by == g.Person || by == g.For) && d.acts(by)
	if !own {
		if err := d.mayGrant(op, rules, by, g.Role, g.Project, now); err != nil {
			return err
		}
	}
	return d.keepAdmin(op, now, g.Until.IsZero(), func(other Grant) bool { return other.ID == g.ID && other.Person == g.Person })
}

// Leave checks whether by may mark p as gone.
func Leave(d Directory, by, p PersonID, now time.Time) error {
	const op = "people.leave"
	d = Directory{book: d.book}
	if _, ok := d.Person(p); !ok {
		return errs.E(op, errs.NotFound, fmt.Errorf("there is no person %q", p)).Hint("name the person by the id that an admin gave")
	}
	if !d.IsAdmin(by, EveryProject, now) {
		return errs.E(op, errs.Denied, fmt.Errorf("%s may not say that %s has left", nameOf(by), p)).
			Hint("an admin of every project can")
	}
	return d.keepAdmin(op, now, true, func(g Grant) bool { return g.Person == p })
}

// keepAdmin refuses a change after which nobody would be admin of every project. When endless,
// what goes away had no end, so one without an end must stay.
func (d Directory) keepAdmin(op string, now time.Time, endless bool, goes func(Grant) bool) error {
	if d.book == nil {
		return nil
	}
	touched := false
	for _, g := range d.book.grants[roleKey{EveryProject, Admin}] {
		if g.For != "" || !d.acts(g.Person) || !g.InForce(now) {
			continue
		}
		if goes(g) {
			touched = true
		} else if g.Until.IsZero() || !endless {
			return nil
		}
	}
	if !touched {
		return nil
	}
	return errs.E(op, errs.Denied, fmt.Errorf("nobody would be admin any more")).
		Hint("make somebody else admin of every project first, without an end")
}

// Delegate checks whether by may let g.Person stand in for g.For, and returns the grant with By
// filled in. The delegator does it himself, or an admin does it for him. Only a role that the
// delegator holds by a grant of his own can be delegated, never [Admin], and not in a circle.
func Delegate(d Directory, by PersonID, g Grant, now time.Time) (Grant, error) {
	const op = "people.delegate"
	d = Directory{book: d.book}
	if err := d.checkPerson(op, g.For); err != nil {
		return g, err
	}
	if err := d.checkGrant(op, g, now); err != nil {
		return g, err
	}
	switch {
	case g.Role == Admin:
		return g, errs.E(op, errs.Denied, fmt.Errorf("%s cannot be delegated", Admin)).Hint("an admin can make %s admin", g.Person)
	case g.Person == g.For:
		return g, errs.E(op, errs.Invalid, fmt.Errorf("%s cannot stand in for himself", g.Person)).Hint("name another person")
	case by != g.For && !d.IsAdmin(by, g.Project, now):
		return g, errs.E(op, errs.Denied, fmt.Errorf("%s may not delegate a role of %s", nameOf(by), g.For)).
			Hint("%s can, or an admin", g.For)
	}
	at := g.From
	if at.Before(now) {
		at = now
	}
	if why := d.Unavailable(g.Project, g.Role); why != "" {
		return g, errs.E(op, errs.Unavailable, fmt.Errorf("the holders of %s in %s cannot be read now: %s", g.Role, where(g.Project), why))
	}
	if _, ok := d.own(g.Project, g.Role, g.For, at); !ok {
		e := errs.E(op, errs.Denied, fmt.Errorf("%s does not hold %s in %s", g.For, g.Role, where(g.Project)))
		if list := d.Delegations(g.Project, g.Role, g.For, at); len(list) > 0 {
			return g, e.Hint("%s only stands in for %s there, who can delegate it", g.For, list[0].For)
		}
		return g, e.Hint("only a role that one holds can be delegated")
	}
	if d.circle(g, now) {
		return g, errs.E(op, errs.Conflict, fmt.Errorf("%s already stands in for %s as %s, directly or through others", g.For, g.Person, g.Role)).
			Hint("end that delegation first")
	}
	g.By = by
	return g, nil
}

// circle reports whether, with g, somebody would stand in for himself in the end.
func (d Directory) circle(g Grant, now time.Time) bool {
	seen := map[PersonID]bool{}
	queue := []PersonID{g.Person}
	for len(queue) > 0 {
		p := queue[0]
		queue = queue[1:]
		if p == g.For {
			return true
		}
		if seen[p] {
			continue
		}
		seen[p] = true
		for k, list := range d.book.grants {
			if k.role != g.Role || k.project != g.Project && k.project != EveryProject && g.Project != EveryProject {
				continue
			}
			for _, o := range list {
				if o.For == p && (o.Until.IsZero() || now.Before(o.Until)) {
					queue = append(queue, o.Person)
				}
			}
		}
	}
	return false
}

func where(project string) string {
	if project == EveryProject {
		return "every project"
	}
	return project
}

func nameOf(p PersonID) string {
	if p == "" {
		return "somebody unknown"
	}
	return string(p)
}

func orList(ids []PersonID) string {
	var b strings.Builder
	for i, p := range ids {
		if i > 0 && i == len(ids)-1 {
			b.WriteString(" or ")
		} else if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(p))
	}
	return b.String()
}

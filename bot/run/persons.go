package run

import (
	"slices"
	"strings"

	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/playbook"
)

// ReleaseManager is the role that may do to a run what its requester may.
const ReleaseManager = "release-manager"

// known refuses everybody who is not a person of the directory that acts.
func (d *decider) known(id people.PersonID) *errs.Error {
	if id == "" {
		return refuse(errs.Denied, "your account is not linked to a person").Hint("link it first; an unlinked account never counts")
	}
	p, ok := d.w.Directory.Person(id)
	switch {
	case !ok:
		return refuse(errs.Denied, "%s is not known here", id).Hint("an admin adds persons")
	case p.Bot:
		return refuse(errs.Denied, "%s is a bot, and bots decide nothing", id)
	case p.Gone:
		return refuse(errs.Denied, "%s has left", id)
	}
	return nil
}

// has reports whether the person holds the role in the run's project; the role's version is a
// read of the decision.
func (d *decider) has(role string, p people.PersonID) bool {
	d.readRole(role)
	_, ok := d.directory().Has(d.s.Project, role, p, d.now)
	return ok
}

// readRole records the version of a role. A role that is filled in the run is guarded by the
// run's own sequence.
func (d *decider) readRole(role string) {
	if _, inherited := d.s.Inherited[role]; inherited || slices.ContainsFunc(d.p.Roles, func(r playbook.Role) bool { return r.Name == role }) {
		return
	}
	d.read("role", d.s.Project+"/"+role, d.w.Directory.Version(d.s.Project, role))
}

// isRequester reports whether the run is the person's own. A triggered run belongs to the
// holders of its owner role.
func (d *decider) isRequester(p people.PersonID) bool {
	if d.s.Requester != "" {
		return d.s.Requester == p
	}
	return d.s.Owner != "" && d.has(d.s.Owner, p)
}

// may reports whether the person may steer the run.
func (d *decider) may(p people.PersonID) bool {
	return d.isRequester(p) || d.has(ReleaseManager, p) || d.has(people.Admin, p)
}

// steer refuses who may not steer the run, and names who may.
func (d *decider) steer(verb Verb, p people.PersonID) *errs.Error {
	if d.may(p) {
		return nil
	}
	return refuse(errs.Denied, "%s may not %s %s", p, verb, d.s.Name).Hint("%s may", d.whoMay())
}

func (d *decider) whoMay() string {
	var who []string
	if d.s.Requester != "" {
		who = append(who, string(d.s.Requester)+" (requester)")
	} else if d.s.Owner != "" {
		who = append(who, d.whoHas(d.s.Owner))
	}
	return strings.Join(append(who, d.whoHas(ReleaseManager), "an admin"), ", ")
}

// whoHas names the holders of a role.
func (d *decider) whoHas(role string) string {
	if role == "requester" {
		return d.whoMay()
	}
	ids := d.directory().Members(d.s.Project, role, d.now)
	if len(ids) == 0 {
		text := "a " + role + " (nobody is one now)"
		for _, r := range d.p.Roles {
			if r.Name == role {
				text = "a " + role + " (nobody is one yet; `appoint` names one)"
			}
		}
		return text
	}
	return "a " + role + ": " + join(ids)
}

func (d *decider) holders(role string) []people.PersonID {
	if role != "requester" {
		return d.directory().Members(d.s.Project, role, d.now)
	}
	if d.s.Requester != "" {
		return []people.PersonID{d.s.Requester}
	}
	return d.directory().Members(d.s.Project, d.s.Owner, d.now)
}

// appoint fills a role that the playbook declares, or empties it.
func (d *decider) appoint(c Command) *errs.Error {
	i := slices.IndexFunc(d.p.Roles, func(r playbook.Role) bool { return r.Name == c.Role })
	if i < 0 {
		names := make([]string, len(d.p.Roles))
		for i, r := range d.p.Roles {
			names[i] = r.Name
		}
		return refuse(errs.NotFound, "%s declares no role %q", d.p.Name, c.Role).
			Hint("roles filled in this run: %s; other roles are granted by an admin", orElse(strings.Join(names, ", "), "none"))
	}
	role := d.p.Roles[i]
	allowed := len(role.By) == 0 && d.may(c.Person)
	for _, by := range role.By {
		allowed = allowed || d.has(by, c.Person)
	}
	if !allowed {
		hint := d.whoMay()
		if len(role.By) > 0 {
			hint = d.whoHas(role.By[0])
			for _, by := range role.By[1:] {
				hint += ", or " + d.whoHas(by)
			}
		}
		return refuse(errs.Denied, "%s may not appoint %s", c.Person, article(role.Name)).Hint("%s may", hint)
	}
	held := d.s.Filled[role.Name]
	if remove, _ := c.Values["remove"].(bool); remove {
		if c.To == "" {
			return refuse(errs.Invalid, "it is not said who is removed").Hint("name the person; without --remove and a name, the role is emptied")
		}
		if !slices.Contains(held, c.To) {
			return refuse(errs.Conflict, "%s is not %s", c.To, article(role.Name)).Hint("%s", d.whoHas(role.Name))
		}
		d.emit(Appointed{role.Name, slices.DeleteFunc(slices.Clone(held), func(p people.PersonID) bool { return p == c.To })})
		d.reply = string(c.To) + " is not " + article(role.Name) + " any more"
		return nil
	}
	if c.To == "" {
		if len(d.s.Filled[role.Name]) == 0 {
			d.reply = "nobody is " + article(role.Name) + " now"
			return nil
		}
		d.emit(Appointed{Role: role.Name})
		d.reply = "nobody is " + article(role.Name) + " any more"
		return nil
	}
	if err := d.person(c.To); err != nil {
		return err
	}
	if len(held) == 1 && held[0] == c.To || role.Many && slices.Contains(held, c.To) {
		d.reply = string(c.To) + " is " + article(role.Name) + " already"
		return nil
	}
	if d.s.Private && !slices.Contains(d.s.Circle, c.To) && c.To != d.s.Requester {
		return refuse(errs.Denied, "%s is not in the circle of this private run", c.To)
	}
	d.emit(Appointed{role.Name, appointed(role, held, c.To)})
	d.reply = string(c.To) + " is " + article(role.Name) + " now"
	return nil
}

// appointed is who holds the role after these were appointed too: one person follows on the one
// before, and several persons are added to each other.
func appointed(role playbook.Role, held []people.PersonID, who ...people.PersonID) []people.PersonID {
	if !role.Many {
		return who
	}
	out := append(slices.Clone(held), who...)
	slices.Sort(out)
	return slices.Compact(out)
}

// fill gives a declared role to those whom an ask named, in place of those whom its answer
// named before.
func (d *decider) fill(name string, values, before map[string]any) *errs.Error {
	i := slices.IndexFunc(d.p.Roles, func(r playbook.Role) bool { return r.Name == name })
	if i < 0 {
		return refuse(errs.NotFound, "%s declares no role %q", d.p.Name, name)
	}
	who := named(values)
	for _, id := range who {
		if d.person(id) != nil {
			return refuse(errs.Invalid, "%q is not a person who can be %s", id, article(name)).Hint("give the id of a person")
		}
	}
	if len(who) == 0 {
		return refuse(errs.Invalid, "nobody is named who could be %s", article(name)).Hint("give the id of a person")
	}
	was := named(before)
	held := slices.DeleteFunc(slices.Clone(d.s.Filled[name]), func(p people.PersonID) bool { return slices.Contains(was, p) })
	d.emit(Appointed{name, appointed(d.p.Roles[i], held, who...)})
	return nil
}

// named lists the persons in an answer that fills a role.
func named(values map[string]any) []people.PersonID {
	var out []people.PersonID
	if id, ok := values["person"].(string); ok {
		out = append(out, people.PersonID(id))
	}
	list, _ := values["persons"].([]any)
	for _, v := range list {
		if id, ok := v.(string); ok && !slices.Contains(out, people.PersonID(id)) {
			out = append(out, people.PersonID(id))
		}
	}
	return out
}

func (d *decider) person(id people.PersonID) *errs.Error {
	p, ok := d.w.Directory.Person(id)
	if !ok || p.Bot || p.Gone {
		return refuse(errs.Invalid, "%q is not a person who can act here", id).Hint("give the id of a person")
	}
	return nil
}

// inherited are the roles of a parent that the playbook declares or uses; one that starts runs
// itself hands all of them on.
func inherited(p *playbook.Playbook, filled map[string][]people.PersonID) map[string][]people.PersonID {
	used := p.RoleNames()
	var out map[string][]people.PersonID
	for role, held := range filled {
		if len(held) > 0 && (slices.Contains(used, role) || p.StartsRuns()) {
			if out == nil {
				out = map[string][]people.PersonID{}
			}
			out[role] = held
		}
	}
	return out
}

// handOver makes another person the requester. A gate that excludes the requester goes on
// excluding the one before too.
func (d *decider) handOver(c Command) *errs.Error {
	if err := d.person(c.To); err != nil {
		return err
	}
	if c.To == d.s.Requester {
		d.reply = "it is with " + string(c.To) + " already"
		return nil
	}
	if d.s.Private && !slices.Contains(d.s.Circle, c.To) {
		return refuse(errs.Denied, "%s is not in the circle of this private run", c.To)
	}
	d.emit(HandedOver{c.To, c.Reason})
	d.reply = "handed over to " + string(c.To)
	return nil
}

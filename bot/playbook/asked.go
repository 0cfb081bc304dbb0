package playbook

import (
	"fmt"
	"strings"

	"slipway/bot/action"
)

// addressee reads who is asked: a role, or a template that gives the id of a person.
func (r *reader) addressee(n *node, what string) (role string, person *Template) {
	if n != nil && n.kind == scalarNode && strings.Contains(n.text, "${") {
		person = r.template(n, what, false)
		if person != nil && person.shape != oneExpr {
			r.bad("value", n.pos, what+" is text around an expression, want a role or the id of a person", `write it like ${site.admin} and nothing else`)
		}
		return "", person
	}
	return r.name(n, what), nil
}

// watchedAs is the name of a watched object: as, or the last word of the action.
func (r *reader) watchedAs(o object, ref string, pos Pos, where string) string {
	if n := o.get("as"); n != nil {
		name := r.form(n, where+".as", idForm, idRule)
		r.notReserved(n, name)
		return name
	}
	name := lastWord(ref)
	if contains(reserved(), name) {
		r.bad("value", pos, fmt.Sprintf("%s watches %s, and %q means something else in expressions", where, ref, name), "give what it watches another name with as: NAME")
	}
	return name
}

// asking checks the fields of an ask or by_hand.
func (r *reader) asking(fields []Input, o object, where string) {
	if len(fields) == 0 && !o.has("fields") {
		r.bad("key", o.pos, where+" asks for nothing", "write fields: {NAME: {type: …}}")
	}
	for _, f := range fields {
		if f.Name == "by" {
			r.bad("value", f.Pos, `the field "by" has a name that every answer has`, "choose another name")
		}
	}
}

func (r *reader) fills(s *Step, o object, p *Playbook) {
	if s.Ask.Fills == "" {
		return
	}
	var roles []string
	many := false
	for _, role := range p.Roles {
		roles = append(roles, role.Name)
		many = many || role.Name == s.Ask.Fills && role.Many
	}
	if !contains(roles, s.Ask.Fills) {
		r.bad("role", o.get("fills").pos, fmt.Sprintf("fills names the role %q, which the playbook does not declare", s.Ask.Fills), didYouMean(s.Ask.Fills, roles))
	}
	for _, f := range s.Ask.Fields {
		switch {
		case f.Name == "person" && f.Person && f.Type.Kind == action.String:
			return
		case f.Name == "persons" && f.Person && f.Type.Kind == action.List && many:
			return
		case f.Name == "persons" && f.Person && f.Type.Kind == action.List:
			r.bad("value", f.Pos, fmt.Sprintf("step %s fills %s with several persons, but one person holds it", s.Path, s.Ask.Fills), fmt.Sprintf("write roles: {%s: {many: true}}", s.Ask.Fills))
			return
		}
	}
	fix := "add the field person: {type: person}"
	if many {
		fix = "add the field person: {type: person}, or persons: {type: list(person)}"
	}
	r.bad("value", o.get("fills").pos, fmt.Sprintf("step %s fills a role, but asks for no person", s.Path), fix)
}

// lastWord of "ci.pipeline@1" is "pipeline".
func lastWord(ref string) string {
	name, _, _ := strings.Cut(ref, "@")
	return name[strings.LastIndexByte(name, '.')+1:]
}

// reserved are the names that mean something else in expressions.
func reserved() []string {
	return []string{"inputs", "project", "run", "steps", "roles", "ledgers", "items", "answers", "evidence", "fact", "now"}
}

func (r *reader) notReserved(n *node, name string) {
	if contains(append(reserved(), "key", "state"), name) {
		r.bad("value", n.pos, fmt.Sprintf("%q means something else in expressions", name), "choose another name")
	}
}

package run

import (
	"slices"

	"slipway/bot/gate"
	"slipway/bot/people"
	"slipway/bot/playbook"
)

// GateAsked is everything besides the votes that the verdict over the gate at path depends on,
// for the record. Filled are the roles of its rule that are filled in the run, and so not by
// grants. ok is false where there is no such gate.
func GateAsked(p *playbook.Playbook, s *State, w World, path string) (q gate.Question, filled map[string][]people.PersonID, ok bool) {
	d := newDecider(p, s, w)
	in := d.find(path)
	if in == nil || in.def.Kind != playbook.GateK || d.at(path).Gate == nil {
		return gate.Question{}, nil, false
	}
	filled = map[string][]people.PersonID{}
	for _, role := range in.def.Gate.Rule.Roles() {
		_, inherited := s.Inherited[role]
		if inherited || slices.ContainsFunc(p.Roles, func(r playbook.Role) bool { return r.Name == role }) {
			filled[role] = slices.Clone(s.Filled[role])
		}
	}
	return gate.Question{Rule: in.def.Gate.Rule, Manifest: d.at(path).Gate.Digest, Project: s.Project, Requester: s.Requester,
		Authors: d.authors(in), Directory: d.directory(), Opened: d.at(path).Asked(), Now: d.now}, filled, true
}

// KeptOut says why the run itself keeps the person from approving under the rule, or "": who asked
// for the run and then handed it over does not approve it either, and nobody approves a private
// run from outside of its circle.
func (s *State) KeptOut(rule gate.Rule, p people.PersonID) string {
	switch {
	case p == "":
		return ""
	case rule.NotRequester() && p != s.Requester && slices.Contains(s.Requesters, p):
		return string(p) + ` was the requester before the hand-over ("not requester")`
	case s.Private && p != s.Requester && !slices.Contains(s.Circle, p):
		return string(p) + " is not in the circle of this private run"
	}
	return ""
}

package rehearse

import (
	"fmt"
	"slices"
	"strings"

	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// cast makes up who takes part: the requester, and for every role as many persons as the
// largest rule over it needs, at least two. Roles that the playbook declares are filled with the
// first two by whoever may appoint.
func cast(p *playbook.Playbook, requester people.PersonID, project string) people.Directory {
	need := map[string]int{run.ReleaseManager: 2}
	want := func(role string, n int) {
		if role != "" && role != "requester" {
			need[role] = max(need[role], n, 2)
		}
	}
	eachStep(p.Steps, func(s *playbook.Step) {
		if s.MaySkip != nil {
			for _, r := range s.MaySkip.By {
				want(r, 2)
			}
		}
		switch s.Kind {
		case playbook.GateK:
			for _, r := range s.Gate.Rule.Roles() {
				want(r, largest(s.Gate.Rule.String(), r))
			}
			want(s.Gate.Lifts, 2)
		case playbook.Ask:
			want(s.Ask.Of, 2)
		case playbook.ByHand:
			want(s.ByHand.Of, 2)
		case playbook.Offer:
			want(s.Offer.Closes, 2)
			for _, e := range s.Offer.Entries {
				for _, r := range e.By {
					want(r, 2)
				}
			}
		}
	})
	for _, r := range p.Roles {
		for _, by := range r.By {
			want(by, 2)
		}
	}
	if p.Trigger != nil {
		want(p.Trigger.Owner, 2)
	}
	persons := []people.Person{{ID: requester, Name: string(requester), Accounts: []people.Account{{Source: "rehearsal", ID: string(requester)}}}}
	var grants []people.Grant
	for _, role := range sortedKeys(need) {
		for i := range need[role] {
			id := people.PersonID(fmt.Sprintf("%s-%c", role, 'a'+i))
			persons = append(persons, people.Person{ID: id, Name: string(id), Mail: string(id) + "@example.org",
				Accounts: []people.Account{{Source: "rehearsal", ID: string(id)}}})
			grants = append(grants, people.Grant{ID: "grant-" + string(id), Person: id, Role: role, Project: project})
		}
	}
	return people.NewDirectory(persons, grants, nil, nil)
}

// largest is the largest N of "N of role" in the canonical text of a rule.
func largest(rule, role string) int {
	n := 0
	words := strings.FieldsFunc(rule, func(r rune) bool { return r == ' ' || r == '(' || r == ')' || r == ',' })
	for i := 0; i+2 < len(words); i++ {
		var k int
		if _, err := fmt.Sscanf(words[i], "%d", &k); err == nil && words[i+1] == "of" && words[i+2] == role {
			n = max(n, k)
		}
	}
	return n
}

// eachStep calls f for every declared step, bodies too, in order.
func eachStep(steps []*playbook.Step, f func(*playbook.Step)) {
	for _, s := range steps {
		f(s)
		if s.Kind == playbook.Each {
			eachStep(s.Each.Steps, f)
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

package gate

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"slipway/bot/people"
)

// scene is a random small world: up to six persons, three roles, some delegations.
type scene struct {
	q      Question
	grants []people.Grant
	votes  []Vote
}

func drawScene(t *rapid.T, delegations bool) scene {
	ids := []people.PersonID{"p0", "p1", "p2", "p3", "p4", "p5"}
	roles := []string{"a", "b", "c"}
	var s scene
	var persons []people.Person
	for _, id := range ids {
		persons = append(persons, people.Person{ID: id, Accounts: []people.Account{{Source: "s", ID: string(id)}, {Source: "t", ID: string(id)}}})
	}
	for i := range rapid.IntRange(0, 9).Draw(t, "grants") {
		g := people.Grant{ID: fmt.Sprint(i), Person: rapid.SampledFrom(ids).Draw(t, "person"), Role: rapid.SampledFrom(roles).Draw(t, "role"), Project: "x"}
		if delegations && rapid.IntRange(0, 2).Draw(t, "delegated") == 0 {
			g.For = rapid.SampledFrom(ids).Draw(t, "for")
		}
		s.grants = append(s.grants, g)
	}
	rule := rapid.SampledFrom([]string{
		"1 of a", "2 of a", "3 of a", "1 of a and 1 of b", "2 of a and 1 of b", "1 of a or 2 of b",
		"1 of a and (1 of b or 1 of c)", "1 of a and 1 of b and 1 of c", "2 of a, not requester", "1 of a and 2 of b, not requester",
	}).Draw(t, "rule")
	r, err := ParseRule(rule)
	if err != nil {
		t.Fatal(err)
	}
	for range rapid.IntRange(0, 8).Draw(t, "votes") {
		id := rapid.SampledFrom(ids).Draw(t, "voter")
		v := Vote{Kind: Approve, Person: id, Manifest: this, Reason: "so",
			Account: people.Account{Source: rapid.SampledFrom([]string{"s", "t"}).Draw(t, "source"), ID: string(id)},
			At:      noon.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "at")) * time.Minute)}
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0:
			v.Kind = Veto
		case 1:
			v.Kind = Reject
		case 2:
			v.Manifest = older
		}
		s.votes = append(s.votes, v)
	}
	s.q = Question{Rule: r, Manifest: this, Project: "x", Requester: "p0", Now: noon, Directory: people.NewDirectory(persons, s.grants, nil, nil)}
	return s
}

func TestOrderOfVotesDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t, true)
		want := Evaluate(s.q, s.votes)
		got := Evaluate(s.q, rapid.Permutation(s.votes).Draw(t, "order"))
		if !reflect.DeepEqual(want, got) {
			t.Fatalf("%+v\n%+v", want, got)
		}
	})
}

func TestEveryVoteIsAccountedFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t, true)
		v := Evaluate(s.q, s.votes)
		if n := len(v.Counted) + len(v.Against) + len(v.Spare) + len(v.Refused); n != len(s.votes) {
			t.Fatalf("%d votes, %d accounted for: %+v", len(s.votes), n, v)
		}
		if v.Passes && (v.Rejected || v.Vetoed || len(v.Needs) > 0) || !v.Passes && len(v.Needs) == 0 && len(v.Against) == 0 {
			t.Fatalf("%+v", v)
		}
	})
}

// Those who count are different persons and stand in the place of different persons.
func TestNobodyCountsTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t, true)
		v := Evaluate(s.q, s.votes)
		var seen []people.PersonID
		for _, c := range v.Counted {
			if slices.Contains(seen, c.Person) || c.Manifest != this {
				t.Fatalf("%+v", v)
			}
			seen = append(seen, c.Person)
			if s.q.Rule.NotRequester() && c.Person == "p0" {
				t.Fatalf("the requester counted: %+v", v)
			}
		}
		for _, term := range v.Terms {
			if len(term.By) > term.N {
				t.Fatalf("%+v", v)
			}
			for _, p := range term.By {
				if _, ok := s.q.Directory.Has("x", term.Role, p, noon); !ok {
					t.Fatalf("%s counted as %s: %+v", p, term.Role, v)
				}
			}
		}
		// Of two who are in the end one person, by delegation, only one counts.
		for i, a := range v.Counted {
			for j, b := range v.Counted {
				x, y := onlyFor(s, a.Person), onlyFor(s, b.Person)
				if i != j && x != "" && (x == y || x == b.Person && standsForNobody(s, b.Person)) {
					t.Fatalf("%s and %s both count for %s: %+v", a.Person, b.Person, x, v)
				}
			}
		}
	})
}

// onlyFor is whom p stands in for, if he holds nothing himself and stands in for one only.
func onlyFor(s scene, p people.PersonID) people.PersonID {
	var who people.PersonID
	for _, role := range s.q.Rule.Roles() {
		g, ok := s.q.Directory.Has("x", role, p, noon)
		if !ok {
			continue
		}
		list := s.q.Directory.Delegations("x", role, p, noon)
		if g.For == "" || len(list) != 1 || who != "" && who != g.For {
			return ""
		}
		who = g.For
	}
	return who
}

// standsForNobody reports that p stands in for nobody.
func standsForNobody(s scene, p people.PersonID) bool {
	for _, role := range s.q.Rule.Roles() {
		if len(s.q.Directory.Delegations("x", role, p, noon)) > 0 {
			return false
		}
	}
	return true
}

// Without delegations the matching is compared with trying everything.
func TestPassesWhenAnyAssignmentDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t, false)
		v := Evaluate(s.q, s.votes)
		var yes []people.PersonID
		for _, c := range append(slices.Clone(v.Counted), v.Spare...) {
			yes = append(yes, c.Person)
		}
		var try func(slots []string, left []people.PersonID) bool
		try = func(slots []string, left []people.PersonID) bool {
			if len(slots) == 0 {
				return true
			}
			for i, p := range left {
				_, ok := s.q.Directory.Has("x", slots[0], p, noon)
				if ok && try(slots[1:], slices.Delete(slices.Clone(left), i, i+1)) {
					return true
				}
			}
			return false
		}
		possible := false
		for _, w := range s.q.Rule.ways {
			var slots []string
			for _, term := range w {
				for range term.n {
					slots = append(slots, term.role)
				}
			}
			possible = possible || try(slots, yes)
		}
		if want := possible && !v.Rejected && !v.Vetoed; v.Passes != want {
			t.Fatalf("passes %v, want %v: %+v", v.Passes, want, v)
		}
	})
}

// Each person named by a need does bring the gate one approval further.
func TestThoseNeededHelp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t, true)
		v := Evaluate(s.q, s.votes)
		missing := 0
		for _, n := range v.Needs {
			missing += n.Count
		}
		for _, n := range v.Needs {
			for _, p := range n.From {
				more := append(slices.Clone(s.votes), Vote{Kind: Approve, Person: p, Manifest: this, At: noon.Add(time.Hour), Account: people.Account{Source: "s", ID: string(p)}})
				after := Evaluate(s.q, more)
				left := 0
				for _, n := range after.Needs {
					left += n.Count
				}
				if len(s.q.Rule.ways) == 1 && left >= missing {
					t.Fatalf("%s was needed, yet %d were missing and %d still are:\n%+v\n%+v", p, missing, left, v, after)
				}
			}
		}
	})
}

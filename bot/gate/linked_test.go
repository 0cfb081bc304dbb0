package gate

import (
	"strings"
	"testing"
	"time"

	"slipway/bot/people"
)

// An account counts for what was put to people after it was linked, and so does a role that is held by
// it alone.
func TestWhatWasLinkedLaterDoesNotCount(t *testing.T) {
	phone := people.Account{Source: "slack", ID: "phone"}
	opened := noon.Add(-time.Hour)
	hall := func(linked time.Time, grant people.Grant) people.Directory {
		maria := people.Person{ID: "maria", Accounts: []people.Account{{Source: "console", ID: "maria"}}}
		if !linked.IsZero() {
			maria = maria.WithLink(phone, linked)
		}
		grant.ID, grant.Person, grant.Role, grant.Project = "g", "maria", "maintainer", "lava"
		return people.NewDirectory([]people.Person{maria}, []people.Grant{grant}, nil, nil)
	}
	vote := func(a people.Account) Vote {
		return Vote{Kind: Approve, Person: "maria", Account: a, Manifest: this, At: noon}
	}
	console := people.Account{Source: "console", ID: "maria"}
	const late = "after this manifest was posted: it counts from the next one on"
	for name, c := range map[string]struct {
		linked time.Time
		grant  people.Grant
		by     people.Account
		opened time.Time
		why    string
	}{
		"before":                 {opened.Add(-time.Second), people.Grant{}, phone, opened, ""},
		"in the same moment":     {opened, people.Grant{}, phone, opened, "account slack:phone was linked to maria on 2019-01-31 11:00 UTC, " + late},
		"after":                  {noon, people.Grant{}, phone, opened, late},
		"nobody knows when":      {noon, people.Grant{}, phone, time.Time{}, late},
		"the other account":      {noon, people.Grant{}, console, opened, ""},
		"not at all":             {time.Time{}, people.Grant{}, phone, opened, "account slack:phone is not linked to a person"},
		"a role by it, in time":  {opened.Add(-time.Second), people.Grant{Account: phone, Linked: opened.Add(-time.Second)}, console, opened, ""},
		"a role by it, too late": {noon, people.Grant{Account: phone, Linked: noon}, console, opened, "maria holds maintainer by account slack:phone, which was linked " + late},
	} {
		q := ask(t, "1 of maintainer")
		q.Directory, q.Opened = hall(c.linked, c.grant), c.opened
		v := Evaluate(q, []Vote{vote(c.by)})
		switch {
		case c.why == "" && (!v.Passes || len(v.Refused) > 0):
			t.Errorf("%s: %v", name, v.Explain())
		case c.why != "" && (v.Passes || !strings.Contains(v.Refused[0].Why, c.why)):
			t.Errorf("%s: %v", name, v.Explain())
		}
		if c.grant.Linked.After(opened) && len(v.Needs[0].From) > 0 {
			t.Errorf("%s: awaited are %v", name, v.Needs)
		}
	}
}

func TestABarredAccountSaysNothing(t *testing.T) {
	for _, kind := range []VoteKind{Approve, Reject, Veto} {
		q := ask(t, "1 of maintainer")
		v := votes("maria")
		v[0].Kind, v[0].Reason = kind, "so"
		q.Directory = q.Directory.WithBarred([]people.Barred{{Account: people.Account{Source: "slack", ID: "maria", Handle: "@m"}, Why: "it is a guest"}})
		got := Evaluate(q, v)
		if got.Passes || got.Rejected || got.Vetoed || got.Refused[0].Why != "account slack:maria does not count: it is a guest" {
			t.Errorf("%s: %v", kind, got.Explain())
		}
		v[0].Account.Source = "gitlab" // another one of hers
		if got = Evaluate(q, v); len(got.Refused) > 0 {
			t.Errorf("%s: %v", kind, got.Explain())
		}
		q.Directory = q.Directory.WithBarred(nil)
		v[0].Account.Source = "slack"
		if got = Evaluate(q, v); len(got.Refused) > 0 {
			t.Errorf("%s, no longer: %v", kind, got.Explain())
		}
	}
}

// A role by an account in a group that counts nowhere is no role, whichever account says the word.
func TestARoleByABarredAccountIsNone(t *testing.T) {
	phone := people.Account{Source: "slack", ID: "phone"}
	maria := people.Person{ID: "maria", Accounts: []people.Account{{Source: "console", ID: "maria"}, phone}}
	grant := people.Grant{ID: "g", Person: "maria", Role: "maintainer", Project: "lava", Account: phone}
	d := people.NewDirectory([]people.Person{maria}, []people.Grant{grant}, nil, nil)
	for _, kind := range []VoteKind{Approve, Reject, Veto} {
		q := ask(t, "1 of maintainer")
		v := []Vote{{Kind: kind, Person: "maria", Account: maria.Accounts[0], Manifest: this, At: noon, Reason: "so"}}
		q.Directory = d
		if got := Evaluate(q, v); len(got.Refused) > 0 {
			t.Errorf("%s: %v", kind, got.Explain())
		}
		q.Directory = d.WithBarred([]people.Barred{{Account: phone, Why: "it is a guest"}})
		got := Evaluate(q, v)
		if got.Passes || got.Rejected || got.Vetoed || got.Refused[0].Why != "maria holds maintainer by account slack:phone, which does not count: it is a guest" || len(got.Needs[0].From) > 0 {
			t.Errorf("%s: %v", kind, got.Explain())
		}
	}
}

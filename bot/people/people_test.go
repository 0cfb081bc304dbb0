package people

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
)

var noon = time.Date(2019, 1, 31, 12, 0, 0, 0, time.UTC)

func town(more ...Grant) Directory {
	var persons []Person
	for _, id := range []PersonID{"root", "maria", "bo", "eva", "joe"} {
		persons = append(persons, Person{ID: id, Name: strings.ToUpper(string(id)), Accounts: []Account{{Source: "slack", ID: string(id), Handle: "@" + string(id)}}})
	}
	persons = append(persons, Person{ID: "ci", Bot: true}, Person{ID: "gone", Gone: true}, Person{ID: "new"})
	grants := append(FirstAdmins([]PersonID{"root"}),
		Grant{ID: "g1", Person: "maria", Role: "maintainer", Project: "lava"},
		Grant{ID: "g2", Person: "bo", Role: "maintainer", Project: EveryProject},
		Grant{ID: "g3", Person: "eva", Role: "maintainer", Project: "lava", From: noon.Add(-time.Hour), Until: noon},
		Grant{ID: "g4", Person: "gone", Role: "maintainer", Project: "lava"},
		Grant{ID: "g5", Person: "ci", Role: "maintainer", Project: "lava"})
	return NewDirectory(persons, append(grants, more...),
		map[string]uint64{"lava/maintainer": 3, "*/maintainer": 2, "group/sub/lava/qa": 9}, map[string]string{"lava/ldap": "no route"})
}

func TestHasAndMembers(t *testing.T) {
	d := town()
	for _, tc := range []struct {
		project string
		now     time.Time
		want    []PersonID
	}{
		{"lava", noon, []PersonID{"bo", "maria"}},
		{"lava", noon.Add(-time.Second), []PersonID{"bo", "eva", "maria"}},
		{"lava", noon.Add(-2 * time.Hour), []PersonID{"bo", "maria"}},
		{"other", noon, []PersonID{"bo"}},
		{EveryProject, noon, []PersonID{"bo"}},
	} {
		if got := d.Members(tc.project, "maintainer", tc.now); !slices.Equal(got, tc.want) {
			t.Errorf("%s at %s: %v", tc.project, tc.now, got)
		}
		for _, p := range d.Persons() {
			if _, ok := d.Has(tc.project, "maintainer", p.ID, tc.now); ok != slices.Contains(tc.want, p.ID) {
				t.Errorf("%s in %s at %s: %v", p.ID, tc.project, tc.now, ok)
			}
		}
	}
	if d.Version("lava", "maintainer") != 5 || d.Version("other", "maintainer") != 2 || d.Version(EveryProject, "maintainer") != 2 || d.Version("group/sub/lava", "qa") != 9 {
		t.Error("versions")
	}
	if d.Unavailable("lava", "ldap") != "no route" || d.Unavailable("lava", "maintainer") != "" {
		t.Error("unavailable")
	}
	p, ok := d.ByAccount(Account{Source: "slack", ID: "maria", Handle: "@someone-else"})
	if !ok || p.ID != "maria" {
		t.Errorf("%+v", p)
	}
	if _, ok := d.ByAccount(Account{Source: "slack", Handle: "@maria"}); ok {
		t.Error("an account was found by its handle")
	}
	var zero Directory
	if _, ok := zero.Has("x", "y", "z", noon); ok || zero.Members("x", "y", noon) != nil || zero.Version("x", "y") != 0 {
		t.Error("the zero directory")
	}
}

func TestRolesOfARunShadowTheProjects(t *testing.T) {
	d := town().WithRoles(map[string][]PersonID{"maintainer": {"joe", "gone", "nobody"}, "coordinator": {}})
	if got := d.Members("lava", "maintainer", noon); !slices.Equal(got, []PersonID{"joe"}) {
		t.Error(got)
	}
	if _, ok := d.Has("lava", "maintainer", "maria", noon); ok || d.Version("lava", "maintainer") != 0 {
		t.Error("the project's role shows through")
	}
	d = d.WithRoles(map[string][]PersonID{"coordinator": {"bo"}})
	if _, ok := d.Has("lava", "coordinator", "bo", noon); !ok || len(d.Members("lava", "maintainer", noon)) != 1 {
		t.Error("a second layer loses the first")
	}
	// A role of a run never gives power over roles.
	d = town().WithRoles(map[string][]PersonID{Admin: {"joe"}})
	if _, err := GrantRole(d, Rules{}, "joe", Grant{Person: "joe", Role: "maintainer", Project: "lava"}, noon); !errs.Is(err, errs.Denied) {
		t.Error(err)
	}
}

func TestDelegationLivesWithTheDelegator(t *testing.T) {
	d := town(
		Grant{ID: "d1", Person: "joe", Role: "maintainer", Project: "lava", For: "eva"},
		Grant{ID: "d2", Person: "new", Role: "maintainer", Project: "lava", For: "joe"},
		Grant{ID: "d3", Person: "root", Role: "maintainer", Project: "lava", For: "gone"},
		Grant{ID: "d4", Person: "maria", Role: "maintainer", Project: "lava", For: "bo"})
	during := noon.Add(-time.Minute)
	if g, ok := d.Has("lava", "maintainer", "joe", during); !ok || g.For != "eva" {
		t.Errorf("%+v", g)
	}
	if _, ok := d.Has("lava", "maintainer", "joe", noon); ok {
		t.Error("the delegation outlives the delegator's role")
	}
	if _, ok := d.Has("lava", "maintainer", "new", during); ok {
		t.Error("a delegation was passed on")
	}
	if _, ok := d.Has("lava", "maintainer", "root", during); ok {
		t.Error("somebody stands in for a person who left")
	}
	if g, _ := d.Has("lava", "maintainer", "maria", noon); g.For != "" {
		t.Error("a delegation goes before the person's own role")
	}
}

func TestWhoMayGrant(t *testing.T) {
	d := town()
	rules := Rules{MayGrant: map[string][]string{"qa": {"maintainer"}, Admin: {"maintainer"}}}
	for _, tc := range []struct {
		by   PersonID
		g    Grant
		kind errs.Kind
	}{
		{"root", Grant{Person: "joe", Role: "maintainer", Project: "lava"}, errs.Other},
		{"maria", Grant{Person: "joe", Role: "qa", Project: "lava"}, errs.Other},
		{"maria", Grant{Person: "joe", Role: "qa", Project: "other"}, errs.Denied},
		{"maria", Grant{Person: "joe", Role: "maintainer", Project: "lava"}, errs.Denied},
		{"maria", Grant{Person: "joe", Role: Admin, Project: "lava"}, errs.Denied},
		{"", Grant{Person: "joe", Role: "qa", Project: "lava"}, errs.Denied},
		{"root", Grant{Person: "maria", Role: "maintainer", Project: "lava"}, errs.Exists},
		{"root", Grant{Person: "eva", Role: "maintainer", Project: "lava"}, errs.Other},
		{"root", Grant{Person: "nobody", Role: "qa", Project: "lava"}, errs.NotFound},
		{"root", Grant{Person: "ci", Role: "qa", Project: "lava"}, errs.Invalid},
		{"root", Grant{Person: "gone", Role: "qa", Project: "lava"}, errs.Invalid},
		{"root", Grant{Person: "joe", Role: "not", Project: "lava"}, errs.Invalid},
		{"root", Grant{Person: "joe", Role: "qa"}, errs.Invalid},
		{"root", Grant{Person: "joe", Role: "qa", Project: "lava", Until: noon}, errs.Invalid},
		{"root", Grant{Person: "joe", Role: "qa", Project: "lava", For: "maria"}, errs.Invalid},
	} {
		g, err := GrantRole(d, rules, tc.by, tc.g, noon)
		if tc.kind == errs.Other && (err != nil || g.By != tc.by) || tc.kind != errs.Other && (!errs.Is(err, tc.kind) || tc.kind != errs.Exists && errs.HintOf(err) == "") {
			t.Errorf("%s grants %+v: %v", tc.by, tc.g, err)
		}
	}
	rules.MayGrant["maintainer"] = []string{"maintainer"}
	if _, err := GrantRole(d, rules, "maria", Grant{Person: "joe", Role: "maintainer", Project: "lava"}, noon); err != nil {
		t.Errorf("where the configuration says so: %v", err)
	}
	down := NewDirectory(d.Persons(), nil, nil, map[string]string{"lava/admin": "no route"})
	if _, err := GrantRole(down, rules, "root", Grant{Person: "joe", Role: "qa", Project: "lava"}, noon); !errs.Is(err, errs.Unavailable) {
		t.Error(err)
	}
}

func TestTheLastAdminStays(t *testing.T) {
	admin := FirstAdmins([]PersonID{"root"})[0]
	if err := Revoke(town(), Rules{}, "root", admin, noon); !errs.Is(err, errs.Denied) || errs.HintOf(err) == "" {
		t.Error(err)
	}
	if err := Leave(town(), "root", "root", noon); !errs.Is(err, errs.Denied) {
		t.Error(err)
	}
	if _, err := Unlink(town(), "root", "root", Account{Source: "slack", ID: "root"}, noon); !errs.Is(err, errs.Denied) {
		t.Error(err)
	}
	for _, other := range []Grant{
		{ID: "a2", Person: "bo", Role: Admin, Project: "lava"},
		{ID: "a2", Person: "bo", Role: Admin, Project: EveryProject, Until: noon.Add(time.Hour)},
		{ID: "a2", Person: "gone", Role: Admin, Project: EveryProject},
	} {
		if err := Revoke(town(other), Rules{}, "root", admin, noon); !errs.Is(err, errs.Denied) {
			t.Errorf("%+v: %v", other, err)
		}
	}
	d := town(Grant{ID: "a2", Person: "bo", Role: Admin, Project: EveryProject})
	if err := Revoke(d, Rules{}, "root", admin, noon); err != nil {
		t.Error(err)
	}
	if err := Leave(d, "bo", "root", noon); err != nil {
		t.Error(err)
	}
	own := Grant{ID: "g1", Person: "maria", Role: "maintainer", Project: "lava"}
	if err := Revoke(d, Rules{}, "maria", own, noon); err != nil {
		t.Errorf("stepping down: %v", err)
	}
	if err := Revoke(d, Rules{}, "joe", own, noon); !errs.Is(err, errs.Denied) {
		t.Error(err)
	}
}

func TestDelegate(t *testing.T) {
	d := town(Grant{ID: "d1", Person: "maria", Role: "maintainer", Project: "lava", For: "bo"})
	for _, tc := range []struct {
		by   PersonID
		g    Grant
		kind errs.Kind
	}{
		{"maria", Grant{Person: "joe", Role: "maintainer", Project: "lava", For: "maria"}, errs.Other},
		{"root", Grant{Person: "joe", Role: "maintainer", Project: "lava", For: "maria"}, errs.Other},
		{"joe", Grant{Person: "joe", Role: "maintainer", Project: "lava", For: "maria"}, errs.Denied},
		{"maria", Grant{Person: "maria", Role: "maintainer", Project: "lava", For: "maria"}, errs.Invalid},
		{"maria", Grant{Person: "joe", Role: "maintainer", Project: "other", For: "maria"}, errs.Denied},
		{"eva", Grant{Person: "joe", Role: "maintainer", Project: "lava", For: "eva"}, errs.Denied},
		{"root", Grant{Person: "joe", Role: Admin, Project: "lava", For: "root"}, errs.Denied},
		{"maria", Grant{Person: "bo", Role: "maintainer", Project: "lava", For: "maria"}, errs.Conflict},
		{"root", Grant{Person: "joe", Role: "maintainer", Project: "lava", For: "gone"}, errs.Invalid},
	} {
		g, err := Delegate(d, tc.by, tc.g, noon)
		if tc.kind == errs.Other && (err != nil || g.By != tc.by) || tc.kind != errs.Other && (!errs.Is(err, tc.kind) || errs.HintOf(err) == "") {
			t.Errorf("%s delegates %+v: %v", tc.by, tc.g, err)
		}
	}
}

func TestLinkNeedsBothSides(t *testing.T) {
	d := town()
	a := Account{Source: "gitlab", ID: "17", Handle: "@maria-g"}
	l, err := ProposeLink(d, "maria", a, noon)
	if err != nil || l.Done() || !strings.Contains(l.Question(), "“@maria-g” (gitlab:17)") || !strings.Contains(l.Question(), "MARIA (maria)") {
		t.Fatalf("%+v %v %s", l, err, l.Question())
	}
	if _, err := l.ConfirmAsPerson(d, "joe", noon); !errs.Is(err, errs.Denied) {
		t.Error(err)
	}
	if _, err := l.ConfirmAsPerson(d, "root", noon); !errs.Is(err, errs.Denied) {
		t.Errorf("an admin confirmed for a person with an account: %v", err)
	}
	if _, err := l.ConfirmAsAccount(d, Account{Source: "gitlab", ID: "18", Handle: "@maria-g"}, noon); !errs.Is(err, errs.Denied) {
		t.Error(err)
	}
	one, err := l.ConfirmAsPerson(d, "maria", noon)
	if err != nil || one.Done() {
		t.Fatalf("%+v %v", one, err)
	}
	if _, err := one.ConfirmAsAccount(d, a, noon.Add(LinkLife)); !errs.Is(err, errs.Gone) {
		t.Error(err)
	}
	both, err := one.ConfirmAsAccount(d, a, noon)
	if err != nil || !both.Done() {
		t.Fatalf("%+v %v", both, err)
	}
	if _, err := ProposeLink(d, "maria", Account{Source: "slack", ID: "bo"}, noon); !errs.Is(err, errs.Exists) {
		t.Error(err)
	}
	l, err = ProposeLink(d, "new", a, noon)
	if err != nil {
		t.Fatal(err)
	}
	if l, err = l.ConfirmAsPerson(d, "root", noon); err != nil || l.ByPerson != "root" {
		t.Errorf("the first account: %v", err)
	}
	p, err := Unlink(d, "maria", "maria", Account{Source: "slack", ID: "maria"}, noon)
	if err != nil || len(p.Accounts) != 0 {
		t.Errorf("%+v %v", p, err)
	}
	if was, _ := d.Person("maria"); len(was.Accounts) != 1 {
		t.Error("unlinking changed the directory")
	}
}

func TestValidate(t *testing.T) {
	acc := func(id string) []Account { return []Account{{Source: "slack", ID: id}} }
	for _, tc := range []struct {
		persons []Person
		want    string
	}{
		{nil, ""},
		{[]Person{{ID: "maria", Accounts: acc("1")}, {ID: "bo", Accounts: acc("2")}}, ""},
		{[]Person{{ID: ""}}, `person number 1 has the id ""`},
		{[]Person{{ID: "a b"}}, `person number 1 has the id "a b"`},
		{[]Person{{ID: "maria"}, {ID: "maria"}}, `two persons have the id "maria"`},
		{[]Person{{ID: "maria", Accounts: acc("1")}, {ID: "bo", Accounts: []Account{{Source: "slack", ID: "1", Handle: "x"}}}}, "account slack:1 belongs to maria and to bo"},
		{[]Person{{ID: "maria", Accounts: append(acc("1"), acc("1")...)}}, "maria has account slack:1 twice"},
		{[]Person{{ID: "maria", Accounts: acc("")}}, `an account needs a source and an id, found "slack:"`},
	} {
		err := Validate(tc.persons)
		if tc.want == "" && err != nil || tc.want != "" && (!errs.Is(err, errs.Invalid) || !strings.Contains(errs.Text(err), tc.want) || errs.HintOf(err) == "") {
			t.Errorf("%+v: %v", tc.persons, err)
		}
	}
}

func TestDirectoryKeepsNothingOfItsArguments(t *testing.T) {
	persons := []Person{{ID: "b", Accounts: []Account{{Source: "s", ID: "1"}}}, {ID: "a"}}
	grants := []Grant{{ID: "1", Person: "b", Role: "r", Project: "x"}}
	d := NewDirectory(persons, grants, nil, nil)
	persons[0].Accounts[0].ID, persons[1].ID, grants[0].Person = "2", "c", "a"
	if got := d.Members("x", "r", noon); !reflect.DeepEqual(got, []PersonID{"b"}) {
		t.Error(got)
	}
	if p, _ := d.Person("b"); p.Accounts[0].ID != "1" {
		t.Error("an account changed from outside")
	}
	if _, ok := d.Person("a"); !ok {
		t.Error("a person changed from outside")
	}
}

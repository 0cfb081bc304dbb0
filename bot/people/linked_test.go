package people

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
)

func TestCodesAreReadAsTheyWereShown(t *testing.T) {
	random := make([]byte, 256)
	for i := range random {
		random[i] = byte(i)
	}
	seen := map[rune]int{}
	for i := range 30 {
		code, ok := Code(append(random[i*8%248:], random...))
		if !ok || len(code) != 9 || code[4] != '-' {
			t.Fatalf("%q", code)
		}
		for _, typed := range []string{code, strings.ToLower(code), strings.ReplaceAll(code, "-", ""), " " + code + " "} {
			if got, ok := ReadCode(typed); !ok || got != code {
				t.Errorf("%q reads as %q", typed, got)
			}
		}
		for _, r := range code {
			seen[r]++
		}
	}
	if len(seen) < 30 || seen['0']+seen['O']+seen['1']+seen['I']+seen['L']+seen['U'] > 0 {
		t.Errorf("letters: %v", seen)
	}
	if _, ok := Code(bytes.Repeat([]byte{255}, 64)); ok {
		t.Error("letters are not equally likely")
	}
	if _, ok := Code([]byte{1, 2, 3}); ok {
		t.Error("a short code")
	}
	for _, typed := range []string{"", "slack", "K7QM-X2P", "K7QM-X2PDD", "K7QM-X2P0", "K7QM-X2PÖ", "K7QM X2PD", strings.Repeat("A", 1000)} {
		if got, ok := ReadCode(typed); ok {
			t.Errorf("%q is the code %q", typed, got)
		}
	}
}

func FuzzReadCode(f *testing.F) {
	f.Add("K7QM-X2PD")
	f.Add("k7qmx2pd")
	f.Add("slack:T1/U1")
	f.Fuzz(func(t *testing.T, typed string) {
		code, ok := ReadCode(typed)
		if again, yes := ReadCode(code); ok && (!yes || again != code) {
			t.Errorf("%q reads as %q, which reads as %q", typed, code, again)
		}
	})
}

func TestWhoIsOfferedALink(t *testing.T) {
	d := town()
	for _, c := range []struct {
		by, person PersonID
		kind       errs.Kind
	}{
		{"maria", "maria", errs.Other}, {"root", "new", errs.Other}, {"root", "maria", errs.Denied}, {"", "maria", errs.Denied},
		{"bo", "new", errs.Denied}, {"root", "gone", errs.Invalid}, {"root", "ci", errs.Invalid}, {"root", "nobody", errs.NotFound},
	} {
		o, err := OfferLink(d, c.by, c.person, "slack", noon)
		if c.kind == errs.Other && (err != nil || o.By != c.by) || c.kind != errs.Other && !errs.Is(err, c.kind) {
			t.Errorf("%s for %s: %v", c.by, c.person, err)
		}
	}
	o, _ := OfferLink(d, "maria", "maria", "slack", noon)
	a := Account{Source: "slack", ID: "phone"}
	if l, err := o.Typed(d, a, noon.Add(CodeLife-1)); err != nil || l.Person != "maria" || l.Account != a {
		t.Errorf("%+v %v", l, err)
	}
	for kind, err := range map[errs.Kind]error{
		errs.Gone:    second(o.Typed(d, a, noon.Add(CodeLife))),
		errs.Invalid: second(o.Typed(d, Account{Source: "discord", ID: "1"}, noon)),
		errs.Exists:  second(o.Typed(d, Account{Source: "slack", ID: "bo"}, noon)),
	} {
		if !errs.Is(err, kind) {
			t.Errorf("%v", err)
		}
	}
}

func second(_ Link, err error) error { return err }

func TestTriesAreForgotten(t *testing.T) {
	var tries Tries
	for i := range MaxTries {
		if _, spent := tries.Spent(noon); spent {
			t.Fatalf("after %d", i)
		}
		tries = tries.Again(noon.Add(time.Duration(i) * time.Minute))
	}
	if until, spent := tries.Spent(noon.Add(TriesLife - 1)); !spent || !until.Equal(noon.Add(TriesLife)) {
		t.Errorf("%v %v", until, spent)
	}
	if _, spent := tries.Spent(noon.Add(TriesLife)); spent || tries.Again(noon.Add(TriesLife)).N != 1 {
		t.Error("they are never forgotten")
	}
}

func TestRolesOfLinkedAccounts(t *testing.T) {
	a := Account{Source: "slack", ID: "phone", Handle: "@phone"}
	maria := Person{ID: "maria", Accounts: []Account{{Source: "console", ID: "maria"}}}
	linked := maria.WithLink(a, noon)
	if len(maria.Accounts) != 1 || maria.Linked != nil || !linked.LinkedAt(Account{Source: "slack", ID: "phone"}).Equal(noon) || !linked.LinkedAt(maria.Accounts[0]).IsZero() {
		t.Fatalf("%+v", linked)
	}
	d := NewDirectory([]Person{linked}, []Grant{{ID: "g", Person: "maria", Role: "maintainer", Project: "lava", Account: a, Linked: noon}}, nil, nil)
	linked.Linked["slack:phone"] = time.Time{} // it keeps nothing of its arguments
	for at, want := range map[time.Time]bool{noon.Add(time.Second): true, noon: false, noon.Add(-time.Second): false} {
		asked := d.AskedAt(at)
		_, has := asked.Has("lava", "maintainer", "maria", noon)
		_, late := asked.Lapsed("lava", "maintainer", "maria", noon)
		if has != want || (late == "") != want || (len(asked.Members("lava", "maintainer", noon)) == 1) != want {
			t.Errorf("asked at %s: %v %v", at, has, late)
		}
	}
	if _, ok := d.Has("lava", "maintainer", "maria", noon); !ok {
		t.Error("the role is not held now")
	}
	if p, _ := d.Person("maria"); p.LinkedAt(a).IsZero() {
		t.Error("the directory changed with its argument")
	}
	if (Directory{}).WithBarred([]Barred{{a, "x"}}).Barred(a) != "" || d.WithBarred([]Barred{{a, "x"}}).Barred(Account{Source: "slack", ID: "phone"}) != "x" {
		t.Error("barred")
	}
}

// Attack: an account calls itself what another one is called, with text that hides where its name ends.
func TestAnAccountIsShownWithWhoItIs(t *testing.T) {
	for handle, want := range map[string]string{
		"":                              "slack:T1/UEVE",
		"T1/UEVE":                       "slack:T1/UEVE",
		"slack:T1/UEVE":                 "slack:T1/UEVE",
		"\u200b \x00":                   "slack:T1/UEVE",
		"Eve, @eve":                     "“Eve, @eve” (slack:T1/UEVE)",
		"Maria” (slack:T1/UMARIA)":      "“Maria' (slack:T1/UMARIA)” (slack:T1/UEVE)",
		"Maria\"\n\t (slack:T1/UMARIA)": "“Maria' (slack:T1/UMARIA)” (slack:T1/UEVE)",
		"\u202emaria\u2066 x\x1b[2J":    "“maria x[2J” (slack:T1/UEVE)",
		strings.Repeat("é ", 80):        "“" + strings.TrimSpace(strings.Repeat("é ", 50)) + "…” (slack:T1/UEVE)",
	} {
		if got := (Account{Source: "slack", ID: "T1/UEVE", Handle: handle}).Shown(); got != want {
			t.Errorf("%q is shown as %s, want %s", handle, got, want)
		}
	}
}

// A role by an account in a group is not held when that account counts nowhere; and who relies on which
// account is known, so that it can be asked about.
func TestRolesByAccountsInGroups(t *testing.T) {
	acc := func(id string) Account { return Account{Source: "slack", ID: id, Handle: "@" + id} }
	person := func(id PersonID) Person { return Person{ID: id, Accounts: []Account{acc(string(id))}} }
	grant := func(id, role string, p PersonID) Grant {
		return Grant{ID: id, Person: p, Role: role, Project: "lava"}
	}
	by := func(id, role string, p PersonID, account string) Grant {
		g := grant(id, role, p)
		g.Account = acc(account)
		return g
	}
	stand := grant("5", "qa", "stand-in")
	stand.For = "maria"
	d := NewDirectory([]Person{person("maria"), person("both"), person("stand-in")}, []Grant{
		by("1", "qa", "maria", "maria"), by("2", "qa", "maria", "phone"), by("3", "qa", "both", "both"), grant("4", "qa", "both"), stand,
	}, nil, nil)
	holders := func(d Directory) (out string) {
		for _, p := range d.Members("lava", "qa", noon) {
			if _, ok := d.Has("lava", "qa", p, noon); !ok {
				t.Errorf("%s is a member and has no role", p)
			}
			out += string(p) + " "
		}
		return out
	}
	through := func(d Directory, p PersonID) (out string) {
		for _, a := range d.Through("lava", "qa", p, noon) {
			if a.Handle != "" {
				t.Errorf("%+v is no key", a)
			}
			out += a.ID + " "
		}
		return out
	}
	guest := func(ids ...string) Directory {
		var list []Barred
		for _, id := range ids {
			list = append(list, Barred{acc(id), "it is a guest"})
		}
		return d.WithBarred(list)
	}
	for _, c := range []struct {
		d                       Directory
		holders, maria, standIn string
		why                     string
	}{
		{d, "both maria stand-in ", "maria phone ", "maria phone ", ""},
		{guest("maria"), "both maria stand-in ", "phone ", "phone ", ""},
		{guest("maria", "phone", "both"), "both ", "", "", "which does not count: it is a guest"},
		{guest("maria", "phone").WithRoles(map[string][]PersonID{"qa": {"maria"}}), "maria ", "", "", ""},
	} {
		_, why := c.d.Lapsed("lava", "qa", "maria", noon)
		if got := holders(c.d); got != c.holders || through(c.d, "maria") != c.maria || through(c.d, "stand-in") != c.standIn || through(c.d, "both") != "" || why != c.why {
			t.Errorf("holders %s, maria through %s, who stands in through %s: %s", got, through(c.d, "maria"), through(c.d, "stand-in"), why)
		}
	}
}

package people

import (
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
)

func TestWhoIsAwayKeepsTheirRoles(t *testing.T) {
	back := noon.Add(48 * time.Hour)
	d := town().WithAbsences([]Absence{
		{Person: "maria", From: noon, Until: back, Reason: "at sea", StandIn: "bo"},
		{Person: "maria", From: noon, Until: noon.Add(time.Hour)},
		{Person: "bo", From: back, Until: back.Add(time.Hour)},
	})
	a, away := d.Away("maria", noon)
	if !away || !a.Until.Equal(back) || a.String() != "away until 2019-02-02 12:00 UTC: at sea; stand-in bo" {
		t.Fatalf("%v %s", away, a)
	}
	for at, want := range map[time.Time]bool{noon.Add(-time.Second): false, noon: true, back.Add(-time.Second): true, back: false} {
		if _, away := d.Away("maria", at); away != want {
			t.Errorf("at %s: %v", at, away)
		}
	}
	if _, ok := d.Has("lava", "maintainer", "maria", noon); !ok {
		t.Error("an absence takes no role away")
	}
	there, absent := d.Present([]PersonID{"maria", "bo"}, noon)
	if len(there) != 1 || there[0] != "bo" || TheirAbsences(absent) != "maria is "+a.String() {
		t.Errorf("%v %v", there, absent)
	}
	if _, away := (Directory{}).WithAbsences([]Absence{a}).Away("maria", noon); away {
		t.Error("nobody knows anybody")
	}
}

func TestWhoMaySayThatSomebodyIsAway(t *testing.T) {
	d := town(Grant{ID: "rm", Person: "eva", Role: "release-manager", Project: "glass"})
	week := noon.Add(7 * 24 * time.Hour)
	for _, c := range []struct {
		by   PersonID
		a    Absence
		kind errs.Kind
		say  string
	}{
		{"bo", Absence{Person: "bo", Until: week}, errs.Other, ""},
		{"bo", Absence{Person: "bo", Until: week, StandIn: "maria"}, errs.Other, ""},
		{"eva", Absence{Person: "bo", Until: week}, errs.Other, ""},
		{"eva", Absence{Person: "bo", Until: week, StandIn: "maria"}, errs.Denied, "may not lend the roles of bo"},
		{"eva", Absence{Person: "bo", Until: week, StandIn: "eva"}, errs.Denied, "may not lend the roles of bo"},
		{"root", Absence{Person: "bo", Until: week, StandIn: "maria"}, errs.Other, ""},
		{"root", Absence{Person: "bo", Until: week}, errs.Other, ""},
		{"joe", Absence{Person: "bo", Until: week}, errs.Denied, "may not say of bo"},
		{"", Absence{Person: "bo", Until: week}, errs.Denied, "somebody unknown"},
		{"bo", Absence{Person: "bo", Until: noon}, errs.Invalid, "before it begins"},
		{"bo", Absence{Person: "bo", From: week, Until: noon.Add(time.Hour)}, errs.Invalid, "before it begins"},
		{"bo", Absence{Person: "bo", Until: noon.Add(MaxAbsence + time.Hour)}, errs.Invalid, "longer than a year"},
		{"bo", Absence{Person: "bo", Until: week, StandIn: "bo"}, errs.Invalid, "himself"},
		{"bo", Absence{Person: "bo", Until: week, StandIn: "nobody"}, errs.NotFound, "no person"},
		{"bo", Absence{Person: "bo", Until: week, Reason: strings.Repeat("x", 201)}, errs.Invalid, "200"},
		{"root", Absence{Person: "gone", Until: week}, errs.Invalid, "has left"},
		{"root", Absence{Person: "who", Until: week}, errs.NotFound, "no person"},
	} {
		a, err := GoAway(d, c.by, c.a, "release-manager", noon)
		if c.say == "" {
			if err != nil || a.By != c.by || !a.From.Equal(noon) {
				t.Errorf("%s of %+v: %+v %v", c.by, c.a, a, err)
			}
			continue
		}
		if !errs.Is(err, c.kind) || !strings.Contains(errs.Text(err), c.say) {
			t.Errorf("%s of %+v: %v", c.by, c.a, err)
		}
	}
	away := d.WithAbsences([]Absence{{Person: "maria", From: noon, Until: week}})
	if _, err := GoAway(away, "bo", Absence{Person: "bo", Until: week, StandIn: "maria"}, "release-manager", noon); !errs.Is(err, errs.Conflict) {
		t.Errorf("a stand-in who is away: %v", err)
	}
	for by, kind := range map[PersonID]errs.Kind{"maria": errs.Other, "eva": errs.Other, "joe": errs.Denied} {
		if err := ComeBack(away, by, "maria", "release-manager", noon); err != nil && !errs.Is(err, kind) || err == nil && kind != errs.Other {
			t.Errorf("%s says that maria is back: %v", by, err)
		}
	}
	if err := ComeBack(away, "bo", "bo", "release-manager", noon); !errs.Is(err, errs.NotFound) {
		t.Errorf("who was never away: %v", err)
	}
}

func TestStandInsAreLentWhatCanBeLent(t *testing.T) {
	d := town(Grant{ID: "a2", Person: "maria", Role: Admin, Project: EveryProject}, Grant{ID: "q", Person: "maria", Role: "qa", Project: "glass"})
	a := Absence{Person: "maria", From: noon, Until: noon.Add(time.Hour), StandIn: "joe"}
	for _, by := range []PersonID{"", "eva", "joe"} {
		if a.By = by; len(StandIns(d, a, noon)) > 0 {
			t.Errorf("%q lends what is maria's", by)
		}
	}
	a.By = "maria"
	grants := StandIns(d, a, noon)
	if len(grants) != 2 || grants[0].ID != "away/maria/glass/qa" || grants[1].Role != "maintainer" || grants[1].For != "maria" || !grants[1].Until.Equal(a.Until) {
		t.Fatalf("%+v", grants)
	}
	d = town(grants...)
	if g, ok := d.Has("glass", "qa", "joe", noon); ok {
		t.Errorf("maria holds no qa here: %+v", g)
	}
	if _, ok := d.Has("lava", "maintainer", "joe", noon); !ok {
		t.Error("joe does not stand in")
	}
	if _, ok := d.Has("lava", "maintainer", "joe", a.Until); ok {
		t.Error("it does not end by itself")
	}
}

package subscription

import (
	"strings"
	"testing"
	"time"
	"unicode"

	"slipway/bot/errs"
	"slipway/bot/people"
)

func names() Known {
	return Known{Projects: []string{"lava", "glass"}, Families: []string{"release", "pilot"}}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "every project; at once; way ",
		"lava":                              "lava; at once; way ",
		"* severity>=warning me":            "every project, warning and above; at once; way me",
		"lava release severity=urgent here": "lava, only release, urgent only; at once; way here",
		"release by mail":                   "every project, only release; at once; way mail",
		"lava about=released,freeze by mail List@Example.ORG daily at 08:00": "lava, about freeze released; together, daily 08:00 UTC; way mail List@example.org",
		"lava weekly mon,thu 09:30 in Europe/Berlin":                         "lava; together, mon,thu 09:30 Europe/Berlin; way ",
		"quiet 22:00-07:00 Europe/Berlin except urgent":                      "every project; at once, quiet 22:00-07:00 Europe/Berlin, urgent at once; way ",
		"lava weekdays at 07:00 quiet 12:00-13:00":                           "lava; together, weekdays 07:00, quiet 12:00-13:00 UTC; way ",
	} {
		w, err := Parse(strings.Fields(text), names())
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		got := w.Filter.String() + "; " + w.Rules.String() + "; " + strings.TrimSpace("way "+string(w.Way)+" "+w.Mail)
		if got != strings.TrimSpace(want) {
			t.Errorf("%q is read as\n%s, want\n%s", text, got, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, hint := range map[string]string{
		"lvaa":                   "did you mean lava?",
		"lava releese":           "did you mean release?",
		"lava severity>=loud":    "there are info",
		"about=relased":          "did you mean released?",
		"by post":                "write by mail",
		"by mail a@b@c":          "name@example.org",
		"by mail <a@b>,":         "name@example.org",
		"daily":                  "daily at 08:00",
		"daily at 25:00":         "daily at 08:00",
		"weekly":                 "weekly mon 08:00",
		"weekly someday 08:00":   "weekly mon 08:00",
		"quiet":                  "22:00-07:00",
		"quiet 22-07":            "22:00-07:00",
		"quiet 07:00-07:00":      "22:00-07:00",
		"in Berlin":              "Europe/Berlin",
		"except warnings":        "except urgent",
		"lava except urgent":     "name a digest or quiet hours",
		"me here":                "keep one",
		"daily 08:00 daily 9:00": "daily at 08:00",
		"lava glass":             "",
		"lava release pilot":     "keep one",
	} {
		_, err := Parse(strings.Fields(text), names())
		if !errs.Is(err, errs.Invalid) || !strings.Contains(errs.Text(err), hint) {
			t.Errorf("%q: %v", text, errs.Text(err))
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"lava by mail a@b.org daily at 08:00", "* quiet 22:00-07:00 UTC except urgent", "severity>= about=,", "in in", "weekly \x00 08:00", "by mail \"a b\"@c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		w, err := Parse(strings.Fields(text), names())
		if err != nil {
			if !errs.Is(err, errs.Invalid) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if err := w.Rules.Check(); err != nil {
			t.Fatalf("%q is accepted and does not check: %v", text, err)
		}
		if w.Mail != "" {
			if again, err := Address(w.Mail); err != nil || again != w.Mail || strings.ContainsFunc(w.Mail, func(r rune) bool { return unicode.IsSpace(r) || r > '~' || r == '<' || r == ',' }) {
				t.Fatalf("%q gives the address %q", text, w.Mail)
			}
		}
		if len(w.Filter.String()+w.Rules.String()) > 1000 {
			t.Fatalf("%q becomes very long", text)
		}
	})
}

func TestFilter(t *testing.T) {
	n := News{Project: "lava", Family: "release", Kind: Released, Severity: Notice}
	for _, c := range []struct {
		f    Filter
		want bool
	}{
		{Filter{}, true}, {Filter{Project: "*"}, true}, {Filter{Project: "lava"}, true}, {Filter{Project: "glass"}, false},
		{Filter{Family: "release"}, true}, {Filter{Family: "pilot"}, false}, {Filter{Least: Notice}, true}, {Filter{Least: Warning}, false},
		{Filter{Kinds: []Kind{Freeze}}, false}, {Filter{Kinds: []Kind{Freeze, Released}}, true},
	} {
		if got := c.f.Matches(n); got != c.want {
			t.Errorf("%s: %v", c.f, got)
		}
	}
	freeze := News{Project: EveryProject, Kind: Freeze, Severity: Notice}
	if !(Filter{Project: "glass", Family: "release"}).Matches(freeze) {
		t.Error("a freeze of every project concerns each")
	}
}

func TestWhoMay(t *testing.T) {
	now := time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)
	dir := people.NewDirectory([]people.Person{{ID: "manager"}, {ID: "maintainer"}, {ID: "someone", Mail: "Some One <someone@Example.org>"}, {ID: "admin"}},
		[]people.Grant{{ID: "1", Person: "manager", Role: "release-manager", Project: "lava"}, {ID: "2", Person: "maintainer", Role: "maintainer", Project: "lava"},
			{ID: "3", Person: "admin", Role: "admin", Project: "*"}}, nil, nil)
	sub := func(project string, to Subscriber) Subscription {
		return Subscription{To: to, Filter: Filter{Project: project}}
	}
	channel, mail, own := Subscriber{Source: "chat", Place: "lava"}, Subscriber{Mail: "list@example.net"}, Subscriber{Mail: "someone@example.org"}
	for _, c := range []struct {
		who            people.PersonID
		s              Subscription
		may, confirmed bool
	}{
		{"someone", sub("lava", Subscriber{Person: "someone"}), true, true}, {"manager", sub("lava", Subscriber{Person: "someone"}), false, false},
		{"someone", sub("lava", own), true, true}, {"manager", sub("lava", own), true, false}, {"maintainer", sub("lava", own), false, false},
		{"someone", sub("lava", mail), false, false}, {"manager", sub("lava", mail), true, false}, {"manager", sub("*", mail), false, false},
		{"manager", sub("glass", mail), false, false}, {"admin", sub("*", mail), true, false},
		{"someone", sub("lava", channel), false, false}, {"maintainer", sub("lava", channel), true, true}, {"maintainer", sub("", channel), false, false},
		{"", sub("lava", Subscriber{Person: "someone"}), false, false},
	} {
		confirmed, err := May(dir, c.who, c.s, now)
		if (err == nil) != c.may || confirmed != c.confirmed || err != nil && !errs.Is(err, errs.Denied) {
			t.Errorf("%s for %s of %s: %v, %v", c.who, c.s.To, c.s.Filter, confirmed, err)
		}
	}
}

func TestTexts(t *testing.T) {
	berlin := load(t, "Europe/Berlin")
	o := Setting{Zone: berlin, Stop: "https://slipway.example.org/unsubscribe/x", Page: func(p string) string { return "https://slipway.example.org" + p }}
	s := Subscription{ID: "4f0c12ab", To: Subscriber{Mail: "a@example.org"}, Filter: Filter{Project: "lava", Least: Notice}, Rules: Rules{Zone: "Europe/Berlin"}}
	n := News{Key: "k", Project: "lava", Family: "release", Run: "r1", Name: "release/lava/2019.01", Kind: Released, Severity: Notice, Title: "lava 2019.01 is released",
		Text: "Commits: 7.\r\n.\n\u202eGet it.\x1b[2J", Link: "https://example.org/notes", At: time.Date(2019, 1, 15, 10, 0, 0, 0, time.UTC)}
	fix := Correction{Text: "It is 2019.01.1.", By: "grace", At: n.At.Add(time.Hour)}
	want := Letter{"[lava] lava 2019.01 is released", `lava 2019.01 is released

Commits: 7.
.
Get it.[2J

Tue 15 Jan 2019 11:00 CET (UTC+01:00)
https://example.org/notes
https://slipway.example.org/runs/r1

-- 
You are told of lava, notice and above, at once.
To stop: https://slipway.example.org/unsubscribe/x
Or say to Slipway: unsubscribe 4f0c12ab
All subscriptions: https://slipway.example.org/subscriptions
`}
	if got := Mail(s, []Item{{News: n}}, o); got != want {
		t.Errorf("%s\n%s", got.Subject, got.Body)
	}
	amend := Amend(s, n, []Correction{fix}, o)
	if amend.Subject != "[lava] Correction: lava 2019.01 is released" || !strings.Contains(amend.Body, "It is 2019.01.1.\n(grace, Tue 15 Jan 2019 12:00 CET (UTC+01:00))") ||
		!strings.Contains(amend.Body, "It was: lava 2019.01 is released\n> Commits: 7.") {
		t.Errorf("%s\n%s", amend.Subject, amend.Body)
	}
	c := Post([]Item{{News: n, Corrections: []Correction{fix}}}, o)
	c.Key = "k"
	if err := c.Check(); err != nil || c.Title != "Corrected: lava 2019.01 is released" || !strings.Contains(c.Blocks[0].Text, "Corrected by grace") {
		t.Errorf("%+v %v", c, err)
	}
	var many []Item
	for range 300 {
		long := n
		long.Title, long.Text, long.Severity = strings.Repeat("ü", 200), strings.Repeat("text ", 600), Urgent
		many = append(many, Item{News: long, Corrections: []Correction{fix}})
	}
	for _, list := range [][]Item{many[:1], many[:2], many} {
		p := Post(list, o)
		p.Key = "k"
		if err := p.Check(); err != nil {
			t.Error(err)
		}
		if m := Mail(s, list, o); len(m.Body) > 14000 || len([]rune(m.Subject)) > 200 || strings.ContainsAny(m.Subject, "\r\n") {
			t.Errorf("a mail of %d news has %d bytes, subject %q", len(list), len(m.Body), m.Subject)
		}
	}
	if a := Amend(s, many[0].News, []Correction{fix}, o); len(a.Body) > 14000 {
		t.Errorf("a correction has %d bytes", len(a.Body))
	}
}

func TestLocal(t *testing.T) {
	when := time.Date(2019, 7, 15, 10, 0, 0, 0, time.UTC)
	for zone, want := range map[string]string{"UTC": "Mon 15 Jul 2019 10:00 UTC", "Europe/Berlin": "Mon 15 Jul 2019 12:00 CEST (UTC+02:00)",
		"Asia/Kathmandu": "Mon 15 Jul 2019 15:45 (UTC+05:45)"} {
		if got := Local(when, load(t, zone)); got != want {
			t.Errorf("%s: %s", zone, got)
		}
	}
}

package gate

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/manifest"
	"slipway/bot/people"
)

var noon = time.Date(2019, 1, 31, 12, 0, 0, 0, time.UTC)

const (
	this  = manifest.Digest("sha256:this")
	older = manifest.Digest("sha256:older")
)

// hall is a small project: who holds what.
func hall() people.Directory {
	person := func(id people.PersonID) people.Person {
		return people.Person{ID: id, Name: strings.ToUpper(string(id)), Mail: string(id) + "@example.org",
			Accounts: []people.Account{{Source: "slack", ID: string(id)}, {Source: "gitlab", ID: string(id)}}}
	}
	persons := []people.Person{}
	for _, id := range []people.PersonID{"requester", "maria", "bo", "eva", "qa1", "both", "joe", "stand-in", "second-in"} {
		persons = append(persons, person(id))
	}
	bot, gone := person("ci"), person("gone")
	bot.Bot, gone.Gone = true, true
	persons = append(persons, bot, gone)
	var grants []people.Grant
	grant := func(role string, ids ...people.PersonID) {
		for _, id := range ids {
			grants = append(grants, people.Grant{ID: role + string(id), Person: id, Role: role, Project: "lava"})
		}
	}
	grant("maintainer", "requester", "maria", "bo", "eva", "both", "ci", "gone")
	grant("qa", "qa1", "both")
	grants = append(grants,
		people.Grant{ID: "d1", Person: "stand-in", Role: "maintainer", Project: "lava", For: "maria"},
		people.Grant{ID: "d2", Person: "second-in", Role: "maintainer", Project: "lava", For: "requester"})
	return people.NewDirectory(persons, grants, nil, map[string]string{"lava/down": "ldap does not answer"})
}

func ask(t testing.TB, rule string) Question {
	t.Helper()
	r, err := ParseRule(rule)
	if err != nil {
		t.Fatal(err)
	}
	return Question{Rule: r, Manifest: this, Project: "lava", Requester: "requester", Directory: hall(), Now: noon}
}

// votes reads "maria bo:reject eva:veto@gitlab qa1:approve/older", each a minute after the last.
func votes(text string) []Vote {
	var out []Vote
	for i, w := range strings.Fields(text) {
		v := Vote{Kind: Approve, Manifest: this, At: noon.Add(time.Duration(i) * time.Minute)}
		w, old := strings.CutSuffix(w, "/older")
		if old {
			v.Manifest = older
		}
		w, source, ok := strings.Cut(w, "@")
		if !ok {
			source = "slack"
		}
		who, kind, ok := strings.Cut(w, ":")
		if ok {
			v.Kind = VoteKind(kind)
			v.Reason = "because"
		}
		if v.Kind == "veto-bare" {
			v.Kind, v.Reason = Veto, " "
		}
		v.Person, v.Account = people.PersonID(who), people.Account{Source: source, ID: who}
		out = append(out, v)
	}
	return out
}

func who(list []Vote) string {
	var ids []string
	for _, v := range list {
		ids = append(ids, string(v.Person))
	}
	return strings.Join(ids, " ")
}

func TestEvaluate(t *testing.T) {
	for _, tc := range []struct {
		name, rule, votes string
		passes            bool
		counted           string
		says              []string // lines of Explain that must be there
	}{
		{"nobody yet", "2 of maintainer", "", false, "", []string{
			"0 of 2 maintainers", "needs 2 maintainers: 2 of bo, both, eva, maria, requester, second-in, stand-in"}},
		{"one of two", "2 of maintainer, not requester", "maria", false, "maria", []string{
			"1 of 2 maintainers: maria", "needs 1 more maintainer: bo, both or eva"}},
		{"two of two", "2 of maintainer, not requester", "maria bo", true, "maria bo", []string{"2 of 2 maintainers: maria and bo"}},
		{"a third is spare", "2 of maintainer", "maria bo eva", true, "maria bo", []string{"eva approved too, which is not needed"}},
		{"the requester is excluded", "1 of maintainer, not requester", "requester", false, "", []string{
			`requester does not count ("not requester")`}},
		{"and may approve where nothing excludes him", "1 of maintainer", "requester", true, "requester", nil},
		{"a delegate of the requester is excluded too", "1 of maintainer, not requester", "second-in", false, "", []string{
			`second-in does not count: second-in stands in for requester, the requester ("not requester")`}},
		{"one person through two accounts", "2 of maintainer", "maria maria:approve@gitlab", false, "maria", []string{
			"does not count: maria counted already through slack:maria"}},
		{"no role", "1 of maintainer", "joe", false, "", []string{"does not count: joe holds no role maintainer in lava"}},
		{"none of the roles", "1 of maintainer and 1 of qa", "joe", false, "", []string{
			"does not count: joe holds none of the roles maintainer, qa in lava"}},
		{"a bot", "1 of maintainer", "ci", false, "", []string{"does not count: ci is a bot"}},
		{"one who left", "1 of maintainer", "gone", false, "", []string{"does not count: gone has left"}},
		{"an older manifest", "1 of maintainer", "maria:approve/older", false, "", []string{"does not count: maria approved an older manifest"}},
		{"an unknown account", "1 of maintainer", "maria@irc", false, "", []string{"does not count: account irc:maria is not linked to a person"}},
		{"reject is final", "1 of maintainer", "maria bo:reject", false, "maria", []string{"bo rejected it: because"}},
		{"reject of an outsider is not", "1 of maintainer", "maria joe:reject", true, "maria", []string{
			"does not count: joe holds no role maintainer in lava"}},
		{"reject of the excluded is not", "1 of maintainer, not requester", "maria requester:reject", true, "maria", nil},
		{"veto blocks", "1 of maintainer", "maria bo:veto", false, "maria", []string{"bo vetoed it: because"}},
		{"veto of the requester blocks too", "1 of maintainer, not requester", "maria requester:veto", false, "maria", nil},
		{"veto needs a reason", "1 of maintainer", "maria bo:veto-bare", true, "maria", []string{
			"does not count: a veto needs a reason, and bo gave none"}},
		{"a bare veto still takes back a yes", "1 of maintainer", "bo bo:veto-bare", false, "", nil},
		{"the latest word wins", "1 of maintainer", "maria maria:veto@gitlab", false, "", []string{
			"does not count: maria said veto later, through gitlab:maria"}},
		{"and lifts a veto", "1 of maintainer", "maria:veto maria@gitlab", true, "maria", nil},
		{"delegate and delegator are one", "2 of maintainer", "stand-in maria", false, "maria", []string{
			"does not count: stand-in stands in for maria, who counted already"}},
		{"a delegate alone counts", "1 of maintainer", "stand-in", true, "stand-in", nil},
		{"a delegate leaves no room for the delegator", "2 of maintainer, not requester", "stand-in", false, "stand-in", []string{
			"needs 1 more maintainer: bo, both or eva"}},
		{"one person does not fill two terms", "1 of maintainer and 1 of qa", "both", false, "both", nil},
		{"but makes room for another", "1 of maintainer and 1 of qa", "both maria", true, "both maria", nil},
		{"in either order", "1 of maintainer and 1 of qa", "maria both", true, "maria both", nil},
		{"or", "2 of qa or 1 of maintainer", "maria", true, "maria", nil},
		{"or shows the other way", "1 of qa or 3 of maintainer", "maria", false, "", []string{
			"needs 1 qa: both or qa1", "or else: 3 of maintainer (maria counted, 2 more needed)"}},
		{"parentheses", "1 of qa and (1 of maintainer or 2 of qa)", "qa1 both", true, "qa1 both", nil},
		{"a role that cannot be read", "1 of down", "maria", false, "", []string{
			"needs 1 down: who holds down in lava cannot be read now: ldap does not answer"}},
		{"does not hinder the other way", "1 of down or 1 of maintainer", "maria", true, "maria", nil},
		{"a role that nobody holds", "1 of coordinator", "maria", false, "", []string{
			"needs 1 coordinator: nobody who may approve holds coordinator in lava"}},
		{"too few are left", "3 of qa", "qa1", false, "qa1", []string{
			"needs 2 more qa: both; only 1 of the 2 needed can still be given"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v := Evaluate(ask(t, tc.rule), votes(tc.votes))
			if v.Passes != tc.passes || who(v.Counted) != tc.counted {
				t.Errorf("passes %v, counted %q\n%s", v.Passes, who(v.Counted), strings.Join(v.Explain(), "\n"))
			}
			for _, line := range tc.says {
				if !slices.Contains(v.Explain(), line) {
					t.Errorf("want the line %q in\n%s", line, strings.Join(v.Explain(), "\n"))
				}
			}
			data, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			var back Verdict
			if err := json.Unmarshal(data, &back); err != nil || !slices.Equal(back.Explain(), v.Explain()) {
				t.Errorf("the verdict does not survive JSON: %s", data)
			}
		})
	}
}

func TestAuthorsAreExcludedHoweverTheyAreWritten(t *testing.T) {
	for _, author := range []string{"maria", "slack:maria", "maria@example.org", "Maria Rossi <MARIA@Example.org>", " maria@example.org "} {
		q := ask(t, "1 of maintainer, not author")
		q.Authors = []string{"someone@else.org", author}
		v := Evaluate(q, votes("maria"))
		if v.Passes || !slices.Contains(v.Explain(), `maria does not count ("not author")`) {
			t.Errorf("%q: %v", author, v.Explain())
		}
		if v := Evaluate(q, votes("stand-in")); v.Passes {
			t.Errorf("%q: a delegate of the author passes", author)
		}
		if v := Evaluate(q, votes("bo")); !v.Passes {
			t.Errorf("%q: bo does not pass", author)
		}
	}
}

func TestLinkOfTheAccountIsCheckedAgain(t *testing.T) {
	q := ask(t, "1 of maintainer")
	vs := votes("maria")
	vs[0].Account.ID = "bo"
	if v := Evaluate(q, vs); v.Passes || v.Refused[0].Why != "account slack:bo belongs to bo, not to maria" {
		t.Errorf("%+v", v)
	}
	vs[0].Person = ""
	if v := Evaluate(q, vs); v.Passes || v.Refused[0].Why != "account slack:bo is not linked to a person" {
		t.Errorf("%+v", v)
	}
	vs[0] = Vote{Kind: Approve, Person: "maria", Manifest: this}
	if v := Evaluate(q, vs); v.Passes || v.Refused[0].Why != "the vote names no account" {
		t.Errorf("%+v", v)
	}
}

func TestWordsOfTheSameMomentPreferTheNo(t *testing.T) {
	vs := votes("maria maria:reject@gitlab")
	vs[0].At = vs[1].At
	for range 2 {
		if v := Evaluate(ask(t, "1 of maintainer"), vs); !v.Rejected || v.Passes {
			t.Errorf("%+v", v)
		}
		slices.Reverse(vs)
	}
}

func TestZeroRuleNeverPasses(t *testing.T) {
	v := Evaluate(Question{Directory: hall(), Manifest: this, Now: noon}, votes("maria"))
	if v.Passes || len(v.Counted) > 0 || len(v.Explain()) == 0 {
		t.Errorf("%+v", v)
	}
}

func TestRoleFilledInTheRun(t *testing.T) {
	q := ask(t, "1 of coordinator")
	q.Directory = q.Directory.WithRoles(map[string][]people.PersonID{"coordinator": {"joe", "ci"}})
	if v := Evaluate(q, votes("joe")); !v.Passes {
		t.Error(v.Explain())
	}
	if v := Evaluate(q, votes("ci maria")); v.Passes {
		t.Error(v.Explain())
	}
}

// A person who stands in for one and holds another role himself may count as either.
func TestStandingIsChosenSoThatTheGatePasses(t *testing.T) {
	d := hall()
	persons := d.Persons()
	d = people.NewDirectory(persons, []people.Grant{
		{ID: "1", Person: "maria", Role: "maintainer", Project: "lava"},
		{ID: "2", Person: "bo", Role: "maintainer", Project: "lava", For: "maria"},
		{ID: "3", Person: "bo", Role: "qa", Project: "lava"},
		{ID: "4", Person: "qa1", Role: "qa", Project: "lava"},
	}, nil, nil)
	q := ask(t, "1 of maintainer and 1 of qa")
	q.Directory = d
	for _, text := range []string{"bo qa1", "qa1 bo", "bo maria", "maria bo"} {
		if v := Evaluate(q, votes(text)); !v.Passes {
			t.Errorf("%s: %v", text, v.Explain())
		}
	}
	if v := Evaluate(q, votes("bo")); v.Passes {
		t.Errorf("one person passed alone: %v", v.Explain())
	}
}

func TestNeedsFollowWhoCanMakeRoom(t *testing.T) {
	// both fills qa or maintainer; with a maintainer more, both moves over to qa.
	v := Evaluate(ask(t, "1 of maintainer and 1 of qa, not requester"), votes("both"))
	if len(v.Needs) != 1 || !slices.Contains(v.Needs[0].From, "maria") || !slices.Contains(v.Needs[0].From, "qa1") {
		t.Errorf("%+v", v.Needs)
	}
}

func TestPassable(t *testing.T) {
	for _, tc := range []struct{ rule, want string }{
		{"2 of maintainer, not requester", ""},
		{"1 of down", ""},
		{"2 of qa", ""},
		{"3 of qa", `"3 of qa" cannot pass: of the 3 qa needed in lava, only 2 persons may approve`},
		{"1 of nobody", `"1 of nobody" cannot pass: of the 1 nobody needed in lava, nobody is there who may approve`},
		{"1 of nobody or 1 of qa", ""},
		{"1 of maintainer and 2 of qa", ""},
		{"5 of maintainer and 2 of qa", `"5 of maintainer and 2 of qa" cannot pass: of the 2 qa needed in lava, only one person may approve`},
	} {
		q := ask(t, tc.rule)
		if got := Passable(q.Rule, q.Directory, "lava", "requester", noon); got != tc.want {
			t.Errorf("%s: %q", tc.rule, got)
		}
	}
	if Passable(Rule{}, hall(), "lava", "", noon) == "" {
		t.Error("the zero rule is passable")
	}
}

func BenchmarkEvaluate(b *testing.B) {
	q := ask(b, "2 of maintainer, not requester")
	for _, tc := range []struct{ name, votes string }{{"passes", "maria bo"}, {"open", "maria"}, {"mixed", "maria joe requester eva:reject"}} {
		vs := votes(tc.votes)
		b.Run(tc.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Evaluate(q, vs)
			}
		})
	}
}

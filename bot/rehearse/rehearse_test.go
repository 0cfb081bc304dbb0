package rehearse

import (
	"strings"
	"testing"

	"slipway/bot/action"
	"slipway/bot/playbook"
)

func typ(k action.Kind) action.Type { return action.Type{Kind: k} }

func field(name string, t action.Type) action.Field { return action.Field{Name: name, Type: t} }

func contracts() []action.Contract {
	text, digest := typ(action.String), typ(action.Digest)
	state := action.Type{Kind: action.String, Enum: []string{"running", "good", "bad"}}
	return []action.Contract{
		{Name: "x.read", Version: 1, Policy: action.Read, In: action.Obj(), Out: action.Obj(field("digest", digest), field("sites", action.ListOf(text)), field("urgent", typ(action.Bool)))},
		{Name: "x.watch", Version: 1, Policy: action.Read, Watched: true, In: action.Obj(), Out: action.Obj(field("state", state))},
		{Name: "x.make", Version: 1, Policy: action.Keyed, Undo: "x.unmake@1", UndoIn: map[string]string{"id": "out.id"}, In: action.Obj(field("of", text)), Out: action.Obj(field("id", text))},
		{Name: "x.unmake", Version: 1, Policy: action.Conditional, In: action.Obj(field("id", text)), Out: action.Obj()},
		{Name: "x.send", Version: 1, Policy: action.OnceOrAsk, Irreversible: true, In: action.Obj(field("what", digest)), Out: action.Obj(field("id", text))},
	}
}

func checked(t testing.TB, src string) Options { return checkedWith(t, src) }

func checkedWith(t testing.TB, src string, more ...action.Contract) Options {
	t.Helper()
	contracts := append(contracts(), more...)
	p, err := playbook.Parse("p.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	child, err := playbook.Parse("kid.yaml", []byte("playbook: kid\nsteps: {read: {do: x.read@1}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	known := playbook.Known{Contracts: contracts, Profile: action.Obj(field("name", typ(action.String))),
		Playbooks: func(name string) *playbook.Playbook { return map[string]*playbook.Playbook{"kid": child}[name] }}
	q, found := playbook.Check(p, known)
	if q == nil {
		t.Fatal(playbook.Errors(found))
	}
	return Options{Playbook: q, Contracts: contracts, Profile: map[string]any{"name": "p"}}
}

const small = `
playbook: small
never:
  - {do: x.send, without: go}
steps:
  read: {do: x.read@1}
  ready: {wait: x.watch@1, until: "watch.state == 'good'", fail: "watch.state == 'bad'", poll: 1m, needs: [read]}
  go: {gate: "2 of boss, not requester", binds: ["${steps.read.digest}"], needs: [ready], remind: 4h}
  send: {do: x.send@1, with: {what: "${steps.read.digest}"}, uses: ["wire"], needs: [go]}
`

// kinds has a step of almost every kind.
const kinds = `
playbook: kinds
roles: {lead: {by: [boss]}}
steps:
  read: {do: x.read@1}
  hurry: {do: x.make@1, with: {of: "a"}, when: "steps.read.urgent", needs: [read]}
  pick: {ask: boss, prompt: "Who leads?", fields: {person: {type: person}}, fills: lead, needs: [read]}
  sites:
    each: "steps.read.sites"
    as: site
    in: parallel 2
    needs: [read]
    steps:
      make: {do: x.make@1, with: {of: "${site}"}}
  kid: {call: kid, needs: [sites]}
  note: {by_hand: lead, text: "Write it down", evidence: {url: string}, needs: [pick, kid, hurry]}
`

func report(t testing.TB, o Options) Report {
	t.Helper()
	r, err := Rehearse(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTheGoodWayEndsWell(t *testing.T) {
	for _, src := range []string{small, kinds} {
		o := checked(t, src)
		r := report(t, o)
		if r.Outcome != "done" {
			t.Errorf("%s: %s", r.Outcome, r.Text())
		}
		for _, e := range r.Ends {
			if e.Status != "done" {
				t.Errorf("%s is %s", e.Step, e.Status)
			}
		}
		if again := report(t, o); again.Text() != r.Text() {
			t.Error("a second rehearsal differs from the first")
		}
	}
}

func TestReportNamesPeopleDigestsAndOutcome(t *testing.T) {
	text := report(t, checked(t, small)).Text()
	for _, want := range []string{"go: boss-a approves", "go asks for 2 of boss, not requester, manifest", "steps.read.digest = \"sha256:",
		"takes the lock wire", "x.send@1 is done", "Outcome: done"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

func TestChoosers(t *testing.T) {
	for name, c := range map[string]struct {
		choose        func([]Choice) int
		outcome, want string
	}{
		"happy":     {Happy(), "done", "send is done"},
		"fail once": {FailOnce(), "done", "send is stuck"},
		"doubt":     {DoubtOnce(), "done", "settles the doubt: happened"},
		"reject":    {RejectAt("go"), "rejected", "go closes: rejected"},
		"any gate":  {RejectAt(""), "rejected", "boss-a rejects"},
	} {
		o := checked(t, small)
		o.Choose = c.choose
		r := report(t, o)
		if r.Outcome != c.outcome || !strings.Contains(r.Text(), c.want) {
			t.Errorf("%s: %s without %q:\n%s", name, r.Outcome, c.want, r.Text())
		}
	}
}

func TestLocksAndFreezesOfOthersAreWaitedFor(t *testing.T) {
	o := checked(t, strings.Replace(small, `uses: ["wire"]`, `uses: ["wire"], frozen_by: archive`, 1))
	o.Busy, o.Frozen = true, true
	r := report(t, o)
	for _, want := range []string{"the calendar archive is frozen", "the timer freeze fires", "queues for the lock wire", "another run gives back the lock wire"} {
		if !strings.Contains(r.Text(), want) {
			t.Errorf("%q is not in\n%s", want, r.Text())
		}
	}
	if r.Outcome != "done" {
		t.Error(r.Outcome)
	}
}

func TestOptionsThatCannotBeRehearsed(t *testing.T) {
	if _, err := Rehearse(Options{}); err == nil {
		t.Error("no playbook is no error")
	}
	o := checked(t, strings.Replace(small, "playbook: small", "playbook: small\nname: \"small/${project.name}\"", 1))
	o.Profile = nil
	if _, err := Rehearse(o); err == nil || !strings.Contains(err.Error(), "project.name") {
		t.Errorf("a profile that is missing: %v", err)
	}
}

func TestWaitsAreSolvedFromTheirConditions(t *testing.T) {
	o := checked(t, small)
	var seen []string
	o.Choose = func(all []Choice) int {
		for _, c := range all {
			if c.Step == "ready" && c.Kind == Effect {
				seen = append(seen, c.Outcome)
			}
		}
		return 0
	}
	report(t, o)
	if got := strings.Join(seen, ", "); got != "ok, fail, not yet, unreadable" {
		t.Errorf("a wait can end as %s", got)
	}
}

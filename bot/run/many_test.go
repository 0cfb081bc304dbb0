package run

import (
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/bot/people"
)

const team = `
playbook: team
roles: {crew: {many: true, by: [maintainer]}, lead: {}}
steps:
  pick: {ask: maintainer, fields: {persons: {type: list(person)}}, fills: crew}
  more: {ask: maintainer, fields: {person: {type: person}}, fills: crew, needs: [pick]}
  go: {gate: "2 of crew", binds: ["${steps.pick.by}"], needs: [more]}
`

func TestARoleOfManyIsAddedTo(t *testing.T) {
	w := newWorld(t, team)
	w.Start(nil)
	crew := func(want ...people.PersonID) {
		t.Helper()
		if got := w.s.Filled["crew"]; !slices.Equal(got, want) {
			t.Fatalf("crew is %v, want %v", got, want)
		}
	}
	w.Refuses(Answer{Step: "pick", Person: "maintainer-a", Values: map[string]any{"persons": []any{"ghost"}}}, errs.Invalid, "ghost")
	w.Refuses(Answer{Step: "pick", Person: "maintainer-a", Values: map[string]any{"persons": []any{}}}, errs.Invalid, "nobody is named")
	w.Do(Answer{Step: "pick", Person: "maintainer-a", Values: map[string]any{"persons": []any{"stranger", "coordinator"}}})
	crew("coordinator", "stranger")
	w.Do(Answer{Step: "pick", Person: "maintainer-a", Values: map[string]any{"persons": []any{"manager", "coordinator"}}})
	crew("coordinator", "manager") // a changed answer takes the place of the one before
	w.Do(Answer{Step: "more", Person: "maintainer-a", Values: map[string]any{"person": "stranger"}})
	crew("coordinator", "manager", "stranger")
	w.Say(Command{Verb: AppointVerb, Person: "maintainer-a", Role: "crew", To: "requester"})
	crew("coordinator", "manager", "requester", "stranger")
	w.Say(Command{Verb: AppointVerb, Person: "maintainer-a", Role: "crew", To: "manager", Values: map[string]any{"remove": true}})
	crew("coordinator", "requester", "stranger")
	w.Refuses(Command{Verb: AppointVerb, Person: "maintainer-a", Role: "crew", To: "manager", Values: map[string]any{"remove": true}}, errs.Conflict, "is not a crew")
	w.Refuses(Command{Verb: AppointVerb, Person: "maintainer-a", Role: "crew", Values: map[string]any{"remove": true}}, errs.Invalid, "not said who")
	w.Refuses(Command{Verb: AppointVerb, Person: "stranger", Role: "crew", To: "stranger", Values: map[string]any{"remove": true}}, errs.Denied, "maintainer")
	w.React("go", "stranger")
	if w.s.Steps["go"].Gate.Closing != 0 {
		t.Fatal("one of two is enough")
	}
	w.React("go", "stranger", "coordinator")
	w.Close("go")
	w.WantOutcome("done")
}

func TestChildBeginsWithTheRolesOfItsParent(t *testing.T) {
	w := newWorld(t, "playbook: kid\nroles: {lead: {}}\nsteps:\n  go: {gate: 1 of lead, binds: [\"${run.id}\"]}\n  ok: {ask: crew, fields: {a: string}}\n")
	w.s = &State{}
	w.Do(Start{ID: "run1", Project: "lava", Requester: "requester", Inherited: map[string][]people.PersonID{"lead": {"stranger"}, "crew": {"coordinator"}, "king": {"manager"}}})
	if len(w.s.Filled) != 2 || w.s.Filled["king"] != nil {
		t.Fatalf("filled %v", w.s.Filled)
	}
	w.Refuses(Answer{Step: "ok", Person: "stranger", Values: map[string]any{"a": "x"}}, errs.Denied, "coordinator")
	w.Do(Answer{Step: "ok", Person: "coordinator", Values: map[string]any{"a": "x"}})
	w.Want("ok", Done)
	w.React("go", "stranger")
	w.Close("go")
	w.WantOutcome("done")

	parent := newWorld(t, "playbook: dad\nroles: {lead: {}}\nsteps:\n  pick: {ask: requester, fields: {person: {type: person}}, fills: lead}\n  kid: {call: kid, needs: [pick]}\n",
		"playbook: kid\nsteps:\n  a: {do: t.read@1}\n")
	parent.Start(nil)
	parent.Do(Answer{Step: "pick", Person: "requester", Values: map[string]any{"person": "manager"}})
	if in := string(parent.s.Effects[parent.effect("kid", ForChild)].Inputs); !strings.Contains(in, `"filled":{"lead":["manager"]}`) {
		t.Fatalf("the child is started with %s", in)
	}
}

func TestOnePersonIsAsked(t *testing.T) {
	w := newWorld(t, `
playbook: one
inputs: {who: {type: person}}
steps:
  sure: {ask: "${inputs.who}", prompt: "Sure?", fields: {yes: bool}}
  hands: {by_hand: "${inputs.who}", text: "Do it", evidence: {url: string}, needs: [sure]}
`)
	w.Start(map[string]any{"who": "coordinator"})
	if who := Who(w.p, w.s, w.World()); len(who) != 1 || !slices.Equal(who[0].Persons, []people.PersonID{"coordinator"}) {
		t.Fatalf("waits for %+v", who)
	}
	w.Refuses(Answer{Step: "sure", Person: "maintainer-a", Values: map[string]any{"yes": true}}, errs.Denied, "asks coordinator")
	w.Do(Answer{Step: "sure", Person: "coordinator", Values: map[string]any{"yes": true}})
	w.Want("sure", Done)
	d := w.Do(Answer{Step: "hands", Person: "manager", Values: map[string]any{"url": "u"}})
	if !strings.Contains(d.Reply, "on behalf of coordinator") {
		t.Fatal(d.Reply)
	}
	for _, e := range d.Events {
		if a, ok := e.Body.(Answered); ok && (a.For != "coordinator" || e.By != "manager") {
			t.Fatalf("recorded as %+v by %s", a, e.By)
		}
	}
	w.WantOutcome("done")

	w = newWorldOf(t, w.p)
	w.Start(map[string]any{"who": "ghost"})
	if st := w.Want("sure", Stuck); !strings.Contains(st.Message, "ghost") {
		t.Fatal(st.Message)
	}
}

const canary = `
playbook: canary
inputs: {note: {type: string, default: n}}
steps:
  waves:
    each: "['one', 'part', 'all']"
    as: wave
    in: order
    on_fail: {undo: [waves], goto: sorry}
    steps:
      put: {do: t.make@1, with: {v: "${wave} ${inputs.note}"}}
      look: {do: t.push@1, with: {v: "${steps.put.r}"}, needs: [put]}
  sorry: {do: t.mail@1}
  fine: {do: t.mail@1, needs: [waves]}
`

func TestAFailedListRollsBackEveryElementAndGoesOn(t *testing.T) {
	w := newWorld(t, canary)
	w.Start(nil)
	w.OK("waves[one]/put", r1)
	w.OK("waves[one]/look", r1)
	w.OK("waves[part]/put", `{"r":"y"}`)
	w.Fail("waves[part]/look", "flaky")
	back := w.s.Effects[w.effect("waves", ForBack)]
	if back.UndoesOf != "waves[part]/put" {
		t.Fatalf("the first rollback is of %s", back.UndoesOf)
	}
	if w.flying("sorry", ForStep) {
		t.Fatal("the branch starts before the rollback is over")
	}
	w.End("waves", ForBack, Result{Outcome: OK, Output: []byte("{}")})
	if back := w.s.Effects[w.effect("waves", ForBack)]; back.UndoesOf != "waves[one]/put" {
		t.Fatalf("the second rollback is of %s", back.UndoesOf)
	}
	w.End("waves", ForBack, Result{Outcome: OK, Output: []byte("{}")})
	if st := w.Want("waves", FailedSt); !strings.HasSuffix(st.Message, "look at it: waves[part]/look") {
		t.Fatal(st.Message)
	}
	w.OK("sorry", "{}")
	w.WantOutcome("failed")
}

func TestHalfDoneStepsAreNamed(t *testing.T) {
	w := newWorld(t, strings.Replace(strings.Replace(canary, ", goto: sorry", "", 1), "  sorry: {do: t.mail@1}\n", "", 1))
	w.Start(nil)
	w.OK("waves[one]/put", r1)
	w.OK("waves[one]/look", r1)
	w.Fail("waves[part]/put", "flaky")
	w.End("waves", ForBack, Result{Outcome: OK, Output: []byte("{}")})
	st := w.Want("waves", Stuck)
	if !strings.Contains(st.Message, "waves[part]/put") || strings.Contains(st.Message, "waves[one]") {
		t.Fatal(st.Message)
	}
	w.Say(Command{Verb: RetryVerb, Step: "waves"})
	w.Want("waves", Running)
	w.OK("waves[one]/put", r1) // it was rolled back, so it is done again
	w.Want("waves[part]/put", Running)
	w.OK("waves[part]/put", r1)
	w.OK("waves[part]/look", r1)
	w.OK("waves[all]/put", r1)
	w.OK("waves[all]/look", r1)
	w.OK("fine", "{}")
	w.WantOutcome("done")
}

func TestAListIsTriedAgain(t *testing.T) {
	w := newWorld(t, strings.Replace(canary, "on_fail: {undo: [waves], goto: sorry}", "on_fail: {retry: {any: {times: 1, after: 5m}}, goto: sorry}", 1))
	w.Start(nil)
	w.OK("waves[one]/put", r1)
	w.OK("waves[one]/look", r1)
	w.Fail("waves[part]/put", "flaky")
	w.Want("waves", Waiting)
	w.Pass(5 * time.Minute)
	w.Want("waves[one]/look", Done)
	w.Fail("waves[part]/put", "flaky")
	w.Want("waves", FailedSt)
	w.OK("sorry", "{}")
	w.WantOutcome("failed")
}

// TestWavesResumeOrBeginAnew: with the same inputs a retry goes on at the wave that failed; with
// others every wave runs again.
func TestWavesResumeOrBeginAnew(t *testing.T) {
	plain := strings.Replace(strings.Replace(canary, "    on_fail: {undo: [waves], goto: sorry}\n", "", 1), "  sorry: {do: t.mail@1}\n", "", 1)
	plain = strings.Replace(plain, "do: t.push@1", "do: t.job@1", 1)
	for _, values := range []map[string]any{nil, {"note": "m"}} {
		w := newWorld(t, plain)
		w.Start(nil)
		w.OK("waves[one]/put", r1)
		w.OK("waves[one]/look", r1)
		w.Fail("waves[part]/put", "flaky")
		w.Want("waves", Stuck)
		w.Say(Command{Verb: RetryVerb, Step: "waves[part]/put", Values: values})
		if again := w.flying("waves[one]/put", ForStep); again != (values != nil) {
			t.Fatalf("with %v the first wave runs again: %v", values, again)
		}
		if values == nil {
			w.Want("waves[part]/put", Running)
		}
	}
}

const counting = `
playbook: count
ledgers:
  sites: {key: site, columns: {site: string, ok: {type: bool, optional: true}}, states: [asked, said], moves: {asked: [said]}}
steps:
  a: {do: t.read@1}
  first: {do: t.make@1, with: {n: "${ledgers.sites.total}"}, needs: [a]}
  go: {gate: 1 of maintainer, binds: ["${steps.a.r}", "${ledgers.sites.count.asked}"], needs: [first, a]}
  poll: {collect: {ledger: sites, ask: {ok: bool, other: string}, deadline: 3d}, needs: [go]}
`

func TestLaterRowsAreNotStaleness(t *testing.T) {
	w := newWorld(t, counting)
	w.Start(nil)
	w.Do(Aggregate{Ledger: "sites", Total: 2, Counts: map[string]int{"asked": 2}})
	w.OK("a", `{"r":"x","authors":[]}`)
	w.OK("first", r1)
	w.React("go", "maintainer-a")
	w.Close("go")
	w.Want("go", Done)
	w.Do(Aggregate{Ledger: "sites", Total: 3, Counts: map[string]int{"asked": 3}, Rows: []Row{{Key: "s1", State: "asked", Values: map[string]any{"site": "s1"}, Match: true}}})
	w.Say(Command{Verb: RetryVerb, Step: "a"})
	w.OK("a", `{"r":"x","authors":[]}`)
	w.Want("first", Done)
	w.Want("go", Done)
	if n := w.s.Steps["first"].Inputs["n"]; n != int64(2) {
		t.Fatalf("it saw %v", n)
	}
	w.Say(Command{Verb: RetryVerb, Step: "a"})
	w.OK("a", `{"r":"y","authors":[]}`)
	w.Want("first", Done) // it does not read a
	if st := w.Want("go", Running); st.Gate.Manifest.Binds[1].Value != "3" {
		t.Fatalf("a gate that is asked anew shows %v", st.Gate.Manifest.Binds)
	}
	// An answer is noted in its row.
	w.React("go", "maintainer-a")
	w.Close("go")
	w.Do(Answer{Step: "poll", Member: "s1", Person: "requester", Values: map[string]any{"ok": true, "other": "o"}})
	if e := w.s.Effects[w.effect("poll", ForRow)]; e.Action != SetRow || string(e.Inputs) != `{"key":"s1","ledger":"sites","set":{"ok":true}}` {
		t.Fatalf("%s %s", e.Action, e.Inputs)
	}
	w.End("poll", ForRow, Result{Outcome: OK, Output: []byte(`{"state":"asked"}`)})
	w.WantOutcome("done")
}

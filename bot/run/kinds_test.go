package run

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
)

func state(s string) Result {
	return Result{Outcome: OK, Output: []byte(fmt.Sprintf(`{"status":%q}`, s))}
}

func TestWaitPollsUntilItHolds(t *testing.T) {
	w := newWorld(t, `
playbook: w
steps:
  ci:
    wait: t.state@1
    with: {v: "tag"}
    as: pipeline
    until: "pipeline.status == 'ok'"
    fail: "pipeline.status == 'red'"
    poll: 10m
    on_fail: {retry: {any: {times: 1, after: 5m}}, ask_again: {do: t.again@1, with: {v: "tag"}}}
  then: {do: t.make@1, with: {v: "${steps.ci.status}"}, needs: [ci]}
`)
	w.Start(nil)
	first := w.effect("ci", ForPoll)
	w.End("ci", ForPoll, state("running"))
	second := w.effect("ci", ForPoll)
	if first == second || !w.s.Effects[second].After.Equal(w.now.Add(10*time.Minute)) {
		t.Fatal("a poll is not an effect of its own, later")
	}
	w.Do(Look{Step: "ci"}) // something happened outside: look at once
	if third := w.effect("ci", ForPoll); third == second || !w.s.Effects[third].After.IsZero() {
		t.Fatal("it is not looked at once")
	}
	w.End("ci", ForPoll, Result{Outcome: Fail, Message: "502"})
	if got := w.why("ci"); !strings.Contains(got, "502") {
		t.Fatal(got)
	}
	w.End("ci", ForPoll, state("red"))
	w.Want("ci", Waiting)
	if e := w.s.Effects[w.effect("ci", ForAgain)]; e.Action != "t.again@1" {
		t.Fatal("the outside is not asked to try again")
	}
	w.Pass(5 * time.Minute)
	w.Want("ci", Waiting)
	w.End("ci", ForAgain, Result{Outcome: OK, Output: []byte("{}")})
	w.Want("ci", Running)
	w.End("ci", ForPoll, state("red"))
	w.Want("ci", Stuck) // a red pipeline does not wait for ever
	w.Say(Command{Verb: RetryVerb, Step: "ci"})
	w.End("ci", ForPoll, state("ok"))
	w.Want("ci", Done)
	if e := w.s.Effects[w.effect("then", ForStep)]; string(e.Inputs) != `{"v":"ok"}` {
		t.Fatalf("%s", e.Inputs)
	}
}

func TestWaitForATime(t *testing.T) {
	w := newWorld(t, "playbook: w\ninputs: {date: time}\nsteps:\n  quiet: {wait: time, at: \"${inputs.date}\"}\n")
	w.Start(map[string]any{"date": "2019-01-11T12:00:00Z"})
	w.Want("quiet", Running)
	w.Pass(23 * time.Hour)
	w.Want("quiet", Running)
	w.Pass(time.Hour)
	w.WantOutcome("done")
}

const asking = `
playbook: ask
roles: {coordinator: {doc: "who coordinates", by: [maintainer]}}
steps:
  who: {ask: maintainer, prompt: "Who?", fields: {person: {type: person}}, fills: coordinator}
  notes: {by_hand: coordinator, text: "Write", evidence: {url: string}, probe: {do: t.state@1, with: {v: "${evidence.url}"}}, until: "state.status == 'ok'", needs: [who]}
  ok: {gate: 1 of coordinator, binds: ["${steps.notes.url}"], needs: [notes]}
  end: {do: t.mail@1, with: {v: "${steps.who.person}"}, needs: [ok]}
`

func TestAskFillsARoleAndByHandIsConfirmed(t *testing.T) {
	w := newWorld(t, asking)
	w.Start(nil)
	w.Refuses(Answer{Step: "who", Person: "stranger", Values: map[string]any{"person": "coordinator"}}, errs.Denied, "maintainer-a")
	w.Refuses(Answer{Step: "who", Person: "maintainer-a", Values: map[string]any{"persn": "x"}}, errs.Invalid, "person is missing")
	w.Refuses(Answer{Step: "who", Person: "maintainer-a", Values: map[string]any{"person": "ghost"}}, errs.Invalid, "not a person")
	w.Refuses(Answer{Step: "end", Person: "maintainer-a"}, errs.Invalid, "asks nothing")
	w.Do(Answer{Step: "who", Person: "maintainer-a", Values: map[string]any{"person": "stranger"}})
	w.Want("who", Done)
	// The answer may change while nothing has used it.
	w.Do(Answer{Step: "who", Person: "maintainer-b", Values: map[string]any{"person": "coordinator"}})
	if got := w.s.Filled["coordinator"]; len(got) != 1 || got[0] != "coordinator" {
		t.Fatalf("filled %v", got)
	}
	w.Refuses(Answer{Step: "notes", Person: "stranger", Values: map[string]any{"url": "u"}}, errs.Denied, "coordinator")
	w.Do(Answer{Step: "notes", Person: "coordinator", Values: map[string]any{"url": "u"}})
	w.End("notes", ForConfirm, state("missing"))
	w.Want("notes", Running)
	if got := w.why("notes"); !strings.Contains(got, "does not confirm") {
		t.Fatal(got)
	}
	w.Do(Answer{Step: "notes", Person: "coordinator", Values: map[string]any{"url": "u2"}})
	w.End("notes", ForConfirm, state("ok"))
	if st := w.Want("notes", Done); st.Output["url"] != "u2" || st.Output["by"] != "coordinator" {
		t.Fatalf("%v", st.Output)
	}
	w.Refuses(Command{Verb: AppointVerb, Person: "stranger", Role: "coordinator", To: "manager"}, errs.Denied, "maintainer")
	w.Refuses(Command{Verb: AppointVerb, Person: "manager", Role: "king", To: "manager"}, errs.NotFound, "coordinator")
	w.Say(Command{Verb: AppointVerb, Person: "maintainer-a", Role: "coordinator", To: "manager"})
	w.React("ok", "coordinator")
	if w.s.Steps["ok"].Gate.Closing != 0 {
		t.Fatal("who is not the coordinator any more counts")
	}
	w.React("ok", "manager")
	w.Close("ok")
	w.Want("end", Running)
	w.Refuses(Answer{Step: "who", Person: "maintainer-a", Values: map[string]any{"person": "manager"}}, errs.Conflict, "has used it")
	w.OK("end", "{}")
	w.WantOutcome("done")
}

func TestGateOverAnEmptyRoleNamesWhoMayFillIt(t *testing.T) {
	w := newWorld(t, `
playbook: g
roles: {coordinator: {by: [maintainer]}}
steps:
  ok: {gate: 1 of coordinator, binds: ["${project.tag}"]}
`)
	w.Start(nil)
	w.Want("ok", Running)
	if got := Who(w.p, w.s, w.World()); len(got) == 0 {
		t.Fatal("it waits for nobody")
	}
}

const deploys = `
playbook: deploys
inputs: {sites: {type: list(string)}}
steps:
  list: {do: t.list@1, with: {v: "${inputs.sites.join(',')}"}}
  sites:
    each: "${steps.list.names}"
    as: site
    in: %s
    %s
    needs: [list]
    steps:
      make: {do: t.make@1, with: {v: "${site}"}}
      check: {do: t.push@1, with: {v: "${steps.make.r}"}, needs: [make]}
  end: {do: t.mail@1, with: {n: "${steps.sites.items.size()}"}, needs: [sites]}
`

func eachWorld(t *testing.T, in, enough string) *world {
	t.Helper()
	w := newWorld(t, fmt.Sprintf(deploys, in, enough))
	w.Start(map[string]any{"sites": []any{"a/1", "b", "c"}})
	w.OK("list", `{"names":["a/1","b","c"]}`)
	return w
}

func TestEachInOrderStopsAtAFailure(t *testing.T) {
	w := eachWorld(t, "order", "doc: sites")
	w.Want("sites[b]/make", Waiting)
	w.OK("sites[a%2F1]/make", r1)
	w.OK("sites[a%2F1]/check", r1)
	w.OK("sites[b]/make", r1)
	w.Fail("sites[b]/check", "x")
	w.Want("sites[b]/check", Stuck)
	if st := w.Want("sites", Stuck); !strings.Contains(st.Message, "b is stuck") {
		t.Fatal(st.Message)
	}
	w.Want("sites[c]/make", Waiting)
	w.Say(Command{Verb: RetryVerb, Step: "sites"}) // goes on at the one that failed
	w.Want("sites[a%2F1]/make", Done)
	w.Want("sites[b]/make", Done)
	w.OK("sites[b]/check", r1)
	w.OK("sites[c]/make", r1)
	w.OK("sites[c]/check", r1)
	st := w.Want("sites", Done)
	if items := st.Output["items"].([]any); len(items) != 3 || items[0].(map[string]any)["make"].(map[string]any)["r"] != "x" {
		t.Fatalf("items %v", st.Output)
	}
	w.OK("end", "{}")
	w.WantOutcome("done")
}

func TestEachInParallelWithEnough(t *testing.T) {
	w := eachWorld(t, "parallel 2", `enough: "items.filter(i, i.state == 'done').size() >= 2"`)
	w.Want("sites[b]/make", Running)
	w.Want("sites[c]/make", Waiting)
	w.Fail("sites[a%2F1]/make", "x")
	w.Want("sites[c]/make", Running)
	for _, s := range []string{"b", "c"} {
		w.OK("sites["+s+"]/make", r1)
		w.OK("sites["+s+"]/check", r1)
	}
	w.Want("sites", Done)
}

func TestEachRelistWithdrawsWhatIsGone(t *testing.T) {
	w := eachWorld(t, "order", "doc: sites")
	w.OK("sites[a%2F1]/make", r1)
	w.Fail("sites[a%2F1]/check", "x")
	w.Want("sites", Stuck)
	w.Say(Command{Verb: RetryVerb, Step: "list"})
	w.OK("list", `{"names":["b"]}`)
	w.Want("sites[a%2F1]/make", WithdrawnSt)
	w.OK("sites[b]/make", r1)
	w.OK("sites[b]/check", r1)
	w.Want("sites", Done)
	w.Say(Command{Verb: AbortVerb, Reason: "stop"})
	w.OK("end", "{}")
	found := false
	for _, item := range w.s.Undo {
		found = found || item.Step == "sites[a%2F1]/make"
	}
	if !found {
		t.Fatalf("the effect of a withdrawn element is not in the undo plan: %+v", w.s.Undo)
	}
}

func TestEachKeysAreUnique(t *testing.T) {
	w := newWorld(t, fmt.Sprintf(deploys, "order", "doc: sites"))
	w.Start(map[string]any{"sites": []any{"a"}})
	w.OK("list", `{"names":["a","a"]}`)
	if st := w.Want("sites", Stuck); !strings.Contains(st.Message, `"a"`) {
		t.Fatal(st.Message)
	}
}

func TestEmptyEachIsDone(t *testing.T) {
	w := newWorld(t, fmt.Sprintf(deploys, "order", "doc: sites"))
	w.Start(map[string]any{"sites": []any{}})
	w.OK("list", `{"names":[]}`)
	w.Want("sites", Done)
}

const living = `
playbook: living
ledgers:
  sites: {key: site, columns: {site: string, contact: {type: string, optional: true}}, states: [asked, agreed, deployed], moves: {asked: [agreed], agreed: [deployed]}, final: [deployed]}
steps:
  poll: {collect: {ledger: sites, prompt: "Join?", ask: {interested: bool}, deadline: 14d, late: accept}}
  roll:
    each: {ledger: sites, where: "site.state == 'agreed'"}
    as: site
    until: "ledgers.sites.count.deployed >= 1"
    in: parallel 2
    needs: [poll]
    steps:
      make: {do: t.make@1, with: {v: "${site.key}"}}
`

func row(key, state, contact string) Row {
	return Row{Key: key, State: state, Values: map[string]any{"site": key, "contact": contact}, Match: true}
}

func TestCollectAndLivingEach(t *testing.T) {
	w := newWorld(t, living)
	w.Start(nil)
	w.Do(Aggregate{Ledger: "sites", Total: 2, Counts: map[string]int{"asked": 2}, Rows: []Row{row("cern", "asked", "stranger"), row("ral", "asked", "coordinator")}})
	yes := map[string]any{"interested": true}
	w.Refuses(Answer{Step: "poll", Person: "coordinator", Member: "cern", Values: yes}, errs.Denied, "does not answer for cern")
	w.Refuses(Answer{Step: "poll", Person: "stranger", Member: "desy", Values: yes}, errs.NotFound, "desy")
	w.Do(Answer{Step: "poll", Person: "stranger", Values: yes})
	w.Do(Answer{Step: "poll", Person: "stranger", Member: "cern", Values: map[string]any{"interested": false}}) // a change of mind
	if got := Waits(w.p, w.s, w.World(), "coordinator"); len(got) != 1 {
		t.Fatalf("coordinator waits: %v", got)
	}
	w.Pass(15 * 24 * time.Hour)
	st := w.Want("poll", Done)
	if a := st.Output["answers"].([]any); len(a) != 1 || a[0].(map[string]any)["interested"] != false {
		t.Fatalf("answers %v", a)
	}
	w.Do(Answer{Step: "poll", Person: "coordinator", Values: yes})
	if a := w.s.Steps["poll"].Output["answers"].([]any); len(a) != 2 || a[1].(map[string]any)["late"] != true {
		t.Fatalf("late answers %v", a)
	}
	w.Want("roll", Running)
	w.Do(Aggregate{Ledger: "sites", Total: 2, Counts: map[string]int{"agreed": 1}, Rows: []Row{row("cern", "agreed", "stranger")}})
	w.Want("roll[cern]/make", Running)
	w.Do(Aggregate{Ledger: "sites", Total: 2, Counts: map[string]int{"agreed": 1}, Rows: []Row{row("cern", "asked", "stranger"), row("ral", "agreed", "coordinator")}})
	w.Want("roll[cern]/make", Running) // its effect settles first
	w.OK("roll[cern]/make", r1)
	w.Want("roll[cern]/make", WithdrawnSt)
	w.OK("roll[ral]/make", r1)
	w.Want("roll", Running)
	w.Do(Aggregate{Ledger: "sites", Total: 2, Counts: map[string]int{"agreed": 1, "deployed": 1}})
	w.Want("roll", Done)
	w.WantOutcome("done")
}

const kid = `
playbook: kid
inputs: {v: string}
steps:
  a: {do: t.make@1, with: {v: "${inputs.v}"}}
outputs: {r: "${steps.a.r}"}
`

func TestCallRunsAChild(t *testing.T) {
	w := newWorld(t, `
playbook: parent
steps:
  child: {call: kid, with: {v: "1"}, on_fail: {retry: {any: {times: 1}}}}
  end: {do: t.make@1, with: {v: "${steps.child.?r.orValue('none')}"}, needs: [child]}
`, kid)
	w.Start(nil)
	e := w.s.Effects[w.effect("child", ForChild)]
	in, _ := action.DecodeValues(e.Inputs)
	first := in["child"].(string)
	if e.Action != StartRun || in["playbook"] != "kid" || in["parent"] != "run1" {
		t.Fatalf("%v", in)
	}
	w.End("child", ForChild, Result{Outcome: OK, Output: []byte("{}")})
	w.Want("child", Running)
	w.Say(Command{Verb: HoldVerb})
	if !w.flying("child", ForTell) {
		t.Fatal("the child is not told of the hold")
	}
	w.Say(Command{Verb: ResumeVerb})
	w.Do(Ended{Child: first, Outcome: "aborted"})
	w.Want("child", Running)
	w.End("child", ForChild, Result{Outcome: OK, Output: []byte("{}")})
	ids := newDecider(w.p, w.s, w.World()).children("child")
	if len(ids) != 2 || ids[1] == first {
		t.Fatalf("children %v", ids)
	}
	w.Do(Ended{Child: first, Outcome: "done", Output: []byte(r1)}) // a repeat of the old one
	w.Want("child", Running)
	w.Do(Ended{Child: ids[1], Outcome: "done", Output: []byte(`{"r":"z"}`)})
	if e := w.s.Effects[w.effect("end", ForStep)]; string(e.Inputs) != `{"v":"z"}` {
		t.Fatalf("%s", e.Inputs)
	}
}

func TestOffer(t *testing.T) {
	w := newWorld(t, `
playbook: pilot
steps:
  updates: {offer: {update: {playbook: kid, by: [maintainer], priority: 1}}, closes: release-manager}
`, kid)
	w.Start(nil)
	v := map[string]any{"v": "1"}
	w.Refuses(Command{Verb: StartVerb, Person: "stranger", Step: "updates", Entry: "update", Values: v}, errs.Denied, "maintainer-a")
	w.Refuses(Command{Verb: StartVerb, Person: "maintainer-a", Step: "updates", Entry: "downgrade"}, errs.NotFound, "update")
	w.Say(Command{Verb: StartVerb, Person: "maintainer-a", Step: "updates", Entry: "update", Values: v})
	w.End("updates", ForChild, Result{Outcome: OK, Output: []byte("{}")})
	w.Do(Triggered{Step: "updates", Entry: "update", Child: "k2", Values: v})
	w.End("updates", ForChild, Result{Outcome: Fail, Message: "no"})
	if c := w.s.Children["k2"]; c.Outcome != "not started" {
		t.Fatalf("%+v", c)
	}
	w.Refuses(Command{Verb: CloseVerb, Person: "maintainer-a", Step: "updates"}, errs.Denied, "manager")
	w.Say(Command{Verb: CloseVerb, Person: "manager", Step: "updates"})
	w.Refuses(Command{Verb: StartVerb, Person: "maintainer-a", Step: "updates", Entry: "update", Values: v}, errs.Conflict, "closed")
	w.Want("updates", Running)
	w.Do(Ended{Child: newDecider(w.p, w.s, w.World()).children("updates")[0], Outcome: "done"})
	w.WantOutcome("done")
}

func TestDeadlines(t *testing.T) {
	for then, want := range map[string]StepStatus{"stuck": Stuck, "skip": SkippedSt, "fail": Stuck} {
		w := newWorld(t, fmt.Sprintf("playbook: d\nsteps:\n  q: {ask: maintainer, prompt: \"?\", fields: {x: string}, deadline: {after: 1h, then: %s}}\n", then))
		w.Start(nil)
		w.Pass(time.Hour)
		w.Want("q", want)
	}
}

func TestAdopt(t *testing.T) {
	w := newWorld(t, `
playbook: ad
steps:
  make: {do: t.make@1, with: {v: "1"}, when: "false || true"}
  go: {gate: 1 of maintainer, binds: ["${project.tag}"]}
  tag: {do: t.push@1, with: {v: "tag"}, needs: [go]}
  ship: {do: t.push@1, with: {v: "${steps.tag.r}"}, needs: [tag]}
`)
	w.Start(nil)
	w.Refuses(Command{Verb: AdoptVerb, Person: "requester"}, errs.Conflict, "under way")
	w.OK("make", r1)
	w.Say(Command{Verb: AdoptVerb})
	if e := w.s.Effects[w.effect("tag", ForAdopt)]; !e.ProbeOnly {
		t.Fatal("it does not only look")
	}
	w.End("tag", ForAdopt, Result{Outcome: OK, Found: true, Output: []byte(`{"r":"t"}`)})
	w.Want("tag", Adopted)
	w.End("ship", ForAdopt, Result{Outcome: Fail})
	if w.s.Adopting {
		t.Fatal("the search does not end")
	}
	w.Want("ship", Waiting) // the gate before what was adopted is still to be passed
	g := w.s.Steps["go"].Gate
	if len(g.Manifest.Binds) != 2 || !strings.Contains(g.Manifest.Binds[1].Name, "tag") {
		t.Fatalf("the findings are not in the manifest: %+v", g.Manifest.Binds)
	}
	w.React("go", "maintainer-a")
	w.Close("go")
	w.Want("tag", Adopted)
	w.OK("ship", r1)
	w.WantOutcome("done")
}

func TestGuardThatMovesHoldsTheRun(t *testing.T) {
	w := newWorld(t, `
playbook: g
guards:
  repo: {watch: t.state@1, value: "state.status", from: check, to: mirror}
steps:
  check: {do: t.make@1}
  notes: {do: t.mail@1, needs: [check]}
  mirror: {do: t.push@1, needs: [notes]}
`)
	w.Start(nil)
	w.Want("check", Waiting)
	w.End("check", ForGuard, state("d1"))
	w.OK("check", r1)
	w.End("notes", ForGuard, state("d1"))
	w.OK("notes", "{}")
	w.End("mirror", ForGuard, state("d2"))
	w.Want("mirror", Stuck)
	if w.s.Hold == nil || !strings.Contains(w.s.Hold.Reason, "was d1 and is d2") {
		t.Fatalf("hold %+v", w.s.Hold)
	}
	w.Say(Command{Verb: ResumeVerb})
	w.Say(Command{Verb: RetryVerb, Step: "check"})
	w.End("check", ForGuard, state("d2"))
	w.Want("notes", Done)
	w.End("mirror", ForGuard, state("d2"))
	w.OK("mirror", r1)
	w.WantOutcome("done")
}

func TestMigrate(t *testing.T) {
	w := newWorld(t, gated)
	w.Start(map[string]any{"version": "1"})
	w.OK("payload", `{"r":"x","authors":[]}`)
	w.p = testPlaybook(t, strings.ReplaceAll(gated, "go", "agree"))
	w.Refuses(Command{Verb: MigrateVerb, Person: "manager", Playbook: w.p.Digest, Closure: "sha256:n"}, errs.Conflict, "go is running")
	w.p = testPlaybook(t, strings.ReplaceAll(gated, "expires: 7d", "expires: 3d"))
	w.Say(Command{Verb: MigrateVerb, Playbook: w.p.Digest, Closure: "sha256:n", Reason: "shorter"})
	w.Want("payload", Done)
	if g := w.s.Steps["go"].Gate; g.Number != 2 || g.Manifest.Playbook != "sha256:n" {
		t.Fatalf("%+v", g)
	}
}

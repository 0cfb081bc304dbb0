package run

import (
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/calendar"
	"slipway/bot/errs"
	"slipway/bot/gate"
	"slipway/bot/people"
)

// approve closes a gate of "1 of maintainer".
func (w *world) approve(step string) {
	w.t.Helper()
	w.React(step, "maintainer-a")
	w.Close(step)
	w.Want(step, Done)
}

const byHandAfterGate = `
playbook: p
never: [{do: t.push, without: go}]
steps:
  read: {do: t.read@1}
  go: {gate: "1 of maintainer", binds: ["${steps.read.r}"], needs: [read]}
  put: {by_hand: maintainer, text: "do it", evidence: {url: string}, needs: [go]}
  look: {do: t.make@1, with: {v: "l"}, needs: [put]}
  push: {do: t.push@1, with: {v: "${steps.look.r}"}, needs: [look]}
`

func TestWhatComesAfterAnAdoptedStepWaitsForTheGateThatIsOpenAgain(t *testing.T) {
	w := newWorld(t, byHandAfterGate)
	w.Start(nil)
	w.OK("read", `{"r":"x","authors":[]}`)
	w.approve("go")
	w.Want("put", Running)
	w.Say(Command{Verb: AdoptVerb})
	w.End("look", ForAdopt, Result{Outcome: OK, Output: []byte(r1), Found: true})
	w.End("push", ForAdopt, Result{Outcome: Fail})
	w.Want("look", Adopted)
	w.Want("go", Running)
	w.Want("put", Waiting)
	w.Refuses(Answer{Step: "put", Person: "maintainer-a", Values: map[string]any{"url": "u"}}, errs.Conflict, "waiting")
	w.Want("push", Waiting)
	w.approve("go")
	w.Want("put", Running)
	w.Want("push", Waiting)
	w.Do(Answer{Step: "put", Person: "maintainer-a", Values: map[string]any{"url": "u"}})
	w.Want("push", Running)
}

// A step that runs on behind a gate which is asked anew lets nothing past the gate.
func TestWhatPeopleDoBehindAGateWaitsForItAfterAMove(t *testing.T) {
	w := newWorld(t, byHandAfterGate)
	w.Start(nil)
	w.OK("read", `{"r":"x","authors":[]}`)
	w.approve("go")
	w.Want("put", Running)
	w.Say(Command{Verb: MigrateVerb, Closure: "sha256:other"})
	w.Want("go", Running)
	w.Want("put", Waiting)
	w.approve("go")
	w.Want("put", Running)
}

func TestElementsComeAfterWhatTheirListNeeds(t *testing.T) {
	w := newWorld(t, `
playbook: p
never: [{do: t.push, without: go}]
steps:
  first: {do: t.make@1}
  read: {do: t.read@1, needs: [first]}
  go: {gate: "1 of maintainer", binds: ["${steps.read.r}"], needs: [read]}
  parts:
    each: "['x', 'y']"
    as: part
    needs: [go]
    steps: {push: {do: t.push@1, with: {v: "${part}"}}}
`)
	w.Start(nil)
	w.OK("first", r1)
	w.OK("read", `{"r":"x","authors":[]}`)
	w.approve("go")
	w.End("parts[x]/push", ForStep, Result{Outcome: Doubtful})
	seen, _ := newDecider(w.p, w.s, w.World()).key("first", w.s.Steps["first"].Digest)
	w.Refuses(Command{Verb: AgainVerb, Person: "requester", Step: "first", Values: map[string]any{"seen": seen}}, errs.Conflict, "parts[x]/push")
	w.Refuses(Command{Verb: RetryVerb, Person: "requester", Step: "first"}, errs.Conflict, "parts[x]/push")
	w.Say(Command{Verb: DoubtVerb, Step: "parts[x]/push", Values: map[string]any{"answer": "failed"}})
	// A new attempt of one element is no matter of the other, but of the list.
	if after := newDecider(w.p, w.s, w.World()).after("parts[x]/push"); !slices.Equal(after, []string{"parts"}) {
		t.Fatalf("after one element come %v", after)
	}
	w.Say(Command{Verb: AgainVerb, Step: "first", Values: map[string]any{"seen": seen}})
	w.Want("parts[x]/push", Waiting)
	w.Want("parts", Waiting)
	w.OK("first", r1)
	w.Want("go", Done) // what it binds is the same
	w.Want("parts[x]/push", Running)
}

func TestADoubtAboutAnElementThatIsGoneStaysUntilAPersonSettlesIt(t *testing.T) {
	for answer, status := range map[string]StepStatus{"happened": WithdrawnSt, "failed": WithdrawnSt} {
		w := newWorld(t, `
playbook: l
ledgers:
  sites: {key: name, columns: {name: string}, states: [asked, agreed], moves: {asked: [agreed]}, final: [agreed]}
steps:
  each:
    each: {ledger: sites}
    as: site
    until: "ledgers.sites.total == 1"
    steps: {push: {do: t.push@1, with: {v: "${site.name}"}}}
`)
		w.Start(nil)
		w.Do(Aggregate{Ledger: "sites", Total: 2, Rows: []Row{
			{Key: "a", State: "asked", Values: map[string]any{"name": "a"}, Match: true}, {Key: "b", State: "asked", Values: map[string]any{"name": "b"}, Match: true}}})
		w.End("each[a]/push", ForStep, Result{Outcome: Doubtful, Message: "the line broke"})
		w.Do(Aggregate{Ledger: "sites", Total: 1, Rows: []Row{{Key: "a"}}})
		w.Want("each[a]/push", InDoubt)
		if waits := Waits(w.p, w.s, w.World(), "manager"); len(waits) != 1 || waits[0].Step != "each[a]/push" {
			t.Fatalf("waits for %+v", waits)
		}
		if got := w.why("each[a]/push"); !strings.Contains(got, "gone from the list") || !strings.Contains(w.why(""), "each[a]/push") {
			t.Fatal(got, w.why(""))
		}
		w.OK("each[b]/push", r1)
		w.WantOutcome("")
		w.Refuses(Command{Verb: DoubtVerb, Person: "manager", Step: "each[a]/push", Values: map[string]any{"answer": "redo"}}, errs.Invalid, "gone")
		w.Say(Command{Verb: DoubtVerb, Step: "each[a]/push", Values: map[string]any{"answer": answer, "output": map[string]any{"r": "x"}}})
		w.Want("each[a]/push", status)
		if done := len(w.s.Steps["each[a]/push"].Past) == 1; done != (answer == "happened") {
			t.Fatalf("%s: it is known as done: %v", answer, done)
		}
		w.WantOutcome("done")
	}
}

func TestADoubtOutlivesAChangeOfItsElement(t *testing.T) {
	w := newWorld(t, `
playbook: l
ledgers:
  sites: {key: name, columns: {name: string, arch: string}, states: [asked, agreed], moves: {asked: [agreed]}, final: [agreed]}
steps:
  each: {each: {ledger: sites}, as: site, until: "ledgers.sites.total == 1", steps: {push: {do: t.push@1, with: {v: "${site.arch}"}}}}
`)
	w.Start(nil)
	row := func(arch string) Input {
		return Aggregate{Ledger: "sites", Total: 1, Rows: []Row{{Key: "a", State: "asked", Values: map[string]any{"name": "a", "arch": arch}, Match: true}}}
	}
	w.Do(row("arm"))
	w.End("each[a]/push", ForStep, Result{Outcome: Doubtful})
	w.Do(row("x86"))
	w.Want("each[a]/push", InDoubt)
	w.Say(Command{Verb: DoubtVerb, Step: "each[a]/push", Values: map[string]any{"answer": "happened", "output": map[string]any{"r": "x"}}})
	w.Want("each[a]/push", Running)
	if e := w.s.Effects[w.effect("each[a]/push", ForStep)]; string(e.Inputs) != `{"v":"x86"}` {
		t.Fatalf("it is done with %s", e.Inputs)
	}
	w.OK("each[a]/push", r1)
	w.WantOutcome("done")
}

const askedAgain = `
playbook: w
steps:
  ci: {wait: t.state@1, as: pipeline, until: "pipeline.status == 'ok'", fail: "pipeline.status == 'red'", poll: 1m,
       on_fail: {retry: {any: {times: 2}}, ask_again: {do: t.again@1, with: {v: "tag"}}}}
`

func TestADoubtAboutAskingAgain(t *testing.T) {
	doubtful := func(t *testing.T) *world {
		w := newWorld(t, askedAgain)
		w.Start(nil)
		w.End("ci", ForPoll, state("red"))
		w.End("ci", ForAgain, Result{Outcome: Doubtful})
		w.Want("ci", InDoubt)
		return w
	}
	say := func(w *world, answer string) {
		w.Say(Command{Verb: DoubtVerb, Step: "ci", Values: map[string]any{"answer": answer}})
	}
	w := doubtful(t)
	say(w, "redo")
	if who := Who(w.p, w.s, w.World()); len(who) != 0 {
		t.Fatalf("it is under way, and yet somebody is asked: %+v", who)
	}
	say(w, "redo") // a repeat
	w.End("ci", ForAgain, Result{Outcome: OK, Output: []byte("{}")})
	w.Want("ci", Running)
	w.End("ci", ForPoll, state("ok"))
	w.WantOutcome("done")

	w = doubtful(t)
	say(w, "redo")
	w.End("ci", ForAgain, Result{Outcome: Fail, Message: "503"})
	w.Want("ci", Stuck)

	w = doubtful(t)
	w.Say(Command{Verb: HoldVerb})
	say(w, "happened")
	w.Want("ci", Waiting) // nothing starts while it is held
	w.Say(Command{Verb: ResumeVerb})
	w.Want("ci", Running)
}

func TestADoubtAboutARollbackThatIsTriedAgain(t *testing.T) {
	w := newWorld(t, `
playbook: r
steps:
  one: {do: t.make@1, with: {v: "1"}}
  check: {do: t.push@1, needs: [one], on_fail: {undo: [one], goto: tell}}
  tell: {do: t.mail@1}
`)
	w.Start(nil)
	w.OK("one", r1)
	w.Fail("check", "x")
	w.End("check", ForBack, Result{Outcome: Doubtful})
	w.Say(Command{Verb: DoubtVerb, Step: "check", Values: map[string]any{"answer": "redo"}})
	w.End("check", ForBack, Result{Outcome: OK, Output: []byte("{}")})
	w.Want("check", FailedSt)
	w.Want("tell", Running)
}

func TestAReadingIsNeverInDoubt(t *testing.T) {
	w := newWorld(t, `
playbook: r
steps:
  which: {ask: maintainer, prompt: "Which?", fields: {one: string}}
  look: {do: t.list@1, needs: [which]}
`)
	w.Start(nil)
	answer := func(one string) {
		w.Do(Answer{Step: "which", Person: "maintainer-a", Values: map[string]any{"one": one}})
	}
	answer("a")
	w.End("look", ForStep, Result{Outcome: Doubtful, Message: "no answer"})
	w.Want("look", Stuck)
	answer("b")
	w.Want("look", Running)
	w.OK("look", `{"names":[]}`)
	w.WantOutcome("done")
}

func TestAVetoNamesWhoMayLiftIt(t *testing.T) {
	w := newWorld(t, `
playbook: g
steps:
  read: {do: t.make@1}
  go: {gate: "1 of maintainer", lifts: release-manager, binds: ["${steps.read.r}"], needs: [read]}
`)
	w.Start(nil)
	w.OK("read", r1)
	w.React("go", "maintainer-a")
	v := w.vote("maintainer-b", "go", gate.Veto, "")
	v.Reason = "wrong tree"
	w.Do(Vote{Step: "go", Vote: v})
	who := Who(w.p, w.s, w.World())
	if len(who) != 1 || who[0].Role != "release-manager" || !strings.Contains(who[0].What, "wrong tree") ||
		!slices.Equal(who[0].Persons, []people.PersonID{"maintainer-b", "manager"}) {
		t.Fatalf("who: %+v", who)
	}
	w.Do(Vote{Step: "go", Vote: gate.Vote{Kind: gate.Veto, Person: "manager"}, Lift: true})
	w.Close("go")
	w.WantOutcome("done")
}

func TestWhyOfWhatPeopleWereAskedInAnAbort(t *testing.T) {
	w := newWorld(t, `
playbook: a
steps:
  read: {do: t.make@1}
  make: {do: t.make@1, with: {v: "m"}}
  go: {gate: "1 of maintainer", binds: ["${steps.read.r}"], needs: [read]}
  which: {ask: maintainer, prompt: "Which?", fields: {one: string}}
  put: {by_hand: maintainer, text: "do it", evidence: {url: string}}
`)
	w.Start(nil)
	w.OK("read", r1)
	w.Say(Command{Verb: AbortVerb, Reason: "wrong tree"})
	for _, step := range []string{"go", "which", "put"} {
		if !strings.Contains(w.why(step), "wrong tree") {
			t.Errorf("why %s says %q", step, w.why(step))
		}
	}
}

func TestWhyOfARunThatLooksForWhatWasDone(t *testing.T) {
	w := newWorld(t, "playbook: a\nsteps:\n  one: {do: t.push@1, frozen_by: debian}\n")
	w.freeze = []calendar.Freeze{{ID: "f", Calendar: "debian", Why: "buster freeze", From: w.now, Until: w.now.Add(time.Hour)}}
	w.Start(nil)
	w.Say(Command{Verb: AdoptVerb})
	if !strings.Contains(w.why(""), "done outside") {
		t.Fatalf("why says %q", w.why(""))
	}
}

func TestAnOpenOfferIsListedForWhoMayUseOrCloseIt(t *testing.T) {
	w := newWorld(t, `
playbook: o
steps:
  phase: {offer: {update: {playbook: child, by: [maintainer]}, extra: {playbook: child, by: [coordinator, maintainer]}}, closes: release-manager}
`, "playbook: child\nsteps:\n  a: {do: t.make@1}\n")
	w.Start(nil)
	waits := Waits(w.p, w.s, w.World(), "maintainer-a")
	if len(waits) != 1 || waits[0].Kind != "offer" || waits[0].Role != "maintainer" || !strings.Contains(waits[0].What, "start extra, start update") {
		t.Fatalf("a maintainer sees %+v", waits)
	}
	if waits := Waits(w.p, w.s, w.World(), "manager"); len(waits) != 1 || !strings.Contains(waits[0].What, "close it") {
		t.Fatalf("who may close it sees %+v", waits)
	}
	w.Say(Command{Verb: CloseVerb, Person: "manager", Step: "phase"})
	w.WantOutcome("done")
}

func TestFreeConditionsDecideWhatIsSkipped(t *testing.T) {
	p := testPlaybook(t, "playbook: s\ninputs: {fast: bool}\nsteps:\n  test: {do: t.make@1, when: \"!inputs.fast\"}\n")
	for value, status := range map[bool]StepStatus{true: Running, false: SkippedSt} {
		w := newWorldOf(t, p)
		world := w.World()
		world.Free = func(expr string) (bool, bool) { return value, expr == "!inputs.fast" }
		d := Decide(p, nil, Start{ID: "r", Project: "lava", Playbook: "p", Requester: "requester", Inputs: map[string]any{"fast": !value}}, world)
		if d.Refusal != nil || d.After.Steps["test"].Status != status && !(status == SkippedSt && d.After.Outcome == "done") {
			t.Errorf("with %v it is %+v", value, d.After.Steps["test"])
		}
	}
}

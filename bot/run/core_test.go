package run

import (
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
)

const line = `
playbook: line
name: "line/${inputs.version}"
inputs: {version: string, note: {type: string, default: "n"}}
steps:
  a: {do: t.make@1, with: {v: "${inputs.note}"}}
  b: {do: t.make@1, with: {v: "${steps.a.r}"}, needs: [a], on_fail: {retry: {flaky: {times: 2, after: 1m}}}}
  c: {do: t.push@1, with: {v: "${steps.b.r} ${inputs.version}"}, needs: [b]}
`

func TestStepsRunInOrderAndTheRunEnds(t *testing.T) {
	w := newWorld(t, line)
	w.Start(map[string]any{"version": "1"})
	if w.s.Name != "line/1" || w.s.Inputs["note"] != "n" {
		t.Fatalf("name %q inputs %v", w.s.Name, w.s.Inputs)
	}
	w.Want("b", Waiting)
	w.OK("a", r1)
	w.Want("b", Running)
	w.OK("b", `{"r":"y"}`)
	w.OK("c", r1)
	w.WantOutcome("done")
	w.Refuses(Command{Verb: HoldVerb, Person: "requester"}, errs.Conflict, "has ended")
}

func TestStartRefusesWhatDoesNotFit(t *testing.T) {
	w := newWorld(t, line)
	for _, c := range []struct {
		in    Start
		kind  errs.Kind
		words string
	}{
		{Start{ID: "r", Project: "lava", Requester: "requester"}, errs.Invalid, "version is missing"},
		{Start{ID: "r", Project: "lava", Requester: "requester", Inputs: map[string]any{"version": int64(1)}}, errs.Invalid, "version"},
		{Start{ID: "r", Project: "lava", Requester: "requester", Inputs: map[string]any{"version": "1", "verson": "2"}}, errs.Invalid, "verson"},
		{Start{ID: "r", Project: "lava", Inputs: map[string]any{"version": "1"}}, errs.Invalid, "nobody"},
	} {
		w.s = &State{}
		w.Refuses(c.in, c.kind, c.words)
	}
	w.Start(map[string]any{"version": "1"})
	if d := w.Do(w.s.Start); len(d.Events) > 0 || d.Refusal != nil {
		t.Fatal("a repeated start is not a repeat")
	}
}

// A name stands in one line wherever people meet it, so whatever breaks a line or acts on a terminal
// is refused, at the start and later.
func TestANameIsOneLineOfText(t *testing.T) {
	w := newWorld(t, line)
	for _, bad := range []string{"1\n2", "1\r", "1\t2", "1\x00", "1\x1b[31m", "1\u0085", "1\u2028", "1\xff"} {
		w.s = &State{}
		in := Start{ID: "r", Project: "lava", Requester: "requester", Inputs: map[string]any{"version": bad}}
		w.Refuses(in, errs.Invalid, "control character")
		if d := w.Do(in); !strings.Contains(errs.HintOf(d.Refusal), "line/${inputs.version}") || strings.ContainsAny(errs.Text(d.Refusal), "\n\r\t\x00\x1b") {
			t.Errorf("%q: %s; %s", bad, errs.Text(d.Refusal), errs.HintOf(d.Refusal))
		}
	}
	w.Start(map[string]any{"version": "1 é 🎉"})
	w.Refuses(Command{Verb: RenameVerb, Person: "requester", Values: map[string]any{"version": "2\n"}}, errs.Invalid, "control character")
	if w.s.Name != "line/1 é 🎉" {
		t.Fatalf("its name is %q", w.s.Name)
	}
}

func TestRetriesByClassThenStuck(t *testing.T) {
	w := newWorld(t, line)
	w.Start(map[string]any{"version": "1"})
	w.OK("a", r1)
	key := w.effect("b", ForStep)
	w.Fail("b", "flaky")
	w.Want("b", Waiting)
	w.Pass(30 * time.Second)
	w.Want("b", Waiting)
	w.Pass(30 * time.Second)
	w.Want("b", Running)
	if w.effect("b", ForStep) != key {
		t.Fatal("another try of the same performance has another key")
	}
	w.Fail("b", "flaky")
	w.Pass(time.Minute)
	w.Fail("b", "flaky")
	w.Want("b", Stuck)
	w.Refuses(Command{Verb: RetryVerb, Person: "stranger", Step: "b"}, errs.Denied, "requester")
	w.Say(Command{Verb: RetryVerb, Step: "b", Person: "manager"})
	w.Want("b", Running)
	w.Fail("b", "other")
	w.Want("b", Stuck)
	w.Say(Command{Verb: RetryVerb, Step: "b"})
	w.OK("b", r1)
	w.OK("c", r1)
	w.WantOutcome("done")
}

func TestResultsOfEffectsNotAwaitedChangeNothing(t *testing.T) {
	w := newWorld(t, line)
	w.Start(map[string]any{"version": "1"})
	key := w.effect("a", ForStep)
	w.OK("a", r1)
	for _, r := range []Result{{Key: key, Outcome: OK, Output: []byte(r1)}, {Key: key, Outcome: Fail}, {Key: "unknown", Outcome: OK}} {
		if d := w.Do(r); len(d.Events) > 0 {
			t.Fatalf("a repeated result made %d events", len(d.Events))
		}
	}
}

func TestUnfitResultIsStuckNotRetried(t *testing.T) {
	w := newWorld(t, line)
	w.Start(map[string]any{"version": "1"})
	w.OK("a", `{"q":1}`)
	w.Want("a", Stuck)
}

func TestRetryKeepsUnchangedResults(t *testing.T) {
	w := newWorld(t, line)
	w.Start(map[string]any{"version": "1"})
	w.OK("a", r1)
	w.OK("b", r1)
	w.Fail("c", "x")
	// a was done with these inputs and is not repeated; b keeps its result.
	w.Say(Command{Verb: RetryVerb, Step: "a"})
	w.Want("a", Done)
	w.Want("b", Done)
	w.Want("c", Running)
	w.Fail("c", "x")
	// With another input a is done anew; what it gives is the same, so b stands.
	w.Say(Command{Verb: RetryVerb, Step: "a", Values: map[string]any{"note": "m"}})
	w.Want("a", Running)
	w.OK("a", r1)
	w.Want("b", Done)
	w.Want("c", Running)
	w.Fail("c", "x")
	w.Say(Command{Verb: RetryVerb, Step: "a", Values: map[string]any{"note": "o"}})
	w.OK("a", `{"r":"other"}`)
	w.Want("b", Running)
}

func TestDoubt(t *testing.T) {
	w := newWorld(t, `
playbook: d
steps:
  mail: {do: t.mail@1}
  make: {do: t.make@1, needs: [mail]}
`)
	w.Start(nil)
	w.End("mail", ForStep, Result{Outcome: Doubtful, Message: "the line broke"})
	w.Want("mail", InDoubt)
	w.Refuses(Command{Verb: RetryVerb, Person: "requester", Step: "mail"}, errs.Conflict, "doubt")
	w.Refuses(Command{Verb: DoubtVerb, Person: "stranger", Step: "mail", Values: map[string]any{"answer": "redo"}}, errs.Denied, "may not")
	w.Refuses(Command{Verb: DoubtVerb, Person: "manager", Step: "mail", Values: map[string]any{"answer": "perhaps"}}, errs.Invalid, "happened")
	if len(Waits(w.p, w.s, w.World(), "manager")) != 1 {
		t.Fatal("the doubt waits for nobody")
	}
	w.Say(Command{Verb: DoubtVerb, Step: "mail", Values: map[string]any{"answer": "redo"}})
	w.Want("mail", Running)
	w.End("mail", ForStep, Result{Outcome: Doubtful})
	w.Say(Command{Verb: DoubtVerb, Step: "mail", Values: map[string]any{"answer": "happened"}})
	w.Want("mail", Done)
	w.End("make", ForStep, Result{Outcome: Doubtful})
	w.Say(Command{Verb: DoubtVerb, Step: "make", Values: map[string]any{"answer": "happened"}})
	if e := w.s.Effects[w.effect("make", ForStep)]; !e.ProbeOnly {
		t.Fatal("what it gave is not probed")
	}
	w.End("make", ForStep, Result{Outcome: Fail, Message: "not there"})
	w.Want("make", InDoubt)
	w.Say(Command{Verb: DoubtVerb, Step: "make", Values: map[string]any{"answer": "happened", "output": map[string]any{"r": "z"}}})
	w.Want("make", Done)
	w.WantOutcome("done")
}

func TestDoubtThatDidNotHappenFails(t *testing.T) {
	w := newWorld(t, "playbook: d\nsteps:\n  mail: {do: t.mail@1}\n")
	w.Start(nil)
	w.End("mail", ForStep, Result{Outcome: Doubtful})
	w.Say(Command{Verb: DoubtVerb, Step: "mail", Values: map[string]any{"answer": "failed"}})
	w.Want("mail", Stuck)
}

func TestAgainOnlyAfterSeeingWhatWasDone(t *testing.T) {
	w := newWorld(t, line)
	w.Start(map[string]any{"version": "1"})
	w.OK("a", r1)
	w.Fail("b", "x")
	key, _ := newDecider(w.p, w.s, w.World()).key("a", w.s.Steps["a"].Digest)
	w.Refuses(Command{Verb: AgainVerb, Person: "requester", Step: "a"}, errs.Conflict, key)
	w.Say(Command{Verb: AgainVerb, Step: "a", Values: map[string]any{"seen": key}})
	w.Want("a", Running)
	if w.effect("a", ForStep) == key {
		t.Fatal("the generation did not rise")
	}
}

func TestRollbackAndBranch(t *testing.T) {
	w := newWorld(t, `
playbook: r
steps:
  one: {do: t.make@1, with: {v: "1"}}
  two: {do: t.make@1, with: {v: "2"}, needs: [one]}
  check: {do: t.push@1, needs: [two], on_fail: {undo: [one, two], goto: tell}}
  tell: {do: t.mail@1}
  after: {do: t.mail@1, needs: [check]}
`)
	w.Start(nil)
	w.Want("tell", Waiting)
	w.OK("one", `{"r":"1"}`)
	w.OK("two", `{"r":"2"}`)
	w.Fail("check", "x")
	if e := w.s.Effects[w.effect("check", ForBack)]; string(e.Inputs) != `{"v":"2"}` || e.Action != "t.unmake@1" {
		t.Fatalf("the newest is not undone first: %s %s", e.Action, e.Inputs)
	}
	w.Want("tell", Waiting)
	w.End("check", ForBack, Result{Outcome: OK, Output: []byte("{}")})
	w.End("check", ForBack, Result{Outcome: OK, Output: []byte("{}")})
	w.Want("tell", Running)
	w.OK("tell", "{}")
	w.WantOutcome("failed")
}

func TestDeployRollBackDeploy(t *testing.T) {
	w := newWorld(t, `
playbook: r
steps:
  deploy: {do: t.make@1, with: {v: "1"}}
  check: {do: t.push@1, needs: [deploy], on_fail: {undo: [deploy]}}
`)
	w.Start(nil)
	first := w.effect("deploy", ForStep)
	w.OK("deploy", r1)
	w.Fail("check", "x")
	w.End("check", ForBack, Result{Outcome: OK, Output: []byte("{}")})
	w.Want("check", Stuck)
	w.Say(Command{Verb: RetryVerb, Step: "check"})
	w.Want("deploy", Running)
	if w.effect("deploy", ForStep) == first {
		t.Fatal("an undone effect keeps its key")
	}
	w.OK("deploy", r1)
	w.OK("check", r1)
	w.WantOutcome("done")
}

func TestBranchNotTakenIsSkippedAndAnyJoins(t *testing.T) {
	src := `
playbook: b
steps:
  main: {do: t.make@1, on_fail: {goto: other}}
  other: {do: t.make@1, with: {v: "o"}}
  join: {do: t.mail@1, any: [main, other]}
`
	w := newWorld(t, src)
	w.Start(nil)
	w.OK("main", r1)
	w.Want("other", SkippedSt)
	w.OK("join", "{}")
	w.WantOutcome("done")

	w = newWorld(t, src)
	w.Start(nil)
	w.Fail("main", "x")
	w.OK("other", r1)
	w.OK("join", "{}")
	w.WantOutcome("done")
}

func TestWhenSkipsAndMaySkip(t *testing.T) {
	w := newWorld(t, `
playbook: s
inputs: {fast: bool}
steps:
  test: {do: t.make@1, when: "!inputs.fast"}
  slow: {do: t.make@1, needs: [test], may_skip: {by: [release-manager], when: "inputs.fast"}}
  end: {do: t.mail@1, needs: [slow]}
`)
	w.Start(map[string]any{"fast": true})
	w.Want("test", SkippedSt)
	w.Refuses(Command{Verb: SkipVerb, Person: "requester", Step: "slow"}, errs.Denied, "release-manager")
	w.Refuses(Command{Verb: SkipVerb, Person: "manager", Step: "end"}, errs.Denied, "no may_skip")
	w.Refuses(Command{Verb: SkipVerb, Person: "manager", Step: "slow"}, errs.Conflict, "under way")
	w.Fail("slow", "x")
	w.Say(Command{Verb: SkipVerb, Person: "manager", Step: "slow", Reason: "known flaky"})
	w.Want("slow", SkippedSt)
	w.OK("end", "{}")
	w.WantOutcome("done")
}

func TestHoldStopsStartsAndDeadlines(t *testing.T) {
	w := newWorld(t, `
playbook: h
steps:
  a: {do: t.job@1}
  b: {do: t.make@1, needs: [a]}
  q: {ask: maintainer, prompt: "ok?", fields: {x: string}, deadline: 1h}
`)
	w.Start(nil)
	w.Pass(30 * time.Minute)
	w.Say(Command{Verb: HoldVerb, Reason: "lunch"})
	if d := w.Say(Command{Verb: HoldVerb, Person: "manager"}); d.Reply == "" || len(d.Events) > 0 {
		t.Fatalf("a second hold: %q, %d events", d.Reply, len(d.Events))
	}
	w.OK("a", r1) // a leased job runs to its verdict
	w.Want("a", Done)
	w.Want("b", Waiting)
	w.Pass(5 * time.Hour)
	w.Want("q", Running)
	w.Say(Command{Verb: ResumeVerb, Person: "manager"})
	w.Want("b", Running)
	w.Pass(29 * time.Minute)
	w.Want("q", Running)
	w.Pass(time.Minute)
	w.Want("q", Stuck)
	w.Say(Command{Verb: ResumeVerb})
}

func TestHoldNowGivesJobsBack(t *testing.T) {
	w := newWorld(t, "playbook: h\nsteps:\n  a: {do: t.job@1}\n")
	w.Start(nil)
	key := w.effect("a", ForStep)
	w.Say(Command{Verb: HoldVerb, Now: true})
	w.Want("a", Waiting)
	if d := w.Do(Result{Key: key, Outcome: OK, Output: []byte(r1)}); len(d.Events) > 0 {
		t.Fatal("a job that was given back still counts")
	}
	w.Say(Command{Verb: ResumeVerb})
	w.OK("a", r1)
	w.WantOutcome("done")
}

func TestAbortWaitsThenUndoesNewestFirst(t *testing.T) {
	w := newWorld(t, `
playbook: a
steps:
  one: {do: t.make@1, with: {v: "1"}}
  two: {do: t.make@1, with: {v: "2"}, needs: [one]}
  mail: {do: t.push@1, needs: [two]}
  go: {gate: 1 of maintainer, binds: ["${steps.two.r}"], needs: [two]}
`)
	w.Start(nil)
	w.OK("one", `{"r":"1"}`)
	w.OK("two", `{"r":"2"}`)
	w.Refuses(Command{Verb: AbortVerb, Person: "requester"}, errs.Invalid, "reason")
	w.Say(Command{Verb: AbortVerb, Reason: "wrong tree"})
	if w.s.Steps["go"].Gate.Digest != "" {
		t.Fatal("the manifest is still open")
	}
	w.Refuses(Command{Verb: UndoVerb, Person: "requester"}, errs.Conflict, "in flight")
	w.OK("mail", r1)
	if len(w.s.Undo) != 3 || w.s.Undo[0].Step != "mail" || w.s.Undo[0].Action != "" || w.s.Undo[2].Step != "one" {
		t.Fatalf("plan %+v", w.s.Undo)
	}
	w.WantOutcome("")
	w.Say(Command{Verb: UndoVerb, Items: []string{"two"}})
	w.End("two", ForUndo, Result{Outcome: OK, Output: []byte("{}")})
	w.WantOutcome("")
	w.Say(Command{Verb: UndoVerb, Items: []string{"none"}})
	w.WantOutcome("aborted")
	if !w.s.Steps["two"].Past[w.s.Undo[1].Key].Undone {
		t.Fatal("the undone effect is not marked")
	}
}

func TestRenameBeforeAndAfterAnIrreversibleEffect(t *testing.T) {
	w := newWorld(t, line)
	w.Start(map[string]any{"version": "1"})
	w.OK("a", r1)
	w.Refuses(Command{Verb: RenameVerb, Person: "requester", Values: map[string]any{"note": "x"}}, errs.Invalid, "not made from")
	w.Say(Command{Verb: RenameVerb, Values: map[string]any{"version": "2"}})
	if w.s.Name != "line/2" {
		t.Fatal(w.s.Name)
	}
	w.OK("b", r1)
	w.Refuses(Command{Verb: RenameVerb, Person: "requester", Values: map[string]any{"version": "3"}}, errs.Conflict, "c has used")
}

func TestUnknownPersonsAreRefused(t *testing.T) {
	w := newWorld(t, line)
	w.Start(map[string]any{"version": "1"})
	w.Refuses(Command{Verb: HoldVerb}, errs.Denied, "not linked")
	w.Refuses(Command{Verb: HoldVerb, Person: "nobody"}, errs.Denied, "not known")
	w.Refuses(Command{Verb: "dance", Person: "requester"}, errs.Invalid, "dance")
}

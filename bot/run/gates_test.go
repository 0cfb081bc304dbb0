package run

import (
	"strings"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/gate"
	"slipway/bot/people"
)

const gated = `
playbook: release
name: "release/${project.name}/${inputs.version}"
inputs: {version: string}
steps:
  payload: {do: t.read@1, with: {v: "${inputs.version}"}}
  go:
    gate: "1 of maintainer, not requester"
    binds: ["${steps.payload.r}", "${project.tag}"]
    say: "Release ${inputs.version}?"
    expires: 7d
    remind: 4h
    lifts: release-manager
    needs: [payload]
  sign: {do: t.make@1, with: {v: "${steps.payload.r}"}, needs: [go]}
  push: {do: t.push@1, with: {v: "${steps.sign.r}"}, needs: [sign]}
never:
  - {do: t.push, without: go}
`

func open(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, gated)
	w.Start(map[string]any{"version": "2019.01"})
	w.OK("payload", `{"r":"sha256:1","authors":["maintainer-c"]}`)
	return w
}

func TestRequesterCannotPassTheirOwnGate(t *testing.T) {
	w := open(t)
	if e := w.s.Effects[w.effect("go", ForMessage)]; e.Action != GateMessage {
		t.Fatalf("message %s", e.Action)
	}
	if m := w.s.Steps["go"].Gate.Manifest; len(m.Binds) == 0 || m.Binds[0].Name != "steps.payload.r" {
		t.Fatalf("the gate binds %+v", m.Binds)
	}
	w.React("go", "requester")
	w.Want("go", Running)
	if got := w.why("go"); !strings.Contains(got, "requester") {
		t.Fatalf("why: %s", got)
	}
	w.React("go", "requester", "stranger")
	if w.s.Steps["go"].Gate.Closing != 0 {
		t.Fatal("a person who is no maintainer counts")
	}
	w.React("go", "requester", "stranger", "maintainer-b")
	if w.s.Steps["go"].Gate.Closing != 1 {
		t.Fatalf("not closing: %s", w.why("go"))
	}
	w.Want("sign", Waiting)
	w.Close("go")
	st := w.Want("go", Done)
	if st.Output["by"].([]any)[0] != "maintainer-b" || st.Output["manifest"] == "" {
		t.Fatalf("output %v", st.Output)
	}
	if len(w.last.Reads) == 0 {
		t.Fatal("the closing does not rest on the roles")
	}
	w.OK("sign", r1)
	w.OK("push", r1)
	w.WantOutcome("done")
}

func TestOnePersonWithTwoAccountsCountsOnce(t *testing.T) {
	w := newWorld(t, strings.Replace(gated, "1 of maintainer", "2 of maintainer", 1))
	w.Start(map[string]any{"version": "1"})
	w.OK("payload", `{"r":"x","authors":[]}`)
	a := w.vote("maintainer-a", "go", gate.Approve, "")
	b := a
	b.Account = people.Account{Source: "slack", ID: "U1"}
	unlinked := gate.Vote{Kind: gate.Approve, Account: people.Account{Source: "slack", ID: "U2"}, Manifest: a.Manifest, At: w.now}
	w.Do(Reactions{Step: "go", Message: "m", Votes: []gate.Vote{a, b, unlinked}})
	if w.s.Steps["go"].Gate.Closing != 0 {
		t.Fatal("accounts were counted, not persons")
	}
}

func TestReactUnreactReact(t *testing.T) {
	w := open(t)
	w.React("go", "maintainer-a")
	w.React("go")
	d := w.Do(Closing{Step: "go", Number: 1, Clean: true, Messages: []string{"msg-1"}})
	_ = d
	if g := w.s.Steps["go"].Gate; g.Closing != 0 || !strings.Contains(g.Note, "no longer") {
		t.Fatalf("gate %+v", g)
	}
	if d := w.React("go"); len(d.Events) != 0 {
		t.Fatal("reading the same again is an event")
	}
	w.React("go", "maintainer-a")
	if d := w.Do(Closing{Step: "go", Number: 1, Clean: true}); len(d.Events) != 0 {
		t.Fatal("an answer of an old number counts")
	}
	w.Close("go")
	w.Want("go", Done)
}

func TestClosingReadThatIsNotCleanIsReadAgain(t *testing.T) {
	w := open(t)
	w.React("go", "maintainer-a")
	g := w.s.Steps["go"].Gate
	w.Do(Closing{Step: "go", Number: 1, Clean: false, Messages: []string{"msg-1"}, Votes: g.Votes})
	if g := w.s.Steps["go"].Gate; g.Closing != 2 {
		t.Fatalf("closing %d", g.Closing)
	}
	w.Close("go")
	w.Want("go", Done)
}

func TestRoleRemovedWhileClosing(t *testing.T) {
	w := open(t)
	w.React("go", "maintainer-a")
	w.Revoke("maintainer-a", "maintainer")
	w.Close("go")
	w.Want("go", Running)
	if note := w.s.Steps["go"].Gate.Note; !strings.Contains(note, "what would have closed it no longer stands") {
		t.Fatal(note)
	}
}

func TestUnreachableSourceKeepsTheGateOpen(t *testing.T) {
	w := open(t)
	w.React("go", "maintainer-a")
	w.Do(Closing{Step: "go", Number: 1, Unavailable: "the directory does not answer"})
	w.Want("go", Running)
	if got := w.why("go"); !strings.Contains(got, "the directory does not answer") {
		t.Fatal(got)
	}
	if w.s.Steps["go"].Gate.Closing != 0 {
		t.Fatal("it is read again at once")
	}
	w.Pass(time.Minute)
	if w.s.Steps["go"].Gate.Closing != 2 {
		t.Fatal("it is not read again")
	}
	w.down["lava/maintainer"] = "ldap is down"
	w.Close("go")
	w.Want("go", Running)
}

func TestCommitChangedAfterApproval(t *testing.T) {
	w := open(t)
	w.React("go", "maintainer-a")
	w.Close("go")
	w.Want("go", Done)
	w.Fail("sign", "x")
	old := w.s.Steps["go"].Gate.Digest
	w.Say(Command{Verb: RetryVerb, Step: "payload"})
	w.OK("payload", `{"r":"sha256:1","authors":["maintainer-c"]}`)
	w.Want("go", Done) // nothing changed: the closing stands
	w.Fail("sign", "x")
	w.Say(Command{Verb: RetryVerb, Step: "payload"})
	w.OK("payload", `{"r":"sha256:2","authors":["maintainer-c"]}`)
	w.Want("go", Running)
	if g := w.s.Steps["go"].Gate; g.Number != 2 || g.Digest == old || len(g.Votes) != 0 {
		t.Fatalf("gate %+v", g)
	}
	// A reaction on the void message counts for nothing.
	v := w.vote("maintainer-a", "go", gate.Approve, "")
	v.Manifest = old
	if d := w.Do(Reactions{Step: "go", Message: "msg-1", Votes: []gate.Vote{v}}); len(d.Events) != 0 {
		t.Fatal("a reaction on a void manifest is recorded")
	}
	w.Refuses(Vote{Step: "go", Vote: v}, errs.Conflict, "void")
	w.React("go", "maintainer-b")
	w.Close("go")
	w.Want("go", Done)
}

func TestOpenGateIsVoidedWhenWhatItBindsIsRetried(t *testing.T) {
	w := open(t)
	w.React("go", "requester")
	w.Say(Command{Verb: RetryVerb, Step: "payload"})
	found := false
	for _, e := range w.last.Events {
		_, void := e.Body.(GateVoided)
		found = found || void
	}
	if !found {
		t.Fatal("the manifest was not voided")
	}
	w.OK("payload", `{"r":"sha256:1","authors":[]}`)
	if g := w.s.Steps["go"].Gate; g.Number != 2 || len(g.Votes) != 0 {
		t.Fatalf("gate %+v", g)
	}
}

func TestVetoAndLifting(t *testing.T) {
	w := open(t)
	say := func(p people.PersonID, kind gate.VoteKind, reason string) Input {
		v := w.vote(p, "go", kind, "")
		v.Reason = reason
		return Vote{Step: "go", Vote: v}
	}
	w.Refuses(say("maintainer-a", gate.Veto, " "), errs.Invalid, "reason")
	w.Do(say("maintainer-a", gate.Veto, "the tests are red"))
	w.React("go", "maintainer-b")
	if w.s.Steps["go"].Gate.Closing != 0 || !strings.Contains(w.why("go"), "the tests are red") {
		t.Fatalf("a veto does not block: %s", w.why("go"))
	}
	lift := func(p people.PersonID) Input { return Vote{Step: "go", Lift: true, Vote: gate.Vote{Person: p}} }
	w.Refuses(lift("maintainer-b"), errs.Denied, "maintainer-a can lift it, or a release-manager")
	w.Do(lift("manager"))
	if w.s.Steps["go"].Gate.Closing == 0 {
		t.Fatalf("lifted, and still blocked: %s", w.why("go"))
	}
	w.Refuses(lift("maintainer-a"), errs.Conflict, "nobody has vetoed")
}

func TestRejectEndsTheRunOrTakesTheBranch(t *testing.T) {
	w := open(t)
	w.Do(Vote{Step: "go", Vote: w.vote("maintainer-a", "go", gate.Reject, "")})
	w.Want("go", FailedSt)
	w.WantOutcome("rejected")

	w = newWorld(t, `
playbook: p
steps:
  go: {gate: 1 of maintainer, binds: ["${project.tag}"], on_reject: sorry}
  ship: {do: t.push@1, needs: [go]}
  sorry: {do: t.mail@1}
`)
	w.Start(nil)
	w.Do(Vote{Step: "go", Vote: w.vote("maintainer-a", "go", gate.Reject, "")})
	w.Want("sorry", Running)
	w.OK("sorry", "{}")
	w.WantOutcome("failed")
}

func TestHandOverKeepsTheFirstRequesterOut(t *testing.T) {
	w := open(t)
	w.Refuses(Command{Verb: HandOverVerb, Person: "stranger", To: "maintainer-a"}, errs.Denied, "may not")
	w.Say(Command{Verb: HandOverVerb, To: "maintainer-a"})
	w.React("go", "requester", "maintainer-a")
	if w.s.Steps["go"].Gate.Closing != 0 {
		t.Fatal("the old or the new requester counts")
	}
	if got := w.why("go"); !strings.Contains(got, "not requester") {
		t.Fatal(got)
	}
	w.Refuses(Command{Verb: HoldVerb, Person: "requester"}, errs.Denied, "maintainer-a (requester)")
	w.React("go", "maintainer-b")
	w.Close("go")
	w.Want("go", Done)
}

func TestAuthorIsExcluded(t *testing.T) {
	w := newWorld(t, strings.Replace(gated, "not requester", "not author", 1))
	w.Start(map[string]any{"version": "1"})
	w.OK("payload", `{"r":"x","authors":["maintainer-c@example.org"]}`)
	w.React("go", "maintainer-c")
	if w.s.Steps["go"].Gate.Closing != 0 {
		t.Fatal("the author counts")
	}
	w.React("go", "maintainer-a")
	w.Close("go")
	w.Want("go", Done)
}

func TestManifestExpires(t *testing.T) {
	w := open(t)
	w.React("go", "requester")
	old := w.s.Steps["go"].Gate.Digest
	w.Pass(8 * 24 * time.Hour)
	if g := w.s.Steps["go"].Gate; g.Number != 2 || g.Digest == old || len(g.Votes) != 0 {
		t.Fatalf("gate %+v", g)
	}
	w.React("go", "maintainer-a")
	w.Close("go")
	w.Want("go", Done)
}

func TestHeldGateCollectsButDoesNotClose(t *testing.T) {
	w := open(t)
	w.Say(Command{Verb: HoldVerb})
	w.React("go", "maintainer-a")
	if w.s.Steps["go"].Gate.Closing != 0 || len(w.s.Steps["go"].Gate.Votes) != 1 {
		t.Fatalf("gate %+v", w.s.Steps["go"].Gate)
	}
	w.Say(Command{Verb: ResumeVerb})
	w.Close("go")
	w.Want("go", Done)
}

func TestProfileChangeAfterGoVoidsIt(t *testing.T) {
	w := open(t)
	w.React("go", "maintainer-a")
	w.Close("go")
	w.Fail("sign", "x")
	w.Say(Command{Verb: MigrateVerb, Values: map[string]any{"profile": map[string]any{"name": "lava", "tag": "other"}}})
	w.Want("payload", Done)
	w.Want("go", Running)
	w.Want("sign", Waiting)
	if b := w.s.Steps["go"].Gate.Manifest.Binds[1]; b.Value != `"other"` {
		t.Fatalf("bind %+v", b)
	}
}

func TestSkipAimedAtAGate(t *testing.T) {
	w := open(t)
	w.Refuses(Command{Verb: SkipVerb, Person: "manager", Step: "go"}, errs.Denied, "may_skip")
}

func TestWithdrawByCommand(t *testing.T) {
	w := newWorld(t, strings.Replace(gated, "1 of maintainer", "2 of maintainer", 1))
	w.Start(map[string]any{"version": "1"})
	w.OK("payload", `{"r":"x","authors":[]}`)
	w.Do(Vote{Step: "go", Vote: w.vote("maintainer-a", "go", gate.Approve, "")})
	if len(w.s.Steps["go"].Gate.Votes) != 1 {
		t.Fatal("not recorded")
	}
	if d := w.Do(Vote{Step: "go", Vote: w.vote("maintainer-a", "go", gate.Approve, "")}); len(d.Events) != 0 || d.Reply == "" {
		t.Fatal("a repeated answer has no reply")
	}
	w.Do(Vote{Step: "go", Withdraw: true, Vote: gate.Vote{Person: "maintainer-a", Kind: gate.Approve}})
	if len(w.s.Steps["go"].Gate.Votes) != 0 {
		t.Fatal("not withdrawn")
	}
	w.React("go", "maintainer-a")
	w.Refuses(Vote{Step: "go", Withdraw: true, Vote: gate.Vote{Person: "maintainer-a"}}, errs.Conflict, "reaction")
	w.Refuses(Vote{Step: "nope", Vote: gate.Vote{Person: "maintainer-a"}}, errs.NotFound, "no gate")
	w.Refuses(Vote{Step: "go", Vote: gate.Vote{}}, errs.Denied, "not linked")
}

func TestRemindersGoToThoseWhoCanAct(t *testing.T) {
	w := open(t)
	w.Pass(4 * time.Hour)
	e := w.s.Effects[w.effect("go", ForRemind)]
	in, _ := action.DecodeValues(e.Inputs)
	if got := in["persons"].([]any); len(got) != 3 {
		t.Fatalf("reminded: %v", got)
	}
	w.End("go", ForRemind, Result{Outcome: OK, Output: []byte("{}")})
	w.Say(Command{Verb: HoldVerb, Person: "manager"})
	w.Pass(4 * time.Hour)
	in, _ = action.DecodeValues(w.s.Effects[w.effect("go", ForRemind)].Inputs)
	if got := in["persons"].([]any); len(got) != 1 || got[0] != "manager" {
		t.Fatalf("reminded in a hold: %v", got)
	}
}

func TestPrivateRunIsApprovedFromWithinItsCircle(t *testing.T) {
	w := newWorld(t, gated)
	w.s = &State{}
	w.Do(Start{ID: "r", Project: "lava", Closure: "sha256:c", Requester: "requester", Inputs: map[string]any{"version": "1"}, Private: true,
		Circle: []people.PersonID{"maintainer-a"}, Profile: map[string]any{"name": "lava", "tag": "1"}})
	w.OK("payload", `{"r":"x","authors":[]}`)
	w.React("go", "maintainer-b")
	if w.s.Steps["go"].Gate.Closing != 0 || !strings.Contains(w.why("go"), "circle") {
		t.Fatalf("somebody outside of the circle counts: %s", w.why("go"))
	}
	w.Refuses(Command{Verb: HandOverVerb, Person: "requester", To: "maintainer-b"}, errs.Denied, "circle")
	w.React("go", "maintainer-a")
	w.Close("go")
	w.Want("go", Done)
}

func TestDoubtOfARollback(t *testing.T) {
	w := newWorld(t, `
playbook: r
steps:
  deploy: {do: t.make@1, with: {v: "1"}}
  check: {do: t.push@1, needs: [deploy], on_fail: {undo: [deploy]}}
`)
	w.Start(nil)
	w.OK("deploy", r1)
	w.Fail("check", "x")
	w.End("check", ForBack, Result{Outcome: Doubtful})
	w.Want("check", InDoubt)
	w.Say(Command{Verb: DoubtVerb, Step: "check", Values: map[string]any{"answer": "happened"}})
	w.Want("check", Stuck)
	w.Say(Command{Verb: RetryVerb, Step: "check"})
	w.Want("deploy", Running)
}

func TestTriggeredRunBelongsToItsOwnerRole(t *testing.T) {
	w := newWorld(t, line)
	w.s = &State{}
	w.Do(Start{ID: "r", Project: "lava", Owner: "maintainer", Inputs: map[string]any{"version": "1"}})
	w.Refuses(Command{Verb: HoldVerb, Person: "stranger"}, errs.Denied, "a maintainer: maintainer-a")
	w.Say(Command{Verb: HoldVerb, Person: "maintainer-a"})
	if got := Waits(w.p, w.s, w.World(), "maintainer-a"); len(got) != 1 || got[0].Kind != "hold" {
		t.Fatalf("waits %v", got)
	}
}

// The timer of an expiry may be late: the bot was down, or is busy. The gate must not close then.
func TestNoGateClosesAfterItsExpiry(t *testing.T) {
	w := open(t)
	w.React("go", "maintainer-a")
	first := w.s.Steps["go"].Gate.Digest
	late := w.vote("maintainer-b", "go", gate.Approve, "")
	number := w.s.Steps["go"].Gate.Closing
	if number == 0 {
		t.Fatal("not closing")
	}
	w.now = w.now.Add(8 * 24 * time.Hour) // no timer fires
	w.Refuses(Vote{Step: "go", Vote: late}, errs.Conflict, "expired")
	w.Do(Closing{Step: "go", Number: number, Clean: true})
	g := w.Want("go", Running).Gate
	if g.Digest == first || len(g.Votes) != 0 || g.Closing != 0 {
		t.Fatalf("the old manifest stands: %+v", g)
	}
	w.Want("sign", Waiting)
}

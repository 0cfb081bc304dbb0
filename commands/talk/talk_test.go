package talk_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/gate"
	"slipway/bot/people"
	"slipway/bot/run"
	"slipway/commands/grammar"
	"slipway/commands/talk"
)

// Every example of every command is carried out: none is answered with "cannot be done here".
func TestEveryExampleIsCarriedOut(t *testing.T) {
	w := newWorld(t)
	w.say("ada", "release 2019.01")
	for _, e := range w.table.Entries() {
		for _, example := range e.Examples {
			for _, who := range []string{"ada", "root"} {
				got := w.say(who, example)
				if got == "" {
					t.Errorf("%q by %s has no answer", example, who)
				}
				for _, bad := range []string{"cannot be asked here", "cannot be done here", "is not known\n", "does not know the command", "I know no command", "I can't read"} {
					if strings.Contains(got, bad) {
						t.Errorf("%q by %s: %s", example, who, got)
					}
				}
			}
		}
	}
}

func TestParserMapsCommandsToInputs(t *testing.T) {
	families := []grammar.Family{grammar.Release(nil, nil)}
	table, err := grammar.Standard(families...)
	if err != nil {
		t.Fatal(err)
	}
	p := talk.Parser{Table: table, Families: families}
	vote := func(kind gate.VoteKind, step, reason string) run.Vote {
		return run.Vote{Step: step, Vote: gate.Vote{Kind: kind, Reason: reason}}
	}
	type want struct {
		run string
		in  run.Input
	}
	lifted, withdrawn, named := vote(gate.Veto, "publish", ""), vote(gate.Approve, "go", ""), vote(gate.Approve, "go", "")
	lifted.Lift, withdrawn.Withdraw, named.Vote.Manifest = true, true, "sha256:9f86d081884c7d65"
	for text, want := range map[string]want{
		"approve 2019.01": {"2019.01", vote(gate.Approve, "", "")},
		"approve 2019.01 go --manifest sha256:9f86d081884c7d65": {"2019.01", named},
		`reject 2019.01 go --reason "no"`:                       {"2019.01", vote(gate.Reject, "go", "no")},
		`veto 2019.01 publish --reason "wait"`:                  {"2019.01", vote(gate.Veto, "publish", "wait")},
		"unveto 2019.01 publish":                                {"2019.01", lifted},
		"lift 2019.01 publish":                                  {"2019.01", lifted},
		"withdraw 2019.01 go":                                   {"2019.01", withdrawn},
		"answer 2019.01 notes headline=x":                       {"2019.01", run.Answer{Step: "notes", Values: map[string]any{"headline": "x"}}},
		"done 2019.01 upload http://a b":                        {"2019.01", run.Answer{Step: "upload", Values: map[string]any{"evidence": "http://a b"}}},
		"doubt 2019.01 upload happened url=x":                   {"2019.01", run.Command{Verb: run.DoubtVerb, Step: "upload", Values: map[string]any{"answer": "happened", "url": "x"}}},
		"appoint grace coordinator 2019.01":                     {"2019.01", run.Command{Verb: run.AppointVerb, Role: "coordinator", To: "grace"}},
		"appoint grace coordinator 2019.01 --remove":            {"2019.01", run.Command{Verb: run.AppointVerb, Role: "coordinator", To: "grace", Values: map[string]any{"remove": true}}},
		"hand-over 2019.01 grace":                               {"2019.01", run.Command{Verb: run.HandOverVerb, To: "grace"}},
		`lock take repo/lava --from 1.0 --for 2.0 --reason "r"`: {"1.0", run.Command{Verb: run.YieldVerb, Lock: "repo/lava", First: "2.0", Reason: "r"}},
		`release hold 1.0 --now --reason "r"`:                   {"1.0", run.Command{Verb: run.HoldVerb, Now: true, Reason: "r"}},
		"release resume 1.0":                                    {"1.0", run.Command{Verb: run.ResumeVerb}},
		"release retry 1.0 images urgent=yes":                   {"1.0", run.Command{Verb: run.RetryVerb, Step: "images", Values: map[string]any{"urgent": "yes"}}},
		"release retry 1.0 --from changelog":                    {"1.0", run.Command{Verb: run.RetryVerb, Step: "changelog", Values: map[string]any{}}},
		`release skip 1.0 images --reason "r"`:                  {"1.0", run.Command{Verb: run.SkipVerb, Step: "images", Reason: "r"}},
		`release again 1.0 announce seen=k --reason "r"`:        {"1.0", run.Command{Verb: run.AgainVerb, Step: "announce", Reason: "r", Values: map[string]any{"seen": "k"}}},
		`release abort 1.0 --reason "r"`:                        {"1.0", run.Command{Verb: run.AbortVerb, Reason: "r"}},
		"release rename 1.0 2.0":                                {"1.0", run.Command{Verb: run.RenameVerb, Values: map[string]any{"version": "2.0"}}},
		`release migrate 1.0 --reason "r"`:                      {"1.0", run.Command{Verb: run.MigrateVerb, Reason: "r"}},
		"release open 1.0":                                      {"1.0", run.Command{Verb: run.OpenVerb}},
		"release undo-confirm 1.0 tag upload":                   {"1.0", run.Command{Verb: run.UndoVerb, Items: []string{"tag", "upload"}}},
	} {
		asked := p.Parse(text, engine.Spoken{Person: "ada", Project: "lava", Addressed: true})
		if len(asked) != 1 || asked[0].Run != want.run || !reflect.DeepEqual(asked[0].Input, want.in) {
			t.Errorf("%s\n got %+v\nwant %+v", text, asked, want)
		}
	}
	for text, want := range map[string]engine.StartRequest{
		"release 2019.01":                                       {},
		"release 2019.01 lava --plan":                           {Plan: true},
		"release 2019.01 --private":                             {Private: true, Circle: []people.PersonID{"ada"}},
		`release 2019.01 --private --circle "grace, @alan,ada"`: {Private: true, Circle: []people.PersonID{"ada", "grace", "alan"}},
		"release 2019.01 --match sha256:9f86d08188":             {Match: "sha256:9f86d08188"},
	} {
		want.Family, want.Project, want.Person, want.Inputs = "release", "lava", "ada", map[string]any{"version": "2019.01"}
		asked := p.Parse(text, engine.Spoken{Person: "ada", Project: "lava", Addressed: true})
		if len(asked) != 1 || asked[0].Start == nil || !reflect.DeepEqual(*asked[0].Start, want) {
			t.Errorf("%s gives %+v", text, asked)
		}
	}
}

func TestCardsGolden(t *testing.T) {
	w := newWorld(t)
	var b strings.Builder
	show := func(what, name string) {
		fmt.Fprintf(&b, "== %s\n%s\n", what, card.Text(talk.Cards{}.Render(w.books["release"], w.state(name), w.e.World()), 80))
	}
	w.say("ada", "release 2019.01")
	show("begun", "2019.01")
	w.say("ada", `answer 2019.01 notes headline="Faster boot"`)
	show("a gate is open", "2019.01")
	w.say("ada", `release hold 2019.01 --reason "the mirror is full"`)
	show("held", "2019.01")
	w.say("ada", "release resume 2019.01")
	w.say("ada", "release 2019.02")
	show("waits for a lock", "2019.02")
	w.say("grace", "approve 2019.01")
	w.say("alan", "approve 2019.01")
	show("done", "2019.01")
	w.say("ada", `release abort 2019.02 --reason "not needed"`)
	show("aborted", "2019.02")
	w.say("ada", "release 2019.03 --private --circle grace,alan")
	w.say("ada", `answer release/lava/2019.03 notes headline="A hole is closed"`)
	show("private", "2019.03")
	golden(t, "cards.txt", b.String())
}

func TestAnswersGolden(t *testing.T) {
	w := newWorld(t)
	var b strings.Builder
	ask := func(who, text string) { fmt.Fprintf(&b, "%s> %s\n%s\n\n", who, text, w.say(who, text)) }
	ask("ada", "release 2019.01 --plan")
	ask("ada", "release 2019.01")
	for _, text := range []string{"approve", "approve 2019.01", "approve 2019.01 go", "approve 2019.01 goo", "aprove", "release", "release why"} {
		ask("grace", text)
	}
	ask("ada", `answer 2019.01 notes headline="Faster boot"`)
	ask("grace", "approve 2019.01 go")
	for _, text := range []string{"release list", "release show 2019.01", "release show 2019.01 build", "release why 2019.01", "release why 2019.01 go", "release who 2019.01",
		"release history 2019.01", "release history 2019.01 --from 999", "mine", "whoami", "people", "lock list", "playbook list", "playbook show release", "playbook show relaese",
		"release why 2019.01 go --as-of 2018-12-31", "release migrate 2019.01 --plan", "release undo-plan 2019.01", "release retry 2019.01", "release adopt 2018.12"} {
		ask("alan", text)
	}
	ask("root", "grant ada maintainer lava")
	ask("ada", "whoami")
	ask("root", "revoke ada maintainer lava")
	ask("root", "revoke grace maintainer lava")
	ask("grace", "delegate ada maintainer lava --from 2019-01-09 --until 2019-02-14")
	ask("ada", "grant alan maintainer lava")
	ask("root", `freeze add year-end --from 2019-12-20 --until 2020-01-06 --reason "nobody is there to mend it"`)
	ask("ada", "freeze list")
	ask("root", `freeze end year-end --reason "everybody is back"`)
	ask("ada", "inbox list")
	ask("root", `pause effects --reason "the network is being moved"`)
	ask("root", "resume effects")
	ask("ada", "release lsit")
	ask("ada", "release why 2019.09")
	golden(t, "answers.txt", b.String())
}

// A release manager of one project changes no freeze of another, neither by ending it nor by
// adding one of the same name, and ends nothing that does not exist.
func TestFreezesOfOthersStand(t *testing.T) {
	w := newWorld(t)
	w.say("root", "grant ada release-manager lava")
	w.say("root", `freeze add audit --from 2019-01-01 --until 2020-01-06 --project glass --reason "an audit"`)
	for _, text := range []string{`freeze end audit --reason "no need"`,
		`freeze add audit --from 2018-01-01 --until 2018-01-02 --reason "no need"`,
		`freeze add other --from 2019-01-01 --until 2019-02-01 --project glass --reason "for fun"`} {
		if got := w.say("ada", text); !strings.Contains(got, "takes the role") && !strings.Contains(got, "a freeze of all projects is an admin's") {
			t.Errorf("%s: %s", text, got)
		}
	}
	w.say("root", `freeze add christmas --from 2019-01-01 --until 2020-01-06 --reason "nobody is here"`)
	for _, text := range []string{`freeze end christmas --reason "I am here"`, `freeze add all --from 2018-01-01 --until 2018-01-02 --reason "no need"`,
		`freeze add christmas --from 2018-01-01 --until 2018-01-02 --project lava --reason "I am here"`} {
		if got := w.say("ada", text); !strings.Contains(got, "a freeze of all projects is an admin's of all of them") {
			t.Errorf("%s: %s", text, got)
		}
	}
	if got := w.say("ada", "freeze list lava"); !strings.Contains(got, "christmas (release): from 2019-01-01") {
		t.Errorf("the freeze of all is not as it was: %s", got)
	}
	if got := w.say("root", `freeze add bookworm --from 2019-01-01 --until 2019-02-01 --calendar debian --reason "the archive"`) + w.say("ada", "freeze list"); !strings.Contains(got, "bookworm (debian)") {
		t.Errorf("a calendar: %s", got)
	}
	if got := w.say("ada", "freeze list glass"); !strings.Contains(got, "audit (release/glass): from 2019-01-01") {
		t.Errorf("the freeze is not as it was: %s", got)
	}
	if got := w.say("root", `freeze end audti --reason "over"`); !strings.Contains(got, "there is no freeze") {
		t.Errorf("%s", got)
	}
	w.say("ada", `freeze add travel --from 2019-01-10 --until 2019-01-20 --project lava --reason "FOSDEM"`)
	if got := w.say("ada", `freeze end travel --reason "called off"`); !strings.Contains(got, "has ended") {
		t.Errorf("%s", got)
	}
}

func TestPlanMustMatch(t *testing.T) {
	w := newWorld(t)
	plan := w.say("ada", "release 2019.01 urgent=yes --plan")
	for _, want := range []string{w.books["release"].Digest, "test.ship@1, lookup, cannot be undone", "2 of maintainer, not requester; could pass it now: alan, grace"} {
		if !strings.Contains(plan, want) {
			t.Errorf("the plan does not say %q:\n%s", want, plan)
		}
	}
	digest := plan[strings.LastIndex(plan, "sha256:"):]
	for text, want := range map[string]string{
		"release 2019.01 --match " + digest:                          "the plan is not",
		"release 2019.01 urgent=yes --match sha256:0123":             "too short",
		"release 2019.01 urgent=yes --match sha256:0123456789abcdef": "the plan is not",
	} {
		if got := w.say("ada", text); !strings.Contains(got, want) {
			t.Errorf("%s: %s", text, got)
		}
	}
	w.say("ada", "release 2019.01 urgent=yes --match "+digest[:19])
	if s := w.state("2019.01"); s.Inputs["urgent"] != true {
		t.Fatalf("inputs %v", s.Inputs)
	}
	_, list := contracts(t)
	w.books["release"] = check(t, strings.Replace(releaseYAML, "2 of maintainer", "1 of maintainer", 1), list)
	if got := w.say("ada", "release 2019.02 --match "+digest); !strings.Contains(got, "the plan is not") {
		t.Errorf("after a change: %s", got)
	}
}

func TestPrivateRunsAreNotSpokenOfInChannels(t *testing.T) {
	w := newWorld(t)
	if got := w.say("ada", "release 2019.03 --private"); strings.Contains(got, "2019.03") {
		t.Errorf("the start: %s", got)
	}
	for _, text := range []string{"release list", "mine", "lock list", "release show release/lava/2019.0", "release why 2019.03", "release show 2019.03", "release history 2019.03"} {
		for _, who := range []string{"ada", "grace"} {
			if got := w.say(who, text); strings.Contains(got, "2019.03") && !strings.Contains(text, "2019.03") || strings.Contains(got, "build") {
				t.Errorf("%s, %s: %s", who, text, got)
			}
		}
	}
	if got := w.say("grace", "lock list"); !strings.Contains(got, "a private run") {
		t.Errorf("lock list: %s", got)
	}
	for _, text := range []string{"release list", "release show 2019.03", "mine"} {
		if got := w.tell(wire{Who: "ada", Text: text, Direct: true}); !strings.Contains(got, "2019.03") {
			t.Errorf("%s to the requester alone: %s", text, got)
		}
		if got := w.tell(wire{Who: "grace", Text: text, Direct: true}); strings.Contains(got, "release/lava/2019.03") {
			t.Errorf("%s to an outsider: %s", text, got)
		}
	}
}

func TestInboxShowsNoCredentials(t *testing.T) {
	w := newWorld(t)
	w.tell(wire{Who: "ada", Text: "whoami", Token: "s3cretvalue"})
	got := w.say("root", "inbox show d-1")
	if strings.Contains(got, "s3cretvalue") || !strings.Contains(got, "[redacted]") || !strings.Contains(got, "whoami") {
		t.Fatalf("inbox show: %s", got)
	}
	if got := w.say("ada", "inbox show d-1"); !strings.Contains(got, "admin") {
		t.Fatalf("inbox show by anybody: %s", got)
	}
}

// A runbook is told in parts that fit an answer; done steps by their names.
func TestARunbookIsAnswered(t *testing.T) {
	w := newWorld(t)
	w.say("ada", "release 2019.01")
	got := w.say("ada", "release runbook 2019.01")
	for _, want := range []string{"How to end release/lava/2019.01 by hand", "Done or not needed: build", "The question: What is new?", "2 of maintainer, not requester",
		"Alan (alan), Grace (grace)", "To come", "release adopt"} {
		if !strings.Contains(got, want) {
			t.Errorf("it does not say %q:\n%s", want, got)
		}
	}
	if got := w.say("ada", "release runbook 2019.01 --from 1"); !strings.Contains(got, "1. build: Build it") || !strings.Contains(got, "result = made 2019.01") {
		t.Errorf("from the first:\n%s", got)
	}
	if got := w.say("ada", "release runbook 2019.01 --from 3"); strings.Contains(got, "1. build") || !strings.Contains(got, "3. go: Say yes") {
		t.Errorf("from the third:\n%s", got)
	}
	if got := w.say("ada", "release runbook 2019.01 --from 9"); !strings.Contains(got, "it has 4 steps") {
		t.Errorf("from after the end: %s", got)
	}
}

// Whatever the name of a run is, it stands in comments alone.
func TestARunbookIsSafeToPaste(t *testing.T) {
	w := newWorld(t)
	_, list := contracts(t)
	hostile := strings.NewReplacer("/${inputs.version}\"", "/${inputs.version}'; touch pwned; $(touch pwned)\"", "What is new?", strings.Repeat("What is new? ", 700)).Replace(releaseYAML)
	w.books["release"] = check(t, hostile, list)
	begun := w.say("ada", "release 2019.01")
	runs, err := w.e.Runs(t.Context(), engine.Filter{Person: "ada"})
	if err != nil || len(runs) != 1 || !strings.Contains(runs[0].Name, "'; touch pwned") {
		t.Fatalf("%+v, %v: %s", runs, err, begun)
	}
	got := w.say("ada", "release runbook "+runs[0].ID)
	if !strings.Contains(got, "it is too long for an answer. See it with: slipway runbook 'release/") {
		t.Fatal(got)
	}
	for line := range strings.SplitSeq(got, "\n") {
		if strings.Contains(line, "touch") && (!strings.HasPrefix(line, "#") || strings.Contains(line, "$(touch")) {
			t.Errorf("a shell runs this: %s", line)
		}
	}
}

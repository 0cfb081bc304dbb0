package engine_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/people"
	"slipway/bot/run"
)

const callYAML = `
playbook: timed
doc: A run that calls another.
name: "timed/${project.name}/${inputs.version}"
inputs: {version: {type: version, help: "a version"}}
steps:
  kid: {call: quick, with: {version: "${inputs.version}"}}
`

func TestChildRunsAtEveryCrash(t *testing.T) {
	for n := 1; ; n++ {
		w := newWorld(t, effectYAML("quick", "test.keyed@1", ""), callYAML)
		tell := func() {
			if err := w.deliver(wire{Who: "requester", Place: "lava", Message: "s1", Text: "timed 1.0"}, "d1"); err != nil {
				t.Fatal(err)
			}
			w.drain()
		}
		at := w.crashing(n, tell)
		w.open()
		tell()
		past, err := w.e.Runs(context.Background(), engine.Filter{Past: true})
		if err != nil || len(past) != 2 || past[0].Outcome != "done" || past[1].Outcome != "done" {
			t.Fatalf("after a crash at %s: %+v %v", at, past, err)
		}
		w.wantApplied("test.keyed 1.0", 1)
		if at == "" {
			return
		}
	}
}

func TestAbortReachesTheChild(t *testing.T) {
	w := newWorld(t, `
playbook: quick
doc: A child that waits.
name: "quick/${project.name}/${inputs.version}"
inputs: {version: {type: version, help: "a version"}}
steps:
  go: {gate: "1 of maintainer", binds: ["${inputs.version}"]}
`, callYAML)
	w.open()
	w.say("requester", "timed 1.0")
	w.say("requester", "abort timed/lava/1.0")
	w.pass(time.Minute)
	for _, name := range []string{"timed/lava/1.0", "quick/lava/1.0"} {
		if s := w.run(name); s.Status != run.RunEnded || s.Outcome != "aborted" {
			t.Errorf("%s is %s %s", name, s.Status, s.Outcome)
		}
	}
	msgs := w.room.titled(": gate go")
	if len(msgs) != 1 || !strings.Contains(msgs[0].c.Status, "void") {
		t.Errorf("the gate message says: %+v", msgs)
	}
}

func TestWithdrawnRoleConflictsWithTheCommit(t *testing.T) {
	// A grant that ends between the decision and its commit must not count.
	w := newWorld(t)
	w.open()
	ctx := context.Background()
	g := people.Grant{ID: "extra", Person: "requester", Role: "maintainer", Project: "lava"}
	if err := w.e.Grant(ctx, g, engine.Once{}); err != nil {
		t.Fatal(err)
	}
	w.say("maintainer-b", "release 1.0")
	done := false
	w.point = func(name string) {
		if name == "run/before-commit" && !done && w.run("1.0").Steps["go"].Gate.Closing > 0 {
			done = true
			if err := w.e.EndGrant(ctx, "extra", engine.Once{}); err != nil {
				t.Error(err)
			}
		}
	}
	w.open()
	w.react("requester")
	w.point = nil
	w.pass(time.Hour)
	if !done {
		t.Fatal("the closing was not seen")
	}
	w.wantStep("1.0", "go", run.Running)
}

// TestChildBeginsWithTheRolesOfItsParent: who was appointed in the parent passes the gate of the
// child, although the project grants nobody that role.
func TestChildBeginsWithTheRolesOfItsParent(t *testing.T) {
	w := newWorld(t, `
playbook: quick
doc: A child with a gate of the parent's role.
name: "quick/${project.name}/${inputs.version}"
inputs: {version: {type: version, help: "a version"}}
roles: {lead: {}}
steps:
  go: {gate: "1 of lead", binds: ["${inputs.version}"]}
`, `
playbook: timed
doc: A parent that appoints.
name: "timed/${project.name}/${inputs.version}"
inputs: {version: {type: version, help: "a version"}}
roles: {lead: {}}
steps:
  who: {ask: requester, fields: {person: {type: person}}, fills: lead}
  kid: {call: quick, with: {version: "${inputs.version}"}, needs: [who]}
`)
	w.open()
	w.say("requester", "timed 1.0")
	parent := w.run("timed/lava/1.0")
	if d, err := w.e.Submit(context.Background(), parent.ID, run.Answer{Step: "who", Person: "requester", Values: map[string]any{"person": "manager"}}); err != nil || d.Refusal != nil {
		t.Fatal(err, d.Refusal)
	}
	w.drain()
	kid := w.run("quick/lava/1.0")
	if got := kid.Filled["lead"]; len(got) != 1 || got[0] != "manager" {
		t.Fatalf("the child begins with %v", kid.Filled)
	}
	w.say("manager", "approve quick/lava/1.0 go")
	w.pass(time.Minute)
	if s := w.run("timed/lava/1.0"); s.Outcome != "done" {
		t.Fatalf("the parent is %s %s", s.Status, s.Outcome)
	}
}

package talk_test

import (
	"context"
	"strings"
	"testing"
)

const promoteYAML = `
playbook: release-promote
doc: A promotion in small.
name: "release/${project.name}/promote-${inputs.version}"
inputs:
  version: {type: version, help: "a version"}
  from: {type: string, default: proposed, help: "a suite"}
steps:
  build: {doc: Build it, do: test.make@1, with: {name: "${inputs.version}"}}
  ship: {doc: Take it, gate: "1 of admin or 2 of maintainer", binds: ["${steps.build.result}"], needs: [build]}
`

func has(t *testing.T, got string, want ...string) {
	t.Helper()
	for _, x := range want {
		if !strings.Contains(got, x) {
			t.Errorf("%q is not in:\n%s", x, got)
		}
	}
}

func hasNot(t *testing.T, got, bad string) {
	t.Helper()
	if strings.Contains(got, bad) {
		t.Errorf("%q is in:\n%s", bad, got)
	}
}

// The list of a family has the runs of all its playbooks, and why, who and mine name every way past
// a gate.
func TestAListHasTheRunsOfAllPlaybooksOfAFamily(t *testing.T) {
	w := newWorld(t)
	_, list := contracts(t)
	w.books["release-promote"] = check(t, promoteYAML, list)
	w.say("ada", "release 2019.02")
	w.say("ada", "release promote 2019.01")
	has(t, w.say("ada", "release list"), "release/lava/2019.02: live", "release/lava/promote-2019.01: live")

	has(t, w.say("ada", "release why promote-2019.01"), "or else", "2 of maintainer")
	has(t, w.say("grace", "mine"), "approve release/lava/promote-2019.01 ship")
	w.say("grace", "approve promote-2019.01")
	got := w.say("alan", "release why promote-2019.01 ship")
	has(t, got, "grace counted, 1 more needed")
	hasNot(t, w.say("grace", "mine"), "promote-2019.01")
	has(t, w.say("alan", "release history promote-2019.01"), "(grace: approve)")
	has(t, w.say("alan", "release who promote-2019.01"), "Alan: or else approve ship: 1 more of maintainer")

	if got := w.say("ada", "release promote 2019.01"); !strings.Contains(got, "release why release/lava/promote-2019.01") {
		t.Error(got)
	}
	w.say("alan", "approve promote-2019.01")
	hasNot(t, w.say("ada", "release list"), "promote-2019.01")
	has(t, w.say("ada", "release list --all"), "release/lava/promote-2019.01: done", "release/lava/2019.02: live")
}

// What is asked is shown as it is typed, and the same answer again changes nothing.
func TestAnAnswerIsShownAsItIsTypedAndTheSameAgainIsNoChange(t *testing.T) {
	w := newWorld(t)
	w.say("ada", "release 2019.01")
	const typed = "answer release/lava/2019.01 notes headline=…"
	has(t, w.say("ada", "release why 2019.01"), typed)
	has(t, w.say("ada", "mine"), typed)
	has(t, w.say("ada", "answer 2019.01 notes"), "headline (one line)", typed)
	w.say("ada", `answer 2019.01 notes headline="Faster boot"`)
	w.say("grace", "approve 2019.01")
	before := w.state("2019.01").Steps["go"].Gate.Digest
	has(t, w.say("ada", `answer 2019.01 notes headline="Faster boot"`), "nothing changes")
	if s := w.state("2019.01"); s.Steps["go"].Gate.Digest != before || len(s.Steps["go"].Gate.Votes) != 1 {
		t.Errorf("the same answer changed the run: %+v", s.Steps["go"].Gate)
	}
	has(t, w.say("ada", `answer 2019.01 notes headline="Slower boot"`), "changed")
	if s := w.state("2019.01"); len(s.Steps["go"].Gate.Votes) != 0 {
		t.Error("another answer leaves the approvals")
	}
	if _, err := w.e.Resolve(context.Background(), "2019.01", "ada"); err != nil {
		t.Error(err)
	}
}

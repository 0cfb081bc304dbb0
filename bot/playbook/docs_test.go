package playbook

import (
	"strings"
	"testing"
	"time"

	"slipway/bot/gate"
)

const papers = `playbook: papers
doc: Everything that a page may say.
name: "papers/${inputs.version}"
once: true
uses: ["repo/${project.name}"]
inputs:
  version: {type: version, help: "as in a|b"}
  note: {type: string, default: ""}
  level: {type: string, enum: [low, high], default: low}
roles:
  coordinator: {doc: Leads it, by: [pps]}
ledgers:
  sites:
    key: site
    columns: {site: string}
    states: [asked, agreed, refused]
    moves: {asked: [agreed, refused]}
    final: [agreed, refused]
    actions: {retry: {refused: asked}}
never:
  - {do: git.push_release, without: go}
steps:
  push:
    doc: Push it
    do: git.push_release@1
    with: {object: "${steps.sign.object}"}
    needs: [sign]
    uses: ["archive/stable"]
    frozen_by: {calendar: release, then: wait}
    deadline: {after: 3d, then: fail}
    on_fail: {retry: {moved: {times: 2, after: 90s}, any: {times: 1}}, goto: sorry}
  sorry: {do: web.deploy@1, with: {site: main}}
  log: {do: git.log@1, with: {to: main}}
  appoint: {ask: pps, prompt: "Who?", fields: {person: {type: person}}, fills: coordinator, may_skip: {by: [pps]}, remind: 1d}
  go:
    gate: "2 of maintainer, not requester"
    binds: ["${steps.log.commit}"]
    expires: 7d
    needs: [log]
  sign: {do: sign.tag@1, with: {payload: "${steps.pay.digest}"}, needs: [go, pay]}
  pay: {do: git.payload@1, with: {commit: "${steps.log.commit}", version: "${inputs.version}"}, needs: [log]}
  build:
    each: project.suites
    as: suite
    key: suite.name
    in: parallel 4
    steps:
      compile: {do: pkg.build@1, with: {suite: "${suite.name}"}}
`

func TestDocsAreAChecklist(t *testing.T) {
	page := Docs(mustCheck(t, papers, nil))
	for _, want := range []string{
		"# papers\n\nEverything that a page may say.",
		"A run is named `papers/${inputs.version}`.",
		"A name whose run ended as done is not given again.",
		"The whole run holds `repo/${project.name}`",
		"| `version` | version | as in a\\|b | asked for |",
		"| `note` | text |  | empty |",
		"| `level` | low or high |  | `low` |",
		"- **coordinator** Leads it; appointed by pps",
		"- **pps** answers `appoint`; may skip `appoint`",
		"Rule: `2 of maintainer, not requester`. It needs a yes from 2 people who are maintainer. These are different people: nobody counts twice, through whatever account. Who asked for the run does not count.",
		"- `${steps.log.commit}`\n",
		"After 7 days it expires, and is asked anew. If they reject it, the run ends as rejected.",
		"- Never `git.push_release` unless the gate `go` was passed.",
		"`push` — Push it\n  - Who: the bot, by `git.push_release@1`",
		"Repeats: it is done only if what it found is still so",
		"Taken back: **it cannot be taken back**",
		"Taken back: by `web.rollback@1`",
		"Only if: it went wrong at `push`",
		"Holds: `archive/stable`: no other run uses it meanwhile",
		"In a freeze: of the calendar release it waits",
		"Deadline: 3 days after it began; then it has failed",
		"If it fails: the failure `moved` is tried again 2 times, after 1 minute 30 seconds; any failure is tried again once; then it goes on at `sorry`",
		"Reminder: every day",
		"Then: the person named is coordinator of the run",
		"At once: up to 4",
		"whoever takes work of the kind `build`: the bot hands it out",
		"A person may `retry` a row: refused → asked.",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	at := func(step string) int { return strings.Index(page, " `"+step+"`") }
	steps := page[strings.Index(page, "## Steps"):]
	for _, pair := range [][2]string{{"log", "pay"}, {"pay", "sign"}, {"sign", "push"}, {"push", "sorry"}} {
		if strings.Index(steps, ".** `"+pair[0]+"`") > strings.Index(steps, ".** `"+pair[1]+"`") {
			t.Errorf("%s stands after %s", pair[0], pair[1])
		}
	}
	if at("compile") < 0 || !strings.Contains(page, "    - [ ] **8.1.** `compile`") && !strings.Contains(page, ".1.** `compile`") {
		t.Error("the body of an each is missing")
	}
	if t.Failed() {
		t.Log(page)
	}
}

func TestDocsHoldNoForeignMarkup(t *testing.T) {
	src := strings.Replace(papers, "doc: Push it", "doc: \"<script>x</script> [a](javascript:b) **bold** `tick`\"", 1)
	page := Docs(mustCheck(t, src, nil))
	for _, bad := range []string{"<script>", "[a](", "**bold**", "`tick`"} {
		if strings.Contains(page, bad) && !strings.Contains(page, `\`+bad) {
			t.Errorf("the page has %q as markup", bad)
		}
	}
}

func TestRulesInWords(t *testing.T) {
	for rule, want := range map[string]string{
		"1 of tester":                                "It needs a yes from one person who is tester.",
		"1 of qa and 1 of maintainer":                "It needs a yes from one person who is qa and one person who is maintainer. These are different people: nobody counts twice, through whatever account.",
		"2 of maintainer, not author":                "It needs a yes from 2 people who are maintainer. These are different people: nobody counts twice, through whatever account. Who wrote what is approved does not count.",
		"1 of maintainer, not requester, not author": "It needs a yes from one person who is maintainer. Who asked for the run, and who wrote what is approved, do not count.",
	} {
		r, err := gate.ParseRule(rule)
		if err != nil {
			t.Fatal(err)
		}
		if got := RuleInWords(r); got != want {
			t.Errorf("%s: %q, want %q", rule, got, want)
		}
	}
	if got := RuleInWords(gate.Rule{}); got != "Nobody can pass it." {
		t.Errorf("the zero rule: %q", got)
	}
}

func TestSpansAreWords(t *testing.T) {
	for d, want := range map[time.Duration]string{90 * time.Second: "1 minute 30 seconds", 14 * 24 * time.Hour: "14 days", time.Hour: "1 hour"} {
		if got := span(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}

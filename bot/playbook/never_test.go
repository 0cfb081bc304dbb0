package playbook

import (
	"strings"
	"testing"
)

// guarded is a playbook in which the release is pushed only after the gate.
const guarded = `playbook: p
never: [{do: git.push_release, without: go}]
steps:
  pay: {do: git.payload@1, with: {commit: c, version: "1"}}
  go: {gate: "1 of maintainer", binds: ["${steps.pay.digest}"], needs: [pay]}
  mid: {do: git.state@2, needs: [go]}
  push: {do: git.push_release@1, with: {object: "${steps.pay.digest}"}, needs: [mid, pay]}
`

func TestNeverIsProvenOrTheWayRoundIsShown(t *testing.T) {
	push := "  push: {do: git.push_release@1, with: {object: \"${steps.pay.digest}\"}, needs: [mid, pay]}\n"
	gate := "  go: {gate: \"1 of maintainer\", binds: [\"${steps.pay.digest}\"], needs: [pay]}\n"
	mid := "  mid: {do: git.state@2, needs: [go]}\n"
	with := "with: {object: \"${steps.pay.digest}\"}"
	children := map[string]string{
		"child":      "playbook: child\nsteps:\n  a: {do: git.push_release@1, with: {object: \"sha256:" + strings.Repeat("0", 64) + "\"}}\n",
		"grandchild": "playbook: grandchild\nsteps:\n  a: {call: child}\n",
		"harmless":   "playbook: harmless\nsteps:\n  a: {do: git.state@2}\n",
	}
	cases := []struct{ name, old, new, way string }{
		{"the good one", "", "", ""},
		{"no need", push, "  push: {do: git.push_release@1, " + with + ", needs: [pay]}\n", "pay → push"},
		{"gate may be skipped", gate, strings.Replace(gate, "needs", "may_skip: {by: [pps]}, needs", 1), "go (skipped by a person)"},
		{"gate with when", gate, strings.Replace(gate, "needs", "when: \"1 < 2\", needs", 1), "go (skipped by its when)"},
		{"gate frozen", gate, strings.Replace(gate, "needs", "frozen_by: {calendar: c, then: skip}, needs", 1), "go (skipped by a freeze)"},
		{"gate frozen, waits", gate, strings.Replace(gate, "needs", "frozen_by: {calendar: c, then: wait}, needs", 1), ""},
		{"gate with deadline", gate, strings.Replace(gate, "needs", "deadline: {after: 1d, then: skip}, needs", 1), "go (skipped by its deadline)"},
		{"gate with hard deadline", gate, strings.Replace(gate, "needs", "deadline: {after: 1d, then: fail}, needs", 1), ""},
		{"step between may be skipped", mid, "  mid: {do: git.state@2, needs: [go], may_skip: {by: [pps]}}\n", "mid (skipped by a person)"},
		{"step between skipped by when keeps its needs", mid, "  mid: {do: git.state@2, needs: [go], when: \"1 < 2\"}\n", ""},
		{"any", push, "  push: {do: git.push_release@1, " + with + ", needs: [pay], any: [mid, pay]}\n", "any of mid, pay"},
		{"any, all guarded", push, "  two: {do: git.state@2, needs: [go]}\n  push: {do: git.push_release@1, " + with + ", needs: [pay], any: [mid, two]}\n", ""},
		{"goto from before", mid, mid + "  early: {do: git.state@2, on_fail: {goto: jump}}\n  jump: {do: git.push_release@1, with: {object: \"sha256:" + strings.Repeat("0", 64) + "\"}}\n", "early (fails) → jump"},
		{"goto with needs still counts", mid, mid + "  early: {do: git.state@2, on_fail: {goto: jump}}\n  jump: {do: git.push_release@1, with: {object: \"sha256:" + strings.Repeat("0", 64) + "\"}, needs: [go]}\n", "early (fails) → jump"},
		{"goto from after", mid, "  mid: {do: git.state@2, needs: [go], on_fail: {goto: jump}}\n  jump: {do: git.push_release@1, with: {object: \"sha256:" + strings.Repeat("0", 64) + "\"}}\n", ""},
		{"the rejected gate", gate, strings.Replace(gate, "needs", "on_reject: anyway, needs", 1) + "  anyway: {do: git.push_release@1, with: {object: \"sha256:" + strings.Repeat("0", 64) + "\"}}\n", "go (rejected or failed) → anyway"},
		{"need of an untaken branch", mid, "  mid: {do: git.state@2}\n  x: {do: git.state@2, needs: [go], on_fail: {goto: y}}\n  y: {do: git.state@2}\n  z: {do: git.push_release@1, with: {object: \"sha256:" + strings.Repeat("0", 64) + "\"}, needs: [y]}\n", "y (branch not taken)"},
		{"inside an each", push, "  all: {each: project.suites, as: s, key: s.name, needs: [pay], steps: {push: {do: git.push_release@1, " + with + "}}}\n", "all → all/push"},
		{"inside a guarded each", push, "  all: {each: project.suites, as: s, key: s.name, needs: [mid, pay], steps: {push: {do: git.push_release@1, " + with + "}}}\n", ""},
		{"a gate inside an each does not guard what follows", push, "  all: {each: project.suites, as: s, key: s.name, needs: [pay], steps: {g: {gate: \"1 of maintainer\", binds: [\"${steps.pay.digest}\"]}}}\n  push: {do: git.push_release@1, " + with + ", needs: [all, pay]}\n", "push"},
		{"called", push, "  kid: {call: child}\n", "step a of playbook child"},
		{"called through another", push, "  kid: {call: grandchild}\n", "playbook child"},
		{"called behind the gate", push, "  kid: {call: grandchild, needs: [mid]}\n", ""},
		{"offered", push, "  kid: {offer: {x: {playbook: child, by: [pps]}}, closes: pps}\n", "step a of playbook child"},
		{"ask_again", mid, "  mid: {do: git.state@2, on_fail: {retry: {any: {times: 1}}, ask_again: {do: git.push_release@1, with: {object: \"sha256:" + strings.Repeat("0", 64) + "\"}}}}\n", "ask_again of mid"},
		{"undo", "never: [{do: git.push_release, without: go}]", "never: [{do: git.push_release, without: go}, {do: web.rollback, without: go}]", ""},
		{"undo before the gate", "  pay:", "  dep: {do: web.deploy@1, with: {site: x}}\n  pay:", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			src := strings.Replace(guarded, c.old, c.new, 1)
			if c.name == "undo before the gate" {
				src = strings.Replace(src, "never: [", "never: [{do: web.rollback, without: go}, ", 1)
				c.way = "the undo of dep"
			}
			_, found := findings(src, children)
			var errs []string
			for _, f := range found {
				if f.Severity == Error {
					errs = append(errs, f.String())
				}
			}
			all := strings.Join(errs, "\n")
			switch {
			case c.way == "" && all != "":
				t.Errorf("refused:\n%s", all)
			case c.way != "" && !(strings.Contains(all, "can start without the gate go") && strings.Contains(all, c.way)):
				t.Errorf("want a way with %q, got:\n%s", c.way, all)
			}
		})
	}
}

func TestGateThatGuardsMustBindContent(t *testing.T) {
	src := strings.Replace(guarded, `binds: ["${steps.pay.digest}"]`, `binds: ["${run.name}"]`, 1)
	_, found := findings(src, nil)
	if len(found) != 1 || !strings.Contains(found[0].Text, "binds no digest") {
		t.Errorf("%v", found)
	}
}

func TestRolesThatNobodyCanFill(t *testing.T) {
	for src, want := range map[string]string{
		"playbook: p\nroles: {lead: {by: [lead]}}\nsteps: {a: {do: git.state@2}}\n":                                                    "can never be filled",
		"playbook: p\nroles: {a: {by: [b]}, b: {by: [a]}}\nsteps: {a: {do: git.state@2}}\n":                                            "can never be filled",
		"playbook: p\nroles: {lead: {by: [lead]}}\nsteps: {x: {do: git.state@2}, g: {gate: 1 of lead, binds: [\"${run.id}\"]}}\n":      "can never pass",
		"playbook: p\nroles: {lead: {}}\ntrigger: {every: 6h, owner: pps}\nsteps: {a: {do: git.state@2}}\n":                            "can never be filled",
		"playbook: p\nroles: {lead: {}}\nsteps: {a: {do: git.state@2}}\n":                                                              "",
		"playbook: p\nroles: {lead: {by: [lead]}}\nsteps: {a: {ask: pps, fields: {person: person}, fills: lead}}\n":                    "",
		"playbook: p\nsteps: {a: {do: git.state@2, on_fail: {goto: b}}, b: {do: git.state@2, needs: [a]}}\n":                           "can never start",
		"playbook: p\nsteps: {a: {call: p}}\n":                                                                                         "there is no playbook",
		"playbook: p\nsteps: {a: {do: git.state@2, when: \"false\"}}\n":                                                                "can never start",
		"playbook: p\ninputs: {v: string}\ntrigger: {every: daily 03:00 UTC, owner: pps}\nsteps: {a: {do: git.state@2}}\n":             "missing v",
		"playbook: p\ninputs: {v: string}\ntrigger: {every: dayly 03:00 UTC, owner: pps, with: {v: x}}\nsteps: {a: {do: git.state@2}}": "no schedule",
	} {
		_, found := findings(src, nil)
		text := Errors(found).Error()
		if want == "" && Refused(found) || !strings.Contains(text, want) {
			t.Errorf("%s\nwant %q, got %s", src, want, text)
		}
	}
}

func TestPlaybookThatCallsItselfIsRefused(t *testing.T) {
	a, b := "playbook: a\nsteps: {x: {call: b}}\n", "playbook: b\nsteps: {x: {call: a}}\n"
	_, found := findings(a, map[string]string{"a": a, "b": b})
	if !strings.Contains(Errors(found).Error(), "calls itself") {
		t.Errorf("%v", found)
	}
}

// TestWhatAsksNobodyOnPurpose: a playbook that starts by itself and has no gate is meant so; one
// with a gate that stands elsewhere is warned of all the same.
func TestWhatAsksNobodyOnPurpose(t *testing.T) {
	const push = "  push: {do: git.push_release@1, with: {object: \"${steps.pay.digest}\"}, needs: [pay]}\n"
	const pay = "  pay: {do: git.payload@1, with: {commit: c, version: \"1\"}}\n"
	const gate = "  go: {gate: \"1 of maintainer\", binds: [\"${steps.pay.digest}\"], needs: [pay]}\n"
	for _, c := range []struct {
		name, src string
		warned    bool
	}{
		{"started by people", "playbook: p\nsteps:\n" + pay + push, true},
		{"by a schedule", "playbook: p\ntrigger: {every: 6h, owner: pps}\nsteps:\n" + pay + push, false},
		{"by a schedule, with a gate elsewhere", "playbook: p\ntrigger: {every: 6h, owner: pps}\nsteps:\n" + pay + gate + push, true},
	} {
		p, found := findings(c.src, nil)
		if p == nil {
			t.Fatalf("%s: refused: %v", c.name, found)
		}
		warned := false
		for _, f := range found {
			warned = warned || strings.Contains(f.Text, "no gate stands before it")
		}
		if warned != c.warned {
			t.Errorf("%s: %v", c.name, found)
		}
	}
}

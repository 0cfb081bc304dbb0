package playbook

import (
	"strings"
	"testing"
)

const rowJobs = `
playbook: yard
inputs: {version: version}
ledgers:
  packages:
    key: package
    columns: {package: string, points: {type: int, optional: true}, host: {type: string, optional: true}, log: {type: digest, optional: true}}
    states: [wanted, building, built, attempted, gone]
    moves: {wanted: [building], building: [built, attempted, wanted, gone], attempted: [wanted]}
    final: [gone]
    actions: {give-back: {building: wanted}}
steps:
  first: {do: git.state@2}
  builds:
    each: {ledger: packages, where: "row.package != 'hello'"}
    job:
      do: pkg.build@1
      with: {suite: "${row.package}", env: {V: "${inputs.version}", H: "${steps.first.head}"}}
      from: wanted
      takes: {to: building, set: {host: "${lease.holder}"}}
      first: "row.?points.orValue(0)"
      ok: {to: built, set: {log: "${job.digest}"}}
      failed: {any: {to: attempted, set: {host: "${lease.class}"}}}
    until: "ledgers.packages.count.wanted == 0"
    needs: [first]
  show: {gate: "1 of maintainer", binds: ["${steps.builds.head}"], needs: [builds]}
`

func TestJobsOfRows(t *testing.T) {
	p := mustCheck(t, rowJobs, nil)
	j := p.Step("builds").Each.Job
	if j.Back != "wanted" || j.Tries != 3 || j.Fails("weather").To != "attempted" || p.Step("builds").Title() != "pkg.build@1 for each row of packages" {
		t.Fatalf("%+v", j)
	}
	for _, c := range []struct{ old, new, text, fix string }{
		{"from: wanted", "from: wantd", `state "wantd"`, `"wanted"`},
		{"ok: {to: built,", "ok: {to: gon,", `state "gon"`, `"gone"`},
		{"wanted: [building]", "wanted: [gone]", "from wanted to building, and no move leads there", "add building"},
		{"building: [built, attempted, wanted, gone]", "building: [built, wanted, gone]", "from building to attempted", "add attempted"},
		{"building: [built, attempted, wanted, gone]", "building: [built, attempted, gone]", "from building to wanted", "add wanted"},
		{"failed: {any: {to: attempted", "failed: {any: {to: wanted", "tried for ever", "do not begin in"},
		{"failed: {any:", "failed: {weather:", "never reports", ""},
		{"failed: {any: {to: attempted, set: {host: \"${lease.class}\"}}}", "failed: {}", "could stay building for ever", "any: STATE"},
		{"do: pkg.build@1", "do: git.log@1", "is not pulled", "action with jobs"},
		{"suite: \"${row.package}\"", "suite: \"${row.points}\"", "", ""},
		{"log: \"${job.digest}\"", "log: \"${job.ok}\"", "does not fit", ""},
		{"log: \"${job.digest}\"", "lgo: \"${job.digest}\"", `column "lgo"`, `"log"`},
		{"log: \"${job.digest}\"", "package: \"x\"", "the key of packages", "keeps its key"},
		{"host: \"${lease.class}\"", "host: \"${job.digest}\"", "job", ""},
		{"row.package != 'hello'", "inputs.version != 'hello'", "inputs", ""},
		{"row.package != 'hello'", "now > timestamp('2019-01-31T00:00:00Z')", "now", ""},
		{"row.?points.orValue(0)", "row.package", "want a whole number", ""},
		{"takes: {to: building,", "takes: {to: wanted,", "", ""},
		{"actions: {give-back: {building: wanted}}", "actions: {take: {wanted: building}}", "builders of builds hold", "only a lease"},
		{"needs: [first]\n", "needs: [first]\n    in: parallel 4\n", "has no in", "another each"},
		{"needs: [first]\n", "needs: [first]\n    steps: {a: {do: git.state@2}}\n", "has no steps", "another each"},
		{"      ok: {", "      okay: {", `"okay"`, `"ok"`},
		{"wanted == 0\"", "wanted == 0 && false\"", "never ends", ""},
		{"  show:", "  more:\n    each: {ledger: packages}\n    job: {do: pkg.build@1, with: {suite: x}, from: wanted, takes: building, ok: built, failed: {any: gone}}\n    until: \"true\"\n  show:", "both take rows", "a state of its own"},
	} {
		src := strings.Replace(rowJobs, c.old, c.new, 1)
		if src == rowJobs {
			t.Errorf("%q is not there", c.old)
			continue
		}
		ok := false
		_, found := findings(src, nil)
		for _, f := range found {
			ok = ok || f.Severity == Error && strings.Contains(f.Text, c.text) && strings.Contains(f.Fix, c.fix)
		}
		if !ok {
			t.Errorf("%q → %q: want %q, got %v", c.old, c.new, c.text, found)
		}
	}
}

// A promise about an action holds for the jobs of rows too.
func TestNeverHoldsForJobsOfRows(t *testing.T) {
	src := strings.Replace(rowJobs, "steps:\n", "never: [{do: pkg.build, without: show}]\nsteps:\n", 1)
	_, found := findings(src, nil)
	for _, f := range found {
		if f.Code == "never" && f.Severity == Error && strings.Contains(f.Text, "can start without the gate") {
			return
		}
	}
	t.Fatalf("not refused: %v", found)
}

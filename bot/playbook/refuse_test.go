package playbook

import (
	"fmt"
	"strings"
	"testing"
)

// Every case changes one place of the good playbook. The mark ‸ in the new text is where the
// finding must stand; it is removed before the file is read.
func TestMistakesAreRefusedWhereTheyStand(t *testing.T) {
	cases := []struct{ old, new, text, fix string }{
		// YAML
		{"overlap", "", "", ""},
		{"doc: Releases", "‸dco: Releases", `unknown key "dco"`, `"doc"`},
		{"roles:\n", "‸rolse:\n", `unknown key "rolse"`, `"roles"`},
		{"doc: Releases a version.", "doc: x\n‸doc: y", `"doc" stands here a second time`, "remove one"},
		{"doc: Releases", "doc: ‸&a Releases", "anchors", "write the value out"},
		{"doc: Releases a version.", "doc: ‸*a", "aliases", ""},
		{"doc: Releases", "doc: ‸!!str Releases", "tags", ""},
		{"roles:\n", "‸<<: {a: b}\nroles:\n", "merges", ""},
		{"  state: {do", "‸\tstate: {do", "tab in the indentation", "spaces"},
		{"doc: Releases a version.", "doc: ‸[a]", "doc is a list, want text", ""},
		{"playbook: release", "‸doc2: x", `unknown key "doc2"`, `"doc"`},
		{"playbook: release\n", "playbook: ‸Release\n", "playbook is", "write release"},
		{"playbook: release\n", "playbook: ‸my release\n", "playbook is", "my_release"},
		{"remind: 4h", "remind: ‸4 hours", "want a duration", "4h"},
		{"remind: 4h", "remind: ‸0s", "no time at all", ""},
		{"poll: 10m", "poll: ‸1s", "more often than every 10s", ""},
		{"expires: 7d", "‸exires: 7d", `unknown key "exires"`, `"expires"`},
		{"expires: 7d", "‸until: x", `unknown key "until" in step go`, `belongs to`},
		{"type: version, help", "type: ‸verison, help", "want a type", `"version"`},
		{"optional: true}\n  base", "optional: ‸yes}\n  base", "want true or false", ""},
		{"default: 2019.10", "default: ‸[a]", "default of inputs.base does not fit", ""},
		{`default: "2019-01-31T09:00:00+01:00"`, `default: ‸tomorrow`, "is not a time", ""},
		{"  state: {do", "  ‸last-tag: {do: git.log@1}\n  state: {do", "cannot be a name", "write last_tag"},
		{"state: {do: git.state@2}", "state: {‸doo: git.state@2}", `unknown key "doo"`, `"do"`},
		{"state: {do: git.state@2}", "‸state: {needs: [log]}", "has no kind", ""},
		{"state: {do: git.state@2}", "‸state: {do: git.state@2, ask: pps}", "two things at once", "two steps"},
		{"in: parallel 4", "in: ‸paralel 4", "want order or parallel N", "parallel 4"},
		{"in: parallel 4", "in: ‸parallel 400", "from 1 to 64", ""},
		{"late: accept", "late: ‸acept", "want accept, refuse", `"accept"`},
		{"deadline: 14d", "‸deadlin: 14d", `unknown key "deadlin"`, `"deadline"`},
		{"final: [deployed, refused]", "final: [‸deploid]", `state "deploid"`, `"deployed"`},
		{"moves: {asked:", "moves: {‸askd: [agreed], asked:", `state "askd"`, `"asked"`},
		{"key: site\n", "key: ‸sites\n", `column "sites"`, `"site"`},
		{"{ledger: sites, prompt", "{ledger: ‸site, prompt", `ledger "site"`, `"sites"`},
		{"closes: coordinator", "doc: x", "nobody may close it", "closes"},
		{"fills: coordinator", "fills: ‸cordinator", `role "cordinator"`, `"coordinator"`},
		{"fields: {person: {type: person}", "fields: {person: {type: string}", "asks for no person", "type: person"},
		// steps
		{"needs: [state]", "needs: [‸stat]", `step "stat", which does not exist`, `"state"`},
		{"needs: [state]", "needs: [‸log]", "names the step itself", ""},
		{"needs: [state]", "needs: [state, ‸state]", "twice", ""},
		{"on_reject: sorry", "on_reject: ‸sory", `"sory"`, `"sorry"`},
		{"undo: [deploy]", "undo: [‸deplooy]", `"deplooy"`, `"deploy"`},
		{"state: {do: git.state@2}", "state: {do: git.state@2, needs: [tag]}", "wait for each other", ""},
		{"from: log, to: tag", "from: ‸lgo, to: tag", `"lgo"`, `"log"`},
		{"without: go", "without: ‸og", `"og"`, `"go"`},
		{"without: go", "without: ‸log", "not a gate", `"go"`},
		{"do: git.push_release, without", "do: ‸git.push_release@1, without", "names a version", "write git.push_release"},
		{"do: git.push_release, without", "do: ‸git.push_relaese, without", "no action git.push_relaese", "git.push_release"},
		{"do: git.state@2", "do: ‸git.state", "without its contract version", "git.state@1"},
		{"do: git.state@2", "do: ‸git.state@1", "there is no git.state@1", "git.state@2"},
		{"do: git.state@2", "do: ‸git.stat@2", "no action git.stat@2", "git.state@2"},
		{"wait: ci.pipeline@1, with: {ref: \"${inputs", "wait: ‸git.log@1, with: {to: \"${inputs", "cannot be waited for", ""},
		{"with: {suite: \"${suite.name}\"", "with: {‸suit: \"${suite.name}\"", `takes no "suit"`, `"suite"`},
		{"{do: sign.tag@1, with: {payload: \"${steps.payload.digest}\"}", "{do: ‸sign.tag@1", "missing payload", "with"},
		{"retry: {moved:", "retry: {‸mvoed:", `class "mvoed"`, `"moved"`},
		{"retry: {moved: {times: 1}}", "retry: {‸moved: {after: 1m}}", "without a bound", "times"},
		{"undo: [deploy]", "undo: [‸look]", "nothing undoes", ""},
		{"do: git.state@2", "do: ‸x.bare@1", "has no policy", ""},
		{"probe: {do: web.exists@1", "probe: {do: ‸web.deploy@1", "changes the outside", ""},
		{"playbook: update", "playbook: updaet", `no playbook "updaet"`, ""},
		// gates and roles
		{"2 of maintainer, not requester", "2 of ‸, not requester", "rule of step go", ""},
		{"2 of maintainer", "2 of maintaner", `role "maintaner"`, `"maintainer"`},
		{"ask: pps", "ask: pp", `role "pp"`, `"pps"`},
		{"by: [pps]", "by: [coordinator]", "", ""},
		// expressions
		{"${steps.log.commit}\", version", "${steps.log.‸comit}\", version", `no field "comit"`, `"commit"`},
		{"${steps.log.commit}\", version", "${‸stpes.log.commit}\", version", "stpes is not known", `"steps"`},
		{"${steps.log.commit}\", version", "${steps.‸lgo.commit}\", version", `no step "lgo"`, `"log"`},
		{"version: \"${inputs.version}\"}, needs: log", "version: \"${inputs.‸verison}\"}, needs: log", `no field "verison"`, `"version"`},
		{"to: \"${project.branch}\"}, needs: [state]", "to: \"${project.‸brnach}\"}, needs: [state]", `no field "brnach"`, `"branch"`},
		{"to: \"${project.branch}\"}, needs: [state]", "to: \"‸${project.branch\"}, needs: [state]", "not closed", "}"},
		{"to: \"${project.branch}\"}, needs: [state]", "to: \"‸${ }\"}, needs: [state]", "empty", ""},
		{"to: \"${project.branch}\"}, needs: [state]", "to: \"${project.branch +‸+ 'a'}\"}, needs: [state]", "not an expression", ""},
		{"to: \"${project.branch}\"}, needs: [state]", "to: \"${‸now}\"}, needs: [state]", "now is not known here", "condition"},
		{"to: \"${project.branch}\"}, needs: [state]", "to: \"${‸dyn(1)}\"}, needs: [state]", "dyn is not part", ""},
		{"to: \"${project.branch}\"}, needs: [state]", "to: \"${steps.‸payload.digest}\"}, needs: [state]", "does not need it", "comes after"},
		{"needs: [state]", "needs: []", "does not need it", "needs: [state]"},
		{"${short(steps.build.digest)}", "${‸shrot(steps.build.digest)}", "no function shrot", `"short"`},
		{"pipeline.status == 'success'", "‸piepline.status == 'success'", "piepline is not known", `"pipeline"`},
		{"pipeline.status == 'success'", "pipeline.status ‸== 3", "cannot be applied", "same type"},
		{"ask: pps", "ask: ‸\"x${inputs.version}\"", "text around an expression", "nothing else"},
		{"ask: pps", "ask: \"${‸inputs.version}\"", "the input version is no person", "type: person"},
		{"final: [deployed, refused]", "final: [deployed, refused]\n    actions: {retry: {‸refusd: asked}}", `state "refusd"`, `"refused"`},
		{"final: [deployed, refused]", "final: [deployed, refused]\n    actions: {retry: {refused: ‸refused}}", "to itself", ""},
		{"final: [deployed, refused]", "final: [deployed, refused]\n    actions: {‸retry: {}}", "leads nowhere", ""},
		{"in: parallel 4", "‸job: sbuild", "goes over no ledger", "write each"},
		{"with: {ref: \"${inputs", "‸as: project, with: {ref: \"${inputs", "", ""},
		{"until: exists.found", "until: ‸exists", "want a condition", ""},
		{"until: exists.found", "until: exists.‸fuond", `no field "fuond"`, `"found"`},
		{"each: project.suites", "each: ‸project.name", "want a list", ""},
		{"    key: \"${suite.name + '-' + suite.arch}\"\n", "", "has no key", "suite.name"},
		{"key: \"${suite.name + '-' + suite.arch}\"", "key: \"${‸suite}\"", "want text", ""},
		{"${inputs.notes.orValue(\"none\")}", "${‸inputs.notes}", "may be absent", "orValue"},
		{"to: [\"${project.list.orValue('x@example.org')}\"]", "to: [\"${‸project.list}\"]", "may be absent", "orValue"},
		{"${steps.maybe.?tag.orValue('none')}", "${‸steps.maybe.text}", "may be absent", "orValue"},
		{"payload: \"${steps.payload.digest}\"", "payload: \"${‸steps.log.commit}\"", "want a digest", ""},
		{"payload: \"${steps.payload.digest}\"", "payload: ‸\"x${steps.payload.digest}\"", "want a digest", ""},
		{"jobs: 4", "jobs: ‸four", "want a whole number", ""},
		{"jobs: 4", "jobs: \"${‸suite.name}\"", "want a whole number", ""},
		{"flags: [\"-a\"", "flags: [\"${‸steps.payload.size}\"", "want text", "string("},
		{"subject: \"No ${inputs.version}\"", "subject: \"No ${‸project.suites}\"", "cannot stand inside text", "join"},
		{"${evidence.url}", "${evidence.‸ulr}", `no field "ulr"`, `"url"`},
		{"a.interested", "a.‸intrested", `no field "intrested"`, `"interested"`},
		{"count.deployed", "count.‸deploid", `no field "deploid"`, `"deployed"`},
		{"where: \"site.state", "where: \"site.‸sttae", `no field "sttae"`, `"state"`},
		{"${suite.name + '-'", "${suite.‸nmae + '-'", `no field "nmae"`, `"name"`},
		{"i.?build.ok", "i.?‸biuld.ok", `no field "biuld"`, `"build"`},
		{"Release ${inputs.version}?", "Release ${inputs.‸vresion}?", `no field "vresion"`, `"version"`},
		{"payload: {do: git.payload@1", "payload: {doc: \"é→ü\", ‸dox: 1, do: git.payload@1", `unknown key "dox"`, `"doc"`},
		{"subject: \"No ${inputs.version}\"", "subject: \"Größe \\t\\\"q\\\" \\u00e9 ${inputs.‸vresion}\"", `no field "vresion"`, `"version"`},
		{"subject: \"No ${inputs.version}\"", "subject: 'it''s ${inputs.‸vresion}'", `no field "vresion"`, `"version"`},
		{"    say: |\n      Release ${inputs.version}?\n", "    say: >\n      Größe\n      and so on\n\n      on ${inputs.‸vresion}\n", `no field "vresion"`, `"version"`},
		{"Notes: ${inputs.notes.orValue(\"none\")}", "  - deep ${1 +\n         inputs.‸vresion}", `no field "vresion"`, `"version"`},
		{"name: \"release/${project.name}/${inputs.version}\"", "name: rel/${inputs.‸vresion} # why", `no field "vresion"`, `"version"`},
		{"subject: \"No ${inputs.version}\"", "subject: No ${inputs.version}", "not YAML", "in quotes"},
		{"at: \"${inputs.date}\"", "at: \"${‸inputs.version}\"", "want a time", ""},
		{"binds: [\"${steps.log.commit}\"", "binds: [‸\"abc\"", "never changes", ""},
		{"binds: [\"${steps.log.commit}\"", "binds: [‸\"${steps.log}\"", "cannot see what they approve", ""},
		{"value: pipeline.status", "value: pipeline.‸staus", `no field "staus"`, `"status"`},
		{"name: \"release/${project.name}", "name: \"release/${run.‸name}", `no field "name"`, ""},
		{"until: \"pipeline.status == 'success'", "until: \"‸false && pipeline.status == 'success'", "", ""},
		{"until: \"ledgers.sites.count.deployed >= 10 || ledgers.sites.total == 0\"", "until: \"‸false\"", "never ends", ""},
	}
	ran := 0
	for _, c := range cases {
		if c.text == "" {
			continue
		}
		ran++
		t.Run(c.text+" "+c.new, func(t *testing.T) {
			if strings.Count(release, c.old) == 0 {
				t.Fatalf("%q is not in the good playbook", c.old)
			}
			src := strings.Replace(release, c.old, c.new, 1)
			want := ""
			if i := strings.Index(src, "‸"); i >= 0 {
				src = strings.Replace(src, "‸", "", 1)
				before := src[:i]
				want = fmt.Sprintf("%d:%d", strings.Count(before, "\n")+1, len([]rune(before[strings.LastIndexByte(before, '\n')+1:]))+1)
			}
			p, found := findings(src, map[string]string{"update": update})
			if p != nil {
				t.Fatalf("accepted")
			}
			var all []string
			for _, f := range found {
				all = append(all, f.String())
				at := fmt.Sprintf("%d:%d", f.Pos.Line, f.Pos.Col)
				if strings.Contains(f.Text, c.text) && strings.Contains(f.Fix, c.fix) && (want == "" || at == want) {
					return
				}
			}
			t.Errorf("want %s: %s; %s\ngot %s", want, c.text, c.fix, strings.Join(all, "\n    "))
		})
	}
	if ran < 60 {
		t.Errorf("only %d cases", ran)
	}
}

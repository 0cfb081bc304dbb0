package playbook

import (
	"errors"
	"testing"

	"slipway/bot/action"
)

func typ(k action.Kind) action.Type { return action.Type{Kind: k} }

func f(name string, t action.Type) action.Field { return action.Field{Name: name, Type: t} }

func opt(name string, t action.Type) action.Field {
	return action.Field{Name: name, Type: t, Optional: true}
}

// contracts of the tests: one of each policy.
func contracts() []action.Contract {
	text, num, digest, list := typ(action.String), typ(action.Int), typ(action.Digest), action.ListOf(typ(action.String))
	return []action.Contract{
		{Name: "git.log", Version: 1, Policy: action.Read, In: action.Obj(opt("from", text), f("to", text)), Out: action.Obj(f("text", text), f("commit", text), opt("tag", text), f("count", num))},
		{Name: "git.state", Version: 2, Policy: action.Read, In: action.Obj(), Out: action.Obj(opt("last_tag", text), f("head", text))},
		{Name: "git.payload", Version: 1, Policy: action.Read, In: action.Obj(f("commit", text), f("version", typ(action.Version))), Out: action.Obj(f("digest", digest), f("size", num))},
		{Name: "sign.tag", Version: 1, Policy: action.Keyed, In: action.Obj(f("payload", digest)), Out: action.Obj(f("object", digest))},
		{Name: "git.push_release", Version: 1, Policy: action.Conditional, Irreversible: true, In: action.Obj(f("object", digest)), Out: action.Obj(f("tag", text)), Classes: []string{"moved", "refused"}},
		{Name: "ci.retry", Version: 1, Policy: action.Lookup, In: action.Obj(f("ref", text)), Out: action.Obj()},
		{Name: "ci.pipeline", Version: 1, Policy: action.Read, Watched: true, In: action.Obj(f("ref", text)), Out: action.Obj(f("status", text), f("open", num), f("started", typ(action.Time)))},
		{Name: "pkg.build", Version: 1, Policy: action.Lookup, Job: "build", In: action.Obj(f("suite", text), opt("jobs", num), opt("env", action.MapOf(text)), opt("flags", list)), Out: action.Obj(f("digest", digest), f("ok", typ(action.Bool)), f("took", typ(action.Duration)))},
		{Name: "web.deploy", Version: 1, Policy: action.Keyed, Undo: "web.rollback@1", In: action.Obj(f("site", text)), Out: action.Obj(f("url", text))},
		{Name: "web.rollback", Version: 1, Policy: action.Keyed, In: action.Obj(f("site", text)), Out: action.Obj()},
		{Name: "web.exists", Version: 1, Policy: action.Read, In: action.Obj(f("url", text)), Out: action.Obj(f("found", typ(action.Bool)))},
		{Name: "mail.send", Version: 1, Policy: action.OnceOrAsk, Irreversible: true, In: action.Obj(f("to", list), f("subject", text), opt("body", text)), Out: action.Obj(f("id", text))},
		{Name: "x.bare", Version: 1, In: action.Obj(), Out: action.Obj()},
	}
}

func known(children map[string]string) Known {
	return Known{Contracts: contracts(), Roles: []string{"maintainer", "release-manager", "pps", "tester"},
		Profile: action.Obj(f("name", typ(action.String)), f("branch", typ(action.String)), opt("list", typ(action.String)),
			f("suites", action.ListOf(action.Obj(f("name", typ(action.String)), f("arch", typ(action.String)))))),
		Playbooks: func(name string) *Playbook {
			src, ok := children[name]
			if !ok {
				return nil
			}
			p, err := Parse(name+".yaml", []byte(src))
			if err != nil {
				return nil
			}
			return p
		}}
}

// findings parses and checks src as one pass of `playbook check`.
func findings(src string, children map[string]string) (*Playbook, []Finding) {
	p, err := Parse("p.yaml", []byte(src))
	if err != nil {
		var list Errors
		if errors.As(err, &list) {
			return nil, list
		}
		return nil, []Finding{{Code: "unknown", Severity: Error, Text: err.Error()}}
	}
	return Check(p, known(children))
}

func mustCheck(t testing.TB, src string, children map[string]string) *Playbook {
	t.Helper()
	p, found := findings(src, children)
	for _, f := range found {
		if f.Severity == Error {
			t.Errorf("%s", f)
		}
	}
	if p == nil {
		t.Fatalf("the playbook was refused")
	}
	return p
}

const release = `# a whole release
playbook: release
doc: Releases a version.
name: "release/${project.name}/${inputs.version}"
inputs:
  version: {type: version, help: "two-digit month"}
  notes: {type: string, optional: true}
  base: {type: string, default: 2019.10}
  date: {type: time, default: "2019-01-31T09:00:00+01:00"}
roles:
  coordinator: {doc: leads, by: [pps]}
uses: ["repo/${project.name}"]
ledgers:
  sites:
    key: site
    columns: {site: string, country: {type: string, optional: true}}
    states: [asked, agreed, deployed, refused]
    moves: {asked: [agreed, refused], agreed: [deployed]}
    final: [deployed, refused]
guards:
  ci: {watch: ci.pipeline@1, with: {ref: "${project.branch}"}, value: pipeline.status, from: log, to: tag}
outputs: {tag: "${steps.tag.tag}"}
never:
  - {do: git.push_release, without: go}
steps:
  state: {do: git.state@2}
  log: {do: git.log@1, with: {from: "${steps.state.last_tag}", to: "${project.branch}"}, needs: [state]}
  appoint: {ask: pps, prompt: "Who leads ${run.name}?", fields: {person: {type: person}, fast: bool}, fills: coordinator}
  payload: {do: git.payload@1, with: {commit: "${steps.log.commit}", version: "${inputs.version}"}, needs: log, on_fail: {retry: {any: {times: 3, after: 1m}}}}
  builds:
    each: project.suites
    as: suite
    key: "${suite.name + '-' + suite.arch}"
    in: parallel 4
    enough: "items.filter(i, i.state == 'done' && i.?build.ok.orValue(false)).size() >= 2"
    needs: [payload]
    steps:
      build: {do: pkg.build@1, with: {suite: "${suite.name}", jobs: 4, env: {V: "${inputs.version}"}, flags: ["-a", "${suite.arch}"]}}
      test: {do: web.exists@1, with: {url: "http://x/${short(steps.build.digest)}/${steps.payload.size}"}, needs: [build]}
  go:
    gate: "2 of maintainer, not requester"
    binds: ["${steps.log.commit}", "${steps.payload.digest}", "${steps.builds.items.map(i, i.build.digest.orValue('sha256:none'))}"]
    say: |
      Release ${inputs.version}?
      Notes: ${inputs.notes.orValue("none")}
    expires: 7d
    remind: 4h
    on_reject: sorry
    needs: [payload, builds, appoint]
  sorry: {do: mail.send@1, with: {to: ["a@example.org"], subject: "No ${inputs.version}"}}
  ci: {wait: ci.pipeline@1, with: {ref: "${inputs.version}"}, until: "pipeline.status == 'success' && pipeline.started < now", fail: "pipeline.status in ['failed', 'canceled']", poll: 10m, deadline: 3d, needs: [go], on_fail: {retry: {any: {times: 2}}, ask_again: {do: ci.retry@1, with: {ref: "${inputs.version}"}}}}
  sign: {do: sign.tag@1, with: {payload: "${steps.payload.digest}"}, needs: [go, ci]}
  tag: {do: git.push_release@1, with: {object: "${steps.sign.object}"}, needs: [sign], on_fail: {retry: {moved: {times: 1}}}}
  quiet: {wait: time, at: "${inputs.date}", needs: [tag]}
  notes: {by_hand: release-manager, text: "Edit the notes.", evidence: {url: string}, probe: {do: web.exists@1, with: {url: "${evidence.url}"}}, until: exists.found, needs: [tag]}
  poll: {collect: {ledger: sites, prompt: "Join?", ask: {interested: bool}, deadline: 14d, late: accept, enough: "answers.filter(a, a.interested).size() >= 5"}, needs: [tag]}
  sites:
    each: {ledger: sites, where: "site.state == 'agreed'"}
    as: site
    until: "ledgers.sites.count.deployed >= 10 || ledgers.sites.total == 0"
    needs: [poll]
    steps:
      deploy: {do: web.deploy@1, with: {site: "${site.site}"}}
      look: {do: web.exists@1, with: {url: "${steps.deploy.url}"}, needs: [deploy], on_fail: {undo: [deploy]}}
  tell: {do: mail.send@1, with: {to: ["${project.list.orValue('x@example.org')}"], subject: "Released ${inputs.version}", body: "${steps.maybe.?tag.orValue('none')} ${lines(steps.log.text).size()}"}, needs: [tag, maybe]}
  maybe: {do: git.log@1, when: "inputs.notes.hasValue() && steps.appoint.fast", with: {to: "x"}, needs: [appoint]}
  updates: {offer: {update: {playbook: update, by: [coordinator], priority: 1, with: {name: "${inputs.version}"}}}, closes: coordinator, needs: [tag]}
`

const update = "playbook: update\ninputs: {name: string, why: {type: string, optional: true}}\nsteps:\n  a: {do: git.state@2}\noutputs: {head: \"${steps.a.head}\"}\n"

func TestWholePlaybookIsAccepted(t *testing.T) {
	p := mustCheck(t, release, map[string]string{"update": update})
	if p.Inputs[2].Default != "2019.10" {
		t.Errorf("the default 2019.10 became %v", p.Inputs[2].Default)
	}
	if p.Inputs[3].Default != "2019-01-31T08:00:00Z" {
		t.Errorf("the date became %v", p.Inputs[3].Default)
	}
	if got := p.ProfileReads(); len(got) != 4 {
		t.Errorf("profile reads: %v", got)
	}
	if !p.Step("maybe").Optional || p.Step("tag").Optional || !p.Step("sorry").Optional {
		t.Errorf("optional steps are wrong")
	}
	if got := p.Step("builds/test").Reads; len(got) != 2 || got[0] != "builds/build" || got[1] != "payload" {
		t.Errorf("reads of builds/test: %v", got)
	}
	if Describe(p) == "" {
		t.Error("no description")
	}
	nodes, edges := Graph(p)
	if len(nodes) != len(pathsOf(p, "")) || len(edges) < 15 {
		t.Errorf("graph: %d nodes, %d edges", len(nodes), len(edges))
	}
}

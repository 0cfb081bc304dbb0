package playbook

import (
	"strings"
	"testing"

	"slipway/bot/action"
)

const withRows = `
playbook: rows
inputs: {boss: {type: person}}
roles: {team: {many: true}, lead: {}}
ledgers:
  sites: {key: site, columns: {site: string, admin: {type: person}, note: {type: string, optional: true}, size: {type: int, optional: true}}, states: [asked, agreed], moves: {asked: [agreed]}, final: [agreed], actions: {retry: {agreed: asked}}}
steps:
  pick: {ask: "${inputs.boss}", fields: {persons: {type: list(person)}}, fills: team}
  enter: {do: ledger.fill@1, with: {ledger: sites, rows: [{site: a, admin: b}]}}
  poll: {collect: {ledger: sites, ask: {note: string}, deadline: 3d}}
  visit:
    each: {ledger: sites}
    as: site
    until: "ledgers.sites.total > 3"
    steps:
      talk: {by_hand: "${site.admin}", text: "Talk", evidence: {url: string}, probe: {do: web.exists@1, with: {url: "${evidence.url}"}}, as: seen, until: seen.found}
      note: {do: ledger.move@1, with: {ledger: sites, key: "${site.key}", to: agreed, set: {note: "${steps.talk.url}"}}, needs: [talk]}
`

func TestRowsPersonsAndRolesOfMany(t *testing.T) {
	text := typ(action.String)
	k := known(nil)
	k.Contracts = append(k.Contracts,
		action.Contract{Name: "ledger.fill", Version: 1, Policy: action.Keyed, In: action.Obj(f("ledger", text), f("rows", action.ListOf(action.MapOf(text)))), Out: action.Obj()},
		action.Contract{Name: "ledger.move", Version: 1, Policy: action.Keyed, In: action.Obj(f("ledger", text), f("key", text), f("to", text), opt("set", action.MapOf(text))), Out: action.Obj()},
		action.Contract{Name: "x.site", Version: 1, Policy: action.Read, In: action.Obj(f("url", text)), Out: action.Obj(f("found", typ(action.Bool)))},
		action.Contract{Name: "x.project", Version: 1, Policy: action.Read, In: action.Obj(f("url", text)), Out: action.Obj(f("found", typ(action.Bool)))})
	try := func(src string) []Finding {
		p, err := Parse("p.yaml", []byte(src))
		if err != nil {
			_, found := findings(src, nil)
			return found
		}
		_, found := Check(p, k)
		return found
	}
	if found := try(withRows); Refused(found) {
		t.Fatalf("the good one: %v", found)
	}
	for _, c := range []struct{ old, new, text, fix string }{
		{"team: {many: true}", "team: {}", "one person holds it", "many: true"},
		{"persons: {type: list(person)}", "persons: {type: list(string)}", "asks for no person", "list(person)"},
		{"boss: {type: person}", "boss: {type: string}", "the input boss is no person", "type: person"},
		{"${site.admin}", "${site.note.orValue('')}", "", ""},
		{"${site.admin}", "${site.site}", "the column site of sites is no person", "type: person"},
		{"key: \"${site.key}\", to: agreed", "key: \"${site.key}\", to: agred", `state "agred"`, `"agreed"`},
		{"key: \"${site.key}\", to: agreed", "key: \"${site.key}\", to: asked", "no move leads there", "moves"},
		{"move@1, with: {ledger: sites", "move@1, with: {ledger: site", `ledger "site"`, `"sites"`},
		{"move@1, with: {ledger: sites", "move@1, with: {ledger: \"${run.id}\"", "by an expression", "write the name"},
		{"set: {note:", "set: {nota:", `column "nota"`, `"note"`},
		{"set: {note:", "set: {site:", "the key of sites", ""},
		{"rows: [{site: a, admin: b}]", "rows: [{site: a, admim: b}]", `column "admim"`, `"admin"`},
		{"ask: {note: string}", "ask: {size: string}", "does not fit", "the same type"},
		{"ask: {note: string}", "ask: {site: string}", "the key of sites", "another name"},
		{"as: seen, until: seen.found", "as: site, until: site.found", "already means something", "as: NAME"},
		{"as: seen, until: seen.found", "as: steps, until: steps.found", "means something else", "another name"},
		{"probe: {do: web.exists@1, with: {url: \"${evidence.url}\"}}, as: seen, until: seen.found", "probe: {do: x.project@1, with: {url: \"${evidence.url}\"}}, until: project.found", "something else in expressions", "as: NAME"},
		{"probe: {do: web.exists@1, with: {url: \"${evidence.url}\"}}, as: seen, until: seen.found", "as: seen", "no probe", "remove"},
		{"moves: {asked: [agreed]}", "moves: {asked: [agreed], agreed: [asked]}", "has moves", "actions: {retry: {agreed"},
	} {
		if c.text == "" {
			continue
		}
		src := strings.Replace(withRows, c.old, c.new, 1)
		if src == withRows {
			t.Errorf("%q is not there", c.old)
			continue
		}
		ok := false
		found := try(src)
		for _, f := range found {
			ok = ok || f.Severity == Error && strings.Contains(f.Text, c.text) && strings.Contains(f.Fix, c.fix)
		}
		if !ok {
			t.Errorf("%q → %q: want %q, got %v", c.old, c.new, c.text, found)
		}
	}
	p, err := Parse("p.yaml", []byte(withRows))
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Step("visit/talk").Title(); got != "by hand: ${site.admin}" {
		t.Errorf("title %q", got)
	}
	if got := strings.Join(p.RoleNames(), " "); got != "lead team" {
		t.Errorf("roles %q", got)
	}
}

package playbook

import (
	"fmt"
	"strings"
	"time"

	"slipway/bot/action"
)

// Docs writes a checked playbook as a page in Markdown: the checklist by which people could do it
// with pencil and paper, and by which they judge what the bot does. It names for every step who
// does it, what and when, what it needs, what follows when it goes wrong, and how it is taken back.
func Docs(p *Playbook) string {
	d := &docs{p: p}
	d.head()
	d.inputs()
	d.people()
	d.gates()
	d.never()
	d.f("## Steps\n\nA step begins as soon as what it needs is done or skipped; steps that do not need each other go on side by side. ")
	d.f("What stands in `${…}` is a value that the run fills in. ")
	d.f("Where nothing else is said, a step that fails stops there, and a person is asked.\n\n")
	d.steps(p.Steps, "", "")
	d.ledgers()
	d.ends()
	return d.String()
}

type docs struct {
	strings.Builder
	p *Playbook
}

func (d *docs) f(format string, args ...any) { fmt.Fprintf(d, format, args...) }

func (d *docs) head() {
	p := d.p
	d.f("# %s\n\n", plain(p.Name))
	if doc := strings.TrimSpace(p.Doc); doc != "" {
		d.f("%s\n\n", plain(doc))
	}
	if p.RunName != nil {
		d.f("- A run is named %s. ", code(p.RunName.Text))
		switch p.Overlap {
		case Queue:
			d.f("A second one of a name that is under way waits its turn.")
		case Replace:
			d.f("A second one of a name that is under way takes its place.")
		default:
			d.f("A second one of a name that is under way is refused.")
		}
		if p.Once {
			d.f(" A name whose run ended as done is not given again.")
		}
		d.f("\n")
	}
	if t := p.Trigger; t != nil {
		missed := map[string]string{"run-once": "missed times are made up for once", "run-all": "every missed time is made up for", "skip": "missed times are left out"}
		when := t.Every
		if when == "" {
			when = "on " + t.Fact
		}
		d.f("- It starts by itself: %s; %s. It belongs to the %s.\n", plain(when), missed[t.Missed], plain(t.Owner))
		if t.When != nil {
			d.f("- It starts so only when %s.\n", code(t.When.Text))
		}
	}
	if len(p.Uses) > 0 {
		d.f("- The whole run holds %s: no other run uses it meanwhile.\n", codes(texts(p.Uses)))
	}
	if p.Digest != "" {
		d.f("- Digest of this definition: %s\n", code(p.Digest))
	}
	d.f("\n")
}

func (d *docs) inputs() {
	if len(d.p.Inputs) == 0 {
		return
	}
	d.f("## What is asked at the start\n\n| Input | Kind | Meaning | If it is left out |\n|---|---|---|---|\n")
	for _, in := range d.p.Inputs {
		d.f("| %s | %s | %s | %s |\n", code(in.Name), cell(kindOf(in)), cell(plain(in.Help)), cell(leftOut(in)))
	}
	d.f("\n")
}

func kindOf(in Input) string {
	switch {
	case in.Person:
		return "a person"
	case len(in.Type.Enum) > 0:
		return strings.Join(in.Type.Enum, " or ")
	}
	return typeWord(in.Type)
}

func typeWord(t action.Type) string {
	switch t.Kind {
	case action.String:
		return "text"
	case action.Int:
		return "whole number"
	case action.Bool:
		return "yes or no"
	case action.List:
		return "list of " + typeWord(*t.Elem)
	case action.Map:
		return "map of " + typeWord(*t.Elem)
	}
	return string(t.Kind)
}

func leftOut(in Input) string {
	switch {
	case in.Default == "":
		return "empty"
	case in.Default != nil:
		return code(fmt.Sprint(in.Default))
	case in.Optional:
		return "nothing"
	}
	return "asked for"
}

// people lists every role with what it does here.
func (d *docs) people() {
	var order []string
	does := map[string][]string{}
	add := func(role, what string) {
		if role == "" {
			return
		}
		if does[role] == nil {
			order = append(order, role)
		}
		if !contains(does[role], what) {
			does[role] = append(does[role], what)
		}
	}
	for _, r := range d.p.Roles {
		what := strings.TrimSpace(r.Doc)
		if what == "" {
			what = "filled while the run goes on"
		}
		add(r.Name, plain(what))
		if len(r.By) > 0 {
			add(r.Name, "appointed by "+plain(strings.Join(r.By, " or ")))
		}
	}
	walk(d.p.Steps, func(s *Step) {
		switch {
		case s.Gate != nil:
			for _, role := range s.Gate.Rule.Roles() {
				add(role, "approves at "+code(s.Path))
			}
			add(s.Gate.Lifts, "may lift a veto at "+code(s.Path))
		case s.Ask != nil:
			add(s.Ask.Of, "answers "+code(s.Path))
		case s.ByHand != nil:
			add(s.ByHand.Of, "does "+code(s.Path))
		case s.Offer != nil:
			add(s.Offer.Closes, "closes "+code(s.Path))
			for _, e := range s.Offer.Entries {
				for _, role := range e.By {
					add(role, "may start "+code(e.Name)+" at "+code(s.Path))
				}
			}
		}
		if s.MaySkip != nil {
			for _, role := range s.MaySkip.By {
				add(role, "may skip "+code(s.Path))
			}
		}
	})
	if len(order) == 0 {
		return
	}
	d.f("## Who takes part\n\n")
	for _, role := range order {
		d.f("- **%s** %s\n", plain(role), strings.Join(does[role], "; "))
	}
	d.f("\n")
}

func (d *docs) gates() {
	var all []*Step
	walk(d.p.Steps, func(s *Step) {
		if s.Gate != nil {
			all = append(all, s)
		}
	})
	if len(all) == 0 {
		return
	}
	d.f("## Gates\n\n")
	for _, s := range all {
		g := s.Gate
		d.f("### %s\n\n", plain(s.Path))
		if s.Doc != "" {
			d.f("%s.\n\n", strings.TrimRight(plain(s.Doc), "."))
		}
		d.f("Rule: %s. %s\n\n", code(g.Rule.String()), RuleInWords(g.Rule))
		d.f("What they approve, to the byte:\n\n")
		for _, b := range g.Binds {
			d.f("- %s\n", code(b.Text))
		}
		d.f("\nWhen one of these changes, every approval is void and people are asked anew.")
		if g.Expires > 0 {
			d.f(" After %s it expires, and is asked anew.", span(g.Expires))
		}
		if g.OnReject != "" {
			d.f(" If they reject it, the run goes on at %s.", code(g.OnReject))
		} else {
			d.f(" If they reject it, the run ends as rejected.")
		}
		lifts := "Whoever laid a veto may lift it"
		if g.Lifts != "" {
			lifts += ", and so may the " + plain(g.Lifts)
		}
		d.f(" %s.\n\n", lifts)
	}
}

func (d *docs) never() {
	if len(d.p.Never) == 0 {
		return
	}
	d.f("## What never happens\n\nProven before any run begins, whatever is skipped, retried or changed on the way:\n\n")
	for _, n := range d.p.Never {
		d.f("- Never %s unless the gate %s was passed.\n", code(n.Do), code(n.Without))
	}
	d.f("\n")
}

func (d *docs) ledgers() {
	for _, l := range d.p.Ledgers {
		d.f("## Register %s\n\nEach row is named by %s. It begins as **%s**", plain(l.Name), code(l.Key), plain(l.States[0]))
		if len(l.Final) > 0 {
			d.f(" and ends as %s", plain(strings.Join(l.Final, " or ")))
		}
		d.f(".\n\n| From | To |\n|---|---|\n")
		for _, s := range l.States {
			if to := l.Moves[s]; len(to) > 0 {
				d.f("| %s | %s |\n", cell(s), cell(strings.Join(to, ", ")))
			}
		}
		d.f("\n")
		for _, name := range sortedNames(l.Actions) {
			var ways []string
			for _, from := range sortedNames(l.Actions[name]) {
				ways = append(ways, from+" → "+l.Actions[name][from])
			}
			d.f("- A person may %s a row: %s.\n", code(name), plain(strings.Join(ways, ", ")))
		}
		if len(l.Actions) > 0 {
			d.f("\n")
		}
	}
}

func (d *docs) ends() {
	for _, g := range d.p.Guards {
		d.f("- From %s to %s, %s of %s must not change (%s).\n", code(g.From), code(g.To), code(g.Value.Text), code(g.Watch), plain(g.Name))
	}
	if len(d.p.Guards) > 0 {
		d.f("\n")
	}
	if len(d.p.Outputs) == 0 {
		return
	}
	d.f("## What comes out\n\n")
	for _, o := range d.p.Outputs {
		d.f("- %s: %s\n", plain(o.Name), code(o.Value.Text))
	}
}

func texts(all []*Template) []string {
	out := make([]string, len(all))
	for i, t := range all {
		out[i] = t.Text
	}
	return out
}

// span writes a duration for people: "3 days", "4 hours 30 minutes".
func span(d time.Duration) string {
	var parts []string
	for _, u := range []struct {
		unit time.Duration
		word string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		n := d / u.unit
		d -= n * u.unit
		switch {
		case n == 1:
			parts = append(parts, "1 "+u.word)
		case n > 1:
			parts = append(parts, fmt.Sprintf("%d %ss", n, u.word))
		}
	}
	return strings.Join(parts, " ")
}

// every writes how often something is done: "every day", "every 4 hours".
func every(d time.Duration) string {
	text := span(d)
	if one, has := strings.CutPrefix(text, "1 "); has && !strings.Contains(one, " ") {
		text = one
	}
	return "every " + text
}

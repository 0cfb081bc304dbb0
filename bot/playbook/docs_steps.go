package playbook

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"slipway/bot/action"
	"slipway/bot/gate"
)

// steps writes a body, in an order in which it can be done.
func (d *docs) steps(body []*Step, indent, number string) {
	for i, s := range doable(body) {
		no := fmt.Sprintf("%s%d", number, i+1)
		d.f("%s- [ ] **%s.** %s", indent, no, code(s.ID))
		if s.Doc != "" {
			d.f(" — %s", plain(oneLine(s.Doc)))
		}
		d.f("\n")
		in := indent + "  "
		line := func(what, format string, args ...any) {
			d.f("%s- %s: %s\n", in, what, fmt.Sprintf(format, args...))
		}
		d.whoAndWhat(s, line)
		d.when(s, line)
		d.failure(s, line)
		if s.Each != nil && len(s.Each.Steps) > 0 {
			d.f("%s- For each:\n\n", in)
			d.steps(s.Each.Steps, in+"  ", no+".")
		}
		d.f("\n")
	}
}

type liner = func(what, format string, args ...any)

func (d *docs) whoAndWhat(s *Step, line liner) {
	switch s.Kind {
	case Do:
		d.action(s.Do, line)
	case GateK:
		line("Who", "%s", code(s.Gate.Rule.String()))
		if s.Gate.Say != nil {
			line("They read", "%s, and every value that they approve", code(s.Gate.Say.Text))
		}
	case Ask:
		line("Who", "%s", d.addressee(s.Ask.Of, s.Ask.Person))
		if s.Ask.Prompt != nil {
			line("Question", "%s", code(s.Ask.Prompt.Text))
		}
		d.fields("Answer", s.Ask.Fields, line)
		if s.Ask.Fills != "" {
			line("Then", "the person named is %s of the run", plain(s.Ask.Fills))
		}
	case Wait:
		if s.Wait.Ref == "" {
			line("Wait until", "%s", code(s.Wait.At.Text))
			return
		}
		line("Who", "the bot watches %s%s", code(s.Wait.Ref), contractDoc(s.Wait.Contract))
		if s.Wait.Until != nil {
			line("Done when", "%s", code(s.Wait.Until.Text))
		}
		if s.Wait.Fail != nil {
			line("Failed when", "%s", code(s.Wait.Fail.Text))
		}
		line("Looked at", "whenever something is heard of it, and %s", every(s.Wait.Poll))
	case Each:
		d.each(s.Each, line)
	case Call:
		line("Who", "the bot, by a run of the playbook %s", code(s.Call.Playbook))
		d.with(s.Call.With, line)
	case ByHand:
		line("Who", "%s", d.addressee(s.ByHand.Of, s.ByHand.Person))
		line("To do", "%s", code(s.ByHand.Text.Text))
		d.fields("Evidence", s.ByHand.Evidence, line)
		if s.ByHand.Probe != nil && s.ByHand.Until != nil {
			line("Checked", "%s must see %s", code(s.ByHand.Probe.Ref), code(s.ByHand.Until.Text))
		}
	case Collect:
		c := s.Collect
		line("Who", "every member of the register %s", plain(c.Ledger))
		if c.Prompt != nil {
			line("Question", "%s", code(c.Prompt.Text))
		}
		d.fields("Answer", c.Ask, line)
		if c.Enough != nil {
			line("Enough when", "%s", code(c.Enough.Text))
		}
		late := "refused"
		if c.Late == "accept" {
			late = "accepted and marked"
		}
		line("Ends after", "%s; late answers are %s", span(c.Deadline), late)
	case Offer:
		for _, e := range s.Offer.Entries {
			line("On offer", "%s, a run of %s, %s", plain(e.Name), code(e.Playbook), entryStarts(e))
		}
		line("Closed by", "%s", plain(s.Offer.Closes))
	}
}

func entryStarts(e OfferEntry) string {
	var ways []string
	if len(e.By) > 0 {
		ways = append(ways, "started by "+plain(strings.Join(e.By, " or ")))
	}
	if e.Fact != "" {
		ways = append(ways, "started by the fact "+code(e.Fact))
	}
	if e.Every != "" {
		ways = append(ways, "started "+plain(e.Every))
	}
	return strings.Join(ways, ", or ")
}

func (d *docs) action(a *DoPart, line liner) {
	who := "the bot"
	if a.Contract.Job != "" {
		who = fmt.Sprintf("whoever takes work of the kind %s: the bot hands it out", code(a.Contract.Job))
	}
	line("Who", "%s, by %s%s", who, code(a.Ref), contractDoc(a.Contract))
	d.with(a.With, line)
	if a.Contract.Shell != "" {
		line("By hand", "%s", code(a.Contract.Shell))
	}
	repeats := map[action.Policy]string{
		action.Read:        "it only reads, so it may be repeated freely",
		action.Keyed:       "a repeat is known by its key and changes nothing",
		action.Conditional: "it is done only if what it found is still so; a repeat changes nothing",
		action.Lookup:      "before a repeat it is looked for whether it happened",
		action.OnceOrAsk:   "it is done once; where nobody can tell whether it happened, a person is asked",
	}
	if text := repeats[a.Contract.Policy]; text != "" {
		line("Repeats", "%s", text)
	}
	switch {
	case a.Contract.Undo != "":
		line("Taken back", "by %s", code(a.Contract.Undo))
	case a.Contract.Policy != action.Read && a.Contract.Irreversible:
		line("Taken back", "**it cannot be taken back**")
	}
}

func (d *docs) each(e *EachPart, line liner) {
	if e.Job != nil {
		line("Who", "builders, each row of %s that is %s", plain(e.Ledger), plain(e.Job.From))
		d.action(e.Job.Do, line)
		var ends []string
		for _, f := range e.Job.Failed {
			ends = append(ends, f.Class+" → "+f.To)
		}
		line("A row", "goes to %s when taken, to %s when good, and when it fails: %s", plain(e.Job.Takes.To), plain(e.Job.OK.To), plain(strings.Join(ends, ", ")))
		line("Given up", "after %d tries that were lost or given back", e.Job.Tries)
	} else if e.Ledger != "" {
		line("Over", "the rows of the register %s", plain(e.Ledger))
	} else {
		line("Over", "%s", code(e.Of.Text))
	}
	if e.Where != nil {
		line("Only those where", "%s", code(e.Where.Text))
	}
	if e.Until != nil {
		line("The list closes when", "%s", code(e.Until.Text))
	}
	if e.Job == nil {
		if e.Parallel > 1 {
			line("At once", "up to %d", e.Parallel)
		} else {
			line("At once", "one, in order")
		}
	}
	if e.Enough != nil {
		line("Enough when", "%s", code(e.Enough.Text))
	}
}

func (d *docs) with(with map[string]*Template, line liner) {
	for _, name := range slices.Sorted(maps.Keys(with)) {
		if t := with[name]; t.Text != "" {
			line(code(name), "%s", code(t.Text))
		}
	}
}

func (d *docs) fields(what string, fields []Input, line liner) {
	for _, f := range fields {
		text := kindOf(f)
		if f.Help != "" {
			text += ": " + plain(f.Help)
		}
		if f.Default != nil || f.Optional {
			text += " (if left out: " + leftOut(f) + ")"
		}
		line(what+" "+code(f.Name), "%s", text)
	}
}

func (d *docs) when(s *Step, line liner) {
	if len(s.Branch) > 0 {
		line("Only if", "it went wrong at %s", codes(s.Branch))
	}
	if len(s.Needs) > 0 {
		line("After", "%s", codes(s.Needs))
	}
	if len(s.Any) > 0 {
		line("After one of", "%s", codes(s.Any))
	}
	if s.When != nil {
		line("Only when", "%s; else it is skipped", code(s.When.Text))
	}
	if len(s.Uses) > 0 {
		line("Holds", "%s: no other run uses it meanwhile", codes(texts(s.Uses)))
	}
	if f := s.FrozenBy; f != nil {
		then := map[string]string{"wait": "waits", "ask": "asks a person", "skip": "is skipped"}[f.Then]
		line("In a freeze", "of the calendar %s it %s", plain(f.Calendar), then)
	}
	if s.Remind > 0 {
		line("Reminder", "%s", every(s.Remind))
	}
	if m := s.MaySkip; m != nil {
		text := plain(strings.Join(m.By, " or ")) + " may skip it"
		if m.When != nil {
			text += " when " + code(m.When.Text)
		}
		line("Skipping", "%s", text)
	}
	if dl := s.Deadline; dl != nil {
		then := map[string]string{"stuck": "a person is asked", "skip": "it is skipped", "fail": "it has failed"}[dl.Then]
		line("Deadline", "%s after it began; then %s", span(dl.After), then)
	}
}

func (d *docs) failure(s *Step, line liner) {
	f := s.OnFail
	if f == nil {
		return
	}
	var parts []string
	for _, r := range f.Retries {
		class := "any failure"
		if r.Class != "any" {
			class = "the failure " + code(r.Class)
		}
		text := fmt.Sprintf("%s is tried again %d times", class, r.Times)
		if r.Times == 1 {
			text = class + " is tried again once"
		}
		if r.After > 0 {
			text += ", after " + span(r.After)
		}
		parts = append(parts, text)
	}
	if f.Ref != nil {
		parts = append(parts, "each time "+code(f.Ref.Ref)+" asks for it")
	}
	if len(f.Undo) > 0 {
		parts = append(parts, "then "+codes(f.Undo)+" is taken back, newest first")
	}
	if f.Goto != "" {
		parts = append(parts, "then it goes on at "+code(f.Goto))
	} else {
		parts = append(parts, "then a person is asked")
	}
	line("If it fails", "%s", strings.Join(parts, "; "))
}

func (d *docs) addressee(of string, person *Template) string {
	switch {
	case person != nil:
		return "the person " + code(person.Text)
	case of == "requester":
		return "whoever asked for the run"
	}
	return "one who is " + plain(of)
}

func contractDoc(k action.Contract) string {
	if k.Doc == "" {
		return ""
	}
	return ": " + strings.TrimRight(plain(oneLine(k.Doc)), ".")
}

// doable orders a body so that a step stands after what it needs; else as declared.
func doable(body []*Step) []*Step {
	placed := map[string]bool{}
	inside := map[string]bool{}
	for _, s := range body {
		inside[s.Path] = true
	}
	ready := func(s *Step) bool {
		for _, list := range [][]string{s.Needs, s.Any, s.Branch} {
			for _, path := range list {
				if inside[path] && !placed[path] {
					return false
				}
			}
		}
		return true
	}
	out := make([]*Step, 0, len(body))
	for len(out) < len(body) {
		before := len(out)
		for _, s := range body {
			if !placed[s.Path] && ready(s) {
				placed[s.Path] = true
				out = append(out, s)
			}
		}
		if len(out) == before {
			return body
		}
	}
	return out
}

var ruleTerm = regexp.MustCompile(`([0-9]+) of ([a-z0-9_-]+)`)

// RuleInWords says what a gate's rule asks, in a sentence or two.
func RuleInWords(r gate.Rule) string {
	if r.IsZero() {
		return "Nobody can pass it."
	}
	text, _, _ := strings.Cut(r.String(), ", not ")
	several := len(ruleTerm.FindAllString(text, -1)) > 1
	text = ruleTerm.ReplaceAllStringFunc(text, func(term string) string {
		m := ruleTerm.FindStringSubmatch(term)
		if m[1] == "1" {
			return "one person who is " + m[2]
		}
		several = true
		return m[1] + " people who are " + m[2]
	})
	text = "It needs a yes from " + text + "."
	if several {
		text += " These are different people: nobody counts twice, through whatever account."
	}
	switch {
	case r.NotRequester() && r.NotAuthor():
		text += " Who asked for the run, and who wrote what is approved, do not count."
	case r.NotRequester():
		text += " Who asked for the run does not count."
	case r.NotAuthor():
		text += " Who wrote what is approved does not count."
	}
	return text
}

var markdown = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", "&lt;", "&", "&amp;", "#", `\#`)

// plain writes text of a playbook so that nothing in it is markup.
func plain(s string) string { return markdown.Replace(s) }

// code writes s as it stands in the file.
func code(s string) string {
	s = oneLine(s)
	if s == "" {
		return "\u201c\u201d"
	}
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	if len(fence) > 1 {
		return fence + " " + s + " " + fence
	}
	return fence + s + fence
}

func codes(all []string) string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = code(s)
	}
	return strings.Join(out, ", ")
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func cell(s string) string { return strings.ReplaceAll(oneLine(s), "|", `\|`) }

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

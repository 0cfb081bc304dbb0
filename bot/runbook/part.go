package runbook

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// part writes one step.
func (m *maker) part(n int, t run.Task) Part {
	p := &page{m: m}
	hand := m.hand(t)
	over := m.s.Status == run.RunEnded || m.s.Status == run.IsAborting
	open := !settled(t) && !t.Never && !over
	p.comment("%d. %s: %s", n, t.Path, t.Title)
	p.comment("%s", m.standing(t))
	switch {
	case t.Never && !settled(t):
	case over && !settled(t):
		if begun(t) && hand != nil { // what it did must be known before it is undone
			m.values(p, t, hand.Looks)
			m.look(p, hand)
		}
	case settled(t):
		m.outcome(p, t)
		if hand != nil && hand.Local && m.read(t) {
			p.comment("What it made is nowhere but with Slipway. This makes the same again:")
			m.commands(p, t, hand)
		}
	default:
		m.open(p, t, hand)
	}
	return Part{Step: t.Path, Open: open, Text: p.String()}
}

// standing says in one line how the step stands.
func (m *maker) standing(t run.Task) string {
	why := ""
	if t.Message != "" {
		why = ": " + t.Message
	}
	switch {
	case t.Status == run.SkippedSt:
		return "Skipped" + why
	case t.Status == run.Adopted:
		return "Done, by hand: Slipway found it."
	case t.Status == run.Done:
		return "Done."
	case t.Never:
		return "Not needed."
	case t.Status == run.InDoubt:
		return "DOUBTFUL: it may have happened, nobody knows" + why
	case begun(t):
		return "UNDER WAY: it may have happened" + why
	case t.Status == run.Running:
		return "Now" + why
	case t.Status == run.FailedSt:
		return "Failed" + why
	case t.Status == run.Stuck:
		return "Stuck" + why
	}
	return "To come" + why
}

// read reports whether a step that is still to come reads what t made.
func (m *maker) read(t run.Task) bool {
	return slices.ContainsFunc(m.rest.Tasks, func(other run.Task) bool {
		return !settled(other) && !other.Never && slices.Contains(other.Reads, t.Path)
	})
}

// outcome lists what a step gave, so that it can be compared with what is there.
func (m *maker) outcome(p *page, t run.Task) {
	for _, name := range slices.Sorted(maps.Keys(t.Out)) {
		p.comment("  %s = %s", name, short(t.Out[name]))
	}
}

// short is a value on one line; what is long is told by its size and digest.
func short(v any) string {
	if s, ok := v.(string); ok {
		if len(s) <= 200 && !strings.ContainsAny(s, "\n\r") {
			return s
		}
		return fmt.Sprintf("%d bytes, %s", len(s), action.DigestOf([]byte(s)))
	}
	data, err := action.Canonical(v)
	if err != nil {
		return errs.Text(err)
	}
	if list, ok := v.([]any); ok && len(data) > 400 {
		return fmt.Sprintf("%s, %s", count(len(list), "entry", "entries"), action.DigestOf(data))
	}
	if len(data) > 400 {
		return fmt.Sprintf("%d bytes, %s", len(data), action.DigestOf(data))
	}
	return string(data)
}

// hand asks the contract of an action how it is done by hand; nil when it does not say.
func (m *maker) hand(t run.Task) *action.Hand {
	if t.Contract.ByHand == nil || t.In == nil {
		return nil
	}
	h := action.NewHand(t.Path, t.In, t.Out, m.s.Profile, t.Outs, m.rest.Marks)
	t.Contract.ByHand(h)
	return h
}

// open writes a step that is not done.
func (m *maker) open(p *page, t run.Task, hand *action.Hand) {
	if t.When != "" {
		p.comment("Only if: %s", t.When)
	}
	if t.Each != "" {
		p.comment("Once for each of: %s", t.Each)
	}
	for _, line := range t.Lines {
		p.comment("! %s", line)
	}
	if m.o.Script {
		p.line("if ! finished " + action.Quote(t.Path) + "; then")
		p.line("say " + action.Quote(fmt.Sprintf("--- %s: %s", t.Path, one(m.rest.Marks.Show(t.Title)))))
	}
	ask := ""
	switch t.Kind {
	case playbook.GateK:
		ask = m.gate(p, t)
	case playbook.Ask, playbook.ByHand:
		ask = m.asked(p, t)
	case playbook.Wait:
		ask = m.wait(p, t, hand)
	case playbook.Do:
		ask = m.do(p, t, hand)
	default:
		p.comment("%s", t.Text)
		ask = "Is " + t.Path + " done?"
	}
	if !m.o.Script {
		return
	}
	if t.When != "" && t.Kind == playbook.Do {
		ask = ""
	}
	if ask != "" {
		p.line("confirm " + action.Quote(one(m.rest.Marks.Show(ask))))
	}
	p.line("finish " + action.Quote(t.Path))
	p.line("fi")
}

// gate says who must agree to what.
func (m *maker) gate(p *page, t run.Task) string {
	if t.Text != "" {
		p.comment("The question: %s", t.Text)
	}
	p.comment("Who has to say yes: %s", t.Rule)
	m.who(p, t)
	p.comment("Read them these values, and write down who agreed, when and how you know that it was them:")
	for _, b := range t.Binds {
		p.comment("  %s = %s", b.Name, short(b.Value))
	}
	return "Have they approved " + t.Path + " (" + t.Rule + ")?"
}

// asked says who must answer or do what.
func (m *maker) asked(p *page, t run.Task) string {
	if t.Kind == playbook.ByHand {
		p.comment("A person does it: %s", t.Text)
	} else {
		p.comment("The question: %s", t.Text)
	}
	m.who(p, t)
	for _, f := range t.Fields {
		help := ""
		if f.Help != "" {
			help = ": " + f.Help
		}
		p.comment("  %s (%s)%s", f.Name, f.Type, help)
	}
	if t.Kind == playbook.ByHand {
		return "Is " + t.Path + " done?"
	}
	return "Is the answer to " + t.Path + " one with which to go on?"
}

func (m *maker) who(p *page, t run.Task) {
	for _, w := range t.Who {
		var names []string
		for _, id := range w.Persons {
			names = append(names, m.person(id))
		}
		if len(names) == 0 {
			names = []string{"nobody who is known"}
		}
		p.comment("  %s: %s", w.Role, strings.Join(names, ", "))
	}
}

// wait says what to look at.
func (m *maker) wait(p *page, t run.Task, hand *action.Hand) string {
	p.comment("Wait until: %s", t.Until)
	if t.Fail != "" {
		p.comment("It has failed, and you stop here, when: %s", t.Fail)
	}
	if hand != nil {
		m.notes(p, hand)
		m.commands(p, t, hand)
		if len(hand.Looks) > 0 {
			p.comment("To look:")
			m.values(p, t, hand.Looks)
			m.look(p, hand)
		}
	} else if t.Ref != "" {
		m.plain(p, t)
	}
	return "Is it so: " + t.Until + "?"
}

// look writes the commands that show whether it is done. That there is nothing ends no shell.
func (m *maker) look(p *page, hand *action.Hand) {
	for _, look := range hand.Looks {
		p.line(look + " || true")
	}
}

// do writes how an action is performed. What it returns is asked where nobody could write how.
func (m *maker) do(p *page, t run.Task, hand *action.Hand) string {
	once := ""
	if t.Contract.Irreversible {
		once = "Nothing undoes it. Look before you do it again."
	}
	if hand != nil && hand.Once != "" {
		once = hand.Once
	}
	if once != "" {
		p.comment("NOT TWICE: %s", once)
	}
	if t.Status == run.Running && once != "" {
		p.comment("Slipway does this when it is started again, unless it finds it done.")
	}
	if hand == nil {
		m.plain(p, t)
		return "Is " + t.Path + " done?"
	}
	m.notes(p, hand)
	doubt := begun(t)
	if doubt {
		p.comment("Look first whether it happened:")
		m.values(p, t, hand.Looks)
		m.look(p, hand)
	} else if len(hand.Looks) > 0 {
		p.comment("To see whether it is done:")
		for _, look := range hand.Looks {
			p.remark("  " + look)
		}
	}
	if doubt && m.o.Script {
		p.line("if happened " + action.Quote("Did "+t.Path+" happen?") + "; then :; else")
	} else if doubt {
		p.comment("Only if it did not happen:")
	}
	if m.o.Script && t.When != "" {
		p.line("if holds " + action.Quote(one(m.rest.Marks.Show(t.When))) + "; then")
	}
	ask := ""
	if len(hand.Commands) == 0 {
		ask = "Is " + t.Path + " done?"
		if m.o.Script {
			p.line(":")
		}
	}
	m.commands(p, t, hand)
	if m.o.Script && t.When != "" {
		p.line("fi")
	}
	if doubt && m.o.Script {
		p.line("fi")
	}
	if doubt && !m.o.Script && len(hand.Results) > 0 {
		p.comment("In both cases:")
	}
	if len(hand.Results) > 0 {
		m.values(p, t, hand.Results)
		for _, line := range hand.Results {
			p.line(line)
		}
		m.sets(p, hand.Settled, true)
	}
	return ask
}

func (m *maker) notes(p *page, hand *action.Hand) {
	for _, note := range hand.Notes {
		p.comment("%s", note)
	}
}

// plain says what is known of an action that does not say how it is done by hand.
func (m *maker) plain(p *page, t run.Task) {
	if t.Contract.Shell != "" {
		p.comment("By hand: %s", t.Contract.Shell)
	} else {
		p.comment("By hand, there is no command for it: %s", t.Contract.Doc)
	}
	for _, name := range slices.Sorted(maps.Keys(t.In)) {
		p.comment("  %s = %s", name, short(t.In[name]))
	}
}

// values demands what commands read and nobody has set.
func (m *maker) values(p *page, t run.Task, commands []string) {
	var own []string
	for _, name := range t.Outs {
		own = append(own, name)
	}
	for _, u := range m.needs(own, commands...) {
		switch {
		case u.From != "":
			doc := ""
			if u.Doc != "" {
				doc = ": " + u.Doc
			}
			p.comment("%s comes from %s, its %s%s", u.Name, u.From, u.Output, doc)
		default:
			p.comment("%s is the %s: %s", u.Name, u.Doc, u.Text)
		}
		p.line(`: "${` + u.Name + `:?give it a value first, as the comment above says}"`)
	}
}

// commands writes what is run, with the files that it reads.
func (m *maker) commands(p *page, t run.Task, hand *action.Hand) {
	texts := slices.Clone(hand.Commands)
	for _, f := range hand.Files {
		texts = append(texts, m.rest.Marks.Word(f.Text))
	}
	m.values(p, t, texts)
	var names, folders []string
	for _, found := range paths.FindAllStringSubmatch(strings.Join(hand.Commands, "\n"), -1) {
		names = append(names, found[1])
	}
	for _, f := range hand.Files {
		names = append(names, f.Name)
	}
	for _, name := range names {
		if at := strings.LastIndexByte(name, '/'); at > 0 && !slices.Contains(folders, name[:at]) {
			folders = append(folders, name[:at])
		}
	}
	for _, name := range folders {
		p.line(`mkdir -p "$here/` + name + `"`)
	}
	for _, f := range hand.Files {
		m.file(p, f)
	}
	for _, c := range hand.Commands {
		p.line(c)
	}
	m.sets(p, hand.Sets, !begun(t) && t.When == "")
}

// sets notes what commands have set; sure is false where they may not be run.
func (m *maker) sets(p *page, names []string, sure bool) {
	for _, name := range names {
		m.set[name] = m.set[name] || sure
		if m.o.Script {
			p.line("keep " + name)
		}
	}
}

// file makes a file that commands read.
func (m *maker) file(p *page, f action.HandFile) {
	target := `"$here/` + f.Name + `"`
	// Names are made plain, so that two may have become one.
	taken := slices.ContainsFunc(m.files, func(other action.HandFile) bool { return other.Name == f.Name && other != f })
	switch {
	case f.Digest == "" && (taken || m.rest.Marks.In(f.Text) || !m.o.Script && (m.o.Inline < 0 || len(f.Text) <= m.o.Inline)):
		p.line("printf %s " + m.rest.Marks.Word(f.Text) + " > " + target)
	case m.o.Files != "":
		digest := f.Digest
		if digest == "" {
			digest = action.DigestOf([]byte(f.Text))
		}
		p.comment("%s (%d bytes, %s) is written by: %s", f.Name, f.Size, digest, m.o.Files)
		p.line("test -e " + target)
		fallthrough
	default:
		if !slices.Contains(m.files, f) {
			m.files = append(m.files, f)
		}
	}
}

// Package runbook writes what is left of a run as shell commands, for the day on which a person
// has to end it without Slipway.
//
// It is made of [run.Remains] and of what the contracts of actions say about doing them by hand.
// It is pure. Whatever people or the outside wrote is data in it: values are words made by
// [action.Marks.Word], and everything else stands in comments of one line each.
package runbook

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"slipway/bot/action"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// Options say what the runbook is for.
type Options struct {
	// Script makes one program of it, which asks before it goes on where a person has to have said
	// something, and remembers what is done. Without it, it is commands to copy.
	Script bool
	// Inline is up to how many bytes a text that commands read stands in the runbook itself; beyond
	// them, and in a script, it is among Files alone. Negative: every text.
	Inline int
	// Files says how to have the files written out; "" when they are.
	Files string
}

// Book is a runbook, in parts that belong together: a head, one part for each step, and an end.
type Book struct {
	Head  string
	Parts []Part
	End   string
	Files []action.HandFile // what the commands read, without those that stand in the runbook
}

// Part is about one step.
type Part struct {
	Step string
	Open bool // something is to be done
	Text string
}

// Text is the whole.
func (b Book) Text() string {
	var all strings.Builder
	all.WriteString(b.Head)
	for _, p := range b.Parts {
		all.WriteString("\n" + p.Text)
	}
	all.WriteString("\n" + b.End)
	return all.String()
}

// Make writes the runbook of a run as it is now.
func Make(p *playbook.Playbook, s *run.State, w run.World, o Options) Book {
	m := &maker{p: p, s: s, w: w, o: o, rest: run.Remains(p, s, w), set: map[string]bool{}, unknown: map[string]run.Unknown{}}
	for _, u := range m.rest.Vars {
		m.unknown[u.Name] = u
	}
	b := Book{}
	open, done := 0, 0
	for i, t := range m.rest.Tasks {
		part := m.part(i+1, t)
		b.Parts = append(b.Parts, part)
		if part.Open {
			open++
		} else if settled(t) {
			done++
		}
	}
	b.Head, b.End, b.Files = m.head(open, done), m.end(open), m.files
	return b
}

// maker writes one runbook.
type maker struct {
	p       *playbook.Playbook
	s       *run.State
	w       run.World
	o       Options
	rest    run.Rest
	unknown map[string]run.Unknown
	set     map[string]bool // variables that commands before this have set
	files   []action.HandFile
}

// page is the text of one part.
type page struct {
	m *maker
	strings.Builder
}

// comment writes text as comments, however many lines it has. A shell that runs what stands in
// comments, as zsh does with what is pasted, finds nothing to run there.
func (p *page) comment(format string, args ...any) {
	p.remark(strings.NewReplacer("$(", "$ (", "${", "$ {", "`", "'").Replace(fmt.Sprintf(format, args...)))
}

// remark is comment for a command, which is safe in itself.
func (p *page) remark(text string) {
	text = p.m.rest.Marks.Show(text)
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		p.WriteString(strings.TrimRight("# "+line, " \t") + "\n")
	}
}

func (p *page) line(text string) { p.WriteString(text + "\n") }

func settled(t run.Task) bool {
	return t.Status == run.Done || t.Status == run.Adopted || t.Status == run.SkippedSt
}

// begun reports whether an effect of the step may have happened without a result.
func begun(t run.Task) bool {
	return t.Kind == playbook.Do && t.Contract.Policy != action.Read && (t.Status == run.InDoubt || t.Status == run.Running)
}

func (m *maker) head(open, done int) string {
	p := &page{m: m}
	if m.o.Script {
		p.line("#!/bin/sh")
	}
	p.comment("How to end %s by hand, as it was on %s.", m.s.Name, m.w.Now.UTC().Format("2006-01-02 15:04 MST"))
	switch {
	case m.s.Status == run.RunEnded:
		p.comment("It has ended: %s. Nothing is left to do.", m.s.Outcome)
	case m.s.Status == run.IsAborting:
		p.comment("It is being aborted: %s. Nothing more is to be done of it, but what it did may have to be undone:", m.s.Why)
		for _, item := range m.s.Undo {
			p.comment("  %s of %s", item.Did, item.Step)
		}
	default:
		p.comment("%s done, %s left.", count(done, "step is", "steps are"), count(open, "is", "are"))
	}
	if m.s.Hold != nil && m.s.Status == run.OnHold {
		p.comment("It is held by %s: %s. Ask before you go on.", m.person(m.s.Hold.By), m.s.Hold.Reason)
	}
	if open > 0 {
		p.comment("Slipway must be stopped, and stay so until you are done: two who do the same do it twice.")
		p.comment("Read each step before you run it. All commands belong into one shell, sh or bash, in this order.")
		for _, n := range m.p.Never {
			p.comment("Never do %s before %s is approved.", n.Do, n.Without)
		}
	}
	if m.o.Script {
		if open > 0 {
			p.comment("It asks before each step to which people must have agreed. What is done is kept in done.txt: start it again to go on.")
			p.comment("A value that it cannot know is given so: NAME=VALUE sh runbook.sh")
		}
		p.WriteString(preamble)
	} else if open > 0 {
		p.comment("Begin with a shell of its own (type: sh), since it ends at the first command that fails.")
		p.line("set -eu")
		p.line("here=$(pwd)   # an empty folder")
	}
	return p.String()
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func (m *maker) end(open int) string {
	p := &page{m: m}
	if open == 0 || m.s.Status == run.IsAborting {
		return ""
	}
	p.comment("When Slipway is back, it goes on with this run at once, and looks first whether what it is about to do is done.")
	// Only the process that a family is named after can be begun by taking over what is there.
	family, _, _ := strings.Cut(m.s.Name, "/")
	if m.p.Name == family {
		p.comment("If you made the tag or anything else otherwise than it would have, end this run, and have it take over what is there:")
	} else {
		p.comment("If you made anything otherwise than it would have, end this run:")
	}
	p.comment("  %s abort %s --reason \"done by hand\"", family, m.s.Name)
	if m.p.Name == family {
		p.comment("  %s adopt VERSION", family)
	}
	if m.o.Script {
		p.line("say 'All steps are done.'")
	}
	return p.String()
}

// person is how somebody is found: name, id and mail.
func (m *maker) person(id people.PersonID) string {
	who, known := m.w.Directory.Person(id)
	if !known {
		return string(id)
	}
	text := string(id)
	if who.Name != "" && who.Name != string(id) {
		text = who.Name + " (" + text + ")"
	}
	if who.Mail != "" {
		text += " <" + who.Mail + ">"
	}
	return text
}

// variables are the shell variables that commands use.
var variables = regexp.MustCompile(`\$\{?([a-z][a-z0-9]*_[a-z0-9_]*)`)

// needs lists the values, not known and not set by commands before, that texts use.
func (m *maker) needs(own []string, texts ...string) []run.Unknown {
	var out []run.Unknown
	for _, text := range texts {
		for _, found := range variables.FindAllStringSubmatch(text, -1) {
			u, known := m.unknown[found[1]]
			if known && !m.set[u.Name] && !slices.Contains(own, u.Name) {
				m.set[u.Name] = true
				out = append(out, u)
			}
		}
	}
	return out
}

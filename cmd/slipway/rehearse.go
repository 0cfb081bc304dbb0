package main

import (
	"fmt"
	"regexp"
	"strings"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/rehearse"
)

type playbookRehearse struct {
	Name   string            `arg:"" help:"Name of the playbook."`
	With   map[string]string `help:"Inputs of the run, e.g. --with version=2019.01." mapsep:","`
	Way    string            `help:"What goes wrong: nothing (happy), every step once (fail), one doubt (doubt)." enum:"happy,fail,doubt" default:"happy"`
	Reject string            `help:"Gate at which the people say no." placeholder:"GATE"`

	Verbose bool `help:"Show everything that follows from each event, and how every step ended."`
}

// Run rehearses with simulated people and outcomes; nothing outside is touched.
func (r *playbookRehearse) Run(c *cli) error {
	s, err := c.Playbook.shelf(false)
	if err != nil {
		return err
	}
	book, err := s.named(r.Name)
	if err != nil {
		return err
	}
	o := rehearse.Options{Playbook: book, Contracts: s.known.Contracts, Project: "harbour", Profile: map[string]any{},
		Inputs: map[string]any{}, Choose: rehearse.Happy()}
	for _, f := range profileType().Fields {
		o.Profile[f.Name] = sampleValue(f.Name, f.Type)
	}
	for name, text := range r.With {
		o.Inputs[name] = text
	}
	switch {
	case r.Reject != "":
		o.Choose = rehearse.RejectAt(r.Reject)
	case r.Way == "fail":
		o.Choose = rehearse.FailOnce()
	case r.Way == "doubt":
		o.Choose = rehearse.DoubtOnce()
	}
	report, err := rehearse.Rehearse(o)
	if err != nil {
		return err
	}
	if r.Verbose {
		fmt.Print(report.Text())
	} else {
		fmt.Print(compact(report))
	}
	if report.Outcome == "open" {
		return errs.E("playbook.rehearse", errs.Failed, fmt.Errorf("the rehearsal of %s stopped before its end: %s", r.Name, report.Reason))
	}
	return nil
}

// compact is a rehearsal in one line for each thing that happened, with what went otherwise than
// forward under it.
func compact(r rehearse.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Rehearsal of %s, with simulated people and outcomes\n\n", r.Name)
	notable := regexp.MustCompile(`(?:^|[^ ] )(?:asks for|has failed|is stuck|is skipped|is withdrawn|goes back|waits:)`)
	for _, l := range r.Lines {
		text := strings.TrimSpace(string(l.Choice.Person) + " " + l.Choice.Text)
		if !strings.HasSuffix(text, " is sent") { // messages go out all the time
			fmt.Fprintf(&b, "%8s  %-16s %s\n", "+"+l.After.String(), l.Choice.Step, text)
		}
		for _, f := range l.Follows {
			if notable.MatchString(f) {
				fmt.Fprintf(&b, "%27s· %s\n", "", f)
			}
		}
	}
	fmt.Fprintf(&b, "\nOutcome: %s", r.Outcome)
	if r.Reason != "" {
		b.WriteString(" (" + r.Reason + ")")
	}
	return b.String() + "\n--verbose shows what follows from each.\n"
}

// sampleValue stands for a field of a project's profile in a rehearsal.
func sampleValue(name string, t action.Type) any {
	if len(t.Enum) > 0 {
		return t.Enum[0]
	}
	switch t.Kind {
	case action.List:
		return []any{sampleValue(name, *t.Elem)}
	case action.Bool:
		return true
	}
	return name
}

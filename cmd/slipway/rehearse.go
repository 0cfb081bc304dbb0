package main

import (
	"fmt"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/rehearse"
)

type playbookRehearse struct {
	Name   string            `arg:"" help:"Name of the playbook."`
	With   map[string]string `help:"Inputs of the run, e.g. --with version=2019.01." mapsep:","`
	Way    string            `help:"What goes wrong: nothing (happy), every step once (fail), one doubt (doubt)." enum:"happy,fail,doubt" default:"happy"`
	Reject string            `help:"Gate at which the people say no."`
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
	fmt.Print(report.Text())
	if report.Outcome == "open" {
		return errs.E("playbook.rehearse", errs.Failed, fmt.Errorf("the rehearsal of %s stopped before its end: %s", r.Name, report.Reason))
	}
	return nil
}

// sampleValue stands for a field of a project's profile in a rehearsal.
func sampleValue(name string, t action.Type) any {
	if t.Kind == action.List {
		return []any{sampleValue(name, *t.Elem)}
	}
	return name
}

package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/integrations/aptrepo"
)

type archiveShow struct {
	Suite      string   `arg:"" help:"Suite of the archive."`
	Packages   []string `arg:"" optional:"" help:"Packages; without any, all."`
	Generation string   `help:"Another generation than the one that clients read: its name, the beginning of it, or previous." placeholder:"NAME"`
}

// lister is a place that knows what a generation offers. See [aptrepo.Archive.Packages].
type lister interface {
	Packages(suite, generation string, names ...string) ([]aptrepo.Package, error)
}

// Run lists packages.
func (s *archiveShow) Run(c *cli) error {
	o, err := c.Archive.archive(c)
	if err != nil {
		return err
	}
	g, err := o.generation(s.Suite, s.Generation)
	if err != nil {
		return err
	}
	place, ok := o.Place.(lister)
	if !ok {
		return o.cannot("what it offers cannot be listed here", "reprepro list "+s.Suite)
	}
	all, err := place.Packages(s.Suite, g.ID, s.Packages...)
	if err != nil {
		return err
	}
	for _, name := range s.Packages {
		if !slices.ContainsFunc(all, func(p aptrepo.Package) bool { return p.Name == name }) {
			return errs.E("archive.show", errs.NotFound, fmt.Errorf("%s of %s has no package %q", g.ID, s.Suite, name)).Hint("slipway archive show %s lists them", s.Suite)
		}
	}
	if c.Archive.JSON {
		return printJSON(struct {
			Suite      string            `json:"suite"`
			Generation string            `json:"generation"`
			Packages   []aptrepo.Package `json:"packages"`
		}{s.Suite, g.ID, append([]aptrepo.Package{}, all...)})
	}
	fmt.Printf("%s %s: %s\n", s.Suite, g.ID, counted(len(all), "package", "packages"))
	rows := [][]string{}
	for _, p := range all {
		rows = append(rows, []string{"  " + p.Name, p.Version, p.Component, strings.Join(p.Architectures, ",")})
	}
	return printTable(rows)
}

type archiveHistory struct {
	Suite string `arg:"" help:"Suite of the archive."`
}

// past is a generation, as history tells it.
type past struct {
	Generation string         `json:"generation"`
	Date       string         `json:"date"`
	Published  string         `json:"published,omitempty"`
	Current    bool           `json:"current"`
	Staged     bool           `json:"staged"`
	Run        string         `json:"run,omitempty"`
	Base       string         `json:"base,omitempty"`    // whose content it took, after a rollback
	Sources    []string       `json:"sources,omitempty"` // whose alone; none: that of all
	Changes    []aptrepo.Move `json:"changes"`
}

// Run lists the generations, the newest first.
func (h *archiveHistory) Run(c *cli) error {
	o, err := c.Archive.archive(c)
	if err != nil {
		return err
	}
	all, err := o.Place.Generations(h.Suite)
	if err != nil {
		return err
	}
	teller, tells := o.Place.(interface {
		Moves(suite, id string) ([]aptrepo.Move, error)
	})
	list, rows := []past{}, [][]string{}
	for _, g := range slices.Backward(all) {
		p := past{Generation: g.ID, Date: moment(g.Date), Published: moment(g.Published), Current: g.Current, Staged: g.Staged, Run: g.Run, Changes: []aptrepo.Move{}}
		if g.Base != g.Parent {
			p.Base, p.Sources = g.Base, g.Sources
		}
		if tells {
			if moves, err := teller.Moves(h.Suite, g.ID); err == nil { // what is lost of the past is no reason to hide the rest
				p.Changes = append(p.Changes, moves...)
			}
		}
		list = append(list, p)
		rows = append(rows, []string{g.ID, cmp.Or(p.state(), card.Moment(g.Published)), p.words()})
	}
	if c.Archive.JSON {
		return printJSON(list)
	}
	if len(all) == 0 {
		fmt.Printf("%s was never published\n", h.Suite)
	}
	return printTable(rows)
}

func (p past) state() string {
	switch {
	case p.Current:
		return "current"
	case p.Staged:
		return "staged"
	case p.Published == "":
		return "never published"
	}
	return ""
}

// words are what happened, in one line.
func (p past) words() string {
	var all []string
	switch {
	case p.Base != "":
		all = append(all, strings.TrimSpace(strings.Join(p.Sources, ", ")+" back to "+p.Base))
	case len(p.Changes) == 0:
		all = append(all, "the same")
	}
	if len(p.Changes) > 0 {
		all = append(all, p.Changes[0].String())
	}
	if more := len(p.Changes) - 1; more > 0 {
		all = append(all, fmt.Sprintf("%d more", more))
	}
	return strings.Join(all, "; ") + forRun(p.Run)
}

type archiveDiff struct {
	Suite string `arg:"" help:"Suite of the archive."`
	From  string `arg:"" optional:"" help:"Generation: its name, the beginning of it, current or previous; by default previous." default:"previous"`
	To    string `arg:"" optional:"" help:"Generation; by default current." default:"current"`
}

// Run names the packages that came, went or changed their version.
func (d *archiveDiff) Run(c *cli) error {
	o, err := c.Archive.archive(c)
	if err != nil {
		return err
	}
	place, ok := o.Place.(interface {
		Diff(suite, from, to string) ([]aptrepo.Move, error)
	})
	if !ok {
		return o.cannot("its generations cannot be compared here", "slipway archive history "+d.Suite)
	}
	to, err := o.generation(d.Suite, d.To)
	if err != nil {
		return err
	}
	from, err := o.generation(d.Suite, d.From)
	if err != nil {
		return err
	}
	moves, err := place.Diff(d.Suite, from.ID, to.ID)
	if err != nil {
		return err
	}
	if c.Archive.JSON {
		return printJSON(struct {
			Suite   string         `json:"suite"`
			From    string         `json:"from"`
			To      string         `json:"to"`
			Changes []aptrepo.Move `json:"changes"`
		}{d.Suite, from.ID, to.ID, append([]aptrepo.Move{}, moves...)})
	}
	fmt.Printf("%s from %s to %s: %s\n", d.Suite, from.ID, to.ID, counted(len(moves), "change", "changes"))
	for _, m := range moves {
		fmt.Println("  " + m.String())
	}
	return nil
}

type archiveDrop struct {
	Suite      string `arg:"" help:"Suite of the archive."`
	Generation string `arg:"" help:"Generation that waits: its name, or the beginning of it."`
}

// Run drops one.
func (d *archiveDrop) Run(c *cli) error {
	o, err := c.Archive.archive(c)
	if err != nil {
		return err
	}
	place, ok := o.Place.(interface {
		Drop(suite, generation string) error
	})
	if !ok {
		return o.cannot("what waits there cannot be dropped here", "leave it: the next one takes its place")
	}
	g, err := o.generation(d.Suite, d.Generation)
	if err != nil {
		return err
	}
	if g.Current {
		return errs.E("archive.drop", errs.Conflict, errors.New("clients read that one")).Hint("undo the release instead")
	}
	if err := place.Drop(d.Suite, g.ID); err != nil {
		return err
	}
	if c.Archive.JSON {
		return printJSON(map[string]string{"suite": d.Suite, "dropped": g.ID})
	}
	fmt.Printf("%s of %s is dropped%s; if its run still waits for signatures, do the step that staged it again\n", g.ID, d.Suite, forRun(g.Run))
	return nil
}

package main

import (
	"fmt"
	"os"

	"slipway/bot/errs"
	"slipway/bot/picture"
	"slipway/bot/playbook"
)

// into is where a command writes what it makes.
type into struct {
	Output string `short:"o" help:"File to write, instead of the output." placeholder:"FILE" type:"path"`
}

func (i into) write(b []byte) error {
	if i.Output == "" {
		_, err := os.Stdout.Write(b)
		return err
	}
	if err := os.WriteFile(i.Output, b, 0o644); err != nil {
		return errs.E("playbook", errs.Unavailable, fmt.Errorf("%s cannot be written", i.Output)).Hint("choose another file with -o")
	}
	return nil
}

type playbookGraph struct {
	Name string `arg:"" help:"Name of the playbook."`
	into
}

// Run draws a playbook as an SVG picture.
func (p *playbookGraph) Run(c *cli) error {
	book, err := c.Playbook.named(p.Name)
	if err != nil {
		return err
	}
	return p.write(picture.Playbook(book, picture.Options{Standalone: true}))
}

type playbookDocs struct {
	Name string `arg:"" help:"Name of the playbook."`
	into
}

// Run writes a playbook as a checklist for people.
func (p *playbookDocs) Run(c *cli) error {
	book, err := c.Playbook.named(p.Name)
	if err != nil {
		return err
	}
	return p.write([]byte(playbook.Docs(book)))
}

type playbookSchema struct{ into }

// Run writes the JSON Schema of the language, for editors.
func (p *playbookSchema) Run() error { return p.write(playbook.Schema()) }

func (p *playbookCmd) named(name string) (*playbook.Playbook, error) {
	s, err := p.shelf(false)
	if err != nil {
		return nil, err
	}
	return s.named(name)
}

package main

import (
	"context"
	"fmt"
	"os"

	"slipway/bot/action"
	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/playbook"
	"slipway/commands/release"
	"slipway/integrations/aptrepo"
	"slipway/integrations/debian"
	debbuild "slipway/integrations/debian/build"
	"slipway/integrations/git"
	"slipway/integrations/localci"
	"slipway/integrations/signing"
)

type checkCmd struct{}

func (*checkCmd) Run(c *cli) error {
	conf, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	fmt.Printf("%s is good: %s, %s\n", c.Config, counted(len(conf.Projects), "project", "projects"), counted(len(conf.Persons), "person", "people"))
	return nil
}

type playbookCmd struct {
	Folder string `help:"Folder of the site's own playbooks." type:"path"`

	List     playbookList     `cmd:"" help:"List the playbooks."`
	Show     playbookShow     `cmd:"" help:"Show a playbook as a checklist."`
	Check    playbookCheck    `cmd:"" help:"Check playbooks: the bundled ones, or files."`
	Graph    playbookGraph    `cmd:"" help:"Draw a playbook as an SVG picture."`
	Docs     playbookDocs     `cmd:"" help:"Write a playbook as a checklist for people, in Markdown."`
	Schema   playbookSchema   `cmd:"" help:"Write the JSON Schema of the language, for editors."`
	Rehearse playbookRehearse `cmd:"" help:"Run a playbook with simulated people and outcomes."`
}

// contracts are those of every action of this program, without opening anything.
func contracts() ([]action.Contract, error) {
	all, err := engine.Contracts()
	if err != nil {
		return nil, err
	}
	announce, err := mailer(smtpConfig{Host: "localhost", Port: 25, Plain: true})
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, bind := range []func() ([]action.Bound, error){
		func() ([]action.Bound, error) { return git.Bind(&git.Repositories{}, release.Order{}, nil) },
		func() ([]action.Bound, error) { return localci.Bind(&localci.Runner{}, nil) },
		func() ([]action.Bound, error) { return gitlabActions(nil, nil) },
		func() ([]action.Bound, error) { return release.Bind(systemClock{}.Now) },
		func() ([]action.Bound, error) {
			one, err := signing.NewTag(pinned{&config{}}, systemClock{}.Now).Bind()
			return []action.Bound{one}, err
		},
		func() ([]action.Bound, error) {
			one, err := signing.NewRelease(pinned{&config{}}, systemClock{}.Now).Bind()
			return []action.Bound{one}, err
		},
		(&aptrepo.Actions{}).Bind,
		func() ([]action.Bound, error) { return debian.Bind(nil) },
		func() ([]action.Bound, error) { return debbuild.BindImport(nil, debbuild.ImportOptions{}) },
		func() ([]action.Bound, error) { one, err := announce.Bind(); return []action.Bound{one}, err },
	} {
		bounds, err := bind()
		if err != nil {
			return nil, err
		}
		for _, b := range bounds { // of several providers the first, as in [action.Set.Contracts]
			if ref := b.Contract.Ref(); !seen[ref] {
				seen[ref] = true
				all = append(all, b.Contract)
			}
		}
	}
	return all, nil
}

func (p *playbookCmd) shelf(strict bool) (*shelf, error) {
	all, err := contracts()
	if err != nil {
		return nil, err
	}
	return loadShelf(p.Folder, all, strict)
}

type playbookList struct{}

func (*playbookList) Run(c *cli) error {
	s, err := c.Playbook.shelf(false)
	if err != nil {
		return err
	}
	for _, name := range s.names() {
		state := "good"
		if s.Current(name) == nil {
			state = "has errors: slipway playbook check"
		}
		fmt.Printf("%-20s %-14s %s\n", name, state, s.origin[name])
	}
	return nil
}

type playbookShow struct {
	Name string `arg:"" help:"Name of the playbook."`
}

func (p *playbookShow) Run(c *cli) error {
	s, err := c.Playbook.shelf(false)
	if err != nil {
		return err
	}
	book, err := s.named(p.Name)
	if err != nil {
		return err
	}
	fmt.Print(playbook.Describe(book))
	return nil
}

func (s *shelf) named(name string) (*playbook.Playbook, error) {
	if book := s.Current(name); book != nil {
		return book, nil
	}
	if findings, ok := s.found[name]; ok {
		return nil, refusal(findings)
	}
	err := errs.E("playbook", errs.NotFound, fmt.Errorf("there is no playbook %q", name))
	if near := errs.Nearest(name, s.names()); near != "" {
		return nil, err.Hint("did you mean %s?", near)
	}
	return nil, err.Hint("slipway playbook list names them")
}

type playbookCheck struct {
	Files []string `arg:"" optional:"" help:"Files to check; without any, all playbooks."`
}

func (p *playbookCheck) Run(c *cli) error {
	if len(p.Files) > 0 {
		return p.files(c)
	}
	s, err := c.Playbook.shelf(false)
	if err != nil {
		return err
	}
	bad := 0
	for _, name := range s.names() {
		for _, f := range s.found[name] {
			fmt.Println(f)
		}
		if s.Current(name) == nil {
			bad++
			continue
		}
		fmt.Printf("%s is good: %d steps\n", name, len(s.Current(name).Steps))
	}
	if bad > 0 {
		return errs.E("playbook.check", errs.Invalid, fmt.Errorf("%d playbooks have errors", bad))
	}
	return nil
}

func (p *playbookCheck) files(c *cli) error {
	s, err := c.Playbook.shelf(false)
	if err != nil {
		return err
	}
	for _, file := range p.Files {
		src, err := os.ReadFile(file)
		if err != nil {
			return errs.E("playbook.check", errs.NotFound, fmt.Errorf("%s cannot be read", file)).Hint("name a YAML file")
		}
		parsed, err := playbook.Parse(file, src)
		if err != nil {
			return err
		}
		checked, findings := playbook.Check(parsed, s.known)
		for _, f := range findings {
			if f.Severity != playbook.Error {
				fmt.Println(f)
			}
		}
		if err := refusal(findings); err != nil {
			return err
		}
		fmt.Printf("%s is good: %d steps\n", file, len(checked.Steps))
	}
	return nil
}

type fsckCmd struct{}

// Run checks the whole store; the bot must not be running.
func (*fsckCmd) Run(ctx context.Context, c *cli) error {
	conf, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	b, err := build(ctx, conf, quiet(), nil)
	if err != nil {
		return err
	}
	defer b.close()
	if err := b.db.Check(ctx); err != nil {
		return err
	}
	var findings []string
	if err := b.engine.FsckFull(ctx, func(what string) { findings = append(findings, what) }); err != nil {
		return err
	}
	for _, f := range findings {
		fmt.Println(f)
	}
	if len(findings) > 0 {
		return errs.E("fsck", errs.Corrupt, fmt.Errorf("%d things do not fit", len(findings))).
			Hint("keep a copy of %s before anything else", conf.State)
	}
	fmt.Println("all records fit the events they were made from")
	return nil
}

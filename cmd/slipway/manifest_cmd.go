package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"slipway/bot/errs"
	"slipway/integrations/slack/setup"
)

type manifestCmd struct {
	Slack manifestSlackCmd `cmd:"" help:"Print the manifest of the app on Slack: create an app from it at api.slack.com/apps."`
}

// manifestSlackCmd needs no configuration that is complete: the tokens that it names are only there
// once the app is. What is not given as a flag is read from it, if it is there.
type manifestSlackCmd struct {
	YAML    bool   `name:"yaml" help:"YAML instead of JSON."`
	Hooks   string `help:"Where Slack reaches the webhooks, instead of webhooks: url: https://hooks.harbour.example" placeholder:"URL"`
	Sockets bool   `name:"socket-mode" help:"Socket Mode, as Slack cannot reach this machine."`
	Command string `help:"Slash command, instead of slack: command." placeholder:"/WORD"`
	Name    string `help:"Name of the app, by default Slipway." placeholder:"NAME"`
}

// Run prints it, and on the second stream why each scope is asked for.
func (m *manifestSlackCmd) Run(c *cli) error {
	return m.print(c.Config, os.Stdout, os.Stderr)
}

func (m *manifestSlackCmd) print(path string, out, notes io.Writer) error {
	site, err := m.site(path)
	if err != nil {
		return err
	}
	manifest, err := setup.For(site)
	if err != nil {
		return err
	}
	write := manifest.JSON
	if m.YAML {
		write = manifest.YAML
	}
	text, err := write()
	if err != nil {
		return err
	}
	if _, err := out.Write(text); err != nil {
		return err
	}
	for _, s := range setup.Scopes() {
		if !s.Groups || site.Groups {
			fmt.Fprintf(notes, "%-20s%s\n", s.Name, s.Why)
		}
	}
	return nil
}

// site is what flags and the configuration say of it.
func (m *manifestSlackCmd) site(path string) (setup.Site, error) {
	s := setup.Site{Name: m.Name, Command: m.Command, URL: m.Hooks, Socket: m.Sockets}
	data, err := readBounded(path, maxConfig)
	if errs.Is(err, errs.NotFound) {
		if s.URL == "" && !s.Socket {
			return s, errs.E("manifest", errs.Invalid, errors.New("nothing says how Slack's deliveries come in")).
				Hint("give --hooks https://hooks.harbour.example, where Slack reaches the webhooks, or --socket-mode; or write webhooks: into %s", path)
		}
		return s, nil
	}
	if err != nil {
		return s, errs.E("manifest", errs.KindOf(err), err).Hint("name it with --config")
	}
	var raw rawConfig
	if err := readYAML(path, data, &raw); err != nil {
		return s, err
	}
	if s.Command == "" {
		s.Command = raw.Slack.Command
	}
	if !s.Socket && s.URL == "" {
		s.Socket = raw.Slack.AppTokenFile != "" && len(raw.Slack.SigningFiles) == 0
		s.URL = raw.Webhooks.URL
	}
	if s.URL == "" && !s.Socket {
		return s, errs.E("manifest", errs.Invalid, fmt.Errorf("%s does not say how Slack's deliveries come in", path)).
			Hint("write webhooks: with its url, or slack: with app_token_file for Socket Mode; or give --hooks or --socket-mode")
	}
	s.Groups = raw.slackGroups()
	return s, nil
}

// slackGroups reports whether a role is a user group of Slack.
func (r rawConfig) slackGroups() bool {
	for _, roles := range r.Roles {
		for _, role := range roles {
			if role.SlackGroup != "" {
				return true
			}
		}
	}
	return false
}

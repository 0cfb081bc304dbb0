package main

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"slipway/bot/action"
	"slipway/bot/calendar"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/integrations/aptrepo"
	"slipway/state/blob"
)

// config is what the rest of the process may rely on: every name refers to something, every
// file that must exist was read.
type config struct {
	State     string
	Playbooks string
	Socket    string
	Group     string
	Many      bool
	Web       webConfig
	Signing   signingConfig
	SMTP      smtpConfig
	LogKey    string // file of the key that signs evidence, outside of State; "": none
	Persons   []people.Person
	Grants    []people.Grant
	Rosters   []roster
	Groups    []slackGroup
	Channels  map[string]string // channel → default project
	Archives  map[string]archiveConfig
	Projects  map[string]project
	Freezes   []calendar.Freeze
	Backup    backupConfig
	Health    healthConfig
	Webhooks  webhooksConfig
	GitLab    gitlabConfig
	Slack     slackConfig
	Digest    string         // of the file
	Apt       aptrepo.Looker // who looks at archives as their clients do; nil: the apt of this machine
}

type signingConfig struct {
	Listen string
	Tokens map[string]string // name of the signer → token
}

type smtpConfig struct {
	Host, User, Password, Archive string
	Port                          int
	Plain                         bool          // no TLS; loopback only
	Settle                        time.Duration // how long a mail may take to appear in the archive; 0: 15 minutes
}

// project is one released thing with everything that playbooks may read of it.
type project struct {
	Name      string
	Profile   action.Values     // what expressions call project.X
	Providers map[string]string // capability → provider
	Starters  map[string]string // playbook → role that may start it
	PublicKey string            // armoured
	Channel   string
	Triggers  []string // playbooks that start by themselves, by their trigger
}

// maxConfig bounds slipway.yaml, in bytes.
const maxConfig = 1 << 20

// loadConfig reads and validates the file at path.
func loadConfig(path string) (*config, error) {
	data, err := readBounded(path, maxConfig)
	if err != nil {
		return nil, errs.E("config", errs.KindOf(err), err).Hint("name it with --config; deploy/example/slipway.yaml shows a whole one")
	}
	return parseConfig(path, data)
}

func parseConfig(path string, data []byte) (*config, error) {
	var raw rawConfig
	if err := readYAML(path, data, &raw); err != nil {
		return nil, err
	}
	c, err := raw.valid(filepath.Dir(path))
	if err != nil {
		return nil, errs.E("config", errs.KindOf(err), fmt.Errorf("%s: %s", path, errs.Cause(err))).Hint("%s", errs.HintOf(err))
	}
	c.Digest = blob.Digest(data)
	return c, nil
}

// valid checks r and resolves its files; relative ones are beside the configuration, in dir.
func (r rawConfig) valid(dir string) (*config, error) {
	c := &config{Channels: map[string]string{}, Projects: map[string]project{}, Playbooks: beside(dir, r.Playbooks)}
	if r.State == "" {
		return nil, invalid("state: is missing", "name the folder that holds everything, e.g. /var/lib/slipway")
	}
	c.State = beside(dir, r.State)
	c.Socket = beside(dir, r.Console.Socket)
	if c.Socket == "" {
		c.Socket = filepath.Join(c.State, "slipway.sock")
	}
	c.Group, c.Many = r.Console.Group, r.Console.ManyPeople
	for _, check := range []func(string, *config) error{
		r.validPeople, r.validRoles, r.validArchives, r.validProjects, r.validChannels, r.validSigning, r.validSMTP, r.validEvidence, r.validConsole, r.validWebhooks, r.validGitLab, r.validSlack, r.validGroups, r.validMany, r.validFreezes, r.validBackup, r.validHealth,
	} {
		if err := check(dir, c); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func beside(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func invalid(cause, hint string) error {
	e := errs.E("config", errs.Invalid, errors.New(cause))
	if hint == "" {
		return e
	}
	return e.Hint("%s", hint)
}

package main

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"slipway/bot/action"
	"slipway/bot/calendar"
	"slipway/bot/errs"
	"slipway/bot/people"
)

// config is what the rest of the process may rely on: every name refers to something, every
// file that must exist was read.
type config struct {
	State     string
	Playbooks string
	Socket    string
	Group     string
	Many      bool
	Signing   signingConfig
	SMTP      smtpConfig
	Persons   []people.Person
	Grants    []people.Grant
	Rosters   []roster
	Channels  map[string]string // channel → default project
	Projects  map[string]project
	Freezes   []calendar.Freeze
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

// roster is a role whose holders stand in a file, one person id a line.
type roster struct{ Project, Role, Path string }

// project is one released thing with everything that playbooks may read of it.
type project struct {
	Name      string
	Profile   action.Values     // what expressions call project.X
	Providers map[string]string // capability → provider
	PublicKey string            // armoured
	Channel   string
}

// maxConfig bounds slipway.yaml, in bytes.
const maxConfig = 1 << 20

// loadConfig reads and validates the file at path.
func loadConfig(path string) (*config, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, errs.E("config", errs.NotFound, fmt.Errorf("there is no file %s", path)).
			Hint("name it with --config, or write one: the README shows a small one")
	}
	if err != nil {
		return nil, errs.E("config", errs.Unavailable, fmt.Errorf("reading %s: %w", path, err))
	}
	return parseConfig(path, data)
}

func parseConfig(path string, data []byte) (*config, error) {
	if len(data) > maxConfig {
		return nil, errs.E("config", errs.Invalid, fmt.Errorf("%s has %d bytes, more than %d", path, len(data), maxConfig))
	}
	var raw rawConfig
	dec := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict(), yaml.DisallowUnknownField())
	if err := dec.Decode(&raw); err != nil {
		return nil, yamlError(path, err)
	}
	c, err := raw.valid(filepath.Dir(path))
	if err != nil {
		return nil, errs.E("config", errs.Invalid, fmt.Errorf("%s: %w", path, err)).Hint("%s", errs.HintOf(err))
	}
	return c, nil
}

var (
	unknownField = regexp.MustCompile(`unknown field "([^"]+)"`)
	yamlPosition = regexp.MustCompile(`^\[(\d+):(\d+)\] `)
)

// yamlError turns the decoder's error into one line with the place, and the nearest key when
// one was mistyped.
func yamlError(path string, err error) error {
	text, _, _ := strings.Cut(err.Error(), "\n")
	if m := yamlPosition.FindStringSubmatch(text); m != nil {
		text = fmt.Sprintf("%s:%s:%s: %s", path, m[1], m[2], strings.TrimPrefix(text, m[0]))
	} else {
		text = path + ": " + text
	}
	e := errs.E("config", errs.Invalid, errors.New(text))
	if m := unknownField.FindStringSubmatch(text); m != nil {
		if near := errs.Nearest(m[1], configKeys(reflect.TypeFor[rawConfig]())); near != "" {
			return e.Hint("did you mean %q?", near)
		}
	}
	return e.Hint("compare it with the example in the README")
}

// configKeys lists every key of the configuration, at any depth.
func configKeys(t reflect.Type) []string {
	switch t.Kind() {
	case reflect.Map, reflect.Slice, reflect.Pointer:
		return configKeys(t.Elem())
	case reflect.Struct:
		var keys []string
		for f := range t.Fields() {
			keys = append(keys, f.Tag.Get("yaml"))
			keys = append(keys, configKeys(f.Type)...)
		}
		return keys
	}
	return nil
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
		r.validPeople, r.validRoles, r.validProjects, r.validChannels, r.validSigning, r.validSMTP, r.validFreezes,
	} {
		if err := check(dir, c); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (r rawConfig) validPeople(_ string, c *config) error {
	owner := map[string]string{}
	for _, id := range slices.Sorted(maps.Keys(r.People)) {
		raw := r.People[id]
		p := people.Person{ID: people.PersonID(id), Name: raw.Name, Mail: raw.Mail}
		if raw.Name == "" {
			return invalid(fmt.Sprintf("people: %s has no name", id), "write name: as others know the person")
		}
		for _, text := range raw.Accounts {
			source, account, ok := strings.Cut(text, ":")
			if !ok || source == "" || account == "" {
				return invalid(fmt.Sprintf("people: %s has the account %q", id, text), "an account is source:id, e.g. unix:1000")
			}
			if other := owner[text]; other != "" {
				return invalid(fmt.Sprintf("people: the account %s belongs to both %s and %s", text, other, id),
					"an account belongs to one person")
			}
			owner[text] = id
			p.Accounts = append(p.Accounts, people.Account{Source: source, ID: account, Handle: id})
		}
		c.Persons = append(c.Persons, p)
	}
	if len(c.Persons) == 0 {
		return invalid("people: names nobody", "at least one person with the role admin is needed")
	}
	return nil
}

func (r rawConfig) validRoles(dir string, c *config) error {
	admins := 0
	for _, name := range slices.Sorted(maps.Keys(r.Roles)) {
		if _, ok := r.Projects[name]; !ok && name != "*" {
			return invalid(fmt.Sprintf("roles: there is no project %q", name), suggest(name, maps.Keys(r.Projects)))
		}
		for _, role := range slices.Sorted(maps.Keys(r.Roles[name])) {
			raw := r.Roles[name][role]
			if raw.Roster != "" {
				if len(raw.Persons) > 0 {
					return invalid(fmt.Sprintf("roles: %s of %s has both persons and a roster", role, name), "keep one of them")
				}
				c.Rosters = append(c.Rosters, roster{Project: name, Role: role, Path: beside(dir, raw.Roster)})
				continue
			}
			for _, id := range raw.Persons {
				if _, ok := r.People[id]; !ok {
					return invalid(fmt.Sprintf("roles: %s of %s names %q, who is not in people", role, name, id), suggest(id, maps.Keys(r.People)))
				}
				if role == people.Admin {
					admins++
				}
				c.Grants = append(c.Grants, people.Grant{ID: "config/" + name + "/" + role + "/" + id,
					Person: people.PersonID(id), Role: role, Project: name})
			}
		}
	}
	if admins == 0 {
		return invalid("roles: nobody is admin", `write roles: {"*": {admin: {persons: [ID]}}}`)
	}
	return nil
}

func (r rawConfig) validChannels(_ string, c *config) error {
	for _, name := range slices.Sorted(maps.Keys(r.Channels)) {
		p := r.Channels[name].Project
		if _, ok := c.Projects[p]; !ok {
			return invalid(fmt.Sprintf("channels: %s has the project %q, which is not configured", name, p), suggest(p, maps.Keys(r.Projects)))
		}
		c.Channels[name] = p
	}
	for _, p := range c.Projects {
		if _, ok := c.Channels[p.Channel]; !ok {
			return invalid(fmt.Sprintf("projects: %s posts to the channel %q, which is not in channels", p.Name, p.Channel), suggest(p.Channel, maps.Keys(r.Channels)))
		}
	}
	return nil
}

func (r rawConfig) validSigning(dir string, c *config) error {
	c.Signing.Listen = r.Signing.Listen
	c.Signing.Tokens = map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(r.Signing.Signers)) {
		token, err := readSecret(beside(dir, r.Signing.Signers[name].TokenFile))
		if err != nil {
			return fmt.Errorf("signing: the token of %s: %w", name, err)
		}
		c.Signing.Tokens[name] = token
	}
	if len(c.Signing.Tokens) > 0 {
		host, _, err := net.SplitHostPort(r.Signing.Listen)
		if err != nil || !loopback(host) {
			return invalid(fmt.Sprintf("signing: listen is %q", r.Signing.Listen),
				"name a loopback address such as 127.0.0.1:8471 and put a TLS proxy before it for signers elsewhere")
		}
	}
	return nil
}

func (r rawConfig) validSMTP(dir string, c *config) error {
	s := smtpConfig{Host: r.SMTP.Host, Port: r.SMTP.Port, User: r.SMTP.User, Archive: r.SMTP.Archive}
	if s.Archive != "" && !strings.Contains(s.Archive, "://") {
		s.Archive = beside(dir, s.Archive)
	}
	if s.Port == 0 {
		s.Port = 587
	}
	if r.SMTP.Settle != "" {
		d, err := time.ParseDuration(r.SMTP.Settle)
		if err != nil || d <= 0 {
			return invalid(fmt.Sprintf("smtp: settle is %q", r.SMTP.Settle), "write how long a mail may take to appear in the archive, e.g. 15m")
		}
		s.Settle = d
	}
	switch r.SMTP.TLS {
	case "", "mandatory":
	case "none":
		if !loopback(s.Host) {
			return invalid(fmt.Sprintf("smtp: tls is none but the host is %q", s.Host), "mail leaves this machine only over TLS")
		}
		s.Plain = true
	default:
		return invalid(fmt.Sprintf("smtp: tls is %q", r.SMTP.TLS), "it is mandatory or none")
	}
	if r.SMTP.PasswordFile != "" {
		password, err := readSecret(beside(dir, r.SMTP.PasswordFile))
		if err != nil {
			return fmt.Errorf("smtp: the password: %w", err)
		}
		s.Password = password
	}
	c.SMTP = s
	return nil
}

func (r rawConfig) validFreezes(_ string, c *config) error {
	for i, raw := range r.Freezes {
		f := calendar.Freeze{ID: fmt.Sprintf("config/%d", i+1), Calendar: raw.Calendar, Why: raw.Why}
		var err error
		if f.From, err = time.Parse(time.RFC3339, raw.From); err != nil {
			return invalid(fmt.Sprintf("freezes: from is %q", raw.From), "write a time such as 2026-11-21T18:00:00Z")
		}
		if raw.Until != "" {
			if f.Until, err = time.Parse(time.RFC3339, raw.Until); err != nil || !f.Until.After(f.From) {
				return invalid(fmt.Sprintf("freezes: until is %q", raw.Until), "write a time after from, such as 2026-11-28T18:00:00Z")
			}
		}
		if f.Calendar == "" {
			return invalid("freezes: one has no calendar", "name the calendar that playbooks mean with frozen_by")
		}
		c.Freezes = append(c.Freezes, f)
	}
	return nil
}

func beside(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// readSecret reads a secret file that others cannot read. Secrets are never in the YAML.
func readSecret(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", invalid(fmt.Sprintf("cannot read the file %q", path), "write the secret there, readable by Slipway's user only")
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", invalid(fmt.Sprintf("%s can be read by others (mode %o)", path, info.Mode().Perm()), "chmod 600 "+path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", path, err)
	}
	secret := strings.TrimSpace(string(data))
	if len(secret) < 16 {
		return "", invalid(fmt.Sprintf("the secret in %s has %d characters", path, len(secret)), "use at least 16 random ones")
	}
	return secret, nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func invalid(cause, hint string) error {
	e := errs.E("config", errs.Invalid, errors.New(cause))
	if hint == "" {
		return e
	}
	return e.Hint("%s", hint)
}

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"slipway/bot/errs"
	"slipway/bot/playbook"
	"slipway/bot/version"
	"slipway/integrations/openpgp"
)

// Config is the signer's file. Paths in it are relative to the file.
type Config struct {
	Server    string        `yaml:"server"`     // https://bot.example.org
	TokenFile string        `yaml:"token_file"` // holds the bearer token
	Log       string        `yaml:"log"`        // the signer's own log
	Poll      string        `yaml:"poll"`       // between two questions for work; default 5s
	Key       KeyConfig     `yaml:"key"`
	More      []KeyConfig   `yaml:"more_keys"` // beside it, e.g. while a key is changed; then every rule names its keys
	Allow     []Rule        `yaml:"allow"`
	Archives  []ArchiveRule `yaml:"archives"`
	Approvers struct {
		Need         int      `yaml:"need"`
		Certificates string   `yaml:"certificates"` // file with their public keys
		Fingerprints []string `yaml:"fingerprints"`
		Longest      string   `yaml:"longest"` // longest life of an approval; default 72h
	} `yaml:"approvers"`
}

// KeyConfig names one key.
type KeyConfig struct {
	File           string `yaml:"file"`
	PassphraseFile string `yaml:"passphrase_file"`
	GPG            string `yaml:"gpg"`         // or: fingerprint of the key in gpg's agent or card
	GPGHome        string `yaml:"gpg_home"`    // its GNUPGHOME
	Certificate    string `yaml:"certificate"` // or: only its public part, for fetch and hand-in
	Fingerprint    string `yaml:"fingerprint"` // which one, when that file holds several
}

func (k *KeyConfig) paths() []*string {
	return []*string{&k.File, &k.PassphraseFile, &k.GPGHome, &k.Certificate}
}

// valid checks what stands under key, which is called name.
func (k KeyConfig) valid(name string) error {
	bad := func(format string, args ...any) error {
		return errs.E("signer.config", errs.Invalid, fmt.Errorf(name+": "+format, args...))
	}
	named := 0
	for _, k := range []string{k.File, k.GPG, k.Certificate} {
		if k != "" {
			named++
		}
	}
	switch {
	case named != 1:
		return bad("needs either file or gpg, or certificate alone where a person signs")
	case k.Fingerprint != "" && k.Certificate == "":
		return bad("fingerprint belongs to certificate")
	case (k.GPG == "") != (k.GPGHome == ""):
		return bad("gpg and gpg_home belong together")
	}
	return nil
}

// ReadConfig decodes the file at path strictly: an unknown key is an error with its line. Paths
// in the result are absolute.
func ReadConfig(file string) (Config, error) {
	const op = "signer.config"
	data, err := os.ReadFile(file)
	if err != nil {
		return Config{}, errs.E(op, errs.NotFound, fmt.Errorf("the configuration cannot be read: %w", err))
	}
	c, err := parseConfig(data)
	if err != nil {
		return Config{}, errs.E(op, errs.Invalid, fmt.Errorf("%s: %w", file, err))
	}
	full, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return Config{}, errs.E(op, errs.Internal, err)
	}
	paths := append([]*string{&c.TokenFile, &c.Log, &c.Approvers.Certificates}, c.Key.paths()...)
	for i := range c.More {
		paths = append(paths, c.More[i].paths()...)
	}
	for _, p := range paths {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(full, *p)
		}
	}
	return c, nil
}

func parseConfig(data []byte) (Config, error) {
	var c Config
	dec := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict())
	if err := dec.Decode(&c); err != nil && err != io.EOF {
		return Config{}, errs.E("signer.config", errs.Invalid, errors.New(strings.TrimSpace(yaml.FormatError(err, false, false))))
	}
	return c, nil
}

// Valid checks c and turns it into what the worker needs, but for the key.
func (c Config) Valid() (Policy, time.Duration, error) {
	bad := func(format string, args ...any) (Policy, time.Duration, error) {
		return Policy{}, 0, errs.E("signer.config", errs.Invalid, fmt.Errorf(format, args...))
	}
	for _, f := range [][2]string{{"server", c.Server}, {"token_file", c.TokenFile}} {
		if f[1] == "" {
			return bad("%s: is missing", f[0])
		}
	}
	p, err := c.Policy()
	if err != nil {
		return Policy{}, 0, err
	}
	poll, err := duration(c.Poll, 5*time.Second)
	if err != nil || poll < 100*time.Millisecond {
		return bad("poll: %q is not a time of at least 100ms", c.Poll)
	}
	return p, poll, nil
}

// Policy is what c says of the key, of what may be signed and of the approvers: all but the bot.
func (c Config) Policy() (Policy, error) {
	bad := func(format string, args ...any) (Policy, error) {
		return Policy{}, errs.E("signer.config", errs.Invalid, fmt.Errorf(format, args...))
	}
	if c.Log == "" {
		return bad("log: is missing")
	}
	if err := c.Key.valid("key"); err != nil {
		return Policy{}, err
	}
	for _, k := range c.More {
		if k.Certificate != "" || c.Key.Certificate != "" {
			return bad("more_keys: a person signs with one key at a time; name the other with --certificate")
		}
		if err := k.valid("more_keys"); err != nil {
			return Policy{}, err
		}
	}
	if len(c.Allow) == 0 && len(c.Archives) == 0 {
		return bad("allow: and archives: are empty, so nothing could be signed")
	}
	for _, r := range c.Allow {
		if r.Repository == "" || r.Project == "" || len(r.Tags) == 0 {
			return bad("allow: every entry needs repository, project and tags")
		}
		for _, t := range r.Tags {
			if _, err := path.Match(t, ""); err != nil || t == "" {
				return bad("allow: %q is not a pattern", t)
			}
		}
		for _, k := range r.Keys {
			if _, err := openpgp.Fingerprint(k); err != nil {
				return bad("allow: keys: %s", errs.Text(err))
			}
		}
	}
	p := Policy{Rules: c.Allow, Compare: version.Compare}
	for _, a := range c.Archives {
		a, err := a.valid()
		if err != nil {
			return Policy{}, err
		}
		if slices.ContainsFunc(p.Archives, func(o ArchiveRule) bool { return o.Archive == a.Archive }) {
			return bad("archives: %s is there twice", a.Archive)
		}
		p.Archives = append(p.Archives, a)
	}
	err := c.chosen(p.Archives)
	if err != nil {
		return Policy{}, err
	}
	a := c.Approvers
	p.Approvers.Need, p.Approvers.Fingerprints = a.Need, a.Fingerprints
	if p.Approvers.Longest, err = duration(a.Longest, 72*time.Hour); err != nil || p.Approvers.Longest <= 0 {
		return bad("approvers: longest: %q is not a time such as 72h", a.Longest)
	}
	if a.Need < 0 || a.Need == 0 && len(a.Fingerprints) > 0 {
		return bad("approvers: need: says how many approvals suffice, at least 1")
	}
	if a.Need > 0 {
		seen := map[string]bool{}
		for _, f := range a.Fingerprints {
			full, err := openpgp.Fingerprint(f)
			if err != nil {
				return Policy{}, err
			}
			seen[full] = true
		}
		if len(seen) < a.Need {
			return bad("approvers: %d are needed and %d are listed", a.Need, len(seen))
		}
		if p.Approvers.Certificates, err = openpgp.LoadCertificates(a.Certificates); err != nil {
			return Policy{}, err
		}
	}
	return p, nil
}

// valid checks a rule and reads its times.
func (a ArchiveRule) valid() (ArchiveRule, error) {
	bad := func(format string, args ...any) (ArchiveRule, error) {
		return a, errs.E("signer.config", errs.Invalid, fmt.Errorf("archives: "+format, args...))
	}
	if a.Archive == "" || a.Project == "" || len(a.Suites) == 0 {
		return bad("every entry needs archive, project and suites")
	}
	for _, pattern := range slices.Concat(a.Suites, a.Codenames, a.Refresh, a.Unattended) {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			return bad("%q is not a pattern", pattern)
		}
	}
	for _, k := range a.Keys {
		if _, err := openpgp.Fingerprint(k); err != nil {
			return bad("keys: %s", errs.Text(err))
		}
	}
	if a.Longest != "" {
		var err error
		if a.longest, err = playbook.ParseDuration(a.Longest); err != nil || a.longest <= 0 {
			return bad("longest_valid: %q is not a time such as 14d or 336h", a.Longest)
		}
	}
	if len(a.Refresh) > 0 && a.longest == 0 {
		return bad("refresh: needs longest_valid: what needs nobody must end by itself")
	}
	switch a.Rollback {
	case "":
		a.Rollback = rollbackNever
	case rollbackNever, rollbackAsk, rollbackAllow:
	default:
		return bad("rollback: %q is none of never, ask, allow", a.Rollback)
	}
	return a, nil
}

// Token reads the bearer token.
func (c Config) Token() (string, error) {
	data, err := os.ReadFile(c.TokenFile)
	if err != nil {
		return "", errs.E("signer.config", errs.NotFound, fmt.Errorf("the token cannot be read: %w", err))
	}
	return strings.TrimRight(string(data), "\r\n"), nil
}

func duration(s string, standard time.Duration) (time.Duration, error) {
	if s == "" {
		return standard, nil
	}
	return time.ParseDuration(s)
}

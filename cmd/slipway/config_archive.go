package main

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/bot/playbook"
	"slipway/integrations/aptrepo"
	"slipway/integrations/openpgp"
)

// rawArchive is an APT archive that releases are published to.
type rawArchive struct {
	Root       string              `yaml:"root"`        // folder of the archive, or of its master copy
	Address    string              `yaml:"address"`     // what clients write into sources.list; signers know the archive by it
	Keys       []string            `yaml:"keys"`        // primary fingerprints; each signs every Release
	PublicKeys []string            `yaml:"public_keys"` // files that hold those keys
	Keyring    rawKeyring          `yaml:"keyring"`     // the package that gives the keys to clients
	Over       rawOver             `yaml:"over"`        // where it lives, unless it is served from root itself
	Suites     map[string]rawSuite `yaml:"suites"`
}

// rawKeyring says how the package is made that brings the keys of an archive to its clients.
type rawKeyring struct {
	Package    string   `yaml:"package"`    // default: the archive's name and -archive-keyring
	Maintainer string   `yaml:"maintainer"` // Name <mail>; default: the owner of the first key
	Publish    bool     `yaml:"publish"`    // it goes along with the next packages for a suite that does not have it; default: false
	Sources    []string `yaml:"sources"`    // suites that its installation adds to the sources of apt; default: none
}

type rawSuite struct {
	Codename      string   `yaml:"codename"`
	Origin        string   `yaml:"origin"`
	Label         string   `yaml:"label"`
	Version       string   `yaml:"version"`
	Description   string   `yaml:"description"`
	Components    []string `yaml:"components"`    // default: main
	Architectures []string `yaml:"architectures"` // of the clients
	Compressions  []string `yaml:"compressions"`  // plain, gz, xz; default: plain and gz
	Hashes        []string `yaml:"hashes"`        // default: SHA256
	ByHash        *bool    `yaml:"by_hash"`       // default: true
	ValidFor      string   `yaml:"valid_for"`     // writes Valid-Until; default: none
	Keep          string   `yaml:"keep"`          // how long files of an old publication can be fetched; default: 24h
	Contents      bool     `yaml:"contents"`      // ships lists of the files in packages, for apt-file; default: false
	History       int      `yaml:"history"`       // how many publications stay, whatever their age, to go back to; default: 2
	StagedFor     string   `yaml:"staged_for"`    // how long what was staged may wait for its signatures; default: 30d
	Versions      int      `yaml:"versions"`      // of one package in the index; default: 1
	Snapshots     int      `yaml:"snapshots"`     // how many stay; default: none are made
	SnapshotsFor  string   `yaml:"snapshots_for"` // how long one stays; default: for ever
	NotAutomatic  bool     `yaml:"not_automatic"` // clients install from it only when asked, but upgrade
}

// archiveConfig is an archive that can be opened.
type archiveConfig struct {
	Name       string
	Root       string
	Address    string
	Keys       []string // primary fingerprints
	PublicKeys string   // armored certificates of all of them
	Keyring    aptrepo.KeyringOptions
	Over       rawOver
	Suites     []aptrepo.Suite
}

// suite is the configured suite of that name.
func (a archiveConfig) suite(name string) (aptrepo.Suite, bool) {
	i := slices.IndexFunc(a.Suites, func(s aptrepo.Suite) bool { return s.Name == name })
	if i < 0 {
		return aptrepo.Suite{}, false
	}
	return a.Suites[i], true
}

func (r rawConfig) validArchives(dir string, c *config) error {
	c.Archives = map[string]archiveConfig{}
	roots := map[string]string{}
	for _, name := range sortedKeys(r.Archives) {
		if !projectName.MatchString(name) {
			return invalid(fmt.Sprintf("archives: %q is no name", name), "use lower-case letters, digits, dots, plus and minus")
		}
		a, err := r.Archives[name].valid(name, dir)
		if err != nil {
			return invalid(fmt.Sprintf("archives: %s: %s", name, errs.Cause(err)), errs.HintOf(err))
		}
		if other := roots[a.Root]; other != "" {
			return invalid(fmt.Sprintf("archives: %s and %s have the same root", other, name), "give each a folder of its own")
		}
		roots[a.Root] = name
		c.Archives[name] = a
	}
	return nil
}

func (r rawArchive) valid(name, dir string) (archiveConfig, error) {
	a := archiveConfig{Name: name, Root: beside(dir, r.Root), Address: strings.TrimRight(r.Address, "/"), Over: r.Over}
	u, err := url.Parse(r.Address)
	switch {
	case err == nil && u.User != nil || err != nil && strings.Contains(r.Address, "@"):
		return a, invalid("address holds a user or a password", "write it without: people and signers see it in every release")
	case err != nil || !slices.Contains([]string{"http", "https", "file"}, u.Scheme):
		return a, invalid(fmt.Sprintf("address is %q", r.Address), "write what clients have in sources.list, such as https://deb.example/harbour")
	case len(r.Keys) == 0:
		return a, invalid("keys names none", "give the whole primary fingerprint of each key that signs the archive")
	case len(r.Suites) == 0:
		return a, invalid("suites names none", "add one, such as stable: {architectures: [amd64]}")
	}
	if err := r.validOver(dir, &a); err != nil {
		return a, err
	}
	if err := r.keys(dir, &a); err != nil {
		return a, err
	}
	for _, suite := range slices.Sorted(maps.Keys(r.Suites)) {
		s, err := r.Suites[suite].valid(suite)
		if err != nil {
			return a, invalid(fmt.Sprintf("suites: %s: %s", suite, errs.Cause(err)), errs.HintOf(err))
		}
		a.Suites = append(a.Suites, s)
	}
	if _, err := a.open(nil); err != nil {
		return a, err
	}
	return a, r.keyring(&a)
}

// keys reads the certificates, which must hold every key that signs.
func (r rawArchive) keys(dir string, a *archiveConfig) error {
	for _, text := range r.Keys {
		key, err := openpgp.Fingerprint(text)
		if err != nil {
			return invalid(fmt.Sprintf("keys has %q", text), "give whole primary fingerprints, 40 hexadecimal digits: gpg --fingerprint")
		}
		if slices.Contains(a.Keys, key) {
			return invalid(fmt.Sprintf("keys has %s twice", key), "name it once")
		}
		a.Keys = append(a.Keys, key)
	}
	if len(r.PublicKeys) == 0 {
		return invalid("public_keys names no file", "gpg --armor --export FINGERPRINT > archive-key.asc")
	}
	missing := slices.Clone(a.Keys)
	for _, file := range r.PublicKeys {
		for _, key := range a.Keys {
			if _, err := readCertificate(beside(dir, file), key); err == nil {
				missing = slices.DeleteFunc(missing, func(k string) bool { return k == key })
			}
		}
		data, err := readBounded(beside(dir, file), maxCertificate)
		if err != nil {
			return invalid("public_keys: "+errs.Cause(err), "gpg --armor --export FINGERPRINT > "+file)
		}
		if _, err := openpgp.ReadCertificates(data); err != nil {
			return invalid(fmt.Sprintf("public_keys: %s: %s", file, errs.Cause(err)), "gpg --armor --export FINGERPRINT > "+file)
		}
		a.PublicKeys += strings.TrimRight(string(data), "\n") + "\n"
	}
	if len(missing) > 0 {
		return invalid("public_keys does not hold the key "+missing[0], "gpg --armor --export "+missing[0]+" > archive-key.asc")
	}
	return nil
}

// keyring checks that the package can be made.
func (r rawArchive) keyring(a *archiveConfig) error {
	a.Keyring = aptrepo.KeyringOptions{Package: r.Keyring.Package, Maintainer: r.Keyring.Maintainer, Publish: r.Keyring.Publish, Sources: r.Keyring.Sources}
	certs, err := keyrings{}.Read([]byte(a.PublicKeys))
	if err != nil {
		return invalid("public_keys: "+errs.Cause(err), errs.HintOf(err))
	}
	p := aptrepo.KeyringPackage{Archive: a.Name, Address: a.Address, Suites: a.Suites, Certificates: certs, KeyringOptions: a.Keyring}
	if p.Maintainer == "" {
		p.Maintainer = "Archive <archive@example.org>" // the owner of a key may have no address; it matters when the package is made
	}
	if _, err := p.WithDefaults(); err != nil {
		return invalid("keyring: "+errs.Cause(err), errs.HintOf(err))
	}
	return nil
}

func (r rawSuite) valid(name string) (aptrepo.Suite, error) {
	s := aptrepo.Suite{
		Name: name, Codename: r.Codename, Origin: r.Origin, Label: r.Label, Version: r.Version, Description: r.Description,
		Components: r.Components, Architectures: r.Architectures, ByHash: r.ByHash == nil || *r.ByHash,
		NotAutomatic: r.NotAutomatic, ButAutomaticUpgrades: r.NotAutomatic, Versions: r.Versions, Snapshots: r.Snapshots,
		Contents: r.Contents, History: r.History,
	}
	for _, c := range r.Compressions {
		form, ok := map[string]aptrepo.Compression{"plain": aptrepo.Plain, "gz": aptrepo.Gzip, "xz": aptrepo.XZ}[c]
		if !ok {
			return s, invalid(fmt.Sprintf("compressions has %q", c), "it is plain, gz or xz")
		}
		s.Compressions = append(s.Compressions, form)
	}
	for _, h := range r.Hashes {
		algorithm, ok := map[string]aptrepo.Algorithm{"MD5Sum": aptrepo.MD5Sum, "SHA1": aptrepo.SHA1, "SHA256": aptrepo.SHA256, "SHA512": aptrepo.SHA512}[h]
		if !ok {
			return s, invalid(fmt.Sprintf("hashes has %q", h), "it is MD5Sum, SHA1, SHA256 or SHA512")
		}
		s.Algorithms = append(s.Algorithms, algorithm)
	}
	for _, d := range []struct {
		key, text string
		to        *time.Duration
	}{{"valid_for", r.ValidFor, &s.ValidFor}, {"keep", r.Keep, &s.Keep}, {"staged_for", r.StagedFor, &s.StagedFor}, {"snapshots_for", r.SnapshotsFor, &s.SnapshotsFor}} {
		if d.text == "" {
			continue
		}
		span, err := playbook.ParseDuration(d.text)
		if err != nil || span <= 0 {
			return s, invalid(fmt.Sprintf("%s is %q", d.key, d.text), "write a time such as 36h or 14d")
		}
		*d.to = span
	}
	return s, nil
}

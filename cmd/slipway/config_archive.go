package main

import (
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
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
	Over       rawOver             `yaml:"over"`        // where it lives, unless it is served from root itself
	Suites     map[string]rawSuite `yaml:"suites"`
}

// rawOver says where an archive lives that this host does not serve from its root.
type rawOver struct {
	SSH      string `yaml:"ssh"`      // user@host that serves it
	Path     string `yaml:"path"`     // folder there
	Owner    string `yaml:"owner"`    // who must own the files there; default: the user of ssh
	Reprepro string `yaml:"reprepro"` // base folder of an existing reprepro that is driven instead
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
	case r.Root == "":
		return a, invalid("root is missing", "name the folder of the archive")
	case err != nil || !slices.Contains([]string{"http", "https", "file"}, u.Scheme) || u.User != nil:
		return a, invalid(fmt.Sprintf("address is %q", r.Address), "write what clients have in sources.list, such as https://deb.example/harbour")
	case len(r.Keys) == 0:
		return a, invalid("keys names none", "give the whole primary fingerprint of each key that signs the archive")
	case len(r.Suites) == 0:
		return a, invalid("suites names none", "add one, such as stable: {architectures: [amd64]}")
	case r.Over.SSH != "" && r.Over.Reprepro != "":
		return a, invalid("over: has both ssh and reprepro", "choose one")
	case strings.HasPrefix(r.Over.SSH, "-") || strings.ContainsAny(r.Over.SSH, " \t\n"):
		return a, invalid(fmt.Sprintf("over: ssh is %q", r.Over.SSH), "write user@host")
	case (r.Over.SSH == "") != (r.Over.Path == ""):
		return a, invalid("over: of ssh and path only one is given", "write user@host and the folder of the archive there")
	case r.Over.SSH != "" && !filepath.IsAbs(r.Over.Path):
		return a, invalid(fmt.Sprintf("over: path is %q", r.Over.Path), "write it from /")
	case r.Over.Owner != "" && r.Over.SSH == "":
		return a, invalid("over: owner is given without ssh", "remove it, or add ssh")
	}
	if r.Over.Reprepro != "" {
		a.Over.Reprepro = beside(dir, r.Over.Reprepro)
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
	if _, err := aptrepo.Open(a.Root, aptrepo.Options{}, a.Suites...); err != nil {
		return a, err
	}
	return a, nil
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

func (r rawSuite) valid(name string) (aptrepo.Suite, error) {
	s := aptrepo.Suite{
		Name: name, Codename: r.Codename, Origin: r.Origin, Label: r.Label, Version: r.Version, Description: r.Description,
		Components: r.Components, Architectures: r.Architectures, ByHash: r.ByHash == nil || *r.ByHash,
		NotAutomatic: r.NotAutomatic, ButAutomaticUpgrades: r.NotAutomatic, Versions: r.Versions, Snapshots: r.Snapshots,
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
	}{{"valid_for", r.ValidFor, &s.ValidFor}, {"keep", r.Keep, &s.Keep}, {"snapshots_for", r.SnapshotsFor, &s.SnapshotsFor}} {
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

package aptrepo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/version"
)

// Keyrings reads certificates. Errors: Invalid.
type Keyrings interface {
	Read(armored []byte) (Certificates, error)
}

// Depot keeps what actions make, by digest. Errors: Full.
type Depot interface {
	PutFrom(ctx context.Context, r io.Reader, limit int64) (digest string, size int64, err error)
}

// maxKeyring bounds a keyring package, in bytes. A certificate with many signatures has 100 kB.
const maxKeyring = 16 << 20

// keyringPackage is archive.keyring@1.
type keyringPackage struct{ a *Actions }

// KeyringIn says which package is to be made.
type KeyringIn struct {
	Archive string   `cel:"archive" json:"archive"`
	Suites  []string `cel:"suites,optional" json:"suites,omitempty" doc:"those that will get it; default: all of the archive"`
	Version string   `cel:"version,optional" json:"version,omitempty" doc:"default: that of the suites, when they have the same package; otherwise the day of the newest signature of a key, as 2019.01.31, or a higher one"`
}

// KeyringOut is the package, as archive.stage takes it.
type KeyringOut struct {
	Files        []Artifact `cel:"files" json:"files"`
	Package      string     `cel:"package" json:"package"`
	Version      string     `cel:"version" json:"version"`
	Fingerprints []string   `cel:"fingerprints" json:"fingerprints" doc:"of the keys in it"`
	Suites       []string   `cel:"suites" json:"suites" doc:"those that do not have it yet"`
}

// Probe finds nothing: made again, the package has the same bytes.
func (keyringPackage) Probe(context.Context, action.Key, KeyringIn) (KeyringOut, bool, error) {
	return KeyringOut{}, false, nil
}

// Do makes the package of all configured certificates.
func (k keyringPackage) Do(ctx context.Context, _ action.Key, in KeyringIn) (KeyringOut, error) {
	c, err := k.a.archive("archive.keyring", in.Archive)
	if err != nil {
		return KeyringOut{}, err
	}
	made, err := MakeKeyring(in.Archive, c, k.a.Keyrings, in.Version, in.Suites)
	if err != nil {
		return KeyringOut{}, err
	}
	file, err := k.a.keep(ctx, made)
	return KeyringOut{Files: []Artifact{file}, Package: made.Package, Version: made.Version,
		Fingerprints: made.Certificates.Fingerprints, Suites: made.Missing}, err
}

func (a *Actions) keep(ctx context.Context, made MadeKeyring) (Artifact, error) {
	digest, size, err := a.Depot.PutFrom(ctx, bytes.NewReader(made.Bytes), maxKeyring)
	return Artifact{Name: made.Filename(), Digest: digest, Size: int(size)}, err
}

// missingKeyring is the keyring package that goes into a suite beside what is added, because the
// archive is configured so and the suite does not have it.
func (a *Actions) missingKeyring(ctx context.Context, name string, c Configured, suite string) (files []Artifact, err error) {
	if !c.KeyringPackage.Publish {
		return nil, nil
	}
	made, err := MakeKeyring(name, c, a.Keyrings, "", []string{suite})
	if err != nil || len(made.Missing) == 0 {
		return nil, err
	}
	file, err := a.keep(ctx, made)
	return []Artifact{file}, err
}

// packages is a [Place] that knows what its generations offer. See [Archive.Packages].
type packages interface {
	Packages(suite, generation string, names ...string) ([]Package, error)
}

// MadeKeyring is a keyring package with its bytes.
type MadeKeyring struct {
	KeyringPackage
	Bytes   []byte
	Missing []string // suites that do not offer it yet
}

// MakeKeyring makes the keyring package of an archive for some of its suites, all when none is
// named. Without a wanted version it is the highest one that the archive has, as long as its bytes
// are the same; when they are not, it gets a higher version. Errors: NotFound; Invalid.
func MakeKeyring(name string, c Configured, read Keyrings, wanted string, suites []string) (MadeKeyring, error) {
	certs, err := read.Read(c.Keyring)
	if err != nil {
		return MadeKeyring{}, err
	}
	var all []string
	for _, s := range c.Suites {
		all = append(all, s.Name)
	}
	if len(suites) == 0 {
		suites = all
	}
	for _, suite := range suites {
		if _, err := c.suite("archive.keyring", suite); err != nil {
			return MadeKeyring{}, err
		}
	}
	p, err := KeyringPackage{Archive: name, Address: c.Address, Suites: c.Suites, Certificates: certs, KeyringOptions: c.KeyringPackage, Version: wanted}.WithDefaults()
	if err != nil {
		return MadeKeyring{}, err
	}
	have, highest := map[string]Package{}, ""
	for _, suite := range all { // they share the pool, and so the versions
		offered, err := offeredKeyring(c.Place, suite, p.Package)
		if err != nil {
			return MadeKeyring{}, err
		}
		have[suite] = offered
		if highest == "" || version.Compare(offered.Version, highest) > 0 {
			highest = offered.Version
		}
	}
	made, err := p.make()
	if err != nil {
		return MadeKeyring{}, err
	}
	if wanted == "" && highest != "" && version.Compare(highest, p.Version) >= 0 {
		p.Version = highest
		if made, err = p.make(); err != nil {
			return MadeKeyring{}, err
		}
		same := false
		for _, offered := range have {
			same = same || made.is(offered)
		}
		if !same {
			p.Version = highest + "+1"
			if made, err = p.make(); err != nil {
				return MadeKeyring{}, err
			}
		}
	}
	made.Missing = []string{}
	for _, suite := range suites {
		if !made.is(have[suite]) {
			made.Missing = append(made.Missing, suite)
		}
	}
	return made, nil
}

// offeredKeyring is the newest version of a package in a suite; it has no name when there is none.
func offeredKeyring(place Place, suite, name string) (Package, error) {
	if p, ok := place.(packages); ok {
		all, err := p.Packages(suite, "", name)
		all = slices.DeleteFunc(all, func(p Package) bool { return len(p.Sums) == 0 })
		if errs.Is(err, errs.NotFound) || err == nil && len(all) == 0 {
			return Package{}, nil
		}
		if err != nil {
			return Package{}, err
		}
		return slices.MaxFunc(all, func(a, b Package) int { return version.Compare(a.Version, b.Version) }), nil
	}
	built, err := place.Built(suite, "", name)
	if err != nil || len(built) == 0 {
		return Package{}, err
	}
	return Package{Name: name, Version: built[0].Version}, nil
}

func (k KeyringPackage) make() (MadeKeyring, error) {
	var b bytes.Buffer
	err := k.Write(&b)
	return MadeKeyring{KeyringPackage: k, Bytes: b.Bytes()}, err
}

// is reports whether a suite offers this very package. A place that knows no checksums is trusted
// to have it when it has the version.
func (m MadeKeyring) is(p Package) bool {
	sum := sha256.Sum256(m.Bytes)
	return p.Version == m.Version && (len(p.Sums) == 0 || slices.Contains(p.Sums, hex.EncodeToString(sum[:])))
}

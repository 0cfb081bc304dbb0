//go:build prove

package archive

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/aptrepo"
	"slipway/integrations/debian"
	"slipway/integrations/openpgp"
)

// clock is the time of a story. apt compares what archives say with the real time, so that a
// story begins some hours ago and stays behind it.
type clock struct{ at time.Time }

func newClock() *clock { return &clock{time.Now().UTC().Truncate(time.Second).Add(-12 * time.Hour)} }

func (c *clock) now() time.Time { return c.at }

// pass moves the clock.
func (c *clock) pass(d time.Duration) time.Time {
	c.at = c.at.Add(d)
	return c.at
}

// key is one that archives are signed with.
type key struct {
	*openpgp.KeyFile
	private, public []byte
}

func newKey(t *testing.T, name string, life time.Duration, c *clock) key {
	t.Helper()
	private, public, err := openpgp.Generate(name, "archive@example.org", "eddsa", life, c.now())
	if err != nil {
		t.Fatal(err)
	}
	file, err := openpgp.NewKeyFile(private, nil, c.now)
	if err != nil {
		t.Fatal(err)
	}
	return key{file, private, public}
}

// world is an archive in a folder, with its keys and a server.
type world struct {
	*clock
	t      *testing.T
	root   string
	in     string // packages to add
	repo   *aptrepo.Archive
	suites []aptrepo.Suite
	keys   []key // which sign
	front  *front
	n      int
}

// stable is a suite with every safety on.
func stable() aptrepo.Suite {
	return aptrepo.Suite{Name: "stable", Codename: "bookworm", Origin: "Example", Label: "Example", Version: "12",
		Components: []string{"main"}, Architectures: []string{"amd64", "arm64"}, ByHash: true, ValidFor: 30 * 24 * time.Hour}
}

func newWorld(t *testing.T, suites ...aptrepo.Suite) *world {
	t.Helper()
	c := newClock()
	return worldOf(t, c, newKey(t, "Archive", 0, c), suites...)
}

func worldOf(t *testing.T, c *clock, k key, suites ...aptrepo.Suite) *world {
	t.Helper()
	if len(suites) == 0 {
		suites = []aptrepo.Suite{stable()}
	}
	w := &world{clock: c, t: t, root: filepath.Join(t.TempDir(), "archive"), in: t.TempDir(), suites: suites, keys: []key{k}}
	w.front = newFront(t, w.root)
	w.open(aptrepo.Options{})
	w.pass(time.Minute)
	return w
}

func (w *world) open(o aptrepo.Options) {
	w.t.Helper()
	repo, err := aptrepo.Open(w.root, o, w.suites...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.repo = repo
}

// deb makes a package with one file; extra are further control fields, "Section: net".
func (w *world) deb(name, version, arch string, extra ...string) aptrepo.File {
	w.t.Helper()
	return w.build(name, version, arch, []debian.File{{Path: "usr/share/" + name + "/version", Body: []byte(version + "\n")}}, extra...)
}

func (w *world) build(name, version, arch string, files []debian.File, extra ...string) aptrepo.File {
	w.t.Helper()
	text := debOf(w.t, name, version, arch, files, w.now(), extra...)
	path := filepath.Join(w.in, fmt.Sprintf("%s_%s_%s.deb", name, strings.ReplaceAll(version, ":", "%3a"), arch))
	if err := os.WriteFile(path, text, 0o644); err != nil {
		w.t.Fatal(err)
	}
	return aptrepo.File{Path: path}
}

func debOf(t *testing.T, name, version, arch string, files []debian.File, at time.Time, extra ...string) []byte {
	t.Helper()
	p := debian.Paragraph{{Name: "Package", Value: name}, {Name: "Version", Value: version}, {Name: "Architecture", Value: arch},
		{Name: "Maintainer", Value: "Release Team <team@example.org>"}}
	for _, e := range extra {
		field, value, _ := strings.Cut(e, ": ")
		p.Set(field, value)
	}
	p.Set("Description", "example")
	var b bytes.Buffer
	if err := debian.WriteDeb(&b, debian.Build{Control: p, Files: files, Time: at}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// change adds files to the first suite, some minutes later, under a key of its own.
func (w *world) change(files ...aptrepo.File) aptrepo.Change {
	w.n++
	return aptrepo.Change{Key: fmt.Sprint("change ", w.n), Suite: w.suites[0].Name, Date: w.pass(5 * time.Minute), Add: files}
}

func (w *world) stage(c aptrepo.Change) aptrepo.Staged {
	w.t.Helper()
	s, err := w.repo.Stage(context.Background(), c)
	if err != nil {
		w.t.Fatalf("stage: %v (%s)", err, errs.HintOf(err))
	}
	return s
}

// signed is the publication of what is staged, signed by all keys of the archive.
func (w *world) signed(s aptrepo.Staged) aptrepo.Publication {
	w.t.Helper()
	inRelease, gpg := sign(w.t, s.Release, w.keys...)
	return aptrepo.Publication{Suite: s.Suite, Generation: s.ID, Digest: s.Digest, Expect: s.Parent, Now: w.now(),
		InRelease: inRelease, ReleaseGPG: gpg, Verify: w.verify}
}

func (w *world) verify(release, inRelease, releaseGPG []byte) error {
	policy, prints := policyOf(w.t, w.keys...)
	if _, _, err := openpgp.VerifyInRelease(inRelease, policy, prints, w.now()); err != nil {
		return err
	}
	_, err := openpgp.VerifyReleaseGPG(release, releaseGPG, policy, prints, w.now())
	return err
}

// publish stages a change and turns clients to it.
func (w *world) publish(c aptrepo.Change) aptrepo.Staged {
	w.t.Helper()
	s := w.stage(c)
	if _, err := w.repo.Publish(context.Background(), w.signed(s)); err != nil {
		w.t.Fatalf("publish: %v (%s)", err, errs.HintOf(err))
	}
	return s
}

// refused holds an error against its kind and words.
func refused(t *testing.T, err error, kind errs.Kind, words string) {
	t.Helper()
	if !errs.Is(err, kind) || !strings.Contains(err.Error(), words) {
		t.Errorf("got %v (%v), want %v with %q", err, errs.KindOf(err), kind, words)
	}
}

// sign makes InRelease and Release.gpg by every one of the keys.
func sign(t *testing.T, release []byte, keys ...key) (inRelease, releaseGPG []byte) {
	t.Helper()
	var inline, detached [][]byte
	for _, k := range keys {
		in, de, err := openpgp.SignRelease(context.Background(), k, release)
		if err != nil {
			t.Fatal(err)
		}
		inline, detached = append(inline, in), append(detached, de)
	}
	inRelease, err := openpgp.AssembleInRelease(release, inline...)
	if err != nil {
		t.Fatal(err)
	}
	if releaseGPG, err = openpgp.AssembleDetached(detached...); err != nil {
		t.Fatal(err)
	}
	return inRelease, releaseGPG
}

func policyOf(t *testing.T, keys ...key) (p openpgp.Policy, prints []string) {
	t.Helper()
	for _, k := range keys {
		certs, err := openpgp.ReadCertificates(k.public)
		if err != nil {
			t.Fatal(err)
		}
		p.Certificates = append(p.Certificates, certs...)
		prints = append(prints, k.Fingerprint())
	}
	p.Allowed = prints
	return p, prints
}

// keyring is what clients are given to trust, armored.
func keyring(t *testing.T, keys ...key) []byte {
	t.Helper()
	_, armor := keyrings(t, keys...)
	return armor
}

func keyrings(t *testing.T, keys ...key) (binary, armor []byte) {
	t.Helper()
	var certs [][]byte
	for _, k := range keys {
		certs = append(certs, k.public)
	}
	binary, armor, err := openpgp.Keyring(certs...)
	if err != nil {
		t.Fatal(err)
	}
	return binary, armor
}

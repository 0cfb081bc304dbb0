//go:build prove

package archive

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/aptrepo"
	"slipway/integrations/openpgp"
)

const (
	ringPackage = "packages-archive-keyring"
	ringPath    = "usr/share/keyrings/packages.gpg"
)

// certificates reads keys for the package that brings them to clients.
type certificates struct{}

func (certificates) Read(armored []byte) (c aptrepo.Certificates, err error) {
	certs, err := openpgp.ReadCertificates(armored)
	if err != nil {
		return c, err
	}
	for _, e := range certs {
		c.Fingerprints = append(c.Fingerprints, strings.ToUpper(hex.EncodeToString(e.PrimaryKey.Fingerprint)))
	}
	c.Owner, c.Newest = openpgp.Owner(certs[0]), openpgp.Newest(certs)
	c.Keyring, _, err = openpgp.Keyring(armored)
	return c, err
}

// ring makes the package with the keys that the archive has now, and publishes it with files.
func (d *desk) ring(files ...aptrepo.File) (version string) {
	d.t.Helper()
	out, _, err := perform[aptrepo.KeyringOut](d.office, "archive.keyring@1", "ring", aptrepo.KeyringIn{Archive: "packages"})
	if err != nil {
		d.t.Fatalf("%v (%s)", err, errs.HintOf(err))
	}
	var want []string
	for _, k := range d.world.keys {
		want = append(want, k.Fingerprint())
	}
	if out.Package != ringPackage || !slices.Equal(slices.Sorted(slices.Values(out.Fingerprints)), slices.Sorted(slices.Values(want))) {
		d.t.Errorf("the package is %s with the keys %q, want %q", out.Package, out.Fingerprints, want)
	}
	d.do(aptrepo.StageIn{Kind: "add", Files: out.Files}, files...)
	return out.Version
}

// trusting is a client whose keyring lies where the package puts it, as an administrator put it
// there by hand in the beginning.
func (d *desk) trusting(keys ...key) *client {
	c := d.client("amd64", keys...)
	c.prepare()
	binary, _ := keyrings(d.t, keys...)
	c.write(ringPath, string(binary))
	c.write("etc/apt/sources.list", "deb [signed-by="+c.root()+"/"+ringPath+"] "+c.look.Address+" stable main\n")
	return c
}

// updates wants apt-get update to be content.
func (c *client) updates() {
	c.t.Helper()
	if said, status := c.run("apt-get", "update", "-o", "APT::Update::Error-Mode=any"); status != 0 {
		c.t.Fatalf("apt-get update: %s", said)
	}
}

// While keys change, the suite is signed by the old and the new one: clients with either read it. A
// package brings the new key to those that have the old one; then the old one can go.
func TestKeysChange(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	old := d.world.keys[0]
	next := newKey(t, "Next", 0, d.clock)
	first := d.ring(d.deb("lava", "1.0", "all"))
	d.client("amd64", old).sees("lava", "1.0")
	d.client("amd64", next).refuses("lava", "NO_PUBKEY")
	moving, left := d.trusting(old), d.trusting(old)
	moving.apt("install", "lava", ringPackage)
	moving.compare(moving.installed(), []string{"lava 1.0", ringPackage + " " + first})
	moving.holds(old)
	left.updates()

	d.world.keys = []key{old, next}
	d.staff()
	second := d.ring(d.deb("lava", "1.1", "all"))
	for _, held := range [][]key{{old}, {next}, {old, next}} {
		d.client("amd64", held...).sees("lava", "1.1")
	}
	d.wantView("1.1", "lava")
	moving.upgrade("lava 1.1", ringPackage+" "+second)
	moving.holds(old, next)
	left.updates()
	d.onlyBothKeysPublish(next)

	d.world.keys = []key{next}
	d.staff()
	third := d.ring(d.deb("lava", "1.2", "all"))
	moving.upgrade("lava 1.2", ringPackage+" "+third)
	moving.holds(next)
	if said, status := left.run("apt-get", "update", "-o", "APT::Update::Error-Mode=any"); status == 0 || !strings.Contains(said, "NO_PUBKEY") {
		t.Errorf("a client that never took the package reads the archive: %s", said)
	}
	d.client("amd64", old).refuses("lava", "NO_PUBKEY")
	d.client("amd64", next).sees("lava", "1.2")
	for n, versions := range [][2]string{{first, second}, {second, third}} {
		if _, status := moving.run("dpkg", "--compare-versions", versions[0], "lt", versions[1]); status != 0 {
			t.Errorf("keyring %d is %s and the next %s", n+1, versions[0], versions[1])
		}
	}
	d.add(d.deb("lava", "1.3", "all"))
	moving.upgrade("lava 1.3", ringPackage+" "+third)
}

// A key that goes at once takes every client along that has it alone: the trap that the two
// signatures and the package avoid.
func TestKeyChangedAtOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	old := d.world.keys[0]
	d.ring(d.deb("lava", "1.0", "all"))
	c := d.trusting(old)
	c.apt("install", "lava")
	d.world.keys = []key{newKey(t, "Next", 0, d.clock)}
	d.staff()
	d.ring(d.deb("lava", "1.1", "all"))
	if said, status := c.run("apt-get", "update"); !strings.Contains(said, "NO_PUBKEY") {
		t.Errorf("apt-get ended with %d: %s", status, said)
	}
	c.dpkg("upgrade") // it finds nothing, and is content
	if got := c.installed()["lava"]; got != "1.0" {
		t.Errorf("lava is %s", got)
	}
}

// holds wants the installed keyring to be that of these keys.
func (c *client) holds(keys ...key) {
	c.t.Helper()
	certs, err := openpgp.LoadCertificates(filepath.Join(c.root(), ringPath))
	if err != nil {
		c.t.Fatal(err)
	}
	got, want := map[string]bool{}, len(keys)
	for _, e := range certs {
		got[strings.ToUpper(hex.EncodeToString(e.PrimaryKey.Fingerprint))] = true
	}
	for _, k := range keys {
		if !got[k.Fingerprint()] {
			c.t.Errorf("the keyring of the client has no %s", k.Fingerprint())
		}
	}
	if len(got) != want {
		c.t.Errorf("the keyring of the client has %d keys, want %d", len(got), want)
	}
	if info, err := os.Stat(filepath.Join(c.root(), ringPath)); err != nil || info.Mode().Perm() != 0o644 {
		c.t.Errorf("the keyring of the client has the mode %v, %v", info.Mode(), err)
	}
}

// The signatures of one key alone are not published while two must sign, nor those of another text.
func (d *desk) onlyBothKeysPublish(missing key) {
	d.t.Helper()
	d.pass(time.Hour)
	stage := func(step string) aptrepo.StageOut {
		staged, _, err := perform[aptrepo.StageOut](d.office, "archive.stage@1", step, aptrepo.StageIn{Archive: "packages", Suites: []string{"stable"}, Kind: "refresh"})
		if err != nil {
			d.t.Fatal(err)
		}
		return staged
	}
	publish := func(step string, s aptrepo.StageOut, signed [][]aptrepo.Signature) error {
		_, _, err := perform[aptrepo.PublishOut](d.office, "archive.publish@1", step, aptrepo.PublishIn{Archive: "packages",
			Generation: s.Generation, Releases: s.Releases, Current: s.Current, Signed: signed})
		return err
	}
	sign := func(s aptrepo.StageOut) [][]aptrepo.Signature {
		signed, err := d.sign(s.Releases)
		if err != nil {
			d.t.Fatal(err)
		}
		return signed
	}
	earlier := stage("an earlier refresh")
	stale := sign(earlier)
	if err := publish("an earlier refresh", earlier, stale); err != nil {
		d.t.Fatal(err)
	}
	d.pass(time.Hour)
	staged := stage("refresh")
	refused(d.t, publish("signatures of another Release", staged, stale), errs.Failed, "the signatures of stable")
	both := sign(staged)
	refused(d.t, publish("one key", staged, both[:1]), errs.Failed, "there is no good signature by the key "+missing.Fingerprint())
	if err := publish("both keys", staged, both); err != nil {
		d.t.Fatal(err)
	}
}

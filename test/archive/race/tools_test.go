//go:build prove

package race

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/integrations/aptrepo"
	"slipway/integrations/openpgp"
)

// ours is an archive of aptrepo, with files by hash. Its clock is in the past, and a minute goes
// by from one publication to the next.
type ours struct {
	t      *testing.T
	repo   *aptrepo.Archive
	key    *openpgp.KeyFile
	public []byte
	at     time.Time
	n      int
	staged aptrepo.Staged
}

func newOurs(t *testing.T, debs []string) *ours {
	t.Helper()
	_, most := publications()
	o := &ours{t: t, at: time.Now().UTC().Truncate(time.Second).Add(-time.Duration(most+120) * time.Minute)}
	private, public, err := openpgp.Generate("Race", "race@example.org", "eddsa", 0, o.at)
	if err != nil {
		t.Fatal(err)
	}
	if o.key, err = openpgp.NewKeyFile(private, nil, func() time.Time { return o.at }); err != nil {
		t.Fatal(err)
	}
	o.public = public
	if o.repo, err = aptrepo.Open(filepath.Join(t.TempDir(), "archive"), aptrepo.Options{}, aptrepo.Suite{Name: "stable", Codename: "stable",
		Origin: "Race", Label: "Race", Architectures: []string{"amd64"}, ByHash: true, ValidFor: 30 * 24 * time.Hour, Keep: time.Hour}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(o.stage(debs), o.publish("")); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *ours) stage(debs []string) (err error) {
	o.n++
	o.at = o.at.Add(time.Minute)
	c := aptrepo.Change{Key: fmt.Sprint("change ", o.n), Suite: "stable", Date: o.at}
	for _, d := range debs {
		c.Add = append(c.Add, aptrepo.File{Path: d})
	}
	o.staged, err = o.repo.Stage(o.t.Context(), c)
	return err
}

// prepare cleans up, too, from time to time: that must not touch what clients may still ask for.
func (o *ours) prepare(deb string) error {
	if o.n%20 == 0 {
		if _, err := o.repo.Cleanup(o.t.Context(), o.at); err != nil {
			return err
		}
	}
	return o.stage([]string{deb})
}

func (o *ours) publish(string) error {
	ctx := context.Background()
	inline, detached, err := openpgp.SignRelease(ctx, o.key, o.staged.Release)
	if err != nil {
		return err
	}
	inRelease, err := openpgp.AssembleInRelease(o.staged.Release, inline)
	if err != nil {
		return err
	}
	gpg, err := openpgp.AssembleDetached(detached)
	if err != nil {
		return err
	}
	_, err = o.repo.Publish(ctx, aptrepo.Publication{Suite: "stable", Generation: o.staged.ID, Digest: o.staged.Digest,
		InRelease: inRelease, ReleaseGPG: gpg, Expect: o.staged.Parent, Now: o.at})
	return err
}

func (o *ours) root() string    { return o.repo.Root() }
func (o *ours) keyring() string { return string(o.public) }

// peer is what reprepro and aptly have in common: a folder, and a key of gpg.
type peer struct {
	dir    string
	home   string
	print  string
	public string
}

func newPeer(t *testing.T) peer {
	t.Helper()
	home, err := os.MkdirTemp("/tmp", "gpg") // the name of the agent's socket must be short
	if err != nil {
		t.Fatal(err)
	}
	p := peer{dir: t.TempDir(), home: home}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		_ = os.RemoveAll(home)
	})
	gpg := func(args ...string) string {
		out, err := p.output("gpg", append([]string{"--batch", "--quiet"}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	gpg("--passphrase", "", "--quick-generate-key", "Race <race@example.org>", "ed25519", "sign", "0")
	for line := range strings.Lines(gpg("--with-colons", "--list-keys")) {
		if f := strings.Split(line, ":"); f[0] == "fpr" && len(f) > 9 {
			p.print = f[9]
		}
	}
	p.public = gpg("--armor", "--export", p.print)
	return p
}

func (p peer) output(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "GNUPGHOME="+p.home, "LC_ALL=C.UTF-8", "HOME="+p.dir)
	var bad strings.Builder
	cmd.Stderr = &bad
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(args, " "), err, out, bad.String())
	}
	return string(out), nil
}

func (p peer) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(p.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func (p peer) keyring() string { return p.public }

// reprepro adds and publishes by one command.
type reprepro struct{ peer }

func newReprepro(t *testing.T, debs []string) reprepro {
	t.Helper()
	r := reprepro{newPeer(t)}
	r.write(t, "conf/distributions", "Origin: Race\nLabel: Race\nSuite: stable\nCodename: stable\nArchitectures: amd64\nComponents: main\nSignWith: "+r.print+"\n")
	if err := r.add(debs...); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r reprepro) add(debs ...string) error {
	_, err := r.output("reprepro", append([]string{"-s", "-b", r.dir, "includedeb", "stable"}, debs...)...)
	return err
}

func (r reprepro) root() string             { return r.dir }
func (r reprepro) prepare(string) error     { return nil }
func (r reprepro) publish(deb string) error { return r.add(deb) }

type aptly struct{ peer }

func newAptly(t *testing.T, debs []string) aptly {
	t.Helper()
	a := aptly{newPeer(t)}
	conf, err := json.Marshal(map[string]any{"rootDir": a.dir, "gpgProvider": "gpg", "architectures": []string{"amd64"}})
	if err != nil {
		t.Fatal(err)
	}
	a.write(t, "aptly.conf", string(conf))
	for _, args := range [][]string{{"repo", "create", "race"}, append([]string{"repo", "add", "race"}, debs...),
		{"publish", "repo", "-batch", "-skip-contents", "-gpg-key=" + a.print, "-distribution=stable", "-component=main", "race"}} {
		if err := a.do(args...); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

func (a aptly) do(args ...string) error {
	_, err := a.output("aptly", append([]string{"-config=" + filepath.Join(a.dir, "aptly.conf")}, args...)...)
	return err
}

func (a aptly) root() string             { return filepath.Join(a.dir, "public") }
func (a aptly) prepare(deb string) error { return a.do("repo", "add", "race", deb) }
func (a aptly) publish(string) error {
	return a.do("publish", "update", "-batch", "-skip-contents", "-gpg-key="+a.print, "stable")
}

//go:build prove

package reprepro

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/aptrepo"
	"slipway/integrations/openpgp"
)

func TestRealReprepro(t *testing.T) {
	for name, tell := range stories {
		t.Run(name, func(t *testing.T) { tell(newWorld(t, "reprepro")) })
	}
}

// sign gives the files that a signer's key makes of a Release.
func sign(t *testing.T, key *openpgp.KeyFile, release []byte) (inRelease, releaseGPG []byte) {
	t.Helper()
	inline, detached, err := openpgp.SignRelease(context.Background(), key, release)
	if err != nil {
		t.Fatal(err)
	}
	if inRelease, err = openpgp.AssembleInRelease(release, inline); err != nil {
		t.Fatal(err)
	}
	if releaseGPG, err = openpgp.AssembleDetached(detached); err != nil {
		t.Fatal(err)
	}
	return inRelease, releaseGPG
}

// What gpgv and apt say of an archive that reprepro keeps, through two publications and one back.
func TestRealRepreproIsReadByAptAndGpgv(t *testing.T) {
	w := newWorld(t, "reprepro")
	private, _, err := openpgp.Generate("Archive", "archive@example.org", "eddsa", 365*24*time.Hour, w.now.Add(-time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	key, err := openpgp.NewKeyFile(private, nil, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	ring := filepath.Join(t.TempDir(), "ring.gpg")
	dearmor := exec.Command("gpg", "--batch", "--homedir", t.TempDir(), "--dearmor", "--output", ring)
	dearmor.Stdin = strings.NewReader(string(key.Certificate()))
	if out, err := dearmor.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	client := aptrepo.Client{Dir: t.TempDir()}
	root := t.TempDir() // a client with a history
	release := func(c aptrepo.Change, want string) aptrepo.Staged {
		t.Helper()
		s := w.stage(c)
		p := w.signed(s)
		p.InRelease, p.ReleaseGPG = sign(t, key, s.Release)
		if _, err := w.place.Publish(context.Background(), p); err != nil {
			t.Fatal(errs.Text(err))
		}
		dist := filepath.Join(w.base, "release", "dists", c.Suite)
		for _, args := range [][]string{{filepath.Join(dist, "InRelease")}, {filepath.Join(dist, "Release.gpg"), filepath.Join(dist, "Release")}} {
			if out, err := exec.Command("gpgv", append([]string{"--keyring", ring}, args...)...).CombinedOutput(); err != nil {
				t.Errorf("gpgv %v: %v: %s", args, err, out)
			}
		}
		for _, keeps := range []string{"", root} {
			v, err := client.Look(context.Background(), aptrepo.Look{Address: "file:" + filepath.Join(w.base, "release"), Keyring: key.Certificate(), Suite: c.Suite,
				Components: []string{"main"}, Architectures: []string{"amd64"}, Packages: []string{"hello"}, Root: keeps})
			if err != nil || len(v.Complaints) > 0 || v.Candidates[0].Version != want {
				t.Errorf("apt sees %+v, %v; want %s", v, err, want)
			}
		}
		return s
	}
	first := release(w.change("bookworm", w.deb("hello", "1.0", "amd64")), "1.0")
	release(w.change("bookworm", w.deb("hello", "2.0", "amd64")), "2.0")
	back := w.change("bookworm")
	back.Base, back.Rollback = first.ID, true
	release(back, "1.0")
	if out, err := exec.Command("reprepro", "--basedir", filepath.Join(w.base, "release"), "checkpool").CombinedOutput(); err != nil {
		t.Errorf("reprepro finds its archive damaged: %v: %s", err, out)
	}
	if out, err := exec.Command("reprepro", "--basedir", filepath.Join(w.base, "release"), "check").CombinedOutput(); err != nil {
		t.Errorf("reprepro finds its archive damaged: %v: %s", err, out)
	}
}

// reprepro is set up to sign, and nobody is asked for a key.
func TestRealRepreproThatSigns(t *testing.T) {
	w := newWorld(t, "reprepro")
	conf := filepath.Join(w.current(), "conf", "distributions")
	w.write(conf, strings.Replace(distributions, "Codename: bookworm\n", "Codename: bookworm\nSignWith: default\n", 1))
	_, err := w.place.Stage(context.Background(), w.change("bookworm", w.deb("hello", "1.0", "amd64")))
	wantError(t, err, errs.Conflict, "signs by itself")
}

// Another reprepro holds the lock.
func TestRealRepreproIsLocked(t *testing.T) {
	w := newWorld(t, "reprepro")
	lock := filepath.Join(w.current(), "db", "lockfile")
	w.write(lock, "")
	_, err := w.place.Stage(context.Background(), w.change("bookworm", w.deb("hello", "1.0", "amd64")))
	wantError(t, err, errs.Busy, "reprepro is at work")
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	s := w.published(w.change("bookworm", w.deb("hello", "1.0", "amd64")))
	if left := fmt.Sprint(filepath.Glob(filepath.Join(w.base, s.ID, "db", "lockfile"))); left != "[] <nil>" {
		t.Errorf("left: %s", left)
	}
}

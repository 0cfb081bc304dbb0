//go:build prove

package overssh

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/aptrepo"
	"slipway/integrations/openpgp"
)

// What a real apt says of the folder on the other host, through two publications and one back.
func TestRealSSHIsReadByApt(t *testing.T) {
	login := ordinary(t, "slipway-files")
	s := startServer(t, login)
	w := realWorld(t, s, login)
	w.now = time.Now().UTC().Add(-time.Minute).Truncate(time.Second)
	w.through(s, login)
	w.place.opts.KnownHosts = s.path("known_hosts")
	if err := w.place.Reach(context.Background()); err != nil {
		t.Fatal(errs.Text(err))
	}
	private, _, err := openpgp.Generate("Archive", "archive@example.org", "eddsa", 0, w.now.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	key, err := openpgp.NewKeyFile(private, nil, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	client, root := aptrepo.Client{Dir: t.TempDir()}, t.TempDir()
	release := func(c aptrepo.Change, want string) aptrepo.Staged {
		t.Helper()
		w.now = w.now.Add(time.Second)
		c.Key, c.Suite, c.Date = "change to "+want+w.now.String(), "stable", w.now
		staged, err := w.place.Stage(context.Background(), c)
		if err != nil {
			t.Fatal(errs.Text(err))
		}
		p := w.signed(staged)
		inline, detached, err := openpgp.SignRelease(context.Background(), key, staged.Release)
		if err != nil {
			t.Fatal(err)
		}
		if p.InRelease, err = openpgp.AssembleInRelease(staged.Release, inline); err != nil {
			t.Fatal(err)
		}
		if p.ReleaseGPG, err = openpgp.AssembleDetached(detached); err != nil {
			t.Fatal(err)
		}
		if _, err := w.place.Publish(context.Background(), p); err != nil {
			t.Fatal(errs.Text(err))
		}
		for _, keeps := range []string{"", root} {
			v, err := client.Look(context.Background(), aptrepo.Look{Address: "file:" + w.there, Keyring: key.Certificate(), Suite: "stable",
				Components: []string{"main"}, Architectures: []string{"amd64"}, Packages: []string{"hello"}, Root: keeps})
			if err != nil || len(v.Complaints) > 0 || v.Candidates[0].Version != want {
				t.Errorf("apt sees %+v, %v; want %s", v, err, want)
			}
		}
		return staged
	}
	first := release(aptrepo.Change{Add: []aptrepo.File{w.deb("hello", "1.0")}}, "1.0")
	release(aptrepo.Change{Add: []aptrepo.File{w.deb("hello", "2.0")}}, "2.0")
	release(aptrepo.Change{Base: first.ID, Rollback: true}, "1.0")
	for path, mode := range map[string]os.FileMode{"dists/stable/InRelease": 0o644, "pool/main/h/hello/hello_2.0_amd64.deb": 0o644, "generations/stable": 0o755 | os.ModeDir} {
		if info, err := os.Stat(filepath.Join(w.there, path)); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	// What the doctor finds when another key answers there, and when nobody may write any more.
	if err := os.WriteFile(s.path("known_hosts"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	wantError(t, w.place.Reach(context.Background()), errs.Denied, "known_hosts")
	w.place.opts.KnownHosts = ""
	wantError(t, w.place.Reach(context.Background()), errs.Denied, "known_hosts")
}

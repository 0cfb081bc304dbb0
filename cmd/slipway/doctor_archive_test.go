package main

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/integrations/aptrepo"
	"slipway/integrations/openpgp"
)

// published is a patient with one archive, which is served over HTTP, and one project with it.
func published(t *testing.T) (*patient, string) {
	t.Helper()
	root := filepath.Join(t.TempDir(), "archive")
	served := httptest.NewServer(http.FileServer(http.Dir(root)))
	t.Cleanup(served.Close)
	p := &patient{conf: &config{
		Archives: map[string]archiveConfig{"yard": {Name: "yard", Root: root, Address: served.URL, Suites: []aptrepo.Suite{{Name: "stable", Origin: "Harbour", Label: "Harbour", Architectures: []string{"amd64"}, ValidFor: 14 * 24 * time.Hour}}}},
		Projects: map[string]project{"harbour": {Name: "harbour", Triggers: []string{"release-refresh"},
			Profile: action.Values{"archive": "yard", "lintian": "off", "build": []any{"slipway", "package", "build", "--with", "dpkg-buildpackage"}}}},
	}}
	key(t, p, 0, time.Now())
	dated(t, p, time.Now().Add(-time.Hour))
	return p, root
}

// key gives the archive a new key that was made then and lives for so long.
func key(t *testing.T, p *patient, life time.Duration, made time.Time) {
	t.Helper()
	private, public, err := openpgp.Generate("Harbour Archive", "archive@harbour.example", "eddsa", life, made)
	if err != nil {
		t.Fatal(err)
	}
	certs, err := openpgp.ReadCertificates(public)
	if err != nil {
		t.Fatal(err)
	}
	a := p.conf.Archives["yard"]
	a.Keys, a.PublicKeys = []string{fmt.Sprintf("%X", certs[0].PrimaryKey.Fingerprint)}, string(public)
	p.conf.Archives["yard"] = a
	if err := os.WriteFile(filepath.Join(filepath.Dir(a.Root), "key.asc"), private, 0o600); err != nil {
		t.Fatal(err)
	}
}

// dated publishes a Release of that date, which is good for two weeks.
func dated(t *testing.T, p *patient, date time.Time) {
	t.Helper()
	a := p.conf.Archives["yard"]
	signer, err := openpgp.LoadKeyFile(filepath.Join(filepath.Dir(a.Root), "key.asc"), "", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	stamp := func(at time.Time) string { return at.UTC().Format("Mon, 02 Jan 2006 15:04:05 UTC") }
	text := fmt.Appendf(nil, "Suite: stable\nCodename: stable\nDate: %s\nValid-Until: %s\nArchitectures: amd64\nComponents: main\n"+
		"SHA256:\n %064d 0 main/binary-amd64/Packages\n", stamp(date), stamp(date.Add(14*24*time.Hour)), 0)
	inline, _, err := openpgp.SignRelease(t.Context(), signer, text)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := openpgp.AssembleInRelease(text, inline)
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(a.Root, "dists", "stable", "InRelease"), string(whole), 0o644)
}

func put(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// archived changes the archive of the patient.
func (p *patient) archived(change func(*archiveConfig)) {
	a := p.conf.Archives["yard"]
	change(&a)
	p.conf.Archives["yard"] = a
}

// programs makes the PATH a folder with these programs alone.
func programs(t *testing.T, names ...string) string {
	dir := t.TempDir()
	for _, name := range names {
		put(t, filepath.Join(dir, name), "", 0o755)
	}
	t.Setenv("PATH", dir)
	return dir
}

// dpkgSays lets dpkg-query say that of a package.
func dpkgSays(t *testing.T, script string) {
	put(t, filepath.Join(programs(t, "apt-get", "apt-cache", "dpkg-buildpackage"), "dpkg-query"), "#!/bin/sh\n"+script+"\n", 0o755)
}

// TestDoctorOfArchives makes every archive ill in each of the ways that doctor knows, beside one
// that is well.
func TestDoctorOfArchives(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		code, name string
		change     func(t *testing.T, p *patient, root string)
		what, fix  string // "": nothing is found
	}{
		{"archive.unwritable", "it is there", nil, "", ""},
		{"archive.unwritable", "it is made with the first release", func(t *testing.T, p *patient, root string) {
			p.archived(func(a *archiveConfig) { a.Root = filepath.Join(root, "deep", "down") })
		}, "", ""},
		{"archive.unwritable", "a file is in the way", func(t *testing.T, p *patient, root string) {
			put(t, root+"-file", "", 0o644)
			p.archived(func(a *archiveConfig) { a.Root = root + "-file/archive" })
		}, "-file is not a folder", "choose another folder in root: of the archive yard"},

		{"archive.key_expired", "it is good for ever", nil, "", ""},
		{"archive.key_expired", "it expires soon", func(t *testing.T, p *patient, _ string) { key(t, p, 10*day, time.Now()) }, "", ""},
		{"archive.key_expired", "it is expired", func(t *testing.T, p *patient, _ string) { key(t, p, day, time.Now().Add(-2*day)) },
			"of the archive yard may not sign: it is expired", "export it again into public_keys:"},
		{"archive.key_expires", "it is good for ever", nil, "", ""},
		{"archive.key_expires", "it expires in a year", func(t *testing.T, p *patient, _ string) { key(t, p, 365*day, time.Now()) }, "", ""},
		{"archive.key_expires", "it expires soon", func(t *testing.T, p *patient, _ string) { key(t, p, 10*day, time.Now()) },
			"of the archive yard expires within 30 days", "sign with its successor beside it"},
		{"archive.key_expires", "it is expired already", func(t *testing.T, p *patient, _ string) { key(t, p, day, time.Now().Add(-2*day)) }, "", ""},

		{"archive.program_missing", "all are there", func(t *testing.T, p *patient, _ string) { programs(t, "apt-get", "apt-cache", "dpkg-buildpackage") }, "", ""},
		{"archive.program_missing", "apt is not", func(t *testing.T, p *patient, _ string) { programs(t, "apt-get", "dpkg-buildpackage") },
			"apt-cache is not installed", "apt-get install apt"},
		{"archive.program_missing", "the builder is not", func(t *testing.T, p *patient, _ string) {
			programs(t, "apt-get", "apt-cache", "dpkg-buildpackage")
			p.conf.Projects["harbour"].Profile["build"].([]any)[4] = "gbp"
		}, "gbp is not installed", "apt-get install git-buildpackage"},
		{"archive.program_missing", "what every build needs is", func(t *testing.T, p *patient, _ string) { dpkgSays(t, "echo installed") }, "", ""},
		{"archive.program_missing", "what every build needs is not", func(t *testing.T, p *patient, _ string) { dpkgSays(t, "exit 1") },
			"build-essential is not installed", "apt-get install build-essential"},
		{"archive.program_missing", "what every build needs was removed", func(t *testing.T, p *patient, _ string) { dpkgSays(t, "echo config-files") },
			"build-essential is not installed", "apt-get install build-essential"},
		{"archive.program_missing", "lintian is not", func(t *testing.T, p *patient, _ string) {
			programs(t, "apt-get", "apt-cache", "dpkg-buildpackage")
			p.conf.Projects["harbour"].Profile["lintian"] = "gate"
		}, "lintian is not installed", "apt-get install lintian"},
		{"archive.program_missing", "ssh is not", func(t *testing.T, p *patient, _ string) {
			programs(t, "apt-get", "apt-cache", "dpkg-buildpackage")
			p.archived(func(a *archiveConfig) { a.Over.SSH = "archive@deb.example" })
		}, "ssh is not installed", "apt-get install openssh-client"},
		{"archive.program_missing", "reprepro is not", func(t *testing.T, p *patient, root string) {
			programs(t, "apt-get", "apt-cache", "dpkg-buildpackage")
			p.archived(func(a *archiveConfig) { a.Over.Reprepro = root })
		}, "reprepro is not installed", "apt-get install reprepro"},
		{"archive.program_missing", "a command of the site needs what it needs", func(t *testing.T, p *patient, _ string) {
			programs(t, "apt-get", "apt-cache")
			p.conf.Projects["harbour"].Profile["build"] = []any{"make", "packages"}
		}, "", ""},

		{"archive.builder_missing", "none is named", nil, "", ""},
		{"archive.builder_missing", "nobody has that name", func(t *testing.T, p *patient, _ string) { builtBy(p, "nobody-has-this-name") },
			"there is no account nobody-has-this-name to build the packages of harbour", "adduser --system"},
		{"archive.builder_missing", "root", func(t *testing.T, p *patient, _ string) { builtBy(p, "root") },
			"the packages of harbour would be built as root", "name an ordinary account"},

		{"archive.not_served", "it is", nil, "", ""},
		{"archive.not_served", "as files", func(t *testing.T, p *patient, root string) {
			p.archived(func(a *archiveConfig) { a.Address = "file://" + root })
		}, "", ""},
		{"archive.not_served", "nothing is published yet", func(t *testing.T, p *patient, root string) {
			if err := os.RemoveAll(root); err != nil {
				t.Fatal(err)
			}
		}, "", ""},
		{"archive.not_served", "nobody listens", func(t *testing.T, p *patient, _ string) {
			closed := httptest.NewServer(http.NotFoundHandler())
			closed.Close()
			p.archived(func(a *archiveConfig) { a.Address = closed.URL })
		}, "/dists/stable/InRelease of the archive yard does not answer", "let a web server serve the folder"},
		{"archive.not_served", "it says no", func(t *testing.T, p *patient, _ string) {
			p.archived(func(a *archiveConfig) { a.Address = answering(t, http.StatusForbidden, "") })
		}, "it says 403 Forbidden", "let a web server serve the folder"},
		{"archive.not_served", "another folder is", func(t *testing.T, p *patient, _ string) {
			p.archived(func(a *archiveConfig) { a.Address = answering(t, http.StatusNotFound, "") })
		}, "is not there, though the suite is published", "let the web server serve the folder"},
		{"archive.not_served", "an old one is", func(t *testing.T, p *patient, _ string) {
			p.archived(func(a *archiveConfig) { a.Address = answering(t, http.StatusOK, "Suite: stable\n") })
		}, "is not what was published last", "clear the cache before it"},

		{"archive.expired", "it is fresh", nil, "", ""},
		{"archive.expired", "it is old", func(t *testing.T, p *patient, _ string) { dated(t, p, time.Now().Add(-15*day)) },
			"clients refuse the suite stable of the archive yard after ", "release refresh"},
		{"archive.expires", "it is fresh", nil, "", ""},
		{"archive.expires", "it is old", func(t *testing.T, p *patient, _ string) { dated(t, p, time.Now().Add(-15*day)) }, "", ""},
		{"archive.expires", "it is nearly old", func(t *testing.T, p *patient, _ string) { dated(t, p, time.Now().Add(-12*day)) },
			"clients refuse the suite stable of the archive yard after ", "release refresh"},

		{"archive.not_refreshed", "it is, every day", nil, "", ""},
		{"archive.not_refreshed", "it never expires", func(t *testing.T, p *patient, _ string) {
			p.archived(func(a *archiveConfig) { a.Suites = []aptrepo.Suite{{Name: "stable"}} })
			p.conf.Projects["harbour"] = project{Profile: p.conf.Projects["harbour"].Profile}
		}, "", ""},
		{"archive.not_refreshed", "it is not", func(t *testing.T, p *patient, _ string) {
			p.conf.Projects["harbour"] = project{Profile: p.conf.Projects["harbour"].Profile}
		}, "nothing gives the suite stable of the archive yard a new date", "project harbour: triggers: [release-refresh]"},
	} {
		t.Run(c.code+"/"+c.name, func(t *testing.T) {
			p, root := published(t)
			if c.change != nil {
				c.change(t, p, root)
			}
			all := archiveAilments()
			i := slices.IndexFunc(all, func(a ailment) bool { return a.code == c.code })
			expectSymptom(t, all[i].look(t.Context(), p), c.what, c.fix)
		})
	}
	t.Run("archive.full", func(t *testing.T) {
		p, _ := published(t)
		expectSymptom(t, lessRoomThan(1)(t.Context(), p), "", "")
		expectSymptom(t, lessRoomThan(math.MaxInt64)(t.Context(), p), "the disk of the archive yard has ", "lower snapshots: and keep:")
	})
}

func expectSymptom(t *testing.T, found []symptom, what, fix string) {
	t.Helper()
	switch {
	case what == "" && len(found) > 0:
		t.Errorf("found %v", found)
	case what != "" && (len(found) != 1 || !strings.Contains(found[0].what, what) || !strings.Contains(found[0].fix, fix)):
		t.Errorf("found %v and not %q, %q", found, what, fix)
	}
}

// builtBy lets that account build.
func builtBy(p *patient, name string) {
	profile := p.conf.Projects["harbour"].Profile
	profile["build"] = append(profile["build"].([]any), "--user", name)
}

func answering(t *testing.T, status int, text string) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, text)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// TestDoctorOfBuildAccounts: whoever is not root builds as itself and as nobody else.
func TestDoctorOfBuildAccounts(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	p, _ := published(t)
	builtBy(p, me.Username)
	if found := buildAccounts(context.Background(), p); me.Uid != "0" && len(found) > 0 || me.Uid == "0" && len(found) != 1 {
		t.Errorf("as %s: %v", me.Username, found)
	}
}

// TestEveryFindingIsTested keeps the table above complete.
func TestEveryFindingIsTested(t *testing.T) {
	text, err := os.ReadFile("doctor_archive_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range archiveAilments() {
		if strings.Count(string(text), `"`+a.code+`"`) == 0 {
			t.Errorf("nothing tests %s", a.code)
		}
	}
}

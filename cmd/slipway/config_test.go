package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/openpgp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// exampleFolder is a folder with the example configuration and every file that it names; it
// becomes the working folder, so that messages hold no path of this machine.
func exampleFolder(t *testing.T) (text, fingerprint string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "deploy", "example", "slipway.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	_, public, err := openpgp.Generate("Harbour Releases", "releases@harbour.example", "eddsa", 0, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	certs, err := openpgp.ReadCertificates(public)
	if err != nil {
		t.Fatal(err)
	}
	fingerprint = fmt.Sprintf("%X", certs[0].PrimaryKey.Fingerprint)
	_, other, err := openpgp.Generate("Somebody Else", "else@harbour.example", "eddsa", 0, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	t.Chdir(dir)
	for name, content := range map[string]string{
		"vault-token": "k2J9x0Qp7Zr4Wm8Ty1Lc\n", "smtp-password": "open sesame\n", "oidc-secret": "open sesame too\n", "gitlab-token": "glpat-4f6c1f2a9d3b8e7c5a10\n",
		"hook-token": hookToken + "\n", "slack-token": slackToken + "\n", "slack-signing": slackSigning + "\n", "slack-app-token": slackAppToken + "\n", "slack-user-token": "xoxp" + slackToken[4:] + "\n",
		"signing-next": slackNext + "\n", "signing-dashed": "8f742231-b10e-8888-abcd-99yyyzzz85a5\n", "hook-signing": hookSigning + "\n", "weak-signing": "whsec_MDEyMw==\n", "maintainers": "# who maintains\nben\nchen # since 2024\nhana\n",
		"release-key.asc": string(public), "other-key.asc": string(other), "empty": "\n", "short": "k2J9x0Qp\n", "known": "changemechangemechangeme\n",
		"two-lines": "k2J9x0Qp7Zr4Wm8Ty1Lc\nk2J9x0Qp7Zr4Wm8Ty1Lc\n", "no-key": "this is no key\n", "strangers": "ben\n\nchn\n",
		"large": strings.Repeat("x", maxConfig+1),
	} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile("open-token", []byte("k2J9x0Qp7Zr4Wm8Ty1Lc\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod("open-token", 0o644); err != nil { // whatever the umask is
		t.Fatal(err)
	}
	text = strings.ReplaceAll(string(data), "0123 4567 89AB CDEF 0123  4567 89AB CDEF 0123 4567", fingerprint)
	return text, fingerprint
}

func TestTheExampleConfigurationIsValid(t *testing.T) {
	text, fingerprint := exampleFolder(t)
	c, err := parseConfig("slipway.yaml", []byte(text))
	if err != nil {
		t.Fatal(errs.Text(err))
	}
	p := c.Projects["harbour"]
	if p.Profile["release_key"] != fingerprint || p.Profile["branch"] != "main" || p.Channel != "releases" {
		t.Errorf("the project is %v in %s", p.Profile, p.Channel)
	}
	if p.Profile["archive"] != "harbour" || len(c.Archives["harbour"].Suites) != 2 || !slices.Equal(p.Triggers, []string{"release-daily", "release-refresh"}) {
		t.Errorf("the packages go to %v of %+v, with %v", p.Profile["archive"], c.Archives, p.Triggers)
	}
	if h := c.GitLab.Hooks; len(h) != 1 || c.address(h[0]) != "https://hooks.harbour.example/hooks/gitlab/harbour" || h[0].ID != 4711 || len(c.rooms("harbour")) != 1 {
		t.Errorf("GitLab is %+v with rooms %v", h, c.rooms("harbour"))
	}
	if s := c.Slack; s.Team != "T0123ABCD" || len(s.Signing) != 1 || s.AppToken == "" || s.Every != time.Minute || len(s.Projects["harbour"].shows()) != 2 || s.Projects["harbour"].Tell[0] != "C0789IJKL" {
		t.Errorf("Slack is %s %s, with %v", s.Team, s.App, s.Projects)
	}
	if len(c.Rosters) != 1 || len(c.Persons) != 4 || len(c.Freezes) != 1 || c.Many || c.SMTP.Password != "open sesame" {
		t.Errorf("got %d rosters, %d persons, %d freezes, many %v", len(c.Rosters), len(c.Persons), len(c.Freezes), c.Many)
	}
	grants, err := configured{c}.Again(t.Context(), "harbour", "maintainer")
	if err != nil || len(grants) != 3 {
		t.Errorf("the roster gives %v, %v", grants, err)
	}
	if err := os.WriteFile("maintainers", []byte("chen\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if grants, err = (configured{c}).Again(t.Context(), "harbour", "maintainer"); err != nil || len(grants) != 1 {
		t.Errorf("after the change the roster gives %v, %v", grants, err)
	}
	if err := os.Remove("maintainers"); err != nil {
		t.Fatal(err)
	}
	if _, err = (configured{c}).Again(t.Context(), "harbour", "maintainer"); !errs.Is(err, errs.Unavailable) {
		t.Errorf("a roster that is gone gives %v", err)
	}
}

// TestBadConfigurations changes the example in one place each and compares what a person is told.
func TestBadConfigurations(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	text, fingerprint := exampleFolder(t)
	var out bytes.Buffer
	for _, c := range slices.Concat(badConfigs(fingerprint), badArchives(fingerprint), badConsoles(), badGitLabs(), badSlacks(), badGroups()) {
		bad := c.whole
		switch {
		case c.pattern != "":
			bad = regexp.MustCompile(c.pattern).ReplaceAllLiteralString(text, c.new)
		case c.old != "":
			if strings.Count(text, c.old) == 0 {
				t.Fatalf("%s: the example does not hold %q", c.name, c.old)
			}
			bad = strings.Replace(text, c.old, c.new, 1)
		}
		_, err := parseConfig("slipway.yaml", []byte(bad))
		if err == nil {
			t.Errorf("%s: it is accepted", c.name)
			continue
		}
		if errs.HintOf(err) == "" {
			t.Errorf("%s: there is no hint in %q", c.name, errs.Text(err))
		}
		said := strings.ReplaceAll(errs.Text(err), fingerprint, "FINGERPRINT")
		said = strings.NewReplacer(fingerprint[24:], "PART", fingerprint[1:], "REST").Replace(said)
		for _, secret := range []string{"k2J9x0Qp", "sesame", "changemechangeme", hookToken, hookSigning[6:], "glpat-", slackToken, slackToken[5:], slackSigning, slackAppToken[5:]} {
			if strings.Contains(said, secret) {
				t.Errorf("%s: the message holds a secret", c.name)
			}
		}
		fmt.Fprintf(&out, "%s\n    exit %d: %s\n", c.name, errs.ExitCode(err), said)
	}
	for _, path := range []string{"missing.yaml", "large", "."} {
		_, err := loadConfig(path)
		fmt.Fprintf(&out, "the file %s\n    exit %d: %s\n", path, errs.ExitCode(err), errs.Text(err))
	}
	golden(t, filepath.Join(here, "testdata", "bad-config.golden"), out.Bytes())
}

// golden compares with the file at path.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; -update rewrites it. Got:\n%s", path, got)
	}
}

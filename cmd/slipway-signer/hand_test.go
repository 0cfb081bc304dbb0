package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/openpgp"
)

// download puts a Release file into a folder of its own.
func download(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "Release")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (w *world) hand(p Prompt) Hand {
	return Hand{Signer: w.key, Policy: w.worker.Policy, Journal: w.worker.Journal, Prompt: p, Out: &w.out, Now: w.worker.Now}
}

func beside(t *testing.T, file, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(filepath.Dir(file), name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestSignByHandWritesBothFilesBesideEachRelease(t *testing.T) {
	w := archiveWorld(t)
	w.worker.Policy.Archives[0].Suites = []string{"stable", "bookworm"} // one by its suite, one by its codename
	stable := releaseAt("stable", w.now, "a")
	named := strings.Replace(releaseAt("oldstable", w.now, "b"), "Label: Harbour", "Label: Old", 1)
	a, b := download(t, stable), download(t, named)
	p := always(true)
	if err := w.hand(p).Sign(t.Context(), archive, false, []string{a, b}); err != nil {
		t.Fatal(err)
	}
	if len(p.asked) != 1 || !strings.Contains(p.asked[0], "suite     bookworm") {
		t.Fatalf("%q", p.asked)
	}
	own, err := certificates(w.key)
	if err != nil {
		t.Fatal(err)
	}
	need := []string{w.key.Fingerprint()}
	for file, text := range map[string]string{a: stable, b: named} {
		got, _, err := openpgp.VerifyInRelease(beside(t, file, "InRelease"), own, need, w.now)
		if err != nil || string(got) != text {
			t.Fatalf("%q, %v", got, err)
		}
		if _, err := openpgp.VerifyReleaseGPG([]byte(text), beside(t, file, "Release.gpg"), own, need, w.now); err != nil {
			t.Fatal(err)
		}
	}
	w.wantLog(intent, result)

	// Again: the same signatures, and no question. The bot that asks for one of them now is told
	// by the same log what was signed.
	before := string(beside(t, a, "InRelease"))
	if err := w.hand(always(false)).Sign(t.Context(), archive, false, []string{a, b}); err != nil || string(beside(t, a, "InRelease")) != before {
		t.Fatal(err)
	}
	w.wantLog(intent, result, repeated)
	w.wantRefused(w.offerRelease(w.wish(releaseAt("stable", w.now.Add(-time.Hour), "c"))), "was signed already")
}

func TestSignByHandRefuses(t *testing.T) {
	w := archiveWorld(t)
	good := download(t, releaseAt("stable", w.now, "a"))
	renamed := filepath.Join(t.TempDir(), "Release-stable")
	if err := os.WriteFile(renamed, []byte(releaseAt("stable", w.now, "a")), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		archive, file, words string
		kind                 errs.Kind
		yes                  bool
		log                  []string
	}{
		{archive, good, "said no", errs.Denied, false, []string{refused}},
		{"https://other.example", good, "not in this signer's list", errs.Denied, true, nil},
		{archive, renamed, "not called Release", errs.Invalid, true, nil},
		{archive, download(t, "Suite: stable \n"), "blank at the end", errs.Invalid, true, nil},
		{archive, download(t, releaseAt("unstable", w.now, "a")), "fits none", errs.Denied, true, []string{refused}},
		{archive, download(t, releaseAt("stable", w.now.Add(time.Hour), "a")), "in the future", errs.Denied, true, []string{refused}},
		{archive, good + "x", "cannot be opened", errs.NotFound, true, nil},
	} {
		before := w.types()
		file := c.file
		if strings.HasSuffix(file, "x") {
			file = filepath.Join(t.TempDir(), "Release")
		}
		err := w.hand(always(c.yes)).Sign(t.Context(), c.archive, false, []string{file})
		wantKind(t, err, c.kind, c.words)
		w.wantLog(append(before, c.log...)...)
	}
	if w.key.used != 0 {
		t.Fatal("the key was used")
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(good), "*"))
	if err != nil || len(left) != 1 {
		t.Fatal(left, err)
	}
}

func TestArchivesInTheConfiguration(t *testing.T) {
	const good = goodConfig + `archives:
  - archive: https://deb.example/harbour
    project: harbour
    suites: [stable]
    origin: Harbour
    codenames: ["book*"]
    longest_valid: 14d
    rollback: ask
`
	read := func(text string) (Policy, error) {
		c, err := parseConfig([]byte(text))
		if err != nil {
			return Policy{}, err
		}
		p, _, err := c.Valid()
		return p, err
	}
	p, err := read(good)
	if err != nil || p.Archives[0].longest != 14*24*time.Hour || p.Archives[0].Rollback != rollbackAsk || len(p.kinds()) != 2 {
		t.Fatalf("%+v, %v", p, err)
	}
	for _, r := range [][3]string{
		{"rollback: ask", "rollback: always", "never, ask, allow"},
		{"longest_valid: 14d", "longest_valid: soon", "longest_valid"},
		{"suites: [stable]", "suites: []", "suites"},
		{"suites: [stable]", "suites: ['[']", "pattern"},
		{"project: harbour", "projet: harbour", "projet"},
		{"archives:\n", "archives:\n  - {archive: https://deb.example/harbour, project: x, suites: [y]}\n", "twice"},
	} {
		_, err := read(strings.Replace(good, r[0], r[1], 1))
		wantKind(t, err, errs.Invalid, r[2])
	}
}

func TestFlagsMakeARuleForAnArchive(t *testing.T) {
	c, err := runCmd{common: common{Archive: archive, Project: "harbour", Suite: []string{"stable"}, Key: "k", Log: "l"}, Server: "s", TokenFile: "t"}.config()
	if err != nil || len(c.Archives) != 1 || len(c.Allow) != 0 || c.Archives[0].Suites[0] != "stable" {
		t.Fatalf("%+v, %v", c, err)
	}
	both, err := runCmd{common: common{Archive: archive, Project: "harbour", Suite: []string{"stable"}}, Repository: repository, Tag: []string{"*"}}.config()
	if err != nil || len(both.Archives) != 1 || len(both.Allow) != 1 {
		t.Fatalf("%+v, %v", both, err)
	}
	var out, errOut strings.Builder
	if code := Main([]string{"sign-release", "--archive", archive, "--suite", "stable", "--key", "k", "--log", "l", download(t, "x\n")}, &out, &errOut); code == 0 ||
		!strings.Contains(errOut.String(), "every entry needs archive, project and suites") {
		t.Fatalf("%d %s%s", code, out.String(), errOut.String())
	}
}

// The example in deploy/ is read like any other file.
func TestExampleConfigurationIsValid(t *testing.T) {
	c, err := ReadConfig(filepath.Join("..", "..", "deploy", "example", "slipway-signer.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	c.Approvers.Need, c.Approvers.Fingerprints = 0, nil // whose certificates an example does not have
	if p, _, err := c.Valid(); err != nil || len(p.Rules) == 0 || len(p.Archives) == 0 {
		t.Fatal(err)
	}
}

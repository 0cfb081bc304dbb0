//go:build prove

package release

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestRealGbp has gbp dch write the entry of the same commits, and compares all but their ids. It
// needs git-buildpackage and devscripts.
func TestRealGbp(t *testing.T) {
	home := t.TempDir()
	repo := filepath.Join(home, "repo")
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(repo, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = repo
		cmd.Env = append(os.Environ(), "HOME="+home, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_CEILING_DIRECTORIES="+home,
			"DEBEMAIL=release@example.org", "DEBFULLNAME=Release Team", "LC_ALL=C.UTF-8")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	write("debian/changelog", "lava (2026.07-1) unstable; urgency=medium\n\n  * Old.\n\n -- Release Team <release@example.org>  Thu, 24 Jan 2019 11:43:27 +0000\n")
	write("debian/control", "Source: lava\nMaintainer: Release Team <release@example.org>\n\nPackage: lava\nArchitecture: all\nDescription: x\n")
	run("git", "init", "-q", "-b", "master")
	run("git", "config", "user.name", "Release Team")
	run("git", "config", "user.email", "release@example.org")
	run("git", "add", "debian")
	run("git", "commit", "-q", "-m", "Import")
	run("git", "tag", "2026.07")
	commits := history()
	for i, c := range commits {
		write("elsewhere", strings.Repeat("x", i+1))
		run("git", "add", "elsewhere")
		run("git", "commit", "-q", "-m", "Not of the packaging")
		write("debian/rules", strings.Repeat("x", i+1))
		run("git", "add", "debian/rules")
		run("git", "commit", "-q", "--cleanup=verbatim", "--author", c.Author+" <someone@example.org>", "-m", c.Subject+"\n\n"+c.Body)
		commits[i].ID = run("git", "rev-parse", "HEAD")
	}
	run("gbp", "dch", "--git-author", "--new-version=2026.08-1", "--id-length=9", "--release", "--distribution=unstable", "--spawn-editor=never",
		"--since=2026.07", "debian")
	data, err := os.ReadFile(filepath.Join(repo, "debian/changelog"))
	if err != nil {
		t.Fatal(err)
	}
	ours, err := gbpEntry(t, commits).Render()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := body(t, ours), body(t, string(data)); got != want || !regexp.MustCompile(`\* \[[0-9a-f]{9}\] More of it`).MatchString(want) {
		t.Errorf("ours:\n%s\nof gbp:\n%s", got, want)
	}
}

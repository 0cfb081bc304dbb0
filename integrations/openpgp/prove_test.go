//go:build prove

package openpgp

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// gpgHome is a fresh home of the real gpg. These tests need gnupg and git: they fail without.
func gpgHome(t *testing.T) (string, func(stdin string, args ...string) string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "g")
	if err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "GNUPGHOME="+dir, "GIT_CONFIG_GLOBAL=/dev/null", "LC_ALL=C.UTF-8")
	t.Cleanup(func() {
		cmd := exec.Command("gpgconf", "--kill", "gpg-agent")
		cmd.Env = env
		_ = cmd.Run()
		os.RemoveAll(dir)
	})
	return dir, func(stdin string, args ...string) string {
		t.Helper()
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Env, cmd.Dir, cmd.Stdin = env, dir, strings.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
}

func TestRealGpgAcceptsWhatKeyFilesSign(t *testing.T) {
	for _, algorithm := range []string{"rsa", "eddsa"} {
		t.Run(algorithm, func(t *testing.T) {
			now := time.Now()
			private, public, err := Generate("Prove", "prove@example.org", algorithm, time.Hour, now.Add(-time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			k, err := NewKeyFile(private, nil, clock(now))
			if err != nil {
				t.Fatal(err)
			}
			dir, run := gpgHome(t)
			run(string(public), "gpg", "--batch", "--import")
			sig, err := k.Sign(t.Context(), []byte("data\n"))
			if err != nil {
				t.Fatal(err)
			}
			for name, content := range map[string][]byte{"data": []byte("data\n"), "data.asc": sig} {
				if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if out := run("", "gpg", "--batch", "--status-fd", "1", "--verify", "data.asc", "data"); !strings.Contains(out, "VALIDSIG "+k.Fingerprint()) {
				t.Fatal(out)
			}

			run("", "git", "init", "-q", "repo")
			commit := strings.TrimSpace(run("", "git", "-C", "repo", "-c", "user.name=A", "-c", "user.email=a@example.org", "commit-tree", "-m", "x",
				strings.TrimSpace(run("", "git", "-C", "repo", "hash-object", "-t", "tree", "-w", "/dev/null"))))
			payload := strings.Replace(goodTag, "0123456789abcdef0123456789abcdef01234567", commit, 1)
			if sig, err = k.Sign(t.Context(), []byte(payload)); err != nil {
				t.Fatal(err)
			}
			object := strings.TrimSpace(run(payload+string(sig), "git", "-C", "repo", "mktag"))
			run("", "git", "-C", "repo", "update-ref", "refs/tags/2026.01", object)
			if out := run("", "git", "-C", "repo", "verify-tag", "--raw", "2026.01"); !strings.Contains(out, "VALIDSIG "+k.Fingerprint()) {
				t.Fatal(out)
			}
		})
	}
}

func TestRealGpgSigns(t *testing.T) {
	now := time.Now()
	private, public, err := Generate("Prove", "prove@example.org", "eddsa", time.Hour, now.Add(-time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	dir, run := gpgHome(t)
	run(string(private), "gpg", "--batch", "--import")
	p := trust(t, public)
	g, err := NewGPG(t.Context(), GPGConfig{Home: dir, Key: p.Allowed[0], Now: time.Now, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	sig, err := g.Sign(t.Context(), []byte(goodTag))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Verify([]byte(goodTag), sig, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := g.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

//go:build prove

package openpgp

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// gpgv of GnuPG 2.2 reads what apt reads: InRelease and Release.gpg of one key and of two.
func TestRealGpgvAcceptsReleasesOfOneKeyAndOfTwo(t *testing.T) {
	keys := map[string]*KeyFile{}
	now := time.Now()
	for _, algorithm := range []string{"rsa", "eddsa"} {
		private, _, err := Generate("Prove "+algorithm, algorithm+"@example.org", algorithm, time.Hour, now.Add(-time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if keys[algorithm], err = NewKeyFile(private, nil, clock(now)); err != nil {
			t.Fatal(err)
		}
	}
	for _, names := range [][]string{{"rsa"}, {"eddsa"}, {"rsa", "eddsa"}, {"eddsa", "rsa"}} {
		for i, text := range []string{goodRelease, dashed} {
			t.Run(fmt.Sprint(names, i), func(t *testing.T) {
				dir, run := gpgHome(t)
				var certs, inline, detached [][]byte
				for _, n := range names {
					in, de := signRelease(t, keys[n], text)
					certs, inline, detached = append(certs, keys[n].Certificate()), append(inline, in), append(detached, de)
				}
				ring, armor, err := Keyring(certs...)
				if err != nil {
					t.Fatal(err)
				}
				gpg, err := AssembleDetached(detached...)
				if err != nil {
					t.Fatal(err)
				}
				for name, content := range map[string][]byte{"ring.gpg": ring, "ring.asc": armor, "Release": []byte(text),
					"InRelease": assemble(t, text, inline...), "Release.gpg": gpg} {
					if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				run("", "gpg", "--batch", "--import", "ring.asc")
				for _, args := range [][]string{
					{"gpgv", "--status-fd", "1", "--keyring", "./ring.gpg", "InRelease"},
					{"gpgv", "--status-fd", "1", "--keyring", "./ring.gpg", "Release.gpg", "Release"},
					{"gpg", "--batch", "--status-fd", "1", "--verify", "InRelease"},
				} {
					out := run("", args...)
					for _, n := range names {
						if !strings.Contains(out, "VALIDSIG "+keys[n].Fingerprint()) {
							t.Fatalf("%s: no good signature of %s:\n%s", args, n, out)
						}
					}
				}
				run("", "gpgv", "--keyring", "./ring.gpg", "--output", "text", "InRelease")
				got, err := os.ReadFile(filepath.Join(dir, "text"))
				if err != nil || string(got) != text {
					t.Fatalf("gpgv reads %q, %v", got, err)
				}
			})
		}
	}
}

// The other way round: what gpg makes, with two keys in one call, is read here.
func TestReleaseOfRealGpgIsReadHere(t *testing.T) {
	dir, run := gpgHome(t)
	var p Policy
	now := time.Now()
	for _, algorithm := range []string{"rsa", "eddsa"} {
		private, public, err := Generate("Prove "+algorithm, algorithm+"@example.org", algorithm, time.Hour, now.Add(-time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		run(string(private), "gpg", "--batch", "--import")
		q := trust(t, public)
		p.Certificates, p.Allowed = append(p.Certificates, q.Certificates...), append(p.Allowed, q.Allowed...)
	}
	for _, text := range []string{goodRelease, dashed} {
		in := run(text, "gpg", "--batch", "--quiet", "--digest-algo", "SHA512", "-u", p.Allowed[0], "-u", p.Allowed[1], "--clearsign")
		release, good, err := VerifyInRelease([]byte(in), p, p.Allowed, time.Now())
		if err != nil || string(release) != text || len(good) != 2 {
			t.Fatalf("%v\n%s", err, in)
		}
		gpg := run(text, "gpg", "--batch", "--quiet", "--digest-algo", "SHA512", "-u", p.Allowed[0], "-u", p.Allowed[1], "--armor", "--detach-sign")
		if _, err = VerifyReleaseGPG([]byte(text), []byte(gpg), p, p.Allowed, time.Now()); err != nil {
			t.Fatal(err)
		}
		g, err := NewGPG(t.Context(), GPGConfig{Home: dir, Key: p.Allowed[0], Now: time.Now, Timeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		inline, detached := signRelease(t, g, text)
		if _, err := p.VerifyRelease([]byte(text), inline, detached, g.Fingerprint(), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
}

// apt itself, with its date checks on, reads an archive that is signed by an old and a new key,
// and a client that has only one of the two reads it too.
func TestRealAptReadsAReleaseOfTwoKeys(t *testing.T) {
	if _, err := exec.LookPath("apt-get"); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	text := strings.Replace(goodRelease, "Sat, 31 Jan 2026 12:30:00 UTC", now.UTC().Add(-time.Minute).Format("Mon, 02 Jan 2006 15:04:05 UTC"), 1)
	var certs, inline, detached [][]byte
	for _, algorithm := range []string{"rsa", "eddsa"} {
		private, public, err := Generate("Prove "+algorithm, algorithm+"@example.org", algorithm, time.Hour, now.Add(-time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		k, err := NewKeyFile(private, nil, clock(now))
		if err != nil {
			t.Fatal(err)
		}
		in, de := signRelease(t, k, text)
		certs, inline, detached = append(certs, public), append(inline, in), append(detached, de)
	}
	gpg, err := AssembleDetached(detached...)
	if err != nil {
		t.Fatal(err)
	}
	for name, files := range map[string]map[string][]byte{
		"InRelease":   {"InRelease": assemble(t, text, inline...)},
		"Release.gpg": {"Release": []byte(text), "Release.gpg": gpg},
	} {
		for i := range 3 { // the old key, the new one, both
			held := certs[:]
			if i < 2 {
				held = certs[i : i+1]
			}
			_, armor, err := Keyring(held...)
			if err != nil {
				t.Fatal(err)
			}
			root := t.TempDir()
			if err := os.Chmod(root, 0o755); err != nil {
				t.Fatal(err)
			}
			dists := filepath.Join(root, "repo", "dists", "stable")
			for _, d := range []string{filepath.Join(dists, "main", "binary-amd64"), filepath.Join(root, "lists", "partial"), filepath.Join(root, "cache", "archives", "partial")} {
				if err := os.MkdirAll(d, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			write := func(path string, content []byte) {
				t.Helper()
				if err := os.WriteFile(path, content, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			for f, content := range files {
				write(filepath.Join(dists, f), content)
			}
			write(filepath.Join(dists, "main", "binary-amd64", "Packages"), nil)
			write(filepath.Join(root, "key.asc"), armor)
			write(filepath.Join(root, "status"), nil)
			write(filepath.Join(root, "sources.list"), fmt.Appendf(nil, "deb [arch=amd64 signed-by=%s/key.asc] file:%s/repo stable main\n", root, root))
			cmd := exec.Command("apt-get", "update", "-q", "-o", "Dir::Etc::sourcelist="+root+"/sources.list", "-o", "Dir::Etc::sourceparts=-",
				"-o", "Dir::State::lists="+root+"/lists", "-o", "Dir::State::status="+root+"/status", "-o", "Dir::Cache="+root+"/cache",
				"-o", "APT::Sandbox::User=root", "-o", "Acquire::Check-Date=true", "-o", "Acquire::Check-Valid-Until=true", "-o", "APT::Architecture=amd64")
			cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
			out, err := cmd.CombinedOutput()
			if err != nil || strings.Contains(string(out), "W:") || strings.Contains(string(out), "E:") {
				t.Fatalf("%s, client %d: %v\n%s", name, i, err, out)
			}
		}
	}
}

//go:build prove

package archive

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/integrations/debian"
	"slipway/integrations/openpgp"
)

const (
	aptLists      = "/var/lib/apt/lists/"
	debianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
)

// The archives of Debian, signed by two and three keys at once, pass our policy; gpgv is asked who
// signed. Their indexes are what their Releases list.
func TestArchivesOfDebianVerify(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob(aptLists + "*_InRelease")
	if err != nil || len(names) == 0 {
		t.Fatalf("%s has no InRelease: run apt-get update (%v)", aptLists, err)
	}
	policy := policyOfDebian(t)
	certs := policy.Certificates
	several, indexes := 0, 0
	for _, path := range names {
		inRelease, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, name, _ := strings.Cut(filepath.Base(path), "_") // without the host
		need, err := signers(path)
		if err != nil {
			t.Logf("%s is not by Debian", name)
			continue
		}
		text, good, err := openpgp.VerifyInRelease(inRelease, policy, need, time.Now())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		t.Logf("%s: %d signatures", name, len(good))
		if len(good) != len(need) {
			t.Errorf("%s: %d good signatures, gpgv has %d", name, len(good), len(need))
		}
		if len(good) > 1 {
			several++
		}
		// One key of several is enough for those who know no other, if they say so.
		one := openpgp.Policy{Certificates: certs, Allowed: need[:1], Others: true}
		if _, _, err := openpgp.VerifyInRelease(inRelease, one, need[:1], time.Now()); err != nil {
			t.Errorf("%s, with one key: %v", name, err)
		}
		if one.Others = false; len(need) > 1 {
			if _, _, err := openpgp.VerifyInRelease(inRelease, one, need[:1], time.Now()); err == nil {
				t.Errorf("%s: a signature by a key that is not allowed is let through", name)
			}
		}
		at := bytes.Index(inRelease, []byte("\nDate: "))
		spoiled := bytes.Clone(inRelease)
		spoiled[at+12]++
		if _, _, err := openpgp.VerifyInRelease(spoiled, policy, need, time.Now()); err == nil {
			t.Errorf("%s: a changed Date is let through", name)
		}
		release, err := debian.ParseRelease(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		indexes += indexesMatch(t, strings.TrimSuffix(path, "InRelease"), release)
	}
	if several == 0 || indexes == 0 {
		t.Errorf("%d archives with several signatures and %d indexes were looked at", several, indexes)
	}
}

func policyOfDebian(t *testing.T) openpgp.Policy {
	t.Helper()
	certs, err := openpgp.LoadCertificates(debianKeyring)
	if err != nil {
		t.Fatalf("install debian-archive-keyring: %v", err)
	}
	policy := openpgp.Policy{Certificates: certs}
	for _, e := range certs {
		policy.Allowed = append(policy.Allowed, fmt.Sprintf("%X", e.PrimaryKey.Fingerprint))
	}
	return policy
}

// signers are the primary keys of those who, by gpgv, have signed the file at path.
func signers(path string) (prints []string, err error) {
	said, err := exec.Command("gpgv", "--status-fd", "1", "--keyring", debianKeyring, path).Output()
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(said)) {
		if f := strings.Fields(line); len(f) > 2 && f[1] == "VALIDSIG" {
			prints = append(prints, f[len(f)-1])
		}
	}
	return prints, nil
}

// indexesMatch compares the plain form of every index that apt has fetched with its Release.
func indexesMatch(t *testing.T, prefix string, release debian.Release) (n int) {
	t.Helper()
	for _, f := range release.List("SHA256") {
		if !strings.HasSuffix(f.Path, "/Packages") && !strings.HasSuffix(f.Path, "/Sources") {
			continue
		}
		found, err := filepath.Glob(prefix + strings.ReplaceAll(f.Path, "/", "_") + "*")
		if err != nil || len(found) != 1 {
			continue
		}
		text, err := exec.Command("/usr/lib/apt/apt-helper", "cat-file", found[0]).Output()
		if err != nil {
			t.Errorf("%s: %v", f.Path, err)
			continue
		}
		if sum := fmt.Sprintf("%x", sha256.Sum256(text)); sum != f.Digest || int64(len(text)) != f.Size {
			t.Errorf("%s is not what its Release lists", f.Path)
		}
		n++
	}
	return n
}

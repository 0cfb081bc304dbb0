//go:build prove

package archive

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/integrations/debian"
	"slipway/integrations/openpgp"
)

// The archive that this machine installs from, as it is today: its InRelease is verified with the
// keys of Debian, its list of tens of thousands of packages is read in both packed forms, and both
// are written again as the same bytes.
func TestMirrorOfThisMachineKeepsItsBytes(t *testing.T) {
	t.Parallel()
	suite := mirror(t)
	signed := download(t, suite+"InRelease")
	path := filepath.Join(t.TempDir(), "InRelease")
	if err := os.WriteFile(path, signed, 0o644); err != nil {
		t.Fatal(err)
	}
	need, err := signers(path)
	if err != nil || len(need) == 0 {
		t.Fatalf("gpgv finds no signature of Debian in InRelease: %v", err)
	}
	text, good, err := openpgp.VerifyInRelease(signed, policyOfDebian(t), need, time.Now())
	if err != nil || len(good) != len(need) {
		t.Fatalf("InRelease has %d good signatures, gpgv finds %d: %v", len(good), len(need), err)
	}
	release, err := debian.ParseRelease(text)
	if err != nil {
		t.Fatal(err)
	}
	if got := release.Append(nil); !bytes.Equal(got, text) {
		t.Errorf("Release is written as %d bytes that are not the %d that were read", len(got), len(text))
	}
	if !release.AcquireByHash {
		t.Error("it has no by-hash")
	}
	const index = "main/binary-amd64/Packages"
	listed := map[string]debian.ReleaseFile{}
	for _, f := range release.List("SHA256") {
		listed[f.Path] = f
	}
	for _, form := range []string{".xz", ".gz"} {
		// By its hash, so that the mirror may change meanwhile.
		packed := download(t, suite+filepath.Dir(index)+"/by-hash/SHA256/"+listed[index+form].Digest)
		matches(t, listed[index+form], packed)
		var plain []byte
		if form == ".xz" {
			plain = unxz(t, packed)
		} else {
			z, err := gzip.NewReader(bytes.NewReader(packed))
			if err != nil {
				t.Fatal(err)
			}
			if plain, err = io.ReadAll(z); err != nil {
				t.Fatal(err)
			}
		}
		matches(t, listed[index], plain)
		if n := rewritten(t, plain); n < 50_000 {
			t.Errorf("%s%s has %d packages, want some 60000", index, form, n)
		}
	}
}

// mirror is the address of the suite that this machine installs from, with a slash behind.
func mirror(t *testing.T) string {
	t.Helper()
	said, err := exec.Command("apt-get", "indextargets", "--format", "$(URI)", "Created-By: Packages", "Origin: Debian", "Label: Debian",
		"Component: main", "Architecture: amd64").Output()
	for line := range strings.Lines(string(said)) {
		// Of a suite and its updates the suite is the one that has no dash in its name.
		suite, found := strings.CutSuffix(strings.TrimSpace(line), "main/binary-amd64/Packages")
		if found && !strings.Contains(filepath.Base(suite), "-") {
			return suite
		}
	}
	t.Fatalf("apt has no list of Debian's main for amd64: configure such a source, and run apt-get update (%v)", err)
	return ""
}

// download fetches a file as apt on this machine does.
func download(t *testing.T, address string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	said, err := exec.Command("/usr/lib/apt/apt-helper", "-o", "APT::Sandbox::User=root", "download-file", address, path).CombinedOutput()
	text, readErr := os.ReadFile(path)
	if err := errors.Join(err, readErr); err != nil {
		t.Fatalf("this test needs the network and the mirror of this machine: %s cannot be fetched: %v\n%s", filepath.Base(address), err, said)
	}
	return text
}

func matches(t *testing.T, f debian.ReleaseFile, text []byte) {
	t.Helper()
	if got := fmt.Sprintf("%x", sha256.Sum256(text)); got != f.Digest || int64(len(text)) != f.Size {
		t.Fatalf("%q has %d bytes with %s; its Release lists %d with %s", f.Path, len(text), got, f.Size, f.Digest)
	}
}

// rewritten reads an index and writes it again; it counts the packages.
func rewritten(t *testing.T, text []byte) (n int) {
	t.Helper()
	r := debian.NewReader(bytes.NewReader(text))
	again := make([]byte, 0, len(text)+1)
	for {
		p, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := debian.CheckBinary(p); err != nil {
			t.Errorf("line %d: %v", r.Line(), err)
		}
		again = append(p.AppendTo(again), '\n')
		n++
	}
	if !bytes.Equal(bytes.TrimRight(again, "\n"), bytes.TrimRight(text, "\n")) {
		t.Errorf("%d packages are not written as they were read", n)
	}
	return n
}

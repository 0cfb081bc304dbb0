//go:build prove

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"slipway/integrations/logkey"
)

// TestEvidenceIsVerifiedInAnEmptyRoot releases, and checks the evidence where there is nothing but the
// program and the bundle: no configuration, no libraries, no network, no home. A real bundle that was
// changed anywhere is refused there too.
func TestEvidenceIsVerifiedInAnEmptyRoot(t *testing.T) {
	s := newSlip(t)
	s.publish = true
	y, err := s.yard(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	k, err := keep(y, s.signer, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := drive(t.Context(), y.socket(), y.version, func(string) {}); err != nil {
		t.Fatal(err)
	}
	if _, err := k.stop(); err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	static := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(root, "slipway"), ".")
	static.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := static.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var c cli
	c.Config = y.config
	bundle := filepath.Join(root, "evidence.tar")
	if err := (&evidenceCmd{Name: y.version, Output: bundle, Files: true}).Run(t.Context(), &c); err != nil {
		t.Fatal(err)
	}
	key, err := logkey.Open(y.logKeyFile())
	if err != nil {
		t.Fatal(err)
	}
	verify := func(args ...string) (string, int) {
		cmd := exec.CommandContext(t.Context(), "unshare", append([]string{"--map-root-user", "--net", "--root=" + root, "/slipway", "verify", "/evidence.tar"}, args...)...)
		cmd.Env = []string{}
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
	out, code := verify("--key", string(key.Fingerprint()))
	if code != 0 || !strings.Contains(out, "Good: the evidence of release/harbour/") || !strings.Contains(out, "harbour_2019.01-1_all.deb") || strings.Contains(out, "Not proven") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	if out, code := verify(); code != 3 || !strings.Contains(out, "you pinned no key") {
		t.Errorf("without a pin it ends with %d:\n%s", code, out)
	}
	data, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(data); i += len(data)/40 + 1 {
		data[i] ^= 0x20
		if err := os.WriteFile(bundle, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, code := verify("--key", string(key.Fingerprint())); code == 0 {
			t.Errorf("byte %d of %d may be changed:\n%s", i, len(data), out)
		}
		data[i] ^= 0x20
	}
}

//go:build prove

package archive

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// gpg is a real gpg with one key, for signatures that our own signers do not make.
type gpg struct {
	t    *testing.T
	home string
}

func newGPG(t *testing.T, k key) gpg {
	t.Helper()
	home, err := os.MkdirTemp("/tmp", "gpg") // the name of the agent's socket must be short
	if err != nil {
		t.Fatal(err)
	}
	g := gpg{t, home}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		_ = os.RemoveAll(home)
	})
	g.run(k.private, "--import")
	return g
}

func (g gpg) run(in []byte, args ...string) []byte {
	g.t.Helper()
	cmd := exec.Command("gpg", append([]string{"--homedir", g.home, "--batch", "--quiet", "--no-permission-warning"}, args...)...)
	cmd.Stdin = bytes.NewReader(in)
	var out, bad bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &bad
	if err := cmd.Run(); err != nil {
		g.t.Fatalf("gpg %s: %v\n%s", strings.Join(args, " "), err, bad.String())
	}
	return out.Bytes()
}

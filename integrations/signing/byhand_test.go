package signing

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"slipway/bot/action"
)

// byHand runs the commands of h in here, with a gpg that writes what it was told to sign.
func byHand(t *testing.T, h *action.Hand, here string) error {
	t.Helper()
	tools := t.TempDir()
	gpg := "#!/bin/sh\nwhile [ $# -gt 1 ]; do [ \"$1\" != --output ] || out=$2; how=\"$how $1\"; shift; done\n" +
		"(echo \"$how\"; cat \"$1\") > \"$out\"\n"
	if err := os.WriteFile(filepath.Join(tools, "gpg"), []byte(gpg), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, f := range h.Files {
		path := filepath.Join(here, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(f.Text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("sh", "-c", "set -eu\nhere="+action.Quote(here)+"\n"+strings.Join(h.Commands, "\n"))
	cmd.Env = append(os.Environ(), "PATH="+tools+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	return err
}

// TestEverySuiteIsSignedByHand has suites whose names are paths, one of them below another.
func TestEverySuiteIsSignedByHand(t *testing.T) {
	const key = "0123456789ABCDEF0123456789ABCDEF01234567"
	suites := []string{"stable", "stable/updates", "a/b/c"}
	in := action.Values{"fingerprint": key}
	var list []any
	for _, s := range suites {
		r := suiteOf(s, releaseText(s))
		list = append(list, map[string]any{"suite": r.Suite, "text": r.Text, "digest": r.Digest})
	}
	in["releases"] = list
	h := action.NewHand("sign", in, nil, nil, nil, action.NewMarks())
	releaseByHand(h)
	here := filepath.Join(t.TempDir(), "by hand")
	for range 2 { // again is no harm
		if err := byHand(t, h, here); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range suites {
		for name, how := range map[string]string{".InRelease": "--clearsign", ".gpg": "--detach-sign"} {
			made, err := os.ReadFile(filepath.Join(here, "signed", s, key+name))
			if err != nil {
				t.Fatal(err)
			}
			if said, text, _ := strings.Cut(string(made), "\n"); text != releaseText(s) || !strings.Contains(said, how) || !strings.Contains(said, key+"!") {
				t.Errorf("%s%s is made with %s of\n%s", s, name, said, text)
			}
		}
	}
	// What is to be signed is not known yet: the folder tells, and an empty one is an error.
	delete(in, "releases")
	h = action.NewHand("sign", in, nil, nil, nil, action.NewMarks())
	releaseByHand(h)
	empty := t.TempDir()
	if err := os.Mkdir(filepath.Join(empty, "release"), 0o755); err != nil {
		t.Fatal(err)
	}
	if byHand(t, h, empty) == nil {
		t.Error("nothing was signed, and it went on")
	}
}

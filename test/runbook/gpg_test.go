//go:build prove

package runbook

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"slipway/bot/action"
	"slipway/bot/runbook"
	"slipway/integrations/git"
)

// TestWhatWasDoneByHandIsAdopted signs with gpg as the runbook says, and takes the tag over as a run
// that is started to adopt does.
func TestWhatWasDoneByHandIsAdopted(t *testing.T) {
	home, err := os.MkdirTemp("", "gpg-") // short: sockets are in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		_ = os.RemoveAll(home)
	})
	gpg := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("gpg", append([]string{"--batch", "--homedir", home, "--pinentry-mode", "loopback", "--passphrase", ""}, args...)...).Output()
		if err != nil {
			t.Fatalf("gpg %v: %v", args, err)
		}
		return string(out)
	}
	gpg("--quick-generate-key", "Release Team <release@example.org>", "ed25519", "sign", "never")
	print := ""
	for line := range strings.Lines(gpg("--with-colons", "--list-keys")) {
		if f := strings.Split(line, ":"); f[0] == "fpr" {
			print = f[9]
		}
	}
	public := gpg("--armor", "--export")
	w := beforeGo(t, map[string]any{"release_key": print, "public_key": public})
	commit, _ := w.s.Steps["commit"].Output["commit"].(string)
	script := w.folder(w.book(runbook.Options{Script: true}))
	mails := filepath.Join(w.dir, "tools")
	if err := os.MkdirAll(mails, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(mails, "sendmail"), []byte("#!/bin/sh\ncat > /dev/null\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	said, err := w.sh(script, "yes\nyes\nyes\nyes\n", "GNUPGHOME="+home, "PATH="+mails+":"+os.Getenv("PATH"))
	if err != nil || !strings.Contains(said, "All steps are done.") {
		t.Fatalf("%v\n%s", err, said)
	}
	in := git.FindIn{Remote: w.remote, Branch: "main", Tag: "2019.01", Adopt: true, Key: public, Fingerprint: print}
	out, err := git.NewFindRelease(w.repos, "").Do(context.Background(), action.Key{}, in)
	if err != nil || out.Commit != commit || out.TagObject != w.git(w.remote, "rev-parse", "refs/tags/2019.01") {
		t.Fatalf("it cannot be adopted: %+v %v", out, err)
	}
}

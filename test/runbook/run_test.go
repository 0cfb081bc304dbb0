package runbook

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/run"
	"slipway/bot/runbook"
	"slipway/integrations/git"
)

// tools are stand-ins for what not every machine has: a gpg that signs without a key, and a sendmail
// that keeps what it is given.
func (w *world) tools() (path, mails string) {
	w.t.Helper()
	dir, mails := filepath.Join(w.dir, "tools"), filepath.Join(w.dir, "mails")
	for name, text := range map[string]string{
		"gpg":      "#!/bin/sh\nwhile [ $# -gt 0 ]; do [ \"$1\" != --output ] || { printf -- '-----BEGIN PGP SIGNATURE-----\\n\\niQ==\\n-----END PGP SIGNATURE-----\\n' > \"$2\"; }; shift; done\n",
		"sendmail": "#!/bin/sh\n{ printf '%s\\n' \"$*\"; cat; } >> '" + mails + "'\n",
	} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			w.t.Fatal(err)
		}
	}
	return "PATH=" + dir + ":" + os.Getenv("PATH"), mails
}

// TestAReleaseIsEndedByHand runs what the runbook says, from before the approval to the end, and
// finds the same commit, the tag and the branch at the remote.
func TestAReleaseIsEndedByHand(t *testing.T) {
	w := beforeGo(t, nil)
	path, mails := w.tools()
	script := w.folder(w.book(runbook.Options{Script: true}))
	commit, _ := w.s.Steps["commit"].Output["commit"].(string)

	// Nobody has agreed: it stops before anything leaves this machine.
	if said, err := w.sh(script, "no\n", path); err == nil || !strings.Contains(said, "Stopped") || !strings.Contains(said, "2 of maintainer") {
		t.Fatalf("it went on without an approval: %v\n%s", err, said)
	}
	if got := w.git(w.remote, "for-each-ref", "refs/tags/2019.01"); got != "" {
		t.Fatalf("there is a tag already: %s", got)
	}
	// go, built, publish, tell. The announcement is the last thing before tell.
	if said, err := w.sh(script, "yes\nyes\nno\n", path); err == nil || !strings.Contains(said, "publish") {
		t.Fatalf("it went on without a publication: %v\n%s", err, said)
	}
	if at := w.git(w.remote, "rev-parse", "refs/heads/main"); at != commit {
		t.Fatalf("the branch is at %s, want %s", at, commit)
	}
	object := w.git(w.remote, "cat-file", "tag", "2019.01")
	payload, _ := w.s.Steps["payload"].Output["payload"].(string)
	if object+"\n" != payload+signature {
		t.Fatalf("the tag is\n%s\nwant\n%s", object, payload+signature)
	}
	// What is done is not done twice: only what was missing follows, with the values from before.
	said, err := w.sh(script, "yes\nyes\n", path)
	if err != nil || !strings.Contains(said, "All steps are done.") || strings.Contains(said, "--- push") {
		t.Fatalf("it did not go on: %v\n%s", err, said)
	}
	if said, err := w.sh(script, "", path); err != nil || strings.Contains(said, "---") {
		t.Fatalf("it did something again: %v\n%s", err, said)
	}
	mail, err := os.ReadFile(mails)
	if err != nil || strings.Count(string(mail), "Subject: lava 2019.01 released") != 1 || !strings.HasPrefix(string(mail), "-i -f release@example.org -- announce@lists.example.org\n") {
		t.Fatalf("mails: %v\n%s", err, mail)
	}
	for _, dir := range []string{filepath.Dir(script), w.dir} {
		if _, err := os.Stat(filepath.Join(dir, "pwned")); err == nil {
			t.Fatal("text of a commit was run")
		}
	}
	// A release that is started anew finds it, and says how to go on.
	find := git.NewFindRelease(w.repos, "")
	in := git.FindIn{Remote: w.remote, Branch: "main", Tag: "2019.01", Key: "key", Fingerprint: fingerprint}
	if _, err := find.Do(context.Background(), action.Key{}, in); !errs.Is(err, errs.Exists) || !strings.Contains(errs.HintOf(err), "adopt") {
		t.Fatalf("it was not found: %v", err)
	}
}

// TestAPushInDoubtIsLookedAtFirst asks whether the push happened, and pushes the very tag that the
// run has signed.
func TestAPushInDoubtIsLookedAtFirst(t *testing.T) {
	w := beforeGo(t, nil)
	w.stop["push"] = true
	w.approve("go", "alan")
	w.status("push", run.Running)
	path, _ := w.tools()
	script := w.folder(w.book(runbook.Options{Script: true}))
	said, err := w.sh(script, "no\nno\n", path)
	if err == nil || !strings.Contains(said, "Did push happen?") {
		t.Fatalf("%v\n%s", err, said)
	}
	out, found, err := git.NewPushRelease(w.repos).Probe(context.Background(), action.Key{}, w.pushIn())
	if err != nil || !found || out.Tag != "2019.01" {
		t.Fatalf("the run does not find its own push: %+v %v %v", out, found, err)
	}
	// It happened after all: nothing is pushed, and what comes after it goes on with what is there.
	again := filepath.Join(w.dir, "again")
	if err := os.Rename(filepath.Dir(script), again); err != nil {
		t.Fatal(err)
	}
	script = w.folder(w.book(runbook.Options{Script: true}))
	said, err = w.sh(script, "yes\nno\n", path)
	if err == nil || strings.Contains(said, "new tag") || !strings.Contains(said, "--- built") {
		t.Fatalf("%v\n%s", err, said)
	}
	values, err := os.ReadFile(filepath.Join(filepath.Dir(script), "values.sh"))
	if err != nil || !strings.Contains(string(values), "push_tag_object='"+w.git(w.remote, "rev-parse", "refs/tags/2019.01")+"'") {
		t.Fatalf("the tag is not known: %v\n%s", err, values)
	}
}

func (w *world) pushIn() git.PushIn {
	in := w.s.Steps["push"].Inputs
	text := func(name string) string { s, _ := in[name].(string); return s }
	return git.PushIn{Remote: text("remote"), Branch: text("branch"), Expected: text("expected"), Commit: text("commit"), Tag: text("tag"), Object: text("object")}
}

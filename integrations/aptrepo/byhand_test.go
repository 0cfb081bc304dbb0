package aptrepo

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// handed is a verifier that takes what it is given.
type handed struct{ inRelease, gpg []byte }

func (h handed) Assemble([]byte, [][]byte, [][]byte, []byte, []string, time.Time) ([]byte, []byte, error) {
	if h.inRelease == nil {
		return nil, nil, errs.E("archive.sign", errs.Denied, os.ErrInvalid)
	}
	return h.inRelease, h.gpg, nil
}

// byHand runs what the runbook says in a shell whose gpg and gpgv are stand-ins.
func (w *world) byHand(h *action.Hand, here string) (string, error) {
	w.t.Helper()
	tools := w.t.TempDir()
	for _, name := range []string{"gpg", "gpgv"} {
		if err := os.WriteFile(filepath.Join(tools, name), []byte("#!/bin/sh\nexit 0\n"), 0o755); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, f := range h.Files {
		path := filepath.Join(here, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(f.Text), 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
	cmd := exec.Command("sh", "-c", "set -eu\nhere="+action.Quote(here)+"\n"+strings.Join(h.Commands, "\n")+"\n"+strings.Join(h.Results, "\n"))
	cmd.Env = append(os.Environ(), "PATH="+tools+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestAnArchiveIsPublishedByHand turns clients with the commands of the runbook, and finds then what
// archive.publish would have left.
func TestAnArchiveIsPublishedByHand(t *testing.T) {
	publishedByHand(t, false)
	publishedByHand(t, true)
}

func publishedByHand(t *testing.T, byHandStage bool) {
	w := newWorld(t, Options{})
	first := w.publish(w.change(w.deb("hello", "1.0", "amd64")))
	next := w.stage(w.change(w.deb("hello", "2.0", "amd64")))
	p := w.signed(next)
	keys := []string{"0123456789ABCDEF0123456789ABCDEF01234567"}
	a := &Actions{Now: func() time.Time { return w.now }, Signatures: handed{p.InRelease, p.ReleaseGPG},
		Archives: func(string) (Configured, bool) {
			return Configured{Place: w.a, Keyring: []byte("certificates"), Keys: keys, Suites: []Suite{stable()}}, true
		}}
	in := action.Values{"archive": "main", "generation": next.ID, "signed": []any{[]any{map[string]any{"suite": "stable", "inline": "i", "detached": "d"}}},
		"releases": []any{map[string]any{"suite": "stable", "text": string(next.Release), "digest": next.Digest}},
		"current":  []any{map[string]any{"suite": "stable", "generation": "somewhere-else"}}}
	hand := func() *action.Hand {
		h := action.NewHand("switch", in, nil, nil, nil, action.NewMarks())
		a.publishByHand(h)
		return h
	}
	here := t.TempDir()
	if out, err := w.byHand(hand(), here); err == nil {
		t.Fatalf("it turned a suite that is not where it was:\n%s", out)
	}
	w.check("stable", first.ID)
	// Staged by hand: what the suites were then is in no input, but in the stage itself.
	delete(in, "current")
	link := filepath.Join(w.a.Root(), "dists/stable")
	moved := func(to string) {
		t.Helper()
		if err := errors.Join(os.Remove(link), os.Symlink("../generations/stable/"+to, link)); err != nil {
			t.Fatal(err)
		}
	}
	moved("somewhere-else")
	if out, err := w.byHand(hand(), here); err == nil {
		t.Fatalf("it turned a suite that moved on since it was staged by hand:\n%s", out)
	}
	if at, err := os.Readlink(link); err != nil || filepath.Base(at) != "somewhere-else" {
		t.Fatalf("the suite is at %s, %v", at, err)
	}
	moved(first.ID)
	if !byHandStage {
		in["current"] = []any{map[string]any{"suite": "stable", "generation": first.ID}}
	}
	// Good signatures of another Release: those of the state before were left in the folder.
	a.Signatures = handed{w.served("stable/InRelease"), p.ReleaseGPG}
	if out, err := w.byHand(hand(), here); err == nil {
		t.Fatalf("it turned clients to an InRelease that is not of this Release:\n%s", out)
	}
	w.check("stable", first.ID)
	a.Signatures = handed{p.InRelease, p.ReleaseGPG}
	for range 2 { // the second time nothing is left to do
		if out, err := w.byHand(hand(), here); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		w.check("stable", next.ID)
	}
	g, done, err := published(w.a, "stable", next.ID, next.Digest)
	if err != nil || !done || !g.Current || g.Published.IsZero() || g.Parent != first.ID {
		t.Fatalf("archive.publish does not find it done: %+v %v %v", g, done, err)
	}
	raw := PublishIn{Archive: "main", Generation: next.ID, Releases: []SuiteRelease{{"stable", string(next.Release), next.Digest}},
		Current: []SuiteGeneration{{"stable", first.ID}}}
	if _, found, err := (publish{a}).Probe(context.Background(), action.Key{}, raw); err != nil || !found {
		t.Fatalf("its probe: %v %v", found, err)
	}
	all, err := w.a.Generations("stable")
	if err != nil || len(all) != 2 || all[0].Staged || all[1].Staged {
		t.Fatalf("%+v %v", all, err)
	}
	w.publish(w.change(w.deb("hello", "3.0", "amd64"))) // and it goes on from there
}

// TestSignaturesOfNoUseAreMadeAgain, and an archive elsewhere has no commands here.
func TestSignaturesOfNoUseAreMadeAgain(t *testing.T) {
	w := newWorld(t, Options{})
	a := &Actions{Now: func() time.Time { return w.now }, Signatures: handed{},
		Archives: func(name string) (Configured, bool) {
			return Configured{Place: w.a, Keys: []string{"A", "B"}}, name == "main"
		}}
	in := action.Values{"archive": "main", "generation": "g", "signed": []any{}, "releases": []any{map[string]any{"suite": "stable", "text": "x", "digest": "d"}}}
	h := action.NewHand("switch", in, nil, nil, nil, action.NewMarks())
	a.publishByHand(h)
	if text := strings.Join(h.Commands, "\n"); !strings.Contains(text, "--local-user 'A!' --local-user 'B!'") || !strings.Contains(strings.Join(h.Notes, "\n"), "of no use") {
		t.Errorf("%s\n%s", text, h.Notes)
	}
	// A single key signs again as well, where nothing that it made is there.
	a.Archives = func(name string) (Configured, bool) {
		return Configured{Place: w.a, Keys: []string{"A"}}, name == "main"
	}
	h = action.NewHand("switch", in, nil, nil, nil, action.NewMarks())
	a.publishByHand(h)
	if text := strings.Join(h.Commands, "\n"); !strings.Contains(text, "--local-user 'A!'") || strings.Contains(text, "A.InRelease") {
		t.Error(text)
	}
	// Whatever a text is, it is no second line of a look.
	in["generation"] = "g\ntouch pwned"
	h = action.NewHand("switch", in, nil, nil, nil, action.NewMarks())
	if a.publishByHand(h); strings.Contains(strings.Join(h.Looks, "\n"), "touch") {
		t.Error(h.Looks)
	}
	in["archive"] = "other"
	h = action.NewHand("switch", in, nil, nil, nil, action.NewMarks())
	a.publishByHand(h)
	if len(h.Commands) > 0 || len(h.Notes) == 0 || h.Once == "" {
		t.Errorf("%+v", h)
	}
}

package aptrepo

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
)

func (w *world) findings(q Inspection) (all []string) {
	w.t.Helper()
	if q.Now.IsZero() {
		q.Now = w.now
	}
	found, err := w.a.Inspect(context.Background(), "stable", q)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range found {
		if f.Suite != "stable" || f.What == "" || f.Hint == "" {
			w.t.Errorf("a finding without words: %+v", f)
		}
		all = append(all, f.What)
	}
	return all
}

func (w *world) wantFindings(got []string, want ...string) {
	w.t.Helper()
	if len(got) != len(want) {
		w.t.Fatalf("found %q, want %q", got, want)
	}
	for i := range want {
		if !strings.Contains(got[i], want[i]) {
			w.t.Errorf("found %q, want %q", got[i], want[i])
		}
	}
}

func TestAnInspectionTellsEverythingThatIsWrong(t *testing.T) {
	s := stable()
	s.Snapshots = 3
	w := newWorld(t, Options{}, s)
	w.wantFindings(w.findings(Inspection{})) // never published
	first := w.publish(w.change(w.deb("hello", "1.0", "amd64"), w.deb("tool", "1.0", "amd64")))
	last := w.publish(w.change(w.deb("hello", "1.1", "amd64")))
	w.wantFindings(w.findings(Inspection{Deep: true, All: true}))
	w.wantFindings(w.findings(Inspection{Verify: func(_, _, _ []byte) error {
		return errs.E("test", errs.Denied, errors.New("an unknown key")).Hint("sign again")
	}}), "an unknown key")
	w.wantFindings(w.findings(Inspection{Now: w.now.AddDate(0, 0, 31)}), "has expired")
	w.wantFindings(w.findings(Inspection{Now: last.Date.Add(-time.Minute)}), "in the future")

	spoil := func(path string, text []byte) (mend func()) {
		t.Helper()
		path = filepath.Join(w.root, path)
		was, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		// Linked files are shared: another file in its place.
		if err := errors.Join(os.Remove(path), os.WriteFile(path, text, 0o644)); err != nil {
			t.Fatal(err)
		}
		return func() {
			if err := os.WriteFile(path, was, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	deb := "pool/main/h/hello/hello_1.1_amd64.deb"
	size := len(w.served("../" + deb))
	mend := spoil(deb, make([]byte, size))
	w.wantFindings(w.findings(Inspection{}))
	w.wantFindings(w.findings(Inspection{Deep: true}), deb+" is missing or is not what the index lists")
	mend2 := spoil("pool/main/t/tool/tool_1.0_amd64.deb", nil)
	w.wantFindings(w.findings(Inspection{Deep: true}), deb, "tool_1.0_amd64.deb is missing")
	mend()
	mend2()
	release, err := w.a.openTree("test", "stable", last.ID)
	if err != nil {
		t.Fatal(err)
	}
	e, _ := release.release.find("main/binary-amd64/Packages")
	hash := "dists/stable/" + byHashPath(e.path, SHA256, e.sums[SHA256])
	mend = spoil(hash, []byte("other"))
	w.wantFindings(w.findings(Inspection{}), "main/binary-amd64/Packages has other content by its SHA256")
	mend()
	mend = spoil("dists/stable/main/binary-arm64/Packages.gz", []byte("other"))
	w.wantFindings(w.findings(Inspection{}), "main/binary-arm64/Packages.gz is not what its Release lists")
	mend()
	mend = spoil("dists/stable/InRelease", []byte("-----BEGIN PGP SIGNED MESSAGE-----\n"))
	w.wantFindings(w.findings(Inspection{}), "InRelease")
	mend()
	if err := os.RemoveAll(filepath.Join(w.root, "generations/stable", first.ID, "main")); err != nil {
		t.Fatal(err)
	}
	w.wantFindings(w.findings(Inspection{}))
	if got := w.findings(Inspection{All: true}); len(got) == 0 {
		t.Error("an earlier generation without its indexes passes")
	}
	if err := os.RemoveAll(filepath.Join(w.root, "generations/stable", first.ID)); err != nil {
		t.Fatal(err)
	}
	w.wantFindings(w.findings(Inspection{}), "dists/stable of the snapshot 20190107T130000Z leads nowhere")
}

// Dates, versions and the link go forwards but by a rollback that is named as one.
func TestClientsAreNotTurnedBackwards(t *testing.T) {
	w := newWorld(t, Options{})
	first := w.publish(w.change(w.deb("hello", "1.0", "amd64")))
	second := w.publish(w.change(w.deb("hello", "1.1", "amd64")))
	p := w.signed(first)
	p.Expect = second.ID
	if _, err := w.a.Publish(context.Background(), p); !errs.Is(err, errs.Conflict) {
		t.Errorf("clients were turned to an earlier generation: %v", err)
	}
	w.check("stable", second.ID)
	third := w.publish(w.change(w.deb("hello", "1.2", "amd64")))
	link := filepath.Join(w.root, "dists/stable")
	turn := func(id string) {
		t.Helper()
		if err := errors.Join(os.Remove(link), os.Symlink(linkTarget("stable", id), link)); err != nil {
			t.Fatal(err)
		}
	}
	turn(second.ID)
	w.wantFindings(w.findings(Inspection{}), "turned back from it by hand")
	turn(first.ID)
	w.wantFindings(w.findings(Inspection{}), "clients were turned back to it from "+second.ID)
	turn("20180101T000000Z-0123456789ab")
	w.wantFindings(w.findings(Inspection{}), "is not there")
	if err := errors.Join(os.Remove(link), os.Mkdir(link, 0o755)); err != nil {
		t.Fatal(err)
	}
	w.wantFindings(w.findings(Inspection{}), "is not a link")
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	turnTo := func() error { return os.Symlink(linkTarget("stable", third.ID), link) }
	if err := turnTo(); err != nil {
		t.Fatal(err)
	}
	w.wantFindings(w.findings(Inspection{}))
}

func TestPackagesOfAGeneration(t *testing.T) {
	w := newWorld(t, Options{})
	first := w.publish(w.change(w.source("foo", "2.0"), w.deb("libfoo1", "2.0", "amd64", "Source: foo"), w.deb("foo-doc", "2.0", "all", "Source: foo")))
	w.publish(w.change(w.deb("libfoo1", "2.1", "amd64", "Source: foo (2.0)")))
	show := func(generation string, names ...string) (all []string) {
		t.Helper()
		got, err := w.a.Packages("stable", generation, names...)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range got {
			if len(p.Sums) > len(p.Architectures) || p.Source != "foo" {
				t.Errorf("%+v", p)
			}
			all = append(all, p.Name+" "+p.Version+" "+strings.Join(p.Architectures, ","))
		}
		return all
	}
	w.wantFindings(show(""), "foo 2.0 source", "foo-doc 2.0 amd64,arm64", "libfoo1 2.1 amd64")
	w.wantFindings(show(first.ID, "libfoo1", "absent"), "libfoo1 2.0 amd64")
	if _, err := w.a.Packages("stable", "20180101T000000Z-0123456789ab"); !errs.Is(err, errs.NotFound) {
		t.Error(err)
	}
}

package aptrepo

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"slipway/bot/errs"
)

func TestRollbackIsTheOldContentUnderANewDate(t *testing.T) {
	w := newWorld(t, Options{})
	first := w.publish(w.change(w.deb("hello", "1.0", "amd64"), w.deb("tool", "1.0", "all")))
	second := w.publish(w.change(w.deb("hello", "1.1", "amd64"), w.deb("extra", "1.0", "amd64")))
	c := w.change()
	c.Base = first.ID
	w.refused(c, errs.Conflict, "hello would go back from 1.1 to 1.0")
	c.Rollback = true
	back := w.publish(c)
	w.wantOffers(amd64Main, "hello 1.0", "tool 1.0")
	if !back.Date.After(second.Date) || back.Parent != second.ID || back.Base != first.ID {
		t.Errorf("rolled back to %+v", back.Generation)
	}
	var moves []string
	for _, m := range back.Moves {
		moves = append(moves, m.String())
	}
	if got := strings.Join(moves, "; "); got != "extra 1.0 removed (main amd64); hello 1.1 → 1.0 (main amd64)" {
		t.Errorf("moves: %s", got)
	}
	diff, err := w.a.Diff("stable", first.ID, "")
	if err != nil || len(diff) != 0 {
		t.Errorf("it differs from where it came from: %v, %v", diff, err)
	}
	all, err := w.a.Generations("stable")
	if err != nil || len(all) != 3 || !all[2].Current || all[2].ID != back.ID {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestPromotionTakesASourceWithItsBinaries(t *testing.T) {
	proposed := stable()
	proposed.Name, proposed.Codename = "proposed", "bookworm-proposed"
	w := newWorld(t, Options{}, stable(), proposed)
	c := w.change(w.source("foo", "2.0"), w.deb("libfoo1", "2.0", "amd64", "Source: foo"), w.deb("foo-doc", "2.0", "all", "Source: foo"),
		w.deb("other", "1.0", "amd64"))
	c.Suite = "proposed"
	w.publish(c)
	c = w.change()
	c.From = &Promotion{Suite: "proposed", Packages: []Ref{{Name: "foo", Version: "2.0", Source: true}}}
	w.publish(c)
	w.wantOffers(amd64Main, "foo-doc 2.0", "libfoo1 2.0")
	w.wantOffers(arm64Main, "foo-doc 2.0")
	w.wantOffers(sources, "foo 2.0")
	c = w.change()
	c.From = &Promotion{Suite: "proposed", Packages: []Ref{{Name: "foo", Version: "3.0", Source: true}}}
	w.refused(c, errs.NotFound, "no source foo 3.0")
	c.From = &Promotion{Suite: "proposed", Packages: []Ref{{Name: "other"}}}
	w.publish(c)
	w.wantOffers(amd64Main, "foo-doc 2.0", "libfoo1 2.0", "other 1.0")
	c = w.change()
	c.Remove = []Ref{{Name: "foo", Source: true}}
	c.Allow = []string{"empty/main/binary-arm64", "empty/main/source"}
	w.publish(c)
	w.wantOffers(amd64Main, "other 1.0")
	// What one suite no longer names another one may still name.
	w.now = w.now.AddDate(0, 1, 0)
	if _, err := w.a.Cleanup(context.Background(), w.now); err != nil {
		t.Fatal(err)
	}
	if _, err := w.a.Check(context.Background(), "proposed", true); err != nil {
		t.Errorf("the cleanup broke the other suite: %v", err)
	}
}

func TestOlderVersionsStayAsConfigured(t *testing.T) {
	s := stable()
	s.Versions = 2
	w := newWorld(t, Options{Link: true}, s)
	for _, v := range []string{"1.9", "1.10", "1.11"} {
		w.publish(w.change(w.deb("hello", v, "amd64")))
	}
	w.wantOffers(amd64Main, "hello 1.10", "hello 1.11")
	c := w.change(w.deb("hello", "1.8", "amd64"))
	c.Rollback = true
	w.publish(c)
	w.wantOffers(amd64Main, "hello 1.8")
}

func TestAnUploadIsAddedAsItsChangesListIt(t *testing.T) {
	w := newWorld(t, Options{})
	deb := w.deb("hello", "1.0", "amd64")
	dsc := w.source("hello", "1.0")
	in := &intake{suite: w.a.suites["stable"], root: w.root, temp: t.TempDir(), sync: &pending{}, algs: []Algorithm{SHA256}}
	list := "\nChecksums-Sha256:"
	for _, f := range []File{deb, dsc} {
		wants, err := in.expand(f)
		if err != nil {
			t.Fatal(err)
		}
		p, err := in.take(wants[0], "", &tools{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		list += "\n " + p.sums[SHA256] + " " + strconv.FormatInt(p.size, 10) + " " + wants[0].name
	}
	changes := w.file("hello_1.0_amd64.changes", []byte("Format: 1.8\nSource: hello\nVersion: 1.0"+list+"\n"))
	w.publish(w.change(changes))
	w.wantOffers(amd64Main, "hello 1.0")
	w.wantOffers(sources, "hello 1.0")
}

package aptrepo

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
)

func TestVersionsDoNotGoBackwardsUnasked(t *testing.T) {
	w := newWorld(t, Options{})
	w.publish(w.change(w.deb("hello", "1.1", "amd64")))
	c := w.change(w.deb("hello", "1.1~rc1", "amd64"))
	w.refused(c, errs.Conflict, "hello would go back from 1.1 to 1.1~rc1")
	c.Rollback = true
	w.publish(c)
	w.wantOffers(amd64Main, "hello 1.1~rc1")
}

func TestTheSameVersionWithOtherContentIsRefused(t *testing.T) {
	w := newWorld(t, Options{})
	same := w.deb("hello", "1.1", "amd64")
	w.publish(w.change(same))
	if s := w.publish(w.change(same)); len(s.Moves) != 0 {
		t.Errorf("the same file again changes %v", s.Moves)
	}
	w.refused(w.change(w.deb("hello", "1.1", "amd64", "Homepage: https://example.org")), errs.Exists, "with other content")
	w.publish(w.change(w.deb("hello", "1.2", "amd64")))
	w.refused(w.change(w.deb("tool", "1.0", "amd64"), w.deb("tool", "1.0", "all")), errs.Exists, "comes twice")
}

func TestDatesGoForwards(t *testing.T) {
	w := newWorld(t, Options{})
	first := w.publish(w.change(w.deb("hello", "1.1", "amd64")))
	c := w.change()
	c.Date = first.Date
	w.refused(c, errs.Conflict, "clients would ignore it")
	c.Date = time.Time{}
	w.refused(c, errs.Invalid, "no date")
}

func TestWhatClientsPinDoesNotChangeUnasked(t *testing.T) {
	w := newWorld(t, Options{})
	w.publish(w.change(w.deb("hello", "1.1", "amd64"), w.deb("tool", "1.0", "amd64", "Section: contrib/x")))
	for allow, alter := range map[string]func(*Suite){
		"Origin":             func(s *Suite) { s.Origin = "Other" },
		"Label":              func(s *Suite) { s.Label = "Other" },
		"Codename":           func(s *Suite) { s.Codename = "trixie" },
		"architecture/arm64": func(s *Suite) { s.Architectures = []string{"amd64"} },
		"component/contrib":  func(s *Suite) { s.Components = []string{"main"} },
	} {
		s := stable()
		alter(&s)
		w.reopen(Options{}, s)
		c := w.change()
		_, word, _ := strings.Cut("/"+strings.ReplaceAll(allow, "/", " "), "/")
		words := strings.Fields(word)
		w.refused(c, errs.Conflict, words[len(words)-1])
		c.Allow = []string{allow}
		if staged, err := w.a.Stage(context.Background(), c); err != nil {
			t.Errorf("%s: %v", allow, err)
		} else if err := w.a.Drop("stable", staged.ID); err != nil {
			t.Error(err)
		}
	}
	s := stable()
	s.Description = "Another description may come at any time"
	w.reopen(Options{}, s)
	w.publish(w.change())
}

func TestAnIndexDoesNotBecomeEmptyUnasked(t *testing.T) {
	w := newWorld(t, Options{})
	w.publish(w.change(w.deb("hello", "1.1", "amd64")))
	c := w.change()
	c.Remove = []Ref{{Name: "hello"}}
	w.refused(c, errs.Conflict, "would have none")
	c.Allow = []string{"empty/main/binary-amd64"}
	w.publish(c)
	w.wantOffers(amd64Main)
	w.publish(w.change(w.deb("hello", "1.0", "amd64")))
}

func TestFilesThatCannotBeAddedAreNamed(t *testing.T) {
	w := newWorld(t, Options{})
	w.refused(w.change(w.deb("hello", "1.1", "armhf")), errs.Invalid, "which suite stable does not have")
	w.refused(w.change(w.file("broken.deb", []byte("no package"))), errs.Invalid, "broken.deb: ")
	w.refused(w.change(w.file("notes.txt", nil)), errs.Invalid, "notes.txt")
	f := w.deb("hello", "1.1", "amd64")
	f.Component = "non-free"
	w.refused(w.change(f), errs.Invalid, "non-free")
	dsc := w.source("foo", "1.0")
	w.file("foo_1.0.tar.xz", []byte("another tar"))
	w.refused(w.change(dsc), errs.Invalid, "foo_1.0.tar.xz")
	c := w.change(w.deb("hello", "1.1", "amd64"))
	c.Remove = []Ref{{Name: "absent", Version: "1.0"}}
	w.refused(c, errs.NotFound, "no absent 1.0")
	if entries, err := os.ReadDir(filepath.Join(w.root, "dists")); err == nil && len(entries) > 0 {
		t.Error("clients see something")
	}
}

func TestAKeyIsForOneChange(t *testing.T) {
	w := newWorld(t, Options{})
	c := w.change(w.deb("hello", "1.1", "amd64"))
	first := w.stage(c)
	c.Date = c.Date.Add(time.Minute) // a repeat may come later
	if again := w.stage(c); again.ID != first.ID || !bytes.Equal(again.Release, first.Release) {
		t.Error("the same key made another generation")
	}
	other := c
	other.Add = []File{w.deb("tool", "1.0", "amd64")}
	w.refused(other, errs.Conflict, "was used for another change")
	w.publish(w.change(w.deb("tool", "1.0", "amd64")))
	w.refused(c, errs.Conflict, "published by others")
	if _, err := w.a.Publish(context.Background(), w.signed(first)); !errs.Is(err, errs.Conflict) {
		t.Errorf("a generation that lacks what others published became current: %v", err)
	}
}

func TestSignaturesMustBeOfTheRelease(t *testing.T) {
	w := newWorld(t, Options{})
	s := w.stage(w.change(w.deb("hello", "1.1", "amd64")))
	good := w.signed(s)
	for words, alter := range map[string]func(*Publication){
		"is not the Release":       func(p *Publication) { p.InRelease = bytes.Replace(p.InRelease, []byte("stable"), []byte("stible"), 1) },
		"InRelease":                func(p *Publication) { p.InRelease = append(bytes.Clone(p.InRelease), '\n', 'x') },
		"SHA1":                     func(p *Publication) { p.InRelease = bytes.Replace(p.InRelease, []byte("SHA512"), []byte("SHA1"), 1) },
		"not an armored signature": func(p *Publication) { p.ReleaseGPG = []byte{0x88, 0x75} },
		"another Release":          func(p *Publication) { p.Digest = "sha256:00" },
		"unknown key":              func(p *Publication) { p.Verify = func(_, _, _ []byte) error { return errors.New("unknown key") } },
		"was made to follow":       func(p *Publication) { p.Expect = "20190101T000000Z-0123456789ab" },
	} {
		p := good
		alter(&p)
		if _, err := w.a.Publish(context.Background(), p); err == nil || !strings.Contains(errs.Text(err), words) {
			t.Errorf("got %v, want %q", err, words)
		}
	}
	for range 2 {
		done, err := w.a.Publish(context.Background(), good)
		if err != nil || done.Previous != "" {
			t.Fatalf("%v, %v", done, err)
		}
	}
	w.check("stable", s.ID)
}

func TestEachInReleaseIsNewerThanTheOneBefore(t *testing.T) {
	w := newWorld(t, Options{})
	mtime := func() time.Time {
		info, err := os.Stat(filepath.Join(w.root, "dists/stable/InRelease"))
		if err != nil {
			t.Fatal(err)
		}
		return info.ModTime()
	}
	w.publish(w.change(w.deb("hello", "1.1", "amd64")))
	before := w.now.Add(48 * time.Hour) // a clock that was wrong
	if err := os.Chtimes(filepath.Join(w.root, "dists/stable/InRelease"), before, before); err != nil {
		t.Fatal(err)
	}
	s := w.stage(w.change(w.deb("hello", "1.2", "amd64")))
	p := w.signed(s)
	if _, err := w.a.Publish(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	if !mtime().After(before) {
		t.Errorf("InRelease is of %v, the one before of %v: clients would be told that nothing is new", mtime(), before)
	}
}

func TestAReleaseThatClientsWouldRefuseForItsTimeIsNotPublished(t *testing.T) {
	w := newWorld(t, Options{})
	p := w.signed(w.stage(w.change(w.deb("hello", "1.1", "amd64"))))
	for words, now := range map[string]time.Time{"in the future": w.now.Add(-time.Minute), "has expired": w.now.AddDate(0, 0, 30)} {
		p.Now = now
		if _, err := w.a.Publish(context.Background(), p); !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), words) {
			t.Errorf("got %v, want %q", err, words)
		}
	}
	p.Now = w.now.Add(-3 * time.Second)
	if _, err := w.a.Publish(context.Background(), p); err != nil {
		t.Error(err)
	}
}

func TestConfigurationThatAptWouldMisread(t *testing.T) {
	for words, alter := range map[string]func(*Suite){
		"too weak":             func(s *Suite) { s.Algorithms = []Algorithm{SHA1, MD5Sum} },
		"no architecture":      func(s *Suite) { s.Architectures = nil },
		"no name for a suite":  func(s *Suite) { s.Name = "../up" },
		`suite "a.link"`:       func(s *Suite) { s.Name = "a.link" }, // ROOT/tmp has the new link of suite a there
		"of a client":          func(s *Suite) { s.Architectures = []string{"all"} },
		"ButAutomaticUpgrades": func(s *Suite) { s.ButAutomaticUpgrades = true },
		"blank at an end":      func(s *Suite) { s.Label = "x " },
		"twice":                func(s *Suite) { s.Components = []string{"main", "main"} },
		"is no compression":    func(s *Suite) { s.Compressions = []Compression{".bz2"} },
	} {
		s := stable()
		alter(&s)
		if _, err := Open(t.TempDir(), Options{}, s); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), words) {
			t.Errorf("got %v, want %q", err, words)
		}
	}
}

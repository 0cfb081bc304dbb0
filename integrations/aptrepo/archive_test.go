package aptrepo

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
)

var (
	amd64Main = fixed("main", "amd64")
	arm64Main = fixed("main", "arm64")
	sources   = fixed("main", sourceArch)
)

func fixed(component, arch string) index { return index{component, arch} }

func TestFirstPublication(t *testing.T) {
	w := newWorld(t, Options{})
	s := w.publish(w.change(w.deb("zsh-tools", "1.0-1", "all"), w.deb("hello", "2:1.0-1", "amd64"),
		w.deb("libfoo1", "1.0", "arm64", "Source: foo (0.9)", "Section: contrib/libs"), w.source("foo", "0.9")))
	w.wantOffers(amd64Main, "hello 2:1.0-1", "zsh-tools 1.0-1")
	w.wantOffers(arm64Main, "zsh-tools 1.0-1")
	w.wantOffers(index{"contrib", "arm64"}, "libfoo1 1.0")
	w.wantOffers(sources, "foo 0.9")
	for _, f := range []string{"pool/main/h/hello/hello_1.0-1_amd64.deb", "pool/contrib/f/foo/libfoo1_1.0_arm64.deb", "pool/main/f/foo/foo_0.9.dsc"} {
		if _, err := os.Stat(filepath.Join(w.root, f)); err != nil {
			t.Error(err)
		}
	}
	release := string(s.Release)
	for _, line := range []string{"Origin: Example", "Suite: stable", "Codename: bookworm", "Date: Mon, 07 Jan 2019 13:00:00 UTC",
		"Valid-Until: Wed, 06 Feb 2019 13:00:00 UTC", "Acquire-By-Hash: yes", "Architectures: amd64 arm64", "Components: main contrib"} {
		if !strings.Contains(release, line+"\n") {
			t.Errorf("Release lacks %q", line)
		}
	}
	if strings.Contains(release, "MD5Sum:") || strings.Count(release, "SHA256:") != 1 {
		t.Error("Release lists other algorithms than the configured ones")
	}
	if got := s.Counts["main/binary-amd64"]; got != 2 {
		t.Errorf("main/binary-amd64 counts %d", got)
	}
	if got := s.Moves[len(s.Moves)-1].String(); got != "zsh-tools 1.0-1 added (main amd64,arm64)" {
		t.Errorf("last move: %s", got)
	}
}

func TestAlgorithmsAndCompressionsAreThoseConfigured(t *testing.T) {
	s := stable()
	s.Algorithms, s.Compressions = []Algorithm{SHA512, MD5Sum}, []Compression{XZ}
	w := newWorld(t, Options{}, s)
	done := w.publish(w.change(w.deb("hello", "1.0", "amd64")))
	if !strings.Contains(string(done.Release), " main/binary-amd64/Packages\n") {
		t.Error("the plain Packages is not listed, so apt would find nothing")
	}
	if _, err := os.Stat(filepath.Join(w.root, "dists/stable/main/binary-amd64/Packages")); err == nil {
		t.Error("the plain Packages is shipped")
	}
	for dir, want := range map[string]bool{"MD5Sum": true, "SHA512": true, "SHA256": false} {
		if _, err := os.Stat(filepath.Join(w.root, "dists/stable/main/binary-amd64/by-hash", dir)); (err == nil) != want {
			t.Errorf("by-hash/%s: %v, want %v", dir, err == nil, want)
		}
	}
	// The next one reads its database from the packed form.
	w.publish(w.change(w.deb("other", "1.0", "amd64")))
	text, err := unpack(XZ, w.served("stable/main/binary-amd64/Packages.xz"))
	if err != nil || strings.Count(string(text), "Package: ") != 2 {
		t.Errorf("xz holds %q, %v", text, err)
	}
}

func TestOldByHashFilesStayWithinTheGrace(t *testing.T) {
	w := newWorld(t, Options{})
	paths := map[string]string{} // generation → a by-hash path
	note := func(s Staged) string {
		r, err := parseRelease(s.Release)
		if err != nil {
			t.Fatal(err)
		}
		e, _ := r.find("main/binary-amd64/Packages.gz")
		paths[s.ID] = byHashPath(e.path, SHA256, e.sums[SHA256])
		return s.ID
	}
	there := func(id string) bool {
		_, err := os.Stat(filepath.Join(w.root, "dists/stable", paths[id]))
		return err == nil
	}
	first := note(w.publish(w.change(w.deb("hello", "1.0", "amd64"))))
	second := note(w.publish(w.change(w.deb("hello", "1.1", "amd64"))))
	third := note(w.publish(w.change(w.deb("hello", "1.2", "amd64"))))
	if !there(first) || !there(second) || !there(third) {
		t.Error("a client with an older InRelease would find nothing by hash")
	}
	w.now = w.now.Add(48 * time.Hour)
	w.publish(w.change(w.deb("hello", "1.3", "amd64")))
	if there(first) || there(second) {
		t.Error("files are carried over beyond the grace")
	}
	if !there(third) {
		t.Error("the generation that was current until now must stay by hash")
	}
}

func TestCleanupKeepsWhatClientsMayRead(t *testing.T) {
	s := stable()
	s.Snapshots = 1
	w := newWorld(t, Options{}, s)
	w.publish(w.change(w.deb("hello", "0.9", "amd64")))
	w.publish(w.change(w.deb("hello", "1.0", "amd64")))
	w.publish(w.change(w.deb("hello", "1.1", "amd64")))
	if done, err := w.a.Cleanup(context.Background(), w.now); err != nil || done.Generations != 0 || done.Files != 0 {
		t.Errorf("within the grace nothing goes: %+v, %v", done, err)
	}
	waiting := w.stage(w.change(w.deb("hello", "1.2", "amd64")))
	w.now = w.now.Add(25 * time.Hour)
	done, err := w.a.Cleanup(context.Background(), w.now)
	if err != nil || done.Generations != 1 || done.Files != 1 {
		t.Errorf("got %+v, %v", done, err)
	}
	if _, err := os.Stat(filepath.Join(w.root, "pool/main/h/hello/hello_1.2_amd64.deb")); err != nil {
		t.Error("a file of a staged generation went")
	}
	if _, err := w.a.Publish(context.Background(), w.signed(waiting)); err != nil {
		t.Fatal(err)
	}
	w.check("stable", waiting.ID)
	stamps, err := os.ReadDir(filepath.Join(w.root, "snapshots/stable"))
	if err != nil || len(stamps) != 2 { // one is beyond its number now, and goes next time
		t.Fatalf("%v, %v", stamps, err)
	}
	base := filepath.Join(w.root, "snapshots/stable", stamps[1].Name())
	for _, f := range []string{"dists/stable/InRelease", "pool/main/h/hello/hello_1.2_amd64.deb"} {
		if _, err := os.Stat(filepath.Join(base, f)); err != nil {
			t.Errorf("the snapshot is no address for apt: %v", err)
		}
	}
}

// An archive that was copied without hidden files, or whose folder of generations is not mounted,
// does not tell which packages it needs. None may go.
func TestCleanupRemovesNothingWhenAGenerationIsUnknown(t *testing.T) {
	for what, lose := range map[string]func(w *world, old, now Staged) string{
		"the record of the current one": func(w *world, _, now Staged) string { return filepath.Join(w.a.gen("stable", now.ID), recordFile) },
		"the record of one before":      func(w *world, old, _ Staged) string { return filepath.Join(w.a.gen("stable", old.ID), recordFile) },
		"all generations":               func(w *world, _, _ Staged) string { return filepath.Join(w.root, "generations") },
	} {
		w := newWorld(t, Options{})
		old := w.publish(w.change(w.deb("hello", "1.0", "amd64")))
		now := w.publish(w.change(w.deb("hello", "1.1", "amd64")))
		if err := os.RemoveAll(lose(w, old, now)); err != nil {
			t.Fatal(err)
		}
		done, err := w.a.Cleanup(context.Background(), w.now.Add(time.Hour))
		if !errs.Is(err, errs.Corrupt) || errs.HintOf(err) == "" || done.Files != 0 {
			t.Errorf("%s: %+v, %v", what, done, err)
		}
		for _, f := range []string{"hello_1.0_amd64.deb", "hello_1.1_amd64.deb"} {
			if _, err := os.Stat(filepath.Join(w.root, "pool/main/h/hello", f)); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
}

func TestTwoCannotWorkOnOneSuite(t *testing.T) {
	w := newWorld(t, Options{})
	unlock, err := w.a.lockSuite("stable")
	if err != nil {
		t.Fatal(err)
	}
	w.refused(w.change(), errs.Busy, "process ")
	if _, err := w.a.Cleanup(context.Background(), w.now); !errs.Is(err, errs.Busy) {
		t.Errorf("cleanup beside a change: %v", err)
	}
	unlock()
	w.stage(w.change())
}

func TestDropForgetsAStagedGeneration(t *testing.T) {
	w := newWorld(t, Options{})
	c := w.change(w.deb("hello", "1.0", "amd64"))
	s := w.stage(c)
	for range 2 {
		if err := w.a.Drop("stable", s.ID); err != nil {
			t.Fatal(err)
		}
	}
	done := w.publish(c)
	if err := w.a.Drop("stable", done.ID); !errs.Is(err, errs.Conflict) {
		t.Errorf("a published generation was dropped: %v", err)
	}
}

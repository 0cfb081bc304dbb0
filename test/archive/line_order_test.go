//go:build prove

package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/aptrepo"
)

// turn points the link of stable at a generation, as somebody does by hand.
func (w *world) turn(generation string) {
	w.t.Helper()
	link := filepath.Join(w.root, "dists", "stable")
	if err := errors.Join(os.Symlink("../generations/stable/"+generation, link+".new"), os.Rename(link+".new", link)); err != nil {
		w.t.Fatal(err)
	}
}

// Line 10: a link turned back to an earlier tree is not seen by clients: first the server says that
// nothing changed since, and then apt itself drops what has an older Date.
func TestLine10LinkTurnedBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.publish(w.change(w.deb("hello", "1.0", "all")))
	second := w.publish(w.change(w.deb("hello", "1.1", "all")))
	c := w.client("amd64")
	c.sees("hello", "1.1")
	w.turn(first.ID)
	c.sees("hello", "1.1") // and no word
	if r := w.front.requests(); r[len(r)-1].status != 304 {
		t.Errorf("the server answered %v", r)
	}
	w.client("amd64").sees("hello", "1.0") // who is new gets it
	inRelease := filepath.Join(w.root, "dists/stable/InRelease")
	if err := os.Chtimes(inRelease, time.Time{}, w.pass(time.Hour)); err != nil {
		t.Fatal(err)
	}
	c.sees("hello", "1.1")
	if r := w.front.requests(); r[len(r)-1].status != 200 {
		t.Errorf("the server answered %v", r)
	}
	// A new Date is not enough when the file looks old.
	w.alter(field("Date", w.pass(time.Hour).Format("Mon, 02 Jan 2006 15:04:05 UTC")))
	fresh := w.front.other["dists/stable/InRelease"].content
	w.front.show("dists/stable/InRelease", fresh, first.Date)
	c.sees("hello", "1.1")
	w.front.show("dists/stable/InRelease", fresh, w.pass(time.Minute))
	c.sees("hello", "1.0")

	// Ours: an earlier Date is refused, a rollback has a new one, and the file is always newer.
	w.front.plain()
	w.turn(second.ID)
	c = w.client("amd64")
	c.sees("hello", "1.1")
	back := w.change()
	back.Base, back.Rollback = first.ID, true
	old := back
	old.Date = second.Date
	_, err := w.repo.Stage(context.Background(), old)
	refused(t, err, errs.Conflict, "clients would ignore it")
	if err := os.Chtimes(filepath.Join(w.root, "dists/stable/InRelease"), time.Time{}, w.now().Add(time.Hour)); err != nil {
		t.Fatal(err) // a machine whose clock was wrong when it published
	}
	c.sees("hello", "1.1")
	w.publish(back)
	c.sees("hello", "1.0")
}

// Line 11: a link is turned by making another one and renaming it; nobody finds it missing.
func TestLine11TheLinkIsNeverMissing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	said, err := exec.Command("strace", "-f", "-e", "trace=symlink,symlinkat,rename,renameat,renameat2,unlink,unlinkat",
		"sh", "-c", "cd '"+dir+"' && ln -s one link && ln -snf two link").CombinedOutput()
	if err != nil {
		t.Fatalf("strace: %v: %s", err, said)
	}
	if calls := string(said); !strings.Contains(calls, "rename") || strings.Contains(calls, "unlink") {
		t.Errorf("ln -snf does:\n%s", calls)
	}

	w := newWorld(t)
	w.publish(w.change(w.deb("hello", "1.0", "all")))
	suite := filepath.Join(w.root, "dists", "stable")
	var stop atomic.Bool
	var reads, bad atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !stop.Load() || reads.Load() == 0 {
			tree, err := os.OpenRoot(suite)
			if err != nil {
				bad.Add(1)
				return
			}
			inRelease, errIn := fs.ReadFile(tree.FS(), "InRelease")
			release, errRelease := fs.ReadFile(tree.FS(), "Release")
			_ = tree.Close()
			if errIn != nil || errRelease != nil || !bytes.Contains(inRelease, release) {
				bad.Add(1)
			}
			reads.Add(1)
		}
	}()
	for n := range 20 {
		w.publish(w.change(w.deb("hello", fmt.Sprint("1.", n+1), "all")))
	}
	stop.Store(true)
	<-done
	if bad.Load() > 0 {
		t.Errorf("%d of %d reads found no archive, or one of two generations", bad.Load(), reads.Load())
	}
	links, err := os.ReadDir(filepath.Dir(suite))
	if err != nil || len(links) != 1 {
		t.Errorf("dists has %v, %v", links, err)
	}
}

// Line 11, as the kernel sees it: a publication makes its link beside, renames it, and waits until
// the folder is on the disk. Nothing removes the link that clients follow.
func TestLine11CallsOfAPublication(t *testing.T) {
	t.Parallel()
	start := newClock()
	d, e := killWorld(t, start, newKey(t, "Archive", 0, start))
	trace := filepath.Join(t.TempDir(), "calls")
	e.run(t, "strace", "-f", "-y", "-qq", "-o", trace, "-e", "trace=symlink,symlinkat,rename,renameat,renameat2,unlink,unlinkat,fsync")
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	for _, suite := range []string{"stable", "testing"} {
		link := filepath.Join(d.root, "dists", suite)
		var got []string
		renamed := false
		for line := range strings.Lines(string(text)) {
			call, rest, _ := strings.Cut(line[strings.IndexByte(line, ' ')+1:], "(")
			call = strings.TrimSuffix(strings.TrimSpace(call), "at")
			switch {
			case strings.Contains(rest, `"`+link+`"`):
				got = append(got, call+" "+suite)
				renamed = true
			case call == "symlink" && strings.Contains(rest, "generations/"+suite+"/") && strings.Contains(rest, suite+".link"):
				got = append(got, "symlink beside")
			case call == "fsync" && renamed && strings.Contains(rest, "<"+filepath.Dir(link)+">"):
				got = append(got, "fsync dists")
				renamed = false
			}
		}
		if want := []string{"symlink beside", "rename " + suite, "fsync dists"}; !slices.Equal(got, want) {
			t.Errorf("the calls for the link are %q, want %q", got, want)
		}
	}
	// Found done by the next process, it is brought to the disk once more: the one that turned the
	// link may have been killed before it had done that.
	e.run(t, "strace", "-f", "-y", "-qq", "-o", trace, "-e", "trace=fsync")
	if text, err = os.ReadFile(trace); err != nil || !strings.Contains(string(text), "<"+filepath.Join(d.root, "dists")+">") {
		t.Errorf("the repeat does not sync the folder of the links: %v\n%s", err, text)
	}
}

// Line 12: what a file names is there before the file, and InRelease comes last.
func TestLine12OrderOfFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.publish(w.change(w.deb("hello", "1.0", "all")))
	old := w.served("stable", "InRelease")
	var order []string // of what appears of the second generation, and when
	seen := map[string]bool{}
	w.open(aptrepo.Options{Step: func(string) {
		here := map[string]bool{}
		for _, what := range []struct{ name, pattern string }{
			{"pool", "pool/main/h/hello/hello_1.1_all.deb"},
			{"by-hash", "generations/stable/*-*.stag*/main/binary-amd64/by-hash/SHA256/*"},
			{"indexes", "generations/stable/*-*.stag*/main/binary-amd64/Packages.gz"},
			{"Release", "generations/stable/*-*.staged/Release"},
			{"Release.gpg", "generations/stable/*-*.staged/Release.gpg"},
			{"InRelease", "generations/stable/*-*.staged/InRelease"},
		} {
			found, err := filepath.Glob(filepath.Join(w.root, what.pattern))
			if err != nil {
				t.Error(err)
			}
			here[what.name] = len(found) > 0
		}
		for _, name := range []string{"pool", "indexes", "by-hash", "Release", "Release.gpg", "InRelease"} {
			if here[name] && !seen[name] {
				seen[name] = true
				order = append(order, name)
			}
		}
		now := w.served("stable", "InRelease")
		if !bytes.Equal(now, old) && !seen["link"] {
			seen["link"] = true
			order = append(order, "link")
		}
	}})
	w.publish(w.change(w.deb("hello", "1.1", "all")))
	if want := []string{"pool", "indexes", "by-hash", "Release", "Release.gpg", "InRelease", "link"}; !slices.Equal(order, want) {
		t.Errorf("files appear in the order %q, want %q", order, want)
	}
	entry := fmt.Sprintf(" %s %d main/binary-amd64/Packages\n", sum(w.served("stable", "main/binary-amd64/Packages")), len(w.served("stable", "main/binary-amd64/Packages")))
	if !bytes.Contains(w.served("stable", "Release"), []byte(entry)) {
		t.Errorf("Release has no line %q:\n%s", entry, w.served("stable", "Release"))
	}
	w.client("amd64").sees("hello", "1.1")

	// One who ships the index before the package offers what nobody can install; one whose lines
	// begin at dists offers nothing at all.
	w.front.hide("pool/main/h/hello/hello_1.1_all.deb")
	c := w.client("amd64")
	c.sees("hello", "1.1")
	q := c.look
	q.Packages = []string{"hello"}
	if have, err := (aptrepo.Client{}).Install(context.Background(), q, "hello"); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("without its file hello installs as %v, %v", have, err)
	}
	w.front.plain()
	w.alter(func(release string) string { return strings.ReplaceAll(release, " main/", " dists/stable/main/") })
	none := w.client("amd64")
	if none.update("hello") != "" {
		t.Error("apt finds indexes that are listed from the root")
	}
	if said, status := none.run("apt-get", "update"); status != 0 {
		t.Errorf("apt-get ended with %d: %s", status, said)
	}
	w.front.plain()
	w.client("amd64").install([]string{"hello"}, "hello 1.1")
}

// Line 13: files that are renamed into place one by one leave moments in which clients fail, in any
// order. Ours have no such moment: at every step a new client sees an archive.
func TestLine13NoMomentBetween(t *testing.T) {
	t.Parallel()
	s := stable()
	s.ByHash, s.Architectures = false, []string{"amd64"}
	w := newWorld(t, s)
	first := w.publish(w.change(w.deb("hello", "1.0", "all")))
	second := w.publish(w.change(w.deb("hello", "1.1+longer", "all")))
	files := func(generation string) map[string][]byte {
		w.turn(generation)
		all := map[string][]byte{}
		for _, name := range []string{"main/binary-amd64/Packages", "main/binary-amd64/Packages.gz", "Release", "Release.gpg", "InRelease"} {
			all[name] = w.served("stable", name)
		}
		return all
	}
	after, before := files(second.ID), files(first.ID)
	for _, order := range [][]string{
		{"InRelease", "Release", "Release.gpg", "main/binary-amd64/Packages", "main/binary-amd64/Packages.gz"},
		{"main/binary-amd64/Packages.gz", "InRelease", "main/binary-amd64/Packages", "Release.gpg", "Release"},
		{"main/binary-amd64/Packages", "main/binary-amd64/Packages.gz", "Release", "Release.gpg", "InRelease"},
	} {
		for name, content := range before {
			w.front.show("dists/stable/"+name, content, first.Date)
		}
		failed := 0
		for _, name := range order {
			w.front.show("dists/stable/"+name, after[name], second.Date)
			if c := w.client("amd64"); c.update("hello") == "" {
				failed++
			}
		}
		if failed == 0 {
			t.Errorf("in the order %q every client succeeds", order)
		}
	}

	ours := newWorld(t)
	ours.publish(ours.change(ours.deb("hello", "1.0", "all")))
	c := ours.client("amd64")
	c.sees("hello", "1.0")
	steps := 0
	ours.open(aptrepo.Options{Step: func(step string) {
		want := "1.0"
		if step == "publish.switched" || step == "publish.snapshot" {
			want = "1.1"
		}
		if strings.HasPrefix(step, "publish.") {
			steps++
			c.sees("hello", want)
			ours.client("amd64").sees("hello", want)
		}
	}})
	ours.publish(ours.change(ours.deb("hello", "1.1", "all")))
	if steps < 6 {
		t.Errorf("clients looked at %d steps", steps)
	}
}

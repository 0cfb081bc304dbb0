package aptrepo

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"slipway/bot/errs"
	"slipway/integrations/debian"
)

func listed() Suite {
	s := stable()
	s.Contents = true
	return s
}

// holding makes a package with these files.
func (w *world) holding(name, version, arch, section string, paths ...string) File {
	w.t.Helper()
	p := debian.Paragraph{{Name: "Package", Value: name}, {Name: "Version", Value: version}, {Name: "Architecture", Value: arch},
		{Name: "Maintainer", Value: "Release Team <team@example.org>"}}
	if section != "" {
		p.Set("Section", section)
	}
	p.Set("Description", "example")
	var files []debian.File
	for _, path := range paths {
		files = append(files, debian.File{Path: path, Body: []byte(name + version)})
	}
	var b bytes.Buffer
	if err := debian.WriteDeb(&b, debian.Build{Control: p, Files: files, Time: w.now}); err != nil {
		w.t.Fatal(err)
	}
	return w.file(fmt.Sprintf("%s_%s_%s.deb", name, version, arch), b.Bytes())
}

func (w *world) wantContents(i index, want ...string) {
	w.t.Helper()
	text, err := unpack(Gzip, w.served("stable/"+i.contents()+".gz"))
	if err != nil {
		w.t.Fatal(err)
	}
	if got := strings.TrimSuffix(string(text), "\n"); got != strings.Join(want, "\n") {
		w.t.Errorf("%s is\n%s\nwant\n%s", i.contents(), got, strings.Join(want, "\n"))
	}
}

func TestContentsTellWhichPackageHasAFile(t *testing.T) {
	w := newWorld(t, Options{}, listed())
	s := w.publish(w.change(w.holding("hello", "1.0", "amd64", "devel", "usr/bin/hello", "usr/share/common"),
		w.holding("tool", "1.0", "all", "", "usr/share/a file", "usr/share/common"),
		w.holding("extra", "1.0", "arm64", "contrib/net", "usr/bin/extra")))
	w.wantContents(amd64Main, "usr/bin/hello devel/hello", "usr/share/a file tool", "usr/share/common devel/hello,tool")
	w.wantContents(arm64Main, "usr/share/a file tool", "usr/share/common tool")
	w.wantContents(index{"contrib", "arm64"}, "usr/bin/extra contrib/net/extra")
	w.wantContents(index{"contrib", "amd64"}, "")
	for _, line := range []string{" main/Contents-amd64\n", " main/Contents-amd64.gz\n"} {
		if !strings.Contains(string(s.Release), line) {
			t.Errorf("Release does not list %q", line)
		}
	}
	// A new version, in another section and with another file; the others stay.
	w.publish(w.change(w.holding("hello", "1.1", "amd64", "utils", "usr/bin/hello", "usr/bin/hi")))
	w.wantContents(amd64Main, "usr/bin/hello utils/hello", "usr/bin/hi utils/hello", "usr/share/a file tool", "usr/share/common tool")
	c := w.change()
	c.Base, c.Rollback = s.ID, true
	w.publish(c)
	w.wantContents(amd64Main, "usr/bin/hello devel/hello", "usr/share/a file tool", "usr/share/common devel/hello,tool")
	c = w.change()
	c.Remove = []Ref{{Name: "tool"}}
	c.Allow = []string{"empty/main/binary-arm64"}
	w.publish(c)
	w.wantContents(amd64Main, "usr/bin/hello devel/hello", "usr/share/common devel/hello")
	w.wantContents(arm64Main, "")
}

func TestContentsOfSeveralVersionsAreThoseOfAll(t *testing.T) {
	s := listed()
	s.Versions = 2
	w := newWorld(t, Options{}, s)
	w.publish(w.change(w.holding("hello", "1.0", "amd64", "", "usr/bin/hello", "usr/bin/old")))
	w.publish(w.change(w.holding("hello", "1.1", "amd64", "", "usr/bin/hello")))
	w.wantContents(amd64Main, "usr/bin/hello hello", "usr/bin/old hello")
	w.publish(w.change(w.holding("hello", "1.2", "amd64", "", "usr/bin/hello")))
	w.wantContents(amd64Main, "usr/bin/hello hello")
}

func TestContentsMayComeAndGo(t *testing.T) {
	w := newWorld(t, Options{})
	w.publish(w.change(w.holding("hello", "1.0", "amd64", "", "usr/bin/hello")))
	w.reopen(Options{}, listed())
	w.publish(w.change(w.holding("other", "1.0", "amd64", "", "usr/bin/other")))
	w.wantContents(amd64Main, "usr/bin/hello hello", "usr/bin/other other")
	w.reopen(Options{}, stable())
	w.publish(w.change())
	if _, err := os.Stat(filepath.Join(w.root, "dists/stable/main/Contents-amd64.gz")); err == nil {
		t.Error("the list of files is shipped though it is not configured")
	}
	// What promoted packages hold is read from the pool; so is a list that was damaged.
	w.reopen(Options{}, listed())
	g := w.publish(w.change())
	if err := os.WriteFile(filepath.Join(w.a.gen("stable", g.ID), "main/Contents-amd64.gz"), []byte("damaged"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := w.a.Check(context.Background(), "stable", false); !errs.Is(err, errs.Corrupt) {
		t.Errorf("a damaged list passes the check: %v", err)
	}
	w.publish(w.change())
	w.wantContents(amd64Main, "usr/bin/hello hello", "usr/bin/other other")
}

func TestAnUnchangedListIsTakenOver(t *testing.T) {
	w := newWorld(t, Options{}, listed())
	w.publish(w.change(w.holding("hello", "1.0", "amd64", "", "usr/bin/hello")))
	before, err := os.Stat(filepath.Join(w.root, "dists/stable/main/Contents-amd64.gz"))
	if err != nil {
		t.Fatal(err)
	}
	w.publish(w.change(w.holding("extra", "1.0", "arm64", "", "usr/bin/extra")))
	after, err := os.Stat(filepath.Join(w.root, "dists/stable/main/Contents-amd64.gz"))
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("it was written again: %v", err)
	}
}

// Splicing a list of files, plain and packed, gives the bytes of making it at once.
func TestSplicedContentsAreAFullBuild(t *testing.T) {
	var edges []string // paths that begin a member
	for i := 0; len(edges) < 4; i++ {
		if p := fmt.Sprintf("usr/edge %d", i); nameHash([]byte(p))%contentsChunk == 0 {
			edges = append(edges, p)
		}
	}
	all := func(have map[string][]string) (files []owned) {
		for name, paths := range have {
			for _, p := range paths {
				files = append(files, owned{p, name})
			}
		}
		slices.SortFunc(files, func(a, b owned) int { return strings.Compare(a.path+"\x00"+a.owner, b.path+"\x00"+b.owner) })
		return files
	}
	whole := func(have map[string][]string) (plain, packed []byte) {
		edits, err := contentsEdits(nil, nil, all(have))
		if err != nil {
			t.Fatal(err)
		}
		pieces, err := gzipMembers(nil, nil, edits, cutLines)
		if err != nil {
			t.Fatal(err)
		}
		return join(splice(nil, edits)), join(pieces)
	}
	rapid.Check(t, func(t *rapid.T) {
		path := rapid.OneOf(rapid.SampledFrom(edges), rapid.Custom(func(t *rapid.T) string { return fmt.Sprintf("usr/f%d", rapid.IntRange(0, 9).Draw(t, "n")) }))
		name := rapid.SampledFrom([]string{"a", "net/b", "contrib/net/c", "d"})
		have := map[string][]string{}
		text, gz := whole(have)
		for range rapid.IntRange(1, 4).Draw(t, "rounds") {
			gone, next := map[string]bool{}, map[string][]string{}
			for _, n := range rapid.SliceOfDistinct(name, rapid.ID).Draw(t, "touched") {
				gone[n[strings.LastIndexByte(n, '/')+1:]] = true
				delete(have, n)
				if paths := rapid.SliceOfDistinct(path, rapid.ID).Draw(t, "paths"); len(paths) > 0 {
					have[n], next[n] = paths, paths
				}
			}
			edits, err := contentsEdits(text, gone, all(next))
			if err != nil {
				t.Fatal(err)
			}
			pieces, err := gzipMembers(text, gz, edits, cutLines)
			if err != nil {
				t.Fatal(err)
			}
			text, gz = join(splice(text, edits)), join(pieces)
			if plain, packed := whole(have); !bytes.Equal(text, plain) || !bytes.Equal(gz, packed) {
				t.Fatalf("spliced it is %q, at once %q", text, plain)
			}
		}
	})
}

func FuzzContentsEdits(f *testing.F) {
	for _, s := range []string{"", "usr/bin/a a\n", "usr/a file net/a,b\nusr/b b", " \n", "a", "a \n", "\n\n", "b x\na y\n"} {
		f.Add([]byte(s), "usr/bin/a")
	}
	f.Fuzz(func(t *testing.T, old []byte, path string) {
		if path == "" || strings.ContainsAny(path, "\n") {
			path = "x"
		}
		edits, err := contentsEdits(old, map[string]bool{"a": true}, []owned{{path, "net/new"}})
		if err != nil {
			return
		}
		text := join(splice(old, edits))
		if !strings.Contains("\n"+string(text), "net/new") {
			t.Errorf("the new package is not in %q", text)
		}
		if got := join(cutLines(text)); !bytes.Equal(got, text) {
			t.Errorf("in chunks it is %q", got)
		}
	})
}

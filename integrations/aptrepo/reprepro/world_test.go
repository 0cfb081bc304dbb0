package reprepro

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/aptrepo"
	"slipway/integrations/debian"
)

const distributions = `Origin: Example
Label: Example
Codename: bookworm
Suite: stable
Architectures: amd64 arm64 source
Components: main contrib

Origin: Example
Label: Example
Codename: buster
Architectures: amd64 source
Components: main
ValidFor: 10d
`

// world is a reprepro that was there before Slipway.
type world struct {
	t       testing.TB
	program string
	base    string
	in      string
	place   *Place
	now     time.Time
	keys    int
}

func suites() []aptrepo.Suite {
	return []aptrepo.Suite{
		{Name: "bookworm", Architectures: []string{"amd64", "arm64"}, Components: []string{"main", "contrib"}, Keep: time.Hour},
		{Name: "buster", Architectures: []string{"amd64"}, Keep: time.Hour},
	}
}

// newWorld makes the archive with the program; "" is the one of this file's neighbour.
func newWorld(t testing.TB, program string) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{t: t, program: program, base: filepath.Join(dir, "repository"), in: filepath.Join(dir, "in"), now: time.Now().UTC().Truncate(time.Second)}
	if program == "" {
		w.program = filepath.Join(dir, "reprepro")
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		// A program with the race detector sleeps for a second when it ends, to catch what is left.
		w.write(w.program, fmt.Sprintf("#!/bin/sh\n%s=1 GORACE=atexit_sleep_ms=0 exec '%s' \"$@\"\n", asked, self))
		w.chmod(w.program, 0o755)
		w.now = time.Date(2019, 1, 7, 12, 0, 0, 0, time.UTC)
	}
	w.write(filepath.Join(w.current(), "conf", "distributions"), distributions)
	if err := os.Symlink("current-release", filepath.Join(w.base, "release")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(w.in, 0o755); err != nil {
		t.Fatal(err)
	}
	w.open(nil)
	w.byHand("export", "bookworm")
	w.byHand("export", "buster")
	for _, s := range suites() { // as it was before Slipway came
		release := filepath.Join(w.base, "release", "dists", s.Name, "Release")
		r, _, err := readRelease(release)
		if err != nil {
			t.Fatal(err)
		}
		if err := replaceFile(release, redate(w.read(release), r, aptrepo.Change{Date: w.now}), w.now); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *world) open(step func(string)) {
	w.t.Helper()
	var err error
	if w.place, err = Open(w.base, Options{Program: w.program, Step: step}, suites()...); err != nil {
		w.t.Fatal(err)
	}
	w.place.hurried = w.program != "reprepro"
}

func (w *world) current() string { return filepath.Join(w.base, "current-release") }

// byHand drives reprepro as people do, in what clients read.
func (w *world) byHand(args ...string) {
	w.t.Helper()
	out, err := exec.Command(w.program, append([]string{"--basedir", filepath.Join(w.base, "release")}, args...)...).CombinedOutput()
	if err != nil {
		w.t.Fatalf("%v: %s", err, out)
	}
}

func (w *world) write(path, text string) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) chmod(path string, mode os.FileMode) {
	w.t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) read(path string) []byte {
	w.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

func (w *world) deb(name, version, arch string) aptrepo.File {
	w.t.Helper()
	return w.debOf(name, version, arch, name+version)
}

func (w *world) debOf(name, version, arch, content string) aptrepo.File {
	w.t.Helper()
	var b bytes.Buffer
	p := debian.Paragraph{{Name: "Package", Value: name}, {Name: "Version", Value: version}, {Name: "Architecture", Value: arch},
		{Name: "Maintainer", Value: "Release Team <team@example.org>"}, {Name: "Description", Value: "example"}}
	if name != "bare" {
		p = append(p, debian.Field{Name: "Section", Value: "misc"}, debian.Field{Name: "Priority", Value: "optional"})
	}
	if name == "tool-doc" {
		p = append(p, debian.Field{Name: "Source", Value: "tool"})
	}
	body := debian.File{Path: "usr/share/" + name, Body: []byte(content)}
	if err := debian.WriteDeb(&b, debian.Build{Control: p, Files: []debian.File{body}, Time: time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC)}); err != nil {
		w.t.Fatal(err)
	}
	file := filepath.Join(w.in, name+"_"+version+"_"+arch+".deb")
	w.write(file, b.String())
	return aptrepo.File{Path: file}
}

// dsc is a native source package.
func (w *world) dsc(name, version string) aptrepo.File {
	w.t.Helper()
	tarball := name + "_" + version + ".tar.gz"
	control := "Source: " + name + "\nSection: misc\nPriority: optional\nMaintainer: Release Team <team@example.org>\n\nPackage: " + name + "\nArchitecture: any\nDescription: example\n"
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	in := tar.NewWriter(z)
	err := in.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name + "-" + version + "/debian/control", Mode: 0o644, Size: int64(len(control))})
	if err == nil {
		_, err = in.Write([]byte(control))
	}
	if err := errors.Join(err, in.Close(), z.Close()); err != nil {
		w.t.Fatal(err)
	}
	content := packed.Bytes()
	w.write(filepath.Join(w.in, tarball), string(content))
	md5 := strings.Fields(w.output("md5sum", filepath.Join(w.in, tarball)))[0]
	sha1 := strings.Fields(w.output("sha1sum", filepath.Join(w.in, tarball)))[0]
	file := filepath.Join(w.in, name+"_"+version+".dsc")
	w.write(file, fmt.Sprintf("Format: 3.0 (native)\nSource: %s\nBinary: %s\nArchitecture: any\nVersion: %s\nMaintainer: Release Team <team@example.org>\nChecksums-Sha1:\n %s %d %s\nChecksums-Sha256:\n %x %d %s\nFiles:\n %s %d %s\n",
		name, name, version, sha1, len(content), tarball, sha256.Sum256(content), len(content), tarball, md5, len(content), tarball))
	return aptrepo.File{Path: file}
}

// changes is an upload of files.
func (w *world) changes(files ...aptrepo.File) aptrepo.File {
	w.t.Helper()
	var md5, sha1, sha256 string
	for _, f := range files {
		name, size := filepath.Base(f.Path), len(w.read(f.Path))
		sum := func(program string) string { return strings.Fields(w.output(program, f.Path))[0] }
		md5 += fmt.Sprintf(" %s %d misc optional %s\n", sum("md5sum"), size, name)
		sha1 += fmt.Sprintf(" %s %d %s\n", sum("sha1sum"), size, name)
		sha256 += fmt.Sprintf(" %s %d %s\n", sum("sha256sum"), size, name)
	}
	file := filepath.Join(w.in, "hello.changes")
	w.write(file, "Format: 1.8\nDate: Mon, 07 Jan 2019 12:00:00 +0000\nSource: hello\nBinary: hello\nArchitecture: source amd64\nVersion: 1.0\n"+
		"Distribution: unstable\nUrgency: low\nMaintainer: Release Team <team@example.org>\nChanges:\n hello (1.0) unstable; urgency=low\n"+
		"Checksums-Sha1:\n"+sha1+"Checksums-Sha256:\n"+sha256+"Files:\n"+md5)
	return aptrepo.File{Path: file}
}

func (w *world) output(program string, args ...string) string {
	w.t.Helper()
	out, err := exec.Command(program, args...).Output()
	if err != nil {
		w.t.Fatal(err)
	}
	return string(out)
}

// change is one of a suite with a key of its own, later than all before: a real reprepro dates what
// people export by the clock.
func (w *world) change(suite string, files ...aptrepo.File) aptrepo.Change {
	w.keys++
	if now := time.Now().UTC().Truncate(time.Second); w.program == "reprepro" && w.now.Before(now) {
		w.now = now
	}
	w.now = w.now.Add(time.Second)
	return aptrepo.Change{Key: fmt.Sprint("change ", w.keys), Suite: suite, Date: w.now, Add: files}
}

func (w *world) stage(c aptrepo.Change) aptrepo.Staged {
	w.t.Helper()
	s, err := w.place.Stage(context.Background(), c)
	if err != nil {
		w.t.Fatalf("stage: %s", errs.Text(err))
	}
	return s
}

// signed is a publication whose signatures nobody verifies.
func (w *world) signed(s aptrepo.Staged) aptrepo.Publication {
	const block = "-----BEGIN PGP SIGNATURE-----\n\niHUEARYKAB0WIQQ=\n=abcd\n-----END PGP SIGNATURE-----\n"
	return aptrepo.Publication{Suite: s.Suite, Generation: s.ID, Digest: s.Digest, Expect: s.Parent, Now: w.now,
		InRelease:  []byte("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n" + string(s.Release) + block),
		ReleaseGPG: []byte(block)}
}

func (w *world) publish(s aptrepo.Staged) error {
	_, err := w.place.Publish(context.Background(), w.signed(s))
	return err
}

func (w *world) published(c aptrepo.Change) aptrepo.Staged {
	w.t.Helper()
	s := w.stage(c)
	if err := w.publish(s); err != nil {
		w.t.Fatalf("publish: %s", errs.Text(err))
	}
	w.wantCurrent(s.ID)
	return s
}

func (w *world) wantCurrent(id string) {
	w.t.Helper()
	if got, err := w.place.current(); err != nil || got != id {
		w.t.Errorf("clients read %s, %v; want %s", got, err, id)
	}
}

// wantOffers reads a suite as its clients do, with every file that it names.
func (w *world) wantOffers(suite, want string) {
	w.t.Helper()
	w.wantTreeOffers(filepath.Join(w.base, "release"), suite, want)
}

func (w *world) wantTreeOffers(tree, suite, want string) {
	w.t.Helper()
	items, err := readItems(tree, suite)
	if err != nil {
		w.t.Fatal(errs.Text(err))
	}
	var all []string
	for _, i := range items {
		all = append(all, fmt.Sprintf("%s %s %s", i.index(), i.name, i.version))
		data := w.read(filepath.Join(tree, i.file))
		if sum := fmt.Sprintf("%x", sha256.Sum256(data)); sum != i.sum {
			w.t.Errorf("%s is not what its index lists", i.file)
		}
	}
	slices.Sort(all) // reprepro writes them in an order of its own
	if got := strings.Join(all, "\n"); got != strings.TrimSpace(want) {
		w.t.Errorf("%s of %s offers\n%s\nwant\n%s", suite, tree, got, want)
	}
}

func wantError(t testing.TB, err error, kind errs.Kind, words string) {
	t.Helper()
	if !errs.Is(err, kind) || !strings.Contains(errs.Text(err), words) {
		t.Errorf("got %q (%v), want %v with %q", errs.Text(err), errs.KindOf(err), kind, words)
	}
	if err != nil && errs.HintOf(err) == "" {
		t.Errorf("%v has no hint", err)
	}
}

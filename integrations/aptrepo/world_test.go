package aptrepo

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/debian"
)

// world is an archive in a folder, with a clock that moves when told to.
type world struct {
	t    testing.TB
	a    *Archive
	root string
	in   string // folder of packages to add
	now  time.Time
	keys int
}

func stable() Suite {
	return Suite{Name: "stable", Codename: "bookworm", Origin: "Example", Label: "Example", Description: "Packages of an example",
		Components: []string{"main", "contrib"}, Architectures: []string{"amd64", "arm64"}, ByHash: true, ValidFor: 30 * 24 * time.Hour}
}

func newWorld(t testing.TB, opts Options, suites ...Suite) *world {
	t.Helper()
	if len(suites) == 0 {
		suites = []Suite{stable()}
	}
	w := &world{t: t, root: filepath.Join(t.TempDir(), "archive"), in: t.TempDir(), now: time.Date(2019, 1, 7, 12, 0, 0, 0, time.UTC)}
	w.reopen(opts, suites...)
	return w
}

func (w *world) reopen(opts Options, suites ...Suite) {
	w.t.Helper()
	a, err := Open(w.root, opts, suites...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.a = a
}

// deb makes a package; extra are further control fields, "Section: contrib/net".
func (w *world) deb(name, version, arch string, extra ...string) File {
	w.t.Helper()
	p := debian.Paragraph{{Name: "Package", Value: name}, {Name: "Version", Value: version}, {Name: "Architecture", Value: arch},
		{Name: "Maintainer", Value: "Release Team <team@example.org>"}}
	for _, e := range extra {
		field, value, _ := strings.Cut(e, ": ")
		p.Set(field, value)
	}
	p.Set("Description", "example\nIt has a second line.\n.\nAnd a third one.")
	var b bytes.Buffer
	body := []byte(name + version + arch + strings.Join(extra, ""))
	if err := debian.WriteDeb(&b, debian.Build{Control: p, Files: []debian.File{{Path: "usr/share/" + name, Body: body}}, Time: w.now}); err != nil {
		w.t.Fatal(err)
	}
	return w.file(fmt.Sprintf("%s_%s_%s.deb", name, strings.ReplaceAll(version, ":", "%3a"), arch), b.Bytes())
}

func (w *world) file(name string, content []byte) File {
	w.t.Helper()
	path := filepath.Join(w.in, name)
	if err := os.WriteFile(path, content, 0o644); err != nil {
		w.t.Fatal(err)
	}
	return File{Path: path}
}

// change is one that adds files to stable under a new key, an hour later.
func (w *world) change(files ...File) Change {
	w.keys++
	w.now = w.now.Add(time.Hour)
	return Change{Key: fmt.Sprintf("change %d", w.keys), Suite: "stable", Date: w.now, Add: files}
}

func (w *world) stage(c Change) Staged {
	w.t.Helper()
	s, err := w.a.Stage(context.Background(), c)
	if err != nil {
		w.t.Fatalf("stage: %v (%s)", err, errs.HintOf(err))
	}
	return s
}

// signed is a publication with blocks of the right shape.
func (w *world) signed(s Staged) Publication {
	const block = "-----BEGIN PGP SIGNATURE-----\n\niHUEARYKAB0WIQQ=\n=abcd\n-----END PGP SIGNATURE-----\n"
	return Publication{Suite: s.Suite, Generation: s.ID, Digest: s.Digest, Expect: s.Parent, Now: w.now,
		InRelease:  []byte("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n" + string(s.Release) + block),
		ReleaseGPG: []byte(block)}
}

// publish stages and publishes a change, and checks what clients then read.
func (w *world) publish(c Change) Staged {
	w.t.Helper()
	s := w.stage(c)
	if _, err := w.a.Publish(context.Background(), w.signed(s)); err != nil {
		w.t.Fatalf("publish: %v", err)
	}
	w.check(c.Suite, s.ID)
	return s
}

func (w *world) check(suite, id string) {
	w.t.Helper()
	g, err := w.a.Check(context.Background(), suite, true)
	if err != nil {
		w.t.Fatalf("check: %v", err)
	}
	if g.ID != id {
		w.t.Fatalf("clients read %s, want %s", g.ID, id)
	}
}

func (w *world) refused(c Change, kind errs.Kind, words string) {
	w.t.Helper()
	_, err := w.a.Stage(context.Background(), c)
	if !errs.Is(err, kind) || !strings.Contains(errs.Text(err), words) {
		w.t.Errorf("got %v (%v), want %v with %q", errs.Text(err), errs.KindOf(err), kind, words)
	}
	if err != nil && errs.HintOf(err) == "" {
		w.t.Errorf("%v has no hint", err)
	}
}

// served is a file as clients of a suite see it.
func (w *world) served(name string) []byte {
	w.t.Helper()
	b, err := os.ReadFile(filepath.Join(w.root, "dists", name))
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// offers are the packages of an index, "name version", in their order.
func (w *world) offers(i index) (all []string) {
	w.t.Helper()
	text := w.served("stable/" + i.path())
	if err := eachRow(text, i.arch == sourceArch, func(r row) error { all = append(all, r.name+" "+r.version); return nil }); err != nil {
		w.t.Fatal(err)
	}
	return all
}

func (w *world) wantOffers(i index, want ...string) {
	w.t.Helper()
	if got := w.offers(i); strings.Join(got, ", ") != strings.Join(want, ", ") {
		w.t.Errorf("%s has %q, want %q", i.dir(), got, want)
	}
}

// source makes a source package of one tarball.
func (w *world) source(name, version string) File {
	w.t.Helper()
	tar := []byte("tar of " + name + version)
	tarName := name + "_" + version + ".tar.xz"
	w.file(tarName, tar)
	algs := []Algorithm{MD5Sum, SHA256}
	sum, size := sumPieces([][]byte{tar}, algs)
	dsc := fmt.Sprintf("Format: 3.0 (native)\nSource: %s\nBinary: %s\nArchitecture: any\nVersion: %s\nMaintainer: Team <team@example.org>\nChecksums-Sha256:\n %s %d %s\nFiles:\n %s %d %s\n",
		name, name, version, sum[SHA256], size, tarName, sum[MD5Sum], size, tarName)
	return w.file(name+"_"+version+".dsc", []byte(dsc))
}

package overssh

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
	"slipway/integrations/aptrepo"
	"slipway/integrations/debian"
)

// wire stands in for ssh: it runs the command under the sh of this machine, and only leaves the
// network out. Files beside it make it fail: .kill names a step of a script at which everything
// stops, .cut is after how many bytes of input the connection ends, .say is what ssh complains when
// it cannot connect, .bin are programs that the other side has in place of its own.
const wire = `#!/bin/sh
for command; do :; done
printf '%s\n' "$*" >>"$0.log"
if [ -f "$0.say" ]; then cat "$0.say" >&2; exit 255; fi
if [ -f "$0.kill" ]; then command=$(printf '%s\n' "$command" | sed "s/^[[:space:]]*: step $(cat "$0.kill")\$/kill -9 \$\$; exit 1/"); fi
PATH=$0.bin:$PATH
if [ -f "$0.cut" ]; then head -c "$(cat "$0.cut")" | sh -c "$command"; else sh -c "$command"; fi
status=$?
[ $status -lt 128 ] || status=255
exit $status
`

// world is an archive whose clients read another folder.
type world struct {
	t      *testing.T
	place  *Place
	master string
	there  string
	ssh    string
	in     string
	now    time.Time
	keys   int
}

func stable() aptrepo.Suite {
	return aptrepo.Suite{Name: "stable", Codename: "bookworm", Origin: "Example", Label: "Example", Architectures: []string{"amd64"},
		ByHash: true, Snapshots: 1}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{t: t, master: filepath.Join(dir, "master"), there: filepath.Join(dir, "it's there"), ssh: filepath.Join(dir, "wire"),
		in: filepath.Join(dir, "in"), now: time.Date(2019, 1, 7, 12, 0, 0, 0, time.UTC)}
	for _, d := range []string{w.there, w.in, w.ssh + ".bin"} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(w.ssh, []byte(wire), 0o755); err != nil {
		t.Fatal(err)
	}
	w.program("sync", "exit 0") // others on this machine need not wait for the tests
	w.open("")
	return w
}

func (w *world) open(owner string) {
	w.t.Helper()
	var err error
	if w.place, err = Open(w.master, Host{Destination: "files@deb.example", Path: w.there, Owner: owner}, Options{Program: w.ssh}, stable()); err != nil {
		w.t.Fatal(err)
	}
}

// trouble writes one of the files that make the wire fail, or removes it.
func (w *world) trouble(kind, content string) {
	w.t.Helper()
	_ = os.Remove(w.ssh + kind)
	if content == "" {
		return
	}
	if err := os.WriteFile(w.ssh+kind, []byte(content), 0o755); err != nil {
		w.t.Fatal(err)
	}
}

// program gives the other side a program of its own.
func (w *world) program(name, text string) { w.trouble(".bin/"+name, "#!/bin/sh\n"+text) }

func (w *world) deb(name, version string) aptrepo.File {
	w.t.Helper()
	var b bytes.Buffer
	p := debian.Paragraph{{Name: "Package", Value: name}, {Name: "Version", Value: version}, {Name: "Architecture", Value: "amd64"},
		{Name: "Maintainer", Value: "Release Team <team@example.org>"}, {Name: "Description", Value: "example"}}
	body := debian.File{Path: "usr/share/" + name, Body: bytes.Repeat([]byte(name+version), 500)}
	if err := debian.WriteDeb(&b, debian.Build{Control: p, Files: []debian.File{body}, Time: w.now}); err != nil {
		w.t.Fatal(err)
	}
	path := filepath.Join(w.in, name+"_"+version+"_amd64.deb")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		w.t.Fatal(err)
	}
	return aptrepo.File{Path: path}
}

// stage makes a change of stable an hour later.
func (w *world) stage(files ...aptrepo.File) aptrepo.Staged {
	w.t.Helper()
	w.keys++
	w.now = w.now.Add(time.Hour)
	s, err := w.place.Stage(context.Background(), aptrepo.Change{Key: fmt.Sprint("change ", w.keys), Suite: "stable", Date: w.now, Add: files})
	if err != nil {
		w.t.Fatalf("stage: %v", err)
	}
	return s
}

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

func (w *world) published(files ...aptrepo.File) aptrepo.Staged {
	w.t.Helper()
	s := w.stage(files...)
	if err := w.publish(s); err != nil {
		w.t.Fatalf("publish: %s", errs.Text(err))
	}
	w.wantThere(s.ID)
	w.wantMaster(s.ID)
	return s
}

// shown reads what clients of the other host read, every byte of it, and gives its generation.
func (w *world) shown(root string) string {
	w.t.Helper()
	a, err := aptrepo.Open(root, aptrepo.Options{}, stable())
	if err != nil {
		w.t.Fatal(err)
	}
	g, err := a.Check(context.Background(), "stable", true)
	if errs.Is(err, errs.NotFound) {
		return ""
	}
	if err != nil {
		w.t.Fatalf("%s is not whole: %v", root, err)
	}
	return g.ID
}

func (w *world) wantThere(id string) {
	w.t.Helper()
	if got := w.shown(w.there); got != id {
		w.t.Errorf("clients read %q, want %q", got, id)
	}
}

func (w *world) wantMaster(id string) {
	w.t.Helper()
	if got := w.shown(w.master); got != id {
		w.t.Errorf("the master shows %q, want %q", got, id)
	}
}

// files are the names there, with the targets of links; what locks and runs leave is not counted.
func (w *world) files(root string) string {
	w.t.Helper()
	var all []string
	err := filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
		rel, relErr := filepath.Rel(root, path)
		if err != nil || relErr != nil {
			return fmt.Errorf("%v %v", err, relErr)
		}
		if rel == "locks" || rel == "tmp" && root == w.master {
			return filepath.SkipDir
		}
		if filepath.Base(rel) == ".served" || rel == "tmp" {
			return nil
		}
		target, _ := os.Readlink(path)
		all = append(all, rel+" "+target)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.Join(all, "\n")
}

func wantError(t *testing.T, err error, kind errs.Kind, words string) {
	t.Helper()
	if !errs.Is(err, kind) || !strings.Contains(errs.Text(err), words) {
		t.Errorf("got %q (%v), want %v with %q", errs.Text(err), errs.KindOf(err), kind, words)
	}
	if err != nil && errs.HintOf(err) == "" {
		t.Errorf("%v has no hint", err)
	}
}

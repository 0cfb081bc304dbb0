package build

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/integrations/debian"
)

// world is a repository with a small package, a machine whose Debian programs are scripts, and a
// target folder. The scripts copy what was put into made, which is written with the same code that
// reads it, and end as they are told.
type world struct {
	t    *testing.T
	dir  string // open to every account: tests run as root must be able to become another
	repo string
	to   string
	log  bytes.Buffer
}

const changelog = `harbour (2019.01-1) unstable; urgency=medium

  * Release.

 -- A Person <person@example.org>  Thu, 24 Jan 2019 11:43:27 +0000
`

const control = `Source: harbour
Maintainer: A Person <person@example.org>
Build-Depends: debhelper-compat (= 13)
Rules-Requires-Root: no
Standards-Version: 4.6.2

Package: harbour
Architecture: any
Description: shows the way
 It says hello.

Package: harbour-doc
Architecture: all
Description: tells the way
 It says more.
`

func newWorld(t *testing.T) *world {
	t.Helper()
	dir, err := os.MkdirTemp("", "slipway-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: dir, repo: filepath.Join(dir, "repo"), to: filepath.Join(dir, "to")}
	for _, d := range []string{"repo", "to", "bin", "made", "temp"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w.git("init", "--quiet", "--initial-branch=main")
	w.write("repo/debian/changelog", changelog)
	w.write("repo/debian/control", control)
	w.write("repo/debian/source/format", "3.0 (quilt)\n")
	w.write("repo/debian/rules", "#!/usr/bin/make -f\n%:\n\tdh $@\n")
	w.write("repo/greet", "#!/bin/sh\necho hello\n")
	w.write("repo/lib/words", "hello\n")
	w.write("repo/.gitattributes", "debian export-ignore\n")
	if err := os.Chmod(filepath.Join(w.repo, "greet"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.commit()
	w.program("dpkg", "echo amd64")
	w.program("dpkg-checkbuilddeps", "exit 0")
	w.program("xz", "exec cat") // the tarball is a plain tar in these tests
	w.program("dpkg-buildpackage", "cp "+dir+"/made/* ..")
	return w
}

func (w *world) write(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// program puts a script in place of one of Debian's programs.
func (w *world) program(name, script string) {
	w.t.Helper()
	w.write("bin/"+name, "#!/bin/sh\n"+script+"\n")
	if err := os.Chmod(filepath.Join(w.dir, "bin", name), 0o755); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) git(args ...string) string { w.t.Helper(); return gitIn(w.t, w.repo, args...) }

func gitIn(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C.UTF-8",
		"GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.org", "GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.org",
		"GIT_AUTHOR_DATE=@1548330000 +0000", "GIT_COMMITTER_DATE=@1548330000 +0000")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (w *world) commit() {
	w.t.Helper()
	w.git("add", "--all", "--force")
	w.git("commit", "--quiet", "-m", "Change")
}

// host is the machine with the scripts; /bin and /usr/bin are there for what the scripts call.
func (w *world) host() Host {
	return Host{Path: filepath.Join(w.dir, "bin") + ":/usr/bin:/bin", Temp: filepath.Join(w.dir, "temp"), Log: &w.log}
}

func (w *world) run(q Request) (Result, error) {
	w.t.Helper()
	w.log.Reset()
	q.Source, q.To = w.repo, w.to
	out, err := Run(w.t.Context(), w.host(), q)
	left, globErr := filepath.Glob(filepath.Join(w.dir, "temp", "*"))
	if globErr != nil || len(left) > 0 {
		w.t.Errorf("private folders are left: %v %v", left, globErr)
	}
	return out, err
}

// makes puts files into the folder that the builder's script copies from.
func (w *world) makes(files map[string]string) {
	w.t.Helper()
	if err := os.RemoveAll(filepath.Join(w.dir, "made")); err != nil {
		w.t.Fatal(err)
	}
	for name, text := range files {
		w.write("made/"+name, text)
	}
}

// packages is what a builder leaves: of all with the source, or of one architecture without.
func packages(t *testing.T, version string, binaryOnly bool) map[string]string {
	t.Helper()
	files := map[string]string{}
	deb := func(name, arch string) {
		var out bytes.Buffer
		err := debian.WriteDeb(&out, debian.Build{Time: time.Unix(1548330000, 0), Control: debian.Paragraph{{Name: "Package", Value: name},
			{Name: "Source", Value: "harbour"}, {Name: "Version", Value: version}, {Name: "Architecture", Value: arch},
			{Name: "Maintainer", Value: "A Person <person@example.org>"}, {Name: "Description", Value: "shows the way"}}})
		if err != nil {
			t.Fatal(err)
		}
		files[name+"_"+version+"_"+arch+".deb"] = out.String()
	}
	deb("harbour", "amd64")
	archs := "amd64"
	if !binaryOnly {
		deb("harbour-doc", "all")
		archs = "source all amd64"
		tar := "harbour_" + version + ".tar.xz"
		files[tar] = "the source of " + version
		files["harbour_"+version+".dsc"] = "Format: 3.0 (native)\nSource: harbour\nBinary: harbour\nArchitecture: any\nVersion: " + version +
			"\nMaintainer: A Person <person@example.org>\n" + lists(files, tar)
	}
	var names []string
	for name := range files {
		names = append(names, name)
	}
	files["harbour_"+version+"_amd64.changes"] = "Format: 1.8\nDate: Thu, 24 Jan 2019 11:43:27 +0000\nSource: harbour\nBinary: harbour\nArchitecture: " + archs +
		"\nVersion: " + version + "\nDistribution: unstable\nMaintainer: A Person <person@example.org>\nChanges:\n harbour (" + version + ") unstable; urgency=medium\n" +
		lists(files, names...)
	return files
}

// lists writes Checksums-Sha256 and Files; those of a .changes have a section and a priority.
func lists(files map[string]string, names ...string) string {
	var sums, plain strings.Builder
	more := ""
	if len(names) != 1 || strings.HasSuffix(names[0], ".deb") {
		more = "misc optional "
	}
	for _, name := range names {
		text := files[name]
		fmt.Fprintf(&sums, " %x %d %s\n", sha256.Sum256([]byte(text)), len(text), name)
		fmt.Fprintf(&plain, " %x %d %s%s\n", md5.Sum([]byte(text)), len(text), more, name)
	}
	return "Checksums-Sha256:\n" + sums.String() + "Files:\n" + plain.String()
}

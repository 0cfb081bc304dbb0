//go:build prove

package main

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/aptrepo"
)

// What is fetched, and what it is released as. It is small, compiled, without patches, and needs
// nothing but libc6 where it is installed.
const (
	sourcePackage = "hello"
	sourceVersion = "2.10.1"
)

// TestRealDebianSource takes a source package of Debian through a whole release: fetched with
// apt-get source, put into git, released with a higher version, built by dpkg-buildpackage as an
// ordinary user, published, and installed by apt into a root of its own.
func TestRealDebianSource(t *testing.T) {
	s := newSlip(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	repo := importSource(ctx, t, filepath.Join(s.dir, "source"))
	before, err := refsOf(ctx, repo)
	if err != nil {
		t.Fatal(err)
	}
	y, err := newYard(ctx, yardOptions{Dir: filepath.Join(s.dir, "yard"), Repo: repo, Version: sourceVersion, Signer: s.signer, Archive: true, Publish: true})
	if err != nil {
		t.Fatal(errs.Text(err))
	}
	defer y.close()
	k, err := keepBot(y, nil)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, err = drive(ctx, y.socket(), y.version, func(line string) { t.Logf("%6.1fs %s", time.Since(began).Seconds(), line) })
	_, ended := k.end()
	logs, unread := pipelineLogs(y)
	if err = errors.Join(err, ended, unread); err != nil {
		t.Fatal(errs.Text(err), logs)
	}
	if n := len(notRoot.FindAllString(logs, -1)); n != 2 { // the trial, and the build of the tag
		t.Errorf("%d builds were made by an ordinary user\n%s", n, logs)
	}
	for _, p := range y.proofs(ctx, conf{repo: repo, before: before, alone: true, archive: installedSource}) {
		if p.err != nil {
			t.Errorf("%s [%s]: %s", p.what, p.how, errs.Text(p.err))
			continue
		}
		t.Logf("✓ %s [%s]", p.what, p.how)
	}
}

// notRoot is what the rules say that importSource adds.
var notRoot = regexp.MustCompile(`(?m)^builds as user [1-9][0-9]*$`)

// pipelineLogs are the last lines of every pipeline.
func pipelineLogs(y *yard) (string, error) {
	names, err := filepath.Glob(filepath.Join(y.dir, "state", "ci", "runs", "*", "log"))
	var out strings.Builder
	for _, name := range names {
		text, bad := os.ReadFile(name)
		err = errors.Join(err, bad)
		fmt.Fprintf(&out, "\n%s\n%s", name, text)
	}
	return out.String(), err
}

// importSource gives a git repository of the unpacked source package. Its rules also say who builds.
func importSource(ctx context.Context, t *testing.T, dir string) string {
	t.Helper()
	apt, err := sourcesOf(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"update", "-q"}, {"source", "-q", "--only-source", sourcePackage}} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "APT_CONFIG="+apt, "LC_ALL=C.UTF-8")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("apt-get %s: %v\n%s", args[0], err, out)
		}
	}
	found, err := filepath.Glob(filepath.Join(dir, sourcePackage+"-*", "debian", "changelog"))
	if err != nil || len(found) != 1 {
		t.Fatalf("apt-get source left %v %v", found, err)
	}
	repo := filepath.Join(dir, sourcePackage)
	// .pc is what dpkg-source notes for quilt, and no part of the source.
	if err := errors.Join(os.Rename(filepath.Dir(filepath.Dir(found[0])), repo), os.RemoveAll(filepath.Join(repo, ".pc"))); err != nil {
		t.Fatal(err)
	}
	rules, err := os.OpenFile(filepath.Join(repo, "debian", "rules"), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = rules.WriteString("\nexecute_before_dh_auto_configure:\n\t@echo builds as user $$(id -u)\n")
		err = errors.Join(err, rules.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	g := &sampleRepo{ctx: ctx, dir: repo, when: time.Now().UTC().Add(-time.Hour)}
	g.git("init", "--quiet", "--initial-branch=main")
	g.git("add", "--all", "--force")
	g.git("commit", "--quiet", "--message=Import the source package")
	if g.err != nil {
		t.Fatal(g.err)
	}
	return repo
}

// sourcesOf writes a configuration of apt that knows the sources of this machine's own archives,
// and gives its name. This machine's files are only read.
func sourcesOf(dir string) (string, error) {
	parts := filepath.Join(dir, "parts")
	err := os.MkdirAll(parts, 0o755)
	for _, sub := range []string{"lists/partial", "cache/archives/partial"} {
		err = errors.Join(err, os.MkdirAll(filepath.Join(dir, sub), 0o755))
	}
	if err != nil {
		return "", err
	}
	files := []string{"/etc/apt/sources.list"}
	for _, ext := range []string{"*.list", "*.sources"} {
		more, err := filepath.Glob("/etc/apt/sources.list.d/" + ext)
		if err != nil {
			return "", err
		}
		files = append(files, more...)
	}
	for i, name := range files {
		data, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		var out strings.Builder
		for line := range strings.Lines(string(data)) {
			word, rest, _ := strings.Cut(line, " ")
			switch { // sources.list(5) has both forms
			case word == "deb":
				line = "deb-src " + rest
			case strings.EqualFold(word, "Types:"):
				line = "Types: deb-src\n"
			}
			out.WriteString(line)
		}
		if err := os.WriteFile(filepath.Join(parts, fmt.Sprint(i)+filepath.Ext(name)), []byte(out.String()), 0o644); err != nil {
			return "", err
		}
	}
	conf := filepath.Join(dir, "apt.conf")
	return conf, os.WriteFile(conf, fmt.Appendf(nil, `Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts %q;
Dir::State::Lists %q;
Dir::Cache %q;
APT::Sandbox::User "root";
`, parts, filepath.Join(dir, "lists"), filepath.Join(dir, "cache")), 0o644)
}

// installedSource asks apt what it offers, and installs it.
func installedSource(ctx context.Context, y *yard, add func(what, how string, err error)) {
	const want = sourceVersion + "-1"
	q, err := y.archive.look(y)
	if err == nil {
		err = onlyLibc(ctx, q.Root, y.archive.arch)
	}
	add("the archive's key is there, and a root with libc6", q.Root, err)
	view, err := aptrepo.Client{Dir: y.dir}.Look(ctx, q)
	if err == nil && (len(view.Complaints) > 0 || !slices.Equal(view.Candidates, []aptrepo.Candidate{{Architecture: y.archive.arch, Package: sourcePackage, Version: want}})) {
		err = fmt.Errorf("apt sees %+v", view)
	}
	add("apt offers "+want+", with its checks of dates on", "apt-get update, apt-cache policy", err)
	have, err := aptrepo.Client{Dir: y.dir}.Install(ctx, q, sourcePackage)
	if err == nil && have[sourcePackage] != want {
		err = fmt.Errorf("dpkg has %v", have)
	}
	add("dpkg has "+want, "apt-get install "+sourcePackage, err)

	root := filepath.Join(q.Root, y.archive.arch)
	said, err := output(ctx, y.dir, filepath.Join(root, "usr/bin", sourcePackage))
	if err == nil && said != "Hello, world!" {
		err = fmt.Errorf("it says %q", said)
	}
	add("the program that was installed runs", "usr/bin/"+sourcePackage, err)
	first, err := firstLine(filepath.Join(root, "usr/share/doc", sourcePackage, "changelog.Debian.gz"))
	if err == nil && !strings.HasPrefix(first, sourcePackage+" ("+want+") ") {
		err = fmt.Errorf("it begins with %q", first)
	}
	add("the changelog that was installed begins with "+want, "changelog.Debian.gz", err)
}

// onlyLibc makes root a system on which libc6 is installed, as on every one.
func onlyLibc(ctx context.Context, root, arch string) error {
	version, err := output(ctx, "/", "dpkg-query", "--showformat=${Version}", "--show", "libc6")
	if err != nil {
		return err
	}
	dir := filepath.Join(root, arch, "var/lib/dpkg")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "status"), fmt.Appendf(nil, "Package: libc6\nStatus: install ok installed\nArchitecture: %s\nMulti-Arch: same\n"+
		"Maintainer: Harbour <hana@harbour.example>\nVersion: %s\nDescription: what every system has\n\n", arch, version), 0o644)
}

func firstLine(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(z)
	line, _, _ := strings.Cut(string(data), "\n")
	return line, err
}

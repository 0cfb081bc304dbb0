//go:build prove

package build

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// These tests run Debian's own programs. They need dpkg-dev, debhelper, lintian, git-buildpackage
// and pristine-tar, and fail without.

// real is a world with the machine's own programs.
func real(t *testing.T) *world {
	w := newWorld(t)
	w.write("repo/debian/harbour.install", "greet usr/bin\n")
	w.write("repo/debian/harbour-doc.install", "lib/words usr/share/doc/harbour-doc\n")
	if err := os.Chmod(filepath.Join(w.repo, "debian/rules"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.commit()
	return w
}

func (w *world) realHost() Host {
	return Host{Temp: filepath.Join(w.dir, "temp"), Log: &w.log}
}

func (w *world) build(ctx context.Context, q Request) (Result, error) {
	q.Source, q.To = w.repo, w.to
	return Run(ctx, w.realHost(), q)
}

func output(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestRealBuilders(t *testing.T) {
	w := real(t)
	for _, q := range []Request{
		{Lintian: true},
		{With: Gbp},
		{Version: "2019.01+13+trixie", Dist: "trixie"},
		{BinaryOnly: true},
	} {
		out, err := w.build(t.Context(), q)
		if err != nil {
			t.Fatalf("%+v: %v\n%s", q, err, w.log.String())
		}
		info := output(t, w.to, "dpkg-deb", "-I", "harbour_"+out.Version+"_"+strings.Split(strings.TrimSuffix(out.Changes, ".changes"), "_")[2]+".deb")
		if !strings.Contains(info, "Version: "+out.Version+"\n") {
			t.Errorf("dpkg-deb says\n%s", info)
		}
		if !q.BinaryOnly {
			output(t, t.TempDir(), "dpkg-source", "--no-check", "-x", filepath.Join(w.to, "harbour_"+out.Version+".dsc"), "unpacked")
		}
	}
	report, err := os.ReadFile(filepath.Join(w.to, "lintian.txt"))
	if err != nil || !strings.Contains(string(report), "E: harbour: no-copyright-file") {
		t.Errorf("lintian says\n%s (%v)", report, err)
	}
}

func TestRealFailures(t *testing.T) {
	w := real(t)
	w.write("repo/debian/rules", "#!/usr/bin/make -f\n%:\n\tdh $@\noverride_dh_auto_build:\n\tfalse\n")
	if err := os.Chmod(filepath.Join(w.repo, "debian/rules"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.commit()
	out, err := w.build(t.Context(), Request{})
	want(t, err, StatusAttempted, "does not build")
	if !strings.Contains(strings.Join(out.Tail, "\n"), "override_dh_auto_build") {
		t.Errorf("the last lines are %q", out.Tail)
	}
	w.write("repo/debian/control", strings.Replace(control, "(= 13)", "(= 13), libno-such-dev (>= 2)", 1))
	w.commit()
	_, err = w.build(t.Context(), Request{})
	want(t, err, StatusGivenBack, "apt-get install libno-such-dev")
}

// clones checks commits out as the bot's repositories do.
type clones struct{ t *testing.T }

func (c clones) Checkout(_ context.Context, remote, commit, dir string) error {
	gitIn(c.t, filepath.Dir(dir), "clone", "--quiet", "--no-checkout", remote, dir)
	gitIn(c.t, dir, "checkout", "--quiet", "--detach", commit)
	return nil
}

func TestRealImport(t *testing.T) {
	w := real(t)
	remote := filepath.Join(w.dir, "packaging.git")
	seed := filepath.Join(w.dir, "seed")
	for _, args := range [][]string{{"init", "--quiet", "--bare", "--initial-branch=debian/latest", remote}, {"init", "--quiet", "--initial-branch=upstream/latest", seed}} {
		gitIn(t, w.dir, args...)
	}
	w.write("seed/greet", "old\n")
	w.write("seed/gone", "old\n")
	gitIn(t, seed, "add", "--all")
	gitIn(t, seed, "commit", "--quiet", "-m", "2018.11")
	gitIn(t, seed, "checkout", "--quiet", "-b", "debian/latest")
	w.write("seed/debian/changelog", strings.ReplaceAll(changelog, "2019.01", "2018.11"))
	w.write("seed/debian/control", control)
	w.write("seed/debian/source/format", "3.0 (quilt)\n")
	w.write("seed/debian/gbp.conf", "[import-orig]\npostimport = touch "+w.dir+"/ran\n")
	gitIn(t, seed, "add", "--all")
	gitIn(t, seed, "commit", "--quiet", "-m", "Packaging")
	gitIn(t, seed, "push", "--quiet", remote, "--all")

	a := NewImportOrig(clones{t}, ImportOptions{Host: w.realHost()})
	in := someImport(remote)
	in.Upstream, in.Commit, in.PristineTar, in.Debian = w.repo, w.git("rev-parse", "HEAD"), true, "release"
	out, err := a.Do(t.Context(), action.Key{}, in)
	if err != nil {
		t.Fatal(err)
	}
	at := func(ref string) string { return gitIn(t, remote, "rev-parse", ref) }
	if out.UpstreamTag != "upstream/2019.01" || out.UpstreamCommit != at("upstream/latest") || out.UpstreamCommit != at("upstream/2019.01^{commit}") ||
		out.DebianCommit != at("debian/latest") || out.PackagingTag != "debian/2019.01-1" {
		t.Errorf("imported %+v", out)
	}
	if files := gitIn(t, remote, "ls-tree", "-r", "--name-only", "debian/latest"); files != w.git("ls-tree", "-r", "--name-only", "HEAD") {
		t.Errorf("the packaging branch has\n%s", files)
	}
	if text := gitIn(t, remote, "show", "debian/latest:debian/changelog"); text != strings.TrimSpace(changelog) {
		t.Errorf("the packaging's changelog is\n%s", text)
	}
	if _, err := os.Stat(filepath.Join(w.dir, "ran")); err == nil {
		t.Error("a hook of the packaging repository was run")
	}
	clone := filepath.Join(w.dir, "again")
	gitIn(t, w.dir, "clone", "--quiet", remote, clone)
	gitIn(t, clone, "branch", "--quiet", "pristine-tar", "origin/pristine-tar")
	gitIn(t, clone, "branch", "--quiet", "upstream/latest", "origin/upstream/latest")
	output(t, clone, "pristine-tar", "checkout", "../harbour_2019.01.orig.tar.xz")
	if sum := strings.Fields(output(t, w.dir, "sha256sum", "harbour_2019.01.orig.tar.xz"))[0]; "sha256:"+sum != out.Orig {
		t.Errorf("pristine-tar makes %s, and %s was imported", sum, out.Orig)
	}
	if built, err := w.build(t.Context(), Request{}); err != nil {
		t.Error(err)
	} else if sum := strings.Fields(output(t, w.to, "sha256sum", built.Source+"_2019.01.orig.tar.xz"))[0]; "sha256:"+sum != out.Orig {
		t.Errorf("the build has the tarball %s, and %s was imported", sum, out.Orig)
	}
	found, known, err := a.Probe(t.Context(), action.Key{}, in)
	if !known || err != nil || found != out {
		t.Errorf("probed %+v %v %v", found, known, err)
	}
	if again, err := a.Do(t.Context(), action.Key{}, in); err != nil || again != out {
		t.Errorf("a second import gives %+v %v", again, err)
	}
	in.Version, in.Orig = "2019.02-1", "sha256:0"
	if _, err := a.Do(t.Context(), action.Key{}, in); !errs.Is(err, errs.Conflict) {
		t.Errorf("a tarball with another digest: %v", err)
	}
}

// An ordinary user builds as itself.
func TestRealBuildersAsAnOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		return // then the other tests have done so
	}
	w := newWorld(t)
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(w.dir, "tests")
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", path, "-test.v", "-test.run=^TestReal(Builders|Failures)$")
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "TMPDIR=/tmp"}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestRealBuilders ") {
		t.Fatalf("%v\n%s", err, out)
	}
}

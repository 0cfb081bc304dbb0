package build

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"slipway/bot/errs"
)

func want(t *testing.T, err error, status int, words ...string) {
	t.Helper()
	if got := ExitStatus(err); got != status {
		t.Errorf("status %d instead of %d: %v", got, status, err)
	}
	text := ""
	if err != nil {
		text = errs.Text(err)
	}
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("%q does not say %q", text, word)
		}
	}
}

func TestABuildLeavesWhatItsChangesList(t *testing.T) {
	w := newWorld(t)
	w.makes(packages(t, "2019.01-1", false))
	w.program("dpkg-buildpackage", "env | sort; ls -a . ..; cp "+w.dir+"/made/* ..; touch ../further")
	out, err := w.run(Request{Options: "parallel=2"})
	want(t, err, StatusOK)
	if out.Source != "harbour" || out.Version != "2019.01-1" || out.Changes != "harbour_2019.01-1_amd64.changes" {
		t.Errorf("made %+v", out)
	}
	wanted := []string{"harbour-doc_2019.01-1_all.deb", "harbour_2019.01-1.dsc", "harbour_2019.01-1.tar.xz", "harbour_2019.01-1_amd64.build",
		"harbour_2019.01-1_amd64.changes", "harbour_2019.01-1_amd64.deb"}
	if !slices.Equal(out.Files, wanted) {
		t.Errorf("files %q", out.Files)
	}
	list, err := os.ReadDir(w.to)
	if err != nil || len(list) != len(wanted) {
		t.Errorf("the target has %v (%v)", list, err)
	}
	log, err := os.ReadFile(filepath.Join(w.to, out.Log))
	if err != nil || string(log) != w.log.String() {
		t.Errorf("the log differs from what was shown: %v", err)
	}
	for _, line := range []string{"DEB_BUILD_OPTIONS=parallel=2", "LANG=C.UTF-8", "SOURCE_DATE_EPOCH=1548330207"} {
		if !strings.Contains(string(log), "\n"+line+"\n") {
			t.Errorf("the environment has no %s:\n%s", line, log)
		}
	}
	for line := range strings.Lines(string(log)) {
		name, _, found := strings.Cut(line, "=")
		if found && name == strings.ToUpper(name) && !slices.Contains([]string{"PATH", "HOME", "TMPDIR", "LANG", "DEB_BUILD_OPTIONS", "SOURCE_DATE_EPOCH", "PWD", "OLDPWD", "SHLVL", "_"}, name) {
			t.Errorf("the environment has %s", strings.TrimSpace(line))
		}
		if strings.TrimSpace(line) == ".git" {
			t.Error("the private copy has .git")
		}
	}
	if !strings.Contains(string(log), "harbour_2019.01.orig.tar.xz") {
		t.Errorf("no upstream tarball lies beside the tree:\n%s", log)
	}
}

func TestRootNeverBuilds(t *testing.T) {
	w := newWorld(t)
	w.makes(packages(t, "2019.01-1", false))
	w.program("dpkg-buildpackage", "echo uid=$(id -u) groups=$(id -G); cp "+w.dir+"/made/* ..")
	_, err := w.run(Request{})
	want(t, err, StatusOK)
	if strings.Contains(w.log.String(), "uid=0 ") || !strings.Contains(w.log.String(), "uid=") {
		t.Errorf("the log says\n%s", w.log.String())
	}
	for _, line := range strings.Split(w.log.String(), "\n") {
		if _, groups, found := strings.Cut(line, "groups="); found && slices.Contains(strings.Fields(groups), "0") {
			t.Errorf("built with root's group: %s", line)
		}
	}
	if os.Geteuid() == 0 {
		_, err = w.run(Request{User: "root"})
		want(t, err, StatusUnknown, "rights of root")
	} else {
		_, err = w.run(Request{User: "another"})
		want(t, err, StatusUnknown, "only root can build as another")
	}
}

func TestWhoseFaultAFailureIs(t *testing.T) {
	for _, c := range []struct {
		name, program, script string
		status                int
		words                 []string
	}{
		{"the package does not build", "dpkg-buildpackage", "echo 'greet.c:1: error'; exit 2", StatusAttempted, []string{"does not build", "status 2"}},
		{"no room", "dpkg-buildpackage", "echo 'cp: No space left on device'; exit 1", StatusGivenBack, []string{"disk is full"}},
		{"killed", "dpkg-buildpackage", "kill -9 $$", StatusGivenBack, []string{"signal 9", "memory"}},
		{"no changes", "dpkg-buildpackage", "exit 0", StatusAttempted, []string{"0 files that end in .changes"}},
		{"unmet", "dpkg-checkbuilddeps", "echo 'dpkg-checkbuilddeps: error: Unmet build dependencies: debhelper-compat (= 13) libfoo-dev (>= 2) | libbar-dev python3:native' >&2; exit 1",
			StatusGivenBack, []string{"debhelper-compat (= 13), libfoo-dev (>= 2) | libbar-dev, python3:native", "apt-get install debhelper libfoo-dev python3"}},
		{"conflicts", "dpkg-checkbuilddeps", "echo 'dpkg-checkbuilddeps: error: Unmet build conflicts: evil' >&2; exit 1", StatusGivenBack, []string{"must not be there", "evil"}},
		{"broken control", "dpkg-checkbuilddeps", "echo 'dpkg-checkbuilddeps: error: cannot parse' >&2; exit 255", StatusAttempted, []string{"cannot parse"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.program(c.program, c.script)
			out, err := w.run(Request{})
			want(t, err, c.status, c.words...)
			if c.program == "dpkg-buildpackage" && len(out.Tail) == 0 {
				t.Error("the last lines of the log are missing")
			}
			for _, name := range out.Files {
				t.Errorf("%s was left", name)
			}
		})
	}
}

func TestTheMachineIsAskedFirst(t *testing.T) {
	w := newWorld(t)
	if err := os.Remove(filepath.Join(w.dir, "bin", "dpkg-buildpackage")); err != nil {
		t.Fatal(err)
	}
	h := w.host()
	h.Path = filepath.Join(w.dir, "bin")
	_, err := Run(t.Context(), h, Request{Source: w.repo, To: w.to, Lintian: true})
	want(t, err, StatusGivenBack, "no dpkg-buildpackage, lintian", "apt-get install dpkg-dev lintian")

	w = newWorld(t)
	h = w.host()
	h.Free = func(string) (int64, error) { return 10, nil }
	_, err = Run(t.Context(), h, Request{Source: w.repo, To: w.to})
	want(t, err, StatusGivenBack, "make room")
	h.Free = func(string) (int64, error) { return 0, errors.New("no answer") }
	_, err = Run(t.Context(), h, Request{Source: w.repo, To: w.to})
	want(t, err, StatusGivenBack, "no answer")
}

func TestWhatIsBuiltIsTheCommit(t *testing.T) {
	w := newWorld(t)
	w.makes(packages(t, "2019.01-1", false))
	w.write("repo/lib/words", "good-bye\n")
	_, err := w.run(Request{})
	want(t, err, StatusAttempted, "in no commit: lib/words")
	w.git("checkout", "--quiet", "--", ".")
	w.write("repo/debian/forgotten.install", "x\n")
	_, err = w.run(Request{})
	want(t, err, StatusAttempted, "debian/forgotten.install")
}

func TestFilesThatDifferFromTheListAreNotTaken(t *testing.T) {
	for _, c := range []struct{ why, script string }{
		{"another SHA-256", "cp MADE/* ..; printf X | dd of=../harbour_2019.01-1_amd64.deb bs=1 seek=70 conv=notrunc 2>/dev/null"},
		{"not made, or is a link", "cp MADE/* ..; rm ../harbour_2019.01-1_amd64.deb; ln -s /etc/passwd ../harbour_2019.01-1_amd64.deb"},
		{"not made, or is a link", "cp MADE/* ..; rm ../*.changes; ln -s /etc/passwd ../x.changes"},
		{"no plain file", "cp MADE/* ..; rm ../harbour_2019.01-1_amd64.deb; mkfifo ../harbour_2019.01-1_amd64.deb"},
		{"2 files that end in .changes", "cp MADE/* ..; touch ../b.changes"},
	} {
		w := newWorld(t)
		w.makes(packages(t, "2019.01-1", false))
		w.program("dpkg-buildpackage", strings.ReplaceAll(c.script, "MADE", w.dir+"/made"))
		_, err := w.run(Request{})
		want(t, err, StatusAttempted, c.why)
		list, err := os.ReadDir(w.to)
		if err != nil || len(list) != 1 { // the log
			t.Errorf("%s: the target has %v (%v)", c.why, list, err)
		}
	}
}

func TestTheVersionMustBeTheExpectedOne(t *testing.T) {
	w := newWorld(t)
	w.makes(packages(t, "2019.01-2", false))
	_, err := w.run(Request{})
	want(t, err, StatusAttempted, "2019.01-2", "2019.01-1 was to be built")
	w.makes(packages(t, "2019.01-1", false))
	_, err = w.run(Request{BinaryOnly: true})
	want(t, err, StatusAttempted, "source all amd64")
	w.makes(packages(t, "2019.01-1", true))
	out, err := w.run(Request{BinaryOnly: true})
	want(t, err, StatusOK)
	if slices.ContainsFunc(out.Files, func(n string) bool { return strings.HasSuffix(n, ".dsc") || strings.HasSuffix(n, "_all.deb") }) {
		t.Errorf("files %q", out.Files)
	}
}

func TestDailyBuildsHaveAnEntryOfTheirOwn(t *testing.T) {
	w := newWorld(t)
	w.makes(packages(t, "2019.01+13+trixie", false))
	w.program("dpkg-buildpackage", "ls ..; cat debian/changelog debian/source/format; cp "+w.dir+"/made/* ..")
	_, err := w.run(Request{Version: "2019.01+13+trixie", Dist: "trixie"})
	want(t, err, StatusOK)
	log := w.log.String()
	if !strings.Contains(log, "harbour (2019.01+13+trixie) trixie; urgency=medium\n") || !strings.Contains(log, "harbour (2019.01-1) unstable") ||
		!strings.Contains(log, "3.0 (native)\n") || strings.Contains(log, "orig.tar") {
		t.Errorf("the log says\n%s", log)
	}
	if text, err := os.ReadFile(filepath.Join(w.repo, "debian/changelog")); err != nil || string(text) != changelog {
		t.Errorf("the checkout was changed: %v", err)
	}
	w.write("repo/debian/patches/series", "# later\nmend.patch\n")
	w.commit()
	_, err = w.run(Request{Version: "2019.01+13+trixie"})
	want(t, err, StatusAttempted, "patches", "2019.01+13+trixie-1")
	_, err = w.run(Request{Version: "2019.01_13"})
	want(t, err, StatusAttempted, "not a Debian version")
}

func TestTheUpstreamTarballDependsOnTheCommitAlone(t *testing.T) {
	w := newWorld(t)
	read := func(dir string) []byte {
		var out bytes.Buffer
		when, err := Orig(t.Context(), w.host(), dir, "harbour", "2019.01", &out)
		if err != nil || when.Unix() != 1548330000 {
			t.Fatalf("%v %v", when, err)
		}
		return out.Bytes()
	}
	first := read(w.repo)
	other := filepath.Join(w.dir, "other")
	gitIn(t, w.dir, "clone", "--quiet", w.repo, other)
	if !bytes.Equal(first, read(other)) {
		t.Error("two checkouts of one commit give two tarballs")
	}
	var names []string
	for r := tar.NewReader(bytes.NewReader(first)); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		if h.ModTime.Unix() != 1548330000 || h.Uid != 0 || h.Uname != "root" || strings.HasSuffix(h.Name, "greet") != (h.Mode&0o111 != 0 && h.Typeflag == tar.TypeReg) {
			t.Errorf("%+v", h)
		}
	}
	if want := []string{"harbour-2019.01/", "harbour-2019.01/.gitattributes", "harbour-2019.01/greet", "harbour-2019.01/lib/", "harbour-2019.01/lib/words"}; !slices.Equal(names, want) {
		t.Errorf("the tarball has %q", names)
	}
}

package build

import (
	"path/filepath"
	"strings"
	"testing"

	"slipway/bot/action"
	"slipway/bot/errs"
)

func TestTagsHaveVersionsAsDEP14WritesThem(t *testing.T) {
	for version, want := range map[string]string{
		"2019.01-1": "debian/2019.01-1", "1:2.0~rc1-1": "debian/1%2.0_rc1-1", "1...2-1": "debian/1.#.#.2-1", "1.lock": "debian/1.lock#",
	} {
		if got := TagName("debian", version); got != want {
			t.Errorf("%s: %s instead of %s", version, got, want)
		}
	}
}

func someImport(remote string) ImportIn {
	return ImportIn{Remote: remote, Upstream: "/srv/harbour.git", Commit: strings.Repeat("a", 40), Source: "harbour", Version: "2019.01-1", Author: "Ann <ann@example.org>"}
}

func TestImportsOfOtherInputsAreRefused(t *testing.T) {
	for _, c := range []struct {
		why    string
		change func(*ImportIn)
	}{
		{"native version", func(in *ImportIn) { in.Version = "2019.01" }},
		{"not a Debian version", func(in *ImportIn) { in.Version = "v1-1" }},
		{"not the address", func(in *ImportIn) { in.Remote = "--upload-pack=x" }},
		{"not the address", func(in *ImportIn) { in.Upstream = "ext::sh -c x" }},
		{"not the id of a commit", func(in *ImportIn) { in.Commit = "main" }},
		{"not the name of a branch", func(in *ImportIn) { in.DebianBranch = "-f" }},
		{"not the name of a branch", func(in *ImportIn) { in.UpstreamBranch = "a..b" }},
		{"cannot be read", func(in *ImportIn) { in.Author = "Ann" }},
		{"not the name of a package", func(in *ImportIn) { in.Source = "../x" }},
	} {
		in := someImport("/srv/packaging.git")
		c.change(&in)
		_, _, err := NewImportOrig(nil, ImportOptions{}).Probe(t.Context(), action.Key{}, in)
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v", c.why, err)
		}
	}
}

func TestAnImportIsKnownByItsTag(t *testing.T) {
	w := newWorld(t)
	remote := filepath.Join(w.dir, "packaging.git")
	gitIn(t, w.dir, "clone", "--quiet", "--bare", w.repo, remote)
	a := NewImportOrig(nil, ImportOptions{Host: w.host()})
	in := someImport(remote)
	in.DebianBranch = "main"
	probe := func() (ImportOut, bool, error) { return a.Probe(t.Context(), action.Key{}, in) }
	if _, found, err := probe(); found || err != nil {
		t.Fatalf("found %v, %v", found, err)
	}
	w.git("commit", "--quiet", "--allow-empty", "-m", "New upstream version 2019.01\n\n"+commitLine+in.Commit+"\n"+tarballLine+"sha256:1")
	w.git("tag", "-a", "-m", "x", "upstream/2019.01")
	w.git("push", "--quiet", remote, "upstream/2019.01", "main")
	out, found, err := probe()
	if !found || err != nil || out.UpstreamCommit != w.git("rev-parse", "HEAD") || out.DebianCommit != out.UpstreamCommit ||
		out.PackagingTag != "debian/2019.01-1" || out.Orig != "sha256:1" {
		t.Fatalf("%+v %v %v", out, found, err)
	}
	in.Commit = strings.Repeat("b", 40)
	if _, found, err := probe(); found || !errs.Is(err, errs.Exists) {
		t.Fatalf("another commit: found %v, %v", found, err)
	}
	in.Remote = filepath.Join(w.dir, "nowhere")
	if _, _, err := probe(); !errs.Is(err, errs.Unavailable) {
		t.Fatalf("no repository: %v", err)
	}
}

func TestImportsSayWhatIsNotInstalled(t *testing.T) {
	w := newWorld(t)
	h := w.host()
	h.Path = filepath.Join(w.dir, "bin")
	_, err := NewImportOrig(nil, ImportOptions{Host: h}).Do(t.Context(), action.Key{}, someImport(w.repo))
	if !errs.Is(err, errs.Unavailable) || !strings.Contains(errs.Text(err), "apt-get install git-buildpackage") {
		t.Fatal(err)
	}
}

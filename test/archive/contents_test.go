//go:build prove

package archive

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"slipway/integrations/aptrepo"
	"slipway/integrations/debian"
)

// pairsOf are the lines of a list of files as "path owner", whatever blanks are between them: dak,
// apt-ftparchive and reprepro pad them differently, and readers split at the last ones.
// apt-ftparchive knows no sections without a file that overrides them.
func pairsOf(text string) (all []string) {
	for l := range strings.Lines(text) {
		l = strings.TrimRight(l, "\n")
		at := strings.LastIndexAny(l, " \t")
		for owner := range strings.SplitSeq(l[at+1:], ",") {
			all = append(all, strings.TrimRight(l[:at], " \t")+" → "+owner[strings.LastIndex(owner, "/")+1:])
		}
	}
	slices.Sort(all)
	return all
}

// real makes a package with dpkg-deb, with a link, an empty folder and odd names.
func (w *world) real(name, version, arch, section string) aptrepo.File {
	w.t.Helper()
	dir := w.t.TempDir()
	control := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: %s\nSection: %s\nMaintainer: Team <team@example.org>\nDescription: example\n", name, version, arch, section)
	for path, body := range map[string]string{"DEBIAN/control": control, "usr/bin/" + name: "#!/bin/sh\n", "usr/share/" + name + "/a name, with blanks": "x",
		"usr/share/common-to-all": "same", "etc/" + name + "/" + version + ".conf": "x", "usr/share/" + name + "/für": "x"} {
		full := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(body), 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "var/lib/"+name), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Symlink(name, filepath.Join(dir, "usr/bin/link-to-"+name)); err != nil {
		w.t.Fatal(err)
	}
	deb := filepath.Join(w.in, fmt.Sprintf("%s_%s_%s.deb", name, version, arch))
	if out, err := exec.Command("dpkg-deb", "--root-owner-group", "-Zxz", "-b", dir, deb).CombinedOutput(); err != nil {
		w.t.Fatalf("%s: %v", out, err)
	}
	return aptrepo.File{Path: deb}
}

// The list of files that is kept up step by step is the one that apt-ftparchive makes of the pool,
// and apt fetches it as it does for apt-file.
func TestContentsAreThoseOfTheIndustry(t *testing.T) {
	t.Parallel()
	s := stable()
	s.Contents = true
	w := newWorld(t, s)
	w.publish(w.change(w.real("anchor", "1.0", "amd64", "net"), w.real("buoy", "1.0", "all", "misc"), w.real("crane", "1.0", "amd64", "utils")))
	w.publish(w.change(w.real("anchor", "1.1", "amd64", "utils"), w.real("dock", "2.0", "all", "net"),
		w.build("empty", "1.0", "all", []debian.File{{Path: "usr/share/doc/empty/copyright", Body: []byte("x")}})))
	c := w.change(w.real("buoy", "1.1", "all", "misc"))
	c.Remove = []aptrepo.Ref{{Name: "crane"}}
	w.publish(c)
	if _, err := w.repo.Cleanup(t.Context(), w.now().AddDate(1, 0, 0)); err != nil {
		t.Fatal(err)
	}

	// The history keeps the packages of the generation before, which apt-ftparchive would list too.
	pool := t.TempDir()
	for _, name := range []string{"a/anchor/anchor_1.1_amd64.deb", "b/buoy/buoy_1.1_all.deb", "d/dock/dock_2.0_all.deb", "e/empty/empty_1.0_all.deb"} {
		if err := os.Symlink(filepath.Join(w.root, "pool/main", name), filepath.Join(pool, filepath.Base(name))); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("apt-ftparchive", "contents", pool).Output()
	if err != nil {
		t.Fatal(err)
	}
	want := pairsOf(string(out))
	if len(want) < 16 {
		t.Fatalf("apt-ftparchive lists %q", want)
	}

	cl := w.client("amd64")
	cl.prepare()
	target := []string{"-o", "Acquire::IndexTargets::deb::Contents-deb::MetaKey=$(COMPONENT)/Contents-$(ARCHITECTURE)",
		"-o", "Acquire::IndexTargets::deb::Contents-deb::ShortDescription=Contents-$(ARCHITECTURE)",
		"-o", "Acquire::IndexTargets::deb::Contents-deb::Description=$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Contents",
		"-o", "Acquire::IndexTargets::deb::Contents-deb::KeepCompressed=true"}
	if said, status := cl.run("apt-get", append([]string{"update"}, target...)...); status != 0 {
		t.Fatal(said)
	}
	said, status := cl.run("apt-get", append([]string{"indextargets", "--format", "$(FILENAME)", "Created-By: Contents-deb"}, target...)...)
	if status != 0 || !strings.Contains(said, "Contents-amd64") {
		t.Fatalf("apt has no list of files: %s", said)
	}
	text, status := cl.run("/usr/lib/apt/apt-helper", "cat-file", strings.TrimSpace(said))
	if status != 0 {
		t.Fatal(text)
	}
	if got := pairsOf(text); !slices.Equal(got, want) {
		t.Errorf("the list has\n%s\napt-ftparchive makes\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if line := "usr/share/common-to-all misc/buoy,net/dock,utils/anchor\n"; !strings.Contains(text, line) {
		t.Errorf("the list lacks %q:\n%s", line, text)
	}
	if !slices.IsSorted(strings.Split(strings.TrimSuffix(text, "\n"), "\n")) {
		t.Error("the list is not sorted")
	}
}

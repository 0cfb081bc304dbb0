package debian

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// yard keeps what builds made, in a folder by digest, as a blob store does.
type yard struct {
	t   *testing.T
	dir string
}

func (y yard) Open(_ context.Context, digest string) (*os.File, int64, error) {
	f, err := os.Open(filepath.Join(y.dir, digest))
	if err != nil {
		return nil, 0, errs.E("yard", errs.NotFound, errors.New("it was never kept"))
	}
	info, err := f.Stat()
	return f, info.Size(), err
}

// keep gives the artifacts of one build, in the order of their names.
func (y yard) keep(files map[string]string) []Artifact {
	y.t.Helper()
	var out []Artifact
	for name, text := range files {
		a := Artifact{Name: name, Digest: action.DigestOf([]byte(text)), Size: len(text)}
		if err := os.WriteFile(filepath.Join(y.dir, a.Digest), []byte(text), 0o600); err != nil {
			y.t.Fatal(err)
		}
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b Artifact) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// berth is one build of the source harbour: its files by name, until they are listed.
type berth struct {
	t       *testing.T
	version string
	archs   string
	files   map[string]string
}

func newBerth(t *testing.T, version string) *berth {
	return &berth{t: t, version: version, files: map[string]string{}}
}

// file is the version in names of files, which have no epoch.
func (b *berth) file() string { return b.version[strings.Index(b.version, ":")+1:] }

func (b *berth) deb(name, arch string) *berth {
	return b.debAs(name+"_"+b.file()+"_"+arch+".deb", name, arch, "harbour")
}

func (b *berth) debAs(file, name, arch, source string) *berth {
	b.t.Helper()
	var out bytes.Buffer
	err := WriteDeb(&out, Build{Time: time.Unix(1548330000, 0), Control: Paragraph{{"Package", name}, {"Source", source}, {"Version", b.version},
		{"Architecture", arch}, {"Maintainer", "A <a@example.org>"}, {"Description", "shows the way"}}})
	if err != nil {
		b.t.Fatal(err)
	}
	b.files[file] = out.String()
	if !strings.Contains(" "+b.archs+" ", " "+arch+" ") {
		b.archs = strings.TrimSpace(b.archs + " " + arch)
	}
	return b
}

func (b *berth) source() *berth {
	upstream, _, _ := strings.Cut(b.file(), "-")
	orig, tar := "harbour_"+upstream+".orig.tar.xz", "harbour_"+b.file()+".debian.tar.xz"
	b.files[orig], b.files[tar] = "upstream", "packaging of "+b.version
	b.files["harbour_"+b.file()+".dsc"] = "Format: 3.0 (quilt)\nSource: harbour\nBinary: harbour, harbour-doc\nArchitecture: any all\nVersion: " + b.version +
		"\nMaintainer: A <a@example.org>\nPackage-List:\n harbour deb misc optional arch=amd64,arm64\n harbour-doc deb doc optional arch=all\n" +
		" harbour-di udeb debian-installer optional arch=amd64 profile=!noudeb\n" + b.list("", orig, tar)
	b.archs = strings.TrimSpace("source " + b.archs)
	return b
}

func (b *berth) list(more string, names ...string) string {
	var sums, plain strings.Builder
	for _, name := range names {
		text := b.files[name]
		fmt.Fprintf(&sums, " %x %d %s\n", sha256.Sum256([]byte(text)), len(text), name)
		fmt.Fprintf(&plain, " %x %d %s%s\n", md5.Sum([]byte(text)), len(text), more, name)
	}
	return "Checksums-Sha256:\n" + sums.String() + "Files:\n" + plain.String()
}

// changes lists all files, and gives them with the .changes.
func (b *berth) changes(arch string) map[string]string {
	var names []string
	for name := range b.files {
		names = append(names, name)
	}
	slices.Sort(names)
	b.files["harbour_"+b.file()+"_"+arch+".changes"] = "Format: 1.8\nDate: Thu, 24 Jan 2019 11:43:27 +0000\nSource: harbour\nArchitecture: " + b.archs +
		"\nVersion: " + b.version + "\nDistribution: unstable\nMaintainer: A <a@example.org>\nChanges:\n harbour\n" + b.list("misc optional ", names...)
	return b.files
}

func full(t *testing.T, version string) map[string]string {
	return newBerth(t, version).deb("harbour", "amd64").deb("harbour-doc", "all").source().changes("amd64")
}

func second(t *testing.T, version string) map[string]string {
	return newBerth(t, version).deb("harbour", "arm64").changes("arm64")
}

func judge(t *testing.T, in PackagesIn, builds ...map[string]string) (PackagesOut, error) {
	t.Helper()
	y := yard{t, t.TempDir()}
	for _, b := range builds {
		in.Files = append(in.Files, y.keep(b)...)
	}
	if in.Source == "" {
		in.Source = "harbour"
	}
	return NewPackages(y).Do(t.Context(), action.Key{}, in)
}

func TestBuildsOfTwoArchitecturesAreOneRelease(t *testing.T) {
	a, b := full(t, "2019.01-1"), second(t, "2019.01-1")
	a["lintian.txt"], b["lintian.txt"] = "W: harbour: no-manual-page\n", "E: harbour: bad\nW: x: y\nN: note\n"
	a["harbour_2019.01-1_amd64.build"] = "the log"
	in := PackagesIn{Version: "2019.01-1", Architectures: []string{"amd64", "arm64"}, Lintian: "report"}
	out, err := judge(t, in, a, b)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range out.Files {
		names = append(names, f.Name)
	}
	if want := []string{"harbour-doc_2019.01-1_all.deb", "harbour_2019.01-1.debian.tar.xz", "harbour_2019.01-1.dsc", "harbour_2019.01-1_amd64.deb",
		"harbour_2019.01-1_arm64.deb", "harbour_2019.01.orig.tar.xz"}; !slices.Equal(names, want) {
		t.Errorf("files %q", names)
	}
	if !slices.Equal(out.Packages, []string{"harbour", "harbour-doc"}) || !slices.Equal(out.Architectures, []string{"all", "amd64", "arm64"}) || out.Version != "2019.01-1" {
		t.Errorf("out %+v", out)
	}
	if out.LintianErrors != 1 || out.LintianWarnings != 2 || !strings.HasPrefix(out.Lintian, "E: harbour: bad\nW: ") {
		t.Errorf("lintian %d %d %q", out.LintianErrors, out.LintianWarnings, out.Lintian)
	}
	again, err := judge(t, in, b, a) // in another order, it is the same release
	if err != nil || again.Digest != out.Digest || out.Digest == "" {
		t.Errorf("digests %s %s (%v)", out.Digest, again.Digest, err)
	}
	in.Lintian = "gate"
	if _, err := judge(t, in, a, b); !errs.Is(err, errs.Failed) || !strings.Contains(err.Error(), "E: harbour: bad") {
		t.Errorf("the gate says %v", err)
	}
}

// An epoch is in the version and in no name of a file (Debian Policy 5.6.12).
func TestAnEpochIsPartOfTheVersion(t *testing.T) {
	const v = "1:2019.01-1"
	out, err := judge(t, PackagesIn{Version: v, Architectures: []string{"amd64", "arm64"}}, full(t, v), second(t, v))
	if err != nil || out.Version != v || len(out.Files) != 6 || out.Files[2].Name != "harbour_2019.01-1.dsc" {
		t.Fatalf("got %+v %v", out, err)
	}
	for want, built := range map[string]string{"2019.01-1": v, v: "2019.01-1", "2:2019.01-1": v} {
		if _, err := judge(t, PackagesIn{Version: want}, full(t, built)); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), want+" is expected") {
			t.Errorf("%s for %s: %v", built, want, err)
		}
	}
}

func TestVersionsThatAreNoReleaseAreRefused(t *testing.T) {
	for _, c := range []struct{ version, want, why string }{
		{"2019.01-1", "2019.01-1", ""},
		{"2019.01-1", "", ""},
		{"20190124-1", "", ""},
		{"2019.01+dfsg1-1+deb12u1", "", ""},
		{"2019.01+13+trixie", "2019.01+13+trixie", ""},
		{"2019.01-2", "2019.01-1", "2019.01-1 is expected"},
		{"2019.1-1", "2019.01-1", "dpkg takes it for the same"},
		{"2019.01+13-1", "2019.01-1", "daily build"},
		{"2019.01+13-1", "", "daily build"},
		{"2019.01+git20190124.abc1234-1", "2019.01-1", "git revision"},
		{"2019.01~g1a2b3c4-1", "", "git revision"},
		{"2019.01.1a2b3c4d5e-1", "", "git revision"},
		{"2019.01-1.gabc1234", "", "git revision"},
	} {
		v, err := ParseVersion(c.version)
		if err != nil {
			t.Fatal(err)
		}
		err = checkRelease("x.changes", c.want, v)
		if (err == nil) != (c.why == "") || err != nil && !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s for %q: %v", c.version, c.want, err)
		}
	}
}

func TestPackagesThatDoNotBelongTogetherAreRefused(t *testing.T) {
	const v = "2019.01-1"
	without := func(files map[string]string, name string) map[string]string { delete(files, name); return files }
	with := func(files map[string]string, name, text string) map[string]string { files[name] = text; return files }
	for _, c := range []struct {
		why    string
		in     PackagesIn
		builds []map[string]string
	}{
		{"no build left a .changes", PackagesIn{}, []map[string]string{{"x.log": "y"}}},
		{"no build has the source", PackagesIn{}, []map[string]string{second(t, v)}},
		{"of the source harbour, not of pier", PackagesIn{Source: "pier"}, []map[string]string{full(t, v)}},
		{"and harbour_2019.01-1_amd64.changes of 2019.01-1", PackagesIn{}, []map[string]string{full(t, v), second(t, "2018.11-1")}},
		{"for arm64 is missing", PackagesIn{Architectures: []string{"arm64"}}, []map[string]string{full(t, v)}},
		{"harbour-doc for all is missing", PackagesIn{}, []map[string]string{newBerth(t, v).deb("harbour", "amd64").source().changes("amd64")}},
		{"made by two builds", PackagesIn{}, []map[string]string{full(t, v), newBerth(t, v).deb("harbour", "arm64").deb("harbour-doc", "all").changes("arm64")}},
		{"twice, with different content", PackagesIn{}, []map[string]string{full(t, v), with(second(t, v), "harbour_2019.01-1_amd64.deb", "x")}},
		{"is not among the artifacts", PackagesIn{}, []map[string]string{without(full(t, v), "harbour_2019.01-1_amd64.deb")}},
		{"is not among the artifacts", PackagesIn{}, []map[string]string{without(full(t, v), "harbour_2019.01.orig.tar.xz")}},
		{"another SHA-256 digest", PackagesIn{}, []map[string]string{with(full(t, v), "harbour_2019.01.orig.tar.xz", "UPSTREAM")}},
		{"is in no .changes", PackagesIn{}, []map[string]string{with(full(t, v), "stray_1_amd64.deb", "x")}},
		{"says of itself that it is harbour_2019.01-1_amd64", PackagesIn{}, []map[string]string{newBerth(t, v).debAs("harbour_2019.01-1_armhf.deb", "harbour", "amd64", "harbour").deb("harbour-doc", "all").source().changes("amd64")}},
		{"is of the source pier", PackagesIn{}, []map[string]string{newBerth(t, v).debAs("harbour_2019.01-1_amd64.deb", "harbour", "amd64", "pier").deb("harbour-doc", "all").source().changes("amd64")}},
		{"is of the source harbour 2018.11-1", PackagesIn{}, []map[string]string{newBerth(t, v).debAs("harbour_2019.01-1_amd64.deb", "harbour", "amd64", "harbour (2018.11-1)").deb("harbour-doc", "all").source().changes("amd64")}},
		{"cannot be read", PackagesIn{}, []map[string]string{func() map[string]string {
			b := newBerth(t, v).deb("harbour-doc", "all").source()
			b.files["harbour_2019.01-1_amd64.deb"] = "no package"
			b.archs += " amd64"
			return b.changes("amd64")
		}()}},
		{"no build left a lintian.txt", PackagesIn{Lintian: "gate"}, []map[string]string{full(t, v)}},
		{"lintian cannot be", PackagesIn{Lintian: "yes"}, []map[string]string{full(t, v)}},
	} {
		_, err := judge(t, c.in, c.builds...)
		if c.why == "cannot be read" {
			c.why = "no ar archive"
		}
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v", c.why, err)
		}
	}
}

func TestAnArchitectureThatTheSourceDoesNotKnowIsNotMissed(t *testing.T) {
	if _, err := judge(t, PackagesIn{Architectures: []string{"amd64", "riscv64"}}, full(t, "2019.01-1")); err != nil {
		t.Fatal(err)
	}
}

func TestPackagesAreAnAction(t *testing.T) {
	bound, err := Bind(yard{t, t.TempDir()})
	if err != nil || len(bound) != 1 || bound[0].Contract.Ref() != "debian.packages@1" {
		t.Fatalf("%v %v", bound, err)
	}
}

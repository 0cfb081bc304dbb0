package debian

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/version"
)

// Contents gives what builds made, by digest. Open returns errors of kind NotFound for what was
// never kept, and Unavailable or Corrupt for the disk.
type Contents interface {
	Open(ctx context.Context, digest string) (f *os.File, size int64, err error)
}

// Packages is debian.packages@1: it puts together what the builds of one release made, the one with
// the source and those of further architectures (dpkg-buildpackage -B), and refuses what must not
// get into an archive. Policy: read.
type Packages struct{ contents Contents }

// NewPackages makes debian.packages@1.
func NewPackages(c Contents) Packages { return Packages{c} }

// Artifact is a file that a build made; its fields are those of ci.artifacts.
type Artifact struct {
	Name   string `cel:"name" json:"name" doc:"name of the file, without a folder"`
	Digest string `cel:"digest" json:"digest" kind:"digest" doc:"of its content"`
	Size   int    `cel:"size" json:"size" doc:"in bytes"`
}

// PackagesIn is what was built and what is expected of it.
type PackagesIn struct {
	Files         []Artifact `cel:"files" json:"files" doc:"all artifacts of all builds"`
	Source        string     `cel:"source" json:"source" doc:"name of the source package"`
	Version       string     `cel:"version,optional" json:"version,omitempty" doc:"whole Debian version, such as 2019.01-1; empty means any version without a count of commits and without a git revision"`
	Architectures []string   `cel:"architectures,optional" json:"architectures,omitempty" doc:"every one must have all packages that the source has for it; all and the source must be there anyway"`
	Lintian       string     `cel:"lintian,optional" json:"lintian,omitempty" enum:"off,report,gate" doc:"gate refuses packages of which lintian reports an error; empty means off"`
}

// PackagesOut is what goes into the archive.
type PackagesOut struct {
	Files           []Artifact `cel:"files" json:"files" doc:".deb, .udeb, .dsc and what the .dsc names, by name"`
	Packages        []string   `cel:"packages" json:"packages" doc:"names of the binary packages"`
	Architectures   []string   `cel:"architectures" json:"architectures" doc:"of the binary packages, with all"`
	Version         string     `cel:"version" json:"version" doc:"of the source package"`
	LintianErrors   int        `cel:"lintian_errors" json:"lintian_errors"`
	LintianWarnings int        `cel:"lintian_warnings" json:"lintian_warnings"`
	Lintian         string     `cel:"lintian" json:"lintian" doc:"the first lines of errors and warnings"`
	Digest          string     `cel:"digest" json:"digest" kind:"digest" doc:"of the list of files: their names, digests and sizes"`
}

// Contract of debian.packages@1.
func (Packages) Contract() action.Contract {
	return action.Contract{ByHand: packagesByHand, Name: "debian.packages", Version: 1, Policy: action.Read, Timeout: 30 * time.Minute,
		Doc:     "Puts the packages of all builds of a release together and checks that they belong together.",
		Classes: []string{"failed"},
		Shell:   "dscverify --no-sig-check *.changes; compare their Version; lintian *.changes"}
}

// Probe has nothing to look for: a read is done anew each time.
func (a Packages) Probe(context.Context, action.Key, PackagesIn) (PackagesOut, bool, error) {
	return PackagesOut{}, false, nil
}

// Do checks. Packages that do not fit together are of kind Invalid; with the lintian gate, errors
// that lintian found are of kind Failed.
func (a Packages) Do(ctx context.Context, _ action.Key, in PackagesIn) (PackagesOut, error) {
	if err := in.check(); err != nil {
		return PackagesOut{}, err
	}
	m := &merger{ctx: ctx, contents: a.contents, in: in}
	for _, step := range []func() error{m.index, m.readChanges, m.verify, m.readSource, m.readBinaries, m.complete} {
		if err := step(); err != nil {
			return PackagesOut{}, err
		}
	}
	out := m.out()
	return out, m.lintian(&out)
}

func (in PackagesIn) check() error {
	if err := CheckPackageName(in.Source); err != nil {
		return err
	}
	if in.Version != "" {
		if _, err := ParseVersion(in.Version); err != nil {
			return err
		}
	}
	for _, arch := range in.Architectures {
		if err := CheckArchitecture(arch); err != nil {
			return err
		}
	}
	if !slices.Contains([]string{"", "off", "report", "gate"}, in.Lintian) {
		return invalid("packages", "Use off, report or gate", "lintian cannot be %q", shorten(in.Lintian))
	}
	return nil
}

// Bind gives the actions of this package with their code, for the set that cmd builds.
func Bind(c Contents) ([]action.Bound, error) {
	packages := NewPackages(c)
	b, err := action.Of(packages.Contract(), packages)
	return []action.Bound{b}, err
}

// What tools put into versions of builds between releases: +git20190124.abc1234, ~g1a2b3c4,
// .1a2b3c4d5e. A plain number is no revision: 20190124 is a date.
var (
	gitRevision = regexp.MustCompile(`(?i)(^|[+~.-])(git|g?[0-9a-f]{7,40}($|[+~.-]))`)
	plainNumber = regexp.MustCompile(`^[+~.-]?[0-9]+[+~.-]?$`)
	commitCount = regexp.MustCompile(`\+[0-9]`)
)

// unreleased says in words what makes a version one between releases; "" when nothing does.
func unreleased(v Version) string {
	for _, part := range []string{v.Upstream, v.Revision} {
		for _, m := range gitRevision.FindAllString(part, -1) {
			if !plainNumber.MatchString(m) {
				return "it has a git revision, so it was built from a commit between releases and not from the release tag"
			}
		}
	}
	if commitCount.MatchString(v.Upstream) {
		return "it has a number after a plus, so it is a daily build and not the release"
	}
	return ""
}

// checkRelease compares the version of a build with the one that is expected.
func checkRelease(where, want string, got Version) error {
	bad := func(hint, why string) error {
		return invalid("packages", hint, "%s has the version %s: %s", where, got, why)
	}
	const rebuild = "Tag the release first, then build that tag again"
	why := unreleased(got)
	switch {
	case want == got.String():
		return nil
	case want == "" && why == "":
		return nil
	case why != "":
		if want != "" {
			why += "; " + want + " is expected"
		}
		return bad(rebuild, why)
	case version.Compare(want, got.String()) == 0:
		return bad("Write "+want+" in debian/changelog", "dpkg takes it for the same as "+want+", but names of files differ")
	}
	return bad("Build the commit whose debian/changelog begins with "+want, want+" is expected")
}

func notReadable(name string, err error) error {
	return errs.E("debian.packages", errs.KindOf(err), fmt.Errorf("%s: %w", name, err))
}

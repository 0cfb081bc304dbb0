// Package build makes Debian packages of a commit as an ordinary user, and imports releases into
// packaging repositories, with the programs that Debian uses: dpkg-buildpackage, debuild, sbuild,
// gbp.
//
// A build works on a private copy of the commit's files, without .git, as it would from the source
// package. Nothing is signed and nothing is installed. The builder sees only PATH, HOME, TMPDIR,
// LANG, DEB_BUILD_OPTIONS and SOURCE_DATE_EPOCH. What it makes is copied out only after every file
// was compared with the .changes.
//
// Whoever wrote the package runs programs in its build: it has the rights of the account that
// builds, on the network too. Builds of strangers belong into a chroot (sbuild).
package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/debian"
)

// With is the program that builds.
type With string

const (
	Dpkg    With = "dpkg-buildpackage" // the default
	Debuild With = "debuild"
	Sbuild  With = "sbuild"
	Gbp     With = "gbp"
)

// Request is a build.
type Request struct {
	With       With   // "" means Dpkg
	Source     string // the checkout: a git repository whose HEAD is built; it may hold no other changes
	To         string // folder for what is made; it must exist
	User       string // account that builds when this runs as root; "" = see [Run]
	Version    string // built under this version, with a changelog entry that exists for the build only; "" = as debian/changelog says
	Dist       string // distribution in the .changes; "" = of debian/changelog
	HostArch   string // architecture to build for; "" = this machine's
	BinaryOnly bool   // only packages of that architecture, without the source and those for all (-B)
	Lintian    bool   // let lintian write lintian.txt; what it finds fails nothing here
	Chroot     string // chroot tarball, with Sbuild
	Orig       string // upstream tarball to use instead of the one made of the commit; for a further Debian revision of it
	Options    string // DEB_BUILD_OPTIONS
}

// Host is the machine. The zero Host is this one.
type Host struct {
	Path string                          // folders of programs; "" = /usr/sbin:/usr/bin:/sbin:/bin
	Temp string                          // private folders are made here; "" = the system's folder for temporary files
	Log  io.Writer                       // the log of the build goes here too, as it is written; nil = nowhere
	Free func(dir string) (int64, error) // bytes that an ordinary user may still write there; nil = asks the system
}

// Result is what a build made. After an error, what is known is filled in.
type Result struct {
	Source  string
	Version string
	Changes string   // name of the .changes
	Files   []string // names in the target folder, the log and lintian.txt too
	Log     string   // name of the log
	Tail    []string // its last lines
}

// Run builds. As root it becomes the account User; without one, the owner of the checkout, or
// where that is root, the account slipway-build if there is one, else nobody. It never builds as
// root. Where it is not root, it builds as it is.
//
// The kind of an error tells whose fault it is, see [ExitStatus]: Failed is a verdict on the package,
// Invalid a request or a source package that cannot be built, Unavailable and Full the machine's.
func Run(ctx context.Context, h Host, q Request) (Result, error) {
	h = h.complete()
	j := &job{ctx: ctx, host: h, q: q}
	defer j.clean()
	for _, step := range []func() error{j.check, j.account, j.read, j.programs, j.prepare, j.depends, j.build, j.lintian, j.collect} {
		if err := step(); err != nil {
			if ctx.Err() != nil {
				err = errs.E("package.build", errs.Other, errors.New("the build was stopped"))
			}
			j.tail()
			return j.out, err
		}
	}
	j.tail()
	return j.out, nil
}

// Exit statuses of a build, as sbuild gives them.
const (
	StatusOK        = 0
	StatusUnknown   = 1
	StatusAttempted = 2 // what was asked for cannot be built: again is no use
	StatusGivenBack = 3 // the machine could not: build it elsewhere, or later
)

// ExitStatus is the exit status for an error of [Run]: whether the package or the machine is at
// fault.
func ExitStatus(err error) int {
	switch {
	case err == nil:
		return StatusOK
	case errs.Is(err, errs.Failed), errs.Is(err, errs.Invalid), errs.Is(err, errs.NotFound):
		return StatusAttempted
	case errs.Is(err, errs.Unavailable), errs.Is(err, errs.Full), errs.Is(err, errs.Busy):
		return StatusGivenBack
	}
	return StatusUnknown
}

// Verdict is the exit status in words.
func Verdict(status int) string {
	switch status {
	case StatusOK:
		return "ok"
	case StatusAttempted:
		return "attempted: what was to be built is at fault"
	case StatusGivenBack:
		return "given back: this machine is at fault, not the package"
	}
	return "unknown: nobody can tell what is at fault"
}

// job is one build.
type job struct {
	ctx  context.Context
	host Host
	q    Request
	out  Result

	who     account // builds
	owner   account // of the checkout; runs git there
	entry   debian.Entry
	version debian.Version
	format  string // of debian/source/format
	quilt   bool   // there is an upstream tarball beside debian/
	control debian.SourceControl
	commit  string
	when    time.Time // of the commit
	epoch   int64     // SOURCE_DATE_EPOCH
	arch    string    // packages are for this architecture
	cross   bool
	base    string // private folder: home, tmp, work
	work    string // holds the tree and the tarball
	tree    string
	made    string // the builder leaves its files here
	log     string // path of the log in the target folder
}

func fail(kind errs.Kind, hint, format string, args ...any) error {
	return errs.E("package.build", kind, fmt.Errorf(format, args...)).Hint("%s", strings.ToLower(hint[:1])+hint[1:])
}

// disk is an error of this machine's file system.
func disk(what string, err error) error {
	if full(err) {
		return fail(errs.Full, "Make room on the disk", "%s: %w", what, err)
	}
	return fail(errs.Unavailable, "Check the folder and its disk", "%s: %w", what, err)
}

func (j *job) check() error {
	switch j.q.With {
	case "":
		j.q.With = Dpkg
	case Dpkg, Debuild, Sbuild, Gbp:
	default:
		return fail(errs.Invalid, "Use dpkg-buildpackage, debuild, sbuild or gbp", "%q is no builder that is known", j.q.With)
	}
	if j.q.With == Sbuild {
		if info, err := os.Stat(j.q.Chroot); j.q.Chroot == "" || err != nil || !info.Mode().IsRegular() {
			return fail(errs.Invalid, "Give --chroot FILE, made for example by: mmdebstrap --variant=buildd unstable unstable.tar.zst",
				"sbuild needs the file of a chroot, and %q is none", j.q.Chroot)
		}
	}
	if j.q.Version != "" {
		if _, err := debian.ParseVersion(j.q.Version); err != nil {
			return err
		}
	}
	if j.q.HostArch != "" {
		if err := debian.CheckArchitecture(j.q.HostArch); err != nil {
			return err
		}
	}
	if strings.ContainsAny(j.q.Options+j.q.Dist, "\x00\n") || strings.ContainsAny(j.q.Dist, " ,;") {
		return fail(errs.Invalid, "Write one line", "the options or the distribution cannot be used as they are")
	}
	for _, dir := range []*string{&j.q.Source, &j.q.To, &j.q.Chroot, &j.q.Orig} {
		if *dir == "" {
			continue
		}
		abs, err := filepath.Abs(*dir)
		if err != nil {
			return disk("the folder of this program is gone", err)
		}
		*dir = abs
	}
	for what, dir := range map[string]string{"checkout": j.q.Source, "target folder": j.q.To} {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return fail(errs.Invalid, "Name a folder that exists", "the %s %q is no folder", what, dir)
		}
	}
	return nil
}

func (j *job) clean() {
	if j.base != "" {
		_ = os.RemoveAll(j.base)
	}
}

package build

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/integrations/debian"
)

// Checkouts puts the files of a commit into a new folder, as a git repository. It returns errors of
// kind NotFound for a commit that is not at the remote and Unavailable when the remote cannot be
// reached; dir is then not left behind.
type Checkouts interface {
	Checkout(ctx context.Context, remote, commit, dir string) error
}

// ImportOptions are what an operator may set.
type ImportOptions struct {
	Host       Host
	SSHCommand string // GIT_SSH_COMMAND; "" = ssh in batch mode
	AskPass    string // GIT_ASKPASS; "" = none
}

// ImportOrig is debian.import_orig@1: it brings a release into a packaging repository as its
// maintainers do, with gbp import-orig. Policy: conditional: the tag upstream/VERSION must not
// exist, and the branches must still be where they were when the import began.
type ImportOrig struct {
	checkouts Checkouts
	opts      ImportOptions
}

// NewImportOrig makes debian.import_orig@1.
func NewImportOrig(c Checkouts, o ImportOptions) ImportOrig {
	o.Host = o.Host.complete()
	return ImportOrig{c, o}
}

// ImportIn is a release and the repository it goes to.
type ImportIn struct {
	Remote         string `cel:"remote" json:"remote" doc:"address of the packaging repository"`
	Upstream       string `cel:"upstream" json:"upstream" doc:"address of the repository that is released"`
	Commit         string `cel:"commit" json:"commit" doc:"whole id of the commit that the release tag is on"`
	Source         string `cel:"source" json:"source" doc:"name of the source package"`
	Version        string `cel:"version" json:"version" doc:"whole Debian version, with a revision: 2019.01-1"`
	Author         string `cel:"author" json:"author" doc:"Name <mail> of the commits"`
	DebianBranch   string `cel:"debian_branch,optional" json:"debian_branch,omitempty" doc:"empty means debian/latest (DEP-14)"`
	UpstreamBranch string `cel:"upstream_branch,optional" json:"upstream_branch,omitempty" doc:"empty means upstream/latest (DEP-14)"`
	PristineTar    bool   `cel:"pristine_tar,optional" json:"pristine_tar,omitempty" doc:"keep what is needed to make the tarball again, in the branch pristine-tar"`
	Debian         string `cel:"debian,optional" json:"debian,omitempty" enum:"keep,release" doc:"release puts the release's own folder debian in place of the packaging branch's; empty means keep"`
	Orig           string `cel:"orig,optional" json:"orig,omitempty" kind:"digest" doc:"the tarball must have this digest, such as the one that was built; empty means any"`
}

// ImportOut is what the packaging repository has now.
type ImportOut struct {
	UpstreamTag    string `cel:"upstream_tag" json:"upstream_tag" doc:"upstream/2019.01"`
	UpstreamCommit string `cel:"upstream_commit" json:"upstream_commit"`
	DebianCommit   string `cel:"debian_commit" json:"debian_commit" doc:"where the packaging branch is"`
	PackagingTag   string `cel:"packaging_tag" json:"packaging_tag" doc:"name for the tag of the packaging, as DEP-14 writes the version: debian/2019.01-1"`
	Orig           string `cel:"orig" json:"orig" kind:"digest" doc:"of the tarball that was imported"`
}

// Contract of debian.import_orig@1.
func (ImportOrig) Contract() action.Contract {
	return action.Contract{Name: "debian.import_orig", Version: 1, Policy: action.Conditional, Irreversible: true, Timeout: 30 * time.Minute,
		Doc:     "Imports the tarball of a release into the packaging repository and pushes its branches together.",
		Classes: []string{"conflict", "exists"},
		Shell:   "gbp import-orig --upstream-version=UPSTREAM TARBALL; git push --atomic REMOTE DEBIAN_BRANCH UPSTREAM_BRANCH pristine-tar upstream/UPSTREAM"}
}

// BindImport gives the action with its code, for the set that cmd builds.
func BindImport(c Checkouts, o ImportOptions) ([]action.Bound, error) {
	a := NewImportOrig(c, o)
	b, err := action.Of(a.Contract(), a)
	return []action.Bound{b}, err
}

// TagName writes a version as DEP-14 has it in the names of tags, after prefix: git refuses colons,
// tildes, and two points in a row.
func TagName(prefix, version string) string {
	v := strings.NewReplacer(":", "%", "~", "_").Replace(version)
	for strings.Contains(v, "..") {
		v = strings.ReplaceAll(v, "..", ".#.")
	}
	if strings.HasSuffix(v, ".") || strings.HasSuffix(v, ".lock") {
		v += "#"
	}
	return prefix + "/" + v
}

var (
	commitForm = regexp.MustCompile(`^(?:[0-9a-f]{40}|[0-9a-f]{64})$`)
	personForm = regexp.MustCompile(`^([^<>\x00-\x1f]+) <([^<>\x00-\x20]+)>$`)
	branchForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+/-]*[A-Za-z0-9]$`)
	userAt     = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^/@\s'"]*@`)
)

const (
	commitLine  = "Upstream-Commit: "
	tarballLine = "Upstream-Tarball: "
)

// plan is an import whose inputs are good.
type plan struct {
	ImportIn
	upstream   string // version without epoch and revision
	tag        string
	name, mail string
}

func (in ImportIn) plan() (plan, error) {
	bad := func(hint, format string, args ...any) (plan, error) {
		return plan{}, errs.E("debian.import_orig", errs.Invalid, fmt.Errorf(format, args...)).Hint("%s", hint)
	}
	p := plan{ImportIn: in}
	if p.DebianBranch == "" {
		p.DebianBranch = "debian/latest"
	}
	if p.UpstreamBranch == "" {
		p.UpstreamBranch = "upstream/latest"
	}
	v, err := debian.ParseVersion(in.Version)
	if err != nil {
		return p, err
	}
	if v.Native() {
		return bad("Give a version with a revision, such as "+in.Version+"-1", "%s is a native version, which has no upstream tarball", in.Version)
	}
	if err := debian.CheckPackageName(in.Source); err != nil {
		return p, err
	}
	for _, remote := range []string{in.Remote, in.Upstream} {
		if remote == "" || strings.HasPrefix(remote, "-") || strings.ContainsAny(remote, "\x00\n\r") || strings.Contains(remote, "::") {
			return bad("Use an absolute path, or an address such as https://example.org/project.git", "%q is not the address of a repository", redact(remote, ""))
		}
	}
	if !commitForm.MatchString(in.Commit) {
		return bad("Give all digits of the commit", "%q is not the id of a commit", in.Commit)
	}
	for _, b := range []string{p.DebianBranch, p.UpstreamBranch} {
		if !branchForm.MatchString(b) || strings.Contains(b, "..") || strings.Contains(b, "//") {
			return bad("Use letters, digits, points, hyphens and slashes", "%q is not the name of a branch", b)
		}
	}
	who := personForm.FindStringSubmatch(in.Author)
	if who == nil {
		return bad("Write Name <mail>", "the author %q cannot be read", in.Author)
	}
	p.name, p.mail, p.upstream = who[1], who[2], v.Upstream
	p.tag = TagName("upstream", v.Upstream)
	return p, nil
}

// branches are those that an import moves.
func (p plan) branches() []string {
	all := []string{p.UpstreamBranch, p.DebianBranch}
	if p.PristineTar {
		all = append(all, "pristine-tar")
	}
	return all
}

func (p plan) message() string {
	return "New upstream version %(version)s\n\n" + commitLine + p.Commit + "\n" + tarballLine + p.Orig
}

// redact takes the credentials of addresses out of a text.
func redact(text, remote string) string {
	if remote != "" {
		text = strings.ReplaceAll(text, remote, userAt.ReplaceAllString(remote, "$1"))
	}
	return userAt.ReplaceAllString(text, "$1")
}

// Probe asks the remote for the tag upstream/VERSION. One that was not imported from this commit
// is of kind Exists.
func (a ImportOrig) Probe(ctx context.Context, _ action.Key, in ImportIn) (ImportOut, bool, error) {
	p, err := in.plan()
	if err != nil {
		return ImportOut{}, false, err
	}
	w, err := a.begin(p)
	if err != nil {
		return ImportOut{}, false, err
	}
	defer w.end()
	return w.imported(ctx)
}

// Do imports and pushes, unless that was done. Whatever git says, the remote is asked again afterwards.
func (a ImportOrig) Do(ctx context.Context, _ action.Key, in ImportIn) (ImportOut, error) {
	p, err := in.plan()
	if err != nil {
		return ImportOut{}, err
	}
	w, err := a.begin(p)
	if err != nil {
		return ImportOut{}, err
	}
	defer w.end()
	if out, done, err := w.imported(ctx); done || err != nil {
		return out, err
	}
	if err := w.programs(); err != nil {
		return ImportOut{}, err
	}
	for _, step := range []func(context.Context) error{w.tarball, w.clone, w.gbp, w.packaging} {
		if err := step(ctx); err != nil {
			return ImportOut{}, err
		}
	}
	return w.push(ctx)
}

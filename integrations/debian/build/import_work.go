package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/debian"
)

// importing is one import under way, in a private folder.
type importing struct {
	plan
	a    ImportOrig
	base string
	src  string // checkout of the release
	repo string // clone of the packaging repository
	file string // the tarball
	when time.Time
	tips map[string]string // branch → where the remote had it; "" = nowhere
}

func (a ImportOrig) begin(p plan) (*importing, error) {
	base, err := os.MkdirTemp(a.opts.Host.Temp, "slipway-import-")
	if err != nil {
		return nil, disk("no private folder can be made", err)
	}
	w := &importing{plan: p, a: a, base: base, src: filepath.Join(base, "src"), repo: filepath.Join(base, "packaging"), tips: map[string]string{}}
	for _, dir := range []string{"home", "tmp"} {
		if err := os.Mkdir(filepath.Join(base, dir), 0o700); err != nil {
			w.end()
			return nil, disk("no private folder can be made", err)
		}
	}
	return w, nil
}

func (w *importing) end() { _ = os.RemoveAll(w.base) }

func (w *importing) fail(kind errs.Kind, hint, format string, args ...any) error {
	return errs.E("debian.import_orig", kind, fmt.Errorf(format, args...)).Hint("%s", hint)
}

func (w *importing) programs() error {
	need := [][2]string{{"gbp", "git-buildpackage"}, {"xz", "xz-utils"}}
	if w.PristineTar {
		need = append(need, [2]string{"pristine-tar", "pristine-tar"})
	}
	for _, n := range need {
		if w.a.opts.Host.find(n[0]) == "" {
			return w.fail(errs.Unavailable, "install it: apt-get install "+n[1], "this machine has no %s", n[0])
		}
	}
	return nil
}

// env makes every commit depend on the inputs alone, and lets nothing that the packaging repository
// says run a program: neither its gbp.conf nor its git configuration is read.
func (w *importing) env() []string {
	ssh, ask := w.a.opts.SSHCommand, w.a.opts.AskPass
	if ssh == "" {
		ssh = "ssh -o BatchMode=yes"
	}
	if ask == "" {
		ask = "/bin/false"
	}
	date := fmt.Sprintf("@%d +0000", w.when.Unix())
	env := []string{"PATH=" + w.a.opts.Host.Path, "HOME=" + filepath.Join(w.base, "home"), "TMPDIR=" + filepath.Join(w.base, "tmp"),
		"LANG=C.UTF-8", "LC_ALL=C.UTF-8", "TZ=UTC", "GBP_CONF_FILES=/dev/null", "DEBFULLNAME=" + w.name, "DEBEMAIL=" + w.mail,
		"GIT_AUTHOR_NAME=" + w.name, "GIT_AUTHOR_EMAIL=" + w.mail, "GIT_AUTHOR_DATE=" + date,
		"GIT_COMMITTER_NAME=" + w.name, "GIT_COMMITTER_EMAIL=" + w.mail, "GIT_COMMITTER_DATE=" + date,
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_ATTR_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "GIT_EDITOR=/bin/false",
		"GIT_PAGER=cat", "GIT_ALLOW_PROTOCOL=file:https:http:ssh:git", "GIT_ASKPASS=" + ask, "SSH_ASKPASS=/bin/false", "GIT_SSH_COMMAND=" + ssh,
		"GIT_CONFIG_COUNT=3", "GIT_CONFIG_KEY_0=core.hooksPath", "GIT_CONFIG_VALUE_0=/dev/null",
		"GIT_CONFIG_KEY_1=gc.auto", "GIT_CONFIG_VALUE_1=0", "GIT_CONFIG_KEY_2=credential.helper", "GIT_CONFIG_VALUE_2="}
	for _, name := range []string{"SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "http_proxy", "https_proxy", "no_proxy", "HTTPS_PROXY", "NO_PROXY"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// run runs a program in the clone, or in the private folder before there is one.
func (w *importing) run(ctx context.Context, program string, args ...string) (string, error) {
	path := w.a.opts.Host.find(program)
	if program == "git" {
		path, _ = exec.LookPath(program)
	}
	if path == "" {
		return "", w.fail(errs.Unavailable, "install it", "this machine has no %s", program)
	}
	dir := w.repo
	if _, err := os.Stat(dir); err != nil {
		dir = w.base
	}
	out, said := &lines{max: 1 << 20}, &lines{max: 64 << 10}
	err := command{dir: dir, path: path, args: args, env: w.env(), stdout: out, stderr: said}.run(ctx)
	if err == nil {
		return strings.TrimSpace(out.String()), nil
	}
	text := redact(lastWords(said.String()), w.Remote)
	for _, verb := range []string{"clone", "fetch", "ls-remote", "push"} {
		if slices.Contains(args[:min(2, len(args))], verb) {
			return "", w.fail(errs.Unavailable, "check that the packaging repository can be reached", "git %s: %s", verb, text)
		}
	}
	return "", w.fail(errs.Failed, "do the import by hand to see more", "%s %s %s: %s", program, args[0], endedWith(err), text)
}

// tarball makes the tarball of the release, as its build does.
func (w *importing) tarball(ctx context.Context) error {
	if err := w.a.checkouts.Checkout(ctx, w.ImportIn.Upstream, w.Commit, w.src); err != nil {
		return err
	}
	w.file = filepath.Join(w.base, w.Source+"_"+w.upstream+".orig.tar.xz")
	f, err := os.OpenFile(w.file, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return disk("the tarball cannot be made", err)
	}
	defer f.Close()
	if w.when, err = Orig(ctx, w.a.opts.Host, w.src, w.Source, w.upstream, f); err != nil {
		return err
	}
	sum := sha256.New()
	if _, err = f.Seek(0, io.SeekStart); err == nil {
		_, err = io.Copy(sum, f)
	}
	if err != nil {
		return disk("the tarball cannot be read", err)
	}
	digest := "sha256:" + hex.EncodeToString(sum.Sum(nil))
	if w.Orig != "" && w.Orig != digest {
		return w.fail(errs.Conflict, "build the packages from the release tag, and import that tag",
			"the tarball of %s has the digest %s, and %s is expected", w.Commit, digest, w.Orig)
	}
	w.Orig = digest
	return nil
}

// clone fetches the packaging repository and notes where its branches are.
func (w *importing) clone(ctx context.Context) error {
	if _, err := w.run(ctx, "git", "clone", "--quiet", "--no-checkout", "--template=", "--origin=packaging", "--", w.Remote, w.repo); err != nil {
		return err
	}
	for _, branch := range w.branches() {
		tip, err := w.run(ctx, "git", "for-each-ref", "--format=%(objectname)", "refs/remotes/packaging/"+branch)
		if err != nil {
			return err
		}
		if tip == "" && branch != "pristine-tar" {
			return w.fail(errs.Invalid, "make it once by hand: gbp import-dsc, or git push", "the packaging repository has no branch %s", branch)
		}
		if w.tips[branch] = tip; tip != "" {
			if _, err := w.run(ctx, "git", "update-ref", "refs/heads/"+branch, tip); err != nil {
				return err
			}
		}
	}
	_, err := w.run(ctx, "git", "checkout", "--quiet", "--force", w.DebianBranch, "--")
	return err
}

// gbp does the import itself.
func (w *importing) gbp(ctx context.Context) error {
	pristine := "--no-pristine-tar"
	if w.PristineTar {
		pristine = "--pristine-tar"
	}
	_, err := w.run(ctx, "gbp", "import-orig", "--no-interactive", pristine, "--no-sign-tags", "--no-symlink-orig", "--no-filter-pristine-tar",
		"--debian-branch="+w.DebianBranch, "--upstream-branch="+w.UpstreamBranch, "--upstream-tag=upstream/%(version)s",
		"--import-msg="+w.message(), "--upstream-version="+w.upstream, w.file)
	return err
}

// packaging puts the release's own debian/ in place of the branch's, where that is asked for.
func (w *importing) packaging(ctx context.Context) error {
	if w.Debian != "release" {
		return nil
	}
	c := checkout{dir: w.src}
	text, found, err := c.file(ctx, w.Commit, "debian/changelog")
	if err != nil {
		return err
	}
	if !found {
		return w.fail(errs.Invalid, "keep the packaging branch's own folder debian", "the commit %s has no debian/changelog", w.Commit)
	}
	entries, err := debian.ParseChangelog(strings.NewReader(text))
	if err != nil {
		return err
	}
	if entries[0].Version != w.Version {
		return w.fail(errs.Invalid, "give the version of the release's changelog", "debian/changelog of the release begins with %s, not with %s", entries[0].Version, w.Version)
	}
	if err := os.RemoveAll(filepath.Join(w.repo, "debian")); err != nil {
		return disk("the packaging cannot be replaced", err)
	}
	if _, err := c.unpack(ctx, w.Commit, true, w.repo, w.when, account{}); err != nil {
		return err
	}
	if _, err := w.run(ctx, "git", "add", "--all", "--force", "--", "debian"); err != nil {
		return err
	}
	changed, err := w.run(ctx, "git", "diff", "--cached", "--name-only", "HEAD", "--")
	if err != nil || changed == "" {
		return err
	}
	_, err = w.run(ctx, "git", "commit", "--quiet", "--no-verify", "-m", "Packaging of the release "+w.Version)
	return err
}

// push moves all branches and makes the tag, or nothing.
func (w *importing) push(ctx context.Context) (ImportOut, error) {
	args := []string{"push", "--quiet", "--atomic", "--no-verify", "--no-signed", "--no-follow-tags", "--force-with-lease=refs/tags/" + w.tag + ":"}
	refs := []string{"refs/tags/" + w.tag}
	for _, branch := range w.branches() {
		args = append(args, "--force-with-lease=refs/heads/"+branch+":"+w.tips[branch])
		refs = append(refs, "refs/heads/"+branch)
		if w.tips[branch] == "" {
			continue
		}
		if _, err := w.run(ctx, "git", "merge-base", "--is-ancestor", w.tips[branch], branch); err != nil {
			return ImportOut{}, w.fail(errs.Internal, "do the import by hand", "the import would take commits away from %s", branch)
		}
	}
	_, pushed := w.run(ctx, "git", append(append(args, "--", w.Remote), refs...)...)
	out, done, err := w.imported(ctx)
	switch {
	case done:
		return out, nil
	case err != nil && pushed != nil && !errs.Is(err, errs.Exists):
		return ImportOut{}, errs.E("debian.import_orig", errs.Doubtful, errors.Join(pushed, err)).Hint("look whether the packaging repository has the tag %s", w.tag)
	case err != nil:
		return ImportOut{}, err
	case pushed == nil:
		return ImportOut{}, w.fail(errs.Doubtful, "look at the packaging repository", "the push was accepted, and the tag %s is not there", w.tag)
	}
	for _, branch := range w.branches() {
		now, err := w.remoteRefs(ctx, "refs/heads/"+branch)
		if err == nil && now["refs/heads/"+branch] != w.tips[branch] {
			return ImportOut{}, w.fail(errs.Conflict, "import again on top of it", "the branch %s of the packaging repository moved meanwhile", branch)
		}
	}
	return ImportOut{}, pushed
}

func (w *importing) remoteRefs(ctx context.Context, refs ...string) (map[string]string, error) {
	text, err := w.run(ctx, "git", append([]string{"ls-remote", "--quiet", "--", w.Remote}, refs...)...)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for line := range strings.Lines(text) {
		id, ref, _ := strings.Cut(strings.TrimSpace(line), "\t")
		found[ref] = id
	}
	return found, nil
}

// imported reports whether the remote has this import.
func (w *importing) imported(ctx context.Context) (out ImportOut, done bool, err error) {
	ref, head := "refs/tags/"+w.tag, "refs/heads/"+w.DebianBranch
	now, err := w.remoteRefs(ctx, ref, head)
	if err != nil || now[ref] == "" {
		return out, false, err
	}
	look := filepath.Join(w.base, "look")
	if _, err := w.run(ctx, "git", "init", "--quiet", "--bare", "--template=", "--", look); err != nil {
		return out, false, err
	}
	if _, err := w.run(ctx, "git", "--git-dir="+look, "fetch", "--quiet", "--depth=1", "--no-tags", "--", w.Remote, "+"+ref+":refs/look"); err != nil {
		return out, false, err
	}
	text, err := w.run(ctx, "git", "--git-dir="+look, "log", "-1", "--format=%H%n%B", "refs/look", "--")
	if err != nil {
		return out, false, err
	}
	commit, message, _ := strings.Cut(text, "\n")
	out = ImportOut{UpstreamTag: w.tag, UpstreamCommit: commit, DebianCommit: now[head], PackagingTag: TagName("debian", w.Version)}
	from := ""
	for line := range strings.Lines(message) {
		line = strings.TrimSpace(line)
		if c, ok := strings.CutPrefix(line, commitLine); ok {
			from = c
		}
		if d, ok := strings.CutPrefix(line, tarballLine); ok {
			out.Orig = d
		}
	}
	if from != w.Commit || w.ImportIn.Orig != "" && out.Orig != w.ImportIn.Orig {
		return ImportOut{}, false, w.fail(errs.Exists, "compare it with the release; if it is the same, go on by hand, else choose another version",
			"the packaging repository has the tag %s already, and not from the commit %s", w.tag, w.Commit)
	}
	return out, true, nil
}

package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/commands/release"
	"slipway/integrations/aptrepo"
	"slipway/integrations/git"
	"slipway/integrations/mail"
)

// The people of the demo. Hana asks for the release, Ben and Chen agree, Tessa tests.
const (
	demoManager = "hana"
	demoTester  = "tessa"
	demoChannel = "general"
)

// yard is a small world around the bot: a repository with a bare remote, a mailbox, a signer
// with a throw-away key, and people. It lives in one folder and outlives the bot, so that the
// bot can be killed in it.
type yard struct {
	dir         string
	version     string
	project     string
	remote      string
	fingerprint string
	mailbox     string
	config      string
	signer      *exec.Cmd
	lifeline    io.Closer // the signer ends when it closes
	sink        *mail.Sink
	mailPort    int
	doorPort    int
	listen      string         // of the web console; "": it has none
	archive     *demoArchive   // nil: what is released is a tag, and no package
	apt         aptrepo.Looker // nil: the apt of this machine
}

// yardOptions say what is to be released, and where the signer's program is.
type yardOptions struct {
	Dir     string
	Repo    string // the user's repository; "" for the sample
	Version string
	Signer  string // path of slipway-signer
	Archive bool   // the mailbox can be searched for sent mail
	Publish bool   // packages are built, and published in an APT archive
	Web     bool   // it has the web console

	// Where this machine has neither dpkg nor apt:
	Build []string       // makes the packages; empty: dpkg-buildpackage
	Arch  string         // of the archive's clients; empty: this machine's
	Apt   aptrepo.Looker // looks at the archive; nil: apt
}

// newYard builds the world in o.Dir. Nothing in it reaches outside of the folder and loopback.
func newYard(ctx context.Context, o yardOptions) (_ *yard, err error) {
	y := &yard{dir: o.Dir, version: o.Version, project: "harbour", remote: filepath.Join(o.Dir, "remote.git"),
		mailbox: filepath.Join(o.Dir, "mailbox"), config: filepath.Join(o.Dir, "slipway.yaml"), apt: o.Apt}
	defer func() {
		if err != nil {
			y.close()
		}
	}()
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, errs.E("demo", errs.Unavailable, fmt.Errorf("making the folder of the demo: %w", err))
	}
	p := rawProject{Remote: y.remote, Branch: "master", Scheme: "calendar", Changelog: "debian/changelog", CI: []string{"sh", "check.sh"}}
	if o.Repo == "" {
		err = makeSample(ctx, y.remote, filepath.Join(o.Dir, "sample"))
	} else {
		y.project, p, err = y.copyRepo(ctx, o)
	}
	if err != nil {
		return nil, err
	}
	if err := y.startMail(); err != nil {
		return nil, err
	}
	if err := y.makeKey(ctx, o.Signer); err != nil {
		return nil, err
	}
	if err := y.makeLogKey(); err != nil {
		return nil, err
	}
	if y.doorPort, err = freePort(); err != nil {
		return nil, err
	}
	if o.Web {
		if y.listen, err = webAddress(); err != nil {
			return nil, err
		}
	}
	if o.Publish {
		if err := y.startArchive(ctx, o); err != nil {
			return nil, err
		}
	}
	if err := y.writeConfig(p, o.Archive); err != nil {
		return nil, err
	}
	return y, y.startSigner(o.Signer)
}

var notInName = regexp.MustCompile(`[^a-z0-9.+-]+`)

// copyRepo makes the remote of the demo from a copy of the user's repository. The copy knows no
// remotes, so nothing that is pushed to it can reach them.
func (y *yard) copyRepo(ctx context.Context, o yardOptions) (string, rawProject, error) {
	repos, err := git.Open(filepath.Join(o.Dir, "copies"), git.Options{})
	if err != nil {
		return "", rawProject{}, err
	}
	src, err := filepath.Abs(o.Repo)
	if err != nil {
		return "", rawProject{}, err
	}
	if err := repos.CopyFrom(ctx, src, y.remote); err != nil {
		return "", rawProject{}, err
	}
	name := strings.Trim(notInName.ReplaceAllString(strings.ToLower(strings.TrimSuffix(filepath.Base(src), ".git")), "-"), ".+-")
	if name == "" || len(name) < 2 {
		name = "project"
	}
	scheme, err := schemeOf(o.Version, false)
	if err != nil {
		return "", rawProject{}, err
	}
	p := rawProject{Remote: y.remote, Scheme: string(scheme), Changelog: "CHANGELOG", CI: []string{"git", "fsck", "--no-progress"}}
	if p.Branch, err = y.releaseBranch(ctx); err != nil {
		return "", rawProject{}, err
	}
	if err := y.findChangelog(ctx, &p); err != nil {
		return "", rawProject{}, err
	}
	return name, p, nil
}

// releaseBranch is the branch of the copy that is released: the one that was checked out, or,
// where none was, one with a usual name or the first.
func (y *yard) releaseBranch(ctx context.Context) (string, error) {
	if branch, err := output(ctx, y.remote, "git", "symbolic-ref", "--quiet", "--short", "HEAD"); err == nil {
		if _, err := output(ctx, y.remote, "git", "rev-parse", "--verify", "--quiet", "refs/heads/"+branch); err == nil {
			return branch, nil
		}
	}
	list, err := output(ctx, y.remote, "git", "for-each-ref", "--format=%(refname:short)", "refs/heads/")
	if err != nil {
		return "", err
	}
	all := strings.Fields(list)
	for _, name := range append([]string{"main", "master", "trunk"}, all...) {
		if slices.Contains(all, name) {
			_, err := output(ctx, y.remote, "git", "symbolic-ref", "HEAD", "refs/heads/"+name)
			return name, err
		}
	}
	return "", errs.E("demo", errs.Invalid, errors.New("the repository has no branch")).Hint("commit something first, or check out the branch that is to be released")
}

// findChangelog says which file of the copy gets the entry, and refuses a version that is not
// above the newest entry in it.
func (y *yard) findChangelog(ctx context.Context, p *rawProject) error {
	for _, file := range []string{"debian/changelog", "CHANGELOG"} {
		text, err := output(ctx, y.remote, "git", "show", p.Branch+":"+file)
		if err != nil {
			continue // there is none
		}
		newest, _, err := release.ParseEntry(text)
		if err != nil {
			continue // it is written in a form of its own
		}
		version, err := release.NewVersion(release.Scheme(p.Scheme), y.version)
		if err != nil {
			return err
		}
		entry := release.ReleaseEntry(newest.Source, version, y.version, nil, "Harbour Releases", "releases@harbour.example", time.Now())
		if _, err := release.Prepend(text, entry); err != nil {
			return errs.E("demo", errs.KindOf(err), fmt.Errorf("%s of the repository: %s", file, errs.Cause(err))).Hint("%s", errs.HintOf(err))
		}
		p.Changelog, p.Package = file, newest.Source
		return nil
	}
	p.Changelog = "debian/changelog"
	return nil
}

// startMail opens the mailbox and takes mail for it on a loopback port.
func (y *yard) startMail() error {
	sink, err := mail.NewSink(y.mailbox, mail.SinkLimits{}, time.Now)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return errs.E("demo", errs.Unavailable, fmt.Errorf("listening for mail: %w", err))
	}
	y.sink, y.mailPort = sink, l.Addr().(*net.TCPAddr).Port
	go func() { _ = sink.Serve(l) }()
	return nil
}

// makeKey has the signer make its throw-away key; the bot gets the public part only.
func (y *yard) makeKey(ctx context.Context, signer string) error {
	fingerprint, err := output(ctx, y.dir, signer, "keygen", "--demo", filepath.Join(y.dir, "key"))
	if err != nil {
		return err
	}
	y.fingerprint = fingerprint
	var token [24]byte
	if _, err := rand.Read(token[:]); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(y.dir, "signer-token"), []byte(hex.EncodeToString(token[:])+"\n"), 0o600)
}

func (y *yard) startSigner(path string) error {
	args := []string{"run", "--demo-policy", "--server", fmt.Sprintf("http://127.0.0.1:%d", y.doorPort),
		"--token-file", filepath.Join(y.dir, "signer-token"), "--key", filepath.Join(y.dir, "key", "demo-key.asc"),
		"--log", filepath.Join(y.dir, "signer.log"), "--project", y.project, "--repository", y.remote, "--tag", "*", "--poll", "200ms", "--with-parent"}
	if y.archive != nil {
		args = append(args, "--archive", y.archive.address, "--suite", "*", "--rollback", "allow")
	}
	y.signer = exec.Command(path, args...)
	out, err := os.Create(filepath.Join(y.dir, "signer.out"))
	if err != nil {
		return err
	}
	defer out.Close()
	y.signer.Stdout, y.signer.Stderr = out, out
	// The other end of its standard input is open for as long as we live, however we end.
	if y.lifeline, err = y.signer.StdinPipe(); err != nil {
		return err
	}
	if err := y.signer.Start(); err != nil {
		return errs.E("demo", errs.Unavailable, fmt.Errorf("starting the signer: %w", err)).Hint("make build puts it beside slipway")
	}
	return nil
}

// close ends what the yard started; its files stay.
func (y *yard) close() {
	if y.signer != nil && y.signer.Process != nil {
		_ = y.signer.Process.Kill()
		_ = y.signer.Wait()
	}
	if y.archive != nil {
		_ = y.archive.server.Close()
	}
	if y.sink != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_ = y.sink.Shutdown(ctx)
	}
}

// writeConfig writes slipway.yaml as a person would.
func (y *yard) writeConfig(p rawProject, archive bool) error {
	found := ""
	if archive {
		found = "\n  archive: mailbox   # so that a lost answer of the mail server can be looked up\n  settle: 2s"
	}
	pkg := ""
	if p.Package != "" {
		pkg = "\n    package: " + p.Package
	}
	archives, published := "", ""
	if y.archive != nil {
		archives, published = y.archive.config(y)
	}
	text := fmt.Sprintf(`# A whole configuration: one project, four people, one signer.
state: state
evidence: {log_key_file: log-key}
console: {socket: slipway.sock, many_people: true, listen: %q}
signing:
  listen: 127.0.0.1:%d
  signers: {yard: {token_file: signer-token}}
smtp:
  host: 127.0.0.1
  port: %d
  tls: none%s
people:
  hana: {name: Hana Harbour, mail: hana@harbour.example, accounts: ["console:hana"]}
  ben: {name: Ben Buoy, mail: ben@harbour.example, accounts: ["console:ben"]}
  chen: {name: Chen Chart, mail: chen@harbour.example, accounts: ["console:chen"]}
  tessa: {name: Tessa Tide, mail: tessa@harbour.example, accounts: ["console:tessa"]}
roles:
  "*":
    admin: {persons: [hana]}
  %s:
    release-manager: {persons: [hana]}
    maintainer: {persons: [ben, chen, hana]}
    tester: {persons: [tessa]}
channels:
  general: {project: %s}
%sprojects:
  %s:
    remote: %q
    branch: %q
    scheme: %s
    changelog: %s%s
    tagger: Harbour Releases <releases@harbour.example>
    release_key: %s
    public_key: key/demo-cert.asc
    channel: general
    mail_to: [announce@lists.harbour.example]
    ci: [%s]%s
`, y.listenAt(), y.doorPort, y.mailPort, found, y.project, y.project, archives, y.project, p.Remote, p.Branch, p.Scheme, p.Changelog, pkg, y.fingerprint, quoted(p.CI), published)
	return os.WriteFile(y.config, []byte(text), 0o600)
}

// listenAt is the address of the web console, as the configuration says it.
func (y *yard) listenAt() string {
	if y.listen == "" {
		return "off"
	}
	return y.listen
}

// quoted are words in a list of YAML.
func quoted(words []string) string {
	list := make([]string, len(words))
	for i, word := range words {
		list[i] = fmt.Sprintf("%q", word)
	}
	return strings.Join(list, ", ")
}

// freePort is a loopback port that nobody used a moment ago. It is below those that the system gives to
// connections by itself (from 32768 on), one of which may get it before who asked listens there.
func freePort() (int, error) {
	for range 100 {
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+mrand.IntN(20_000))); err == nil {
			defer l.Close()
			return l.Addr().(*net.TCPAddr).Port, nil
		}
	}
	return 0, errors.New("no port of the loopback address seems to be free")
}

// output runs a program and gives what it printed, without the last line's end.
func output(ctx context.Context, dir, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C.UTF-8")
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", errs.E("demo", errs.Failed, fmt.Errorf("%s %s: %w: %s", filepath.Base(program), args[0], err, strings.TrimSpace(complaint.String())))
	}
	return strings.TrimRight(string(out), "\n"), nil
}

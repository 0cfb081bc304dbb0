package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/integrations/console"
)

// proof is one thing that was checked after a release, by somebody else's tool where there is one.
type proof struct {
	what string
	how  string // the command, or where it was looked at
	err  error
}

// conf is what the proofs must know.
type conf struct {
	repo, before string // the user's own repository, and what it was before
	// verify checks the tag of the clone; nil asks git and gpg.
	verify func(ctx context.Context, clone string) error
	// archive looks at the archive, where there is one; nil asks gpgv and apt.
	archive func(ctx context.Context, y *yard, add func(what, how string, err error))
}

// proofs checks the release from outside: the remote with git and gpg, the mailbox, the chat, the
// records on disk. The bot must not be running.
func (y *yard) proofs(ctx context.Context, c conf) []proof {
	clone := filepath.Join(y.dir, "clone")
	var all []proof
	add := func(what, how string, err error) { all = append(all, proof{what, how, err}) }

	_, err := output(ctx, y.dir, "git", "clone", "--quiet", "--no-local", y.remote, clone)
	add("the remote can be cloned", "git clone", err)
	if err != nil {
		return all
	}
	verify := c.verify
	if verify == nil {
		verify = y.verifyTag
	}
	add("the tag's signature is by the pinned key "+y.fingerprint, "git verify-tag --raw "+y.version, verify(ctx, clone))
	add("the tag is of the branch's newest commit", "git rev-parse", y.tagOnBranch(ctx, clone))
	n, err := y.changelogWhole(ctx, clone)
	add(fmt.Sprintf("every commit since the last release is in the changelog (%d)", n), "git log --no-merges --oneline", err)
	subject, err := y.oneMail()
	add("exactly one announcement was sent: "+subject, y.mailbox, err)
	title, err := y.oneBroadcast()
	add("exactly one broadcast was posted: "+title, "#"+demoChannel, err)
	if look := c.archive; y.archive != nil {
		if look == nil {
			look = y.archive.proofs
		}
		look(ctx, y, add)
	}
	add("the signer's log is a whole chain", "slipway-signer log verify", y.signerLog(ctx))
	add("every record fits the events it was made from", "slipway fsck", y.fsck(ctx))
	if c.repo != "" {
		after, err := refsOf(ctx, c.repo)
		if err == nil && after != c.before {
			err = errors.New("a branch, a tag or a remote of it changed")
		}
		add("your own repository and its remotes are as they were", "git for-each-ref, git ls-remote", err)
	}
	return all
}

// show prints the proofs and gives an error if one failed.
func show(w io.Writer, all []proof) error {
	failed := 0
	fmt.Fprintln(w, "\nProofs")
	for _, p := range all {
		mark := "✓"
		if p.err != nil {
			mark = "✗"
			failed++
		}
		fmt.Fprintf(w, "  %s %s   [%s]\n", mark, p.what, p.how)
		if p.err != nil {
			fmt.Fprintf(w, "      %s\n", errs.Text(p.err))
		}
	}
	if failed > 0 {
		return errs.E("demo", errs.Failed, fmt.Errorf("%d of %d proofs failed", failed, len(all)))
	}
	return nil
}

// verifyTag asks git and gpg, with a key ring of their own that holds only the release key.
func (y *yard) verifyTag(ctx context.Context, clone string) error {
	home, err := os.MkdirTemp("", "slipway-gpg-") // short: the agent's socket lives in it
	if err != nil {
		return err
	}
	defer os.RemoveAll(home)
	run := func(program string, args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Dir = clone
		cmd.Env = append(os.Environ(), "GNUPGHOME="+home, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C.UTF-8")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	defer func() { _, _ = run("gpgconf", "--kill", "all") }()
	if out, err := run("gpg", "--batch", "--quiet", "--import", filepath.Join(y.dir, "key", "demo-cert.asc")); err != nil {
		return fmt.Errorf("gpg does not import the key: %s", out)
	}
	out, err := run("git", "verify-tag", "--raw", y.version)
	if err != nil {
		return fmt.Errorf("git verify-tag: %s", strings.TrimSpace(out))
	}
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) > 11 && f[1] == "VALIDSIG" && f[11] == y.fingerprint {
			return nil
		}
	}
	return fmt.Errorf("there is no VALIDSIG with %s in: %s", y.fingerprint, out)
}

func (y *yard) tagOnBranch(ctx context.Context, clone string) error {
	tag, err := output(ctx, clone, "git", "rev-parse", y.version+"^{commit}")
	if err != nil {
		return err
	}
	head, err := output(ctx, clone, "git", "rev-parse", "origin/HEAD")
	if err == nil && tag != head {
		err = fmt.Errorf("the tag is of %s, the branch at %s", tag, head)
	}
	return err
}

// changelogWhole compares the changelog of the tag with git's own list of commits.
func (y *yard) changelogWhole(ctx context.Context, clone string) (int, error) {
	conf, err := loadConfig(y.config)
	if err != nil {
		return 0, err
	}
	file, _ := conf.Projects[y.project].Profile["changelog"].(string)
	text, err := output(ctx, clone, "git", "show", y.version+":"+file)
	if err != nil {
		return 0, err
	}
	entry, _, _ := strings.Cut(text, "\n -- ")
	since, err := output(ctx, clone, "git", "describe", "--tags", "--abbrev=0", y.version+"^^")
	span := y.version + "^"
	if err == nil {
		span = since + ".." + span
	}
	log, err := output(ctx, clone, "git", "log", "--no-merges", "--oneline", "--abbrev=9", span)
	if err != nil {
		return 0, err
	}
	flat := strings.Join(strings.Fields(entry), " ")
	n := 0
	for line := range strings.Lines(log) {
		n++
		if !strings.Contains(flat, strings.Join(strings.Fields(line), " ")) {
			return n, fmt.Errorf("%q is not in %s", strings.TrimSpace(line), file)
		}
	}
	if n == 0 {
		return 0, errors.New("git lists no commit at all")
	}
	return n, nil
}

// oneMail counts the messages in the mailbox.
func (y *yard) oneMail() (string, error) {
	subject, n := "", 0
	for _, sub := range []string{"new", "cur"} {
		entries, err := os.ReadDir(filepath.Join(y.mailbox, sub))
		if err != nil {
			return "", err
		}
		for _, e := range entries {
			data, err := os.ReadFile(filepath.Join(y.mailbox, sub, e.Name()))
			if err != nil {
				return "", err
			}
			n++
			for line := range strings.Lines(string(data)) {
				if rest, ok := strings.CutPrefix(line, "Subject: "); ok {
					subject = strings.TrimSpace(rest)
				}
			}
		}
	}
	if n != 1 {
		return subject, fmt.Errorf("there are %d messages in %s", n, y.mailbox)
	}
	return subject, nil
}

// oneBroadcast looks through the channel for the message that tells of the release.
func (y *yard) oneBroadcast() (string, error) {
	room, err := console.Open(filepath.Join(y.dir, "state", "console.db"), time.Now)
	if err != nil {
		return "", err
	}
	defer room.Close()
	messages, err := room.Messages(demoChannel, "", 10_000)
	if err != nil {
		return "", err
	}
	want := fmt.Sprintf("%s %s is released", y.project, y.version)
	n := 0
	for _, m := range messages {
		if m.Author == botAccount && m.Card != nil && card.Clean(m.Card.Title) == want {
			n++
		}
	}
	if n != 1 {
		return want, fmt.Errorf("it is there %d times", n)
	}
	return want, nil
}

func (y *yard) signerLog(ctx context.Context) error {
	_, err := output(ctx, y.dir, y.signer.Path, "log", "verify", filepath.Join(y.dir, "signer.log"))
	return err
}

func (y *yard) fsck(ctx context.Context) error {
	conf, err := loadConfig(y.config)
	if err != nil {
		return err
	}
	b, err := build(ctx, conf, quiet(), nil)
	if err != nil {
		return err
	}
	defer b.close()
	var findings []string
	err = b.engine.FsckFull(ctx, func(what string) { findings = append(findings, what) })
	if err == nil && len(findings) > 0 {
		err = errors.New(strings.Join(findings, "; "))
	}
	return err
}

// refsOf is a fingerprint of a repository and of what its remotes have; "" for no repository.
func refsOf(ctx context.Context, repo string) (string, error) {
	if repo == "" {
		return "", nil
	}
	refs, err := output(ctx, repo, "git", "for-each-ref")
	if err != nil {
		return "", err
	}
	remotes, err := output(ctx, repo, "git", "remote")
	if err != nil {
		return "", err
	}
	for name := range strings.Lines(remotes) {
		// A remote that cannot be reached now could not be pushed to either.
		there, _ := output(ctx, repo, "git", "ls-remote", strings.TrimSpace(name))
		refs += "\n" + there
	}
	return refs, nil
}

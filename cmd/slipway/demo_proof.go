package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/mail"
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
	alone        bool   // nobody did anything but release the one version
	// verify checks a tag of the clone; nil asks git and gpg.
	verify func(ctx context.Context, clone, tag string) error
	// archive looks at the archive, where there is one; nil asks gpgv and apt.
	archive func(ctx context.Context, y *yard, add func(what, how string, err error))
}

// proofs checks from outside what the runs that ended done say they did: the remote with git and
// gpg, the mailbox, the chat, the records on disk. The bot must not be running.
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
	h, err := y.history(ctx)
	if err == nil && c.alone {
		err = y.alone(h)
	}
	if err == nil && len(h.released)+len(h.withdrawn) == 0 {
		err = errors.New("nothing was done")
	}
	add("what was done is on record: "+h.text(), "slipway runs", err)
	for _, version := range h.released {
		of := ""
		if len(h.released) > 1 {
			of = " of " + version
		}
		add("the tag's signature"+of+" is by the pinned key "+y.fingerprint, "git verify-tag --raw "+version, verify(ctx, clone, version))
		if c.alone {
			add("the tag is of the branch's newest commit", "git rev-parse", y.tagOnBranch(ctx, clone, version))
		} else { // people may have pushed since
			_, err := output(ctx, clone, "git", "merge-base", "--is-ancestor", version+"^{commit}", "origin/HEAD")
			add("the tag "+version+" is of a commit on the branch", "git merge-base --is-ancestor", err)
		}
		n, err := y.changelogWhole(ctx, clone, version)
		add(fmt.Sprintf("every commit since the last release is in the changelog%s (%d)", of, n), "git log --no-merges --oneline", err)
	}
	y.told(h, c.alone, add)
	if look := c.archive; y.archive != nil {
		if look == nil {
			look = func(ctx context.Context, y *yard, add func(what, how string, err error)) {
				want, err := y.published(h)
				if err != nil {
					add("the archive has what was released last and not withdrawn", y.archive.root, err)
				}
				y.archive.proofs(ctx, y, want, add)
			}
		}
		look(ctx, y, add)
	}
	y.evidenceProof(ctx, h.released, add)
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
func (y *yard) verifyTag(ctx context.Context, clone, tag string) error {
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
	out, err := run("git", "verify-tag", "--raw", tag)
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

func (y *yard) tagOnBranch(ctx context.Context, clone, version string) error {
	tag, err := output(ctx, clone, "git", "rev-parse", version+"^{commit}")
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
func (y *yard) changelogWhole(ctx context.Context, clone, version string) (int, error) {
	conf, err := loadConfig(y.config)
	if err != nil {
		return 0, err
	}
	file, _ := conf.Projects[y.project].Profile["changelog"].(string)
	text, err := output(ctx, clone, "git", "show", version+":"+file)
	if err != nil {
		return 0, err
	}
	entry, _, _ := strings.Cut(text, "\n -- ")
	if head, _, _ := strings.Cut(entry, "\n"); !strings.Contains(head, "("+version) {
		return 0, fmt.Errorf("the newest entry of %s is %q", file, head)
	}
	// The commit of the tag is the bot's own. Where the one before it was released too, nothing
	// came between.
	span := version + "^"
	before, err := output(ctx, clone, "git", "tag", "--points-at", span)
	if err != nil {
		return 0, err
	}
	for _, tag := range strings.Fields(before) {
		if _, err := schemeOf(tag, false); err == nil {
			return 0, nil
		}
	}
	if since, err := output(ctx, clone, "git", "describe", "--tags", "--abbrev=0", version+"^^"); err == nil {
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

// subjects are those of all messages in the mailbox.
func (y *yard) subjects() ([]string, error) {
	var all []string
	for _, sub := range []string{"new", "cur"} {
		entries, err := os.ReadDir(filepath.Join(y.mailbox, sub))
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			data, err := os.ReadFile(filepath.Join(y.mailbox, sub, e.Name()))
			if err != nil {
				return nil, err
			}
			m, err := mail.ReadMessage(bytes.NewReader(data))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", e.Name(), err)
			}
			subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", e.Name(), err)
			}
			all = append(all, subject)
		}
	}
	return all, nil
}

// titles are those of the bot's messages in the channel.
func (y *yard) titles() ([]string, error) {
	room, err := console.Open(filepath.Join(y.dir, "state", "console.db"), time.Now)
	if err != nil {
		return nil, err
	}
	defer room.Close()
	messages, err := room.Messages(demoChannel, "", 10_000)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, m := range messages {
		if m.Author == botAccount && m.Card != nil {
			all = append(all, card.Clean(m.Card.Title))
		}
	}
	return all, nil
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

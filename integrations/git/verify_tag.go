package git

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// VerifyTag checks the signature of a tag with git and gpg, as anybody who gets the release would.
// Policy: read.
type VerifyTag struct {
	copies Copies
	gpg    string
}

// NewVerifyTag makes git.verify_tag@1. The program gpg is found in PATH when gpg is "".
func NewVerifyTag(c Copies, gpg string) VerifyTag { return VerifyTag{copies: c, gpg: gpg} }

// VerifyIn names a tag and the key that must have signed it.
type VerifyIn struct {
	Remote      string `cel:"remote" json:"remote" doc:"address of the repository"`
	Tag         string `cel:"tag" json:"tag"`
	Commit      string `cel:"commit,optional" json:"commit,omitempty" doc:"commit the tag must be of; empty means any"`
	Key         string `cel:"key" json:"key" doc:"armoured public key"`
	Fingerprint string `cel:"fingerprint" json:"fingerprint" doc:"fingerprint of the primary key, 40 hexadecimal digits"`
}

// VerifyOut is a good signature.
type VerifyOut struct {
	Fingerprint string `cel:"fingerprint" json:"fingerprint" doc:"of the primary key, upper case"`
	SigningKey  string `cel:"signing_key" json:"signing_key" doc:"fingerprint of the key or subkey that signed"`
	SignedAt    string `cel:"signed_at" json:"signed_at" kind:"time"`
	Commit      string `cel:"commit" json:"commit"`
	TagObject   string `cel:"tag_object" json:"tag_object"`
}

var fingerprintForm = regexp.MustCompile(`^(?:[0-9A-F]{40}|[0-9A-F]{64})$`)

// Contract of git.verify_tag@1.
func (VerifyTag) Contract() action.Contract {
	return action.Contract{ByHand: verifyByHand, Name: "git.verify_tag", Version: 1, Policy: action.Read, Timeout: 5 * time.Minute,
		Doc: "Checks the signature of a tag against a pinned key.", Shell: "git verify-tag --raw TAG"}
}

// Probe has nothing to look for: the check is done anew each time.
func (a VerifyTag) Probe(context.Context, action.Key, VerifyIn) (VerifyOut, bool, error) {
	return VerifyOut{}, false, nil
}

// Do fetches and checks. A tag that is not signed by the pinned key is an error of kind Failed; a
// machine without gpg one of kind Unavailable.
func (a VerifyTag) Do(ctx context.Context, _ action.Key, in VerifyIn) (out VerifyOut, err error) {
	if err := CheckTag(in.Tag); err != nil {
		return out, err
	}
	err = a.copies.With(ctx, in.Remote, func(c *Copy) error {
		if err := c.Fetch(ctx); err != nil {
			return err
		}
		out, _, err = c.verifyTag(ctx, a.program(), in)
		return err
	})
	if err != nil {
		return VerifyOut{}, err
	}
	return out, nil
}

// verifyTag checks a tag as it was fetched, and gives the tag too.
func (c *Copy) verifyTag(ctx context.Context, program string, in VerifyIn) (out VerifyOut, tag TagObject, err error) {
	pinned := strings.ToUpper(strings.ReplaceAll(in.Fingerprint, " ", ""))
	if !fingerprintForm.MatchString(pinned) {
		return out, tag, invalid("Give all 40 digits; a short key id can be forged", "%s is not the fingerprint of a key", quote(in.Fingerprint))
	}
	gpg, err := exec.LookPath(program)
	if err != nil {
		return out, tag, errs.E("git.verify_tag", errs.Unavailable, fmt.Errorf("the program gpg is not installed")).
			Hint("Install the package gnupg")
	}
	oid, err := c.line(ctx, "for-each-ref", "--format=%(objectname) %(objecttype)", tagsAt+in.Tag)
	oid, kind, _ := strings.Cut(oid, " ")
	switch {
	case err != nil:
		return out, tag, err
	case oid == "":
		return out, tag, errs.E("git.verify_tag", errs.NotFound, fmt.Errorf("%s has no tag %s", Redact(c.remote), quote(in.Tag))).Hint("Push the tag first")
	case kind != "tag":
		return out, tag, unsigned(in.Tag, "it is a lightweight tag")
	}
	content, err := c.exec(ctx, call{args: []string{"cat-file", "tag", oid}})
	if err != nil {
		return out, tag, err
	}
	tag, err = ParseTagObject(content)
	switch {
	case err != nil:
		return out, tag, err
	case tag.Tag != in.Tag:
		return out, tag, unsigned(in.Tag, "the signed name is "+quote(tag.Tag))
	case in.Commit != "" && tag.Object != in.Commit:
		return out, tag, unsigned(in.Tag, "the signed commit is "+tag.Object+", not "+in.Commit)
	case tag.Signature == "":
		return out, tag, unsigned(in.Tag, "it has no signature")
	}
	status, err := c.verify(ctx, gpg, oid, in.Key)
	if err != nil {
		return out, tag, err
	}
	out, err = judge(status, in.Tag, pinned)
	out.Commit, out.TagObject = tag.Object, oid
	return out, tag, err
}

func (a VerifyTag) program() string {
	if a.gpg != "" {
		return a.gpg
	}
	return "gpg"
}

func unsigned(tag, why string) error {
	return errs.E("git.verify_tag", errs.Failed, fmt.Errorf("the tag %s is not signed by the pinned key: %s", quote(tag), why)).
		Hint("Do not use this tag; find out who made it")
}

// verify runs git verify-tag with a key ring that holds the given key alone, and gives gpg's
// status lines.
func (c *Copy) verify(ctx context.Context, gpg, oid, key string) (string, error) {
	home, err := os.MkdirTemp("", "gpg-") // short: gpg's sockets have room for about 100 characters
	if err != nil {
		return "", errs.E("git.verify_tag", errs.Full, fmt.Errorf("no temporary folder can be made: %w", err)).Hint("Make room on the disk")
	}
	defer os.RemoveAll(home)
	file := filepath.Join(home, "key.asc")
	if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
		return "", errs.E("git.verify_tag", errs.Full, fmt.Errorf("the public key cannot be written: %w", err)).Hint("Make room on the disk")
	}
	load := exec.CommandContext(ctx, gpg, "--batch", "--no-tty", "--no-autostart", "--homedir", home, "--import", "--", file)
	load.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "HOME=" + home}
	if err := load.Run(); err != nil {
		return "", invalid("Give the armoured public key of the release", "gpg cannot read the public key")
	}
	// --raw writes the status lines to the error output, which exec gives only in errors: so the
	// exit status is joined to them here.
	k := call{args: []string{"verify-tag", "--raw", oid}, env: []string{"GNUPGHOME=" + home},
		config: []string{"gpg.program", gpg, "gpg.format", "openpgp", "gpg.minTrustLevel", "undefined"}}
	ctx, cancel := context.WithTimeout(ctx, c.repos.opts.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.repos.opts.Git, append([]string{"--git-dir=" + c.dir}, k.args...)...)
	cmd.Dir, cmd.Env = c.repos.root, c.repos.environment(k, c.remote)
	status := &capped{max: 64 << 10, keep: true}
	cmd.Stderr = status
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", errs.E("git.verify_tag", errs.Unavailable, fmt.Errorf("gpg did not answer in time")).Hint("Retry")
		}
		return "[GNUPG:] FAILED\n" + status.String(), nil
	}
	return status.String(), nil
}

// judge decides from gpg's status lines (doc/DETAILS of GnuPG). VALIDSIG counts and not the text
// of GOODSIG, which whoever made the key can choose.
func judge(status, tag, pinned string) (VerifyOut, error) {
	var valid [][]string
	good := 0
	for line := range strings.Lines(status) {
		rest, ok := strings.CutPrefix(line, "[GNUPG:] ")
		if !ok {
			continue
		}
		f := strings.Fields(rest)
		if len(f) == 0 {
			continue
		}
		switch f[0] {
		case "VALIDSIG":
			valid = append(valid, f)
		case "GOODSIG":
			good++
		case "BADSIG":
			return VerifyOut{}, unsigned(tag, "the signature does not fit the tag")
		case "ERRSIG", "NO_PUBKEY":
			return VerifyOut{}, unsigned(tag, "it is signed by another key, "+f[1])
		case "EXPSIG":
			return VerifyOut{}, unsigned(tag, "the signature has expired")
		case "EXPKEYSIG":
			return VerifyOut{}, unsigned(tag, "the key has expired")
		case "REVKEYSIG":
			return VerifyOut{}, unsigned(tag, "the key is revoked")
		}
	}
	if strings.HasPrefix(status, "[GNUPG:] FAILED") || good != 1 || len(valid) != 1 || len(valid[0]) < 11 {
		return VerifyOut{}, unsigned(tag, "gpg does not find one good signature")
	}
	v := valid[0]
	if !strings.EqualFold(v[10], pinned) {
		return VerifyOut{}, unsigned(tag, "it is signed by "+v[10])
	}
	switch v[8] { // RFC 4880 9.4
	case "1", "2", "3":
		return VerifyOut{}, unsigned(tag, "the signature uses a broken hash, MD5, SHA-1 or RIPEMD")
	}
	at, err := strconv.ParseInt(v[3], 10, 64)
	if err != nil {
		return VerifyOut{}, unsigned(tag, "gpg gives no time of the signature")
	}
	return VerifyOut{Fingerprint: pinned, SigningKey: v[1], SignedAt: time.Unix(at, 0).UTC().Format(time.RFC3339)}, nil
}

package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"slipway/bot/errs"
)

// call is one run of git.
type call struct {
	args    []string
	stdin   string
	env     []string // besides the fixed environment
	config  []string // pairs of key and value, besides the fixed ones
	remote  bool     // uses the remote, so its address is configured
	outside bool     // does not run in the working copy
	dir     string   // runs here; "" = in the working copy
}

// maxOutput bounds what one git command may print: the log of a very large history is 30 MB.
const maxOutput = 64 << 20

// settings are the configuration of every call. The environment carries it, so that it stands
// above what a repository says and an address with a password is in no list of processes.
func settings() []string {
	return []string{
		"core.hooksPath", "/dev/null",
		"core.fsmonitor", "false",
		"core.protectHFS", "true",
		"core.protectNTFS", "true",
		"protocol.allow", "never", // no ext::, which runs a program
		"protocol.ext.allow", "never",
		"protocol.file.allow", "always",
		"protocol.https.allow", "always",
		"protocol.http.allow", "always",
		"protocol.ssh.allow", "always",
		"protocol.git.allow", "always",
		"credential.helper", "",
		"commit.gpgSign", "false",
		"tag.gpgSign", "false",
		"push.gpgSign", "false",
		"log.showSignature", "false",
		"log.mailmap", "false", // a .mailmap could move authorship to somebody else
		"i18n.logOutputEncoding", "UTF-8",
		"gc.auto", "0",
		"maintenance.auto", "false",
		"submodule.recurse", "false",
		"advice.detachedHead", "false",
		"http.followRedirects", "initial",
	}
}

// environment is all that git sees of ours: no user or system configuration, no prompts, no
// pager, messages in English so that they can be told apart.
func (r *Repositories) environment(c call, remote string) []string {
	ssh := r.opts.SSHCommand
	if ssh == "" {
		ssh = "ssh -o BatchMode=yes"
	}
	askpass := r.opts.AskPass
	if askpass == "" {
		askpass = "/bin/false"
	}
	env := []string{
		"HOME=" + filepath.Join(r.root, "home"),
		"PATH=" + os.Getenv("PATH"),
		"LC_ALL=C.UTF-8",
		"TZ=UTC",
		"GIT_TERMINAL_PROMPT=0",
		"GIT_ASKPASS=" + askpass,
		"SSH_ASKPASS=/bin/false",
		"GIT_SSH_COMMAND=" + ssh,
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_ATTR_NOSYSTEM=1",
		"GIT_LITERAL_PATHSPECS=1",
		"GIT_NO_REPLACE_OBJECTS=1", // a replacement could show one commit and ship another
		"GIT_OPTIONAL_LOCKS=0",
		"GIT_PAGER=cat",
		"GIT_EDITOR=/bin/false",
	}
	for _, name := range []string{"SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "http_proxy", "https_proxy", "no_proxy", "HTTPS_PROXY", "NO_PROXY", "TMPDIR"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	config := slices.Concat(settings(), c.config)
	if c.remote {
		asked, secret := r.credentials(remote)
		config = append(config, "remote."+remoteName+".url", remote)
		config, env = append(config, asked...), append(env, secret...)
	}
	for i := 0; i < len(config); i += 2 {
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i/2, config[i]), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i/2, config[i+1]))
	}
	return append(append(env, "GIT_CONFIG_COUNT="+strconv.Itoa(len(config)/2)), c.env...)
}

// exec runs git and returns what it printed. Errors carry a kind made of git's own message.
func (c *Copy) exec(ctx context.Context, k call) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.repos.opts.Timeout)
	defer cancel()
	args := k.args
	if !k.outside && k.dir == "" {
		args = append([]string{"--git-dir=" + c.dir}, args...)
	}
	cmd := exec.CommandContext(ctx, c.repos.opts.Git, args...)
	cmd.Dir = c.repos.root
	if k.dir != "" {
		cmd.Dir = k.dir
	}
	cmd.Env = c.repos.environment(k, c.remote)
	cmd.Stdin = strings.NewReader(k.stdin)
	// git starts helpers (ssh, remote-https): all of them end together.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	out, errOut := &capped{max: maxOutput}, &capped{max: 64 << 10, keep: true}
	cmd.Stdout, cmd.Stderr = out, errOut
	err := cmd.Run()
	switch {
	case out.over:
		return "", errs.E("git."+k.args[0], errs.Invalid, fmt.Errorf("git %s gives more than %d MB", k.args[0], maxOutput>>20)).
			Hint("Name a later point to begin from")
	case err == nil:
		return out.String(), nil
	case ctx.Err() != nil:
		return "", errs.E("git."+k.args[0], errs.Unavailable, fmt.Errorf("%s did not answer in time", Redact(c.remote))).
			Hint("Check that the remote can be reached, then retry")
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return "", errs.E("git."+k.args[0], errs.Unavailable, fmt.Errorf("git cannot be run: %w", err))
	}
	return out.String(), c.classify(k.args[0], c.repos.hidden(errOut.String()))
}

// line runs git and returns its output without the newline.
func (c *Copy) line(ctx context.Context, args ...string) (string, error) {
	out, err := c.exec(ctx, call{args: args})
	return strings.TrimRight(out, "\n"), err
}

// classify turns git's complaint into an error with a kind. git has no error codes, so its
// messages are matched; they are English because of LC_ALL.
func (c *Copy) classify(verb, message string) error {
	message = strings.TrimSpace(RedactText(message, c.remote))
	low := strings.ToLower(message)
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(low, p) })
	}
	fail := func(kind errs.Kind, hint string) error {
		return errs.E("git."+verb, kind, fmt.Errorf("git %s: %s", verb, summary(message))).Hint("%s", hint)
	}
	switch {
	case has("no space left on device", "disk quota exceeded"):
		return fail(errs.Full, "Make room on the disk")
	case has("does not support --atomic", "atomic push is not supported"):
		return fail(errs.Invalid, "The remote must accept atomic pushes (receive.advertiseAtomic); push by hand or use another remote")
	case has("stale info", "fetch first", "non-fast-forward", "cannot lock ref", "incorrect old value", "atomic push failed", "reference already exists"):
		return fail(errs.Conflict, "Somebody else pushed meanwhile; read the remote again")
	case has("dubious ownership"):
		return fail(errs.Denied, "The repository belongs to another user; run as its owner or give the bot a copy of its own")
	case has("authentication failed", "permission denied", "could not read username", "could not read password", "returned error: 401",
		"returned error: 403", "access denied", "host key verification failed", "hook declined", "protected branch", "not allowed to push", "unauthorized"):
		return fail(errs.Denied, "Check the credentials and the rights of the bot at "+Redact(c.remote))
	case has("transport '", "unable to find remote helper"):
		return fail(errs.Invalid, "Use a https or ssh address, or an absolute path")
	case has("does not appear to be a git repository", "repository not found", "returned error: 404", "' not found", "' does not exist", "no such file or directory"):
		return fail(errs.NotFound, "Check the address "+Redact(c.remote)+" in the project's profile")
	case has("could not resolve", "couldn't resolve", "connection refused", "connection timed out", "timed out", "unable to access", "could not read from remote repository",
		"early eof", "hung up", "failed to connect", "couldn't connect", "connection reset", "network is unreachable", "returned error: 5", "unable to connect", "broken pipe"):
		return fail(errs.Unavailable, "Check that "+Redact(c.remote)+" can be reached, then retry")
	}
	return fail(errs.Failed, "Run the same git command by hand to see more")
}

// summary is the part of git's message that says what is wrong, on one line.
func summary(message string) string {
	var lines []string
	for line := range strings.SplitSeq(message, "\n") {
		line = strings.TrimSpace(strings.Map(printable, line))
		if line == "" || strings.HasPrefix(line, "hint:") || strings.HasPrefix(line, "To ") || strings.HasPrefix(line, "Cloning into") {
			continue
		}
		for _, p := range []string{"fatal: ", "error: "} {
			line = strings.TrimPrefix(line, p)
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return "it failed without a message"
	}
	r := []rune(strings.Join(lines[:min(len(lines), 4)], "; "))
	if len(r) > 400 {
		return string(r[:400]) + "…"
	}
	return string(r)
}

func printable(r rune) rune {
	if r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 {
		return ' '
	}
	return r
}

// capped collects output up to a bound. With keep it forgets the rest, else it stops the writer.
type capped struct {
	bytes.Buffer
	max  int
	keep bool
	over bool
}

func (b *capped) Write(p []byte) (int, error) {
	if room := b.max - b.Len(); len(p) > room {
		if !b.keep {
			b.over = true
			return 0, io.ErrShortWrite
		}
		b.Buffer.Write(p[:room])
		return len(p), nil
	}
	return b.Buffer.Write(p)
}

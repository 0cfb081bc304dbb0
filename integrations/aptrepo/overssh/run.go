package overssh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"slipway/bot/errs"
)

// failed is the status with which a script of ours ends after it has said why; lost is that of ssh
// when there is no connection.
const (
	failed = 9
	lost   = 255
)

// bounds of what is read from the other host, in bytes.
const (
	maxSaid     = 64 << 20
	maxComplain = 64 << 10
)

// bounded keeps the first bytes that are written to it.
type bounded struct {
	bytes.Buffer
	most int
}

func (b *bounded) Write(p []byte) (int, error) {
	b.Buffer.Write(p[:min(len(p), max(0, b.most-b.Len()))])
	return len(p), nil
}

// run has the other host run a script, and gives the lines that it said for us, as words.
func (p *Place) run(ctx context.Context, what, script string, in io.Reader, args ...string) ([][]string, error) {
	const op = "archive.ssh"
	p.step("ssh." + what)
	line := []string{"-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20", "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4",
		"-o", "StrictHostKeyChecking=yes", "-o", "ForwardAgent=no", "-o", "ForwardX11=no", "-o", "ClearAllForwardings=yes",
		"-o", "PermitLocalCommand=no", "-o", "EscapeChar=none", "-o", "LogLevel=ERROR"}
	if p.opts.Config != "" {
		line = append(line, "-F", p.opts.Config)
	}
	if p.opts.KnownHosts != "" {
		line = append(line, "-o", "UserKnownHostsFile="+p.opts.KnownHosts, "-o", "GlobalKnownHostsFile=/dev/null")
	}
	line = append(line, "--", p.host.Destination, command(script, slices.Concat([]string{p.host.Path, p.host.Owner}, args)))
	cmd := exec.CommandContext(ctx, p.opts.Program, line...)
	cmd.Env = []string{"LC_ALL=C"}
	for _, name := range []string{"PATH", "HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK"} {
		if v, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	said, complained := bounded{most: maxSaid}, bounded{most: maxComplain}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &said, &complained
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	p.step("ssh." + what + ".done")

	var lines [][]string
	ended := false
	for l := range strings.Lines(said.String()) {
		if f := strings.SplitN(strings.TrimSuffix(l, "\n"), " ", 4); f[0] == "slipway" && len(f) > 1 {
			lines = append(lines, f[1:])
			ended = f[1] == "done"
		}
	}
	if err == nil && ended {
		return lines, nil
	}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, errs.E(op, errs.Unavailable, fmt.Errorf("%s did not end in time", p.host.Destination)).Hint("try again; what was begun there is finished then")
	case errors.Is(err, exec.ErrNotFound):
		return nil, errs.E(op, errs.Unavailable, fmt.Errorf("%s is not on this machine", p.opts.Program)).Hint("install it: apt-get install openssh-client")
	case err != nil && !errors.As(err, &exit):
		return nil, errs.E(op, errs.Unavailable, fmt.Errorf("%s could not be run: %w", p.opts.Program, err)).Hint("try again; what was begun there is finished then")
	}
	return nil, p.explain(exit, lines, complained.String())
}

// explain says why a script did not end well.
func (p *Place) explain(exit *exec.ExitError, lines [][]string, complained string) error {
	host := p.host.Destination
	say := func(kind errs.Kind, hint, format string, args ...any) error {
		return errs.E("archive.ssh", kind, fmt.Errorf("%s: "+format, append([]any{host}, args...)...)).Hint("%s", hint)
	}
	last := ""
	for l := range strings.Lines(complained) {
		if l = strings.TrimSpace(printable(l)); l != "" {
			last = l
		}
	}
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(complained, w) })
	}
	why, words := "", last
	if n := len(lines); exit != nil && exit.ExitCode() == failed && n > 0 && lines[n-1][0] == "fail" {
		l := append(slices.Clone(lines[n-1]), "", "")
		why, words = l[1], printable(strings.TrimSpace(l[2]+" "+strings.Join(l[3:], " ")))
	}
	switch {
	case exit != nil && exit.ExitCode() == lost && has("Host key verification failed", "HOST IDENTIFICATION HAS CHANGED"):
		return say(errs.Denied, "compare the key with the one of the host, and put it into known_hosts", "its host key is not the known one")
	case exit != nil && exit.ExitCode() == lost && has("Permission denied"):
		return say(errs.Denied, "put the public key of this user into authorized_keys there", "it does not let us log in: %s", last)
	case why == "" && (exit == nil || exit.ExitCode() == lost || exit.ExitCode() < 0):
		if words == "" {
			words = "the connection broke"
		}
		return say(errs.Unavailable, "try again; what was begun there is finished then", "%s", words)
	case has("No space left on device", "Disk quota exceeded"):
		return say(errs.Full, "make room there, and try again; what clients read did not change", "the disk is full: %s", last)
	case why == "owner":
		return say(errs.Denied, "log in as the user of over: owner, or write the one who logs in there", "%s", words)
	case why == "mode":
		return say(errs.Denied, "look for a default ACL (getfacl) or a mask in the folder of the archive there", "%s", words)
	case why == "open":
		return say(errs.Denied, "chmod o-w "+p.host.Path+" there; whoever can write there can turn clients to anything", "%s", words)
	case why == "denied", has("Permission denied", "Operation not permitted", "Read-only file system"):
		if last != "" && why != "denied" {
			words = last
		}
		return say(errs.Denied, "give "+p.host.Path+" there to the user who logs in: chown -R", "%s", words)
	case why == "notfound":
		return say(errs.NotFound, "make it there, or mend over: of the archive", "%s", words)
	case why == "conflict":
		return say(errs.Conflict, "find out who else publishes there; then stage the change again", "%s", words)
	case why == "exists":
		return say(errs.Exists, "compare it with the one of the master copy; remove it there when it is damaged", "%s", words)
	case why == "cut":
		return say(errs.Unavailable, "try again", "%s", words)
	case why == "corrupt":
		return say(errs.Unavailable, "try again; if it stays so, look at the disk there", "it has other bytes than were sent: %s", words)
	}
	if last != "" && why != "" {
		words += " (" + last + ")"
	}
	return say(errs.Failed, "what clients read is whole; mend the cause, and try again", "%s", words)
}

// printable is a line of the other host as it can be shown.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return ' '
		}
		return r
	}, s)
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "") + "…"
	}
	return s
}

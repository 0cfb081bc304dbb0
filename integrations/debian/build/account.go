package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"slipway/bot/errs"
)

// Accounts that build for root, the first that exists.
const (
	buildAccount = "slipway-build"
	lastResort   = "nobody"
)

// plainPath is the PATH of builds, as debuild sets it: nothing of an operator gets in.
const plainPath = "/usr/sbin:/usr/bin:/sbin:/bin"

func (h Host) complete() Host {
	if h.Path == "" {
		h.Path = plainPath
	}
	if h.Temp == "" {
		h.Temp = os.TempDir()
	}
	if h.Log == nil {
		h.Log = io.Discard
	}
	if h.Free == nil {
		h.Free = func(dir string) (int64, error) {
			var s unix.Statfs_t
			err := unix.Statfs(dir, &s)
			return int64(s.Bavail) * s.Bsize, err
		}
	}
	return h
}

// account runs programs.
type account struct {
	name     string
	uid, gid uint32
	become   bool // this process is another one
}

func accountOf(u *user.User) (account, error) {
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if errors.Join(err, err2) != nil {
		return account{}, fail(errs.Unavailable, "Name another account", "the account %s has no number", u.Username)
	}
	return account{name: u.Username, uid: uint32(uid), gid: uint32(gid), become: os.Geteuid() == 0 && uid != 0}, nil
}

// account decides who builds.
func (j *job) account() error {
	info, err := os.Stat(j.q.Source)
	if err != nil {
		return disk("the checkout cannot be read", err)
	}
	self := uint32(os.Geteuid())
	owner := info.Sys().(*syscall.Stat_t)
	j.owner = account{uid: owner.Uid, gid: owner.Gid, become: self == 0 && owner.Uid != 0}
	if self != 0 {
		return j.stay(self)
	}
	name := j.q.User
	var found *user.User
	switch {
	case name != "":
		if found, err = user.Lookup(name); err != nil {
			return fail(errs.Invalid, "Make it with: adduser --system --group "+name, "there is no account %q", name)
		}
	case owner.Uid != 0:
		if found, err = user.LookupId(strconv.Itoa(int(owner.Uid))); err != nil { // an owner without a name
			j.who = account{name: strconv.Itoa(int(owner.Uid)), uid: owner.Uid, gid: owner.Gid, become: true}
		}
	default:
		if found, err = user.Lookup(buildAccount); err != nil {
			if found, err = user.Lookup(lastResort); err != nil {
				return fail(errs.Unavailable, "Make one with: adduser --system --group "+buildAccount, "this machine has no account that could build")
			}
		}
	}
	if found != nil {
		if j.who, err = accountOf(found); err != nil {
			return err
		}
	}
	if j.who.uid == 0 || j.who.gid == 0 {
		return fail(errs.Denied, "Name an ordinary account with --user", "%s has the rights of root, and packages are never built with them", j.who.name)
	}
	return nil
}

// stay is the account of a process that is not root.
func (j *job) stay(self uint32) error {
	j.who = account{name: strconv.Itoa(int(self)), uid: self, gid: uint32(os.Getegid())}
	if u, err := user.Current(); err == nil {
		j.who.name = u.Username
	}
	if j.q.User != "" && j.q.User != j.who.name && j.q.User != strconv.Itoa(int(self)) {
		return fail(errs.Denied, "Leave --user out, or run it as root", "only root can build as %s; this is %s", j.q.User, j.who.name)
	}
	return nil
}

// find gives the path of a program; "" when it is not installed.
func (h Host) find(name string) string {
	for _, dir := range filepath.SplitList(h.Path) {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}

// command is one program to be run by an account.
type command struct {
	who    account
	dir    string
	path   string
	args   []string
	env    []string
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}

// run runs it to its end. The program stays in the process group of this one, so that whoever
// stops that group stops the build with all it started.
func (c command) run(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, c.path, c.args...)
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = c.dir, c.env, c.stdin, c.stdout, c.stderr
	if c.env == nil {
		cmd.Env = []string{} // nil would be all of ours
	}
	if c.who.become {
		// Without further groups: those of root, or docker, are as good as its rights.
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: c.who.uid, Gid: c.who.gid}}
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	return cmd.Run()
}

func full(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// lastWords is the last line that a program wrote, for an error.
func lastWords(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	line := strings.TrimSpace(lines[len(lines)-1])
	if line == "" {
		return "it said nothing"
	}
	if len(line) > 300 {
		line = strings.ToValidUTF8(line[:300], "") + "…"
	}
	return line
}

// lines keeps the beginning of what a program writes.
type lines struct {
	strings.Builder
	max int
}

func (l *lines) Write(p []byte) (int, error) {
	if room := l.max - l.Len(); room > 0 {
		l.Builder.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func endedWith(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if s, ok := exit.Sys().(syscall.WaitStatus); ok && s.Signaled() {
			return fmt.Sprintf("was killed by the signal %d", s.Signal())
		}
		return fmt.Sprintf("ended with the status %d", exit.ExitCode())
	}
	return err.Error()
}

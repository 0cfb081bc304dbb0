// Package localci is the provider "local" of continuous integration: it runs one command on one
// commit, on this machine.
//
// Every start has a folder of its own under the state folder: the request, a fresh checkout, the
// log, the verdict, and a folder for what the command makes (CI_ARTIFACTS in its environment). The command runs under a small watcher process that outlives the bot and
// writes the verdict, so that a restart of the bot loses nothing. The watcher holds a lock on a
// file in the folder for as long as it lives; the kernel lets go of it even when the machine is
// switched off, so a run that was interrupted is never taken for one that still works.
//
// The command is a list of arguments and is never read by a shell. It runs with this process's
// rights and with an environment that holds nothing of ours; a bot that builds what strangers
// wrote should use workers instead.
package localci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"slipway/bot/errs"
)

// Checkouts puts the files of a commit into a new folder. It returns errors of kind NotFound for
// a commit that is not at the remote and Unavailable when the remote cannot be reached; dir is
// then not left behind.
type Checkouts interface {
	Checkout(ctx context.Context, remote, commit, dir string) error
}

// Options are what an operator may set.
type Options struct {
	Limit   time.Duration    // a run that takes longer is stopped; 0 = 2 hours
	MaxLog  int64            // bytes; a run that writes more is stopped; 0 = 100 MB
	Restart int              // how often an interrupted run is begun again; 0 = 3 times
	URL     string           // address under which the state folder is served, without a final slash; "" = file://
	Env     []string         // added to the environment of the command, NAME=value
	Now     func() time.Time // the clock; nil = time.Now

	// Ended is told that a run has ended, from a goroutine of its own; nil = nobody is told. It is
	// only a hint: a crash may swallow it, and [Runner.Resume] gives those of a day again.
	Ended func(run string)
}

// Runner starts pipelines and knows how they went. Its methods may be called from several
// goroutines. Two processes must not share a folder.
type Runner struct {
	root      string
	checkouts Checkouts
	opts      Options

	mu   sync.Mutex // one start or stop at a time
	look sync.Mutex // one look at a lock file at a time, so that two do not meet
}

// Open prepares the state folder root.
func Open(root string, c Checkouts, opts Options) (*Runner, error) {
	opts.Limit = positive(opts.Limit, 2*time.Hour)
	opts.MaxLog = positive(opts.MaxLog, 100<<20)
	opts.Restart = positive(opts.Restart, 3)
	if opts.Now == nil {
		opts.Now = time.Now
	}
	root, err := filepath.Abs(root)
	if err == nil {
		err = os.MkdirAll(filepath.Join(root, "runs"), 0o700)
	}
	if err == nil {
		err = os.MkdirAll(filepath.Join(root, "latest"), 0o700)
	}
	if err != nil {
		return nil, broken("the folder %s cannot be made: %w", root, err)
	}
	return &Runner{root: root, checkouts: c, opts: opts}, nil
}

func positive[T int | int64 | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}

func broken(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	kind := errs.Unavailable
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		kind = errs.Full
	}
	return errs.E("ci.local", kind, err).Hint("Check the state folder of the local CI and the room on its disk")
}

// request is what a run was asked to do, kept in its folder.
type request struct {
	Remote  string   `json:"remote"`
	Ref     string   `json:"ref"`
	Commit  string   `json:"commit"`
	Command []string `json:"command"`
	Attempt int      `json:"attempt"`
}

var (
	commitForm = regexp.MustCompile(`^(?:[0-9a-f]{40}|[0-9a-f]{64})$`)
	runForm    = regexp.MustCompile(`^[0-9a-f]{32}$`)
)

func (q request) check() error {
	bad := func(hint, format string, args ...any) error {
		return errs.E("ci.start", errs.Invalid, fmt.Errorf(format, args...)).Hint("%s", hint)
	}
	switch {
	case !commitForm.MatchString(q.Commit):
		return bad("Give all 40 digits of the commit", "%q is not the id of a commit", q.Commit)
	case len(q.Command) == 0 || q.Command[0] == "":
		return bad(`Set the command in the project's profile, for example ["make", "check"]`, "there is no command to run")
	case strings.HasPrefix(q.Command[0], "-"):
		return bad("Begin with the name of a program", "%q is not the name of a program", q.Command[0])
	case slices.ContainsFunc(append(q.Command, q.Ref), func(s string) bool { return strings.ContainsRune(s, 0) }):
		return bad("Write plain text", "the command or the ref has a zero byte in it")
	}
	return nil
}

// watcher runs the command that follows its name and writes how it ended. The script is fixed: the
// command reaches it as arguments, which a shell does not read. File 3 is the lock, which the
// command does not get, so that something it leaves behind cannot hold it.
const watcher = `cat "/proc/$$/stat" >../pid.new && mv -f ../pid.new ../pid || exit 1
"$@" </dev/null 3>&-
s=$?
echo "$s" >../verdict.new && mv -f ../verdict.new ../verdict`

func (r *Runner) dir(run string) string { return filepath.Join(r.root, "runs", run) }

// Start begins the run once: a run that has begun already is left alone, one that was
// interrupted is begun again.
func (r *Runner) Start(ctx context.Context, run string, q request) error {
	if err := q.check(); err != nil {
		return err
	}
	if _, err := program(q.Command[0]); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	dir := r.dir(run)
	if _, err := os.Stat(filepath.Join(dir, "request")); err != nil {
		data, err := json.Marshal(q)
		if err != nil {
			return broken("the request cannot be written: %w", err)
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return broken("the folder of the run cannot be made: %w", err)
		}
		if err := replace(filepath.Join(dir, "request"), data); err != nil {
			return err
		}
		if err := replace(filepath.Join(r.root, "latest", nameOf(q.Remote, q.Ref, q.Commit)), []byte(run)); err != nil {
			return err
		}
	}
	return r.ensure(ctx, run, q)
}

// ensure begins a run that has no verdict and nobody working on it. It holds r.mu.
func (r *Runner) ensure(ctx context.Context, run string, q request) error {
	dir := r.dir(run)
	for _, end := range []string{"verdict", "stopped"} {
		if _, err := os.Stat(filepath.Join(dir, end)); err == nil {
			return nil
		}
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return broken("the lock of the run cannot be opened: %w", err)
	}
	defer lock.Close() // the watcher has its own share of the lock by then
	r.look.Lock()
	err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	r.look.Unlock()
	if err != nil {
		return nil // somebody works on it
	}
	begun := false
	defer func() {
		if !begun {
			_ = syscall.Flock(int(lock.Fd()), syscall.LOCK_UN)
		}
	}()
	// Between the first look and the lock it may have ended.
	if _, err := os.Stat(filepath.Join(dir, "verdict")); err == nil {
		return nil
	}
	tries := r.number(run, "tries")
	if tries > r.opts.Restart {
		return replace(filepath.Join(dir, "stopped"), []byte("failed it was interrupted again and again"))
	}
	if err := replace(filepath.Join(dir, "tries"), []byte(strconv.Itoa(tries+1))); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(dir, "src")); err != nil {
		return broken("the last checkout cannot be removed: %w", err)
	}
	_ = os.Remove(filepath.Join(dir, "pid"))
	if err := r.checkouts.Checkout(ctx, q.Remote, q.Commit, filepath.Join(dir, "src")); err != nil {
		// It did not begin: that is no interruption.
		_ = replace(filepath.Join(dir, "tries"), []byte(strconv.Itoa(tries)))
		return err
	}
	err = r.launch(dir, q, lock, tries)
	begun = err == nil
	return err
}

// launch starts the watcher with its share of the lock.
func (r *Runner) launch(dir string, q request, lock *os.File, tries int) error {
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return broken("the log cannot be opened: %w", err)
	}
	defer log.Close()
	if tries > 0 {
		fmt.Fprintf(log, "\n--- interrupted; begun again ---\n")
	}
	home := filepath.Join(dir, "home")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return broken("the home folder of the run cannot be made: %w", err)
	}
	artifacts := filepath.Join(dir, "artifacts")
	err = os.RemoveAll(artifacts) // of a try that was interrupted
	if err == nil {
		err = os.MkdirAll(artifacts, 0o700)
	}
	if err != nil {
		return broken("the folder of the artifacts cannot be made: %w", err)
	}
	program, err := program(q.Command[0])
	if err != nil {
		return err
	}
	cmd := exec.Command("/bin/sh", append([]string{"-c", watcher, "watcher", program}, q.Command[1:]...)...)
	cmd.Dir = filepath.Join(dir, "src")
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "LANG=C.UTF-8", "CI=true", "GIT_TERMINAL_PROMPT=0",
		"CI_COMMIT_SHA=" + q.Commit, "CI_COMMIT_REF_NAME=" + q.Ref, "CI_ARTIFACTS=" + artifacts}, r.opts.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{lock}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return broken("the command cannot be started: %w", err)
	}
	run := filepath.Base(dir)
	go func() {
		_ = cmd.Wait() // only so that no dead process is left; the verdict is in the file
		r.tell(run)
	}()
	return nil
}

// program is the path of a program. It always has a slash in it, so that the watcher's shell never
// takes it for a word of its own, such as eval.
func program(name string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", errs.E("ci.start", errs.Invalid, fmt.Errorf("the program %q is not installed", name)).
			Hint("Install it, or give the path of a program in the repository, such as ./ci.sh")
	}
	return path, nil
}

// Stop ends a run and everything it started; why is "canceled" or "failed" and may go on with a
// reason. A run that has ended keeps its verdict.
func (r *Runner) Stop(run, why string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	dir := r.dir(run)
	if _, err := os.Stat(filepath.Join(dir, "verdict")); err == nil {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, "stopped")); err != nil {
		if err := replace(filepath.Join(dir, "stopped"), []byte(why)); err != nil {
			return err
		}
	}
	if pid := r.alive(run); pid > 0 {
		if err := syscall.Kill(-pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return broken("the run cannot be stopped: %w", err)
		}
	}
	return nil
}

func (r *Runner) request(run string) (q request, err error) {
	data, err := os.ReadFile(filepath.Join(r.dir(run), "request"))
	if err == nil {
		err = json.Unmarshal(data, &q)
	}
	return q, err
}

// number reads a small number kept in a file of a run; 0 when there is none.
func (r *Runner) number(run, name string) int {
	data, _ := os.ReadFile(filepath.Join(r.dir(run), name))
	n, _ := strconv.Atoi(strings.TrimSpace(string(data)))
	return n
}

// replace writes a file so that it is there whole or not at all.
func replace(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return broken("%s cannot be written: %w", filepath.Base(path), err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return broken("%s cannot be written: %w", filepath.Base(path), err)
	}
	return nil
}

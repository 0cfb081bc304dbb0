package localci

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// world is a generated repository and a runner over it.
type world struct {
	t      *testing.T
	repo   string
	commit string
	state  string
	runner *Runner
	opts   Options
	shift  time.Duration // of the runner's clock
}

// clones checks out with git. It fails as often as broken says.
type clones struct{ broken *int }

func (c clones) Checkout(ctx context.Context, remote, commit, dir string) error {
	if *c.broken > 0 {
		*c.broken--
		return errs.E("checkout", errs.Unavailable, fmt.Errorf("the remote is away"))
	}
	if out, err := exec.CommandContext(ctx, "git", "clone", "--quiet", "--no-checkout", "--", remote, dir).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if out, err := exec.CommandContext(ctx, "git", "-C", dir, "checkout", "--quiet", "--detach", commit).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

func newWorld(t *testing.T, broken int, opts Options) *world {
	t.Helper()
	w := &world{t: t, repo: filepath.Join(t.TempDir(), "repo"), state: filepath.Join(t.TempDir(), "state"), opts: opts}
	w.git("init", "--quiet", "--initial-branch=main", w.repo)
	// The script waits for a line on the pipe "go" when it is told to; no test waits for the clock.
	script := "#!/bin/sh\necho \"$CI_COMMIT_REF_NAME $1\"\ncase $1 in\nwait) echo $$ >\"$3\"; read line <\"$2\"; exit \"$line\";;\nfail) exit 3;;\nloud) head -c 100000 /dev/zero | tr '\\0' 'x';;\nenv) env;;\nesac\n"
	if err := os.WriteFile(filepath.Join(w.repo, "ci.sh"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	w.git("-C", w.repo, "add", "-A")
	w.git("-C", w.repo, "-c", "user.name=Ann", "-c", "user.email=ann@example.org", "commit", "--quiet", "-m", "Start")
	w.commit = w.git("-C", w.repo, "rev-parse", "HEAD")
	w.opts.Now = func() time.Time { return time.Now().Add(w.shift) }
	w.runner = w.open(broken)
	return w
}

// open makes a runner over the same folder, as a restarted bot does.
func (w *world) open(broken int) *Runner {
	w.t.Helper()
	r, err := Open(w.state, clones{&broken}, w.opts)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) git(args ...string) string {
	w.t.Helper()
	out, err := exec.Command("git", args...).CombinedOutput()
	if err != nil {
		w.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func key(attempt int) action.Key {
	return action.Key{Run: "run-1", Step: "ci", Inputs: fmt.Sprint(attempt)}
}

func (w *world) start(attempt int, command ...string) (StartOut, error) {
	w.t.Helper()
	return NewStart(w.runner).Do(w.t.Context(), key(attempt), StartIn{Remote: w.repo, Ref: "2019.01", Commit: w.commit, Command: command, Attempt: attempt})
}

func (w *world) read() PipelineOut {
	w.t.Helper()
	out, err := NewPipeline(w.runner).Do(w.t.Context(), key(0), PipelineIn{Remote: w.repo, Ref: "2019.01", Commit: w.commit})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// settle waits until nobody holds the lock of a run: the kernel wakes us, not a clock.
func (w *world) settle(run string) {
	w.t.Helper()
	f, err := os.Open(filepath.Join(w.state, "runs", run, "lock"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH); err != nil {
		w.t.Fatal(err)
	}
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
}

// waiting starts a run that waits for an answer. It returns when the command is at work, with its
// process id and a function that gives the answer, which is its exit status.
func (w *world) waiting(attempt int) (out StartOut, pid int, answer func(status string)) {
	w.t.Helper()
	dir := w.t.TempDir()
	pipe, up := filepath.Join(dir, "go"), filepath.Join(dir, "up")
	for _, p := range []string{pipe, up} {
		if err := syscall.Mkfifo(p, 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	out, err := w.start(attempt, "./ci.sh", "wait", pipe, up)
	if err != nil {
		w.t.Fatal(err)
	}
	return out, w.hears(up), func(status string) {
		if err := os.WriteFile(pipe, []byte(status+"\n"), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
}

// hears reads the process id that a waiting command writes to the pipe up.
func (w *world) hears(up string) int {
	w.t.Helper()
	data, err := os.ReadFile(up)
	if err != nil {
		w.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		w.t.Fatal(err)
	}
	return pid
}

func TestAPipelineSucceedsOrFails(t *testing.T) {
	w := newWorld(t, 0, Options{URL: "https://ci.example.org"})
	if got := w.read(); got.State != Pending || got.URL != "" {
		t.Errorf("before: %+v", got)
	}
	out, err := w.start(1, "./ci.sh", "a b; exit 9")
	if err != nil {
		t.Fatal(err)
	}
	w.settle(out.Pipeline)
	if got := w.read(); got.State != Success || got.Log != "2019.01 a b; exit 9" || got.URL != "https://ci.example.org/runs/"+out.Pipeline+"/log" || got.URL != out.URL {
		t.Errorf("got %+v", got)
	}
	again, err := w.start(2, "./ci.sh", "fail")
	if err != nil || again.Pipeline == out.Pipeline {
		t.Fatalf("%+v, %v", again, err)
	}
	w.settle(again.Pipeline)
	if got := w.read(); got.State != Failed || !strings.Contains(got.Log, "status 3") {
		t.Errorf("got %+v", got)
	}
	first, err := NewPipeline(w.runner).Do(t.Context(), key(0), PipelineIn{Pipeline: out.Pipeline})
	if err != nil || first.State != Success {
		t.Errorf("the first attempt: %+v, %v", first, err)
	}
}

func TestOneKeyIsOneRun(t *testing.T) {
	w := newWorld(t, 0, Options{})
	out, _, answer := w.waiting(1)
	if got := w.read(); got.State != Running {
		t.Errorf("got %+v", got)
	}
	for range 2 {
		again, err := w.start(1, "./ci.sh", "other")
		if err != nil || again != out {
			t.Errorf("again: %+v, %v", again, err)
		}
	}
	if probed, found, err := NewStart(w.runner).Probe(t.Context(), key(1), StartIn{}); err != nil || !found || probed != out {
		t.Errorf("probe: %+v, %v, %v", probed, found, err)
	}
	if _, found, err := NewStart(w.runner).Probe(t.Context(), key(2), StartIn{}); err != nil || found {
		t.Errorf("probe of another: %v, %v", found, err)
	}
	answer("0")
	w.settle(out.Pipeline)
	if _, err := w.start(1, "./ci.sh", "other"); err != nil {
		t.Fatal(err)
	}
	if got := w.read(); got.State != Success || got.Log != "2019.01 wait" {
		t.Errorf("it ran twice: %+v", got)
	}
}

func TestARestartedBotFindsItsRuns(t *testing.T) {
	w := newWorld(t, 0, Options{})
	out, _, answer := w.waiting(1)
	w.runner = w.open(0)
	if n, err := w.runner.Resume(t.Context()); n != 0 || err != nil {
		t.Errorf("a living run was begun again: %d, %v", n, err)
	}
	if got := w.read(); got.State != Running {
		t.Errorf("got %+v", got)
	}
	answer("4")
	w.settle(out.Pipeline)
	w.runner = w.open(0)
	if got := w.read(); got.State != Failed || !strings.Contains(got.Log, "status 4") {
		t.Errorf("got %+v", got)
	}
}

func TestAnInterruptedRunIsBegunAgain(t *testing.T) {
	w := newWorld(t, 0, Options{Restart: 2})
	dir := t.TempDir()
	pipe, up := filepath.Join(dir, "go"), filepath.Join(dir, "up")
	for _, p := range []string{pipe, up} {
		if err := syscall.Mkfifo(p, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := w.start(1, "./ci.sh", "wait", pipe, up)
	if err != nil {
		t.Fatal(err)
	}
	for try := range 3 {
		w.hears(up)
		group := w.runner.alive(out.Pipeline)
		if group == 0 {
			t.Fatal("the watcher is not recognised")
		}
		// The machine goes down: the whole group dies without a verdict.
		if err := syscall.Kill(-group, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		w.settle(out.Pipeline)
		w.runner = w.open(0)
		if got := w.read(); got.State != Pending || !strings.Contains(got.Log, "interrupted") {
			t.Errorf("try %d: %+v", try, got)
		}
		n, err := w.runner.Resume(t.Context())
		if err != nil || (n == 1) != (try < 2) {
			t.Fatalf("try %d: %d begun again, %v", try, n, err)
		}
	}
	if got := w.read(); got.State != Failed || !strings.Contains(got.Log, "interrupted again and again") {
		t.Errorf("got %+v", got)
	}
}

func TestAStalePidIsNotTrusted(t *testing.T) {
	w := newWorld(t, 0, Options{})
	out, _, answer := w.waiting(1)
	path := filepath.Join(w.state, "runs", out.Pipeline, "pid")
	own, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pid, began := stat(string(own))
	if pid != os.Getpid() || began == "" {
		t.Fatalf("got %d, %q", pid, began)
	}
	// Our number with another start time is another process that had the number before.
	if err := os.WriteFile(path, []byte(strings.Replace(string(own), " "+began+" ", " 1 ", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := w.runner.alive(out.Pipeline); got != 0 {
		t.Errorf("a stale number is taken for %d", got)
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	answer("0")
	w.settle(out.Pipeline)
}

func TestCancelEndsEverythingTheRunStarted(t *testing.T) {
	w := newWorld(t, 0, Options{})
	out, pid, _ := w.waiting(1)
	cancel := NewCancel(w.runner)
	if _, found, err := cancel.Probe(t.Context(), key(1), CancelIn{Pipeline: out.Pipeline}); found || err != nil {
		t.Errorf("probe before: %v, %v", found, err)
	}
	got, err := cancel.Do(t.Context(), key(1), CancelIn{Pipeline: out.Pipeline})
	if err != nil || got.State != Canceled {
		t.Errorf("got %+v, %v", got, err)
	}
	w.settle(out.Pipeline)
	// The signal was sent; on a busy machine the command may die a little after its watcher.
	for limit := time.Now().Add(20 * time.Second); ; {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(data), ") Z ") || strings.Contains(string(data), ") X ") {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("the command lives on: %s", data)
		}
		runtime.Gosched()
	}
	if got := w.read(); got.State != Canceled {
		t.Errorf("got %+v", got)
	}
	if n, err := w.runner.Resume(t.Context()); n != 0 || err != nil {
		t.Errorf("it was begun again: %d, %v", n, err)
	}
	done, err := w.start(2, "./ci.sh", "x")
	if err != nil {
		t.Fatal(err)
	}
	w.settle(done.Pipeline)
	if got, err := cancel.Do(t.Context(), key(2), CancelIn{Pipeline: done.Pipeline}); err != nil || got.State != Success {
		t.Errorf("a run that ended: %+v, %v", got, err)
	}
}

func TestARunOverItsTimeIsStopped(t *testing.T) {
	w := newWorld(t, 0, Options{Limit: time.Hour})
	out, _, _ := w.waiting(1)
	w.shift = 2 * time.Hour
	if got := w.read(); got.State != Failed || !strings.Contains(got.Log, "longer than 1h0m0s") {
		t.Errorf("got %+v", got)
	}
	w.settle(out.Pipeline)
}

func TestTheLogIsBoundedAndClean(t *testing.T) {
	w := newWorld(t, 0, Options{})
	out, err := w.start(1, "./ci.sh", "loud")
	if err != nil {
		t.Fatal(err)
	}
	w.settle(out.Pipeline)
	if got := w.read(); got.State != Success || len(got.Log) > tailBytes {
		t.Errorf("%d bytes, %s", len(got.Log), got.State)
	}
	if got := clean("a\x1b[31mb\x00\r\u202ec\xff"); got != "a[31mbc\uFFFD" {
		t.Errorf("got %q", got)
	}
}

func TestNothingOfOursReachesTheCommand(t *testing.T) {
	t.Setenv("SLIPWAY_SECRET", "s3cret")
	w := newWorld(t, 0, Options{Env: []string{"EXTRA=yes"}})
	out, err := w.start(1, "./ci.sh", "env")
	if err != nil {
		t.Fatal(err)
	}
	w.settle(out.Pipeline)
	log := w.read().Log
	if strings.Contains(log, "s3cret") || !strings.Contains(log, "EXTRA=yes") || !strings.Contains(log, "CI_COMMIT_SHA="+w.commit) {
		t.Errorf("the environment is\n%s", log)
	}
}

func TestBadRequestsAreRefused(t *testing.T) {
	w := newWorld(t, 0, Options{})
	for _, command := range [][]string{nil, {""}, {"-x"}, {"no-such-program-here"}, {"a\x00b"}} {
		if _, err := w.start(1, command...); !errs.Is(err, errs.Invalid) || errs.HintOf(err) == "" {
			t.Errorf("%q: %v", command, err)
		}
	}
	// A word of the shell is not a program.
	if _, err := w.start(1, "eval", "touch x"); !errs.Is(err, errs.Invalid) {
		t.Errorf("eval: %v", err)
	}
	if _, err := NewStart(w.runner).Do(t.Context(), key(1), StartIn{Remote: w.repo, Commit: "main", Command: []string{"true"}}); !errs.Is(err, errs.Invalid) {
		t.Errorf("commit: %v", err)
	}
	for _, run := range []string{"../../etc", "", strings.Repeat("z", 32)} {
		if _, err := NewCancel(w.runner).Do(t.Context(), key(1), CancelIn{Pipeline: run}); !errs.Is(err, errs.Invalid) {
			t.Errorf("%q: %v", run, err)
		}
	}
	if _, err := NewCancel(w.runner).Do(t.Context(), key(1), CancelIn{Pipeline: strings.Repeat("0", 32)}); !errs.Is(err, errs.NotFound) {
		t.Errorf("unknown: %v", err)
	}
}

func TestACheckoutThatFailsIsTriedAgainUnderTheSameKey(t *testing.T) {
	w := newWorld(t, 1, Options{})
	if _, err := w.start(1, "./ci.sh", "x"); !errs.Is(err, errs.Unavailable) {
		t.Fatalf("got %v", err)
	}
	if got := w.read(); got.State != Pending {
		t.Errorf("got %+v", got)
	}
	out, err := w.start(1, "./ci.sh", "x")
	if err != nil {
		t.Fatal(err)
	}
	w.settle(out.Pipeline)
	if got := w.read(); got.State != Success || strings.Contains(got.Log, "interrupted") {
		t.Errorf("got %+v", got)
	}
}

func TestBoundActionsHaveTheStatesInTheirType(t *testing.T) {
	w := newWorld(t, 0, Options{})
	bound, err := Bind(w.runner, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bound {
		if b.Provider != Provider || b.Contract.Doc == "" {
			t.Errorf("%s is incomplete", b.Contract.Ref())
		}
		if f, ok := b.Contract.Out.Field("state"); b.Contract.Name == "ci.pipeline" && (!ok || len(f.Type.Enum) != 5) {
			t.Errorf("the type of the state is %+v", f.Type)
		}
	}
	raw, err := bound[1].Do(t.Context(), key(0), []byte(`{"remote":"/x","ref":"r","commit":"c"}`))
	if err != nil {
		t.Fatal(err)
	}
	v, _ := action.Decode(raw)
	if err := bound[1].Contract.Out.Check("out", v); err != nil {
		t.Error(err)
	}
}

func TestTheEndOfARunIsTold(t *testing.T) {
	told := make(chan string, 8)
	w := newWorld(t, 0, Options{Ended: func(run string) { told <- run }})
	first, err := w.start(1, "./ci.sh", "fail")
	if err != nil {
		t.Fatal(err)
	}
	if got := <-told; got != first.Pipeline {
		t.Errorf("told of %s, not of %s", got, first.Pipeline)
	}
	// A run that an earlier process began is followed by the next one; what ended is told again.
	second, _, answer := w.waiting(2)
	away, _, end := w.waiting(3)
	end("0")
	w.settle(away.Pipeline)
	<-told
	w.runner = w.open(0)
	if n, err := w.runner.Resume(t.Context()); n != 0 || err != nil {
		t.Fatalf("%d were begun again, %v", n, err)
	}
	got := map[string]bool{<-told: true, <-told: true}
	if !got[first.Pipeline] || !got[away.Pipeline] {
		t.Errorf("told of %v", got)
	}
	answer("0")
	if a, b := <-told, <-told; a != second.Pipeline || b != second.Pipeline {
		t.Errorf("told of %s and %s, not of %s", a, b, second.Pipeline) // by its own process, and by the one that follows it
	}
	w.shift = 25 * time.Hour
	w.runner = w.open(0)
	if _, err := w.runner.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(told) > 0 {
		t.Errorf("a day later it is told again of %s", <-told)
	}
}

package slack

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// slip is what is made once for all worlds: the programs, a key and the history of a project.
type slip struct {
	dir         string
	work        string // folder of the worlds
	fingerprint string
}

// atOnce is how many stories are told at once: they mostly wait.
const atOnce = "6"

func TestMain(m *testing.M) {
	flag.Parse()
	err := flag.Set("test.parallel", atOnce)
	code := 1
	if err == nil {
		code, err = prepared(m)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// prepared runs the tests between making and removing what all of them share.
func prepared(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "sls-") // short, since sockets live in it
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	work := dir
	// Signal 9 leaves the kernel alone, so what counts as written needs no disk: memory is faster.
	if memory, err := os.MkdirTemp("/dev/shm", "sls-"); err == nil {
		defer os.RemoveAll(memory)
		work = memory
	}
	if err := os.Setenv("SLIPWAY_STORIES", dir+":"+work); err != nil {
		return 1, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	for _, step := range []func(context.Context, string) error{makePrograms, makeKey, makeHistory} {
		if err := step(ctx, dir); err != nil {
			return 1, err
		}
	}
	return m.Run(), nil
}

// readSources looks at the folders that the programs are built of, so that Go's cache of test results
// knows of them: it sees what a test opens, and not what was built before.
func readSources() error {
	root, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && path != root && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		return err
	})
}

// theSlip is what [prepared] made.
func theSlip(t testing.TB) *slip {
	t.Helper()
	dir, work, _ := strings.Cut(os.Getenv("SLIPWAY_STORIES"), ":")
	raw, err := os.ReadFile(filepath.Join(dir, "fingerprint"))
	if err = errors.Join(err, readSources()); err != nil {
		t.Fatal(err)
	}
	return &slip{dir: dir, work: work, fingerprint: string(raw)}
}

func makePrograms(ctx context.Context, dir string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", dir+"/", "slipway/cmd/slipway", "slipway/cmd/slipway-signer")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("the programs do not build: %w\n%s", err, out)
	}
	return nil
}

// makeKey has the signer make a throw-away key.
func makeKey(ctx context.Context, dir string) error {
	fingerprint, err := output(ctx, dir, filepath.Join(dir, "slipway-signer"), "keygen", "--demo", filepath.Join(dir, "key"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "fingerprint"), []byte(fingerprint), 0o600)
}

// makeHistory is the history of the project: a release, and what came since.
func makeHistory(ctx context.Context, dir string) error {
	h := history{ctx: ctx, dir: filepath.Join(dir, "history"), when: time.Date(2026, 6, 2, 9, 0, 0, 0, time.UTC)}
	if err := os.MkdirAll(h.dir, 0o755); err != nil {
		return err
	}
	h.git("init", "--quiet", "--initial-branch=master")
	h.write("README", "The harbour keeps its lamps, its tides and its log book here.\n")
	h.write("debian/changelog", "harbour (2026.07-1) unstable; urgency=medium\n\n  * First release.\n\n -- Hana Harbour <hana@harbour.example>  Tue, 02 Jun 2026 09:00:00 +0000\n")
	h.commit("Begin the harbour")
	h.git("tag", "--annotate", "--message=2026.07", "2026.07")
	h.write("tides", "every ten minutes\n")
	h.commit("Measure the tide every ten minutes")
	return h.err
}

// history makes commits with fixed names and dates; the first failure stops it.
type history struct {
	ctx  context.Context
	dir  string
	when time.Time
	err  error
}

func (h *history) git(args ...string) {
	if h.err != nil {
		return
	}
	h.when = h.when.Add(time.Hour)
	date := h.when.Format(time.RFC3339)
	cmd := exec.CommandContext(h.ctx, "git", args...)
	cmd.Dir = h.dir
	cmd.Env = append(plainGit(), "GIT_AUTHOR_NAME=Hana Harbour", "GIT_AUTHOR_EMAIL=hana@harbour.example", "GIT_AUTHOR_DATE="+date,
		"GIT_COMMITTER_NAME=Hana Harbour", "GIT_COMMITTER_EMAIL=hana@harbour.example", "GIT_COMMITTER_DATE="+date)
	if out, err := cmd.CombinedOutput(); err != nil {
		h.err = fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(string(out)))
	}
}

func (h *history) write(path, content string) {
	if h.err != nil {
		return
	}
	full := filepath.Join(h.dir, path)
	if h.err = os.MkdirAll(filepath.Dir(full), 0o755); h.err == nil {
		h.err = os.WriteFile(full, []byte(content), 0o644)
	}
}

func (h *history) commit(subject string) {
	h.git("add", "--all")
	h.git("commit", "--quiet", "--message="+subject)
}

// plainGit is the environment in which git reads nobody's settings.
func plainGit() []string {
	return append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C.UTF-8")
}

// output runs a program and gives what it printed, without the last line's end.
func output(ctx context.Context, dir, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = dir, plainGit()
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w: %s", filepath.Base(program), args[0], err, strings.TrimSpace(complaint.String()))
	}
	return strings.TrimRight(string(out), "\n"), nil
}

// port is a loopback port below those that the system gives to clients, so that nobody takes it while
// the bot is down.
func port() (int, error) {
	for range 2000 {
		n := 10_000 + rand.IntN(20_000)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", n)); err == nil {
			return n, l.Close()
		}
	}
	return 1, errors.New("no port is free")
}

//go:build prove

package archive

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"slipway/integrations/aptrepo"
	"slipway/integrations/openpgp"
)

// errand is what a process of its own is sent to do: it publishes to two suites, stages something
// that is not wanted in the end and drops it, and cleans up days later.
type errand struct {
	Root, Address string
	Key           []byte // private
	Now           time.Time
	Files         []aptrepo.Artifact
	Dir           string // of the engine: what it remembers over the death of a process
	KillAt        int    // the number of a step, from 1, at which it kills itself; 0 is never
}

const errandVariable = "SLIPWAY_TEST_ERRAND"

func TestMain(m *testing.M) {
	if path := os.Getenv(errandVariable); path != "" {
		if err := runErrand(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// two suites, so that a publication can end between them.
func two() []aptrepo.Suite {
	a, b := stable(), stable()
	b.Name, b.Codename = "testing", "trixie"
	a.Snapshots, b.Snapshots = 1, 1
	a.Contents, b.Contents = true, true
	return []aptrepo.Suite{a, b}
}

func runErrand(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var e errand
	if err := json.Unmarshal(text, &e); err != nil {
		return err
	}
	at := e.Now
	now := func() time.Time { return at }
	k, err := openpgp.NewKeyFile(e.Key, nil, now)
	if err != nil {
		return err
	}
	trace, err := os.OpenFile(filepath.Join(e.Dir, "steps"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	count := 0
	options := aptrepo.Options{
		Step: func(name string) {
			fmt.Fprintln(trace, name)
			fmt.Println(name)
			if count++; count == e.KillAt {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		},
		Before: func(context.Context, aptrepo.Suite, string, string) error { return nil },
	}
	suites := two()
	f, err := newOffice(e.Root, e.Address, suites, []*openpgp.KeyFile{k}, now, options)
	if err != nil {
		return err
	}
	var staged, spare aptrepo.StageOut
	var dropped aptrepo.DropOut
	both := []string{"stable", "testing"}
	if err := e.remember("staged", &staged, func() (any, error) {
		out, _, err := perform[aptrepo.StageOut](f, "archive.stage@1", "stage", aptrepo.StageIn{Archive: "packages", Suites: both, Kind: "add", Files: e.Files})
		return out, err
	}); err != nil {
		return err
	}
	if _, err := f.publish("publish", staged); err != nil {
		return err
	}
	at = at.Add(time.Minute)
	if err := e.remember("dropped", &dropped, func() (any, error) {
		spare, _, err = perform[aptrepo.StageOut](f, "archive.stage@1", "spare", aptrepo.StageIn{Archive: "packages", Suites: both[:1], Kind: "refresh"})
		if err != nil {
			return nil, err
		}
		out, _, err := perform[aptrepo.DropOut](f, "archive.drop@1", "drop", aptrepo.DropIn{Archive: "packages", Suites: both[:1], Generation: spare.Generation})
		return out, err
	}); err != nil {
		return err
	}
	at = at.AddDate(0, 0, 3)
	_, _, err = perform[aptrepo.CleanOut](f, "archive.clean@1", "clean", aptrepo.CleanIn{Archive: "packages"})
	return err
}

// remember keeps what a step has given, as an engine does: it is not done again then.
func (e errand) remember(name string, out any, do func() (any, error)) error {
	path := filepath.Join(e.Dir, name)
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		got, err := do()
		if err != nil {
			return err
		}
		if text, err = json.Marshal(got); err != nil {
			return err
		}
		if err := errors.Join(os.WriteFile(path+".tmp", text, 0o644), os.Rename(path+".tmp", path)); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	return json.Unmarshal(text, out)
}

// command is the errand as a process, after the words of a program that runs it.
func (e errand) command(t *testing.T, words ...string) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(e.Dir, "errand")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	words = append(words, self)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = append(os.Environ(), errandVariable+"="+path)
	return cmd
}

// run sends the errand, which must come to its end.
func (e errand) run(t *testing.T, words ...string) {
	t.Helper()
	e.KillAt = 0
	if said, err := e.command(t, words...).CombinedOutput(); err != nil {
		t.Fatalf("the errand: %v: %s", err, said)
	}
}

// dies sends the errand, which must kill itself.
func (e errand) dies(t *testing.T) {
	t.Helper()
	if said, err := e.command(t).CombinedOutput(); !wasKilled(err) {
		t.Fatalf("the errand was not killed: %v: %s", err, said)
	}
}

// hunted sends the errand and kills it from outside, wherever it is by then, as soon as it has said
// that many steps. It may be too late.
func (e errand) hunted(t *testing.T, steps int) {
	t.Helper()
	e.KillAt = 0
	cmd := e.command(t)
	var bad strings.Builder
	cmd.Stderr = &bad
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	for said := bufio.NewScanner(out); said.Scan(); {
		if steps--; steps == 0 {
			_ = cmd.Process.Kill()
		}
	}
	if err := cmd.Wait(); err != nil && !wasKilled(err) {
		t.Fatalf("the errand: %v: %s", err, bad.String())
	}
}

func wasKilled(err error) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signal() == syscall.SIGKILL
}

// steps are the names that the errands in a folder passed.
func (e errand) steps(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(e.Dir, "steps"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(text))
}

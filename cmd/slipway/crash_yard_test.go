package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"slipway/integrations/console"
)

// beTheBot in the environment of the test binary makes it the bot: its value is the configuration.
// So what is killed is a process of its own, with everything that a real one has.
const beTheBot = "SLIPWAY_TEST_SERVE"

func TestMain(m *testing.M) {
	if config := os.Getenv(beTheBot); config != "" {
		os.Exit(serveYard(config))
	}
	switch {
	case len(os.Args) == 2 && os.Args[1] == makePackages:
		os.Exit(report(packagesHere()))
	case len(os.Args) > 2 && os.Args[1] == "package": // a pipeline calls the program that it was configured by
		main()
	}
	testscript.Main(housed{m}, map[string]func(){"slipway": main})
}

// builtOnce in the environment is the folder of what is built once for all tests.
const builtOnce = "SLIPWAY_TEST_PROGRAMS"

// housed runs the tests between making and removing that folder.
type housed struct{ m *testing.M }

func (h housed) Run() int {
	dir, err := os.MkdirTemp("", "slip-")
	if err != nil {
		return report(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Setenv(builtOnce, dir); err != nil {
		return report(err)
	}
	return h.m.Run()
}

// serveYard is `slipway serve`, with the tests' own look at the archive where there is no apt.
func serveYard(config string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	conf, err := loadConfig(config)
	if err == nil {
		conf.Apt = lookout()
		err = serveConfig(ctx, conf, false)
	}
	return report(err)
}

// slip is what is made once for all yards: the repository, the key and the signer's program.
type slip struct {
	dir         string
	work        string // folder of the yards
	signer      string
	fingerprint string
	publish     bool // packages too, into an archive
	yards       atomic.Int64
	ports       atomic.Int64
}

func newSlip(t *testing.T) *slip {
	t.Helper()
	dir, err := os.MkdirTemp("", "slip-") // short, since sockets live in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &slip{dir: dir, work: dir, signer: filepath.Join(os.Getenv(builtOnce), "slipway-signer")}
	// Signal 9 leaves the kernel alone, so what counts as written needs no disk: memory is faster.
	if memory, err := os.MkdirTemp("/dev/shm", "slip-"); err == nil {
		t.Cleanup(func() { _ = os.RemoveAll(memory) })
		s.work = memory
	}
	s.ports.Store(20_000 + int64(os.Getpid()%1000)*10)
	ctx := t.Context()
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", s.signer, "slipway/cmd/slipway-signer").CombinedOutput(); err != nil {
		t.Fatalf("the signer does not build: %v\n%s", err, out)
	}
	y := &yard{dir: filepath.Join(dir, "template")}
	if err := os.MkdirAll(y.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	remote := filepath.Join(y.dir, "remote.git")
	if err := errors.Join(makeSample(ctx, remote, filepath.Join(dir, "sample")), y.makeKey(ctx, s.signer)); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"config", "core.logAllRefUpdates", "always"}, {"gc", "--quiet"}} {
		if _, err := output(ctx, remote, "git", args...); err != nil {
			t.Fatal(err)
		}
	}
	s.fingerprint = y.fingerprint
	return s
}

// port is a loopback port below those that the system gives to clients, so that nobody takes it
// while the bot is down.
func (s *slip) port() (int, error) {
	for range 2000 {
		n := int(s.ports.Add(1))
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", n)); err == nil {
			return n, l.Close()
		}
	}
	return 0, errors.New("no port is free")
}

// yard makes a copy of the template with a mailbox of its own. Its bot is not started.
func (s *slip) yard(ctx context.Context, archive bool) (*yard, error) {
	dir := filepath.Join(s.work, fmt.Sprint("y", s.yards.Add(1)))
	if _, err := output(ctx, s.dir, "cp", "-a", filepath.Join(s.dir, "template"), dir); err != nil {
		return nil, err
	}
	y := &yard{dir: dir, version: sampleVersion, project: "harbour", remote: filepath.Join(dir, "remote.git"), fingerprint: s.fingerprint,
		mailbox: filepath.Join(dir, "mailbox"), config: filepath.Join(dir, "slipway.yaml"), apt: lookout()}
	if err := errors.Join(y.startMail(), y.makeLogKey()); err != nil {
		return nil, err
	}
	var err error
	if y.doorPort, err = s.port(); err != nil {
		return nil, err
	}
	if s.publish {
		build, err := buildHere()
		if err == nil {
			err = y.startArchive(ctx, yardOptions{Arch: "amd64", Build: build})
		}
		if err != nil {
			return nil, err
		}
	}
	p := rawProject{Remote: y.remote, Branch: "master", Scheme: "calendar", Changelog: "debian/changelog",
		CI: []string{"sh", "-c", `echo ran >>$HOME/ran && exec sh check.sh`}}
	if err := y.writeConfig(p, archive); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(y.config)
	if err != nil {
		return nil, err
	}
	return y, os.WriteFile(y.config, []byte(strings.Replace(string(text), "settle: 2s", "settle: 200ms", 1)), 0o600)
}

// keeper runs the bot of a yard and starts it again when it was killed.
type keeper struct {
	y *yard

	mu    sync.Mutex
	cmd   *exec.Cmd
	kills int           // of this bot so far
	plan  []killAt      // where it kills itself, one after the other
	hit   []killAt      // where it did
	bad   error         // it ended in another way
	dead  chan struct{} // closed at the last kill of the plan, or at the first without one
	died  sync.Once
	over  bool
	gone  chan struct{} // closed when nothing runs any more
}

// keep starts bot and signer; plan is where the bot kills itself, each time that it was started, and seen
// the file of the points.
func keep(y *yard, signer string, plan []killAt, seen string) (*keeper, error) {
	env := []string{}
	if seen != "" {
		env = append(env, crashSeen+"="+seen)
	}
	k, err := keepBot(y, env, plan...)
	if err != nil {
		return nil, err
	}
	return k, y.startSigner(signer)
}

// next is the environment of a bot that is to die at the next point of the plan.
func (k *keeper) next() []string {
	if len(k.plan) == 0 {
		return nil
	}
	return []string{crashAt + "=" + k.plan[0].String()}
}

// keepBot starts the bot as a process of its own.
func keepBot(y *yard, env []string, plan ...killAt) (*keeper, error) {
	k := &keeper{y: y, plan: plan, dead: make(chan struct{}), gone: make(chan struct{})}
	if err := k.start(append(env, k.next()...)); err != nil {
		return nil, err
	}
	go k.watch()
	return k, nil
}

func (k *keeper) start(env []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(filepath.Join(k.y.dir, "bot.out"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), append(env, beTheBot+"="+k.y.config)...)
	cmd.Stdout, cmd.Stderr = out, out
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.over {
		return errors.New("the bot was stopped")
	}
	k.cmd = cmd
	return cmd.Start()
}

func (k *keeper) watch() {
	defer close(k.gone)
	for {
		err := k.cmd.Wait()
		k.mu.Lock()
		over := k.over
		status, _ := k.cmd.ProcessState.Sys().(syscall.WaitStatus)
		killed := status.Signaled() && status.Signal() == syscall.SIGKILL
		if killed {
			if len(k.plan) > 0 {
				k.hit, k.plan = append(k.hit, k.plan[0]), k.plan[1:]
			}
			if k.kills++; len(k.plan) == 0 {
				k.died.Do(func() { close(k.dead) })
			}
		}
		if !killed && (!over || err != nil) {
			k.bad = fmt.Errorf("the bot ended by itself: %v", err)
		}
		k.mu.Unlock()
		if over || !killed {
			return
		}
		if err := k.start(k.next()); err != nil {
			return
		}
	}
}

// kill kills the bot with signal 9, from outside.
func (k *keeper) kill() {
	k.mu.Lock()
	defer k.mu.Unlock()
	_ = k.cmd.Process.Kill()
}

// stop ends bot, signer and mailbox in good order; the files stay.
func (k *keeper) stop() (kills int, err error) {
	kills, err = k.end()
	k.y.close()
	return kills, err
}

// end ends the bot alone.
func (k *keeper) end() (kills int, err error) {
	k.mu.Lock()
	k.over = true
	_ = k.cmd.Process.Signal(syscall.SIGTERM)
	k.mu.Unlock()
	select {
	case <-k.gone:
	case <-time.After(10 * time.Second):
		k.kill()
		<-k.gone
		k.bad = errors.New("the bot did not stop within 10 s")
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.bad != nil {
		text, _ := os.ReadFile(filepath.Join(k.y.dir, "bot.out"))
		return k.kills, fmt.Errorf("%w\n%s", k.bad, text)
	}
	return k.kills, nil
}

// consoleChange is what a watcher of the channel sees.
type consoleChange = console.Change

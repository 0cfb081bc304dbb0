package gitlab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// process runs the bot and starts it again when it was killed.
type process struct {
	w    *world
	gone chan struct{} // closed when nothing runs any more

	mu    sync.Mutex
	cmd   *exec.Cmd
	plan  []kill // where it is still to kill itself
	kills int
	bad   error // it ended in another way
	over  bool
}

// startBot starts slipway serve.
func startBot(w *world) (*process, error) {
	p := &process{w: w, gone: make(chan struct{}), plan: w.shape.plan}
	if err := p.start(); err != nil {
		return nil, err
	}
	go p.watch()
	return p, nil
}

func (p *process) start() error {
	out, err := os.OpenFile(filepath.Join(p.w.dir, "bot.out"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	args := []string{"--config", filepath.Join(p.w.dir, "slipway.yaml"), "serve"}
	if os.Getenv("SLIPWAY_STORIES_VERBOSE") != "" {
		args = append(args, "--verbose")
	}
	cmd := exec.Command(filepath.Join(p.w.slip.dir, "slipway"), args...)
	cmd.Env = os.Environ()
	cmd.Stdout, cmd.Stderr = out, out
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.w.shape.seen != "" {
		cmd.Env = append(cmd.Env, crashSeen+"="+p.w.shape.seen)
	}
	if len(p.plan) > 0 {
		cmd.Env = append(cmd.Env, crashAt+"="+p.plan[0].String())
	}
	if p.over {
		return errors.New("the bot was stopped")
	}
	p.cmd = cmd
	return cmd.Start()
}

func (p *process) watch() {
	defer close(p.gone)
	for {
		err := p.cmd.Wait()
		p.mu.Lock()
		over := p.over
		status, _ := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
		killed := status.Signaled() && status.Signal() == syscall.SIGKILL
		if killed {
			p.kills++
			p.plan = p.plan[min(1, len(p.plan)):]
		}
		if !killed && (!over || err != nil) {
			p.bad = fmt.Errorf("the bot ended by itself: %w", errors.Join(err))
		}
		p.mu.Unlock()
		if over || !killed || p.start() != nil {
			return
		}
	}
}

// died is how often it was killed.
func (p *process) died() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.kills
}

// kill kills the bot with signal 9; it is started again.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.cmd.Process.Kill()
}

// end ends the bot in good order.
func (p *process) end() (kills int, err error) {
	p.mu.Lock()
	p.over = true
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	p.mu.Unlock()
	select {
	case <-p.gone:
	case <-time.After(20 * time.Second):
		p.kill()
		<-p.gone
		p.bad = errors.New("the bot did not stop within 20 s")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.kills, p.bad
}

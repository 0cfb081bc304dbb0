package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/console"
)

type demoCmd struct {
	Auto    bool          `help:"Play the people too, prove the result, and end."`
	Repo    string        `help:"Release a copy of this repository instead of the sample. Nothing is pushed to its remotes." type:"existingdir"`
	Version string        `help:"Version to release; with --repo it must be given."`
	Dir     string        `help:"Folder for everything the demo makes; by default a new one." type:"path"`
	Limit   time.Duration `help:"With --auto: give up after this long." default:"4m"`
}

func (d *demoCmd) Run(ctx context.Context, c *cli) error {
	if d.Repo != "" && d.Version == "" {
		return errs.E("demo", errs.Invalid, errors.New("--repo is given without --version")).Hint("name the version to release, e.g. --version 2.0.0")
	}
	if d.Version == "" {
		d.Version = sampleVersion
	}
	if err := installMissing(ctx, d.Auto); err != nil {
		return err
	}
	signer, err := besideUs("slipway-signer")
	if err != nil {
		return err
	}
	if d.Dir == "" {
		if d.Dir, err = os.MkdirTemp("", "slipway-demo-"); err != nil {
			return errs.E("demo", errs.Unavailable, fmt.Errorf("making a folder: %w", err))
		}
	}
	before, err := refsOf(ctx, d.Repo)
	if err != nil {
		return err
	}
	fmt.Printf("Everything is made in %s\n", d.Dir)
	y, err := newYard(ctx, yardOptions{Dir: d.Dir, Repo: d.Repo, Version: d.Version, Signer: signer, Archive: true})
	if err != nil {
		return err
	}
	defer y.close()
	if d.Auto {
		return d.auto(ctx, y, before)
	}
	return d.byHand(ctx, y)
}

// quiet is a log of nothing.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// withBot runs the bot in this process for as long as do takes.
func withBot(ctx context.Context, y *yard, do func(context.Context, *config) error) error {
	conf, err := loadConfig(y.config)
	if err != nil {
		return err
	}
	b, err := build(ctx, conf, quiet(), nil)
	if err != nil {
		return err
	}
	defer b.close()
	running, stop := context.WithCancel(ctx)
	defer stop()
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- b.serve(running, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-ended:
		return err
	}
	err = do(ctx, conf)
	stop()
	return errors.Join(err, <-ended)
}

// auto plays the whole release and proves what came of it.
func (d *demoCmd) auto(ctx context.Context, y *yard, before string) error {
	ctx, cancel := context.WithTimeout(ctx, d.Limit)
	defer cancel()
	began := time.Now()
	tell := func(line string) { fmt.Printf("%6.1fs  %s\n", time.Since(began).Seconds(), line) }
	err := withBot(ctx, y, func(ctx context.Context, conf *config) error {
		_, err := drive(ctx, conf.Socket, y.version, tell)
		return err
	})
	if err != nil {
		if ctx.Err() != nil {
			err = errs.E("demo", errs.Failed, fmt.Errorf("the release was not done after %s", d.Limit)).Hint("%s keeps what there is", y.dir)
		}
		return err
	}
	proofs := y.proofs(ctx, conf{repo: d.Repo, before: before})
	return show(os.Stdout, proofs)
}

// drive plays the people until the run has ended, and fails if it ended otherwise than done.
func drive(ctx context.Context, socket, version string, tell func(string)) (runWaits, error) {
	people := newDriver(socket, version, tell)
	tell("  " + demoManager + ": release " + version)
	if err := people.ask(ctx); err != nil {
		return runWaits{}, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go people.follow(ctx)
	for {
		ended, w, err := people.step(ctx)
		switch {
		case errors.Is(err, errNotYet):
		case err != nil:
			return w, err
		case ended && w.Outcome != "done":
			return w, errs.E("demo", errs.Failed, fmt.Errorf("the release ended as %s", w.Outcome))
		case ended:
			return w, nil
		case stuck(w) != "":
			return w, errs.E("demo", errs.Failed, errors.New(stuck(w)))
		}
		select {
		case <-ctx.Done():
			return w, ctx.Err()
		case <-time.After(150 * time.Millisecond):
		}
	}
}

// stuck says what a person would have to untangle, or "".
func stuck(w runWaits) string {
	for _, wait := range w.Waits {
		if wait.Kind == "stuck" || wait.Kind == "doubtful" {
			return wait.Step + " is " + wait.Kind + ": " + wait.What
		}
	}
	return ""
}

// byHand lets a person be anybody, from this terminal or others.
func (d *demoCmd) byHand(ctx context.Context, y *yard) error {
	return withBot(ctx, y, func(ctx context.Context, c *config) error {
		fmt.Printf(`
You are hana, who releases %s. Ben and Chen maintain it, Tessa tests.
  release %s               ask for the release
  /as tessa                be somebody else
  mine                     what waits for you
  answer %s checklist merged=true
  /react                   approve the newest open gate (or: approve %s)
  release why %s           why it waits
  help                     everything else            /quit ends
Another terminal can join: SLIPWAY_SOCKET=%s slipway watch

`, y.project, y.version, y.version, y.version, y.version, c.Socket)
		return terminal(ctx, c.Socket, os.Stdin, os.Stdout)
	})
}

// terminal is a small chat client: lines are said, what others say is shown.
func terminal(ctx context.Context, socket string, in io.Reader, out io.Writer) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	d := newDriver(socket, "", func(string) {})
	me := demoManager
	go d.follow(ctx)
	go func() {
		watcher := d.as(demoManager)
		defer watcher.Close()
		since := uint64(0)
		_ = watcher.Watch(ctx, demoChannel, &since, func(c console.Change) error {
			if c.Kind != console.Delivered {
				printChange(out, c)
			}
			return nil
		})
	}()
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(in); s.Scan(); {
			select {
			case lines <- s.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case line, ok := <-lines:
			if !ok {
				return nil
			}
			next, err := d.typed(ctx, me, strings.TrimSpace(line), out)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				fmt.Fprintln(out, errs.Text(err))
			}
			me = next
		}
	}
}

// typed does what one line of the terminal says and gives who types next.
func (d *driver) typed(ctx context.Context, me, line string, out io.Writer) (string, error) {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "":
		return me, nil
	case "/quit", "/exit":
		return me, io.EOF
	case "/as":
		fmt.Fprintf(out, "you are %s now\n", rest)
		return rest, nil
	case "/react":
		return me, d.react(ctx, me, rest)
	}
	if strings.HasPrefix(word, "/") {
		return me, errs.E("demo", errs.Invalid, fmt.Errorf("%s is not known", word)).Hint("there are /as NAME, /react [MESSAGE] and /quit")
	}
	return me, d.say(ctx, me, "", line)
}

// react approves the gate message named, or the newest one.
func (d *driver) react(ctx context.Context, me, message string) error {
	if message == "" {
		d.mu.Lock()
		for _, id := range d.gates {
			if id > message {
				message = id
			}
		}
		d.mu.Unlock()
	}
	if message == "" {
		return errs.E("demo", errs.NotFound, errors.New("there is no gate message yet")).Hint("`release why` says what the run waits for")
	}
	c := d.as(me)
	defer c.Close()
	_, err := c.React(ctx, message, "✅", true)
	return err
}

// besideUs finds a program of ours: beside this one, or in PATH.
func besideUs(program string) (string, error) {
	if self, err := os.Executable(); err == nil {
		path := filepath.Join(filepath.Dir(self), program)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return "", errs.E("demo", errs.NotFound, fmt.Errorf("the program %s is not beside this one", program)).Hint("make build makes both")
	}
	return path, nil
}

// installMissing installs what the demo needs besides Go and git, after saying what.
func installMissing(ctx context.Context, auto bool) error {
	if _, err := exec.LookPath("git"); err != nil {
		return errs.E("demo", errs.NotFound, errors.New("git is not installed")).Hint("apt-get install git")
	}
	if _, err := exec.LookPath("gpg"); err == nil {
		return nil
	}
	fmt.Println("The proof at the end needs a package that is missing: gnupg")
	apt, err := exec.LookPath("apt-get")
	if err != nil || os.Geteuid() != 0 {
		return errs.E("demo", errs.NotFound, errors.New("gpg is not installed")).Hint("sudo apt-get install gnupg")
	}
	if !auto {
		fmt.Print("Install it with apt-get? [y/N] ")
		answer, _ := bufio.NewReader(os.Stdin).ReadString('\n')
		if !strings.HasPrefix(strings.ToLower(answer), "y") {
			return errs.E("demo", errs.NotFound, errors.New("gpg is not installed")).Hint("apt-get install gnupg")
		}
	}
	for _, args := range [][]string{{"update", "-q"}, {"install", "-y", "-q", "--no-install-recommends", "gnupg"}} {
		cmd := exec.CommandContext(ctx, apt, args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			return errs.E("demo", errs.Unavailable, fmt.Errorf("apt-get %s: %w", args[0], err))
		}
	}
	return nil
}

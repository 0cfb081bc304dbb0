package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/bot/view"
	"slipway/integrations/console"
	"slipway/integrations/console/client"
)

// byHand lets a person be anybody, from this terminal or others.
func (d *demoCmd) byHand(ctx context.Context, y *yard, before string) error {
	err := withBot(ctx, y, func(ctx context.Context, c *config) error {
		t := newTerminal(c.Socket, y.project, y.version, os.Stdout, onTerminal(os.Stdout))
		if y.archive != nil {
			t.tools = "git, gpg and apt"
		}
		t.width = screen(os.Stdout)
		fmt.Fprint(os.Stdout, y.opened()+t.welcome())
		t.run(ctx, os.Stdin)
		return nil
	})
	if err != nil || ctx.Err() != nil {
		fmt.Printf("\nStopped. %s keeps what there is.\n", y.dir)
		return err
	}
	h, err := y.history(ctx)
	if err == nil && len(h.released)+len(h.withdrawn) > 0 {
		err = show(os.Stdout, y.proofs(ctx, conf{repo: d.Repo, before: before}))
	}
	fmt.Printf("\nBye. %s keeps what there is.\n", y.dir)
	return err
}

// onTerminal reports whether f may be written to in colour and with a prompt.
func onTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// terminal is a small chat client: lines are said, what others say is shown, and whoever the
// run waits for is named with what to type.
type terminal struct {
	*driver
	project string
	tools   string // what proves
	rich    bool   // prompt and colour
	width   int    // columns of the screen; 0 when it is none

	out    sync.Mutex // held while writing, and for the fields below
	to     io.Writer
	me     string
	mine   map[string]bool      // keys of what was said here
	cards  map[string]card.Card // message → card as it was shown
	hinted string               // what the last hint was about
	last   time.Time            // of the last line written
}

func newTerminal(socket, project, version string, to io.Writer, rich bool) *terminal {
	return &terminal{driver: newDriver(socket, version, func(string) {}), project: project, tools: "git and gpg", rich: rich, to: to, me: demoManager,
		mine: map[string]bool{}, cards: map[string]card.Card{}}
}

func (t *terminal) welcome() string {
	return fmt.Sprintf(`
Slipway takes a release from a typed line to a signed tag, a push and an announcement.
Here are a repository with %s, a signer with a throw-away key, a mailbox and four people:
  hana releases %s · ben and chen maintain it · tessa tests it. You can be each of them.

This terminal is a chat of its own. Type a command here, or in the browser:   release %s

  /as tessa   be somebody else      /react   approve the newest open gate
  /who        whom it waits for     /card    the newest release at a glance
  help        every command         /quit    end; what was done is proved then

`, t.project, t.project, t.version)
}

// run reads lines until the end of in, /quit or the end of ctx.
func (t *terminal) run(ctx context.Context, in io.Reader) {
	ctx, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	all.Go(func() { t.follow(ctx) })
	all.Go(func() { t.watch(ctx) })
	all.Go(func() { t.hints(ctx) })
	lines := make(chan string)
	go func() { // it may sit in Read until the process ends
		defer close(lines)
		for s := bufio.NewScanner(in); s.Scan(); {
			select {
			case lines <- s.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	t.prompt()
	for {
		select {
		case <-ctx.Done():
			return
		case line, ok := <-lines:
			if ok {
				err := t.typed(ctx, strings.TrimSpace(line))
				if err == nil || !errors.Is(err, io.EOF) {
					if err != nil && ctx.Err() == nil {
						t.print(errs.Text(err))
					}
					t.prompt()
					continue
				}
			} else {
				t.settle(ctx)
			}
			return
		}
	}
}

// settle waits until nothing has been written for a second: whoever pipes commands in wants to
// see what came of them.
func (t *terminal) settle(ctx context.Context) {
	for ctx.Err() == nil {
		t.out.Lock()
		quiet := time.Since(t.last)
		t.out.Unlock()
		if quiet > time.Second {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second - quiet + time.Millisecond):
		}
	}
}

// typed does what one line says. io.EOF ends.
func (t *terminal) typed(ctx context.Context, line string) error {
	word, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	switch word {
	case "":
		return nil
	case "/quit", "/exit", "/q":
		return io.EOF
	case "/help":
		t.print(t.welcome() + "Another terminal can join, as anybody:\n  export SLIPWAY_SOCKET=" + t.socket + " SLIPWAY_AS=ben\n  bin/slipway ask mine      bin/slipway runs      bin/slipway watch\n  bin/slipway ask 'release runbook " + t.version + "' > runbook")
		return nil
	case "/as":
		return t.become(rest)
	case "/react":
		return t.react(ctx, rest)
	case "/who":
		w, err := t.look(ctx)
		if err != nil {
			return t.notBegun(err)
		}
		t.print(t.hint(w))
		return nil
	case "/card":
		w, err := t.look(ctx)
		if err != nil {
			return t.notBegun(err)
		}
		c := t.as(t.me)
		defer c.Close()
		r, err := client.Get[view.Run](ctx, c, client.Path("runs", w.ID), nil)
		if err != nil {
			return t.notBegun(err)
		}
		t.print(card.Text(runCard(r), cardWidth()))
		return nil
	}
	if strings.HasPrefix(word, "/") {
		names := []string{"/as", "/card", "/help", "/quit", "/react", "/who"}
		e := errs.E("demo", errs.Invalid, fmt.Errorf("%s is not known here", word))
		if near := errs.Nearest(word, names); near != "" {
			return e.Hint("did you mean %s?", near)
		}
		return e.Hint("there are %s", strings.Join(names, ", "))
	}
	id := rand.Text()
	t.out.Lock()
	t.mine["say/console:"+t.me+"/"+id] = true
	t.out.Unlock()
	return t.say(ctx, t.me, id, line)
}

// look reads how the newest run under way stands or, where there is none, the newest.
func (t *terminal) look(ctx context.Context) (runWaits, error) { return t.waits(ctx, "") }

func (t *terminal) notBegun(err error) error {
	if errors.Is(err, errNotYet) || errs.Is(err, errs.NotFound) {
		return errs.E("demo", errs.NotFound, errors.New("no release has begun yet")).Hint("type: release %s", t.version)
	}
	return err
}

func (t *terminal) become(name string) error {
	names := []string{"ben", "chen", demoManager, demoTester}
	if !slices.Contains(names, name) {
		e := errs.E("demo", errs.Invalid, fmt.Errorf("there is nobody called %q", clipped(name)))
		if near := errs.Nearest(name, names); near != "" {
			return e.Hint("did you mean %s?", near)
		}
		return e.Hint("there are %s", strings.Join(names, ", "))
	}
	t.out.Lock()
	t.me, t.hinted = name, ""
	t.out.Unlock()
	t.print("you are " + name + " now")
	return nil
}

// react approves the gate message named, or the newest gate that is open.
func (t *terminal) react(ctx context.Context, message string) error {
	var asked []string // whose ✅ would count, when the gate is known
	if message == "" {
		w, err := t.look(ctx)
		if err != nil {
			return t.notBegun(err)
		}
		t.mu.Lock()
		for _, wait := range w.Waits {
			if id := t.gates[wait.Manifest]; wait.Kind == "gate" && id >= message && !lifting(wait) {
				if id > message {
					message, asked = id, nil
				}
				asked = append(asked, wait.Persons...)
			}
		}
		t.mu.Unlock()
	}
	if message == "" {
		return errs.E("demo", errs.NotFound, errors.New("no gate is open now")).Hint("/who says what the release waits for")
	}
	c := t.as(t.me)
	defer c.Close()
	_, err := c.React(ctx, message, "✅", true)
	if err == nil && len(asked) > 0 && !slices.Contains(asked, t.me) {
		t.print("the gate does not wait for " + t.me + ": this ✅ adds nothing. /who says for whom it waits")
	}
	return err
}

// watch shows what is said, until ctx ends.
func (t *terminal) watch(ctx context.Context) {
	c := t.as(demoManager)
	defer c.Close()
	since := uint64(0)
	for ctx.Err() == nil {
		_ = c.Watch(ctx, demoChannel, &since, func(change console.Change) error {
			since = change.Seq
			if text := t.change(change); text != "" {
				t.print(text)
			}
			return nil
		})
	}
}

// prompt shows who types.
func (t *terminal) prompt() {
	t.out.Lock()
	defer t.out.Unlock()
	if t.rich {
		fmt.Fprintf(t.to, "\r\x1b[K\x1b[1m%s>\x1b[0m ", t.me)
	}
}

// print writes text above the prompt.
func (t *terminal) print(text string) {
	t.out.Lock()
	defer t.out.Unlock()
	t.last = time.Now()
	if !t.rich {
		fmt.Fprintln(t.to, strings.TrimRight(text, "\n"))
		return
	}
	fmt.Fprintf(t.to, "\r\x1b[K%s\n\x1b[1m%s>\x1b[0m ", strings.TrimRight(text, "\n"), t.me)
}

// paint colours text on a terminal.
func (t *terminal) paint(code, text string) string {
	if !t.rich {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

//go:build prove

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// shots is the folder in which pictures of the pages are kept for people to look at, if it is set.
const shots = "SLIPWAY_SHOTS"

// patience is how long a page may take to show something. A machine that also does other things is
// slow; what never comes fails all the same.
const patience = 2 * time.Minute

// stage is a whole bot as a process of its own, and a browser on it.
type stage struct {
	t       *testing.T
	y       *yard
	k       *keeper
	browser context.Context
}

// newStage starts the bot of a demo, but for its packages. at is where it kills itself, "" for never.
func newStage(t *testing.T, archive bool, at string) *stage {
	t.Helper()
	slip := newSlip(t)
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Minute)
	t.Cleanup(cancel)
	dir := filepath.Join(slip.dir, "yard")
	y, err := newYard(ctx, yardOptions{Dir: dir, Version: sampleVersion, Signer: slip.signer, Archive: archive, Web: true})
	if err != nil {
		t.Fatal(err)
	}
	var env []string
	if at != "" {
		env = append(env, crashAt+"="+at)
	}
	k, err := keepBot(y, env)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, y: y, k: k}
	t.Cleanup(func() {
		if _, err := s.k.stop(); err != nil {
			t.Error(err)
		}
	})
	s.browser = startBrowser(t, ctx)
	return s
}

// startBrowser starts Chromium without anything that would look beyond this machine.
func startBrowser(t *testing.T, ctx context.Context) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("these tests need Chromium: apt-get install chromium")
	}
	options := append([]chromedp.ExecAllocatorOption{}, chromedp.DefaultExecAllocatorOptions[:]...)
	options = append(options, chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.WSURLReadTimeout(patience))
	ctx, cancel := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// vanish kills the bot with signal 9 and leaves it dead.
func (s *stage) vanish() {
	s.t.Helper()
	s.k.mu.Lock()
	s.k.over = true
	_ = s.k.cmd.Process.Kill()
	s.k.mu.Unlock()
	<-s.k.gone
}

// appear starts the bot again.
func (s *stage) appear() {
	s.t.Helper()
	k, err := keepBot(s.y, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.k = k
}

// window is a window of the browser, in which somebody is one of the people.
type window struct {
	s      *stage
	ctx    context.Context
	person string
	faults chan string // what scripts failed of
}

// open opens a window of that size and goes to the channel.
func (s *stage) open(person string, width, height int64) *window {
	s.t.Helper()
	ctx, cancel := chromedp.NewContext(s.browser)
	s.t.Cleanup(cancel)
	w := &window{s: s, ctx: ctx, person: person, faults: make(chan string, 100)}
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.IsException() && len(w.faults) < cap(w.faults) {
				w.faults <- m.String()
			}
		}
	}()
	w.do(chromedp.EmulateViewport(width, height))
	w.to("/c/" + demoChannel)
	return w
}

func (w *window) do(actions ...chromedp.Action[chromedp.Void]) {
	w.s.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		w.fail("%v", err)
	}
}

// fail ends the test with what the person sees.
func (w *window) fail(format string, args ...any) {
	w.s.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, 10*time.Second)
	defer cancel()
	at, _ := chromedp.Run(ctx, chromedp.Location())
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
	w.s.t.Fatalf("%s at %s: %s\n%s", w.person, at, fmt.Sprintf(format, args...), text)
}

// to goes to a page. The bot may just have been started.
func (w *window) to(path string) {
	w.s.t.Helper()
	at := strings.TrimSuffix(w.s.y.pageOf(w.person), "/c/"+demoChannel) + path
	give := time.Now().Add(patience)
	for {
		ctx, cancel := context.WithTimeout(w.ctx, patience)
		err := chromedp.Do(ctx, chromedp.Navigate(at), chromedp.WaitReady("main"))
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(give) {
			w.fail("opening %s: %v", at, err)
		}
	}
}

// until waits for a condition in JavaScript. $ and $$ find elements.
func (w *window) until(what, condition string) {
	w.s.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	js := `(() => { const $ = (s) => document.querySelector(s), $$ = (s) => [...document.querySelectorAll(s)]; return ` + condition + ` })()`
	if _, err := chromedp.Run(ctx, chromedp.Poll[chromedp.Void](js, chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(0))); err != nil {
		w.fail("%s did not come: %v", what, err)
	}
}

// find is the value of an expression in JavaScript.
func find[T any](w *window, js string) T {
	w.s.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	out, err := chromedp.Run(ctx, chromedp.Evaluate[T](`(() => { const $ = (s) => document.querySelector(s), $$ = (s) => [...document.querySelectorAll(s)]; return `+js+` })()`))
	if err != nil {
		w.fail("%s: %v", js, err)
	}
	return out
}

// reads waits until the page shows a text.
func (w *window) reads(text string) {
	w.s.t.Helper()
	w.until(fmt.Sprintf("the text %q", text), fmt.Sprintf("document.body.innerText.includes(%q)", text))
}

// click clicks the first element that fits, once it is there and stands still.
func (w *window) click(selector string) {
	w.s.t.Helper()
	w.until("an element to click: "+selector, fmt.Sprintf("!!$(%q)", selector))
	w.do(chromedp.ScrollIntoView(selector), chromedp.Click(selector))
}

// say types a line and sends it with Enter.
func (w *window) say(line string) {
	w.s.t.Helper()
	const box = "main form[data-line] textarea"
	w.do(chromedp.WaitVisible(box), chromedp.Focus(box), chromedp.SendKeys(box, line))
	// Enter takes a suggestion that is chosen; none is, unless somebody chose it.
	w.do(chromedp.SendKeys(box, kb.Enter))
	w.until("an empty line", fmt.Sprintf("$(%q).value === ''", box))
}

// answer types the answer to a question that waits for the person.
func (w *window) answer(step, values string) {
	w.s.t.Helper()
	w.until("the question "+step, fmt.Sprintf(`!!$('[data-awaits][data-step=%q]')`, step))
	w.say("answer " + sampleVersion + " " + step + " " + values)
}

// key presses keys, wherever the focus is.
func (w *window) key(keys ...string) {
	w.s.t.Helper()
	for _, k := range keys {
		w.do(chromedp.KeyEvent(k))
	}
}

// press presses a key that the page takes for itself, so that no letter comes of it.
func (w *window) press(key string) {
	w.s.t.Helper()
	for _, kind := range []input.DispatchKeyEventType{"rawKeyDown", "keyUp"} {
		if _, err := chromedp.Call(w.ctx, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: kind, Key: key}); err != nil {
			w.fail("pressing %s: %v", key, err)
		}
	}
}

// mark lets stays tell whether the page was loaded again.
func (w *window) mark() { w.s.t.Helper(); find[bool](w, "(window.marked = true)") }

// stays fails if the page was loaded again since mark, or complained.
func (w *window) stays() {
	w.s.t.Helper()
	if !find[bool](w, "!!window.marked") {
		w.fail("the page was loaded again")
	}
	if len(w.faults) > 0 {
		w.fail("the script failed: %s", <-w.faults)
	}
}

// dark shows pages in the dark colours, or in the light ones.
func (w *window) dark(yes bool) {
	w.s.t.Helper()
	scheme := "light"
	if yes {
		scheme = "dark"
	}
	if _, err := chromedp.Call(w.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}}); err != nil {
		w.fail("%v", err)
	}
}

// shot keeps a picture of the window for people to look at.
func (w *window) shot(name string) {
	w.s.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil || len(png) < 1000 {
		w.fail("the picture %s has %d bytes: %v", name, len(png), err)
	}
	if dir := os.Getenv(shots); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
			w.s.t.Fatal(err)
		}
	}
}

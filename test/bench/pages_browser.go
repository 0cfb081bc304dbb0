package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/chromedp"
)

// browser is a Chromium without a window. It is what people look at pages with, so nothing else can
// stand in for it.
type browser struct {
	ctx   context.Context
	close func()
}

// patience is how long the browser may take for one thing.
const patience = time.Minute

// chromium is where it is.
func chromium() (string, error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return "", errors.New("pages are painted by Chromium, which is not here: apt-get install chromium, or leave this out with ARGS=\"-only gate,cycle,slow,open,release,hooks\"")
	}
	return path, nil
}

func newBrowser(parent context.Context) (*browser, error) {
	path, err := chromium()
	if err != nil {
		return nil, err
	}
	home, err := os.MkdirTemp("", "slipway-bench-browser-")
	if err != nil {
		return nil, err
	}
	options := append([]chromedp.ExecAllocatorOption{}, chromedp.DefaultExecAllocatorOptions[:]...)
	options = append(options, chromedp.ExecPath(path), chromedp.UserDataDir(home), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.WSURLReadTimeout(patience))
	ctx, stop := chromedp.NewExecAllocator(parent, options...)
	ctx, leave := chromedp.NewContext(ctx)
	b := &browser{ctx: ctx, close: sync.OnceFunc(func() { leave(); stop(); _ = os.RemoveAll(home) })}
	if err := chromedp.Do(ctx); err != nil {
		b.close()
		return nil, fmt.Errorf("starting Chromium: %w", err)
	}
	return b, nil
}

// tab is a window of somebody who was never here: it shares no store with others.
type tab struct{ ctx context.Context }

func (b *browser) tab() (*tab, func(), error) {
	ctx, done := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	t := &tab{ctx}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1280, 900), chromedp.Navigate("about:blank")); err != nil {
		done()
		return nil, nil, err
	}
	return t, done, nil
}

// firstPaint is when the first text or picture was painted, in milliseconds since the browser began
// to ask for the page (Paint Timing, https://www.w3.org/TR/paint-timing/#first-contentful-paint).
const firstPaint = `new Promise(tell => new PerformanceObserver((list, all) => {
	for (const e of list.getEntries()) if (e.name === "first-contentful-paint") { all.disconnect(); tell(e.startTime) }
}).observe({type: "paint", buffered: true}))`

// paint loads a page and says when it was painted first.
func (t *tab) paint(url string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		return 0, err
	}
	ms, err := chromedp.Run(ctx, chromedp.Evaluate[float64](firstPaint, chromedp.EvalAwaitPromise))
	return time.Duration(ms * float64(time.Millisecond)), err
}

// machineLoad is what else this machine does, where it tells.
func machineLoad() string {
	raw, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "-"
	}
	return strings.Join(strings.Fields(string(raw))[:3], " ")
}

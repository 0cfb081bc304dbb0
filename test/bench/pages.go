package main

import (
	"context"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// paintTarget is how soon something of a page must stand on the screen, on loopback.
const paintTarget = 300 * time.Millisecond

// page is one page that is measured.
type page struct {
	name, path string
}

// paints are the times of one page: warm loads in order of size, and the first one of a browser
// that has nothing of ours.
type paints struct {
	cold time.Duration
	warm []time.Duration
}

func (p paints) median() time.Duration { return p.warm[len(p.warm)/2] }
func (p paints) worst() time.Duration  { return p.warm[len(p.warm)-1] }

// pages measures, with many runs and one very large one on disk, how soon Chromium paints pages, and
// what open event streams cost.
func (m *measurement) pages(ctx context.Context, dir string) (err error) {
	b, err := newBrowser(ctx)
	if err != nil {
		return err
	}
	defer b.close()
	w, err := openPages(ctx, dir, m.fleet, m.steps)
	if err != nil {
		return err
	}
	defer func() { err = closed(w.close, err) }()
	m.t.note("load of the machine while pages are measured", machineLoad())
	if err := m.floor(w, b); err != nil {
		return err
	}
	list, err := w.list(ctx)
	if err != nil {
		return err
	}
	for _, p := range list {
		if err := m.page(ctx, w, b, p); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	b.close()
	return m.streams(ctx, w)
}

// list are the pages, with the addresses that they have today.
func (w *pageWorld) list(ctx context.Context) ([]page, error) {
	first, err := w.get(ctx, "/runs")
	if err != nil {
		return nil, err
	}
	next := regexp.MustCompile(`href="(/runs\?[^"]*after=[^"]*)"`).FindSubmatch(first)
	if next == nil {
		return nil, fmt.Errorf("the list of runs has no second page")
	}
	return []page{
		{fmt.Sprintf("list of %d runs", w.runs), "/runs"},
		{"its second page", html.UnescapeString(string(next[1]))},
		{"search with one hit", "/runs?" + url.Values{"q": {"release/lava/2000.06.42"}}.Encode()},
		{"search with many hits", "/runs?q=release"},
		{"search in the middle of names", "/runs?q=7.42"},
		{fmt.Sprintf("channel with %d cards", w.runs/2), "/c/lava"},
		{"run of 25 steps at its gate", "/runs/" + w.middle},
		{fmt.Sprintf("run of %d steps", w.steps), "/runs/" + w.big},
		{"its later steps", "/runs/" + w.big + "?from=900"},
		{"its timeline", "/runs/" + w.big + "/timeline"},
	}, nil
}

// page measures one page. Loads of ours and of a static copy of the same bytes, from the same server
// and through the same door, alternate: the copy is what this browser and this machine can do.
func (m *measurement) page(ctx context.Context, w *pageWorld, b *browser, p page) error {
	body, err := w.get(ctx, p.path)
	if err != nil {
		return err
	}
	still := w.copy(body)
	tab, done, err := b.tab()
	if err != nil {
		return err
	}
	defer done()
	var ours, limit paints
	if ours.cold, err = tab.paint(w.url(p.path)); err != nil {
		return err
	}
	var answers []time.Duration
	for i := range 2*m.rounds + 2 {
		for _, one := range []struct {
			p    *paints
			path string
		}{{&ours, p.path}, {&limit, still}} {
			took, err := tab.paint(w.url(one.path))
			if err != nil {
				return err
			}
			if i > 0 { // the first of each fills the browser's store of scripts and styles
				one.p.warm = append(one.p.warm, took)
			}
		}
		begin := time.Now()
		if _, err := w.get(ctx, p.path); err != nil {
			return err
		}
		answers = append(answers, time.Since(begin))
	}
	cost, err := w.cost(ctx, p.path)
	if err != nil {
		return err
	}
	slices.Sort(ours.warm)
	slices.Sort(limit.warm)
	slices.Sort(answers)
	got := ours.median()
	m.t.judged([]string{"first paint: " + p.name,
		fmt.Sprintf("%s  worst %s  cold %s  answer %s (%s of processor, %d kB)", millis(got), millis(ours.worst()), millis(ours.cold), millis(answers[len(answers)/2]), millis(cost), len(body)/1000),
		fmt.Sprintf("static %s", millis(limit.median())), fmt.Sprintf("%.2f", float64(got)/float64(limit.median())),
		fmt.Sprintf("≤ %d ms", paintTarget.Milliseconds())}, got <= paintTarget)
	return nil
}

// cost is what this process takes of the processors for one answer, with asking for it: it tells
// something even on a machine that does much else.
func (w *pageWorld) cost(ctx context.Context, path string) (time.Duration, error) {
	const n = 10
	before := processorTime()
	for range n {
		if _, err := w.get(ctx, path); err != nil {
			return 0, err
		}
	}
	return (processorTime() - before) / n, nil
}

// floor is the first paint of one line of text: what this machine takes for any page now.
func (m *measurement) floor(w *pageWorld, b *browser) error {
	tab, done, err := b.tab()
	if err != nil {
		return err
	}
	defer done()
	still := w.copy([]byte("<!doctype html><title>One line</title><p>One line"))
	var all paints
	for i := range 2*m.rounds + 2 {
		took, err := tab.paint(w.url(still))
		if err != nil {
			return err
		}
		if all.warm = append(all.warm, took); i == 0 {
			all = paints{cold: took}
		}
	}
	slices.Sort(all.warm)
	m.t.note("first paint: one line of text", fmt.Sprintf("%s  worst %s  cold %s", millis(all.median()), millis(all.worst()), millis(all.cold)))
	return nil
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// get is a page as grace sees it.
func (w *pageWorld) get(ctx context.Context, path string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.addr+path, nil)
	if err != nil {
		return nil, err
	}
	r.Host = strings.TrimPrefix(w.url(""), "http://")
	a, err := w.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = a.Body.Close() }()
	body, err := io.ReadAll(a.Body)
	if err == nil && a.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s is answered with %s", path, a.Status)
	}
	return body, err
}

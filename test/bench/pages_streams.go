package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"slipway/bot/engine"
	"slipway/bot/people"
)

// Sizes of the measurement of event streams.
const (
	openStreams = 500
	perSession  = 40 // the door allows 50 of one session
	changes     = 100
	changeEvery = 100 * time.Millisecond // longer than what is gathered into one event
)

// usage is what a process has and took.
type usage struct {
	heap, private int64 // bytes
	processor     time.Duration
}

// usageNow reads it, after everything that can be freed was.
func usageNow() usage {
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{int64(m.HeapAlloc + m.StackInuse), privateBytes(), processorTime()}
}

// processorTime is what this process took of the processors so far.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// privateBytes is the resident memory that is this process's own, without mapped files; 0 where it
// is not told.
func privateBytes() int64 {
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(raw)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "RssAnon:" {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n << 10
		}
	}
	return 0
}

// streamCost is what streams cost.
type streamCost struct {
	heap, private int64         // bytes for each open stream
	processor     time.Duration // for each change told to each stream
	heard         heard
}

// costOf opens streams in a process of their own, makes changes, and subtracts what the same
// changes cost while nobody listens.
func costOf(ctx context.Context, o listening, change func(i int) (expected, error)) (c streamCost, err error) {
	make := func(from int) ([]expected, time.Duration, error) {
		before := processorTime()
		var list []expected
		tick := time.NewTicker(changeEvery)
		defer tick.Stop()
		for i := range changes {
			<-tick.C
			e, err := change(from + i)
			if err != nil {
				return nil, 0, err
			}
			list = append(list, e)
		}
		<-tick.C
		return list, processorTime() - before, nil
	}
	_, alone, err := make(0)
	if err != nil {
		return c, err
	}
	before := usageNow()
	l, err := startListeners(ctx, o)
	if err != nil {
		return c, err
	}
	defer func() { err = closed(l.close, err) }()
	with := usageNow()
	list, took, err := make(changes)
	if err != nil {
		return c, err
	}
	n := int64(len(o.Cookies))
	c.heap, c.private = (with.heap-before.heap)/n, (with.private-before.private)/n
	if c.heard, err = l.heard(list); err != nil {
		return c, err
	}
	c.processor = max(0, took-alone) / time.Duration(max(1, c.heard.Told))
	return c, nil
}

// streams measures open event streams beside the least that could tell as much: a handler of
// net/http that writes a line for each change.
func (m *measurement) streams(ctx context.Context, w *pageWorld) error {
	o, persons, err := w.sessions(ctx)
	if err != nil {
		return err
	}
	ours, err := costOf(ctx, o, func(i int) (expected, error) { return w.change(ctx, i, persons) })
	if err != nil {
		return err
	}
	bare, err := w.bareStreams(ctx, len(o.Cookies))
	if err != nil {
		return err
	}
	ratio := func(a, b int64) string { return fmt.Sprintf("%.2f", float64(a)/float64(max(b, 1))) }
	n := len(o.Cookies)
	m.t.judged([]string{fmt.Sprintf("heap and stacks of each of %d open streams", n), fmt.Sprintf("%.1f kB", float64(ours.heap)/1000),
		fmt.Sprintf("net/http %.1f kB", float64(bare.heap)/1000), ratio(ours.heap, bare.heap), "≤ 64 kB"}, ours.heap <= 64_000)
	m.t.rows = append(m.t.rows, []string{"resident memory of each", fmt.Sprintf("%.1f kB", float64(ours.private)/1000),
		fmt.Sprintf("net/http %.1f kB", float64(bare.private)/1000), ratio(ours.private, bare.private), "-", "-"})
	m.t.judged([]string{"processor for each change told to each stream", ours.processor.Round(100 * time.Nanosecond).String(),
		"net/http " + bare.processor.Round(100*time.Nanosecond).String(), ratio(int64(ours.processor), int64(bare.processor)), "≤ 200µs"}, ours.processor <= 200*time.Microsecond)
	h := ours.heard
	m.t.judged([]string{fmt.Sprintf("told of %d changes, each stream what it may see", changes),
		fmt.Sprintf("%d told, %d missing, %d to others; p50 %s p99 %s", h.Told, h.Missing, h.Wrong, millis(h.P50), millis(h.P99)),
		fmt.Sprintf("net/http p99 %s", millis(bare.heard.P99)), fmt.Sprintf("%.2f", float64(h.P99)/float64(bare.heard.P99)), "all"}, h.Missing+h.Wrong == 0 && h.Told > 0)
	return nil
}

// sessions logs people in as often as it takes for so many streams, and says who each stream is.
func (w *pageWorld) sessions(ctx context.Context) (o listening, persons []string, err error) {
	o.URL = "http://" + w.addr + "/events"
	who := []string{"grace", "alan", "hana", "oskar"}
	keep := *w.client
	keep.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	var cookie string
	for i := range openStreams {
		person := who[i/perSession%len(who)]
		if i%perSession == 0 {
			code, err := w.door.Code("console:" + person)
			if err != nil {
				return o, nil, err
			}
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.addr+"/login?"+url.Values{"code": {code}}.Encode(), nil)
			if err != nil {
				return o, nil, err
			}
			r.Header.Set("Sec-Fetch-Site", "none") // as a browser does for an address that was typed
			a, err := keep.Do(r)
			if err != nil {
				return o, nil, err
			}
			_ = a.Body.Close()
			if len(a.Cookies()) == 0 {
				return o, nil, fmt.Errorf("%s was not logged in: %s", person, a.Status)
			}
			cookie = a.Cookies()[0].Name + "=" + a.Cookies()[0].Value
		}
		o.Cookies, persons = append(o.Cookies, cookie), append(persons, person)
	}
	return o, persons, nil
}

// change starts a run, of which every fourth is private to grace and hana.
func (w *pageWorld) change(ctx context.Context, i int, persons []string) (expected, error) {
	e := expected{At: time.Now()}
	r := engine.StartRequest{Family: "note", Project: "lava", Person: "grace", Inputs: map[string]any{"version": fmt.Sprintf("9100.%d", i), "live": true}}
	if i%4 == 3 {
		r.Private, r.Circle = true, []people.PersonID{"grace", "hana"}
		for _, p := range persons {
			e.Only = append(e.Only, p == "grace" || p == "hana")
		}
	}
	started, err := w.f.Engine.StartRun(ctx, r)
	e.Run = started.Run
	return e, err
}

// bareStreams is the limit.
func (w *pageWorld) bareStreams(ctx context.Context, n int) (c streamCost, err error) {
	var mu sync.Mutex
	line, wake := "", make(chan struct{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return c, err
	}
	s := server(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		conn := http.NewResponseController(out)
		_ = conn.SetWriteDeadline(time.Time{})
		out.Header().Set("Content-Type", "text/event-stream")
		for text := "data: {}\n\n"; ; {
			mu.Lock()
			next := wake
			mu.Unlock()
			if _, err := out.Write([]byte(text)); err != nil || conn.Flush() != nil {
				return
			}
			select {
			case <-next:
			case <-r.Context().Done():
				return
			}
			mu.Lock()
			text = line
			mu.Unlock()
		}
	}))
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	defer func() {
		err = closed(s.Close, err)
		<-done
	}()
	o := listening{URL: "http://" + l.Addr().String() + "/events", Cookies: make([]string, n)}
	return costOf(ctx, o, func(i int) (expected, error) {
		e := expected{Run: fmt.Sprintf("r%07d", i), At: time.Now()}
		mu.Lock()
		defer mu.Unlock()
		line = fmt.Sprintf("id: dc3hvn9zm6xs-%d-%d\ndata: {\"runs\":[\"%s\"]}\n\n", i, i, e.Run)
		close(wake)
		wake = make(chan struct{})
		return e, nil
	})
}

// commandOf is a process of ours whose complaints are shown.
func commandOf(ctx context.Context, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, name, args...)
	c.Stderr = os.Stderr
	return c
}

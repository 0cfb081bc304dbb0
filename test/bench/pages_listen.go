package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// listening is what the process of the listeners is told: where, and which cookie each stream shows.
type listening struct {
	URL     string
	Cookies []string
}

// expected are changes that were made: when, and which streams must have been told of it.
type expected struct {
	Run  string
	At   time.Time
	Only []bool // by stream; nil: all
}

// heard is what the streams were told.
type heard struct {
	Told, Missing, Wrong int // a change to a stream; wrong: of a run that it may not see
	Frames               int
	P50, P99             time.Duration // from a change to its being read by a stream
}

// listener is one open stream: when it first heard of each run.
type listener struct {
	mu     sync.Mutex
	at     map[string]time.Time
	frames int
	ended  error
}

var changedRun = regexp.MustCompile(`"(r[0-9]{7})"`)

// listenAll is the process of the listeners. It opens all streams and says so; then it is told line
// by line what was expected, and answers each with what was heard.
func listenAll(ctx context.Context, in io.Reader, out io.Writer) error {
	from := bufio.NewReaderSize(in, 1<<20)
	var o listening
	if err := json.NewDecoder(newLine(from)).Decode(&o); err != nil {
		return err
	}
	list := make([]*listener, len(o.Cookies))
	errs := make([]error, len(list))
	var all sync.WaitGroup
	for i, cookie := range o.Cookies {
		list[i] = &listener{at: map[string]time.Time{}}
		all.Go(func() { errs[i] = list[i].open(ctx, o.URL, cookie) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	fmt.Fprintln(out, "open")
	for {
		line, err := from.ReadBytes('\n')
		if err != nil {
			return nil // the other side has enough
		}
		var want []expected
		if err := json.Unmarshal(line, &want); err != nil {
			return err
		}
		if err := json.NewEncoder(out).Encode(compare(list, want)); err != nil {
			return err
		}
	}
}

func newLine(from *bufio.Reader) io.Reader {
	line, _ := from.ReadString('\n')
	return strings.NewReader(line)
}

// open opens a stream and returns when its first event is there. It dials by itself, with the least
// that a client can have: what is measured is the server.
func (l *listener) open(ctx context.Context, at, cookie string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Cookie", cookie)
	r.Header.Set("Accept", "text/event-stream")
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.URL.Host)
	if err != nil {
		return err
	}
	if err := r.Write(c); err != nil {
		return err
	}
	b := bufio.NewReader(c)
	a, err := http.ReadResponse(b, r)
	if err != nil {
		return err
	}
	if a.StatusCode != http.StatusOK {
		return fmt.Errorf("a stream is answered with %s", a.Status)
	}
	lines := bufio.NewReader(a.Body)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return err
		}
		if strings.HasPrefix(line, "data:") {
			break
		}
	}
	go l.read(lines)
	return nil
}

func (l *listener) read(lines *bufio.Reader) {
	for {
		line, err := lines.ReadString('\n')
		now := time.Now()
		l.mu.Lock()
		if err != nil {
			l.ended = err
			l.mu.Unlock()
			return
		}
		if strings.HasPrefix(line, "data:") {
			l.frames++
			for _, m := range changedRun.FindAllStringSubmatch(line, -1) {
				if _, had := l.at[m[1]]; !had {
					l.at[m[1]] = now
				}
			}
		}
		l.mu.Unlock()
	}
}

// compare waits until every stream has heard what it should, at most half a minute.
func compare(list []*listener, want []expected) heard {
	var h heard
	for give := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		var took []time.Duration
		h = heard{}
		for i, l := range list {
			l.mu.Lock()
			h.Frames += l.frames
			for _, e := range want {
				at, had := l.at[e.Run]
				switch may := e.Only == nil || e.Only[i]; {
				case may && had:
					took = append(took, at.Sub(e.At))
				case may:
					h.Missing++
				case had:
					h.Wrong++
				}
			}
			l.mu.Unlock()
		}
		if h.Told = len(took); h.Told > 0 {
			slices.Sort(took)
			h.P50, h.P99 = took[len(took)/2], took[len(took)*99/100]
		}
		if h.Missing == 0 || time.Now().After(give) {
			return h
		}
	}
}

// listeners is that process, as seen by the one that is measured.
type listeners struct {
	to    io.WriteCloser
	from  *bufio.Reader
	close func() error
}

func startListeners(ctx context.Context, o listening) (*listeners, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := commandOf(ctx, self, "-listen")
	to, err := c.StdinPipe()
	if err != nil {
		return nil, err
	}
	from, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	l := &listeners{to: to, from: bufio.NewReader(from), close: func() error { _ = to.Close(); return c.Wait() }}
	if err := json.NewEncoder(to).Encode(o); err != nil {
		return nil, closed(l.close, err)
	}
	if line, err := l.from.ReadString('\n'); err != nil || line != "open\n" {
		return nil, closed(l.close, fmt.Errorf("the streams were not opened: %q %v", line, err))
	}
	return l, nil
}

// heard asks what the streams were told of the changes.
func (l *listeners) heard(want []expected) (h heard, err error) {
	if err := json.NewEncoder(l.to).Encode(want); err != nil {
		return h, err
	}
	return h, json.NewDecoder(newLine(l.from)).Decode(&h)
}

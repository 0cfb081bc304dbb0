// Package slack is a Slack that is honest: a workspace that keeps state, speaks the Web API, the
// Events API, slash commands, interactivity and Socket Mode, and enforces what Slack enforces.
//
// The state is the truth. Tests let people act with methods of [Server] (they say, react, press,
// edit), let the program under test work over HTTP, and then look at the state. What follows from an
// act waits in a queue until [Server.Deliver] or [Server.Pump] sends it, so that a test can drop,
// repeat and shuffle it. Methods that return values return copies.
//
// What it says and refuses follows the documentation (https://docs.slack.dev). Every request is held
// against the vendor's description of the Web API, with corrections that each cite a page; a request
// that does not fit fails the test. [Server.Fault] makes it fail as Slack behind a network fails.
package slack

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options are what a server begins with.
type Options struct {
	Now    func() time.Time // nil: time.Now
	Team   string           // id of the workspace; "": T0HARBOUR
	Limits bool             // the limits of the Web API hold: tiers, and one message a second in a channel
	Burst  int              // so many messages may come at once in a channel before the limit holds; 0: 3
	Wrong  func(string)     // told of every request that does not fit the description, and must not call the server; nil with Start: the test fails
	Watch  func(Request)    // told of every request before anything is done; may wait; nil: nobody
}

// TB is what [Start] needs of a test.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Server is a Slack. It is safe for several goroutines.
type Server struct {
	URL string // of the Web API, with a slash at the end

	o        Options
	base     string // without a slash at the end
	addr     string
	methods  map[string]method
	describe *description
	http     *http.Server

	mu       sync.Mutex // over everything below
	listener net.Listener
	held     int // a socket that keeps the port while the server is away; 0: none
	closed   chan struct{}
	down     bool
	ids      map[string]int
	last     int64 // the latest ts, in microseconds
	app      App
	teams    []*Team
	users    []*User
	bots     []*Bot
	tokens   []*Token
	channels []*Channel
	groups   []*Group
	views    []*View
	files    []*File
	uploads  map[string]*File // by the last part of the address to send to
	answers  []*answerURL     // of commands and presses
	triggers []*trigger
	faults   []*Fault
	windows  map[string][]time.Time
	paused   map[string]time.Time
	requests []Request
	problems []string

	deliveries
	sockets
}

// New serves a Slack on a free loopback port until Close.
func New(o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Team == "" {
		o.Team = "T0HARBOUR"
	}
	if o.Burst == 0 {
		o.Burst = 3
	}
	d, err := describe()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	base := "http://" + l.Addr().String()
	s := &Server{URL: base + "/api/", base: base, addr: l.Addr().String(), o: o, describe: d, listener: l, closed: make(chan struct{}),
		ids: map[string]int{}, uploads: map[string]*File{}, windows: map[string][]time.Time{}, paused: map[string]time.Time{}}
	s.methods = s.table()
	s.settle()
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func(h *http.Server) { _ = h.Serve(l) }(s.http)
	return s, nil
}

// Start serves a Slack until the test ends. Unless o says otherwise, the test fails for every
// request that does not fit the description of the Web API.
func Start(t TB, o Options) *Server {
	t.Helper()
	own := o.Wrong == nil
	s, err := New(o)
	if err != nil {
		t.Fatalf("the fake Slack does not start: %v", err)
	}
	t.Cleanup(func() {
		s.Close()
		if own {
			for _, p := range s.Problems() {
				t.Errorf("a request is not as Slack's description says: %s", p)
			}
		}
	})
	return s
}

// Close ends the server and every connection.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closed:
		return
	default:
	}
	close(s.closed)
	s.letGo()
	s.hangUp()
	_ = s.http.Close()
}

// Problems are the requests so far that do not fit the description, each with the reason.
func (s *Server) Problems() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.problems...)
}

// wrong notes a request that does not fit. s.mu is held.
func (s *Server) wrong(format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	s.problems = append(s.problems, what)
	if s.o.Wrong != nil {
		s.o.Wrong(what)
	}
}

// id gives the next id of a kind, such as C0000001Q8.
func (s *Server) id(prefix string) string {
	s.ids[prefix]++
	n := 36*36*(len(s.ids)+1) + 7*s.ids[prefix]
	return prefix + fmt.Sprintf("0%09s", strings.ToUpper(strconv.FormatInt(int64(n), 36)))
}

// now is the server's time, in UTC.
func (s *Server) now() time.Time { return s.o.Now().UTC() }

// ts gives the next timestamp: seconds and microseconds, never twice the same.
func (s *Server) ts() string {
	s.last = max(s.last+100, s.now().UnixMicro())
	return fmt.Sprintf("%010d.%06d", s.last/1e6, s.last%1e6)
}

// micros is a timestamp as a number; ok is false for what is none.
func micros(ts string) (n int64, ok bool) {
	whole, part, _ := strings.Cut(ts, ".")
	if len(part) > 6 || whole == "" && part == "" {
		return 0, false
	}
	n, err := strconv.ParseInt(whole+part+strings.Repeat("0", 6-len(part)), 10, 64)
	return n, err == nil && n >= 0
}

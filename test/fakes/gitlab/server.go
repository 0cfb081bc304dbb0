// Package gitlab is a GitLab that is honest: it keeps state, has a real bare git repository behind
// every project, and enforces what GitLab enforces. Tests talk to it over HTTP, with any client of
// the REST API v4 and with git.
//
// The state is the truth: tests drive the world with methods of [Server] (people, projects, the ends
// of pipelines), let the program under test work over HTTP, and then look at the state. Methods that
// return values return copies.
//
// What it says and refuses follows the REST API's documentation (https://docs.gitlab.com/api/rest/).
// [Server.Fault] makes it fail as a GitLab behind a proxy fails: before or after the work is done.
package gitlab

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// Options are what a server begins with.
type Options struct {
	Now       func() time.Time // nil: time.Now
	Version   string           // "": a version of the 19 line
	RateLimit int              // requests in a minute for each token; 0: without a limit
	Storage   bool             // archives of jobs lie in an object storage, to which downloads are redirected
	Watch     func(Request)    // told of every request before anything is done; may wait; nil: nobody
}

// TB is what [Start] needs of a test.
type TB interface {
	Helper()
	TempDir() string
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Server is a GitLab. It is safe for several goroutines.
type Server struct {
	URL string // without a slash at the end

	o      Options
	root   string // of the repositories
	addr   string
	routes []route
	base   *http.Server

	mu       sync.Mutex // over everything below, and over the state of all projects
	listener net.Listener
	held     int // a socket that keeps the port while the server is away; 0: none
	closed   chan struct{}
	down     bool // answers 502
	ids      map[string]int
	users    []*User
	tokens   []*Token
	projects []*Project
	faults   []*Fault
	windows  map[string]*window
	delaying bool // what pushes begin waits in delayed
	delayed  []func()
	requests []Request
	happened []happening // all of them, ever

	work // what people work on: milestones, issues, merge requests, notes, hooks
}

// happening is an event that hooks may hear of, as it was when it happened.
type happening struct {
	project int    // id
	kind    string // object_kind of the payload
	body    []byte
}

// emit hands an event to the hooks. s.mu is held.
func (s *Server) emit(p *Project, kind string, payload map[string]any) {
	body, err := json.Marshal(payload)
	if err != nil {
		panic(fmt.Sprintf("a payload of kind %s cannot be encoded: %v", kind, err))
	}
	h := happening{project: p.ID, kind: kind, body: body}
	if s.hooks.caught == nil { // otherwise it is a sample
		s.happened = append(s.happened, h)
	}
	s.announce(p, kind, payload)
}

// New makes a server whose repositories lie in dir, on a free loopback port, until Close.
func New(dir string, o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Version == "" {
		o.Version = "19.0.2-ee"
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{URL: "http://" + l.Addr().String(), o: o, root: dir, addr: l.Addr().String(), listener: l,
		closed: make(chan struct{}), ids: map[string]int{}, windows: map[string]*window{}}
	base := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	s.base = base
	s.routes = s.table()
	s.AddUser(User{Username: "root", Name: "Administrator", Admin: true})
	go func() { _ = base.Serve(l) }()
	return s, nil
}

// Start serves a GitLab until the test ends.
func Start(t TB, o Options) *Server {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "gitlab-")
	if err != nil {
		t.Fatalf("the fake GitLab has no directory: %v", err)
	}
	s, err := New(dir, o)
	if err != nil {
		t.Fatalf("the fake GitLab does not start: %v", err)
	}
	t.Cleanup(s.Close)
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
	_ = s.base.Close()
}

// id gives the next number of a kind. Kinds begin far apart, so that an id that is taken for
// another one finds nothing.
func (s *Server) id(kind string) int {
	if s.ids[kind] == 0 {
		s.ids[kind] = 1000 * (len(kind) + 7*len(s.ids))
	}
	s.ids[kind]++
	return s.ids[kind]
}

// now is the server's time, in UTC.
func (s *Server) now() time.Time { return s.o.Now().UTC() }

// stamp writes a time as the REST API does.
func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// hookStamp writes a time as most hooks do.
func hookStamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

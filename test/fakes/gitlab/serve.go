package gitlab

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"
)

// Request is one line of the log of requests.
type Request struct {
	Method, Path string // the path as it was sent, without the query
	Query        string
	User         int // id; 0: nobody
	Status       int // 0: not answered
	Fault        Kind
}

// Requests is the log of requests, oldest first. Tests should look at the state rather than at this.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The body is read at once: what hangs must see that the client gives up, which the server of
	// Go's library only notices after it.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 256<<20))
	if err != nil {
		http.Error(w, "the body could not be read", http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength, r.TransferEncoding = int64(len(body)), nil
	fault, line := s.meet(r)
	if s.o.Watch != nil {
		s.o.Watch(Request{Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Fault: fault.Do})
	}
	if fault.Do.before() {
		s.break_(w, r, fault, line)
		return
	}
	seen := httptest.NewRecorder()
	user := s.answer(seen, r)
	s.mu.Lock()
	s.requests[line].User = user
	if fault.Do == "" {
		s.requests[line].Status = seen.Code
	}
	s.mu.Unlock()
	if fault.Do != "" && fault.Do != Cut {
		s.break_(w, r, fault, line)
		return
	}
	for k, v := range seen.Header() {
		w.Header()[k] = v
	}
	all := seen.Body.Bytes()
	if fault.Do == Cut {
		w.Header().Set("Content-Length", strconv.Itoa(len(all)))
		all = all[:len(all)/2]
	}
	w.WriteHeader(seen.Code)
	_, _ = w.Write(all)
	if fault.Do == Cut {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// meet writes a request into the log and finds the fault that it meets.
func (s *Server) meet(r *http.Request) (Fault, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := len(s.requests)
	s.requests = append(s.requests, Request{Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery})
	f := s.fault(r)
	s.requests[line].Fault = f.Do
	return f, line
}

// answer does what a request asks for, and says who asked.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) (user int) {
	rest, api := strings.CutPrefix(r.URL.EscapedPath(), "/api/v4")
	switch {
	case s.o.Storage && strings.HasPrefix(r.Host, "localhost:"):
		s.serveStorage(w, r)
		return 0
	case !api:
		return s.serveGit(w, r)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &call{s: s, r: r}
	a := s.limit(r, w.Header())
	if a == nil {
		a = s.call(c, rest)
	}
	w.Header().Set("X-Request-Id", strconv.Itoa(len(s.requests)))
	a.write(w, r.Method == http.MethodHead)
	return idOf(c.user)
}

// call finds the route of a call, checks what it may do and lets the handler answer.
func (s *Server) call(c *call, path string) *answer {
	var refused *answer
	if c.user, c.token, refused = s.authenticate(c.r); refused != nil {
		return refused
	}
	rt, values, known := s.find(c.r.Method, path)
	switch {
	case rt.handle == nil && known:
		a := wrong(http.StatusMethodNotAllowed, "405 Not Allowed")
		return &a
	case rt.handle == nil:
		a := wrong(http.StatusNotFound, "404 Not Found")
		return &a
	}
	c.path = values
	inProject := strings.HasPrefix(rt.pattern, "/projects/:id")
	if c.user == nil && (rt.method != http.MethodGet || !inProject) {
		a := message(http.StatusUnauthorized, "401 Unauthorized")
		return &a
	}
	if c.token != nil {
		if refused := scope(c.token, rt); refused != nil {
			return refused
		}
	}
	var err error
	if c.in, err = read(c.r); err != nil {
		a := wrong(http.StatusBadRequest, "%s", "The provided content-type or body is not supported: "+err.Error())
		return &a
	}
	if inProject {
		if refused := c.locate(values["id"]); refused != nil {
			return refused
		}
		if c.level() < rt.level {
			a := forbidden()
			return &a
		}
		if c.project.Archived && rt.method != http.MethodGet {
			a := forbidden()
			return &a
		}
	}
	a := rt.handle(c)
	return &a
}

// window counts the requests of a token in a minute.
type window struct {
	from  time.Time
	count int
}

// limit counts a request, and refuses it when there were too many in the minute.
func (s *Server) limit(r *http.Request, h http.Header) *answer {
	if s.o.RateLimit <= 0 {
		return nil
	}
	key := r.Header.Get("PRIVATE-TOKEN") + r.Header.Get("Authorization")
	win, now := s.windows[key], s.now()
	if win == nil || !now.Before(win.from.Add(time.Minute)) {
		win = &window{from: now}
		s.windows[key] = win
	}
	win.count++
	reset := win.from.Add(time.Minute)
	h.Set("RateLimit-Name", "throttle_authenticated_api")
	h.Set("RateLimit-Limit", strconv.Itoa(s.o.RateLimit))
	h.Set("RateLimit-Observed", strconv.Itoa(win.count))
	h.Set("RateLimit-Remaining", strconv.Itoa(max(0, s.o.RateLimit-win.count)))
	h.Set("RateLimit-Reset", strconv.FormatInt(reset.Unix(), 10))
	if win.count <= s.o.RateLimit {
		return nil
	}
	a := slowDown(reset.Sub(now))
	return &a
}

// slowDown is GitLab's answer to too many requests.
func slowDown(wait time.Duration) answer {
	seconds := max(1, int((wait+time.Second-1)/time.Second))
	return answer{status: http.StatusTooManyRequests, raw: []byte("Retry later\n"),
		header: http.Header{"Content-Type": {"text/plain"}, "Retry-After": {strconv.Itoa(seconds)}}}
}

// hijack takes the connection of a request away from the server.
func hijack(w http.ResponseWriter) (net.Conn, bool) {
	h, can := w.(http.Hijacker)
	if !can {
		return nil, false
	}
	conn, _, err := h.Hijack()
	return conn, err == nil
}

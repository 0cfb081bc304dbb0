package slack

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
	Method string            // of the Web API: chat.update; a path for everything else
	Args   map[string]string // without the token
	Who    string            // id of the user; "": nobody
	Status int               // 0: not answered
	Error  string            // of an answer that is not ok
	Fault  Kind
	At     time.Time
}

// Requests is the log of requests, oldest first. Tests should look at the state rather than at this.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// Asked is how often a method was called.
func (s *Server) Asked(method string) (n int) {
	for _, r := range s.Requests() {
		if r.Method == method {
			n++
		}
	}
	return n
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/link/") {
		s.serveSocket(w, r)
		return
	}
	// The body is read at once: what hangs must see that the client gives up, which the server of
	// Go's library only notices after it.
	raw, err := slurp(r, w)
	if err != nil {
		http.Error(w, "the body could not be read", http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(raw))
	name, api := strings.CutPrefix(r.URL.Path, "/api/")
	if !api {
		name = r.URL.Path
	}
	c := &call{s: s, r: r, name: name}
	var unread error
	if api {
		unread = c.read(raw)
	}
	fault, line := s.meet(c)
	if s.o.Watch != nil {
		s.o.Watch(Request{Method: name, Args: without(c.in, "token"), Fault: fault.Do, At: s.now()})
	}
	if fault.Do.before() {
		s.break_(w, r, fault, line)
		return
	}
	seen := httptest.NewRecorder()
	if api {
		s.mu.Lock()
		a := s.call(c, unread)
		s.requests[line].Who, s.requests[line].Args = idOf(c.token), without(c.in, "token")
		s.requests[line].Error, _ = a.body["error"].(string)
		a.write(seen)
		s.mu.Unlock()
	} else {
		s.elsewhere(seen, r, raw)
	}
	if fault.Do != "" && fault.Do != Cut {
		s.break_(w, r, fault, line)
		return
	}
	if fault.Do == "" {
		s.mu.Lock()
		s.requests[line].Status = seen.Code
		s.mu.Unlock()
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
func (s *Server) meet(c *call) (Fault, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := len(s.requests)
	s.requests = append(s.requests, Request{Method: c.name, Args: without(c.in, "token"), At: s.now()})
	f := s.fault(c)
	s.requests[line].Fault = f.Do
	return f, line
}

// call checks who asks for what, and lets the method answer.
func (s *Server) call(c *call, unread error) answer {
	if unread != nil {
		s.wrong("%s: the arguments cannot be read: %v", c.name, unread)
		return fail(unread.Error())
	}
	m, known := s.methods[c.name]
	if !known {
		s.wrong("%s is no method that this server has", c.name)
		a := fail("unknown_method")
		a.body["req_method"] = c.name
		return a
	}
	var refused string
	if c.token, refused = s.authenticate(c); refused != "" {
		return fail(refused)
	}
	if wait := s.limit(c, m.tier); wait > 0 {
		return slowDown(wait)
	}
	a := s.perform(c, m)
	if a.header == nil {
		a.header = http.Header{}
	}
	a.header.Set("X-OAuth-Scopes", strings.Join(c.token.Scopes, ","))
	a.header.Set("X-Accepted-OAuth-Scopes", strings.Join(m.scopes, ","))
	a.header.Set("X-Slack-Req-Id", strconv.Itoa(len(s.requests)))
	return a
}

func (s *Server) perform(c *call, m method) answer {
	switch {
	case c.token.appLevel() && m.name != "apps.connections.open" && m.name != "auth.test",
		!c.token.appLevel() && m.name == "apps.connections.open":
		return fail("not_allowed_token_type")
	case !c.token.hasAny(m.scopes):
		return missing(c, m.scopes)
	}
	if wrong := s.describe.check(c); len(wrong) > 0 {
		for _, w := range wrong {
			s.wrong("%s by %s: %s", c.name, c.token.who(), w)
		}
		return fail("invalid_arguments", wrong...)
	}
	return m.handle(c)
}

func without(in map[string]string, name string) map[string]string {
	out := map[string]string{}
	for k, v := range in {
		if k != name {
			out[k] = v
		}
	}
	return out
}

func idOf(t *Token) string {
	if t == nil {
		return ""
	}
	return t.User
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

// elsewhere answers what is not the Web API: files, addresses for answers.
func (s *Server) elsewhere(w http.ResponseWriter, r *http.Request, raw []byte) {
	first, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch first {
	case "upload":
		s.receive(w, r, rest, raw)
	case "files":
		s.serveFile(w, r, rest)
	case "respond":
		s.respond(w, r, rest, raw)
	case "page":
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(s.Page(rest))
	default:
		http.NotFound(w, r)
	}
}

package gitlab

import (
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// Kind is how a request fails. What ends in After is done before it fails, and the caller never
// hears of it.
type Kind string

const (
	BadGateway      Kind = "502 before"
	BadGatewayAfter Kind = "502 after"
	InternalError   Kind = "500 before"
	TooMany         Kind = "429 before" // with Retry-After
	Conflict        Kind = "409 before"
	Hang            Kind = "hang before" // until the client gives up or the server ends
	HangAfter       Kind = "hang after"
	Reset           Kind = "reset before"
	ResetAfter      Kind = "reset after"
	Cut             Kind = "cut after" // the first half of the answer comes
)

func (k Kind) before() bool { return strings.HasSuffix(string(k), "before") }

// Fault is a rule for requests to come.
type Fault struct {
	Method     string        // "": any
	Path       string        // what follows /api/v4, "*" for one segment and a last "**" for the rest; a path of git otherwise; "": any
	Skip       int           // so many requests that match go well first
	Times      int           // so many fail then; 0: one, -1: all
	Do         Kind          // how
	RetryAfter time.Duration // for TooMany; 0: 30 s
}

// Fault adds a rule. The first rule that matches and is not used up is the one that counts.
func (s *Server) Fault(f Fault) {
	if f.Times == 0 {
		f.Times = 1
	}
	if f.RetryAfter == 0 {
		f.RetryAfter = 30 * time.Second
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// ClearFaults takes all rules away and says how many of them still had something to do.
func (s *Server) ClearFaults() (left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if f.Times > 0 {
			left++
		}
	}
	s.faults = nil
	return left
}

// fault finds what a request meets, and uses it up.
func (s *Server) fault(r *http.Request) Fault {
	if s.down {
		return Fault{Do: BadGateway}
	}
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/api/v4")
	for _, f := range s.faults {
		if f.Times == 0 || f.Method != "" && f.Method != r.Method || f.Path != "" && !glob(f.Path, path) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Times > 0 {
			f.Times--
		}
		return *f
	}
	return Fault{}
}

// glob compares a path, segment by segment and without its escapes, with a pattern.
func glob(pattern, path string) bool {
	if head, rest := strings.CutSuffix(pattern, "**"); rest {
		pattern = head + "*rest"
	}
	parts := strings.Split(pattern, "/")
	for i, part := range parts {
		if part == "*" {
			parts[i] = ":any"
		}
	}
	_, ok := match(strings.Join(parts, "/"), strings.Split(strings.Trim(path, "/"), "/"))
	return ok
}

// break_ answers as a fault says.
func (s *Server) break_(w http.ResponseWriter, r *http.Request, f Fault, line int) {
	a := message(http.StatusInternalServerError, "500 Internal Server Error")
	switch f.Do {
	case BadGateway, BadGatewayAfter:
		a = answer{status: http.StatusBadGateway, header: http.Header{"Content-Type": {"text/html"}},
			raw: []byte("<html>\n<head><title>502 Bad Gateway</title></head>\n<body>GitLab is not responding</body>\n</html>\n")}
	case TooMany:
		a = slowDown(f.RetryAfter)
	case Conflict:
		a = message(http.StatusConflict, "409 Conflict")
	case Hang, HangAfter:
		select {
		case <-r.Context().Done():
		case <-s.closed:
		}
		if conn, ok := hijack(w); ok {
			_ = conn.Close()
		}
		return
	case Reset, ResetAfter:
		if conn, ok := hijack(w); ok {
			if tcp, is := conn.(*net.TCPConn); is {
				_ = tcp.SetLinger(0)
			}
			_ = conn.Close()
		}
		return
	}
	s.mu.Lock()
	s.requests[line].Status = a.status
	s.mu.Unlock()
	a.write(w, r.Method == http.MethodHead)
}

// BadGateways makes every request end with 502 before anything is done, until told otherwise.
func (s *Server) BadGateways(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = on
}

// Away takes the server off the network: connections are refused, and those that are open end. The
// port stays its own.
func (s *Server) Away() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return
	}
	_ = s.base.Close()
	s.listener = nil
	s.hold()
}

// Back puts the server on the network again, at the same address.
func (s *Server) Back() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		return nil
	}
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		return err
	}
	s.letGo()
	s.listener = l
	base := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	s.base = base
	go func() { _ = base.Serve(l) }()
	return nil
}

// hold binds the port without listening, so that nobody else is given it. It is a courtesy: where
// it fails, the port is merely likely to be free.
func (s *Server) hold() {
	at, err := net.ResolveTCPAddr("tcp", s.addr)
	if err != nil {
		return
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return
	}
	syscall.CloseOnExec(fd)
	_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	if syscall.Bind(fd, &syscall.SockaddrInet4{Port: at.Port, Addr: [4]byte{127, 0, 0, 1}}) != nil {
		_ = syscall.Close(fd)
		return
	}
	s.held = fd
}

func (s *Server) letGo() {
	if s.held != 0 {
		_ = syscall.Close(s.held)
		s.held = 0
	}
}

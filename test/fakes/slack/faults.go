package slack

import (
	"net"
	"net/http"
	"path"
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
	Internal        Kind = "500 before" // ok false, internal_error, as Slack's servers say when they are in trouble
	InternalAfter   Kind = "500 after"
	TooMany         Kind = "429 before" // with Retry-After
	TooManyBare     Kind = "429 without Retry-After before"
	Refuse          Kind = "refuse before" // 200 and the error that the fault names
	Hang            Kind = "hang before"   // until the client gives up or the server ends
	HangAfter       Kind = "hang after"
	Reset           Kind = "reset before"
	ResetAfter      Kind = "reset after"
	Cut             Kind = "cut after" // the first half of the answer comes
)

func (k Kind) before() bool { return strings.HasSuffix(string(k), "before") }

// Fault is a rule for requests to come.
type Fault struct {
	Method     string        // of the Web API, "*" for any part: "chat.*"; a path such as "/upload/*" otherwise; "": any
	Channel    string        // "": any
	Skip       int           // so many requests that match go well first
	Times      int           // so many fail then; 0: one, -1: all
	Do         Kind          // how
	RetryAfter time.Duration // for TooMany; 0: 30 s
	Error      string        // for Refuse; "": fatal_error
}

// Fault adds a rule. The first rule that matches and is not used up is the one that counts.
func (s *Server) Fault(f Fault) {
	if f.Times == 0 {
		f.Times = 1
	}
	if f.RetryAfter == 0 {
		f.RetryAfter = 30 * time.Second
	}
	if f.Error == "" {
		f.Error = "fatal_error"
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
func (s *Server) fault(c *call) Fault {
	if s.down {
		return Fault{Do: BadGateway}
	}
	for _, f := range s.faults {
		if f.Times == 0 || f.Channel != "" && f.Channel != c.in["channel"] || f.Method != "" && !covers(f.Method, c.name) {
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

func covers(pattern, name string) bool {
	good, err := path.Match(pattern, name)
	return err == nil && good
}

// break_ answers as a fault says.
func (s *Server) break_(w http.ResponseWriter, r *http.Request, f Fault, line int) {
	a := fail("internal_error")
	a.status = http.StatusInternalServerError
	switch f.Do {
	case TooMany:
		a = slowDown(f.RetryAfter)
	case TooManyBare:
		a = slowDown(f.RetryAfter)
		a.header = nil
	case Refuse:
		a = fail(f.Error)
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
	s.requests[line].Status, s.requests[line].Error = a.status, f.Error
	if f.Do == BadGateway || f.Do == BadGatewayAfter {
		s.requests[line].Status = http.StatusBadGateway
	}
	s.mu.Unlock()
	if f.Do == BadGateway || f.Do == BadGatewayAfter {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		_, _ = w.Write([]byte("<html><head><title>502 Bad Gateway</title></head><body>Slack is not responding</body></html>\n"))
		return
	}
	a.write(w)
}

// BadGateways makes every request end with 502 before anything is done, until told otherwise.
func (s *Server) BadGateways(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = on
}

// Away takes the server off the network: connections are refused, and those that are open end,
// those of Socket Mode too. The port stays its own.
func (s *Server) Away() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return
	}
	_ = s.http.Close()
	s.hangUp()
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
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func(h *http.Server) { _ = h.Serve(l) }(s.http)
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

package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestWhoeverSendsSlowlyIsCut uses the server as it is, with shorter times.
func TestWhoeverSendsSlowlyIsCut(t *testing.T) {
	b := &bot{conf: &config{}, log: quiet()}
	read := make(chan error, 8)
	b.web.handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); r.Method == http.MethodPost {
			read <- err
		}
	})
	s := b.consoleServer()
	if s.ReadHeaderTimeout <= 0 || s.ReadTimeout <= 0 || s.WriteTimeout <= 0 || s.IdleTimeout <= 0 || s.MaxHeaderBytes > 64<<10 {
		t.Fatalf("a time has no bound: %+v", s)
	}
	s.ReadHeaderTimeout, s.ReadTimeout, s.IdleTimeout = 50*time.Millisecond, 100*time.Millisecond, 50*time.Millisecond
	l := listen(t)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	for name, text := range map[string]string{
		"nothing":       "",
		"half a header": "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
		"half a body":   "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf",
		"half a chunk":  "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf",
		"and then idle": "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
		if _, err := io.Copy(io.Discard, c); isTimeout(err) {
			t.Errorf("%s: whoever sends it keeps the connection", name)
		}
		_ = c.Close()
		if strings.HasPrefix(text, "POST") {
			if err := <-read; err == nil {
				t.Errorf("%s: it is taken for whole", name)
			}
		}
	}
}

func isTimeout(err error) bool {
	e, ok := err.(net.Error)
	return ok && e.Timeout()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// fromNet is a listener whose connections seem to come from addresses of a list, in turn.
type fromNet struct {
	net.Listener
	from []string
}

type fromConn struct {
	net.Conn
	at net.Addr
}

func (c fromConn) RemoteAddr() net.Addr { return c.at }

func (f *fromNet) Accept() (net.Conn, error) {
	c, err := f.Listener.Accept()
	if err != nil {
		return nil, err
	}
	at := f.from[0]
	f.from = f.from[1:]
	return fromConn{c, &net.TCPAddr{IP: net.ParseIP(at), Port: 1}}, nil
}

func TestConnectionsAreBounded(t *testing.T) {
	far, near := "192.0.2.1", "127.0.0.1"
	inner := &fromNet{Listener: listen(t), from: []string{far, far, far, "192.0.2.2", near, near, near, far}}
	l := newFewConns(inner, 5, 2, nil)
	defer l.Close()
	got := make(chan net.Conn, 8)
	go func() {
		for len(inner.from) > 0 {
			if c, err := l.Accept(); err == nil {
				got <- c
			}
		}
	}()
	var taken []net.Conn
	dial := func(want bool) {
		t.Helper()
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if want {
			taken = append(taken, <-got)
			return
		}
		_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err == nil || isTimeout(err) {
			t.Errorf("a connection too many is kept: %v", err)
		}
	}
	dial(true)
	dial(true)
	dial(false) // the third of that address
	dial(true)
	dial(true)
	dial(true) // this machine has no bound but that of all
	dial(false)
	_ = taken[0].Close()
	_ = taken[0].Close() // counts once
	dial(true)
	if l.open != 5 {
		t.Errorf("%d are counted", l.open)
	}
}

// TestManyStreamsAreBounded opens more event streams than one session may have.
func TestManyStreamsAreBounded(t *testing.T) {
	w := newDoorWorld(t, asOne)
	hana := w.browser("").enter()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	open := func() (int, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.addr+"/events", nil)
		if err != nil {
			return 0, err
		}
		r.AddCookie(hana.session())
		r.Header.Set("Accept", "text/event-stream")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		a, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
		if err != nil {
			return 0, err
		}
		if a.StatusCode == http.StatusOK {
			t.Cleanup(func() { _ = a.Body.Close() })
		}
		return a.StatusCode, nil
	}
	counted := map[int]int{}
	for range 55 {
		status, err := open()
		if err != nil {
			t.Fatal(err)
		}
		counted[status]++
	}
	if counted[http.StatusOK] != 50 || counted[http.StatusTooManyRequests] != 5 {
		t.Errorf("of 55 streams: %v", counted)
	}
	// Her pages work meanwhile, and logging out ends them all.
	hana.get("/c/general").want(t, http.StatusOK)
	if n, err := w.b.web.door.EndSessions(here()); err != nil || n != 1 {
		t.Fatalf("%d sessions end, %v", n, err)
	}
	fresh := w.browser("").enter()
	fresh.get("/c/general").want(t, http.StatusOK, "Hana")
}

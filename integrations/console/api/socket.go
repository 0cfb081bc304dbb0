package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/console"
	"slipway/integrations/console/login"
)

// Socket serves a handler on the unix socket of this machine. Behind [login.Door.Peer] the kernel
// says who asks.
type Socket struct {
	Handler    http.Handler
	MaxClients int // connections at a time; 0 means 64
}

// Serve answers on l until ctx ends, then closes l and all connections, and returns nil when no
// handler is under way any more. It returns early only if l fails.
func (s Socket) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	most := s.MaxClients
	if most == 0 {
		most = 64
	}
	var under sync.WaitGroup
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			under.Add(1)
			defer under.Done()
			s.Handler.ServeHTTP(w, r)
		}),
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(login.PeerContext(ctx, c.(*slotted).Conn), socketKey{}, true)
		},
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10,
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		// Handlers end with ctx; those that write their last words get a moment for it.
		last, done := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer done()
		if server.Shutdown(last) != nil {
			_ = server.Close()
		}
	})
	err := server.Serve(&bounded{Listener: l, slots: make(chan struct{}, most)})
	if stop() { // l failed by itself
		_ = server.Close()
		under.Wait()
		return errs.E("console.serve", errs.Unavailable, fmt.Errorf("the console's socket failed: %w", err))
	}
	<-ended
	under.Wait()
	return nil
}

// bounded is a listener that tells all beyond so many clients to come again later.
type bounded struct {
	net.Listener
	slots chan struct{}
}

func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case b.slots <- struct{}{}:
			return &slotted{Conn: c, free: sync.OnceFunc(func() { <-b.slots })}, nil
		default:
			turnAway(c, cap(b.slots))
		}
	}
}

func turnAway(c net.Conn, most int) {
	p := console.ProblemOf(errs.E("console.serve", errs.Busy, fmt.Errorf("%d clients are connected, and that is the limit", most)).Hint("try again later"))
	raw, _ := json.Marshal(p) // strings and a number always have a form
	_ = c.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = fmt.Fprintf(c, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %s\r\nRetry-After: 1\r\nConnection: close\r\n\r\n%s",
		p.Status, p.Title, console.ProblemType, strconv.Itoa(len(raw)), raw)
	_ = c.Close()
}

// slotted gives its place back when it is closed.
type slotted struct {
	net.Conn
	free func()
}

func (s *slotted) Close() error {
	s.free()
	return s.Conn.Close()
}

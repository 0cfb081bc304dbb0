package socket

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"slipway/bot/errs"
)

// Bounds of one connection.
const (
	maxFrame  = 4 << 20         // bytes; a press comes with its whole message
	writeTime = 5 * time.Second // by the wall clock, as deadlines of connections are
)

// link is one connection.
type link struct {
	conn  *websocket.Conn
	clock Clock
	reply func(frame []byte) error // writes one frame

	leaving chan struct{} // closed when it ends, or Slack says that it will
	gone    chan struct{} // closed when it has ended
	drained chan struct{} // closed when another has taken its place

	mu      sync.Mutex
	why     error
	last    time.Time // when anything came
	retired bool

	write sync.Mutex
}

// envelope is one frame of Slack's.
type envelope struct {
	Type        string          `json:"type"`
	ID          string          `json:"envelope_id"`
	Payload     json.RawMessage `json:"payload"`
	Accepts     bool            `json:"accepts_response_payload"`
	Attempt     int             `json:"retry_attempt"`
	AttemptWhy  string          `json:"retry_reason"`
	Reason      string          `json:"reason"`
	Connections int             `json:"num_connections"`
	Info        struct {
		App string `json:"app_id"`
	} `json:"connection_info"`
}

func unavailable(format string, args ...any) *errs.Error {
	return errs.E("slack.socket", errs.Unavailable, fmt.Errorf(format, args...))
}

// dial connects to an address that Slack gave out for one connection. The address is a credential: no
// error tells it.
func dial(ctx context.Context, address string, clock Clock) (*link, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "wss" && (u.Scheme != "ws" || !loopback(u.Hostname())) {
		return nil, errs.E("slack.socket", errs.Denied, errors.New("the address that Slack gave for Socket Mode is not a wss one")).
			Hint("look at what stands between Slipway and Slack")
	}
	d := websocket.Dialer{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	conn, answer, err := d.DialContext(ctx, address, nil)
	if err != nil {
		if answer != nil {
			return nil, unavailable("the connection of Socket Mode is answered with %d", answer.StatusCode)
		}
		return nil, unavailable("Slack cannot be connected for Socket Mode")
	}
	conn.SetReadLimit(maxFrame)
	l := &link{conn: conn, clock: clock, leaving: make(chan struct{}), gone: make(chan struct{}), drained: make(chan struct{}), last: clock.Now()}
	l.reply = l.send
	conn.SetPingHandler(func(text string) error {
		l.heard()
		err := conn.WriteControl(websocket.PongMessage, []byte(text), time.Now().Add(writeTime))
		if errors.Is(err, websocket.ErrCloseSent) {
			return nil
		}
		return err
	})
	return l, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// greeting waits for the first frame, which greets.
func (l *link) greeting(ctx context.Context) (envelope, error) {
	stop := context.AfterFunc(ctx, l.close)
	defer stop()
	raw, err := l.next()
	if err != nil {
		return envelope{}, unavailable("the connection of Socket Mode ended before it was greeted")
	}
	var e envelope
	if json.Unmarshal(raw, &e) != nil || e.Type != "hello" {
		if e.Type == "disconnect" {
			return e, goodbye(e.Reason)
		}
		return envelope{}, unavailable("the connection of Socket Mode begins with something else than a greeting")
	}
	return e, nil
}

// goodbye is why Slack ends a connection, by the reason that it gives.
func goodbye(reason string) error {
	switch reason {
	case "link_disabled":
		return errs.E("slack.socket", errs.Denied, errors.New("Socket Mode was switched off for the app")).Hint("switch it on in Slack, under the app's Socket Mode")
	case "warning", "refresh_requested":
		return unavailable("Slack asks for a new connection")
	}
	return unavailable("Slack ends the connection: %q", clipped(reason))
}

// next is the next message of text.
func (l *link) next() ([]byte, error) {
	for {
		kind, raw, err := l.conn.ReadMessage()
		if err != nil {
			return nil, err
		}
		l.heard()
		if kind == websocket.TextMessage {
			return raw, nil
		}
	}
}

func (l *link) heard() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = l.clock.Now()
}

// silent is when the connection counts as dead unless something comes.
func (l *link) silent() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last.Add(quietTime)
}

// leave notes that the connection ends or will; the first reason counts.
func (l *link) leave(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why == nil {
		l.why = why
		close(l.leaving)
	}
}

// reason is why it ends.
func (l *link) reason() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why
}

// retire says that another has taken its place: it is read on for a while.
func (l *link) retire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.retired {
		l.retired = true
		close(l.drained)
	}
}

func (l *link) close() { _ = l.conn.Close() }

// send writes one frame.
func (l *link) send(frame []byte) error {
	l.write.Lock()
	defer l.write.Unlock()
	_ = l.conn.SetWriteDeadline(time.Now().Add(writeTime))
	return l.conn.WriteMessage(websocket.TextMessage, frame)
}

// watch closes the connection when ctx ends, when nothing comes any more, and a while after another took
// its place.
func (l *link) watch(ctx context.Context) {
	drained := l.drained
	var end time.Time
	for {
		at := l.silent()
		if !end.IsZero() && end.Before(at) {
			at = end
		}
		wake, stop := l.clock.Wake(at)
		select {
		case <-ctx.Done():
			l.leave(unavailable("Slipway ends"))
			l.close()
		case <-l.gone:
		case <-drained:
			drained, end = nil, l.clock.Now().Add(drainTime)
			stop()
			continue
		case <-wake:
			now := l.clock.Now()
			stop()
			if !end.IsZero() && !now.Before(end) {
				l.close()
				return
			}
			if !now.Before(l.silent()) {
				l.leave(unavailable("nothing came over the connection for %s", quietTime))
				l.close()
				return
			}
			continue
		}
		stop()
		return
	}
}

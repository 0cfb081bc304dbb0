package socket

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"slipway/integrations/slack/hook"
)

// ticket is the secret in the addresses that Slack gives out.
const ticket = "ticket-7f3a"

// clock is driven by hand.
type clock struct {
	mu    sync.Mutex
	more  *sync.Cond
	now   time.Time
	wakes map[chan struct{}]time.Time
}

func newClock() *clock {
	c := &clock{now: time.Unix(1700000000, 0).UTC(), wakes: map[chan struct{}]time.Time{}}
	c.more = sync.NewCond(&c.mu)
	return c
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Wake(t time.Time) (<-chan struct{}, func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := make(chan struct{})
	if !t.After(c.now) {
		close(ch)
		return ch, func() {}
	}
	c.wakes[ch] = t
	c.more.Broadcast()
	return ch, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.wakes, ch)
	}
}

// awaits waits until somebody waits for exactly d from now.
func (c *clock) awaits(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		for _, t := range c.wakes {
			if t.Equal(c.now.Add(d)) {
				return
			}
		}
		c.more.Wait()
	}
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	for ch, t := range c.wakes {
		if !t.After(c.now) {
			close(ch)
			delete(c.wakes, ch)
		}
	}
}

// taker keeps what it is given, in the order of things.
type taker struct {
	mu     sync.Mutex
	took   []string // kind and payload
	retry  []hook.Retry
	fails  int // so many more fail
	answer hook.Answer
	events chan string
}

func (k *taker) Take(_ context.Context, kind hook.Kind, payload []byte, retry hook.Retry) (hook.Answer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fails > 0 {
		k.fails--
		return hook.Answer{}, errors.New("the disk is full")
	}
	k.took, k.retry = append(k.took, string(kind)+" "+string(payload)), append(k.retry, retry)
	k.events <- "stored"
	return k.answer, nil
}

// world is a socket at a server that the test drives.
type world struct {
	t      testing.TB
	clock  *clock
	taker  *taker
	s      *Socket
	log    *lockedText
	server *httptest.Server
	conns  chan *websocket.Conn
	opened chan error // what the next Open answers; nil: the address
	stop   context.CancelFunc
	ended  chan struct{}
}

type lockedText struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newWorld(t testing.TB, app string) *world {
	t.Helper()
	w := &world{t: t, clock: newClock(), taker: &taker{events: make(chan string, 100)}, log: &lockedText{}, conns: make(chan *websocket.Conn, 10), opened: make(chan error, 100), ended: make(chan struct{})}
	w.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		up := websocket.Upgrader{}
		c, err := up.Upgrade(rw, r, nil)
		if err != nil {
			return
		}
		w.conns <- c
	}))
	address := "ws" + strings.TrimPrefix(w.server.URL, "http") + "/link?" + ticket
	open := func(ctx context.Context) (string, error) {
		select {
		case err := <-w.opened:
			return address, err
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	w.s = New(Options{Open: open, Taker: w.taker, App: app, Clock: w.clock, Log: slog.New(slog.NewTextHandler(w.log, nil))})
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	go func() {
		defer close(w.ended)
		_ = w.s.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-w.ended
		for {
			select {
			case c := <-w.conns:
				_ = c.Close()
				continue
			default:
			}
			break
		}
		w.server.Close()
		if said := w.log.String() + w.s.Standing().Why; strings.Contains(said, ticket) {
			t.Errorf("the address of a connection is told: %s", said)
		}
	})
	return w
}

// slack is Slack's end of one connection.
type slack struct {
	w    *world
	conn *websocket.Conn
}

// accept lets the next connection be opened, and greets.
func (w *world) accept() *slack {
	w.t.Helper()
	c := w.connected()
	c.send(`{"type":"hello","num_connections":1,"connection_info":{"app_id":"A0SLIPWAY"}}`)
	return c
}

func (w *world) connected() *slack {
	w.t.Helper()
	w.opened <- nil
	c := &slack{w, <-w.conns}
	w.t.Cleanup(func() { _ = c.conn.Close() })
	return c
}

func (c *slack) send(frame string) {
	c.w.t.Helper()
	if err := c.conn.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
		c.w.t.Fatal(err)
	}
}

// event sends an event with an id and a payload.
func (c *slack) event(id, payload string) {
	c.w.t.Helper()
	c.send(`{"type":"events_api","envelope_id":"` + id + `","payload":` + payload + `,"accepts_response_payload":false,"retry_attempt":0,"retry_reason":""}`)
}

// acked is the next acknowledgement: its id and payload.
func (c *slack) acked() (id, payload string) {
	c.w.t.Helper()
	_, raw, err := c.conn.ReadMessage()
	if err != nil {
		c.w.t.Fatal(err)
	}
	var ack struct {
		ID      string          `json:"envelope_id"`
		Payload json.RawMessage `json:"payload"`
	}
	if err := json.Unmarshal(raw, &ack); err != nil || len(raw) >= maxAck {
		c.w.t.Fatalf("%v: an acknowledgement of %d bytes", err, len(raw))
	}
	return ack.ID, string(ack.Payload)
}

// over waits until the other side has closed the connection.
func (c *slack) over() {
	for {
		if _, _, err := c.conn.ReadMessage(); err != nil {
			return
		}
	}
}

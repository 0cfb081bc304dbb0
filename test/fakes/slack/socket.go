package slack

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// maxLinks is how many connections of Socket Mode an app may have.
// https://docs.slack.dev/apis/events-api/using-socket-mode
const maxLinks = 10

// maxAck is how long an acknowledgement may be, in bytes; Slack drops longer ones without a word.
const maxAck = 20480

// sockets is what is known of Socket Mode.
type sockets struct {
	tickets map[string]bool // addresses that were given out and not used
	links   []*socketLink
	turn    int
}

// socketLink is one connection.
type socketLink struct {
	conn *websocket.Conn
	gone chan struct{}

	mu      sync.Mutex // over writing, and over waiting
	waiting map[string]chan []byte
}

func (s *Server) socketMethods() []method {
	return []method{{"apps.connections.open", []string{"connections:write"}, tier1, s.openConnection}}
}

func (s *Server) openConnection(_ *call) answer {
	if !s.app.Socket {
		return fail("forbidden_team") // Socket Mode is not switched on
	}
	if len(s.links) >= maxLinks {
		return fail("too_many_websockets")
	}
	if s.tickets == nil {
		s.tickets = map[string]bool{}
	}
	ticket := strings.ToLower(s.id("tk"))
	s.tickets[ticket] = true
	return ok(body{"url": "ws" + strings.TrimPrefix(s.base, "http") + "/link/?ticket=" + ticket + "&app_id=" + s.app.ID})
}

// serveSocket keeps one connection until it ends.
func (s *Server) serveSocket(w http.ResponseWriter, r *http.Request) {
	ticket := r.URL.Query().Get("ticket")
	s.mu.Lock()
	good := s.tickets[ticket] && s.app.Socket
	delete(s.tickets, ticket)
	s.mu.Unlock()
	if !good {
		http.Error(w, "the address was used or is not known", http.StatusNotFound)
		return
	}
	// The address is the secret here; where the client says that it comes from does not matter.
	upgrader := websocket.Upgrader{HandshakeTimeout: 5 * time.Second, CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	l := &socketLink{conn: conn, gone: make(chan struct{}), waiting: map[string]chan []byte{}}
	s.mu.Lock()
	s.links = append(s.links, l)
	hello := body{"type": "hello", "num_connections": len(s.links), "connection_info": body{"app_id": s.app.ID},
		"debug_info": body{"host": "applink-1", "build_number": 1, "approximate_connection_time": 18060}}
	s.mu.Unlock()
	_ = l.write(hello)
	go l.ping()
	s.awakeLocked()
	l.read()
	s.mu.Lock()
	s.links = slices.DeleteFunc(s.links, func(one *socketLink) bool { return one == l })
	s.mu.Unlock()
}

func (s *Server) awakeLocked() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.awake()
}

func (l *socketLink) write(v any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
	return l.conn.WriteMessage(websocket.TextMessage, encoded(v))
}

// ping keeps the connection awake: clients end one that is quiet for half a minute.
func (l *socketLink) ping() {
	every := time.NewTicker(5 * time.Second)
	defer every.Stop()
	for {
		l.mu.Lock()
		err := l.conn.WriteControl(websocket.PingMessage, []byte("Ping from applink-1"), time.Now().Add(5*time.Second))
		l.mu.Unlock()
		if err != nil {
			return
		}
		select {
		case <-l.gone:
			return
		case <-every.C:
		}
	}
}

// read takes acknowledgements until the connection ends.
func (l *socketLink) read() {
	defer close(l.gone)
	for {
		_, raw, err := l.conn.ReadMessage()
		if err != nil {
			_ = l.conn.Close()
			return
		}
		var in struct {
			ID      string          `json:"envelope_id"`
			Payload json.RawMessage `json:"payload"`
		}
		if len(raw) >= maxAck || json.Unmarshal(raw, &in) != nil {
			continue
		}
		l.mu.Lock()
		if w := l.waiting[in.ID]; w != nil {
			delete(l.waiting, in.ID)
			w <- in.Payload
		}
		l.mu.Unlock()
	}
}

// Links is how many connections of Socket Mode there are.
func (s *Server) Links() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.links)
}

// Disconnect tells every connection that it will end (reason: warning, refresh_requested,
// link_disabled) and, unless it is only a warning, ends it.
func (s *Server) Disconnect(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bye(reason)
}

func (s *Server) bye(reason string) {
	for _, l := range s.links {
		_ = l.write(body{"type": "disconnect", "reason": reason, "debug_info": body{"host": "applink-1"}})
		if reason != "warning" {
			_ = l.conn.Close()
		}
	}
}

// hangUp ends every connection without a word.
func (s *Server) hangUp() {
	for _, l := range s.links {
		_ = l.conn.Close()
	}
	s.links = nil // at once: what is sent now has no connection
}

// HangUp ends every connection of Socket Mode as a network does: without a word.
func (s *Server) HangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hangUp()
}

// SendSocket sends one delivery over one of the connections, in turn, and waits to hear that it came.
func (s *Server) SendSocket(d Delivery) Sent {
	s.mu.Lock()
	sent := Sent{Delivery: d, At: s.now(), Socket: true, Answer: "no connection"}
	timeout := s.timeout
	var l *socketLink
	if len(s.links) > 0 {
		s.turn++
		l = s.links[s.turn%len(s.links)]
	}
	id := uuid(len(s.sent), s.turn)
	s.mu.Unlock()
	if timeout == 0 {
		timeout = answerIn
	}
	if l != nil {
		sent.Status, sent.Answer = l.send(d, id, timeout)
	}
	s.note(sent)
	return sent
}

// send sends an envelope and waits until it is acknowledged, which counts as 200.
func (l *socketLink) send(d Delivery, id string, timeout time.Duration) (int, string) {
	kind := map[string]string{Events: "events_api", Commands: "slash_commands", Interactive: "interactive"}[d.Kind]
	envelope := body{"envelope_id": id, "type": kind, "payload": json.RawMessage(d.Payload), "accepts_response_payload": d.Kind != Events}
	if d.Kind == Events {
		envelope["retry_attempt"], envelope["retry_reason"] = d.Retry, d.Reason
	}
	heard := make(chan []byte, 1)
	l.mu.Lock()
	l.waiting[id] = heard
	l.mu.Unlock()
	if err := l.write(envelope); err != nil {
		return 0, "the connection ended"
	}
	late := time.NewTimer(timeout)
	defer late.Stop()
	select {
	case answer := <-heard:
		if string(answer) == "null" {
			answer = nil
		}
		return http.StatusOK, string(answer)
	case <-l.gone:
		return 0, "the connection ended"
	case <-late.C:
		return 0, timedOut
	}
}

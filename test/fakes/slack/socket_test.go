package slack

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// line is a connection of Socket Mode as a client has it.
type line struct {
	*harbour
	conn *websocket.Conn
}

// open asks for an address and connects.
func (h *harbour) open() line {
	h.Helper()
	out := h.as(h.s.App().AppToken, "apps.connections.open")
	at, _ := out["url"].(string)
	conn, _, err := websocket.DefaultDialer.DialContext(h.Context(), at, nil)
	h.must(err)
	h.Cleanup(func() { _ = conn.Close() })
	l := line{h, conn}
	if hello := l.read(); hello["type"] != "hello" || hello["num_connections"] == nil {
		h.Fatalf("at first: %v", hello)
	}
	return l
}

func (l line) read() (out map[string]any) {
	l.Helper()
	_ = l.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if err := l.conn.ReadJSON(&out); err != nil {
		return map[string]any{"type": "gone"}
	}
	return out
}

// serve acknowledges everything until the connection ends, and tells of each envelope.
func (l line) serve(payload any) <-chan map[string]any {
	all := make(chan map[string]any, 100)
	go func() {
		defer close(all)
		for {
			in := l.read()
			if in["type"] == "gone" {
				return
			}
			ack := map[string]any{"envelope_id": in["envelope_id"]}
			if payload != nil {
				ack["payload"] = payload
			}
			if in["envelope_id"] != nil {
				_ = l.conn.WriteJSON(ack)
			}
			all <- in
		}
	}()
	return all
}

func TestSocketModeCarriesTheSame(t *testing.T) {
	h := newHarbour(t, Options{})
	if out := h.as(h.s.App().AppToken, "apps.connections.open"); out["ok"] != false {
		t.Errorf("while Socket Mode is off: %v", out)
	}
	h.s.SetApp(func(a *App) { a.Socket = true })
	if out := h.post("apps.connections.open"); out["error"] != "not_allowed_token_type" {
		t.Errorf("with the token of the bot: %v", out)
	}
	l := h.open()
	in := l.serve(map[string]any{"text": "heard"})
	h.s.Say(h.ada, h.quay, "hello", "")
	d, err := h.s.Command(h.ada, h.quay, "status")
	h.must(err)
	sent := h.s.Deliver()
	if len(sent) != 2 || !sent[0].OK() || !sent[0].Socket || !sent[1].OK() {
		t.Fatalf("sent: %+v", sent)
	}
	first, second := <-in, <-in
	if first["type"] != "events_api" || at(first, "payload", "event", "text") != "hello" || first["accepts_response_payload"] != false || first["retry_attempt"] != 0.0 {
		t.Errorf("envelope: %v", first)
	}
	if second["type"] != "slash_commands" || at(second, "payload", "text") != "status" || at(second, "payload", "trigger_id") != formOf(d.Payload).Get("trigger_id") {
		t.Errorf("envelope: %v", second)
	}
	if w := h.s.Whispers(h.quay, h.ada); len(w) != 1 || w[0].Text != "heard" {
		t.Errorf("the answer to the command: %+v", w)
	}
	if len(h.inbox()) != 0 {
		t.Error("it came over HTTP too")
	}
}

func TestWithoutAConnectionEventsWait(t *testing.T) {
	h := newHarbour(t, Options{})
	h.s.SetApp(func(a *App) { a.Socket = true })
	h.s.Say(h.ada, h.quay, "hello", "")
	h.s.Deliver()
	in := h.open().serve(nil)
	h.pass(time.Minute)
	sent := h.s.Deliver()
	if len(sent) != 1 || !sent[0].OK() {
		t.Fatalf("sent: %+v", sent)
	}
	if one := <-in; one["retry_attempt"] != 2.0 || one["retry_reason"] != "timeout" {
		t.Errorf("envelope: %v", one)
	}
}

func TestConnectionsEnd(t *testing.T) {
	h := newHarbour(t, Options{})
	h.s.SetApp(func(a *App) { a.Socket = true })
	l := h.open()
	h.s.Disconnect("warning")
	if in := l.read(); in["type"] != "disconnect" || in["reason"] != "warning" {
		t.Errorf("a warning: %v", in)
	}
	h.s.AnswerIn(20 * time.Millisecond)
	h.s.Say(h.ada, h.quay, "never acknowledged", "")
	if sent := h.s.Deliver(); len(sent) != 2 || sent[0].OK() || sent[0].Answer != timedOut {
		t.Errorf("without a word: %+v", sent)
	}
	for _, again := range []float64{0, 1} {
		if in := l.read(); in["retry_attempt"] != again {
			t.Errorf("attempt %v: %v", again, in)
		}
	}
	h.s.Disconnect("refresh_requested")
	if in := l.read(); in["reason"] != "refresh_requested" {
		t.Errorf("the end: %v", in)
	}
	if in := l.read(); in["type"] != "gone" {
		t.Errorf("after the end: %v", in)
	}
	used := h.as(h.s.App().AppToken, "apps.connections.open")["url"].(string)
	conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), used, nil)
	h.must(err)
	_ = conn.Close()
	if conn, r, err := websocket.DefaultDialer.DialContext(t.Context(), used, nil); err == nil || r.StatusCode != 404 {
		t.Errorf("an address is good twice: %v", conn)
	}
}

func TestTooLongAcknowledgementsAreDropped(t *testing.T) {
	h := newHarbour(t, Options{})
	h.s.SetApp(func(a *App) { a.Socket = true })
	h.open().serve(map[string]any{"text": strings.Repeat("x", maxAck)})
	h.s.AnswerIn(50 * time.Millisecond)
	_, err := h.s.Command(h.ada, h.quay, "status")
	h.must(err)
	if sent := h.s.Deliver(); len(sent) != 1 || sent[0].OK() {
		t.Errorf("sent: %+v", sent)
	}
	if w := h.s.Whispers(h.quay, h.ada); len(w) != 1 || !strings.Contains(w[0].Text, "operation_timeout") {
		t.Errorf("what is seen: %+v", w)
	}
}

// The payload over the socket is that of HTTP.
func TestOnePayloadForBothWays(t *testing.T) {
	h := newHarbour(t, Options{})
	h.s.Say(h.ada, h.quay, "hello", "")
	d := h.s.Take()[0]
	h.s.SendHTTP(d)
	var over any
	h.must(json.Unmarshal(h.inbox()[0].body, &over))
	h.s.SetApp(func(a *App) { a.Socket = true })
	in := h.open().serve(nil)
	h.s.SendSocket(d)
	if one := <-in; at(one, "payload", "event_id") != at(over, "event_id") {
		t.Errorf("%v over HTTP, %v over the socket", at(over, "event_id"), at(one, "payload", "event_id"))
	}
}

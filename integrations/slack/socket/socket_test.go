package socket

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"slipway/bot/errs"
	"slipway/integrations/slack/hook"
)

// TestStoredThenAcknowledged: a frame is kept first; one that could not be kept is not acknowledged, so that
// Slack sends it again.
func TestStoredThenAcknowledged(t *testing.T) {
	w := newWorld(t, "A0SLIPWAY")
	c := w.accept()
	w.taker.answer = hook.Answer{Then: func(context.Context) { w.taker.events <- "then" }}
	c.event("e-1", `{"n":1}`)
	if id, payload := c.acked(); id != "e-1" || payload != "" {
		t.Errorf("acknowledged %s %s", id, payload)
	}
	for _, want := range []string{"stored", "then"} {
		if got := <-w.taker.events; got != want {
			t.Errorf("%s before %s", got, want)
		}
	}
	w.taker.mu.Lock()
	w.taker.fails, w.taker.answer = 2, hook.Answer{}
	w.taker.mu.Unlock()
	c.event("e-2", `{"n":2}`)
	c.send(`{"type":"slash_commands","envelope_id":"e-3","payload":{"n":3},"accepts_response_payload":true}`)
	c.send(`{"type":"events_api","envelope_id":"e-4","payload":{"n":2},"retry_attempt":1,"retry_reason":"timeout"}`)
	c.send(`{"type":"interactive","envelope_id":"e-5","payload":{"n":5},"accepts_response_payload":true}`)
	for _, want := range []string{"e-4", "e-5"} {
		if id, _ := c.acked(); id != want {
			t.Errorf("acknowledged %s, want %s", id, want)
		}
	}
	w.taker.mu.Lock()
	defer w.taker.mu.Unlock()
	if want := []string{`events {"n":1}`, `events {"n":2}`, `interactive {"n":5}`}; !slices.Equal(w.taker.took, want) || w.taker.retry[1] != (hook.Retry{Num: "1", Reason: "timeout"}) || w.taker.retry[0] != (hook.Retry{}) {
		t.Errorf("took %q %v", w.taker.took, w.taker.retry)
	}
	if s := w.s.Standing(); !s.Open || !s.Since.Equal(w.clock.Now()) || !s.Last.Equal(w.clock.Now()) || s.Others != 0 || s.Why != "" {
		t.Errorf("standing %+v", s)
	}
}

// TestAcknowledgements: an answer goes back only where Slack takes one and while it fits.
func TestAcknowledgements(t *testing.T) {
	w := newWorld(t, "")
	c := w.accept()
	answer := func(text string) {
		w.taker.mu.Lock()
		defer w.taker.mu.Unlock()
		w.taker.answer = hook.Answer{Type: "application/json; charset=utf-8", Body: []byte(`{"t":"` + text + `"}`)}
	}
	for i, size := range []int{1, 6000, 20_400, 20_440, 30_000} {
		answer(strings.Repeat("<", size))
		id := fmt.Sprintf("e-%d", i)
		c.send(`{"type":"interactive","envelope_id":"` + id + `","payload":{},"accepts_response_payload":true}`)
		got, payload := c.acked()
		if fits := size < 20_420; got != id || (payload != "") != fits || fits && len(payload) != size+8 {
			t.Errorf("%d: acknowledged %s with %d bytes", size, got, len(payload))
		}
	}
	answer("x")
	c.event("e-9", "{}")
	if id, payload := c.acked(); id != "e-9" || payload != "" {
		t.Errorf("acknowledged %s with %q, where none is taken", id, payload)
	}
	w.taker.mu.Lock()
	w.taker.answer = hook.Answer{Type: "text/plain", Body: []byte("words")}
	w.taker.mu.Unlock()
	c.send(`{"type":"interactive","envelope_id":"e-10","payload":{},"accepts_response_payload":true}`)
	if _, payload := c.acked(); payload != "" {
		t.Errorf("acknowledged with %q", payload)
	}
}

// TestANewConnectionComesFirst: when Slack says that a connection will end, another is opened; until it
// ends, or for a while, the old one is read too.
func TestANewConnectionComesFirst(t *testing.T) {
	for _, reason := range []string{"warning", "refresh_requested"} {
		w := newWorld(t, "A0SLIPWAY")
		old := w.accept()
		old.event("e-1", "{}")
		old.acked()
		w.clock.pass(time.Minute)
		old.send(`{"type":"disconnect","reason":"` + reason + `","debug_info":{"host":"applink-1"}}`)
		next := w.accept()
		next.event("e-2", "{}")
		next.acked()
		old.event("e-3", "{}")
		if id, _ := old.acked(); id != "e-3" {
			t.Errorf("%s: the old connection is not read any more: %s", reason, id)
		}
		if s := w.s.Standing(); !s.Open || !s.Since.Equal(w.clock.Now().Add(-time.Minute)) {
			t.Errorf("%s: standing %+v", reason, s)
		}
		w.clock.awaits(drainTime)
		w.clock.pass(drainTime)
		old.over()
		next.event("e-4", "{}")
		if id, _ := next.acked(); id != "e-4" {
			t.Errorf("%s: the new connection went with the old one: %s", reason, id)
		}
	}
}

// TestHowItComesBack: each failure is waited out for longer, and for as long as Slack asks; what a person
// must mend is tried rarely, and said.
func TestHowItComesBack(t *testing.T) {
	w := newWorld(t, "A0SLIPWAY")
	down := func(err error, d time.Duration) {
		t.Helper()
		w.opened <- err
		w.clock.awaits(d)
		w.clock.pass(d)
	}
	lost := errs.E("x", errs.Unavailable, errors.New("Slack does not answer"))
	for _, d := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
		down(lost, d*time.Second)
	}
	if s := w.s.Standing(); s.Open || s.Denied || s.Why != "Slack does not answer" || !s.Since.IsZero() {
		t.Errorf("standing %+v", s)
	}
	c := w.accept()
	c.event("e-1", "{}")
	c.acked()
	w.clock.pass(time.Minute) // it held for a while
	_ = c.conn.Close()
	down(errs.E("x", errs.Busy, errors.New("slow down")).AskedToWait(42*time.Second), 42*time.Second)
	down(lost, 2*time.Second)
	// What ends at once is no success.
	for _, d := range []time.Duration{4, 8, 16} {
		c := w.accept()
		_ = c.conn.Close()
		w.clock.awaits(d * time.Second)
		if s := w.s.Standing(); s.Open || s.Why == "" {
			t.Errorf("standing %+v", s)
		}
		w.clock.pass(d * time.Second)
	}
	c = w.accept()
	c.event("e-2", "{}")
	c.acked()
	w.clock.pass(time.Minute)
	c.send(`{"type":"disconnect","reason":"link_disabled"}`)
	c.over()
	if s := w.s.Standing(); s.Open || !s.Denied || !strings.Contains(s.Why, "switched off") {
		t.Errorf("standing %+v", s)
	}
	w.clock.awaits(closedWait)
	w.clock.pass(closedWait)
	down(errs.E("x", errs.Denied, errors.New("the app-level token is not good")).Hint("make a new one"), closedWait)
	if s := w.s.Standing(); s.Open || !s.Denied || !strings.Contains(s.Why, "make a new one") {
		t.Errorf("standing %+v", s)
	}
	w.accept().event("e-3", "{}")
}

// TestSilence: a connection on which nothing comes is dead, and pings keep it.
func TestSilence(t *testing.T) {
	w := newWorld(t, "A0SLIPWAY")
	c := w.accept()
	c.event("e-1", "{}")
	c.acked()
	w.clock.awaits(quietTime)
	w.clock.pass(quietTime - time.Second)
	pong := make(chan struct{}, 1)
	c.conn.SetPongHandler(func(string) error { pong <- struct{}{}; return nil })
	if err := c.conn.WriteControl(websocket.PingMessage, []byte("x"), time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	go c.over()
	<-pong
	w.clock.awaits(time.Second) // it is looked at again at the time that was set first
	w.clock.pass(time.Second)
	w.clock.awaits(quietTime - time.Second)
	if !w.s.Standing().Open {
		t.Error("a ping does not keep the connection")
	}
	w.clock.pass(quietTime - time.Second)
	w.accept().event("e-2", "{}")
	<-w.taker.events
	<-w.taker.events
	if s := w.s.Standing(); !s.Open {
		t.Errorf("standing %+v", s)
	}
}

// TestWhatIsNotSlack: what does not greet, or greets for another app, is left.
func TestWhatIsNotSlack(t *testing.T) {
	w := newWorld(t, "A0SLIPWAY")
	wait := time.Second
	for _, c := range []struct {
		frame  string
		denied bool
	}{
		{`{"type":"hello","num_connections":1,"connection_info":{"app_id":"A0EVIL"}}`, true}, {`{"type":"events_api","envelope_id":"e-1","payload":{}}`, false}, {`rubbish`, false},
		{`{"type":"disconnect","reason":"link_disabled"}`, true}, {`{"type":"disconnect","reason":"too_many_websockets"}`, false}, {strings.Repeat("x", maxFrame+1), false},
	} {
		one := w.connected()
		_ = one.conn.WriteMessage(websocket.TextMessage, []byte(c.frame))
		one.over()
		d := wait
		if c.denied {
			d = max(d, closedWait)
		}
		w.clock.awaits(d)
		if s := w.s.Standing(); s.Open || s.Denied != c.denied || s.Why == "" {
			t.Errorf("%.60s: standing %+v", c.frame, s)
		}
		w.clock.pass(d)
		wait *= 2
	}
	silent := w.connected()
	w.clock.awaits(openTime)
	w.clock.pass(openTime)
	silent.over()
	w.taker.mu.Lock()
	defer w.taker.mu.Unlock()
	if len(w.taker.took) != 0 {
		t.Errorf("took %q", w.taker.took)
	}
}

func TestAddresses(t *testing.T) {
	for _, bad := range []string{"", "x", "http://127.0.0.1/", "https://slack.example/link?" + ticket, "ws://slack.example/link?" + ticket, "wss://", "ws://10.0.0.1:80/", "file:///etc/passwd", "ws://127.0.0.1.slack.example/"} {
		_, err := dial(t.Context(), bad, newClock())
		if !errs.Is(err, errs.Denied) || strings.Contains(errs.Text(err), ticket) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	_, err := dial(t.Context(), "ws://127.0.0.1:1/link?"+ticket, newClock())
	if !errs.Is(err, errs.Unavailable) || strings.Contains(errs.Text(err), ticket) {
		t.Errorf("%v", err)
	}
}

// TestOddFrames: none of them ends the connection or is taken; of what wants an answer each gets one.
func TestOddFrames(t *testing.T) {
	w := newWorld(t, "")
	c := w.accept()
	for _, frame := range []string{"", "rubbish", "[]", "null", `"x"`, `{}`, `{"type":7}`, `{"type":"hello"}`, `{"type":"events_api","payload":{}}`, `{"type":"events_api","envelope_id":"../x","payload":{}}`,
		`{"type":"events_api","envelope_id":"` + strings.Repeat("x", 300) + `","payload":{}}`, `{"type":"events_api","envelope_id":"e-0","retry_attempt":"x","payload":{}}`, strings.Repeat("[", 20_000)} {
		c.send(frame)
	}
	if err := c.conn.WriteMessage(websocket.BinaryMessage, []byte(`{"type":"events_api","envelope_id":"e-1","payload":{}}`)); err != nil {
		t.Fatal(err)
	}
	c.send(`{"type":"something_new","envelope_id":"e-2","payload":{}}`)
	c.event("e-3", "null")
	for _, want := range []string{"e-2", "e-3"} {
		if id, _ := c.acked(); id != want {
			t.Errorf("acknowledged %s, want %s", id, want)
		}
	}
	w.taker.mu.Lock()
	defer w.taker.mu.Unlock()
	if !slices.Equal(w.taker.took, []string{"events null"}) {
		t.Errorf("took %q", w.taker.took)
	}
}

// TestOthers: who else is connected for the app gets a part of what is said.
func TestOthers(t *testing.T) {
	w := newWorld(t, "A0SLIPWAY")
	c := w.connected()
	c.send(`{"type":"hello","num_connections":3,"connection_info":{"app_id":"A0SLIPWAY"}}`)
	c.event("e-1", "{}")
	c.acked()
	if s := w.s.Standing(); s.Others != 2 {
		t.Errorf("standing %+v", s)
	}
}

// TestItEnds: whenever Slipway ends, so does the connection, and all that was begun.
func TestItEnds(t *testing.T) {
	w := newWorld(t, "A0SLIPWAY")
	c := w.accept()
	began, end := make(chan struct{}), make(chan struct{})
	w.taker.answer = hook.Answer{Then: func(ctx context.Context) { close(began); <-ctx.Done(); <-end }}
	c.event("e-1", "{}")
	c.acked()
	<-began
	w.stop()
	c.over()
	close(end)
	<-w.ended
	if s := w.s.Standing(); s.Open {
		t.Errorf("standing %+v", s)
	}
	for _, when := range []func(*world){func(*world) {}, func(w *world) { w.connected() }, func(w *world) {
		w.opened <- errs.E("x", errs.Unavailable, errors.New("x"))
		w.clock.awaits(time.Second)
	}} {
		w := newWorld(t, "")
		when(w)
		w.stop()
		<-w.ended
	}
}

// FuzzFrame: whatever a frame holds, nothing panics, what was taken is acknowledged once, and no more.
func FuzzFrame(f *testing.F) {
	for _, s := range []string{`{"type":"events_api","envelope_id":"e-1","payload":{"n":1}}`, `{"type":"interactive","envelope_id":"e","payload":null,"accepts_response_payload":true}`, `{"type":"disconnect","reason":"warning"}`,
		`{"type":"x","envelope_id":"1"}`, `{`, `{"TYPE":"events_api","Envelope_Id":"a"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		k := &taker{events: make(chan string, 10), answer: hook.Answer{Type: "application/json; charset=utf-8", Body: []byte(`{"a":1}`)}}
		s := New(Options{Taker: k, Clock: newClock()})
		var acks []string
		l := &link{clock: newClock(), leaving: make(chan struct{}), gone: make(chan struct{}), drained: make(chan struct{}), reply: func(b []byte) error { acks = append(acks, string(b)); return nil }}
		var all sync.WaitGroup
		s.frame(t.Context(), l, []byte(raw), &all)
		all.Wait()
		if len(acks) > 1 || len(k.took) > len(acks) || len(acks) == 1 && (len(acks[0]) >= maxAck || !strings.Contains(acks[0], "envelope_id")) {
			t.Fatalf("%q: took %q, acknowledged %q", raw, k.took, acks)
		}
	})
}

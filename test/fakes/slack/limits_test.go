package slack

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// wait calls a method and gives how long Slack says to wait; 0: it was answered.
func (h *harbour) wait(method string, args ...string) time.Duration {
	h.Helper()
	r, out := h.raw(h.s.App().Token, method, args...)
	if r.StatusCode == http.StatusOK {
		return 0
	}
	n, err := strconv.Atoi(r.Header.Get("Retry-After"))
	if r.StatusCode != http.StatusTooManyRequests || err != nil || out["error"] != "ratelimited" {
		h.Fatalf("%s: %d %v %v", method, r.StatusCode, r.Header, out)
	}
	return time.Duration(n) * time.Second
}

func TestOneMessageASecondInAChannel(t *testing.T) {
	h := newHarbour(t, Options{Limits: true})
	other := h.s.AddChannel(Channel{Members: []string{h.s.App().User}}).ID
	for i := range 3 {
		if w := h.wait("chat.postMessage", "channel", h.quay, "text", "x"); w != 0 {
			t.Errorf("message %d of the burst waits %v", i, w)
		}
	}
	if w := h.wait("chat.postMessage", "channel", h.quay, "text", "x"); w != 3*time.Second {
		t.Errorf("after the burst: wait %v", w)
	}
	if w := h.wait("chat.postMessage", "channel", other, "text", "x"); w != 0 {
		t.Errorf("another channel waits %v", w)
	}
	h.pass(3 * time.Second)
	if w := h.wait("chat.postMessage", "channel", h.quay, "text", "x"); w != 0 || len(h.s.Ours(h.quay)) != 4 {
		t.Errorf("after the wait: %v, %d messages", w, len(h.s.Ours(h.quay)))
	}
}

func TestTiersAreOfAMinute(t *testing.T) {
	h := newHarbour(t, Options{Limits: true})
	for i := range 20 {
		if w := h.wait("users.list"); w != 0 {
			t.Fatalf("call %d waits %v", i, w)
		}
		h.pass(time.Second)
	}
	if w := h.wait("users.list"); w != 40*time.Second {
		t.Errorf("call 21 waits %v", w)
	}
	if w := h.wait("users.info", "user", h.ada); w != 0 {
		t.Errorf("another method waits %v", w)
	}
	h.pass(40 * time.Second)
	if w := h.wait("users.list"); w != 0 {
		t.Errorf("a minute after the first: %v", w)
	}
}

func TestAThrottledMethodWaits(t *testing.T) {
	h := newHarbour(t, Options{})
	h.s.Throttle("chat.update", h.quay, 7*time.Second)
	ts := h.card()
	if w := h.wait("chat.update", "channel", h.quay, "ts", ts, "text", "x"); w != 7*time.Second {
		t.Errorf("wait %v", w)
	}
	if m, _ := h.s.Message(h.quay, ts); m.Updates != 0 {
		t.Error("it was done all the same")
	}
	h.pass(7 * time.Second)
	h.good("chat.update", "channel", h.quay, "ts", ts, "text", "x")
}

func TestFaultsComeBeforeOrAfterTheWork(t *testing.T) {
	for _, c := range []struct {
		do     Kind
		done   bool
		status int // 0: no answer
	}{
		{BadGateway, false, 502}, {BadGatewayAfter, true, 502}, {Internal, false, 500}, {InternalAfter, true, 500}, {TooMany, false, 429},
		{Reset, false, 0}, {ResetAfter, true, 0}, {Cut, true, 200}, {Hang, false, 0}, {HangAfter, true, 0}, {Refuse, false, 200},
	} {
		h := newHarbour(t, Options{})
		h.s.Fault(Fault{Method: "chat.*", Channel: h.quay, Skip: 1, Do: c.do, Error: "fatal_error"})
		h.good("chat.postMessage", "channel", h.quay, "text", "first")
		h.good("auth.test")
		patience := 10 * time.Second
		if c.do == Hang || c.do == HangAfter {
			patience = 300 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.s.URL+"chat.postMessage", strings.NewReader("channel="+h.quay+"&text=second&token="+h.s.App().Token))
		h.must(err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		a, err := http.DefaultClient.Do(r)
		status := 0
		if err == nil {
			status = a.StatusCode
			_ = a.Body.Close()
		}
		cancel()
		if done := len(h.s.Ours(h.quay)) == 2; status != c.status || done != c.done {
			t.Errorf("%s: status %d, done %v; want %d, %v", c.do, status, done, c.status, c.done)
		}
		h.good("chat.postMessage", "channel", h.quay, "text", "third")
		if left := h.s.ClearFaults(); left != 0 {
			t.Errorf("%s: %d faults left", c.do, left)
		}
	}
}

func TestAwayIsNoServer(t *testing.T) {
	h := newHarbour(t, Options{})
	h.s.Away()
	if r, err := http.Get(h.s.URL + "auth.test"); err == nil {
		_ = r.Body.Close()
		t.Error("it answers")
	}
	h.must(h.s.Back())
	h.good("auth.test")
	h.s.BadGateways(true)
	if r, err := http.Post(h.s.URL+"auth.test", "text/plain", nil); err != nil || r.StatusCode != 502 {
		t.Errorf("%v, %v", r, err)
	} else {
		_ = r.Body.Close()
	}
	h.s.BadGateways(false)
	h.good("auth.test")
}

package gitlab

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// hookTimeout is how long GitLab waits for an answer to a delivery.
const hookTimeout = 10 * time.Second

// Delivery is one event on its way to one hook, as it is sent: the headers are complete, the
// signature included.
type Delivery struct {
	Project, Hook int
	URL           string
	Trigger       string // as in the events of a hook: note_hooks
	Header        http.Header
	Body          []byte
}

// Event is the kind of the delivery in GitLab's words: "Note Hook".
func (d Delivery) Event() string { return d.Header.Get("X-Gitlab-Event") }

// Key is the id that stays the same when the delivery is sent again.
func (d Delivery) Key() string { return d.Header.Get("Idempotency-Key") }

// Sent is a delivery that was sent, and what became of it.
type Sent struct {
	ID int
	Delivery
	At       time.Time
	Status   int    // 0: no answer
	Answer   string // the body, or why there is none
	Duration time.Duration
}

// OK says whether GitLab counts the delivery as a success: an answer of 2xx or 3xx.
func (s Sent) OK() bool { return s.Status >= 200 && s.Status < 400 }

// Tap hands what [Server.Deliver] would send to f instead; nil ends that. f may send it with
// [Server.Send], later too.
func (s *Server) Tap(f func(Delivery)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks.tap = f
}

// Take empties the queue: what is taken is not sent unless the test sends it.
func (s *Server) Take() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.hooks.queue
	s.hooks.queue = nil
	return out
}

// Deliver sends what is queued, in order, and what is queued meanwhile. A hook that rests or is
// off gets nothing: its deliveries are lost, as at GitLab. It returns what was sent.
func (s *Server) Deliver() []Sent {
	var out []Sent
	for {
		s.mu.Lock()
		if len(s.hooks.queue) == 0 {
			s.mu.Unlock()
			return out
		}
		d := s.hooks.queue[0]
		s.hooks.queue = s.hooks.queue[1:]
		tap := s.hooks.tap
		s.mu.Unlock()
		if tap != nil {
			tap(d)
			continue
		}
		if sent, ok := s.send(context.Background(), d, false); ok {
			out = append(out, sent)
		}
	}
}

// Pump delivers whatever is queued as soon as it is, until stop is called.
func (s *Server) Pump() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	wake, done := make(chan struct{}, 1), make(chan struct{})
	s.mu.Lock()
	s.hooks.wake = wake
	s.mu.Unlock()
	go func() {
		defer close(done)
		for {
			s.Deliver()
			select {
			case <-ctx.Done():
				return
			case <-wake:
			}
		}
	}()
	return func() {
		s.mu.Lock()
		s.hooks.wake = nil
		s.mu.Unlock()
		cancel()
		<-done
	}
}

// Send sends one delivery now, whether the hook rests or not, and notes it in the hook's events.
func (s *Server) Send(d Delivery) Sent {
	sent, _ := s.send(context.Background(), d, true)
	return sent
}

// Resend sends a delivery of the past again: the same body and key, a new attempt.
func (s *Server) Resend(id int) (Sent, error) {
	s.mu.Lock()
	for _, old := range s.hooks.sent {
		if old.ID == id {
			d := s.attempt(old.Delivery, false)
			s.mu.Unlock()
			return s.Send(d), nil
		}
	}
	s.mu.Unlock()
	return Sent{}, fmt.Errorf("there is no delivery %d", id)
}

// Sent lists the deliveries of a hook, oldest first.
func (s *Server) Sent(hook int) []Sent {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Sent
	for _, x := range s.hooks.sent {
		if x.Hook == hook {
			out = append(out, x)
		}
	}
	return out
}

// Again is a delivery as a new attempt. With newKey it has a new key too, as if GitLab had
// forgotten that it sent it.
func (s *Server) Again(d Delivery, newKey bool) Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempt(d, newKey)
}

// Scramble is what a bad day makes of deliveries: each comes between least and most times, in any
// order, about every other one under a new key.
func (s *Server) Scramble(r *mrand.Rand, ds []Delivery, least, most int) []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Delivery
	for _, d := range ds {
		for n := least + r.IntN(most-least+1); n > 0; n-- {
			out = append(out, s.attempt(d, r.IntN(2) == 0))
		}
	}
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// attempt makes the headers of an attempt new, with the secrets that the hook has now.
func (s *Server) attempt(d Delivery, newKey bool) Delivery {
	d.Header = d.Header.Clone()
	d.Header.Set("X-Gitlab-Webhook-UUID", uuid())
	if newKey {
		d.Header.Set("Idempotency-Key", uuid())
		d.Header.Set("X-Gitlab-Event-UUID", uuid())
	}
	if h := s.hook(d.Hook); h != nil {
		s.seal(h, d)
	}
	return d
}

// seal sets secret, time and signature (Standard Webhooks 1.0, "Signature scheme").
func (s *Server) seal(h *Hook, d Delivery) {
	for _, k := range []string{"X-Gitlab-Token", "Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"} {
		d.Header.Del(k)
	}
	if h.Token != "" {
		d.Header.Set("X-Gitlab-Token", h.Token)
	}
	if !s.signs() {
		return
	}
	at := strconv.FormatInt(s.now().Unix(), 10)
	d.Header.Set("Webhook-Id", d.Key())
	d.Header.Set("Webhook-Timestamp", at)
	if h.SigningToken != "" {
		d.Header.Set("Webhook-Signature", sign(h.SigningToken, d.Key(), at, d.Body))
	}
}

// sign is the value of webhook-signature. The token is whsec_ and the key in base64; GitLab takes
// nothing else.
func sign(token, id, at string, body []byte) string {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(token, "whsec_"))
	if err != nil {
		return ""
	}
	m := hmac.New(sha256.New, key)
	_, _ = io.WriteString(m, id+"."+at+".")
	_, _ = m.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil))
}

// send posts d. Unless forced, a hook that rests or is off gets nothing.
func (s *Server) send(ctx context.Context, d Delivery, forced bool) (Sent, bool) {
	s.mu.Lock()
	h := s.hook(d.Hook)
	if h == nil || !forced && h.Status(s.now()) != Executable {
		s.mu.Unlock()
		return Sent{}, false
	}
	timeout, began := s.hooks.timeout, s.now()
	s.mu.Unlock()
	if timeout == 0 {
		timeout = hookTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	sent := Sent{Delivery: d, At: began}
	sent.Status, sent.Answer = post(ctx, d)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks.last++
	sent.ID, sent.Duration = s.hooks.last, s.now().Sub(began)
	s.hooks.sent = append(s.hooks.sent, sent)
	h.count(sent.OK(), s.now())
	return sent, true
}

// post sends the request. A redirect is not followed: it is the answer.
func post(ctx context.Context, d Delivery) (status int, answer string) {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, bytes.NewReader(d.Body))
	if err != nil {
		return 0, err.Error()
	}
	q.Header = d.Header.Clone()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	a, err := client.Do(q)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return 0, "Net::ReadTimeout"
	case err != nil:
		return 0, err.Error()
	}
	defer a.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(a.Body, 8<<10))
	return a.StatusCode, string(body)
}

func uuid() string {
	raw := make([]byte, 16)
	_, _ = rand.Read(raw) // crypto/rand ends the process rather than fail
	raw[6], raw[8] = raw[6]&0x0f|0x40, raw[8]&0x3f|0x80
	h := hex.EncodeToString(raw)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

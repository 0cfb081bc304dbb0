package slack

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	mrand "math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Kinds of deliveries; each has its own address.
const (
	Events      = "events"
	Commands    = "commands"
	Interactive = "interactive"
)

// answerIn is how long Slack waits for an answer.
const answerIn = 3 * time.Second

// deliveries is what is on its way to the app.
type deliveries struct {
	waiting []Delivery
	sent    []Sent
	tap     func(Delivery)
	wake    chan struct{}
	timeout time.Duration
}

// Delivery is one thing on its way to the app, as it is sent: the headers are complete, the signature
// included.
type Delivery struct {
	Kind    string
	ID      string // event_id; "" for commands and interactive ones
	Type    string // of an event: the subscription, such as message.channels; otherwise command, block_actions, …
	URL     string
	Header  http.Header
	Body    []byte // as it goes over HTTP
	Payload []byte // the same as JSON, as it goes over Socket Mode
	Retry   int    // attempts before this one
	Reason  string // why it is sent again
	Due     time.Time

	user, channel, view string // whom and what an answer concerns
}

// Sent is a delivery that was sent, and what became of it.
type Sent struct {
	Delivery
	At      time.Time
	Socket  bool   // it went over Socket Mode
	Status  int    // 0: no answer
	Answer  string // the body, or why there is none
	NoRetry bool
}

// OK says whether Slack counts the delivery as a success.
func (s Sent) OK() bool { return s.Status >= 200 && s.Status < 300 }

// queue makes a delivery complete and lets it wait to be sent. s.mu is held.
func (s *Server) queue(d Delivery, payload body) Delivery {
	d.Payload, d.Due = encoded(payload), s.now()
	d = s.sealed(d)
	s.waiting = append(s.waiting, d)
	s.awake()
	return d
}

func (s *Server) awake() {
	if s.wake != nil {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// sealed makes the body from the payload, and the headers of an attempt that begins now.
// https://docs.slack.dev/authentication/verifying-requests-from-slack
func (s *Server) sealed(d Delivery) Delivery {
	d.Header = http.Header{"User-Agent": {"Slackbot 1.0 (+https://api.slack.com/robots)"}, "Accept": {"*/*"}}
	switch d.Kind {
	case Events:
		d.URL, d.Body = s.app.EventsURL, d.Payload
		d.Header.Set("Content-Type", "application/json")
	case Commands:
		d.Body = []byte(formOf(d.Payload).Encode())
		d.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		d.URL = s.commandURL(d.Type)
	default:
		d.URL, d.Body = s.app.InteractiveURL, []byte(url.Values{"payload": {string(d.Payload)}}.Encode())
		d.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	at := strconv.FormatInt(s.now().Unix(), 10)
	d.Header.Set("X-Slack-Request-Timestamp", at)
	d.Header.Set("X-Slack-Signature", Sign(s.app.Secret, at, d.Body))
	if d.Retry > 0 {
		d.Header.Set("X-Slack-Retry-Num", strconv.Itoa(d.Retry))
		d.Header.Set("X-Slack-Retry-Reason", d.Reason)
	}
	return d
}

// Sign is the value of X-Slack-Signature.
func Sign(secret, at string, body []byte) string {
	m := hmac.New(sha256.New, []byte(secret))
	_, _ = io.WriteString(m, "v0:"+at+":")
	_, _ = m.Write(body)
	return "v0=" + hex.EncodeToString(m.Sum(nil))
}

func formOf(payload []byte) url.Values {
	var in map[string]string
	if err := json.Unmarshal(payload, &in); err != nil {
		panic(err)
	}
	v := url.Values{}
	for k, one := range in {
		v.Set(k, one)
	}
	return v
}

// Tap hands what [Server.Deliver] would send to f instead; nil ends that. f may send it with
// [Server.Send], later too.
func (s *Server) Tap(f func(Delivery)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tap = f
}

// Take empties the queue: what is taken is not sent unless the test sends it.
func (s *Server) Take() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.waiting
	s.waiting = nil
	return out
}

// Waiting is how much is queued, attempts that are not due yet among them.
func (s *Server) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting)
}

// Deliver sends what is due, in order, and what becomes due meanwhile. It returns what was sent.
func (s *Server) Deliver() (out []Sent) {
	for {
		s.mu.Lock()
		at, now := -1, s.now()
		for i, d := range s.waiting {
			if !d.Due.After(now) {
				at = i
				break
			}
		}
		if at < 0 {
			s.mu.Unlock()
			return out
		}
		d := s.waiting[at]
		s.waiting = append(s.waiting[:at:at], s.waiting[at+1:]...)
		d = s.sealed(d)
		tap := s.tap
		s.mu.Unlock()
		if tap != nil {
			tap(d)
			continue
		}
		sent := s.Send(d)
		s.mu.Lock()
		s.again(sent)
		s.mu.Unlock()
		out = append(out, sent)
	}
}

// again queues the next attempt of an event that failed: at once, after a minute, after five more
// (https://docs.slack.dev/apis/events-api#retries). Commands and presses are not sent again.
func (s *Server) again(sent Sent) {
	pauses := []time.Duration{0, time.Minute, 5 * time.Minute}
	if sent.OK() || sent.Kind != Events || sent.NoRetry || sent.Retry >= len(pauses) {
		return
	}
	d := sent.Delivery
	d.Due = s.now().Add(pauses[d.Retry])
	d.Retry++
	d.Reason = reason(sent)
	s.waiting = append(s.waiting, d)
	s.awake()
}

func reason(sent Sent) string {
	switch {
	case sent.Socket:
		return "timeout"
	case sent.Status != 0:
		return "http_error"
	case sent.Answer == timedOut:
		return "http_timeout"
	}
	return "connection_failed"
}

// Pump delivers whatever is queued as soon as it is, until stop is called.
func (s *Server) Pump() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	wake, done := make(chan struct{}, 1), make(chan struct{})
	s.mu.Lock()
	s.wake = wake
	s.mu.Unlock()
	go func() {
		defer close(done)
		due := time.NewTicker(200 * time.Millisecond) // attempts become due without anybody saying so
		defer due.Stop()
		for {
			s.Deliver()
			select {
			case <-ctx.Done():
				return
			case <-wake:
			case <-due.C:
			}
		}
	}()
	return func() {
		s.mu.Lock()
		s.wake = nil
		s.mu.Unlock()
		cancel()
		<-done
	}
}

// Send sends one delivery now, over Socket Mode when the app uses it. A failure is not sent again by
// itself.
func (s *Server) Send(d Delivery) Sent {
	s.mu.Lock()
	socket := s.app.Socket
	s.mu.Unlock()
	if socket {
		return s.SendSocket(d)
	}
	return s.SendHTTP(d)
}

// SendHTTP sends one delivery to its address.
func (s *Server) SendHTTP(d Delivery) Sent {
	s.mu.Lock()
	timeout := s.timeout
	sent := Sent{Delivery: d, At: s.now()}
	s.mu.Unlock()
	if timeout == 0 {
		timeout = answerIn
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	sent.Status, sent.Answer, sent.NoRetry = post(ctx, d)
	s.note(sent)
	return sent
}

// note keeps what was sent and does what the answer asks for.
func (s *Server) note(sent Sent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, sent)
	switch sent.Kind {
	case Commands:
		s.commandAnswered(sent)
	case Interactive:
		s.interactionAnswered(sent)
	}
}

// AnswerIn says how long an answer to a delivery may take; 0: 3 s as at Slack.
func (s *Server) AnswerIn(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timeout = d
}

// Sent lists what was sent, oldest first.
func (s *Server) Sent() []Sent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Sent(nil), s.sent...)
}

// Again is a delivery as a new attempt, signed now. With newID an event has another id, and nothing
// in it says that it came before: Slack was seen to do that up to eleven times for one message
// (https://github.com/slackapi/node-slack-sdk/issues/2141).
func (s *Server) Again(d Delivery, newID bool) Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempt(d, newID)
}

func (s *Server) attempt(d Delivery, newID bool) Delivery {
	if newID && d.Kind == Events && d.ID != "" {
		var envelope map[string]any
		if err := json.Unmarshal(d.Payload, &envelope); err != nil {
			panic(err)
		}
		d.ID = s.id("Ev")
		envelope["event_id"] = d.ID
		d.Payload, d.Retry, d.Reason = encoded(envelope), 0, ""
	} else if d.Kind == Events {
		d.Retry, d.Reason = min(d.Retry+1, 3), "http_timeout"
	}
	return s.sealed(d)
}

// Scramble is what a bad day makes of deliveries: each comes between least and most times, in any
// order, about every other one under a new id.
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

// Storm is the worst day: [Server.Scramble] with each delivery one to eleven times.
func (s *Server) Storm(r *mrand.Rand, ds []Delivery) []Delivery { return s.Scramble(r, ds, 1, 11) }

const timedOut = "no answer in time"

// post sends the request. Two redirects are followed, as Slack does.
func post(ctx context.Context, d Delivery) (status int, answer string, final bool) {
	if d.URL == "" {
		return 0, "the app has no address for " + d.Kind, true
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, bytes.NewReader(d.Body))
	if err != nil {
		return 0, err.Error(), false
	}
	q.Header = d.Header.Clone()
	client := http.Client{CheckRedirect: func(_ *http.Request, via []*http.Request) error {
		if len(via) > 2 {
			return errors.New("too many redirects")
		}
		return nil
	}}
	defer client.CloseIdleConnections()
	a, err := client.Do(q)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return 0, timedOut, false
	case err != nil:
		return 0, err.Error(), false
	}
	defer a.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(a.Body, 1<<20))
	if err != nil {
		return 0, timedOut, false
	}
	return a.StatusCode, string(raw), strings.TrimSpace(a.Header.Get("X-Slack-No-Retry")) == "1"
}

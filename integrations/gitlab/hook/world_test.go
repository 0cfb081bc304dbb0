package hook

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The secrets of the tests.
const (
	tokenA = "1f0b64c1a2d94b5e8e7d"
	tokenB = "77b0c95f7f5d4c0fa0e1"
	tokenC = "c3d2e1f0a9b84756c3d2"
	signA  = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	signB  = "whsec_ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
)

// inbox keeps each delivery once, as the engine does, unless it is full.
type inbox struct {
	mu   sync.Mutex
	full bool
	got  []Delivery
	all  int // calls
}

func (i *inbox) Deliver(_ context.Context, d Delivery) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.all++
	if i.full {
		return errors.New("the disk is full")
	}
	for _, seen := range i.got {
		if seen.ID == d.ID {
			return nil
		}
	}
	i.got = append(i.got, d)
	return nil
}

// door is a handler at a time that the test sets.
type door struct {
	t   testing.TB
	h   *Handler
	in  *inbox
	log *strings.Builder
	now time.Time
}

func newDoor(t testing.TB, hooks ...Hook) *door {
	t.Helper()
	d := &door{t: t, in: &inbox{}, log: &strings.Builder{}, now: time.Unix(1744578123, 0)}
	h, err := New(Options{Hooks: hooks, Inbox: d.in, Now: func() time.Time { return d.now }, Log: slog.New(slog.NewTextHandler(d.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	d.h = h
	return d
}

// post is a request to a path, as GitLab sends it.
func post(path, body string, set ...func(http.Header)) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "GitLab/18.11.1-ee")
	r.Header.Set(HeaderEvent, "Push Hook")
	for _, f := range set {
		f(r.Header)
	}
	return r
}

func with(name, value string) func(http.Header) {
	return func(h http.Header) { h.Add(name, value) }
}

// signedAt adds the headers of Standard Webhooks, signed by each of the secrets.
func signedAt(t testing.TB, id string, at time.Time, body string, secrets ...string) func(http.Header) {
	return func(h http.Header) {
		var all []string
		for _, s := range secrets {
			text, err := Sign(s, id, at, []byte(body))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, text)
		}
		h.Set("webhook-id", id)
		h.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
		h.Set("webhook-signature", strings.Join(all, " "))
	}
}

// send gives the status, and fails when an answer or the log tells a secret.
func (d *door) send(r *http.Request) int {
	d.t.Helper()
	w := httptest.NewRecorder()
	d.h.ServeHTTP(w, r)
	said := w.Body.String() + d.log.String()
	for _, secret := range []string{tokenA, tokenB, tokenC, signA, signB, signA[6:], signB[6:]} {
		if strings.Contains(said, secret) {
			d.t.Errorf("a secret is told: %s", said)
		}
	}
	for _, name := range []string{"X-Gitlab-Token", "webhook-signature"} {
		for _, v := range r.Header.Values(name) {
			if len(v) > 3 && strings.Contains(said, v) {
				d.t.Errorf("what was sent as %s is told again: %s", name, said)
			}
		}
	}
	if w.Code == http.StatusOK && w.Body.Len() > 0 {
		d.t.Errorf("a delivery that was taken is answered with %q", w.Body)
	}
	return w.Code
}

// want sends and compares the status and how many deliveries are kept by now.
func (d *door) want(status, kept int, r *http.Request) {
	d.t.Helper()
	if got := d.send(r); got != status || len(d.in.got) != kept {
		d.t.Errorf("%s %s: %d with %d kept, want %d with %d", r.Method, r.URL, got, len(d.in.got), status, kept)
	}
}

package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/view"
	"slipway/integrations/console"
	"slipway/integrations/console/api"
	"slipway/integrations/console/client"
	"slipway/integrations/console/login"
	"slipway/test/openapi"
)

// house is a room with a socket, behind the door as the bot has it.
type house struct {
	t     *testing.T
	room  *console.Room
	door  *login.Door
	check *openapi.Checker
	path  string
	many  bool
	most  int
	slow  time.Duration
	stop  func()

	mu        sync.Mutex
	delivered int
}

func newHouse(t *testing.T, set func(*house)) *house {
	t.Helper()
	h := &house{t: t, path: filepath.Join(t.TempDir(), "s"), many: true}
	if set != nil {
		set(h)
	}
	var err error
	if h.room, err = console.Open(filepath.Join(t.TempDir(), "room.db"), time.Now); err != nil {
		t.Fatal(err)
	}
	who := func(account string) (people.Person, bool) {
		_, id, _ := strings.Cut(account, ":")
		return people.Person{ID: people.PersonID(id), Name: id}, strings.HasPrefix(account, "console:")
	}
	if h.door, err = login.New(login.Options{File: filepath.Join(t.TempDir(), "sessions.db"), Who: who, Many: h.many}); err != nil {
		t.Fatal(err)
	}
	if h.check, err = openapi.New(api.Document(), func(what string) { t.Error(what) }); err != nil {
		t.Fatal(err)
	}
	h.start()
	t.Cleanup(func() {
		h.stop()
		if err := errors.Join(h.door.Close(), h.room.Close()); err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *house) desk() *console.Desk {
	return &console.Desk{Room: h.room, Deliver: func(context.Context, console.Delivery) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.delivered++
		return nil
	}, Direct: func(account string) string { _, id, _ := strings.Cut(account, ":"); return console.DirectRoom(id) }}
}

func (h *house) start() {
	h.t.Helper()
	a, err := api.New(api.Options{Desk: h.desk(), View: view.New(nil), Bot: "bot:slipway", Log: slog.New(slog.DiscardHandler), Logins: h.door, Tokens: h.door, WriteTimeout: h.slow})
	if err != nil {
		h.t.Fatal(err)
	}
	l, err := console.Listen(h.path, "")
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- api.Socket{Handler: h.door.Peer(h.check.Handler(a)), MaxClients: h.most}.Serve(ctx, l) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			h.t.Error(err)
		}
	})
}

func (h *house) as(person string) *client.Client {
	c := &client.Client{Path: h.path, As: person, Wait: func(context.Context, int) error { return nil }}
	h.t.Cleanup(func() { _ = c.Close() })
	return c
}

func (h *house) post(channel, text string) console.Message {
	h.t.Helper()
	m, _, err := h.room.Post(console.Draft{Channel: channel, Author: "bot:x", Text: text})
	if err != nil {
		h.t.Fatal(err)
	}
	return m
}

func TestSaysItOnceAcrossRestarts(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t, nil)
	grace := h.as("grace")
	m, err := grace.Say(ctx, console.Saying{Channel: "releases", Text: "before"})
	if err != nil || m.Author != "console:grace" || !m.Delivered {
		t.Fatalf("%+v, %v", m, err)
	}
	h.stop() // the client's connection is broken now
	grace.Wait = func(context.Context, int) error {
		grace.Wait = func(context.Context, int) error { return nil }
		h.start()
		return nil
	}
	if _, err := grace.Say(ctx, console.Saying{Channel: "releases", Text: "after"}); err != nil {
		t.Fatal(err)
	}
	if ms, _ := h.room.Messages("releases", "", 10); len(ms) != 2 || h.delivered != 2 {
		t.Errorf("%d messages, %d deliveries", len(ms), h.delivered)
	}
	if m, err := grace.React(ctx, m.ID, "👍🏽", true); err != nil || len(m.Reactions) != 1 {
		t.Errorf("%+v, %v", m, err)
	}
	if s, err := grace.Show(ctx, m.ID); err != nil || s.Message.ID != m.ID {
		t.Errorf("%+v, %v", s, err)
	}
	h.stop()
	if _, err := grace.Show(ctx, m.ID); !errs.Is(err, errs.Unavailable) || !strings.Contains(errs.Text(err), "the bot is not running") ||
		!strings.Contains(errs.Text(err), "slipway serve") || strings.Contains(errs.Text(err), "dial unix") {
		t.Errorf("no server: %v", errs.Text(err))
	}
}

func TestWatchGoesOnAfterARestart(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	h := newHouse(t, nil)
	h.post("other", "not asked for")
	h.post("releases", "1")
	w := h.as("")
	w.Wait = func(context.Context, int) error { h.start(); return nil }
	var got []string
	from := uint64(0)
	err := w.Watch(ctx, "releases", &from, func(c console.Change) error {
		got = append(got, c.Message.Text)
		switch len(got) {
		case 1:
			h.stop()
			h.post("releases", "2")
		case 2:
			h.post("releases", "3")
		case 3:
			cancel()
		}
		return nil
	})
	if d := cmp.Diff([]string{"1", "2", "3"}, got); d != "" || err != context.Canceled {
		t.Errorf("%s %v", d, err)
	}
}

func TestWhoIsAtTheSocket(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t, nil)
	me, err := client.Get[api.Me](ctx, h.as(""), "/me", nil)
	if err != nil || me.Account != fmt.Sprintf("unix:%d", os.Getuid()) || me.Person != "" {
		t.Errorf("%+v, %v", me, err)
	}
	if me, err = client.Get[api.Me](ctx, h.as("grace"), "/me", nil); err != nil || me.Person != "grace" || me.Direct != "@grace" {
		t.Errorf("%+v, %v", me, err)
	}
	for _, bad := range []string{"Grace", "grаce", "-x", strings.Repeat("a", 33), "unix:0"} {
		if _, err := client.Get[api.Me](ctx, h.as(bad), "/me", nil); !errs.Is(err, errs.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	alone := newHouse(t, func(h *house) { h.many = false })
	if _, err := client.Get[api.Me](ctx, alone.as("grace"), "/me", nil); !errs.Is(err, errs.Denied) || errs.HintOf(err) == "" {
		t.Errorf("outside of the demo: %v", err)
	}
}

func TestCommandWaitsForTheAnswer(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t, nil)
	said := console.Saying{ID: "ask-1", Text: "mine"}
	early, err := h.as("grace").Command(ctx, said, 0)
	if err != nil || early.Answered || early.Message.Channel != "@grace" {
		t.Fatalf("%+v, %v", early, err)
	}
	if _, err := h.room.Poster("bot:slipway").Post(ctx, "reply-1", console.Place{Channel: "@grace", Thread: early.Message.ID}, card.Card{Key: "reply-1", Title: "I can't do that"}); err != nil {
		t.Fatal(err)
	}
	a, err := h.as("grace").Command(ctx, said, time.Minute)
	if err != nil || !a.Answered || !a.Refused || a.Text != "I can't do that" || a.Message.ID != early.Message.ID || h.delivered != 1 {
		t.Errorf("%+v, %v, %d deliveries", a, err, h.delivered)
	}
	if _, err := h.as("grace").Command(ctx, console.Saying{ID: "ask-1", Text: "help"}, 0); !errs.Is(err, errs.Exists) {
		t.Errorf("the id of another text: %v", err)
	}
	if _, err := h.as("grace").Command(ctx, console.Saying{Text: "a\nb"}, 0); !errs.Is(err, errs.Invalid) {
		t.Errorf("two lines: %v", err)
	}
}

func TestSlowClientIsCut(t *testing.T) {
	h := newHouse(t, func(h *house) { h.slow = 20 * time.Millisecond })
	c, err := net.Dial("unix", h.path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /api/v1/events?since=0 HTTP/1.1\r\nHost: slipway\r\nAccept: text/event-stream\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 1)
	if _, err := io.ReadFull(c, first); err != nil { // the stream has begun
		t.Fatal(err)
	}
	for range 100 { // more than the socket's buffers hold, while nobody reads
		h.post("releases", strings.Repeat("x", console.MaxText))
	}
	rest, _ := io.ReadAll(c) // ends when the server hangs up
	if n := strings.Count(string(rest), "event: change"); n >= 100 {
		t.Error("a client that did not read was not cut")
	}
	if _, err := client.Get[api.Me](context.Background(), h.as("grace"), "/me", nil); err != nil {
		t.Errorf("others suffer: %v", err)
	}
}

func TestTooManyClients(t *testing.T) {
	h := newHouse(t, func(h *house) { h.most = 1 })
	first := h.as("grace")
	if _, err := client.Get[api.Me](context.Background(), first, "/me", nil); err != nil {
		t.Fatal(err)
	}
	second := h.as("alan")
	second.Tries = 2
	if _, err := client.Get[api.Me](context.Background(), second, "/me", nil); !errs.Is(err, errs.Busy) && !errs.Is(err, errs.Unavailable) {
		t.Errorf("got %v", err)
	}
	if _, err := client.Get[api.Me](context.Background(), first, "/me", nil); err != nil {
		t.Error(err)
	}
	_ = first.Close() // its place is free when the server has seen it
	second.Tries = 1_000_000
	if _, err := client.Get[api.Me](context.Background(), second, "/me", nil); err != nil {
		t.Error(err)
	}
}

func TestOverTheNetworkWithAToken(t *testing.T) {
	var auth []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		auth = append(auth, r.Header.Get("Authorization"))
		switch r.URL.Path {
		case "/api/v1/me":
			_, _ = io.WriteString(w, `{"account":"oidc:x#1","name":"Grace","scopes":["read"]}`)
		case "/api/v1/moved":
			http.Redirect(w, r, "http://elsewhere.invalid/", http.StatusFound)
		case "/api/v1/slower":
			w.Header().Set("Retry-After", "7")
			console.WriteProblem(w, errs.E("x", errs.Busy, errors.New("slow down")))
		default:
			http.Error(w, "<h1>proxy</h1>", http.StatusNotFound)
		}
	}))
	defer server.Close()
	c := &client.Client{URL: server.URL + "/", Token: "slw_secret", Tries: 1}
	ctx := context.Background()
	if me, err := client.Get[api.Me](ctx, c, "/me", nil); err != nil || me.Name != "Grace" || auth[0] != "Bearer slw_secret" {
		t.Errorf("%+v, %v, %v", me, err, auth)
	}
	for path, kind := range map[string]errs.Kind{"/moved": errs.Failed, "/nothing": errs.Failed, "/slower": errs.Busy} {
		if err := c.Do(ctx, client.Call{Method: "GET", Path: path}, nil); !errs.Is(err, kind) || strings.Contains(err.Error(), "slw_") {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, bad := range []string{"http://slipway.harbour.example", "ftp://x", "slipway.harbour.example", "https://"} {
		if err := (&client.Client{URL: bad, Token: "slw_secret"}).Do(ctx, client.Call{Method: "GET", Path: "/me"}, nil); !errs.Is(err, errs.Invalid) || errs.HintOf(err) == "" {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

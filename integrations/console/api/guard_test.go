package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/view"
	"slipway/integrations/console"
	"slipway/integrations/console/login"
	"slipway/test/openapi"
)

// gate is the API behind the door as browsers and programs find it.
type gate struct {
	t      *testing.T
	room   *console.Room
	door   *login.Door
	h      http.Handler
	broken error // of the engine
	log    strings.Builder
}

func newGate(t *testing.T) *gate {
	t.Helper()
	g := &gate{t: t}
	var err error
	if g.room, err = console.Open(filepath.Join(t.TempDir(), "room.db"), time.Now); err != nil {
		t.Fatal(err)
	}
	g.door, err = login.New(login.Options{File: filepath.Join(t.TempDir(), "sessions.db"), Open: []string{DocumentPath}, Who: func(account string) (people.Person, bool) {
		return people.Person{ID: "hana", Name: "Hana"}, account == "unix:1"
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(g.door.Close(), g.room.Close()); err != nil {
			t.Error(err)
		}
	})
	a, err := New(Options{View: view.New(nil), Bot: "bot:slipway", Log: slog.New(slog.NewTextHandler(&g.log, nil)), Tokens: g.door, Logins: g.door,
		Desk: &console.Desk{Room: g.room, Deliver: func(context.Context, console.Delivery) error { return g.broken }}})
	if err != nil {
		t.Fatal(err)
	}
	check, err := openapi.New(Document(), func(what string) { t.Error(what) })
	if err != nil {
		t.Fatal(err)
	}
	g.h = g.door.Guard(check.Handler(a))
	return g
}

func (g *gate) token(scopes ...login.Scope) string {
	g.t.Helper()
	secret, _, err := g.door.NewToken(login.Viewer{Account: "unix:1", Person: "hana", Scopes: login.Scopes()}, strings.ToLower("t"+string(scopes[len(scopes)-1])), scopes, time.Hour)
	if err != nil {
		g.t.Fatal(err)
	}
	return secret
}

func (g *gate) send(method, path, body string, header ...string) *httptest.ResponseRecorder {
	if !strings.HasPrefix(path, "http://") {
		path = "http://127.0.0.1:7654" + path
	}
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:4242"
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	g.h.ServeHTTP(w, r)
	return w
}

func TestTheAPIBehindTheDoor(t *testing.T) {
	g := newGate(t)
	all := "Bearer " + g.token(login.Scopes()...)
	read := "Bearer " + g.token(login.Read)
	const say, js, hello = "/api/v1/channels/general/messages", "application/json", `{"text":"hello"}`
	for _, c := range []struct {
		what, method, path, body string
		header                   []string
		status                   int
		kind                     string
	}{
		{"nobody", "GET", "/api/v1/me", "", nil, 401, "denied"},
		{"a forged session", "GET", "/api/v1/me", "", []string{"Cookie", "slipway-7654=0000000000000000000000000000000000000000000"}, 401, "denied"},
		{"a forged token", "GET", "/api/v1/me", "", []string{"Authorization", "Bearer slw_0000000000000000000000000000000000000000000"}, 401, "denied"},
		{"a forged name", "GET", "/api/v1/me", "", []string{"Slipway-As", "hana", "X-Remote-User", "hana"}, 401, "denied"},
		{"a token in the address", "GET", "/api/v1/me?token=" + strings.TrimPrefix(all, "Bearer "), "", nil, 401, "denied"},
		{"a scope that is not there", "POST", say, hello, []string{"Authorization", read, "Content-Type", js, "Idempotency-Key", "1"}, 403, "denied"},
		{"another site", "POST", say, hello, []string{"Authorization", all, "Content-Type", js, "Idempotency-Key", "1", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, 403, "denied"},
		{"a form", "POST", say, "text=hello", []string{"Authorization", all, "Content-Type", "application/x-www-form-urlencoded", "Idempotency-Key", "1"}, 415, "invalid"},
		{"plain text", "POST", say, hello, []string{"Authorization", all, "Content-Type", "text/plain", "Idempotency-Key", "1"}, 415, "invalid"},
		{"another host", "GET", "http://evil.example/api/v1/me", "", []string{"Authorization", all}, 421, "denied"},
		{"no key", "POST", say, hello, []string{"Authorization", all, "Content-Type", js}, 400, "invalid"},
		{"an odd key", "POST", say, hello, []string{"Authorization", all, "Content-Type", js, "Idempotency-Key", "../x"}, 400, "invalid"},
		{"too much", "POST", say, `{"text":"` + strings.Repeat("x", MaxBody) + `"}`, []string{"Authorization", all, "Content-Type", js, "Idempotency-Key", "1"}, 413, "invalid"},
		{"an odd channel", "GET", "/api/v1/channels/..%2F..%2Fx/messages", "", []string{"Authorization", all}, 400, "invalid"},
		{"an unknown channel in letters of another script", "GET", "/api/v1/channels/gеneral/messages", "", []string{"Authorization", all}, 400, "invalid"},
		{"a message that is none", "GET", "/api/v1/messages/%3Cscript%3E", "", []string{"Authorization", all}, 404, "not found"},
		{"a huge number", "GET", "/api/v1/channels/general/messages?limit=" + strings.Repeat("9", 400), "", []string{"Authorization", all}, 400, "invalid"},
		{"another method", "DELETE", "/api/v1/me", "", []string{"Authorization", all}, 405, "invalid"},
		{"another place", "GET", "/api/v1/secrets", "", []string{"Authorization", all}, 404, "not found"},
		{"another version", "GET", "/api/v2/me", "", []string{"Authorization", all}, 404, "not found"},
		{"a stream without asking for one", "GET", "/api/v1/events", "", []string{"Authorization", all}, 406, "invalid"},
		{"a part that is not there", "GET", "/api/v1/findings", "", []string{"Authorization", all}, 503, "unavailable"},
		{"a backup from afar", "GET", "/api/v1/backups", "", []string{"Authorization", all}, 503, "unavailable"},
	} {
		w := g.send(c.method, c.path, c.body, c.header...)
		var p console.Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != c.status || p.Kind != c.kind || p.Status != w.Code || p.Detail == "" || p.Hint == "" ||
			w.Header().Get("Content-Type") != console.ProblemType || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %s %v", c.what, w.Code, w.Body, w.Header())
		}
		if strings.Contains(w.Body.String(), "slw_") || strings.Contains(w.Body.String(), "<script") {
			t.Errorf("%s: it says too much: %s", c.what, w.Body)
		}
	}
	if ms, _ := g.room.Messages("general", "", 10); len(ms) != 0 {
		t.Errorf("something was said: %+v", ms)
	}
	if w := g.send("DELETE", "/api/v1/me", "", "Authorization", all); w.Header().Get("Allow") != "GET" {
		t.Errorf("%v", w.Header())
	}
	if w := g.send("GET", DocumentPath, ""); w.Code != 200 || w.Body.String() != string(Document()) {
		t.Errorf("the document: %d", w.Code)
	}
	if w := g.send("POST", say, hello, "Authorization", all, "Content-Type", "application/json; charset=UTF-8", "Idempotency-Key", `"1"`); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	// What goes wrong inside is in the log alone.
	g.broken = errors.New("*bbolt.DB at 0xc000123456 is upset")
	w := g.send("POST", say, hello, "Authorization", all, "Content-Type", js, "Idempotency-Key", "2")
	if w.Code != 500 || strings.Contains(w.Body.String(), "bbolt") || !strings.Contains(g.log.String(), "is upset") {
		t.Errorf("%d %s; log %s", w.Code, w.Body, g.log.String())
	}
	g.broken = errs.E("x", errs.Busy, errors.New("too much at once")).Hint("wait")
	if w := g.send("POST", say, hello, "Authorization", all, "Content-Type", js, "Idempotency-Key", "3"); w.Code != 429 || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

// A stream tells what happens, begins after Last-Event-ID, and ends with the token.
func TestAStreamEndsWithItsToken(t *testing.T) {
	g := newGate(t)
	secret := g.token(login.Read)
	server := httptest.NewServer(g.h)
	defer server.Close()
	if _, _, err := g.room.Post(console.Draft{Channel: "general", Author: "bot:x", Text: "one"}); err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest("GET", server.URL+"/api/v1/events?channel=general&runs=false", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+secret)
	r.Header.Set("Accept", EventsMedia)
	r.Header.Set("Last-Event-ID", "0")
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	first := make([]byte, len("event: hello\nid: 0\ndata: {\"since\":0}\n\nevent: change\nid: 1\n"))
	if _, err := io.ReadFull(a.Body, first); err != nil || string(first) != "event: hello\nid: 0\ndata: {\"since\":0}\n\nevent: change\nid: 1\n" {
		t.Fatalf("%q, %v", first, err)
	}
	if _, err := g.door.RevokeToken("hana", "tread"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, a.Body); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Log(err) // it ended, which is what counts
	}
	r.Header.Set("Last-Event-ID", "x")
	if again, err := http.DefaultClient.Do(r); err != nil || again.StatusCode != 401 {
		t.Errorf("%+v, %v", again, err)
	}
}

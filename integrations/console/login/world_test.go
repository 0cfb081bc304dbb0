package login

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/bot/people"
)

// world is a door before a handler that says who comes through.
type world struct {
	t    *testing.T
	dir  string
	door *Door
	h    http.Handler

	mu   sync.Mutex
	now  time.Time
	dirs map[string]people.Person // account → person
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// link says whom an account belongs to; "" is nobody.
func (w *world) link(account string, p people.Person) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.ID == "" {
		delete(w.dirs, account)
		return
	}
	w.dirs[account] = p
}

func newWorld(t *testing.T, set func(*Options)) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), dirs: map[string]people.Person{
		"unix:1000": {ID: "hana", Name: "Hana Harbour"}, "unix:1001": {ID: "ben", Name: "Ben Buoy"},
		"console:hana": {ID: "hana", Name: "Hana Harbour"}, "console:ben": {ID: "ben", Name: "Ben Buoy"},
	}}
	w.open(set)
	return w
}

// open opens the door, again after close.
func (w *world) open(set func(*Options)) {
	w.t.Helper()
	o := Options{File: filepath.Join(w.dir, "sessions.db"), Clock: w.clock, Open: []string{"/open", "/static/"},
		Who: func(account string) (people.Person, bool) {
			w.mu.Lock()
			defer w.mu.Unlock()
			p, ok := w.dirs[account]
			return p, ok
		},
		Persons: func() []people.Person {
			return []people.Person{{ID: "ben", Name: "Ben Buoy"}, {ID: "hana", Name: "Hana Harbour"}}
		}}
	if set != nil {
		set(&o)
	}
	d, err := New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = d.Close() })
	w.door = d
	w.h = d.Guard(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/panic" {
			panic("the token is slw_secret")
		}
		v, in := From(r.Context())
		if _, err := fmt.Fprintf(rw, "%s %s %v %v", v.Account, v.Person, v.Scopes, in); err != nil {
			w.t.Error(err)
		}
	}))
}

// request is a request of a browser for a page of ours.
func request(method, target string, body ...string) *http.Request {
	r := httptest.NewRequest(method, "http://127.0.0.1:7654"+target, strings.NewReader(strings.Join(body, "&")))
	r.RemoteAddr = "127.0.0.1:40000"
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "http://127.0.0.1:7654")
	} else {
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		r.Header.Set("Sec-Fetch-Dest", "document")
	}
	return r
}

func (w *world) do(r *http.Request, cookies ...*http.Cookie) *http.Response {
	w.t.Helper()
	for _, c := range cookies {
		r.AddCookie(c)
	}
	rec := httptest.NewRecorder()
	w.h.ServeHTTP(rec, r)
	return rec.Result()
}

// enter logs an account in by a one-time code, and gives the cookie.
func (w *world) enter(account string) *http.Cookie {
	w.t.Helper()
	code, err := w.door.Code(account)
	if err != nil {
		w.t.Fatal(err)
	}
	a := w.do(request("POST", "/login", "code="+url.QueryEscape(code)))
	for _, c := range a.Cookies() {
		if c.Name == "slipway-7654" && c.Value != "" {
			return c
		}
	}
	w.t.Fatalf("no session: %s", a.Status)
	return nil
}

func body(t *testing.T, a *http.Response) string {
	t.Helper()
	var b strings.Builder
	if err := a.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func want(t *testing.T, a *http.Response, status int, words ...string) {
	t.Helper()
	text := body(t, a)
	if a.StatusCode != status {
		t.Fatalf("status %d, want %d:\n%s", a.StatusCode, status, text)
	}
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("the answer does not say %q:\n%s", word, text)
		}
	}
}

func mustURL(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func prefixes(t *testing.T, list ...string) []netip.Prefix {
	t.Helper()
	var out []netip.Prefix
	for _, text := range list {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/integrations/console/login"
)

// doorWorld is a whole bot in a folder, with its web console on a real port.
type doorWorld struct {
	t    *testing.T
	dir  string
	b    *bot
	addr string
	log  *lockedBuffer

	limits func(*config) // changes what the bot is built with; nil: nothing
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// asOne is a configuration in which the user of the tests is Hana, and nobody can be picked.
func asOne(text, addr string) string {
	text = strings.Replace(asMany(text, addr), "many_people: true, ", "", 1)
	return strings.Replace(text, `accounts: ["console:hana"]`, fmt.Sprintf(`accounts: ["unix:%d"]`, os.Getuid()), 1)
}

// asMany is the configuration of a demo.
func asMany(text, addr string) string {
	return strings.Replace(text, `listen: "off"`, fmt.Sprintf("listen: %q", addr), 1)
}

// here is the account of the user of the tests.
func here() string { return fmt.Sprintf("unix:%d", os.Getuid()) }

// newDoorWorld starts a bot with the configuration that edit makes of a demo's.
func newDoorWorld(t *testing.T, edit func(text, addr string) string) *doorWorld {
	t.Helper()
	dir, err := os.MkdirTemp("", "door-") // short, since a socket lives in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := makeWorld(t, dir); err != nil {
		t.Fatal(err)
	}
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	w := &doorWorld{t: t, dir: dir, addr: fmt.Sprintf("127.0.0.1:%d", port), log: &lockedBuffer{}}
	path := filepath.Join(dir, "slipway.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(edit(string(text), w.addr)), 0o600); err != nil {
		t.Fatal(err)
	}
	w.start()
	return w
}

// start runs the bot until the test ends.
func (w *doorWorld) start() { w.t.Helper(); w.t.Cleanup(w.startOnce()) }

// startOnce runs the bot until stop is called.
func (w *doorWorld) startOnce() (stop func()) {
	w.t.Helper()
	conf, err := loadConfig(filepath.Join(w.dir, "slipway.yaml"))
	if err != nil {
		w.t.Fatal(err)
	}
	conf.Web.Limits = login.Limits{AddressPerSecond: 1e5, ViewerPerSecond: 1e5, WritesPerSecond: 1e5, LoginsPerMinute: 1e6} // their tests are package login's
	if w.limits != nil {
		w.limits(conf)
	}
	ctx, end := context.WithCancel(context.Background())
	if w.b, err = build(ctx, conf, slog.New(slog.NewTextHandler(w.log, nil)), nil); err != nil {
		end()
		w.t.Fatal(err)
	}
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- w.b.serve(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-ended:
		end()
		w.t.Fatal(err)
	}
	b := w.b
	return func() {
		end()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
		b.close()
	}
}

// browser is one browser: it keeps cookies by host, says what browsers say of themselves, and
// follows no redirect unless it is told to.
type browser struct {
	w    *doorWorld
	host string // with the port
	c    *http.Client
}

func (w *doorWorld) browser(host string) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if host == "" {
		host = w.addr
	} else {
		_, port, _ := net.SplitHostPort(w.addr)
		host += ":" + port
	}
	return &browser{w: w, host: host, c: &http.Client{Jar: jar, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", w.addr) // every name leads here, as in DNS rebinding
		}}}}
}

// answer is what came, read whole.
type answer struct {
	*http.Response
	text string
}

// send sends a request as the browser's page does; set changes it first.
func (b *browser) send(method, path string, form url.Values, set ...func(*http.Request)) answer {
	b.w.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(b.w.t.Context(), method, "http://"+b.host+path, body)
	if err != nil {
		b.w.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "http://"+b.host)
	}
	for _, f := range set {
		f(r)
	}
	a, err := b.c.Do(r)
	if err != nil {
		b.w.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer a.Body.Close()
	text, err := io.ReadAll(io.LimitReader(a.Body, 8<<20))
	if err != nil {
		b.w.t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer{a, string(text)}
}

func (b *browser) get(path string, set ...func(*http.Request)) answer {
	b.w.t.Helper()
	return b.send(http.MethodGet, path, nil, set...)
}

// say says a line in the channel by the form of its page.
func (b *browser) say(text string, set ...func(*http.Request)) answer {
	b.w.t.Helper()
	return b.send(http.MethodPost, "/c/general", url.Values{"text": {text}, "id": {rand.Text()}}, set...)
}

// enter logs the user of the tests in by a one-time code.
func (b *browser) enter() *browser {
	b.w.t.Helper()
	code, err := b.w.b.web.door.Code(here())
	if err != nil {
		b.w.t.Fatal(err)
	}
	b.send(http.MethodPost, "/login", url.Values{"code": {code}}).want(b.w.t, http.StatusSeeOther)
	return b
}

// session is the cookie of the browser's session.
func (b *browser) session() *http.Cookie {
	b.w.t.Helper()
	for _, c := range b.c.Jar.Cookies(&url.URL{Scheme: "http", Host: b.host, Path: "/"}) {
		if strings.HasPrefix(c.Name, "slipway-") {
			return c
		}
	}
	b.w.t.Fatal("there is no session")
	return nil
}

func (a answer) want(t *testing.T, status int, words ...string) answer {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("%s %s gives %s, want %d:\n%s", a.Request.Method, a.Request.URL, a.Status, status, a.text)
	}
	for _, word := range words {
		if !strings.Contains(a.text, word) {
			t.Errorf("%s does not say %q:\n%s", a.Request.URL, word, a.text)
		}
	}
	return a
}

// header sets one header of a request; several values stand in lines of their own.
func header(name string, values ...string) func(*http.Request) {
	return func(r *http.Request) { r.Header[http.CanonicalHeaderKey(name)] = values }
}

func cookie(c *http.Cookie) func(*http.Request) { return func(r *http.Request) { r.AddCookie(c) } }

// said are the texts that people said in the channel so far.
func (w *doorWorld) said() []string {
	w.t.Helper()
	list, err := w.b.room.Messages("general", "", 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, m := range list {
		if m.Author != botAccount {
			out = append(out, m.Author+": "+m.Text)
		}
	}
	return out
}

// until asks again until done, for at most a minute.
func (w *doorWorld) until(what string, done func() bool) {
	w.t.Helper()
	for range 250 {
		if done() {
			return
		}
		select {
		case <-w.t.Context().Done():
			w.t.Fatal(w.t.Context().Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
	w.t.Fatalf("never: %s", what)
}

// raw sends bytes as they are, and reads the status lines of what comes back until the other side
// closes, or n answers came.
func (w *doorWorld) raw(text string, n int) []string {
	w.t.Helper()
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		w.t.Fatal(err)
	}
	var out []string
	r := bufio.NewReader(c)
	for len(out) < n {
		a, err := http.ReadResponse(r, nil)
		if err != nil {
			break
		}
		body, _ := io.ReadAll(a.Body)
		out = append(out, a.Status+"\n"+string(body))
		if a.Close {
			break
		}
	}
	return out
}

func fromJSON[V any](t *testing.T, text string) V {
	t.Helper()
	var v V
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

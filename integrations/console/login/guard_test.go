package login

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestOnlyOurOwnNamesAreServed(t *testing.T) {
	for _, c := range []struct {
		url, host string
		many, ok  bool
	}{
		{host: "127.0.0.1:7654", ok: true}, {host: "localhost:7654", ok: true}, {host: "LOCALHOST", ok: true}, {host: "[::1]:7654", ok: true}, {host: "[::1]", ok: true},
		{host: "127.0.0.2:80", ok: true}, {host: "[::ffff:127.0.0.1]:1", ok: true},
		{host: "evil.example:7654"}, {host: "localhost.evil.example"}, {host: "127.0.0.1.evil.example"}, {host: ""}, {host: "0.0.0.0:7654"}, {host: "192.168.0.1"},
		{host: "localhost."}, {host: "2130706433"}, {host: "0x7f.1"}, {host: "127.1"}, {host: "[::1%25lo]"}, {host: "hana.localhost:7654"},
		{many: true, host: "hana.localhost:7654", ok: true}, {many: true, host: "Hana.Localhost", ok: true}, {many: true, host: "mallory.localhost"}, {many: true, host: "x.hana.localhost"},
		{many: true, host: ".localhost"}, {many: true, host: "hana.localhost.evil.example"},
		{url: "https://slipway.example", host: "slipway.example", ok: true}, {url: "https://slipway.example", host: "slipway.example:443", ok: true},
		{url: "https://slipway.example", host: "slipway.example:80"}, {url: "https://slipway.example", host: "www.slipway.example"},
		{url: "https://slipway.example:8443", host: "slipway.example:8443", ok: true}, {url: "https://slipway.example:8443", host: "slipway.example"},
		{url: "https://slipway.example", host: "localhost:7654", ok: true},
	} {
		w := newWorld(t, func(o *Options) {
			o.Many = c.many
			if c.url != "" {
				o.URL = mustURL(t, c.url)
			}
		})
		r := request("GET", "/open")
		r.Host = c.host
		if a := w.do(r); (a.StatusCode == http.StatusOK) != c.ok || !c.ok && a.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("host %q of %q (many people: %v) gives %s", c.host, c.url, c.many, a.Status)
		}
	}
}

func TestTheAddressOfAClient(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Proxies = prefixes(t, "127.0.0.1/32", "10.0.0.0/8") })
	for _, c := range []struct {
		remote string
		lines  []string
		want   string
	}{
		{"127.0.0.1:1", nil, "127.0.0.1"},
		{"192.0.2.1:1", []string{"198.51.100.7"}, "192.0.2.1"}, // no proxy of ours
		{"127.0.0.1:1", []string{"198.51.100.7"}, "198.51.100.7"},
		{"127.0.0.1:1", []string{"203.0.113.9, 198.51.100.7"}, "198.51.100.7"}, // the client wrote the first
		{"127.0.0.1:1", []string{"203.0.113.9", "198.51.100.7, 10.1.2.3"}, "198.51.100.7"},
		{"127.0.0.1:1", []string{"127.0.0.1, nonsense"}, "127.0.0.1"},
		{"[::ffff:127.0.0.1]:1", []string{"2001:db8::1"}, "2001:db8::1"},
		{"somewhere", []string{"198.51.100.7"}, "invalid IP"},
	} {
		r := request("GET", "/")
		r.RemoteAddr = c.remote
		r.Header["X-Forwarded-For"] = c.lines
		if got, _ := w.door.client(r); got.String() != c.want {
			t.Errorf("%s with %q is %s, want %s", c.remote, c.lines, got, c.want)
		}
	}
	// What comes through the proxy is for the configured name alone.
	w = newWorld(t, func(o *Options) {
		o.Proxies, o.URL = prefixes(t, "127.0.0.1/32"), mustURL(t, "https://slipway.example")
	})
	r := request("GET", "/open")
	r.Header.Set("X-Forwarded-For", "198.51.100.7")
	want(t, w.do(r), http.StatusMisdirectedRequest, "Open https://slipway.example")
}

func TestOneVisitorOfIPv6HasOneNetwork(t *testing.T) {
	a, b := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::ffff")
	if place(a) != place(b) || place(a) == place(netip.MustParseAddr("2001:db8:0:1::1")) {
		t.Error("the /64 does not count as one")
	}
}

func TestWhatAnotherSiteCausesIsRefused(t *testing.T) {
	w := newWorld(t, nil)
	c := w.enter("unix:1000")
	for name, set := range map[string]func() *http.Request{
		"form": func() *http.Request {
			r := request("POST", "/c/general", "text=hold")
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			r.Header.Set("Origin", "https://evil.example")
			return r
		},
		"form of an old browser": func() *http.Request {
			r := request("POST", "/c/general", "text=hold")
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set("Origin", "https://evil.example")
			return r
		},
		"form of a sandbox": func() *http.Request {
			r := request("POST", "/c/general", "text=hold")
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set("Origin", "null")
			return r
		},
		"another port of this machine": func() *http.Request {
			r := request("POST", "/c/general", "text=hold")
			r.Header.Set("Sec-Fetch-Site", "same-site")
			r.Header.Set("Origin", "http://127.0.0.1:3000")
			return r
		},
		"listening": func() *http.Request {
			r := request("GET", "/events")
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			r.Header.Set("Sec-Fetch-Mode", "cors")
			r.Header.Set("Sec-Fetch-Dest", "empty")
			return r
		},
		"embedding": func() *http.Request {
			r := request("GET", "/runs")
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			r.Header.Set("Sec-Fetch-Dest", "iframe")
			return r
		},
		"an image": func() *http.Request {
			r := request("GET", "/runs")
			r.Header.Set("Sec-Fetch-Site", "same-site")
			r.Header.Set("Sec-Fetch-Mode", "no-cors")
			r.Header.Set("Sec-Fetch-Dest", "image")
			return r
		},
	} {
		a := w.do(set(), c)
		if a.StatusCode != http.StatusForbidden {
			t.Errorf("%s gives %s", name, a.Status)
		}
		if len(a.Header.Values("Access-Control-Allow-Origin")) > 0 {
			t.Errorf("%s may be read", name)
		}
	}
	link := request("GET", "/runs")
	link.Header.Set("Sec-Fetch-Site", "cross-site")
	want(t, w.do(link, c), http.StatusOK)
	plain := request("POST", "/c/general", "text=hold")
	plain.Header.Set("Content-Type", "text/plain")
	want(t, w.do(plain, c), http.StatusUnsupportedMediaType)
	socket := request("GET", "/events")
	socket.Header.Set("Upgrade", "WebSocket")
	socket.Header.Set("Connection", "Upgrade")
	want(t, w.do(socket, c), http.StatusBadRequest, "no web sockets")
}

func TestNobodyIsBelievedForWhatHeSaysOfHimself(t *testing.T) {
	w := newWorld(t, nil)
	for _, h := range []string{"X-Forwarded-User", "X-Remote-User", "Remote-User", "X-Auth-Request-User", AsHeader, "X-Forwarded-Email"} {
		r := request("GET", "/runs?as=hana&person=hana&account=unix:1000")
		r.Header.Set(h, "hana")
		want(t, w.do(r), http.StatusSeeOther, "Location: /login")
	}
	want(t, w.do(request("POST", "/login", "person=hana")), http.StatusForbidden, "Nobody can be picked here")
	for _, value := range []string{"", "hana", "unix:1000", strings.Repeat("A", 43), "../../sessions"} {
		want(t, w.do(request("GET", "/runs"), &http.Cookie{Name: "slipway-7654", Value: value}), http.StatusSeeOther)
	}
}

func TestManyPeopleAreByHostOrByChoice(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Many = true })
	r := request("GET", "/")
	r.Host = "hana.localhost:7654"
	want(t, w.do(r), http.StatusOK, "console:hana hana")
	r = request("GET", "/login?next=/runs")
	want(t, w.do(r), http.StatusOK, "http://hana.localhost:7654/runs", "Ben Buoy")
	a := w.do(request("POST", "/login", "person=ben", "next=/runs"))
	want(t, a, http.StatusSeeOther, "Location: /runs")
	want(t, w.do(request("GET", "/"), a.Cookies()[0]), http.StatusOK, "console:ben ben")
	// One host's cookie does not make somebody else of another host.
	r = request("GET", "/")
	r.Host = "hana.localhost:7654"
	want(t, w.do(r, a.Cookies()[0]), http.StatusOK, "console:hana hana")
	r = request("POST", "/logout")
	r.Host = "hana.localhost:7654"
	r.Header.Set("Origin", "http://hana.localhost:7654")
	want(t, w.do(r), http.StatusSeeOther, "Location: http://localhost:7654/login")
	want(t, w.do(request("POST", "/login", "person=mallory")), http.StatusNotFound)
	if _, err := New(Options{File: t.TempDir() + "/s.db", Who: w.door.o.Who, Many: true, URL: mustURL(t, "https://slipway.example")}); err == nil {
		t.Error("many people are let in from outside")
	}
}

func TestWhatIsTooMuchIsNotRead(t *testing.T) {
	w := newWorld(t, nil)
	r := request("POST", "/login", "code="+strings.Repeat("x", 300<<10))
	want(t, w.do(r), http.StatusRequestEntityTooLarge)
	r = request("POST", "/login", "code="+strings.Repeat("x", 300<<10))
	r.ContentLength = -1 // it does not say how long it is
	want(t, w.do(r), http.StatusRequestEntityTooLarge, "More than 262144 bytes")
}

func TestRatesAreBounded(t *testing.T) {
	count := func(n int, w *world, make func() *http.Request, cookies ...*http.Cookie) (refused int) {
		for range n {
			if a := w.do(make(), cookies...); a.StatusCode == http.StatusTooManyRequests {
				refused++
				if a.Header.Get("Retry-After") == "" {
					t.Error("when to come back is not said")
				}
			}
		}
		return refused
	}
	w := newWorld(t, nil)
	if n := count(40, w, func() *http.Request { return request("POST", "/login", "code=x") }); n != 20 {
		t.Errorf("of 40 attempts to log in, %d are refused", n)
	}
	if n := count(300, w, func() *http.Request { return request("GET", "/open") }); n != 140 { // 200 with the 40 before
		t.Errorf("of 300 requests of one address at once, %d are refused", n)
	}
	far := request("GET", "/open")
	far.RemoteAddr = "192.0.2.9:1"
	want(t, w.do(far), http.StatusOK)
	w.pass(time.Minute)
	c := w.enter("unix:1000")
	if n := count(40, w, func() *http.Request { return request("POST", "/c/general", "text=x") }, c); n != 10 {
		t.Errorf("of 40 messages at once, %d are refused", n)
	}
	w.pass(time.Minute)
	if n := count(150, w, func() *http.Request { return request("GET", "/") }, c); n != 30 {
		t.Errorf("of 150 pages at once, %d are refused", n)
	}
}

func TestTheTableOfRatesIsBounded(t *testing.T) {
	r := rates{max: 100}
	now := time.Unix(0, 0)
	if r.allow("kept", 1, 1, now); r.allow("kept", 1, 1, now) {
		t.Fatal("the second is allowed")
	}
	for i := range 10_000 {
		r.allow(fmt.Sprint(i), 1, 1, now)
		if i%20 == 0 && r.allow("kept", 1, 1, now) {
			t.Fatal("whoever is busy is forgotten")
		}
	}
	if n := len(r.young) + len(r.old); n > 100 {
		t.Errorf("%d are remembered", n)
	}
}

func TestStreamsAreBoundedAndEndWithTheirSession(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits = Limits{StreamsPerViewer: 2, Streams: 3} })
	began, ended := make(chan bool, 8), make(chan bool, 8)
	w.h = w.door.Guard(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { began <- true; <-r.Context().Done(); ended <- true }))
	open := func(c *http.Cookie) {
		r := request("GET", "/events")
		r.AddCookie(c)
		go w.h.ServeHTTP(httptest.NewRecorder(), r)
		<-began
	}
	hana, ben := w.enter("unix:1000"), w.enter("unix:1001")
	open(hana)
	open(hana)
	want(t, w.do(request("GET", "/events"), hana), http.StatusTooManyRequests, "too many pages")
	open(ben)
	want(t, w.do(request("GET", "/events"), ben), http.StatusTooManyRequests)
	w.do(request("POST", "/logout"), hana)
	<-ended
	<-ended
	open(ben)
	w.door.Cut()
	<-ended
	<-ended
	if len(ended) > 0 {
		t.Error("more ended than was open")
	}
}

func TestAPanicShowsNothingAndTheNextPageComes(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	c := w.enter("unix:1000")
	a := w.do(request("GET", "/panic?code=secret"), c)
	text := body(t, a)
	if a.StatusCode != http.StatusInternalServerError || strings.Contains(text, "secret") || strings.Contains(text, ".go") {
		t.Errorf("the page is\n%s", text)
	}
	if !strings.Contains(log.String(), "/panic") || strings.Contains(log.String(), "secret") {
		t.Errorf("the log is %s", log.String())
	}
	want(t, w.do(request("GET", "/"), c), http.StatusOK)
	defer func() {
		if recover() != http.ErrAbortHandler {
			t.Error("half a page looks like a whole one")
		}
	}()
	w.door.Guard(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "half"); panic("x") })).ServeHTTP(httptest.NewRecorder(), request("GET", "/open"))
}

func TestAfterLoginNobodyIsLedElsewhere(t *testing.T) {
	for next, to := range map[string]string{
		"/runs?x=1#y": "/runs?x=1#y", "": "/", "runs": "/", "//evil.example": "/", `/\evil.example`: "/", `\\evil.example`: "/", "https://evil.example": "/", "/\t/evil.example": "/",
		"javascript:alert(1)": "/", "/login": "/", "/logout": "/", "/login/callback?x": "/", "/loginx": "/loginx", "/" + strings.Repeat("a", 3000): "/", "/\r\nSet-Cookie: x=y": "/",
	} {
		if got := local(next); got != to {
			t.Errorf("after login %q leads to %q, want %q", next, got, to)
		}
	}
}

func FuzzLocal(f *testing.F) {
	for _, s := range []string{"/", "//a", "/\\a", "/a?b#c", "/%2f/a", "/\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, next string) {
		got := local(next)
		base := mustURL(t, "https://slipway.example/login")
		u, err := base.Parse(got)
		if err == nil && (u.Host != "slipway.example" || u.Scheme != "https") || !strings.HasPrefix(got, "/") || strings.HasPrefix(got, "//") {
			t.Errorf("%q leads to %q", next, got)
		}
	})
}

func TestThePeerOfTheSocketIsWhoTheKernelSays(t *testing.T) {
	w := newWorld(t, nil)
	h := w.door.Peer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		v, _ := From(r.Context())
		fmt.Fprint(rw, v.Account, " ", v.Person)
	}))
	ask := func(account, as string) *http.Response {
		r := httptest.NewRequest("GET", "/api/v1/runs", nil)
		if account != "" {
			r = r.WithContext(context.WithValue(r.Context(), peerKey{}, peer{account: account}))
		}
		if as != "" {
			r.Header.Set(AsHeader, as)
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		return rec.Result()
	}
	want(t, ask("unix:1000", ""), http.StatusOK, "unix:1000 hana")
	want(t, ask("unix:4711", ""), http.StatusOK, "unix:4711 ")
	want(t, ask("unix:1000", "ben"), http.StatusForbidden, "acting as")
	want(t, ask("", ""), http.StatusInternalServerError)
	w.door.o.Many = true
	want(t, ask("unix:1000", "ben"), http.StatusOK, "console:ben ben")
	want(t, ask("unix:1000", "../ben"), http.StatusBadRequest)
}

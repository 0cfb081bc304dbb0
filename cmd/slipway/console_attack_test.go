package main

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// TestTheConsoleUnderAttack sends a real bot what an attacker would make a browser or a program
// send. Each case is a story of its own in one world: a person who is logged in, and whoever is not.
func TestTheConsoleUnderAttack(t *testing.T) {
	w := newDoorWorld(t, asOne)
	hana := w.browser("").enter()
	for _, c := range []struct {
		name string
		do   func(*testing.T, *doorWorld, *browser)
	}{
		{"cross-site form", attackForm}, {"cross-site fetch of text", attackText}, {"cross-site listening", attackStream}, {"state by GET", attackGet},
		{"forged identity", attackIdentity}, {"session fixation", attackFixation}, {"replay of a code", attackReplay}, {"name of another host", attackRebinding},
		{"open redirect", attackRedirect}, {"framing", attackFraming}, {"path traversal", attackTraversal}, {"smuggled headers", attackSmuggling},
		{"huge bodies and headers", attackHuge}, {"reflected markup", attackReflected}, {"tokens", attackTokens},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.t, hana.w.t = t, t
			before := w.said()
			c.do(t, w, hana)
			for _, line := range w.said()[len(before):] {
				if !strings.HasSuffix(line, "harmless") {
					t.Errorf("somebody was made to say %q", line)
				}
			}
			hana.get("/").want(t, http.StatusSeeOther) // and the page is there for her as before
			hana.get("/c/general").want(t, http.StatusOK)
		})
	}
}

func attackForm(t *testing.T, w *doorWorld, hana *browser) {
	for name, set := range map[string][]func(*http.Request){
		"another site":           {header("Origin", "https://evil.example"), header("Sec-Fetch-Site", "cross-site")},
		"without fetch metadata": {header("Origin", "https://evil.example"), header("Sec-Fetch-Site")},
		"sandbox":                {header("Origin", "null"), header("Sec-Fetch-Site")},
		"another port":           {header("Origin", "http://127.0.0.1:3000"), header("Sec-Fetch-Site", "same-site")},
	} {
		for _, path := range []string{"/c/general", "/react", "/press", "/logout", "/account/end-all", "/account/tokens", "/theme", "/api/v1/channels/general/messages"} {
			form := url.Values{"text": {"release 2019.01"}, "id": {rand.Text()}, "name": {"stolen"}, "scope": {"operate"}, "days": {"90"}}
			if a := hana.send("POST", path, form, set...); a.StatusCode != http.StatusForbidden {
				t.Errorf("%s, %s: %s", name, path, a.Status)
			}
		}
	}
	// The browser does not even send the cookie: it is locked to our own pages and to links.
	login := w.browser("")
	code, err := w.b.web.door.Code(here())
	if err != nil {
		t.Fatal(err)
	}
	a := login.send("POST", "/login", url.Values{"code": {code}})
	if c := a.Header.Get("Set-Cookie"); !strings.Contains(c, "SameSite=Lax") || !strings.Contains(c, "HttpOnly") {
		t.Errorf("the cookie is %s", c)
	}
}

func attackText(t *testing.T, w *doorWorld, hana *browser) {
	// What a page of another site may send without asking first: three types, of which one is ours.
	for _, kind := range []string{"text/plain", "", "application/octet-stream", "text/plain; application/json"} {
		for _, path := range []string{"/c/general", "/api/v1/channels/general/messages", "/api/v1/commands", "/login"} {
			a := hana.send("POST", path, url.Values{"text": {"release 2019.01"}}, header("Content-Type", kind), header("Sec-Fetch-Site"), header("Origin"))
			if a.StatusCode != http.StatusUnsupportedMediaType {
				t.Errorf("%q to %s: %s", kind, path, a.Status)
			}
		}
	}
	// Before a fetch of JSON, the browser asks; nobody says yes.
	a := hana.send("OPTIONS", "/api/v1/commands", nil, header("Origin", "https://evil.example"), header("Sec-Fetch-Site", "cross-site"), header("Sec-Fetch-Mode", "cors"), header("Access-Control-Request-Method", "POST"))
	if len(a.Header.Values("Access-Control-Allow-Origin")) > 0 || a.StatusCode < 400 {
		t.Errorf("another site may send JSON: %s %v", a.Status, a.Header)
	}
}

func attackStream(t *testing.T, w *doorWorld, hana *browser) {
	for _, path := range []string{"/events", "/api/v1/events"} {
		for _, site := range []string{"cross-site", "same-site"} {
			a := hana.get(path, header("Sec-Fetch-Site", site), header("Sec-Fetch-Mode", "cors"), header("Sec-Fetch-Dest", "empty"), header("Accept", "text/event-stream"), header("Origin", "https://evil.example"))
			a.want(t, http.StatusForbidden)
		}
		w.browser("").get(path, header("Accept", "text/event-stream")).want(t, http.StatusUnauthorized)
	}
	hana.get("/events", header("Connection", "Upgrade"), header("Upgrade", "websocket"), header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), header("Sec-WebSocket-Version", "13")).want(t, http.StatusBadRequest)
}

func attackGet(t *testing.T, w *doorWorld, hana *browser) {
	before := hana.session().Value
	for _, path := range []string{"/c/general?text=release+2019.01&id=x", "/react?message=1&emoji=✅", "/press?text=x", "/logout", "/account/end-all", "/account/tokens?name=x&scope=read&days=1",
		"/account/tokens/revoke?token=x", "/login?person=hana", "/api/v1/channels/general/messages?text=release", "/api/v1/commands?text=release", "/api/v1/codes", "/theme?theme=dark"} {
		hana.get(path, header("Sec-Fetch-Site", "cross-site"))
		hana.send("HEAD", path, nil)
	}
	if hana.session().Value != before {
		t.Error("a link logged her out")
	}
	if list, err := w.b.web.door.Tokens("hana"); err != nil || len(list) != 0 {
		t.Errorf("a link made the tokens %v, %v", list, err)
	}
}

func attackIdentity(t *testing.T, w *doorWorld, _ *browser) {
	nobody := w.browser("")
	for _, name := range []string{"X-Forwarded-User", "Remote-User", "X-Remote-User", "X-Auth-Request-User", "X-Forwarded-Email", "Slipway-As", "X-Ssl-Client-Dn", "From"} {
		nobody.get("/runs", header(name, "hana")).want(t, http.StatusSeeOther)
		nobody.get("/api/v1/runs", header(name, "hana")).want(t, http.StatusUnauthorized)
	}
	for _, path := range []string{"/runs?as=hana", "/api/v1/runs?as=hana", "/api/v1/runs?access_token=x&token=y&person=hana"} {
		if a := nobody.get(path); a.StatusCode != http.StatusSeeOther && a.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
	nobody.send("POST", "/login", url.Values{"person": {"hana"}}).want(t, http.StatusForbidden)
	_, port, _ := strings.Cut(w.addr, ":")
	for _, value := range []string{strings.Repeat("A", 43), "hana", "", "0", strings.Repeat("A", 4000)} {
		nobody.get("/runs", cookie(&http.Cookie{Name: "slipway-" + port, Value: value})).want(t, http.StatusSeeOther)
	}
	w.browser("hana.localhost").get("/runs").want(t, http.StatusMisdirectedRequest)
}

func attackFixation(t *testing.T, w *doorWorld, hana *browser) {
	_, port, _ := strings.Cut(w.addr, ":")
	planted := &http.Cookie{Name: "slipway-" + port, Value: "c2Vzc2lvbiBvZiBhbiBhdHRhY2tlciwgMzIgYnl0ZXM"}
	victim := w.browser("")
	code, err := w.b.web.door.Code(here())
	if err != nil {
		t.Fatal(err)
	}
	victim.send("POST", "/login", url.Values{"code": {code}}, cookie(planted)).want(t, http.StatusSeeOther)
	if victim.session().Value == planted.Value {
		t.Error("the session that was planted became hers")
	}
	w.browser("").get("/c/general", cookie(planted)).want(t, http.StatusSeeOther)
	// A second cookie of the name, from another port or path: none of the two is believed.
	victim.get("/c/general", cookie(planted)).want(t, http.StatusSeeOther)
	// A session that ended does not come back.
	old := victim.session()
	victim.send("POST", "/logout", url.Values{}).want(t, http.StatusOK)
	w.browser("").get("/c/general", cookie(old)).want(t, http.StatusSeeOther)
	// Whoever leads a victim to a code of his own is noticed: the page asks whose it is to be.
	mine, err := w.b.web.door.Code(here())
	if err != nil {
		t.Fatal(err)
	}
	led := w.browser("")
	led.get("/login?code="+mine, header("Sec-Fetch-Site", "cross-site")).want(t, http.StatusOK, "Hana Harbour", "Go on only if you asked")
	led.get("/c/general").want(t, http.StatusSeeOther)
}

func attackReplay(t *testing.T, w *doorWorld, _ *browser) {
	code, err := w.b.web.door.Code(here())
	if err != nil {
		t.Fatal(err)
	}
	w.browser("").get("/login?code="+code, header("Sec-Fetch-Site", "none")).want(t, http.StatusSeeOther)
	for _, b := range []*browser{w.browser(""), w.browser("")} {
		b.get("/login?code="+code, header("Sec-Fetch-Site", "none")).want(t, http.StatusGone, "slipway console")
		b.send("POST", "/login", url.Values{"code": {code}}).want(t, http.StatusGone)
		b.send("POST", "/login", url.Values{"code": {code[:42]}}).want(t, http.StatusGone)
	}
	if strings.Contains(w.log.String(), code) {
		t.Error("the code is in the log")
	}
}

func attackRebinding(t *testing.T, w *doorWorld, hana *browser) {
	for _, host := range []string{"evil.example", "localhost.evil.example", "127.0.0.1.nip.example", "hana.localhost", "0.0.0.0", "2130706433"} {
		b := w.browser(host)
		a := b.get("/c/general", cookie(hana.session()), header("Sec-Fetch-Site", "same-origin"))
		a.want(t, http.StatusMisdirectedRequest)
		b.say("release 2019.01", cookie(hana.session())).want(t, http.StatusMisdirectedRequest)
	}
	w.browser("localhost").get("/login").want(t, http.StatusOK)
}

func attackRedirect(t *testing.T, w *doorWorld, _ *browser) {
	for _, next := range []string{"https://evil.example", "//evil.example", `/\evil.example`, "/\t/evil.example", "javascript:alert(1)", "http:evil.example", "/../..//evil.example", "///evil.example"} {
		code, err := w.b.web.door.Code(here())
		if err != nil {
			t.Fatal(err)
		}
		a := w.browser("").get("/login?code="+code+"&next="+url.QueryEscape(next), header("Sec-Fetch-Site", "none")).want(t, http.StatusSeeOther)
		to, err := a.Request.URL.Parse(a.Header.Get("Location"))
		if err != nil || to.Host != w.addr || to.Scheme != "http" {
			t.Errorf("%q leads to %v, %v", next, to, err)
		}
	}
}

func attackFraming(t *testing.T, w *doorWorld, hana *browser) {
	for _, path := range []string{"/c/general", "/runs", "/account", "/login", "/nothing", "/api/v1/me", "/static/x/app.js", "/events/x"} {
		a := hana.get(path)
		csp := a.Header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
			if !slices.ContainsFunc(strings.Split(csp, ";"), func(s string) bool { return strings.TrimSpace(s) == part }) {
				t.Errorf("%s lacks %s in %q", path, part, csp)
			}
		}
		for name, want := range map[string]string{"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin", "Referrer-Policy": "same-origin"} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s has %s: %q", path, name, got)
			}
		}
		if strings.Contains(a.text, " style=\"") || strings.Contains(a.text, "<script>") || strings.Contains(a.text, " onclick=") {
			t.Errorf("%s has what its own policy forbids", path)
		}
	}
	if got := hana.get("/c/general").Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("a page of hers may be kept: %q", got)
	}
	hana.get("/c/general", header("Sec-Fetch-Site", "cross-site"), header("Sec-Fetch-Dest", "iframe")).want(t, http.StatusForbidden)
}

func attackTraversal(t *testing.T, w *doorWorld, hana *browser) {
	session := hana.session()
	for _, path := range []string{"/static/../../../../etc/passwd", "/static/x/..%2f..%2f..%2fetc%2fpasswd", "/static/x/%2e%2e/%2e%2e/style.css", "/static/x/..\\..\\slipway.yaml",
		"//etc/passwd", "/login/style.css/../../../slipway.yaml", "/static/%00/x", "/static//etc/passwd", "/runs/..%2f..%2fstate%2fslipway.db", "/runs/x/body/..%2f..%2fslipway.yaml"} {
		got := w.raw("GET "+path+" HTTP/1.1\r\nHost: "+w.addr+"\r\nCookie: "+session.Name+"="+session.Value+"\r\nConnection: close\r\n\r\n", 1)
		if len(got) != 1 || strings.HasPrefix(got[0], "200") || strings.Contains(got[0], "root:") || strings.Contains(got[0], "many_people") {
			t.Errorf("%s gives %.200q", path, got)
		}
	}
}

func attackSmuggling(t *testing.T, w *doorWorld, hana *browser) {
	session := hana.session()
	head := "Host: " + w.addr + "\r\nCookie: " + session.Name + "=" + session.Value + "\r\n"
	smuggled := "POST /c/general HTTP/1.1\r\n" + head + "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 28\r\n\r\ntext=release+2019.01&id=smug"
	for name, text := range map[string]string{
		"two lengths":       "POST /login HTTP/1.1\r\n" + head + "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\nContent-Length: 300\r\n\r\nx=1" + smuggled,
		"unknown encoding":  "POST /login HTTP/1.1\r\n" + head + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + smuggled,
		"two hosts":         "GET / HTTP/1.1\r\n" + head + "Host: evil.example\r\n\r\n",
		"space before :":    "GET / HTTP/1.1\r\n" + head + "X-Forwarded-For : 127.0.0.1\r\nConnection: close\r\n\r\n",
		"folded line":       "GET / HTTP/1.1\r\n" + head + " continued: x\r\nConnection: close\r\n\r\n",
		"no host":           "GET /c/general HTTP/1.1\r\nCookie: " + session.Name + "=" + session.Value + "\r\n\r\n",
		"host in the line":  "GET http://evil.example/c/general HTTP/1.1\r\n" + head + "Connection: close\r\n\r\n",
		"bad chunk":         "POST /login HTTP/1.1\r\n" + head + "Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + smuggled,
		"line in the value": "GET / HTTP/1.1\r\nHost: " + w.addr + "\rX: y\r\n\r\n",
	} {
		got := w.raw(text, 2)
		if len(got) > 1 || len(got) == 1 && !strings.HasPrefix(got[0], "4") && !strings.HasPrefix(got[0], "5") {
			t.Errorf("%s gives %.300q", name, got)
		}
	}
}

func attackHuge(t *testing.T, w *doorWorld, hana *browser) {
	large := strings.Repeat("x", 300<<10)
	hana.send("POST", "/c/general", url.Values{"text": {large}}).want(t, http.StatusRequestEntityTooLarge)
	hana.send("POST", "/api/v1/channels/general/messages", url.Values{"text": {large}}).want(t, http.StatusRequestEntityTooLarge)
	got := w.raw("POST /login HTTP/1.1\r\nHost: "+w.addr+"\r\nContent-Type: application/json\r\nContent-Length: 1099511627776\r\n\r\n", 1)
	if len(got) != 1 || !strings.HasPrefix(got[0], "413") {
		t.Errorf("a body of 1 TiB gives %.200q", got)
	}
	got = w.raw("GET / HTTP/1.1\r\nHost: "+w.addr+"\r\nX-Large: "+strings.Repeat("x", 64<<10)+"\r\n\r\n", 1)
	if len(got) != 1 || !strings.HasPrefix(got[0], "431") {
		t.Errorf("a header of 64 KiB gives %.200q", got)
	}
	if a := hana.say(strings.Repeat("x", 20<<10)); a.StatusCode != http.StatusBadRequest && a.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a message of 20 KiB gives %s", a.Status)
	}
	deep := strings.Repeat("[", 100_000)
	a := hana.send("POST", "/api/v1/commands", url.Values{}, header("Content-Type", "application/json"), func(r *http.Request) {
		r.Body, r.ContentLength = http.NoBody, 0
		r.GetBody = nil
		fresh, err := http.NewRequest("POST", r.URL.String(), strings.NewReader(deep))
		if err != nil {
			t.Fatal(err)
		}
		r.Body, r.ContentLength = fresh.Body, fresh.ContentLength
	})
	if a.StatusCode < 400 || a.StatusCode >= 500 {
		t.Errorf("deep JSON gives %s", a.Status)
	}
}

func attackReflected(t *testing.T, w *doorWorld, hana *browser) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	for _, path := range []string{"/", "/c/", "/c/general/", "/runs/", "/runs/x/steps/", "/runs/x/log/", "/login?next=/", "/login?code=", "/nothing/", "/c/general?fragment=", "/runs?q=", "/runs?status=",
		"/complete?line=", "/calendar?from=", "/login/callback?error=x&state=", "/help?x=", "/api/v1/runs/", "/api/v1/", "/public/", "/account?x="} {
		a := hana.get(path + url.PathEscape(evil))
		if strings.Contains(a.text, "<script>alert") || strings.Contains(a.text, "<img src=x") {
			if kind := a.Header.Get("Content-Type"); strings.HasPrefix(kind, "text/html") {
				t.Errorf("%s reflects markup in %s", path, kind)
			}
		}
		if a.StatusCode >= 500 {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
	a := w.browser("").get("/", header("Host", "x"))
	if strings.Contains(a.text, "<script>alert") {
		t.Error("the host is reflected")
	}
}

func attackTokens(t *testing.T, w *doorWorld, hana *browser) {
	a := hana.send("POST", "/account/tokens", url.Values{"name": {"attacker"}, "scope": {"read", "say", "operate"}, "days": {"1"}}).want(t, http.StatusCreated)
	_, rest, _ := strings.Cut(a.text, "slw_")
	secret := "slw_" + rest[:43]
	program := w.browser("")
	bearer := header("Authorization", "Bearer "+secret)
	program.get("/api/v1/me", bearer, header("Accept", "application/json")).want(t, http.StatusOK, "hana")
	if strings.Contains(a.Header.Get("Cache-Control"), "public") || a.Header.Get("Cache-Control") != "no-store" {
		t.Error("the page with the token may be kept")
	}
	// A token makes no further ways in, and ends none.
	body := url.Values{}
	asked := func(method, path, text string) answer {
		return program.send(method, path, body, bearer, header("Content-Type", "application/json"), header("Sec-Fetch-Site"), header("Origin"), func(r *http.Request) {
			fresh, err := http.NewRequest(method, r.URL.String(), strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			r.Body, r.ContentLength = fresh.Body, fresh.ContentLength
		})
	}
	asked("POST", "/api/v1/tokens", `{"name":"more","scopes":["operate"],"days":1}`).want(t, http.StatusForbidden, "a token cannot make")
	asked("POST", "/api/v1/codes", ``).want(t, http.StatusForbidden)
	asked("DELETE", "/api/v1/sessions", ``).want(t, http.StatusForbidden)
	asked("DELETE", "/api/v1/tokens/attacker", ``).want(t, http.StatusForbidden)
	// It opens no page, and works in no address.
	program.get("/account", bearer).want(t, http.StatusUnauthorized)
	program.get("/api/v1/me?access_token="+secret, header("Accept", "application/json")).want(t, http.StatusUnauthorized)
	// A scope that it lacks is refused, also for a command that is typed.
	asked("POST", "/api/v1/channels/general/messages", `{"text":"approve 2019.01","id":"x1"}`).want(t, http.StatusForbidden, "approve")
	list, err := w.b.web.door.Tokens("hana")
	if err != nil || len(list) != 1 {
		t.Fatalf("the tokens are %v, %v", list, err)
	}
	hana.send("POST", "/account/tokens/revoke", url.Values{"token": {list[0].ID}}).want(t, http.StatusSeeOther)
	program.get("/api/v1/me", bearer, header("Accept", "application/json")).want(t, http.StatusUnauthorized)
	if strings.Contains(w.log.String(), secret) || strings.Contains(w.log.String(), secret[4:]) {
		t.Error("the token is in the log")
	}
}

package login

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/bot/people"
)

func TestACodeIsUsedOnceWithinAMinute(t *testing.T) {
	w := newWorld(t, nil)
	code, err := w.door.Code("unix:1000")
	if err != nil {
		t.Fatal(err)
	}
	want(t, w.do(request("POST", "/login", "code="+code, "next=/runs")), http.StatusSeeOther, "Location: /runs")
	want(t, w.do(request("POST", "/login", "code="+code)), http.StatusGone, "was used")

	late, err := w.door.Code("unix:1000")
	if err != nil {
		t.Fatal(err)
	}
	w.pass(CodeLife)
	want(t, w.do(request("POST", "/login", "code="+late)), http.StatusGone, "older than a minute")
	if _, err := w.door.Code("unix:4711"); !errs.Is(err, errs.Denied) || !strings.Contains(errs.Text(err), `"unix:4711"`) {
		t.Errorf("an account of nobody gets %v", err)
	}
}

func TestACodeFromElsewhereIsAskedAbout(t *testing.T) {
	w := newWorld(t, nil)
	code, err := w.door.Code("unix:1000")
	if err != nil {
		t.Fatal(err)
	}
	linked := request("GET", "/login?code="+code)
	linked.Header.Set("Sec-Fetch-Site", "cross-site")
	a := w.do(linked)
	want(t, a, http.StatusOK, "Hana Harbour", "unix:1000")
	prefetch := request("GET", "/login?code="+code)
	prefetch.Header.Set("Sec-Fetch-Site", "none")
	prefetch.Header.Set("Sec-Purpose", "prefetch")
	if a := w.do(prefetch); len(a.Cookies()) > 0 {
		t.Error("a page that was fetched ahead used the code up")
	}
	typed := request("GET", "/login?code="+code)
	typed.Header.Set("Sec-Fetch-Site", "none")
	want(t, w.do(typed), http.StatusSeeOther, "Set-Cookie: slipway-7654=")

	// Nor does a link in a mail make the browser of somebody else's session another account's.
	for account, status := range map[string]int{"unix:1000": http.StatusSeeOther, "unix:1001": http.StatusOK} {
		if code, err = w.door.Code("unix:1000"); err != nil {
			t.Fatal(err)
		}
		typed = request("GET", "/login?code="+code)
		typed.Header.Set("Sec-Fetch-Site", "none")
		want(t, w.do(typed, w.enter(account)), status)
	}
}

func TestASessionEnds(t *testing.T) {
	for name, end := range map[string]func(*world, *http.Cookie){
		"unused":      func(w *world, _ *http.Cookie) { w.pass(12 * time.Hour) },
		"logged out":  func(w *world, c *http.Cookie) { w.do(request("POST", "/logout"), c) },
		"everywhere":  func(w *world, c *http.Cookie) { w.do(request("POST", "/account/end-all"), w.enter("unix:1000")) },
		"person left": func(w *world, c *http.Cookie) { w.link("unix:1000", people.Person{}) },
		"other owner": func(w *world, c *http.Cookie) { w.link("unix:1000", people.Person{ID: "ben", Name: "Ben"}) },
		"long after": func(w *world, c *http.Cookie) {
			for range 7*24/6 + 1 {
				w.do(request("GET", "/"), c)
				w.pass(6 * time.Hour)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			c := w.enter("unix:1000")
			want(t, w.do(request("GET", "/"), c), http.StatusOK, "unix:1000 hana [read say approve operate] true")
			end(w, c)
			want(t, w.do(request("GET", "/runs/x?step=a%20b"), c), http.StatusSeeOther, "Location: /login?next=%2Fruns%2Fx%3Fstep%3Da%2520b")
			w.link("unix:1000", people.Person{ID: "hana"})
			want(t, w.do(request("GET", "/"), c), http.StatusSeeOther)
		})
	}
}

func TestWhoHasLeftIsTold(t *testing.T) {
	w := newWorld(t, nil)
	c := w.enter("unix:1000")
	w.link("unix:1000", people.Person{ID: "hana", Name: "Hana", Gone: true})
	want(t, w.do(request("GET", "/"), c), http.StatusForbidden, "person hana has left")
	want(t, w.do(request("GET", "/login"), c), http.StatusOK, "slipway console")
}

func TestASessionOutlivesTheProcessAndTheDiskKnowsItsHashOnly(t *testing.T) {
	w := newWorld(t, nil)
	c := w.enter("unix:1000")
	v, _ := w.door.viewer("unix:1000", "")
	secret, _, err := w.door.NewToken(v, "nightly", []Scope{Read}, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.door.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(w.dir, "sessions.db"))
	if err != nil {
		t.Fatal(err)
	}
	bare := strings.TrimPrefix(secret, tokenMark)
	if bytes.Contains(raw, []byte(c.Value)) || bytes.Contains(raw, []byte(bare)) {
		t.Error("a secret is on the disk")
	}
	w.open(nil)
	want(t, w.do(request("GET", "/"), c), http.StatusOK, "hana")
}

func TestSessionsAreListedAndEndedOneByOne(t *testing.T) {
	w := newWorld(t, nil)
	first := w.enter("unix:1000")
	w.pass(time.Minute)
	second := w.enter("unix:1000")
	other := w.enter("unix:1001")
	list, err := w.door.Sessions("unix:1000")
	if err != nil || len(list) != 2 {
		t.Fatalf("%d sessions, %v", len(list), err)
	}
	old := list[1].ID
	a := w.do(request("GET", "/account"), second)
	want(t, a, http.StatusOK, old, "this one", "Hana Harbour")
	want(t, w.do(request("POST", "/account/end", "session="+old), other), http.StatusNotFound)
	want(t, w.do(request("POST", "/account/end", "session="+old), second), http.StatusSeeOther)
	want(t, w.do(request("GET", "/"), first), http.StatusSeeOther)
	want(t, w.do(request("GET", "/"), second), http.StatusOK)
	want(t, w.do(request("GET", "/"), other), http.StatusOK)
}

func TestAnAccountHasAtMostFiftySessions(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits.LoginsPerMinute = 1000 })
	first := w.enter("unix:1000")
	other := w.enter("unix:1001")
	for range maxSessions {
		w.pass(time.Second)
		w.enter("unix:1000")
	}
	list, err := w.door.Sessions("unix:1000")
	if err != nil || len(list) != maxSessions {
		t.Fatalf("%d sessions, %v", len(list), err)
	}
	want(t, w.do(request("GET", "/"), first), http.StatusSeeOther)
	want(t, w.do(request("GET", "/"), other), http.StatusOK)
}

func TestLoginMakesANewSessionAndEndsTheOneBefore(t *testing.T) {
	w := newWorld(t, nil)
	// What an attacker put into the browser is no session, and does not become one.
	planted := &http.Cookie{Name: "slipway-7654", Value: newSecret(w.door.o.Random)}
	code, err := w.door.Code("unix:1000")
	if err != nil {
		t.Fatal(err)
	}
	a := w.do(request("POST", "/login", "code="+code), planted)
	if got := a.Cookies()[0].Value; got == planted.Value {
		t.Fatal("the session that was planted is used")
	}
	want(t, w.do(request("GET", "/"), planted), http.StatusSeeOther)
	// Ben's session in that browser ends when Hana logs in there.
	bens := w.enter("unix:1001")
	code, err = w.door.Code("unix:1000")
	if err != nil {
		t.Fatal(err)
	}
	want(t, w.do(request("POST", "/login", "code="+code), bens), http.StatusSeeOther)
	want(t, w.do(request("GET", "/"), bens), http.StatusSeeOther)
	// Two cookies of one name: a page of another path or port set one of them.
	hanas := w.enter("unix:1000")
	want(t, w.do(request("GET", "/"), hanas, planted), http.StatusSeeOther)
	want(t, w.do(request("GET", "/"), hanas), http.StatusOK)
}

func TestCookiesAreLocked(t *testing.T) {
	w := newWorld(t, nil)
	code, err := w.door.Code("unix:1000")
	if err != nil {
		t.Fatal(err)
	}
	c := w.do(request("POST", "/login", "code="+code)).Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.Secure {
		t.Errorf("the cookie is %s", c)
	}
	w = newWorld(t, func(o *Options) { o.URL = mustURL(t, "https://slipway.example") })
	code, err = w.door.Code("unix:1000")
	if err != nil {
		t.Fatal(err)
	}
	r := request("POST", "/login", "code="+code)
	r.Host = "slipway.example"
	r.Header.Set("Origin", "https://slipway.example")
	a := w.do(r)
	c = a.Cookies()[0]
	if c.Name != "__Host-slipway" || !c.Secure || !c.HttpOnly || c.Domain != "" || c.Path != "/" || a.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("the cookie is %s, of %v", c, a.Header)
	}
}

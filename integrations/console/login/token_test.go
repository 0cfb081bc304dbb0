package login

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	"slipway/bot/people"
)

func bearer(method, target, secret string) *http.Request {
	r := request(method, target)
	r.Header = http.Header{"Authorization": {"Bearer " + secret}}
	return r
}

func TestATokenActsAsItsPersonAndWithinItsScopes(t *testing.T) {
	w := newWorld(t, nil)
	v, _ := w.door.viewer("unix:1000", "")
	secret, made, err := w.door.NewToken(v, "nightly", []Scope{Approve}, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(secret, "slw_") {
		t.Errorf("the token is %q", secret)
	}
	want(t, w.do(bearer("GET", "/api/v1/runs", secret)), http.StatusOK, "unix:1000 hana [read approve] true")
	want(t, w.do(bearer("POST", "/api/v1/x", secret)), http.StatusOK)
	want(t, w.do(bearer("GET", "/runs", secret)), http.StatusUnauthorized, "opens the API, and no page", "Www-Authenticate: Bearer")
	want(t, w.do(bearer("GET", "/account", secret)), http.StatusUnauthorized)
	// In an address, a cookie or a form it opens nothing.
	want(t, w.do(request("GET", "/api/v1/runs?access_token="+secret+"&token="+secret)), http.StatusUnauthorized)
	want(t, w.do(request("GET", "/api/v1/runs"), &http.Cookie{Name: "slipway-7654", Value: secret}), http.StatusUnauthorized)
	list, err := w.door.Tokens("hana")
	if err != nil || len(list) != 1 || list[0].Used.IsZero() || list[0].ID != made.ID {
		t.Errorf("the tokens are %+v, %v", list, err)
	}
	w.pass(24 * time.Hour)
	want(t, w.do(bearer("GET", "/api/v1/runs", secret)), http.StatusUnauthorized, "no longer good")
}

func TestATokenMayNotMoreThanItSays(t *testing.T) {
	w := newWorld(t, nil)
	v, _ := w.door.viewer("unix:1000", "")
	secret, _, err := w.door.NewToken(v, "reader", []Scope{Read}, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	want(t, w.do(bearer("GET", "/api/v1/runs", secret)), http.StatusOK)
	want(t, w.do(bearer("POST", "/api/v1/x", secret)), http.StatusForbidden, "scope say")
	v.Scopes = []Scope{Read}
	if _, _, err := w.door.NewToken(v, "more", []Scope{Operate}, 24*time.Hour); !errs.Is(err, errs.Denied) {
		t.Errorf("a viewer who may not operate makes a token that may: %v", err)
	}
}

func TestATokenDiesWithItsOwner(t *testing.T) {
	for name, end := range map[string]func(*world, Token){
		"revoked":  func(w *world, made Token) { _, _ = w.door.RevokeToken("hana", "nightly") },
		"unlinked": func(w *world, made Token) { w.link("unix:1000", people.Person{}) },
		"other":    func(w *world, made Token) { w.link("unix:1000", people.Person{ID: "ben"}) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			v, _ := w.door.viewer("unix:1000", "")
			secret, made, err := w.door.NewToken(v, "nightly", []Scope{Read}, 24*time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.door.RevokeToken("ben", made.ID); !errs.Is(err, errs.NotFound) {
				t.Errorf("ben revokes hana's token: %v", err)
			}
			end(w, made)
			want(t, w.do(bearer("GET", "/api/v1/runs", secret)), http.StatusUnauthorized)
		})
	}
}

func TestTokensThatAreRefused(t *testing.T) {
	w := newWorld(t, nil)
	hana, _ := w.door.viewer("unix:1000", "")
	nobody, _ := w.door.viewer("unix:4711", "")
	if _, _, err := w.door.NewToken(hana, "twice", []Scope{Read}, time.Hour); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		v    Viewer
		name string
		life time.Duration
		kind errs.Kind
	}{
		{nobody, "a", time.Hour, errs.Denied}, {hana, "", time.Hour, errs.Invalid}, {hana, "A b", time.Hour, errs.Invalid},
		{hana, "a", time.Minute, errs.Invalid}, {hana, "a", 367 * 24 * time.Hour, errs.Invalid}, {hana, "twice", time.Hour, errs.Exists},
	} {
		if _, _, err := w.door.NewToken(c.v, c.name, []Scope{Read}, c.life); !errs.Is(err, c.kind) {
			t.Errorf("%q for %s: %v", c.name, c.life, err)
		}
	}
	for _, text := range []string{"", "write", "read,,x"} {
		if _, err := ParseScopes(text); !errs.Is(err, errs.Invalid) {
			t.Errorf("the scopes %q: %v", text, err)
		}
	}
	if got, err := ParseScopes("operate say,say"); err != nil || scopeNames(got) != "read, say, operate" {
		t.Errorf("the scopes are %v, %v", got, err)
	}
}

func TestWrongAuthorization(t *testing.T) {
	w := newWorld(t, nil)
	c := w.enter("unix:1000")
	v, _ := w.door.viewer("unix:1000", "")
	good, _, err := w.door.NewToken(v, "nightly", []Scope{Read}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, given := range [][]string{{"Basic aGFuYTo="}, {"Bearer"}, {"Bearer "}, {"Bearer slw_"}, {"Bearer " + good[4:]}, {"Bearer " + good + "A"},
		{"Bearer " + good, "Bearer " + good}, {good}, {"Bearer slw_" + newSecret(w.door.o.Random)}} {
		r := bearer("GET", "/api/v1/runs", "")
		r.Header["Authorization"] = given
		// A session beside it does not help: what was meant is not guessed.
		a := w.do(r, c)
		if a.StatusCode != http.StatusUnauthorized {
			t.Errorf("%q is let in: %s", given, a.Status)
		}
		if strings.Contains(body(t, a), good) {
			t.Error("the answer repeats the token")
		}
	}
}

func TestATokenIsMadeOnThePageOfTheAccount(t *testing.T) {
	w := newWorld(t, nil)
	c := w.enter("unix:1000")
	form := url.Values{"name": {"from-page"}, "scope": {"read", "say"}, "days": {"30"}}
	a := w.do(request("POST", "/account/tokens", form.Encode()), c)
	want(t, a, http.StatusCreated, "slw_", "from-page", "not shown again")
	want(t, w.do(request("POST", "/account/tokens", "name=x&scope=read&days=0"), c), http.StatusBadRequest)
	list, _ := w.door.Tokens("hana")
	want(t, w.do(request("POST", "/account/tokens/revoke", "token="+list[0].ID), c), http.StatusSeeOther)
	if list, _ = w.door.Tokens("hana"); len(list) != 0 {
		t.Errorf("%+v is left", list)
	}
	want(t, w.do(request("POST", "/account/tokens", form.Encode())), http.StatusUnauthorized)
}

package login

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"slipway/bot/people"
	"slipway/test/fakes/oidc"
)

// provided is a world with a provider at which Hana and Ben have accounts.
type provided struct {
	*world
	p *oidc.Provider
}

const theConsole = "http://127.0.0.1:7654"

func newProvided(t *testing.T, change func(*oidc.Options)) *provided {
	t.Helper()
	out := &provided{}
	o := oidc.Options{Clock: func() time.Time { return out.world.clock() },
		Persons: []oidc.Person{{Subject: "s-hana", Name: "Hana H.", Username: "hana", Groups: []string{"admin"}}, {Subject: "s-ben", Name: "Ben", Username: "ben"}, {Subject: "s-eve", Name: "Hana Harbour", Username: "hana"}},
		Clients: []oidc.Client{{ID: "slipway", Secret: "client-secret", Redirects: []string{theConsole + "/login/callback"}}, {ID: "other", Redirects: []string{"http://127.0.0.1:1/cb"}}}}
	if change != nil {
		change(&o)
	}
	p, stop, err := oidc.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	out.p = p
	out.world = newWorld(t, func(o *Options) {
		o.URL = mustURL(t, theConsole)
		o.Limits.LoginsPerMinute = 1000
	})
	made, err := NewProvider(ProviderConfig{Issuer: p.Issuer(), ClientID: "slipway", Secret: "client-secret", URL: mustURL(t, theConsole), Label: "Harbour", Scopes: []string{"profile"}, Clock: out.clock})
	if err != nil {
		t.Fatal(err)
	}
	out.door.o.Provider = made
	out.link("oidc:"+p.Issuer()+"#s-hana", people.Person{ID: "hana", Name: "Hana Harbour"})
	out.link("oidc:"+p.Issuer()+"#s-ben", people.Person{ID: "ben", Name: "Ben Buoy"})
	return out
}

// begin begins a login and gives the provider's address and the cookie of this login.
func (p *provided) begin(next string) (address string, kept *http.Cookie) {
	p.t.Helper()
	a := p.do(request("GET", "/login/oidc?next="+url.QueryEscape(next)))
	if a.StatusCode != http.StatusSeeOther || len(a.Cookies()) != 1 {
		p.t.Fatalf("the login does not begin:\n%s", body(p.t, a))
	}
	return a.Header.Get("Location"), a.Cookies()[0]
}

// at logs a subject in at the provider, and gives the path and query to which it leads back.
func (p *provided) at(address, subject string) string {
	p.t.Helper()
	back, err := p.p.Login(p.t.Context(), http.DefaultClient, address, subject)
	if err != nil {
		p.t.Fatal(err)
	}
	path, ok := strings.CutPrefix(back, theConsole)
	if !ok {
		p.t.Fatalf("the provider leads to %s", back)
	}
	return path
}

// end follows the way back, which begins at the provider's site.
func (p *provided) end(path string, cookies ...*http.Cookie) *http.Response {
	r := request("GET", path)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	return p.do(r, cookies...)
}

func sessionOf(a *http.Response) *http.Cookie {
	for _, c := range a.Cookies() {
		if c.Name == "slipway-7654" && c.Value != "" {
			return c
		}
	}
	return nil
}

func TestAPersonLogsInAtTheProvider(t *testing.T) {
	for _, isRSA := range []bool{false, true} {
		w := newProvided(t, func(o *oidc.Options) { o.RSA = isRSA })
		want(t, w.do(request("GET", "/login")), http.StatusOK, "Log in with Harbour")
		address, kept := w.begin("/runs?x=1")
		if strings.Contains(address, "client-secret") || !strings.Contains(address, "code_challenge_method=S256") {
			t.Errorf("the address is %s", address)
		}
		a := w.end(w.at(address, "s-hana"), kept)
		want(t, a, http.StatusSeeOther, "Location: /runs?x=1")
		c := sessionOf(a)
		want(t, w.do(request("GET", "/"), c), http.StatusOK, "oidc:"+w.p.Issuer()+"#s-hana hana")
		a = w.do(request("POST", "/logout"), c)
		want(t, a, http.StatusOK, "Log out of Harbour too", "/logout?client_id=slipway")
	}
}

func TestASubjectThatIsLinkedToNobodyIsToldWhatToDo(t *testing.T) {
	w := newProvided(t, nil)
	// Eve has Hana's name and nickname at the provider; Hana's groups are Hana's. Neither counts.
	address, kept := w.begin("/")
	a := w.end(w.at(address, "s-eve"), kept)
	c := sessionOf(a)
	a = w.do(request("GET", "/"), c)
	want(t, a, http.StatusForbidden, "#s-eve belongs to nobody", "slipway.yaml")
	want(t, w.do(request("POST", "/c/general", "text=hold"), c), http.StatusForbidden)
	want(t, w.do(request("GET", "/login"), c), http.StatusForbidden, "Log out")
	w.link("oidc:"+w.p.Issuer()+"#s-eve", people.Person{ID: "eve"})
	want(t, w.do(request("GET", "/"), c), http.StatusOK, "#s-eve eve")
}

func TestProofsThatAreRefused(t *testing.T) {
	hour := func(c map[string]any, key string, d time.Duration) { c[key] = c[key].(int64) + int64(d/time.Second) }
	for name, lie := range map[string]func(*oidc.Token){
		"other nonce":         func(t *oidc.Token) { t.Claims["nonce"] = "x" },
		"no nonce":            func(t *oidc.Token) { delete(t.Claims, "nonce") },
		"other issuer":        func(t *oidc.Token) { t.Claims["iss"] = "https://evil.example" },
		"other audience":      func(t *oidc.Token) { t.Claims["aud"] = "other" },
		"made for another":    func(t *oidc.Token) { t.Claims["azp"] = "other" },
		"two audiences":       func(t *oidc.Token) { t.Claims["aud"] = []string{"slipway", "other"}; delete(t.Claims, "azp") },
		"expired":             func(t *oidc.Token) { hour(t.Claims, "exp", -time.Hour); hour(t.Claims, "iat", -time.Hour) },
		"from the future":     func(t *oidc.Token) { hour(t.Claims, "iat", time.Hour); hour(t.Claims, "exp", time.Hour) },
		"not yet good":        func(t *oidc.Token) { t.Claims["nbf"] = time.Now().AddDate(20, 0, 0).Unix() },
		"without a signature": func(t *oidc.Token) { t.Alg = "none" },
		"signed by a secret":  func(t *oidc.Token) { t.Alg = "HS256" },
		"foreign key":         func(t *oidc.Token) { t.Alg = "foreign" },
		"no subject":          func(t *oidc.Token) { delete(t.Claims, "sub") },
		"subject of lines":    func(t *oidc.Token) { t.Claims["sub"] = "s-hana\nx" },
		"no end":              func(t *oidc.Token) { delete(t.Claims, "exp") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newProvided(t, nil)
			address, kept := w.begin("/")
			back := w.at(address, "s-hana")
			w.p.Next(lie)
			a := w.end(back, kept)
			want(t, a, http.StatusForbidden, "proof", "/login")
			if sessionOf(a) != nil {
				t.Error("there is a session")
			}
		})
	}
}

func TestLoginsAreNotMixedUp(t *testing.T) {
	w := newProvided(t, nil)
	param := func(path, key, value string) string {
		u := mustURL(t, path)
		q := u.Query()
		q.Set(key, value)
		u.RawQuery = q.Encode()
		return u.String()
	}
	refused := func(what string, a *http.Response, cause string) {
		t.Helper()
		want(t, a, http.StatusForbidden, cause)
		if sessionOf(a) != nil {
			t.Errorf("%s: there is a session", what)
		}
	}
	mine, hers := "This login was not begun in this browser", "does not know this login"
	address1, kept1 := w.begin("/")
	address2, kept2 := w.begin("/")
	back1, back2 := w.at(address1, "s-hana"), w.at(address2, "s-ben")
	refused("no cookie", w.end(back1), mine)
	refused("the cookie of another login", w.end(back1, kept2), mine)
	renamed := &http.Cookie{Name: kept1.Name, Value: kept2.Value}
	refused("the cookie of another login under the name of this", w.end(back1, renamed), mine)
	refused("another state", w.end(param(back1, "state", "x"), kept1), mine)
	refused("a cookie of our own making", w.end(back1, &http.Cookie{Name: kept1.Name, Value: strings.Repeat("A", 200)}), mine)
	// The code of another login, stolen on its way, is worth nothing without the verifier of that one.
	stolen := mustURL(t, back2).Query().Get("code")
	refused("a stolen code", w.end(param(back1, "code", stolen), kept1), hers)
	refused("a code that was tried by another", w.end(back2, kept2), hers)
	address3, kept3 := w.begin("/")
	back3 := w.at(address3, "s-hana")
	refused("another provider answers", w.end(param(back3, "iss", "https://evil.example"), kept3), "Another provider answered")
	if a := w.end(back3, kept3); sessionOf(a) == nil {
		t.Fatalf("the good answer is refused:\n%s", body(t, a))
	}
	refused("the same answer again", w.end(back3, kept3), hers)
	address4, kept4 := w.begin("/")
	back4 := w.at(address4, "s-hana")
	w.pass(loginLife)
	refused("too late", w.end(back4, kept4), mine)
	address5, kept5 := w.begin("/")
	refused("cancelled", w.end(w.at(address5, "nobody"), kept5), "login_required")
}

func TestTwoWindowsLogInAtATime(t *testing.T) {
	w := newProvided(t, nil)
	address1, kept1 := w.begin("/one")
	address2, kept2 := w.begin("/two")
	want(t, w.end(w.at(address2, "s-hana"), kept1, kept2), http.StatusSeeOther, "Location: /two")
	want(t, w.end(w.at(address1, "s-hana"), kept1, kept2), http.StatusSeeOther, "Location: /one")
	// Logins that were begun and left do not fill the browser.
	var jar []*http.Cookie
	for range 8 {
		_, c := w.begin("/")
		jar = append(jar, c)
	}
	cleared := 0
	for _, c := range w.do(request("GET", "/login/oidc"), jar...).Cookies() {
		if c.MaxAge < 0 {
			cleared++
		}
	}
	if cleared != 4 {
		t.Errorf("%d of 8 are cleared", cleared)
	}
}

func TestClocksMayDifferALittle(t *testing.T) {
	for _, skew := range []int64{-100, 100} {
		w := newProvided(t, nil)
		address, kept := w.begin("/")
		back := w.at(address, "s-hana")
		w.p.Next(func(t *oidc.Token) {
			t.Claims["iat"] = t.Claims["iat"].(int64) + skew
			t.Claims["exp"] = t.Claims["iat"].(int64) + 1
		})
		if a := w.end(back, kept); sessionOf(a) == nil {
			t.Errorf("with a clock %d s away nobody gets in:\n%s", skew, body(t, a))
		}
	}
}

func TestAProviderMayTurnItsKeys(t *testing.T) {
	w := newProvided(t, nil)
	for range 3 {
		address, kept := w.begin("/")
		if a := w.end(w.at(address, "s-hana"), kept); sessionOf(a) == nil {
			t.Fatalf("nobody gets in:\n%s", body(t, a))
		}
		if err := w.p.Rotate(); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.p.Asked("/keys"); n != 3 {
		t.Errorf("the keys were asked for %d times", n)
	}
}

func TestAProviderThatIsDownSaysSoAndComesBack(t *testing.T) {
	w := newProvided(t, nil)
	w.p.SetDown(true)
	a := w.do(request("GET", "/login/oidc"))
	want(t, a, http.StatusServiceUnavailable, "The login of Harbour cannot be reached", "slipway console")
	w.p.SetDown(false)
	w.pass(3 * time.Second)
	address, kept := w.begin("/")
	back := w.at(address, "s-hana")
	w.p.SetDown(true)
	want(t, w.end(back, kept), http.StatusServiceUnavailable, "Harbour cannot be reached")
	w.p.SetDown(false)
	address, kept = w.begin("/")
	if sessionOf(w.end(w.at(address, "s-hana"), kept)) == nil {
		t.Error("nobody gets in again")
	}
	// Sessions do not need the provider.
	c := w.enter("unix:1000")
	w.p.SetDown(true)
	want(t, w.do(request("GET", "/"), c), http.StatusOK, "hana")
}

func TestProvidersThatAreRefused(t *testing.T) {
	for _, c := range []ProviderConfig{
		{Issuer: "http://login.example", ClientID: "x"}, {Issuer: "login.example", ClientID: "x"}, {Issuer: "https://login.example?x=y", ClientID: "x"},
		{Issuer: "https://u:p@login.example", ClientID: "x"}, {Issuer: "https://login.example#x", ClientID: "x"}, {Issuer: "https://login.example"}, {},
	} {
		c.URL = mustURL(t, theConsole)
		if _, err := NewProvider(c); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}

func TestLoginBeginsUnderTheConfiguredName(t *testing.T) {
	w := newProvided(t, nil)
	r := request("GET", "/login/oidc?next=/runs")
	r.Host = "localhost:7654"
	want(t, w.do(r), http.StatusSeeOther, "Location: "+theConsole+"/login/oidc?next=/runs")
}

func FuzzSeal(f *testing.F) {
	s, err := newSealer([32]byte{1}, func(b []byte) {})
	if err != nil {
		f.Fatal(err)
	}
	good, err := s.close("oidc", underWay{State: "x"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("")
	f.Add(good[:20])
	f.Fuzz(func(t *testing.T, text string) {
		var u underWay
		if s.open("oidc", text, &u) == nil && text != good {
			t.Errorf("%q opens", text)
		}
		if s.open("other", good, &u) == nil {
			t.Error("it opens for another purpose")
		}
	})
}

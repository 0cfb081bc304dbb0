package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"slipway/test/fakes/oidc"
)

// providedWorld is a whole bot at which people log in by a provider.
type providedWorld struct {
	*doorWorld
	p *oidc.Provider
}

func newProvidedWorld(t *testing.T) providedWorld {
	t.Helper()
	p, stop, err := oidc.Start(oidc.Options{Persons: []oidc.Person{{Subject: "s-hana", Name: "Hana H.", Username: "hana"},
		{Subject: "s-eve", Name: "Hana Harbour", Username: "hana", Groups: []string{"admin"}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return providedWorld{p: p, doorWorld: newDoorWorld(t, func(text, addr string) string {
		p.AddClient(oidc.Client{ID: "slipway", Redirects: []string{"http://" + addr + "/login/callback"}})
		return strings.NewReplacer(
			"many_people: true, ", fmt.Sprintf("url: %q, login: {issuer: %q, client_id: slipway, label: Harbour}, ", "http://"+addr, p.Issuer()),
			`accounts: ["console:hana"]`, fmt.Sprintf(`accounts: ["unix:%d", "oidc:%s#s-hana"]`, os.Getuid(), p.Issuer())).Replace(asMany(text, addr))
	})}
}

// leads begins a login in a browser and lets the subject log in at the provider; it gives the path to
// which the provider leads back.
func (w providedWorld) leads(b *browser, subject, next string) string {
	w.t.Helper()
	a := b.get("/login/oidc?next="+url.QueryEscape(next)).want(w.t, http.StatusSeeOther)
	back, err := w.p.Login(w.t.Context(), http.DefaultClient, a.Header.Get("Location"), subject)
	if err != nil {
		w.t.Fatal(err)
	}
	path, ours := strings.CutPrefix(back, "http://"+w.addr)
	if !ours {
		w.t.Fatalf("the provider leads to %s", back)
	}
	return path
}

// follow is the way back from the provider, which begins at its site.
func (b *browser) follow(path string) answer {
	b.w.t.Helper()
	return b.get(path, header("Sec-Fetch-Site", "cross-site"))
}

// TestPeopleLogInAtAProvider is a login through the whole bot: in, a command, and out again, and
// those who are not let in.
func TestPeopleLogInAtAProvider(t *testing.T) {
	w := newProvidedWorld(t)
	hana := w.browser("")
	if to := hana.get("/runs").want(t, http.StatusSeeOther).Header.Get("Location"); to != "/login?next=%2Fruns" {
		t.Errorf("a stranger is led to %s", to)
	}
	hana.get("/login?next=%2Fruns").want(t, http.StatusOK, "Log in with Harbour", "/login/oidc?next=%2fruns")
	back := w.leads(hana, "s-hana", "/runs")
	if to := hana.follow(back).want(t, http.StatusSeeOther).Header.Get("Location"); to != "/runs" {
		t.Errorf("she comes to %s", to)
	}
	hana.get("/runs").want(t, http.StatusOK, "Hana Harbour")
	account := "oidc:" + w.p.Issuer() + "#s-hana"
	hana.get("/api/v1/me", header("Accept", "application/json")).want(t, http.StatusOK, `"account":"`+account+`"`, `"person":"hana"`)
	hana.say("help").want(t, http.StatusSeeOther)
	if !slices.Contains(w.said(), account+": help") {
		t.Errorf("said was %q", w.said())
	}

	// A way back is good once, in the browser where it began, with the state that was given.
	hana.follow(back).want(t, http.StatusForbidden, "was not begun in this browser")
	other := w.browser("")
	stolen := w.leads(hana, "s-hana", "/")
	other.follow(stolen).want(t, http.StatusForbidden, "was not begun in this browser")
	forged := w.leads(other, "s-hana", "/")
	at, err := url.Parse(forged)
	if err != nil {
		t.Fatal(err)
	}
	q := at.Query()
	q.Set("state", q.Get("state")[:8]+strings.Repeat("A", 35)) // its cookie is found, and it is another
	other.follow(at.Path+"?"+q.Encode()).want(t, http.StatusForbidden, "was not begun in this browser")
	other.get("/runs").want(t, http.StatusSeeOther)

	// Eve has Hana's name and groups at the provider, and is nobody here.
	eve := w.browser("")
	eve.follow(w.leads(eve, "s-eve", "/runs")).want(t, http.StatusSeeOther)
	before := len(w.said())
	for _, path := range []string{"/runs", "/c/general", "/api/v1/runs", "/events", "/metrics"} {
		eve.get(path).want(t, http.StatusForbidden, "oidc:"+w.p.Issuer()+"#s-eve", "belongs to nobody")
	}
	eve.say("release 2019.01").want(t, http.StatusForbidden)
	eve.send(http.MethodPost, "/account/tokens", url.Values{"name": {"x"}, "scope": {"read"}, "days": {"1"}}).want(t, http.StatusForbidden)
	if len(w.said()) != before {
		t.Errorf("eve said %q", w.said()[before:])
	}

	// Out, and the cookie that she had opens nothing any more.
	had := hana.session()
	hana.send(http.MethodPost, "/logout", url.Values{}).want(t, http.StatusOK, "Log out of Harbour too", w.p.Issuer()+"/logout")
	hana.get("/runs").want(t, http.StatusSeeOther)
	w.browser("").get("/runs", cookie(had)).want(t, http.StatusSeeOther)
}

package login

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"slipway/bot/errs"
)

// Skew is how far the clocks of the provider and of this machine may differ.
const Skew = 2 * time.Minute

// loginLife is how long a person may take at the provider.
const loginLife = 10 * time.Minute

// ProviderConfig is an OpenID Connect provider (OpenID Connect Core 1.0).
type ProviderConfig struct {
	Issuer   string // https, or http on loopback
	ClientID string
	Secret   string   // "" for a public client, which PKCE protects alone
	URL      *url.URL // of the console; the way back is URL/login/callback
	Label    string   // on the button; "" means the issuer's host
	Scopes   []string // beside openid; for the name shown: profile

	Client *http.Client     // nil: one with a time limit
	Clock  func() time.Time // nil: time.Now
}

// Provider lets people in who proved to an OpenID provider who they are. Only the subject counts:
// names, addresses and groups of the provider give nobody a role.
type Provider struct {
	c ProviderConfig

	mu    sync.Mutex
	found *discovered
	tried time.Time
}

type discovered struct {
	verifier *oidc.IDTokenVerifier
	oauth    oauth2.Config
	logout   string
}

// NewProvider makes a provider. Nothing is asked of it before somebody logs in, so that the bot
// starts without it. The error is of kind [errs.Invalid].
func NewProvider(c ProviderConfig) (*Provider, error) {
	const op = "login.provider"
	issuer, err := url.Parse(c.Issuer)
	switch {
	case err != nil || issuer.Host == "" || issuer.User != nil || issuer.RawQuery != "" || issuer.Fragment != "" || strings.Contains(c.Issuer, "#"):
		return nil, errs.E(op, errs.Invalid, fmt.Errorf("the issuer is %q", c.Issuer)).Hint("write its address, as in its own settings: https://login.example.org")
	case issuer.Scheme != "https" && !(issuer.Scheme == "http" && loopbackName(issuer.Hostname())):
		return nil, errs.E(op, errs.Invalid, fmt.Errorf("the issuer %s is not asked over TLS", c.Issuer)).Hint("write https://")
	case c.ClientID == "":
		return nil, errs.E(op, errs.Invalid, errors.New("client_id is missing")).Hint("register the console at the provider, and write the id that it gives")
	case c.URL == nil:
		return nil, errs.E(op, errs.Invalid, errors.New("the console has no url")).Hint("write url: https://HOST, to which the provider leads back")
	}
	if c.Label == "" {
		c.Label = issuer.Hostname()
	}
	if c.Client == nil {
		c.Client = &http.Client{Timeout: 10 * time.Second}
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	// What a provider sends is bounded as everything else from outside.
	bounded := *c.Client
	bounded.Transport = boundedTransport{c.Client.Transport}
	c.Client = &bounded
	return &Provider{c: c}, nil
}

// Name is what people call it.
func (p *Provider) Name() string { return p.c.Label }

// Account is the account of a subject: the pair of issuer and subject is the only one that a
// provider never gives to somebody else (OpenID Connect Core 1.0, section 5.7).
func (p *Provider) Account(subject string) string { return "oidc:" + p.c.Issuer + "#" + subject }

// boundedTransport cuts answers of more than 1 MiB.
type boundedTransport struct{ next http.RoundTripper }

func (t boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	next := t.next
	if next == nil {
		next = http.DefaultTransport
	}
	a, err := next.RoundTrip(r)
	if err == nil {
		a.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(a.Body, 1<<20), a.Body}
	}
	return a, err
}

func (p *Provider) context(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, p.c.Client)
}

// discover asks the provider for its endpoints, once, and again after it was away.
func (p *Provider) discover(ctx context.Context) (*discovered, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found != nil {
		return p.found, nil
	}
	away := errs.E("login.provider", errs.Unavailable, fmt.Errorf("the login of %s cannot be reached", p.c.Label)).
		Hint("try again in a minute; on the machine where Slipway runs, slipway console lets you in meanwhile")
	if now := p.c.Clock(); now.Sub(p.tried) < 2*time.Second && now.After(p.tried) {
		return nil, away // one question at a time is enough for a provider that is down
	}
	p.tried = p.c.Clock()
	// The keys are fetched later with the client of this context, not with its deadline.
	found, err := oidc.NewProvider(p.context(context.WithoutCancel(ctx)), p.c.Issuer)
	if err != nil {
		return nil, away
	}
	var more struct {
		Logout string `json:"end_session_endpoint"`
		Keys   string `json:"jwks_uri"`
	}
	if err := found.Claims(&more); err != nil {
		return nil, away
	}
	end := found.Endpoint()
	for _, address := range []string{end.AuthURL, end.TokenURL, more.Keys} {
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "https" && !(u.Scheme == "http" && loopbackName(u.Hostname())) {
			return nil, errs.E("login.provider", errs.Failed, fmt.Errorf("%s names an address without TLS", p.c.Label)).Hint("its settings need to be mended")
		}
	}
	d := &discovered{
		oauth: oauth2.Config{ClientID: p.c.ClientID, ClientSecret: p.c.Secret, Endpoint: end,
			RedirectURL: strings.TrimSuffix(p.c.URL.String(), "/") + "/login/callback", Scopes: append([]string{oidc.ScopeOpenID}, p.c.Scopes...)},
		verifier: found.VerifierContext(p.context(context.WithoutCancel(ctx)), &oidc.Config{
			ClientID: p.c.ClientID,
			// Only signatures that the holder of a private key makes; never none, never the client's secret.
			SupportedSigningAlgs: []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA},
			Now:                  func() time.Time { return p.c.Clock().Add(-Skew) }, // a token that ended a moment ago is still good
		}),
	}
	if u, err := url.Parse(more.Logout); err == nil && (u.Scheme == "https" || u.Scheme == "http" && loopbackName(u.Hostname())) {
		d.logout = more.Logout
	}
	p.found = d
	return d, nil
}

// logoutURL is where one logs out of the provider itself, or "" (OpenID Connect RP-Initiated
// Logout 1.0).
func (p *Provider) logoutURL() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found == nil || p.found.logout == "" {
		return ""
	}
	u, err := url.Parse(p.found.logout)
	if err != nil {
		return ""
	}
	q := u.Query()
	q.Set("client_id", p.c.ClientID)
	q.Set("post_logout_redirect_uri", strings.TrimSuffix(p.c.URL.String(), "/")+"/login")
	u.RawQuery = q.Encode()
	return u.String()
}

// underWay is what the browser keeps, sealed, while a person is at the provider.
type underWay struct {
	State    string    `json:"s"`
	Nonce    string    `json:"n"`
	Verifier string    `json:"v"`
	Next     string    `json:"to"`
	Until    time.Time `json:"u"`
}

// oidcWhat names the cookie of one login under way: each window has its own.
func oidcWhat(state string) string { return "slipway-oidc-" + state[:min(8, len(state))] }

func (d *Door) beginOIDC(w http.ResponseWriter, r *http.Request) error {
	p := d.o.Provider
	if p == nil {
		return errs.E("login", errs.NotFound, errors.New("no provider is configured")).Hint("log in by one of the ways at /login")
	}
	if !d.isURL(r) { // the way back leads there, and cookies do not
		http.Redirect(w, r, strings.TrimSuffix(d.o.URL.String(), "/")+r.URL.RequestURI(), http.StatusSeeOther)
		return nil
	}
	if err := d.attempt(r); err != nil {
		return err
	}
	found, err := p.discover(r.Context())
	if err != nil {
		return err
	}
	u := underWay{State: newSecret(d.o.Random), Nonce: newSecret(d.o.Random), Verifier: newSecret(d.o.Random),
		Next: local(r.URL.Query().Get("next")), Until: d.o.Clock().Add(loginLife)}
	sealed, err := d.seal.close("oidc", u)
	if err != nil {
		return errs.E("login", errs.Internal, err)
	}
	v := visitOf(r)
	d.forget(w, r, v, 4)
	setCookie(w, r, v.secure, oidcWhat(u.State), sealed, loginLife)
	http.Redirect(w, r, found.oauth.AuthCodeURL(u.State, oidc.Nonce(u.Nonce), oauth2.S256ChallengeOption(u.Verifier)), http.StatusSeeOther)
	return nil
}

// forget clears the cookies of logins that were begun and left, but for the newest keep.
func (d *Door) forget(w http.ResponseWriter, r *http.Request, v visit, keep int) {
	prefix := strings.TrimSuffix(cookieName(r, v.secure, oidcWhat("")), "-"+portOf(r))
	var old []string
	for _, c := range r.Cookies() {
		if strings.HasPrefix(c.Name, prefix) {
			old = append(old, c.Name)
		}
	}
	for i := 0; i < len(old)-keep; i++ {
		http.SetCookie(w, &http.Cookie{Name: old[i], Path: "/", MaxAge: -1, HttpOnly: true, Secure: v.secure, SameSite: http.SameSiteLaxMode})
	}
}

func portOf(r *http.Request) string { _, port := splitHost(r.Host); return port }

// endOIDC is where the provider leads back to.
func (d *Door) endOIDC(w http.ResponseWriter, r *http.Request) error {
	const op = "login.oidc"
	p := d.o.Provider
	if p == nil {
		return errs.E(op, errs.NotFound, errors.New("no provider is configured")).Hint("log in by one of the ways at /login")
	}
	if err := d.attempt(r); err != nil {
		return err
	}
	again := func(cause string) error {
		return errs.E(op, errs.Denied, errors.New(cause)).Hint("begin again at /login")
	}
	q, v := r.URL.Query(), visitOf(r)
	state := q.Get("state")
	what := oidcWhat(state)
	kept := r.CookiesNamed(cookieName(r, v.secure, what))
	if state == "" || len(kept) != 1 {
		return again("this login was not begun in this browser, or too long ago")
	}
	setCookie(w, r, v.secure, what, "", 0) // one answer for one login
	var u underWay
	if d.seal.open("oidc", kept[0].Value, &u) != nil || subtle.ConstantTimeCompare([]byte(u.State), []byte(state)) != 1 || !d.o.Clock().Before(u.Until) {
		return again("this login was not begun in this browser, or too long ago")
	}
	if q.Has("error") {
		return again(fmt.Sprintf("%s did not let you in (%s)", p.c.Label, clip(q.Get("error"), 60)))
	}
	if iss := q.Get("iss"); iss != "" && iss != p.c.Issuer { // RFC 9207
		return again("another provider answered")
	}
	subject, handle, err := p.redeem(r.Context(), q.Get("code"), u)
	if err != nil {
		return err
	}
	account := p.Account(subject)
	who, err := d.viewer(account, handle)
	if err != nil {
		return err
	}
	return d.enter(w, r, session{Account: account, Handle: handle, Person: who.Person, Way: "oidc"}, u.Next)
}

// redeem turns the provider's code into the subject that it proves.
func (p *Provider) redeem(ctx context.Context, code string, u underWay) (subject, handle string, err error) {
	const op = "login.oidc"
	fail := func(k errs.Kind, cause string) (string, string, error) {
		return "", "", errs.E(op, k, errors.New(cause)).Hint("begin again at /login")
	}
	found, err := p.discover(ctx)
	if err != nil {
		return "", "", err
	}
	ctx, cancel := context.WithTimeout(p.context(ctx), 15*time.Second)
	defer cancel()
	token, err := found.oauth.Exchange(ctx, code, oauth2.VerifierOption(u.Verifier))
	if err != nil {
		// The error of the library may hold what the provider sent: it is not shown.
		if refused := new(oauth2.RetrieveError); errors.As(err, &refused) && refused.Response.StatusCode < 500 {
			return fail(errs.Denied, p.c.Label+" does not know this login, or it was used already")
		}
		return fail(errs.Unavailable, p.c.Label+" cannot be reached")
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return fail(errs.Denied, p.c.Label+" sent no proof of who you are")
	}
	id, err := found.verifier.Verify(ctx, raw)
	if expired := new(oidc.TokenExpiredError); errors.As(err, &expired) {
		return fail(errs.Denied, "the proof of "+p.c.Label+" has expired: one of the clocks may be wrong")
	} else if err != nil {
		return fail(errs.Denied, "the proof of "+p.c.Label+" is not good")
	}
	now := p.c.Clock()
	switch {
	case subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(u.Nonce)) != 1:
		return fail(errs.Denied, "the proof of "+p.c.Label+" belongs to another login")
	case id.IssuedAt.After(now.Add(Skew)):
		return fail(errs.Denied, "the proof of "+p.c.Label+" is from the future: one of the clocks is wrong")
	case id.Subject == "" || len(id.Subject) > 255 || strings.ContainsFunc(id.Subject, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return fail(errs.Denied, "the proof of "+p.c.Label+" names nobody")
	}
	var more struct {
		Name  string `json:"name"`
		Login string `json:"preferred_username"`
		Azp   string `json:"azp"`
	}
	if err := id.Claims(&more); err != nil {
		return fail(errs.Denied, "the proof of "+p.c.Label+" cannot be read")
	}
	if (len(id.Audience) > 1 || more.Azp != "") && more.Azp != p.c.ClientID { // OpenID Connect Core 1.0, section 3.1.3.7
		return fail(errs.Denied, "the proof of "+p.c.Label+" was made for another program")
	}
	if handle = more.Name; handle == "" {
		handle = more.Login
	}
	return id.Subject, clip(handle, 80), nil
}

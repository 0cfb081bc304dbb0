package oidc

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

// codeLife is how long a code can be redeemed.
const codeLife = time.Minute

func (p *Provider) configuration(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	alg := p.keys[len(p.keys)-1].alg
	p.mu.Unlock()
	at := p.o.Issuer
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer": at, "authorization_endpoint": at + "/authorize", "token_endpoint": at + "/token", "jwks_uri": at + "/keys",
		"end_session_endpoint": at + "/logout", "response_types_supported": []string{"code"}, "grant_types_supported": []string{"authorization_code"},
		"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{string(alg)},
		"code_challenge_methods_supported": []string{"S256"}, "scopes_supported": []string{"openid", "profile"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post", "none"}, "authorization_response_iss_parameter_supported": true,
	})
}

func (p *Provider) publishKeys(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var set jose.JSONWebKeySet
	for _, k := range p.keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.key.Public(), KeyID: k.id, Algorithm: string(k.alg), Use: "sig"})
	}
	writeJSON(w, http.StatusOK, set)
}

// request is an authorization request that was checked.
type request struct {
	client                                      Client
	redirect, state, nonce, challenge, original string
}

// check reads an authorization request. What is wrong with client or redirect is never told to
// the redirect; anything else is.
func (p *Provider) check(q url.Values) (r request, wrong, code string) {
	c, ok := p.client(q.Get("client_id"))
	if !ok {
		return r, "the client is not known", ""
	}
	r = request{client: c, redirect: q.Get("redirect_uri"), state: q.Get("state"), nonce: q.Get("nonce"), challenge: q.Get("code_challenge"), original: q.Encode()}
	if !slices.Contains(c.Redirects, r.redirect) {
		return r, "the redirect is not registered", ""
	}
	raw, err := base64.RawURLEncoding.DecodeString(r.challenge)
	switch {
	case q.Get("response_type") != "code":
		return r, "", "unsupported_response_type"
	case !slices.Contains(strings.Fields(q.Get("scope")), "openid"):
		return r, "", "invalid_scope"
	case q.Get("code_challenge_method") != "S256" || err != nil || len(raw) != sha256.Size:
		return r, "", "invalid_request"
	}
	return r, "", ""
}

const sessionCookie = "provider-session"

// authorize shows the login page, or leads back at once where the person is logged in already.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q, wrong, code := p.check(r.URL.Query())
	switch {
	case wrong != "":
		http.Error(w, wrong, http.StatusBadRequest)
		return
	case code != "":
		p.back(w, r, q, url.Values{"error": {code}})
		return
	}
	if hint := r.URL.Query().Get("login_hint"); hint != "" && r.URL.Query().Get("prompt") == "none" {
		person, ok := p.person(hint)
		if !ok {
			p.back(w, r, q, url.Values{"error": {"login_required"}})
			return
		}
		p.grant(w, r, q, person)
		return
	}
	if c, err := r.Cookie(sessionCookie); err == nil {
		if person, ok := p.person(p.sessions[c.Value]); ok {
			p.grant(w, r, q, person)
			return
		}
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = template.Must(template.New("login").Parse(loginPage)).Execute(w, map[string]any{"Persons": p.o.Persons, "Query": q.original, "Client": q.client.ID})
}

const loginPage = `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Log in</title></head><body>
<main><h1>Log in to {{.Client}}</h1>
<form method="post" action="/authorize"><input type="hidden" name="query" value="{{.Query}}">
{{range .Persons}}<p><button name="subject" value="{{.Subject}}">{{.Name}}</button></p>{{end}}
<p><button name="subject" value="">Cancel</button></p></form></main></body></html>`

// decide is the login page's answer.
func (p *Provider) decide(w http.ResponseWriter, r *http.Request) {
	query, err := url.ParseQuery(r.PostFormValue("query"))
	if err != nil {
		http.Error(w, "the form is wrong", http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	q, wrong, code := p.check(query)
	if wrong != "" || code != "" {
		http.Error(w, "the request is wrong", http.StatusBadRequest)
		return
	}
	person, ok := p.person(r.PostFormValue("subject"))
	if !ok {
		p.back(w, r, q, url.Values{"error": {"access_denied"}})
		return
	}
	cookie := random(32)
	p.sessions[cookie] = person.Subject
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: cookie, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	p.grant(w, r, q, person)
}

// grant makes a code and leads back with it.
func (p *Provider) grant(w http.ResponseWriter, r *http.Request, q request, person Person) {
	code := random(24)
	p.codes[code] = &grant{client: q.client.ID, redirect: q.redirect, challenge: q.challenge, nonce: q.nonce, person: person, until: p.o.Clock().Add(codeLife)}
	p.back(w, r, q, url.Values{"code": {code}})
}

func (p *Provider) back(w http.ResponseWriter, r *http.Request, q request, v url.Values) {
	v.Set("state", q.state)
	v.Set("iss", p.o.Issuer)
	u, err := url.Parse(q.redirect)
	if err != nil {
		http.Error(w, "the redirect is wrong", http.StatusBadRequest)
		return
	}
	u.RawQuery = v.Encode()
	http.Redirect(w, r, u.String(), http.StatusFound)
}

// token redeems a code.
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, code string) { writeJSON(w, status, map[string]string{"error": code}) }
	if err := r.ParseForm(); err != nil {
		refuse(http.StatusBadRequest, "invalid_request")
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	id, secret, basic := r.BasicAuth()
	if basic {
		id, secret = unescape(id), unescape(secret)
	} else {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	client, ok := p.client(id)
	if !ok || subtle.ConstantTimeCompare([]byte(client.Secret), []byte(secret)) != 1 {
		refuse(http.StatusUnauthorized, "invalid_client")
		return
	}
	g := p.codes[r.PostForm.Get("code")]
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	switch {
	case r.PostForm.Get("grant_type") != "authorization_code":
		refuse(http.StatusBadRequest, "unsupported_grant_type")
		return
	case g == nil || g.used || g.client != id || g.redirect != r.PostForm.Get("redirect_uri") || !p.o.Clock().Before(g.until),
		base64.RawURLEncoding.EncodeToString(sum[:]) != g.challenge:
		if g != nil {
			g.used = true
		}
		refuse(http.StatusBadRequest, "invalid_grant")
		return
	}
	g.used = true
	raw, err := p.sign(g, client)
	if err != nil {
		refuse(http.StatusInternalServerError, "server_error")
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"access_token": random(24), "token_type": "Bearer", "expires_in": 300, "id_token": raw})
}

func unescape(s string) string {
	if out, err := url.QueryUnescape(s); err == nil {
		return out
	}
	return s
}

// sign makes the ID token of a grant, or the lie that was asked for.
func (p *Provider) sign(g *grant, c Client) (string, error) {
	now := p.o.Clock()
	t := Token{Secret: c.Secret, Claims: map[string]any{"iss": p.o.Issuer, "sub": g.person.Subject, "aud": g.client, "azp": g.client, "exp": now.Add(5 * time.Minute).Unix(),
		"iat": now.Unix(), "nonce": g.nonce, "name": g.person.Name, "preferred_username": g.person.Username, "groups": g.person.Groups}}
	if p.next != nil {
		p.next(&t)
		p.next = nil
	}
	payload, err := json.Marshal(t.Claims)
	if err != nil {
		return "", err
	}
	k := p.keys[len(p.keys)-1]
	key := jose.SigningKey{Algorithm: k.alg, Key: jose.JSONWebKey{Key: k.key, KeyID: k.id}}
	switch t.Alg {
	case "":
	case "none":
		head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`))
		return head + "." + base64.RawURLEncoding.EncodeToString(payload) + ".", nil
	case "HS256":
		secret := sha256.Sum256([]byte(t.Secret))
		key = jose.SigningKey{Algorithm: jose.HS256, Key: secret[:]}
	default:
		foreign, err := newKey(p.o.RSA)
		if err != nil {
			return "", err
		}
		key = jose.SigningKey{Algorithm: foreign.alg, Key: jose.JSONWebKey{Key: foreign.key, KeyID: k.id}}
	}
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// logout ends the session at the provider, and leads to a registered place.
func (p *Provider) logout(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c, err := r.Cookie(sessionCookie); err == nil {
		delete(p.sessions, c.Value)
	}
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Path: "/", MaxAge: -1, HttpOnly: true})
	client, _ := p.client(r.URL.Query().Get("client_id"))
	if to := r.URL.Query().Get("post_logout_redirect_uri"); slices.Contains(client.Logouts, to) {
		http.Redirect(w, r, to, http.StatusFound)
		return
	}
	_, _ = w.Write([]byte("You are logged out.\n"))
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// Package oidc is an OpenID Connect provider that is honest: it keeps state, signs for real, and
// enforces what a good provider enforces. Tests log in at it, with a browser too.
//
// It speaks the code flow alone (OpenID Connect Core 1.0, section 3.1), always with PKCE and S256
// (RFC 7636), and names itself in the answer (RFC 9207). A code is good for a minute, once, and
// for the client, the redirect and the verifier it was made for; a second use ends what the first
// one gave. Redirects must be registered to the letter.
//
// [Provider.Next] makes it lie once, for tests of those who must not believe it.
package oidc

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

// Person is somebody who can log in.
type Person struct {
	Subject  string // immutable; never given to somebody else
	Name     string
	Username string
	Groups   []string
}

// Client is a program that people log in to. Without a secret it is public.
type Client struct {
	ID, Secret string
	Redirects  []string // exact
	Logouts    []string // where one may be led after logging out, exact
}

// Options are what a provider begins with.
type Options struct {
	Issuer  string // its own address, without a slash at the end
	Persons []Person
	Clients []Client
	Clock   func() time.Time // nil: time.Now
	RSA     bool             // keys are RSA and signatures RS256; otherwise P-256 and ES256
}

// Provider is a handler. It is safe for several goroutines.
type Provider struct {
	mux *http.ServeMux

	mu       sync.Mutex
	o        Options
	keys     []signingKey // the newest signs; all are published
	codes    map[string]*grant
	sessions map[string]string // cookie → subject
	down     bool
	next     func(*Token)
	asked    map[string]int // requests by path
}

type signingKey struct {
	id  string
	alg jose.SignatureAlgorithm
	key crypto.Signer
}

// grant is what a code stands for.
type grant struct {
	client, redirect, challenge, nonce string
	person                             Person
	until                              time.Time
	used                               bool
}

// Token is an ID token before it is signed, for a provider that lies.
type Token struct {
	Claims map[string]any
	Alg    string // "": as always; none; HS256: with the client's secret; other: with a key that is not published
	Secret string // of HS256
}

// New makes a provider.
func New(o Options) (*Provider, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	p := &Provider{o: o, codes: map[string]*grant{}, sessions: map[string]string{}, asked: map[string]int{}, mux: http.NewServeMux()}
	p.mux.HandleFunc("GET /.well-known/openid-configuration", p.configuration)
	p.mux.HandleFunc("GET /keys", p.publishKeys)
	p.mux.HandleFunc("GET /authorize", p.authorize)
	p.mux.HandleFunc("POST /authorize", p.decide)
	p.mux.HandleFunc("POST /token", p.token)
	p.mux.HandleFunc("GET /logout", p.logout)
	return p, p.Rotate()
}

// Start serves a provider on a free loopback port until stop is called. o.Issuer is set.
func Start(o Options) (p *Provider, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	o.Issuer = "http://" + l.Addr().String()
	if p, err = New(o); err != nil {
		_ = l.Close()
		return nil, nil, err
	}
	s := &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.Serve(l) }()
	return p, func() { _ = s.Close() }, nil
}

// Issuer is the provider's address.
func (p *Provider) Issuer() string { return p.o.Issuer }

// AddClient registers a program.
func (p *Provider) AddClient(c Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.o.Clients = append(p.o.Clients, c)
}

// SetDown makes the provider answer everything with 503, or end that.
func (p *Provider) SetDown(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

// Next changes the next ID token, once.
func (p *Provider) Next(change func(*Token)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = change
}

// Asked is how often a path was asked for.
func (p *Provider) Asked(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[path]
}

// Rotate signs with a new key from now on; the one before stays published, older ones do not.
func (p *Provider) Rotate() error {
	k, err := newKey(p.o.RSA)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = append(p.keys[max(0, len(p.keys)-1):], k)
	return nil
}

func newKey(isRSA bool) (signingKey, error) {
	k := signingKey{id: random(6), alg: jose.ES256}
	var err error
	if isRSA {
		k.alg = jose.RS256
		k.key, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		k.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	return k, err
}

func random(n int) string {
	raw := make([]byte, n)
	_, _ = rand.Read(raw) // crypto/rand ends the process rather than fail
	return base64.RawURLEncoding.EncodeToString(raw)
}

// ServeHTTP answers one request.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked[r.URL.Path]++
	down := p.down
	p.mu.Unlock()
	if down {
		http.Error(w, "down for maintenance", http.StatusServiceUnavailable)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	p.mux.ServeHTTP(w, r)
}

// client finds a registered program.
func (p *Provider) client(id string) (Client, bool) {
	for _, c := range p.o.Clients {
		if c.ID == id {
			return c, true
		}
	}
	return Client{}, false
}

func (p *Provider) person(subject string) (Person, bool) {
	for _, x := range p.o.Persons {
		if x.Subject == subject {
			return x, true
		}
	}
	return Person{}, false
}

// Login is a login without a browser: it follows the address of an authorization request as the
// person would, and gives the address to which the provider leads back.
func (p *Provider) Login(ctx context.Context, client *http.Client, address, subject string) (back string, err error) {
	asking := *client
	asking.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"&login_hint="+subject+"&prompt=none", nil)
	if err != nil {
		return "", err
	}
	a, err := asking.Do(q)
	if err != nil {
		return "", err
	}
	defer a.Body.Close()
	if back = a.Header.Get("Location"); back == "" {
		return "", fmt.Errorf("the provider answers %s", a.Status)
	}
	return back, nil
}

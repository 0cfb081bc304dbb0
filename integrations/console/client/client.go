// Package client talks to the API of a running bot: over the unix socket of its machine, or over
// the network with a token.
//
// Every call is safe to repeat: what says something carries an id. So a connection that breaks is
// made again and the request sent again, and what was said is said once.
package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/console"
	"slipway/integrations/console/api"
	"slipway/integrations/console/login"
)

// MaxAnswer is the most bytes of one answer that are read.
const MaxAnswer = 64 << 20

// Client calls the API. It is safe for several goroutines. One of Path and URL must be set; the
// zero value of every other field is useful.
type Client struct {
	Path  string // of the unix socket
	URL   string // of the console, such as https://slipway.harbour.example, instead of Path
	Token string // for URL
	As    string // to act as, where the server allows it

	NewID func() string                                // nil means random
	Wait  func(ctx context.Context, attempt int) error // between attempts; nil means 100 ms, doubling
	Tries int                                          // of one call; 0 means 5

	once sync.Once
	http *http.Client
}

// Call is one request.
type Call struct {
	Method string
	Path   string // below [api.Prefix]; see [Path]
	Query  url.Values
	Body   any    // JSON; nil for none
	Key    string // for the header Idempotency-Key; "" where nothing is said
}

// Path joins the parts of a path, each escaped: a part may have slashes in it.
func Path(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString("/" + url.PathEscape(p))
	}
	return b.String()
}

// Do sends a request until it is answered, and reads the answer into into, if that is not nil. A
// refusal is an error of the kind that the server gave it.
func (c *Client) Do(ctx context.Context, q Call, into any) error {
	return c.retry(ctx, func() error {
		r, err := c.open(ctx, q, "")
		if err != nil {
			return err
		}
		defer r.Body.Close()
		raw, err := io.ReadAll(io.LimitReader(r.Body, MaxAnswer+1))
		switch {
		case err != nil:
			return &brokenError{cause: err}
		case len(raw) > MaxAnswer:
			return errs.E("console.client", errs.Failed, fmt.Errorf("the answer has more than %d bytes", MaxAnswer)).Hint("ask for less")
		case into == nil:
			return nil
		}
		if err := json.Unmarshal(raw, into); err != nil {
			return errs.E("console.client", errs.Corrupt, fmt.Errorf("the answer to %s %s cannot be read", q.Method, q.Path)).Hint("use a slipway of the same version as the bot")
		}
		return nil
	})
}

// Save sends a request and copies the answer, of any size, to w. It is tried again only while
// nothing of it has come.
func (c *Client) Save(ctx context.Context, q Call, w io.Writer) error {
	return c.retry(ctx, func() error {
		r, err := c.open(ctx, q, "")
		if err != nil {
			return err
		}
		defer r.Body.Close()
		n, err := io.Copy(w, r.Body)
		if err != nil && n == 0 {
			return &brokenError{cause: err}
		}
		if err != nil {
			return errs.E("console.client", errs.Unavailable, fmt.Errorf("the answer broke off after %d bytes: %w", n, err)).Hint("ask again")
		}
		return nil
	})
}

// Get is [Client.Do] for what is only read.
func Get[A any](ctx context.Context, c *Client, path string, query url.Values) (A, error) {
	var a A
	err := c.Do(ctx, Call{Method: http.MethodGet, Path: path, Query: query}, &a)
	return a, err
}

// ID is a new id for something to be said.
func (c *Client) ID() string {
	if c.NewID != nil {
		return c.NewID()
	}
	return rand.Text()
}

// Close closes the connections that are not in use. The client can be used again.
func (c *Client) Close() error {
	if h := c.doer(); h != nil {
		h.CloseIdleConnections()
	}
	return nil
}

// brokenError is a connection that failed: the request may or may not have arrived. after is how
// long the server asked to wait, 0 if it did not.
type brokenError struct {
	cause error
	after time.Duration
}

func (b *brokenError) Error() string { return b.cause.Error() }
func (b *brokenError) Unwrap() error { return b.cause }

// retry calls try until it succeeds or fails otherwise than by a connection that broke.
func (c *Client) retry(ctx context.Context, try func() error) error {
	for attempt := 1; ; attempt++ {
		err := try()
		var broken *brokenError
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !errors.As(err, &broken):
			return err
		case attempt >= c.tries():
			return c.unreachable(broken)
		}
		if err := c.wait(ctx, attempt, broken.after); err != nil {
			return err
		}
	}
}

// open sends one request and gives the answer to it, if it is no refusal.
func (c *Client) open(ctx context.Context, q Call, accept string) (*http.Response, error) {
	req, err := c.request(ctx, q, accept)
	if err != nil {
		return nil, err
	}
	r, err := c.doer().Do(req)
	if err != nil {
		return nil, &brokenError{cause: err}
	}
	if r.StatusCode < 300 {
		return r, nil
	}
	defer r.Body.Close()
	return nil, c.refused(r)
}

func (c *Client) request(ctx context.Context, q Call, accept string) (*http.Request, error) {
	base, err := c.base()
	if err != nil {
		return nil, err
	}
	var body io.Reader
	if q.Body != nil {
		raw, err := json.Marshal(q.Body)
		if err != nil {
			return nil, err
		}
		if len(raw) > api.MaxBody {
			return nil, errs.E("console.client", errs.Invalid, fmt.Errorf("the request has %d bytes, and %d is the limit", len(raw), api.MaxBody)).Hint("send the text in parts")
		}
		body = bytes.NewReader(raw)
	}
	to := base + api.Prefix + q.Path
	if len(q.Query) > 0 {
		to += "?" + q.Query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, q.Method, to, body)
	if err != nil {
		return nil, errs.E("console.client", errs.Invalid, fmt.Errorf("%q cannot be asked for", clip(q.Path)))
	}
	h := req.Header
	h.Set("Accept", "application/json")
	if accept != "" {
		h.Set("Accept", accept)
	}
	if body != nil {
		h.Set("Content-Type", "application/json")
	}
	if q.Key != "" {
		h.Set("Idempotency-Key", q.Key)
	}
	if c.URL != "" && c.Token != "" {
		h.Set("Authorization", "Bearer "+c.Token)
	}
	if c.As != "" {
		h.Set(login.AsHeader, c.As)
	}
	return req, nil
}

// base is where the paths begin. A token goes over a connection that nobody else reads.
func (c *Client) base() (string, error) {
	if c.URL == "" {
		return "http://slipway", nil
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", errs.E("console.client", errs.Invalid, fmt.Errorf("%q is not the address of a console", clip(c.URL))).Hint("write it like https://slipway.harbour.example")
	}
	if host := u.Hostname(); u.Scheme == "http" && !loopback(host) {
		return "", errs.E("console.client", errs.Invalid, fmt.Errorf("%s is not encrypted, and the token could be read on the way", c.URL)).Hint("use https")
	}
	return u.Scheme + "://" + u.Host + strings.TrimSuffix(u.Path, "/"), nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// refused is the error of an answer that is none.
func (c *Client) refused(r *http.Response) error {
	raw, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	var p console.Problem
	if err != nil || json.Unmarshal(raw, &p) != nil || p.Kind == "" {
		if r.StatusCode >= 500 { // something before the bot
			return &brokenError{cause: fmt.Errorf("the answer was %d %s", r.StatusCode, http.StatusText(r.StatusCode))}
		}
		return errs.E("console.client", errs.Failed, fmt.Errorf("the answer was %d %s, which no slipway says", r.StatusCode, http.StatusText(r.StatusCode))).
			Hint("check the address")
	}
	told := p.Err()
	if errs.Is(told, errs.Busy) {
		seconds, _ := strconv.Atoi(r.Header.Get("Retry-After"))
		return &brokenError{told, time.Duration(min(max(seconds, 1), 30)) * time.Second}
	}
	return told
}

func (c *Client) doer() *http.Client {
	c.once.Do(func() {
		t := &http.Transport{MaxIdleConns: 2, IdleConnTimeout: time.Minute, ResponseHeaderTimeout: 2 * time.Minute, TLSHandshakeTimeout: 20 * time.Second,
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
		if c.URL == "" {
			t.Proxy = nil
			t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, "unix", c.Path)
			}
		}
		// A redirect would take the token somewhere else.
		c.http = &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	})
	return c.http
}

func (c *Client) unreachable(err *brokenError) error {
	where := c.Path
	if c.URL != "" {
		where = c.URL
	}
	var told *errs.Error
	switch {
	case errors.As(err.cause, &told):
		return told
	case c.URL == "" && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)):
		return errs.E("console.client", errs.Unavailable, errors.New("the bot is not running: nothing listens on "+c.Path)).
			Hint("start it with slipway serve, or name the socket of a running one with --socket")
	case errors.Is(err, fs.ErrPermission):
		return errs.E("console.client", errs.Denied, fmt.Errorf("you may not use the socket %s", c.Path)).
			Hint("ask whoever runs the bot to let your account use it")
	}
	var u *url.Error
	cause := err.cause
	if errors.As(cause, &u) { // it repeats the address
		cause = u.Err
	}
	return errs.E("console.client", errs.Unavailable, fmt.Errorf("slipway does not answer on %s: %w", where, cause)).
		Hint("is it running, and may you use it?")
}

func (c *Client) tries() int {
	if c.Tries == 0 {
		return 5
	}
	return c.Tries
}

// wait waits before the next attempt, at least as long as the server asked.
func (c *Client) wait(ctx context.Context, attempt int, atLeast time.Duration) error {
	if c.Wait != nil {
		return c.Wait(ctx, attempt)
	}
	t := time.NewTimer(max(100*time.Millisecond<<min(attempt-1, 5), atLeast))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func clip(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return s
}

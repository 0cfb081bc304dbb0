package gitlab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	maxAnswer = 32 << 20         // bytes of an answer that is not [Streamed]
	maxHold   = 15 * time.Minute // the longest that an answer may keep us from asking
	minHold   = time.Second
)

// httpClient is h, or a new one, with the rules of this package around it.
func (c *Client) httpClient(h *http.Client) *http.Client {
	if h == nil {
		h = &http.Client{Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 5 * time.Minute,
			MaxIdleConnsPerHost: 8, IdleConnTimeout: 90 * time.Second, ForceAttemptHTTP2: true,
		}}
	}
	ours := *h
	base := h.Transport
	if base == nil {
		base = http.DefaultTransport
	}
	ours.Jar = nil
	ours.Transport = &transport{base: base, origin: c.base, token: c.token, now: c.now}
	ours.CheckRedirect = c.redirect
	return &ours
}

// redirect follows what leads a read elsewhere, such as to the store of artifacts. A write that is
// led elsewhere would become a read.
func (c *Client) redirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	switch {
	case first.Method != http.MethodGet && first.Method != http.MethodHead,
		strings.EqualFold(req.URL.Hostname(), c.base.Hostname()) && req.URL.Scheme != c.base.Scheme, // the configured address is not the right one
		req.URL.Scheme != "https" && first.URL.Scheme == "https":
		return http.ErrUseLastResponse
	case len(via) > 5:
		return errors.New("GitLab redirects in a circle")
	}
	return nil
}

// transport adds the token, only for the configured address, and sends nothing while GitLab wants to
// be left alone.
type transport struct {
	base   http.RoundTripper
	origin *url.URL
	token  string
	now    func() time.Time

	mu    sync.Mutex
	until time.Time
}

// held is why a request was not sent.
type held struct {
	until time.Time
	left  time.Duration
}

func (h held) Error() string {
	return "GitLab asked us to wait until " + h.until.UTC().Format("15:04:05 MST")
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ours := t.ours(req.URL)
	req = req.Clone(req.Context())
	req.Header.Del("PRIVATE-TOKEN")
	if ours {
		t.mu.Lock()
		until := t.until
		t.mu.Unlock()
		if wait := until.Sub(t.now()); wait > 0 && wait <= maxHold { // a clock that was set back does not hold us for ever
			if req.Body != nil {
				_ = req.Body.Close()
			}
			return nil, held{until, wait}
		}
		req.Header.Set("PRIVATE-TOKEN", t.token)
	}
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Header.Del(heldHeader)
	if ours && resp.StatusCode == http.StatusTooManyRequests {
		wait := holdOf(resp.Header, t.now())
		t.mu.Lock()
		t.until = t.now().Add(wait)
		t.mu.Unlock()
		resp.Header.Set(heldHeader, wait.String())
	}
	resp.Header.Del("Link") // pages are counted; the library trips over links that it does not know
	if !streamed(req.Context()) || resp.StatusCode >= 300 {
		resp.Body = &bounded{ReadCloser: resp.Body, left: maxAnswer}
	}
	return resp, nil
}

// ours reports whether an address is of this GitLab: below a path there may be other services beside it.
func (t *transport) ours(u *url.URL) bool {
	return u.Scheme == t.origin.Scheme && strings.EqualFold(u.Host, t.origin.Host) &&
		(t.origin.Path == "" || strings.HasPrefix(u.Path, t.origin.Path+"/") && !strings.Contains(u.Path+"/", "/../"))
}

// heldHeader carries how long that is to those who read the answer.
const heldHeader = "Slipway-Held-Until"

// holdOf is how long an answer with status 429 asks us to wait: Retry-After in seconds or as a date
// (RFC 9110, section 10.2.3), else RateLimit-Reset in seconds since 1970 (GitLab, "Rate limits"),
// else half a minute.
func holdOf(h http.Header, now time.Time) time.Duration {
	wait := 30 * time.Second
	text := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		wait = time.Duration(max(0, min(n, 86400))) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = at.Sub(now)
	} else if n, err := strconv.ParseInt(strings.TrimSpace(h.Get("RateLimit-Reset")), 10, 64); err == nil && n > 0 && n < 1<<40 {
		wait = time.Unix(n, 0).Sub(now)
	}
	return max(minHold, min(wait, maxHold))
}

type streamedKey struct{}

// Streamed is ctx for a request whose answer goes to a writer, such as a log or an archive: its length
// is bounded by that writer. Every other answer is cut off after 32 MB, and so is the text of an error.
func Streamed(ctx context.Context) context.Context {
	return context.WithValue(ctx, streamedKey{}, true)
}

func streamed(ctx context.Context) bool { return ctx.Value(streamedKey{}) != nil }

// bounded is the body of an answer that must not be endless.
type bounded struct {
	io.ReadCloser
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("GitLab's answer is longer than %d MB", maxAnswer>>20)
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

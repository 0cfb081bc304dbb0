package slack

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	maxAnswer  = 16 << 20         // bytes
	maxForm    = 1 << 20          // bytes of a request in which its channel is looked for
	answerTime = 30 * time.Second // for one request with its answer, the wait for a turn not counted
	editTime   = 5 * time.Second  // the same for an edit: another follows, and cards of other runs wait
	shortest   = 4 << 10          // bytes of an answer that only names an error, or more
)

// httpClient is h, or a new one, with the rules of this package around it.
func (c *Client) httpClient(h *http.Client) *http.Client {
	if h == nil {
		h = &http.Client{Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: answerTime,
			MaxIdleConnsPerHost: 8, IdleConnTimeout: 90 * time.Second, ForceAttemptHTTP2: true,
		}}
	}
	ours := *h
	base := h.Transport
	if base == nil {
		base = http.DefaultTransport
	}
	ours.Jar = nil
	ours.Timeout = 0 // a turn is waited for before it begins: see [transport]
	ours.Transport = &transport{base: base, origin: c.base, now: c.o.Now, wait: c.o.Wait, turns: newTurns()}
	ours.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &ours
}

// transport sends requests to Slack's API and nowhere else, each when its turn has come.
type transport struct {
	base   http.RoundTripper
	origin *url.URL
	now    func() time.Time
	wait   func(context.Context, time.Duration) error
	turns  *turns
}

// held is why a request was not sent.
type held struct {
	left  time.Duration
	asked bool // by Slack; else by our own pacing
}

func (h held) Error() string {
	if h.asked {
		return "Slack asked us to wait for " + h.left.Round(time.Second).String()
	}
	return "there is more to say to Slack than it takes at once"
}

// foreign is a request to another address.
type foreign struct{}

func (foreign) Error() string { return "this is not the address of Slack's API" }

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	drop := func(err error) (*http.Response, error) {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	method, ok := t.method(req.URL)
	if !ok {
		return drop(foreign{})
	}
	channel := channelOf(req)
	wait, giveBack, asked := t.turns.next(method, channel, t.now())
	if giveBack == nil {
		return drop(held{wait, asked})
	}
	if wait > 0 {
		err := t.wait(req.Context(), wait)
		// Another request may have been told meanwhile that it was one too many.
		left := t.turns.held(method, channel, t.now())
		if err != nil || left > 0 {
			giveBack()
			return drop(held{max(wait, left), left > 0})
		}
	}
	ctx, cancel := context.WithTimeout(req.Context(), patience(method))
	resp, err := t.base.RoundTrip(req.Clone(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	resp.Body = &bounded{ReadCloser: resp.Body, left: maxAnswer, done: cancel}
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusOK && limited(resp) {
		d := holdOf(resp.Header, t.now())
		t.turns.hold(method, channel, t.now().Add(d))
		resp.StatusCode, resp.Status = http.StatusTooManyRequests, "429 Too Many Requests"
		resp.Header.Set("Retry-After", strconv.Itoa(int((d+time.Second-1)/time.Second))) // as the library reads it
	}
	return resp, nil
}

// patience is how long an answer of a method is waited for.
func patience(method string) time.Duration {
	if method == "chat.update" {
		return editTime
	}
	return answerTime
}

// limited reports whether an answer with status 200 names the error that usually has status 429
// (docs.slack.dev, the errors of each method). The body is as it was.
func limited(resp *http.Response) bool {
	body := bufio.NewReaderSize(resp.Body, shortest)
	head, err := body.Peek(shortest)
	resp.Body = peeked{body, resp.Body}
	var said struct {
		OK    bool   `json:"ok"`
		Error string `json:"error"`
	}
	return errors.Is(err, io.EOF) && json.Unmarshal(head, &said) == nil && !said.OK && (said.Error == "ratelimited" || said.Error == "rate_limited")
}

// peeked is a body of which the beginning was looked at.
type peeked struct {
	io.Reader
	io.Closer
}

// method is the name of the API's method at an address; ok is false for another address.
func (t *transport) method(u *url.URL) (name string, ok bool) {
	name, ok = strings.CutPrefix(u.Path, t.origin.Path)
	ok = ok && u.Scheme == t.origin.Scheme && strings.EqualFold(u.Host, t.origin.Host) && name != "" && !strings.Contains(name, "/")
	return name, ok
}

// channelOf is the channel that a request is about; "" if it names none.
func channelOf(req *http.Request) string {
	if req.GetBody == nil || !strings.HasPrefix(req.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return ""
	}
	body, err := req.GetBody()
	if err != nil {
		return ""
	}
	defer func() { _ = body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(body, maxForm))
	if err != nil {
		return ""
	}
	form, err := url.ParseQuery(string(raw))
	if err != nil {
		return ""
	}
	if c := form.Get("channel"); c != "" {
		return c
	}
	return form.Get("channel_id")
}

// holdOf is how long an answer with status 429 asks us to wait: Retry-After in seconds or as a date
// (RFC 9110, section 10.2.3).
func holdOf(h http.Header, now time.Time) time.Duration {
	wait := usualHold
	text := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		wait = time.Duration(max(0, min(n, 86400))) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = at.Sub(now)
	}
	return max(leastHold, min(wait, mostHold))
}

// heldFor is what RoundTrip made of it.
func heldFor(h http.Header) time.Duration {
	n, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil {
		return usualHold
	}
	return time.Duration(n) * time.Second
}

// bounded is the body of an answer that must not be endless, and ends the time for it.
type bounded struct {
	io.ReadCloser
	left int64
	done context.CancelFunc
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the answer of Slack is longer than %d MB", maxAnswer>>20)
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

func (b *bounded) Close() error {
	err := b.ReadCloser.Close()
	b.done()
	return err
}

// Upload sends the content of a file to the address that Slack gave for it. No token goes there: the
// address itself is the permission (docs.slack.dev, "files.getUploadURLExternal"). It must be Slack's
// own, or that of the configured API.
func (c *Client) Upload(ctx context.Context, op, to string, content []byte) error {
	u, err := url.Parse(to)
	if err != nil || !c.mayUpload(u) {
		return Err(op, foreign{}, false)
	}
	ctx, cancel := context.WithTimeout(ctx, 4*answerTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(string(content)))
	if err != nil {
		return Err(op, err, false)
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	bare := &http.Client{Transport: c.http.Transport.(*transport).base, CheckRedirect: c.http.CheckRedirect}
	resp, err := bare.Do(req)
	if err != nil {
		return Err(op, err, false) // a file that is not completed is none
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode != http.StatusOK {
		return answered(op, resp.StatusCode, false)
	}
	return nil
}

func (c *Client) mayUpload(u *url.URL) bool {
	if u.User != nil {
		return false
	}
	if u.Scheme == c.base.Scheme && strings.EqualFold(u.Host, c.base.Host) {
		return true
	}
	host := strings.ToLower(u.Hostname())
	for _, domain := range []string{"slack.com", "slack-files.com", "slack-gov.com"} {
		if u.Scheme == "https" && (host == domain || strings.HasSuffix(host, "."+domain)) {
			return true
		}
	}
	return false
}

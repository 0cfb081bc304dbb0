package mail

import (
	"context"
	"errors"
	"io"
	"mime/quotedprintable"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/subscription"
)

// one is a list with one subscription, under the token "token".
type one struct {
	s         subscription.Subscription
	looks     int
	ended     int
	confirmed int
	down      bool
}

func (o *one) find(token string) (subscription.Subscription, error) {
	switch {
	case o.down:
		return subscription.Subscription{}, errs.E("test", errs.Full, errors.New("the disk is full"))
	case token != "token" || o.ended > 0:
		return subscription.Subscription{}, errs.E("test", errs.NotFound, errors.New("there is none"))
	}
	return o.s, nil
}

func (o *one) StopLook(token string) (subscription.Subscription, error) {
	o.looks++
	return o.find(token)
}
func (o *one) StopByLink(_ context.Context, token string) (subscription.Subscription, error) {
	s, err := o.find(token)
	if err == nil {
		o.ended++
	}
	return s, err
}
func (o *one) ConfirmLook(token string) (subscription.Subscription, error) { return o.find(token) }
func (o *one) ConfirmByLink(_ context.Context, token string) (subscription.Subscription, error) {
	s, err := o.find(token)
	if err == nil {
		o.confirmed++
	}
	return s, err
}

func TestLinks(t *testing.T) {
	o := &one{s: subscription.Subscription{To: subscription.Subscriber{Mail: "<b>@example.org"}, Filter: subscription.Filter{Project: "lava"}}}
	h := NewLinks(o)
	ask := func(method, path, body, kind string, status int, says string) {
		t.Helper()
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		if kind != "" {
			r.Header.Set("Content-Type", kind)
		}
		a := httptest.NewRecorder()
		h.ServeHTTP(a, r)
		page := a.Body.String()
		if a.Code != status || !strings.Contains(page, says) || strings.Contains(page, "<b>") {
			t.Fatalf("%s %s: %d, want %d with %q\n%s", method, path, a.Code, status, says, page)
		}
		for name, want := range map[string]string{"Referrer-Policy": "no-referrer", "Cache-Control": "no-store"} {
			if status == http.StatusOK && a.Header().Get(name) != want {
				t.Errorf("%s %s: %s is %q", method, path, name, a.Header().Get(name))
			}
		}
	}
	const formKind = "application/x-www-form-urlencoded"
	ask("GET", "/unsubscribe/token", "", "", 200, `<button type="submit">Send no more</button>`)
	ask("GET", "/unsubscribe/token?x=1", "", "", 200, "is told of lava")
	ask("GET", "/unsubscribe/other", "", "", 404, "no such subscription")
	ask("GET", "/unsubscribe/", "", "", 404, "")
	ask("DELETE", "/unsubscribe/token", "", "", 405, "")
	ask("GET", "/subscribe/token", "", "", 200, "I agree")
	ask("POST", "/subscribe/token", "", formKind, 200, "is told from now on")
	if o.ended != 0 || o.confirmed != 1 {
		t.Fatalf("looking has changed something: %+v", o)
	}
	o.down = true
	ask("POST", "/unsubscribe/token", "List-Unsubscribe=One-Click", formKind, 503, "try again")
	o.down = false
	// RFC 8058 §3.2 lets the body be of either kind.
	ask("POST", "/unsubscribe/token", "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n", "multipart/form-data; boundary=x", 200, "is told no more of")
	ask("POST", "/unsubscribe/token", "List-Unsubscribe=One-Click", formKind, 404, "ended already")
	if o.ended != 1 {
		t.Errorf("ended %d times", o.ended)
	}
}

// The headers of a mail to a subscriber come through a real conversation as they were written: each
// in one piece for whoever reads it, none longer than a line may be.
func TestHeadersOfAList(t *testing.T) {
	dir := t.TempDir()
	_, a, stop := runSink(t, dir, SinkLimits{})
	in := announcement()
	link := "https://slipway.example.org/unsubscribe/4f0c12ab.kWq1x2y3z4A5b6C7d8E9f0G1"
	in.To, in.MessageID = []string{"list@example.net"}, "news-0123456789abcdef@example.org"
	in.Headers = map[string]string{"List-Id": "News of lava <lava.news.example.org>", "List-Unsubscribe": "<" + link + ">", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
		"In-Reply-To": "<a@example.org>", "References": "<a@example.org> <" + strings.Repeat("b", 60) + "@example.org> <" + strings.Repeat("c", 60) + "@example.org>"}
	if _, err := a.Do(t.Context(), action.Key{}, in); err != nil {
		t.Fatal(err)
	}
	stop()
	entries, err := os.ReadDir(filepath.Join(dir, "new"))
	if err != nil || len(entries) != 1 {
		t.Fatal(entries, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "new", entries[0].Name()))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if len(line) > 200 {
			t.Errorf("a line of %d characters: %.80s", len(line), line)
		}
	}
	m, err := mail.ReadMessage(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"List-Unsubscribe": "<" + link + ">", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click", "Message-Id": "<" + in.MessageID + ">",
		"In-Reply-To": "<a@example.org>", "References": in.Headers["References"], "Auto-Submitted": "auto-generated", "Mime-Version": "1.0"} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if id := m.Header.Get("List-Id"); id != "News of lava <lava.news.example.org>" {
		t.Errorf("List-Id is %q", id)
	}
	in.Headers["List-Id"] = "News of größer <lava.news.example.org>" // would be encoded whole, with the id in it
	if _, err := a.Do(t.Context(), action.Key{}, in); !errs.Is(err, errs.Invalid) {
		t.Errorf("sent: %v", err)
	}
	if body, err := io.ReadAll(quotedprintable.NewReader(m.Body)); err != nil || strings.ReplaceAll(string(body), "\r\n", "\n") != in.Body {
		t.Errorf("%q %v", body, err)
	}
}

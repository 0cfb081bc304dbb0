package mail

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
)

func announcement() AnnounceIn {
	return AnnounceIn{From: "Release Team <release@example.org>", To: []string{"announce@lists.example.org", "Zoë <zoe@example.org>"},
		Subject: "LAVA 2026.01 is released: größer", Body: "Dear all,\n\n.a line that begins with a dot\nÄnderungen: a=b\n",
		MessageID: "release-lava-2026.01@example.org", Date: "2026-01-31T12:00:00Z",
		Headers: map[string]string{"In-Reply-To": "<release-lava-2025.12@example.org>", "X-Slipway-Run": "r1"}}
}

func wantKind(t *testing.T, err error, k errs.Kind, words string) {
	t.Helper()
	if !errs.Is(err, k) || !strings.Contains(err.Error(), words) {
		t.Fatalf("got %v (kind %v), want kind %v with %q", err, errs.KindOf(err), k, words)
	}
}

// outbox is a Sender that keeps what it is given.
type outbox struct {
	from string
	to   []string
	sent [][]byte
	err  error
}

func (o *outbox) Send(_ context.Context, from string, to []string, message []byte) error {
	if o.err != nil {
		return o.err
	}
	o.from, o.to, o.sent = from, to, append(o.sent, message)
	return nil
}

// found is an Archive that answers the same every time.
type found struct {
	yes bool
	err error
}

func (f found) Find(context.Context, string) (bool, error) { return f.yes, f.err }

func TestAnnouncementIsTheSameMessageEveryTime(t *testing.T) {
	o := &outbox{}
	a := NewAnnounce(o, nil, 0)
	var out AnnounceOut
	for range 20 {
		var err error
		if out, err = a.Do(t.Context(), action.Key{}, announcement()); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range o.sent {
		if !bytes.Equal(m, o.sent[0]) {
			t.Fatalf("two different messages:\n%s\n%s", m, o.sent[0])
		}
	}
	m, err := mail.ReadMessage(bytes.NewReader(o.sent[0]))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"Message-Id": "<release-lava-2026.01@example.org>", "Date": "Sat, 31 Jan 2026 12:00:00 +0000",
		"Auto-Submitted": "auto-generated", "In-Reply-To": "<release-lava-2025.12@example.org>", "X-Slipway-Run": "r1", "User-Agent": "", "X-Mailer": ""} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil || strings.ReplaceAll(string(body), "\r\n", "\n") != announcement().Body {
		t.Errorf("%q, %v", body, err)
	}
	if o.from != "release@example.org" || strings.Join(out.Recipients, " ") != "announce@lists.example.org zoe@example.org" || strings.Join(o.to, " ") != strings.Join(out.Recipients, " ") {
		t.Errorf("%s %v %+v", o.from, o.to, out)
	}
}

func TestInputsThatAreRefused(t *testing.T) {
	for name, change := range map[string]func(*AnnounceIn){
		"header in the subject":    func(in *AnnounceIn) { in.Subject = "hello\r\nBcc: all@example.org" },
		"newline in the subject":   func(in *AnnounceIn) { in.Subject = "hello\n" },
		"line separator":           func(in *AnnounceIn) { in.Subject = "hello\u2028Bcc: x" },
		"no subject":               func(in *AnnounceIn) { in.Subject = " " },
		"header in the sender":     func(in *AnnounceIn) { in.From = "x@example.org>\r\nBcc: <y@example.org" },
		"two senders":              func(in *AnnounceIn) { in.From = "a@example.org, b@example.org" },
		"no recipients":            func(in *AnnounceIn) { in.To = nil },
		"two in one":               func(in *AnnounceIn) { in.To = []string{"a@example.org, b@example.org"} },
		"the same twice":           func(in *AnnounceIn) { in.To = []string{"a@example.org", "A <a@example.org>"} },
		"command in a recipient":   func(in *AnnounceIn) { in.To = []string{"\"a> RCPT TO:<b\"@example.org"} },
		"address that is not mail": func(in *AnnounceIn) { in.To = []string{"announce"} },
		"non-ASCII address":        func(in *AnnounceIn) { in.To = []string{"zoë@example.org"} },
		"brackets in the id":       func(in *AnnounceIn) { in.MessageID = "<a@example.org>" },
		"header in the id":         func(in *AnnounceIn) { in.MessageID = "a@example.org>\r\nX: y" },
		"id without a place":       func(in *AnnounceIn) { in.MessageID = "a" },
		"no date":                  func(in *AnnounceIn) { in.Date = "" },
		"no text":                  func(in *AnnounceIn) { in.Body = "\n" },
		"carriage return":          func(in *AnnounceIn) { in.Body = "a\r\n.\r\nMAIL FROM:<x>\r\n" },
		"escape":                   func(in *AnnounceIn) { in.Body = "a\x1b[2J" },
		"header of ours":           func(in *AnnounceIn) { in.Headers["Message-ID"] = "x" },
		"another recipient":        func(in *AnnounceIn) { in.Headers["Bcc"] = "x@example.org" },
		"name with a colon":        func(in *AnnounceIn) { in.Headers["X-A: b\r\nBcc"] = "x@example.org" },
		"newline in a value":       func(in *AnnounceIn) { in.Headers["X-A"] = "b\r\nBcc: x@example.org" },
	} {
		in := announcement()
		in.Headers = maps.Clone(in.Headers)
		change(&in)
		o := &outbox{}
		_, err := NewAnnounce(o, nil, 0).Do(t.Context(), action.Key{}, in)
		t.Run(name, func(t *testing.T) {
			wantKind(t, err, errs.Invalid, "")
			if len(o.sent) != 0 {
				t.Fatal("it was sent")
			}
		})
	}
}

func TestPolicyFollowsFromWhatCanBeKnown(t *testing.T) {
	b, err := NewAnnounce(&outbox{}, nil, 0).Bind()
	if err != nil || b.Contract.Policy != action.OnceOrAsk || b.Contract.Ref() != "mail.announce@1" {
		t.Fatalf("%+v, %v", b.Contract, err)
	}
	b, err = NewAnnounce(&outbox{}, found{yes: true}, time.Hour).Bind()
	if err != nil || b.Contract.Policy != action.Lookup || b.Contract.Settle != time.Hour {
		t.Fatalf("%+v, %v", b.Contract, err)
	}
	raw, _ := action.Canonical(announcement())
	probed, ok, err := b.Probe(t.Context(), action.Key{}, raw)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	done, err := b.Do(t.Context(), action.Key{}, raw)
	if err != nil || !bytes.Equal(probed, done) {
		t.Fatalf("a probe gives %s, doing it gives %s, %v", probed, done, err)
	}
	var out AnnounceOut
	if err := json.Unmarshal(done, &out); err != nil || out.MessageID != announcement().MessageID {
		t.Fatal(out, err)
	}
	down := errs.E("archive", errs.Unavailable, errors.New("down"))
	_, ok, err = NewAnnounce(&outbox{}, found{err: down}, 0).Probe(t.Context(), action.Key{}, announcement())
	if ok || !errs.Is(err, errs.Unavailable) {
		t.Fatal("an archive that is down was taken for an answer")
	}
}

func FuzzCompose(f *testing.F) {
	f.Add("Release Team <release@example.org>", "a@example.org", "subject", "body\n", "X-A", "value")
	f.Add("a@b", "x@y, z@y", "s\r\nBcc: q@r", ".\r\n", "X-A\r\nBcc", "v\nw")
	f.Fuzz(func(t *testing.T, from, to, subject, body, name, value string) {
		in := AnnounceIn{From: from, To: []string{to}, Subject: subject, Body: body, MessageID: "id@example.org",
			Date: "2026-01-31T12:00:00Z", Headers: map[string]string{name: value}}
		e, err := check(in)
		if err != nil {
			return
		}
		message, err := compose(in, e)
		if err != nil {
			return
		}
		m, err := mail.ReadMessage(bytes.NewReader(message))
		if err != nil {
			t.Fatalf("%v in\n%s", err, message)
		}
		for _, h := range []string{"Bcc", "Cc", "Sender"} {
			if m.Header.Get(h) != "" {
				t.Fatalf("there is a %s header in\n%s", h, message)
			}
		}
		if n := len(m.Header["Message-Id"]); n != 1 || len(e.to) != 1 {
			t.Fatalf("%d message ids, recipients %v", n, e.to)
		}
	})
}

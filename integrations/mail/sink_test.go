package mail

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
)

func runSink(t *testing.T, dir string, limits SinkLimits) (*Sink, *Announce, func()) {
	t.Helper()
	sink, err := NewSink(dir, limits, func() time.Time { return time.Unix(1_800_000_000, 0) })
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- sink.Serve(l) }()
	s, err := NewServer(ServerConfig{Address: l.Addr().String(), TLS: NoTLS})
	if err != nil {
		t.Fatal(err)
	}
	return sink, NewAnnounce(s, sink.Archive(), time.Second), func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := sink.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestSinkKeepsWhatItAcceptedAndTheProbeFindsIt(t *testing.T) {
	dir := t.TempDir()
	_, a, stop := runSink(t, dir, SinkLimits{})
	in := announcement()
	if _, found, err := a.Probe(t.Context(), action.Key{}, in); err != nil || found {
		t.Fatal(found, err)
	}
	if _, err := a.Do(t.Context(), action.Key{}, in); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := os.WriteFile(filepath.Join(dir, "tmp", "half"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, a, stop = runSink(t, dir, SinkLimits{}) // a restart
	defer stop()
	out, found, err := a.Probe(t.Context(), action.Key{}, in)
	if err != nil || !found || out.MessageID != in.MessageID {
		t.Fatal(out, found, err)
	}
	in.MessageID = "other@example.org"
	if _, found, err = a.Probe(t.Context(), action.Key{}, in); err != nil || found {
		t.Fatal(found, err)
	}
	entries, _ := os.ReadDir(filepath.Join(dir, "new"))
	half, _ := os.ReadDir(filepath.Join(dir, "tmp"))
	if len(entries) != 1 || len(half) != 0 {
		t.Fatalf("%d messages, %d unfinished", len(entries), len(half))
	}
	text, err := os.ReadFile(filepath.Join(dir, "new", entries[0].Name()))
	if err != nil || !strings.HasPrefix(string(text), "Return-Path: <release@example.org>\nDelivered-To: announce@lists.example.org\nDelivered-To: zoe@example.org\n") {
		t.Fatalf("%s, %v", text, err)
	}
}

func TestSinkHasLimits(t *testing.T) {
	_, a, stop := runSink(t, t.TempDir(), SinkLimits{Message: 4000, Recipients: 2, Messages: 1})
	defer stop()
	big, many := announcement(), announcement()
	big.Body = strings.Repeat("x", 4000)
	_, err := a.Do(t.Context(), action.Key{}, big)
	wantKind(t, err, errs.Failed, "552")
	many.To = append(many.To, "third@example.org")
	if _, err = a.Do(t.Context(), action.Key{}, many); err == nil {
		t.Fatal("too many recipients were accepted")
	}
	if _, err := a.Do(t.Context(), action.Key{}, announcement()); err != nil {
		t.Fatal(err)
	}
	_, err = a.Do(t.Context(), action.Key{}, announcement())
	wantKind(t, err, errs.Busy, "full")
}

func TestSinkStopsAlsoBeforeItServes(t *testing.T) {
	s, err := NewSink(t.TempDir(), SinkLimits{}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(l); err != nil {
		t.Fatal(err)
	}
}

type open struct{ net.Listener }

func (open) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 25} }

func TestSinkIsNotOpenToTheNetwork(t *testing.T) {
	s, err := NewSink(t.TempDir(), SinkLimits{}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	wantKind(t, s.Serve(open{}), errs.Invalid, "open to the network")
}

func TestMailboxThatCannotBeReadIsNotAnAnswer(t *testing.T) {
	_, err := Maildir{Dir: filepath.Join(t.TempDir(), "none")}.Find(t.Context(), "a@b")
	wantKind(t, err, errs.Unavailable, "cannot be read")
	_, err = Mbox{Path: filepath.Join(t.TempDir(), "none")}.Find(t.Context(), "a@b")
	wantKind(t, err, errs.Unavailable, "cannot be read")
}

const box = `From a@example.org Sat Jan 31 12:00:00 2026
Subject: one
Message-ID: <one@example.org>

Message-ID: <body@example.org>
>From here on it is text
From here too, for no empty line is before it

From b@example.org Sat Jan 31 12:01:00 2026
Message-Id:
 <two@example.org>
Subject: folded

text

From c@example.org Sat Jan 31 12:02:00 2026
message-id: <three@example.org>`

func TestMboxIsSearchedByHeadersOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mbox")
	long := "From d@example.org Sat Jan 31 12:03:00 2026\nX-Long: " + strings.Repeat("x", 10000) + "\nMessage-ID: <four@example.org>\n\n" + strings.Repeat("y", 10000) + "\n\n"
	if err := os.WriteFile(path, []byte(long+box), 0o600); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]bool{"one@example.org": true, "two@example.org": true, "three@example.org": true, "four@example.org": true,
		"body@example.org": false, "ONE@example.org": false, "": false, "ne@example.org": false} {
		got, err := Mbox{Path: path}.Find(t.Context(), id)
		if err != nil || got != want {
			t.Errorf("%q: %v, %v", id, got, err)
		}
	}
}

func TestWebArchive(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.EscapedPath() + "?" + r.URL.RawQuery {
		case "/msgid/a%2Fb@example.org?", "/q?id=a%2Fb%40example.org":
			io.WriteString(w, "here it is")
		case "/msgid/moved@example.org?":
			http.Redirect(w, r, "/msgid/a%2Fb@example.org", http.StatusFound)
		case "/msgid/elsewhere@example.org?":
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		case "/msgid/down@example.org?":
			w.WriteHeader(http.StatusBadGateway)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer srv.Close()
	a, err := NewWebArchive(srv.URL + "/msgid/{message_id}")
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]bool{"a/b@example.org": true, "moved@example.org": true, "none@example.org": false} {
		got, err := a.Find(t.Context(), id)
		if err != nil || got != want {
			t.Errorf("%s: %v, %v", id, got, err)
		}
	}
	for _, id := range []string{"down@example.org", "elsewhere@example.org"} {
		_, err := a.Find(t.Context(), id)
		wantKind(t, err, errs.Unavailable, "")
	}
	if a, err = NewWebArchive(srv.URL + "/q?id={message_id}"); err != nil {
		t.Fatal(err)
	}
	if got, err := a.Find(t.Context(), "a/b@example.org"); err != nil || !got {
		t.Fatal(got, err)
	}
	for _, bad := range []string{"", "http://lists.example.org/{message_id}", "https://lists.example.org/", "https://{message_id}.example.org/",
		"https://lists.example.org/{message_id}/{message_id}", "ftp://localhost/{message_id}"} {
		_, err := NewWebArchive(bad)
		wantKind(t, err, errs.Invalid, "")
	}
}

func FuzzMbox(f *testing.F) {
	f.Add([]byte(box), "two@example.org")
	f.Add([]byte("From \n\n\nFrom x\nMessage-ID: <a@b>\n\n"), "a@b")
	f.Fuzz(func(t *testing.T, data []byte, id string) {
		found, err := findInMbox(context.Background(), strings.NewReader(string(data)), id)
		if err != nil {
			t.Fatal(err)
		}
		if found && !strings.Contains(string(data), id) {
			t.Fatalf("%q was found where it is not", id)
		}
	})
}

package stories

import (
	"context"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/http"
	"net/http/httptest"
	netmail "net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/integrations/console"
	"slipway/integrations/mail"
)

// telling is how subscribers of the town are reached.
func (w *world) telling() engine.Telling {
	return engine.Telling{Mail: "mail.announce@1", From: func(string) string { return "Release Team <release@example.org>" },
		Page:   func(path string) string { return "https://slipway.example.org" + path },
		Secret: func() []byte { return []byte("0123456789abcdef0123456789abcdef") }}
}

// mailed is one mail as its reader has it.
type mailed struct {
	to, subject, body string
	header            netmail.Header
}

// mails are those to an address whose subject has the text.
func (w *world) mails(to, subject string) []mailed {
	w.t.Helper()
	w.out.post.mu.Lock()
	defer w.out.post.mu.Unlock()
	var out []mailed
	for _, l := range w.out.post.sent {
		m, err := netmail.ReadMessage(strings.NewReader(l.text))
		w.must(err)
		body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
		w.must(err)
		line, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
		w.must(err)
		if slices.Contains(l.to, to) && strings.Contains(line, subject) {
			out = append(out, mailed{to, line, strings.ReplaceAll(string(body), "\r\n", "\n"), m.Header})
		}
	}
	return out
}

// one is the only mail to an address with that in its subject.
func (w *world) one(to, subject string) mailed {
	w.t.Helper()
	list := w.mails(to, subject)
	if len(list) != 1 {
		w.t.Fatalf("%d mails %q to %s: %+v", len(list), subject, to, list)
	}
	return list[0]
}

// saidIn are the bot's messages in a channel that have the text in their title.
func (w *world) saidIn(channel, title string) []console.Message {
	return slices.DeleteFunc(w.messages(channel), func(m console.Message) bool {
		return m.Author != bot || m.Card == nil || m.Thread != "" || !strings.Contains(m.Card.Title, title)
	})
}

// SayIn types text into a channel and gives the answers.
func (w *world) SayIn(person, channel, text string) string {
	w.t.Helper()
	m := w.say(person, channel, "", text)
	w.drain()
	var out []string
	for _, a := range w.messages(channel) {
		if a.Thread == m.ID && a.Author == bot && a.Card != nil {
			out = append(out, plain(*a.Card))
		}
	}
	w.line()
	return strings.Join(out, "\n")
}

// A release is told to subscribers of each sort, once each and when they want it; a correction
// reaches each of them once; whoever unsubscribes is left alone.
func TestSubscribers(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		wants(t, w.Say("requester", "subscribe lava here"), "channel is subscribed by the people of its project")
		wants(t, w.SayIn("maintainer-a", "news", "subscribe lava severity>=notice about=released,ended"), "This channel is told of lava, notice and above, about ended released, at once")
		wants(t, w.Say("requester", "subscribe lava about=released by mail"), "requester@example.org is told of lava")
		wants(t, w.Say("tester", "subscribe severity>=notice me quiet 11:00-15:00 Europe/Berlin"), "You are told", "quiet 11:00-15:00 Europe/Berlin")
		wants(t, w.Say("maintainer-b", "subscribe lava by mail daily at 08:00 in Europe/Berlin"), "together, daily 08:00 Europe/Berlin")
		wants(t, w.Say("maintainer-b", "subscribe lava by mail list@example.net"), "not yours", "release-manager of lava")
		wants(t, w.Say("manager", "subscribe lava about=released by mail list@example.net"), "I have asked list@example.net to agree")
		wants(t, w.Say("requester", "subscribe lvaa"), "did you mean lava?")
		wants(t, w.Say("requester", "subscribe lava me in Europe/Berlln"), "there is no time zone")

		invite := w.one("list@example.net", "Please confirm")
		code := strings.Fields(strings.SplitAfter(invite.body, "subscribe confirm ")[1])[0]
		wants(t, invite.body, "https://slipway.example.org/subscribe/"+code)
		wants(t, w.Say("outsider", "subscribe confirm "+code), "list@example.net is told from now on of lava")
		wants(t, w.Say("manager", "subscriptions lava"), "li…@example.net: lava, about released", "This channel is told what lava announces", "quiet 11:00-15:00")

		w.Release("2019.01") // at ten in the morning UTC: eleven in Berlin
		const title = "lava 2019.01 is released"
		for _, c := range []struct {
			channel string
			n       int
		}{{channel, 1}, {"news", 1}} {
			if got := w.saidIn(c.channel, title); len(got) != c.n {
				t.Fatalf("%d messages in %s", len(got), c.channel)
			}
		}
		first := w.one("requester@example.org", title)
		for name, want := range map[string]string{"From": `"Release Team" <release@example.org>`, "To": "<requester@example.org>", "Auto-Submitted": "auto-generated",
			"List-Id": "News of lava <lava.news.example.org>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click", "Content-Type": "text/plain; charset=UTF-8"} {
			if got := first.header.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		w.one("list@example.net", title)
		if got := append(w.mails("tester@example.org", ""), w.mails("maintainer-b@example.org", "")...); len(got) != 0 {
			t.Fatalf("told too early: %+v", got)
		}
		wants(t, w.Say("manager", "receipts 2019.01"), title, "mail:re…@example.org: sent", "mail:li…@example.net: sent", "place:console/lava: sent",
			"person:tester: waits until Tue 15 Jan 2019 14:00 UTC", "mail:ma…@example.org: waits until Wed 16 Jan 2019 07:00 UTC")

		w.Pass(5 * time.Hour)
		if got := w.mails("tester@example.org", ""); len(got) != 1 || !strings.Contains(got[0].body, title) {
			t.Fatalf("after the quiet hours: %+v", got)
		}
		key := w.keyOf(title)
		wants(t, w.Say("requester", `broadcast correct `+key+` "no"`), "corrected by its people")
		wants(t, w.Say("maintainer-a", `broadcast correct `+key+` "Users of 2018.11 upgrade in two steps."`), "is corrected")
		const fix = "Users of 2018.11 upgrade in two steps."
		for _, ch := range []string{channel, "news"} {
			if got := w.saidIn(ch, title); len(got) != 1 || !strings.Contains(plain(*got[0].Card), fix) {
				t.Errorf("%s shows %+v", ch, got)
			}
		}
		for _, a := range []string{"requester@example.org", "list@example.net", "tester@example.org"} {
			wants(t, w.one(a, "Correction: "+title).body, fix)
		}
		again := w.one("requester@example.org", "Correction")
		if again.header.Get("In-Reply-To") != first.header.Get("Message-Id") || again.header.Get("References") != first.header.Get("Message-Id") {
			t.Errorf("the correction answers %q %q", again.header.Get("In-Reply-To"), again.header.Get("References"))
		}
		w.Pass(20 * time.Hour)
		digest := w.one("maintainer-b@example.org", "news of lava")
		wants(t, digest.body, title, fix, "has begun", "Tue 15 Jan 2019 11:00 CET (UTC+01:00)", "https://slipway.example.org/runs/")
		if got := w.mails("maintainer-b@example.org", ""); len(got) != 1 {
			t.Errorf("%d mails with the digest", len(got))
		}

		w.follow(first)
		wants(t, w.Say("tester", "unsubscribe all"), "told no more")
		n := len(w.mails("requester@example.org", "")) + len(w.mails("tester@example.org", ""))
		w.Pass(day)
		w.Release("2019.02")
		w.Pass(2 * day)
		if now := len(w.mails("requester@example.org", "")) + len(w.mails("tester@example.org", "")); now != n {
			t.Errorf("%d mails to those who unsubscribed", now-n)
		}
		w.one("list@example.net", "lava 2019.02 is released")
	})
}

// keyOf is the key of what was told with that title.
func (w *world) keyOf(title string) string {
	w.t.Helper()
	list, err := w.e.Broadcasts(context.Background(), w.run("2019.01").ID, 100)
	w.must(err)
	for _, b := range list {
		if b.News.Title == title {
			return b.News.Key
		}
	}
	w.t.Fatalf("nothing was told with the title %s", title)
	return ""
}

// follow ends a subscription by the link of a mail, as a mail program does; looking at it changes
// nothing.
func (w *world) follow(m mailed) {
	w.t.Helper()
	path, ok := strings.CutPrefix(strings.Trim(m.header.Get("List-Unsubscribe"), "<>"), "https://slipway.example.org")
	if !ok {
		w.t.Fatalf("the link is %q", m.header.Get("List-Unsubscribe"))
	}
	links := mail.NewLinks(w.e)
	ask := func(method, path, body string) (int, string) {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		answer := httptest.NewRecorder()
		links.ServeHTTP(answer, r)
		return answer.Code, answer.Body.String()
	}
	for range 2 {
		if code, page := ask(http.MethodGet, path, ""); code != http.StatusOK || !strings.Contains(page, "Send no more") || !strings.Contains(page, m.to) {
			w.t.Fatalf("%d\n%s", code, page)
		}
	}
	if code, page := ask(http.MethodPost, path+"x", "List-Unsubscribe=One-Click"); code != http.StatusNotFound {
		w.t.Fatalf("a forged link: %d\n%s", code, page)
	}
	if code, page := ask(http.MethodPost, path, "List-Unsubscribe=One-Click"); code != http.StatusOK || !strings.Contains(page, "told no more") {
		w.t.Fatalf("%d\n%s", code, page)
	}
	if code, page := ask(http.MethodPost, path, "List-Unsubscribe=One-Click"); code != http.StatusNotFound {
		w.t.Fatalf("a second time: %d\n%s", code, page)
	}
	w.line()
}

// What a run would tell, and to whom, is shown before it is told.
func TestPreview(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.SayIn("maintainer-a", "news", "subscribe lava about=released")
		w.Say("requester", "subscribe lava by mail daily at 08:00")
		w.Say("requester", "release 2019.01")
		wants(t, w.Say("requester", "broadcast preview 2019.01"), "tell would tell (released, notice)", "is released", "#lava at once", "#news at once", "re…@example.org on")
		if n := len(w.mails("requester@example.org", "")); n != 0 || len(w.saidIn("news", "")) != 0 {
			t.Errorf("something was told: %d mails, %+v", n, w.saidIn("news", ""))
		}
		wants(t, w.Say("requester", "broadcast list"), "nothing was told")
		wants(t, w.Say("requester", fmt.Sprintf("receipts %s", "2019.01")), "has begun", "mail:re…@example.org: waits until Wed 16 Jan 2019 08:00 UTC")
	})
}

package main

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/integrations/slack"
	"slipway/integrations/slack/chat"
	fake "slipway/test/fakes/slack"
)

// TestALongAnswerIsAFile: once, however often it is posted; and where no file can be given, it is said whole.
func TestALongAnswerIsAFile(t *testing.T) {
	w := newSlackWorld(t)
	app := w.lab.App()
	client, err := slack.New(slack.Options{URL: w.lab.URL, Token: app.Token, Team: "T0HARBOUR", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	p := slackPoster{chat.NewPoster(chat.Options{Client: client}), slog.New(slog.DiscardHandler)}
	asked := w.lab.Say(w.hana, w.releases, "slipway release log 2019.01 built", "")
	to := engine.Ref{Place: w.conf.slackPlace(w.releases), Thread: asked}
	log := strings.Repeat("cc -o lamp lamp.c\n", 160)
	long := card.Card{Key: "reply-0123456789abcdef", Title: "built of release/harbour/2019.01", Blocks: []card.Block{{Text: log}, {Text: log + "the end"}}, Mentions: []string{"hana"}}
	for range 2 { // the answer of the first may have been lost
		if _, err := p.Post(t.Context(), long.Key, to, long); err != nil {
			t.Fatal(err)
		}
	}
	files := w.lab.Files()
	if len(files) != 1 || !strings.HasPrefix(string(files[0].Content), long.Title+"\ncc -o lamp") || !strings.HasSuffix(string(files[0].Content), "the end\n") {
		t.Fatalf("there are %d files", len(files))
	}
	short := long
	short.Blocks = long.Blocks[:1]
	if got, err := withFile(t.Context(), p.poster, "k", to, short, p.log); err != nil || len(got.Blocks) != 1 || len(w.lab.Files()) != 1 {
		t.Error("a short answer is a file")
	}
	w.lab.SetApp(func(a *fake.App) {
		a.Scopes = strings.Fields(strings.ReplaceAll(strings.Join(scopesOf(t), " "), "files:write", ""))
	})
	if got, err := withFile(t.Context(), p.poster, "another-key-of-a-reply", to, long, p.log); err != nil || len(got.Blocks) != 2 || got.Blocks[1].Text != long.Blocks[1].Text {
		t.Errorf("without the scope the answer is cut: %v", got.Blocks)
	}
}

// TestALongAnswerIsNotBothAFileAndText: what began in messages goes on in messages, though a file could be
// given by then; and while nobody can tell whether the file is there, nothing is said.
func TestALongAnswerIsNotBothAFileAndText(t *testing.T) {
	w := newSlackWorld(t)
	client, err := slack.New(slack.Options{URL: w.lab.URL, Token: w.lab.App().Token, Team: "T0HARBOUR", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	p := slackPoster{chat.NewPoster(chat.Options{Client: client}), slog.New(slog.DiscardHandler)}
	to := engine.Ref{Place: w.conf.slackPlace(w.releases), Thread: w.lab.Say(w.hana, w.releases, "slipway release log 2019.01 built", "")}
	log := strings.Repeat("cc -o lamp lamp.c\n", 160)
	long := card.Card{Key: "reply-0123456789abcdef", Title: "built of release/harbour/2019.01"}
	for range 6 {
		long.Blocks = append(long.Blocks, card.Block{Text: log})
	}
	post := func() error {
		t.Helper()
		if _, found, err := p.Find(t.Context(), long.Key, to, time.Time{}); found || err != nil {
			t.Fatalf("it is found: %v, %v", found, err)
		}
		_, err := p.Post(t.Context(), long.Key, to, long)
		return err
	}
	w.lab.Fault(fake.Fault{Method: "files.getUploadURLExternal", Do: fake.Refuse})
	w.lab.Fault(fake.Fault{Method: "chat.postMessage", Skip: 1, Do: fake.Refuse})
	if post() == nil || len(w.lab.Ours(w.releases)) != 1 {
		t.Fatalf("there are %d messages", len(w.lab.Ours(w.releases)))
	}
	if err := post(); err != nil {
		t.Fatal(err)
	}
	said := ""
	for _, m := range w.lab.Ours(w.releases) {
		said += w.lab.RenderedMessage(w.releases, m.TS)
	}
	if n := strings.Count(said, "cc -o lamp"); n != 6*160 || len(w.lab.Files()) != 0 {
		t.Errorf("%d lines are said, and there are %d files", n, len(w.lab.Files()))
	}

	long.Key = "reply-fedcba9876543210"
	before := len(w.lab.Ours(w.releases))
	w.lab.Fault(fake.Fault{Method: "files.completeUploadExternal", Do: fake.BadGatewayAfter})
	w.lab.Fault(fake.Fault{Method: "conversations.replies", Skip: 2, Do: fake.Refuse})
	if err := post(); !errs.Is(err, errs.Doubtful) {
		t.Errorf("while nobody can tell: %v", err)
	}
	if err := post(); err != nil {
		t.Fatal(err)
	}
	if n := len(w.lab.Ours(w.releases)) - before; n != 2 || len(w.lab.Files()) != 1 { // that of the file, and the answer
		t.Errorf("there are %d messages and %d files", n, len(w.lab.Files()))
	}
}

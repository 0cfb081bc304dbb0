package main

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"slipway/bot/card"
	"slipway/bot/engine"
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
	if got := withFile(t.Context(), p.poster, "k", to, short, p.log); len(got.Blocks) != 1 || len(w.lab.Files()) != 1 {
		t.Error("a short answer is a file")
	}
	w.lab.SetApp(func(a *fake.App) {
		a.Scopes = strings.Fields(strings.ReplaceAll(strings.Join(scopesOf(t), " "), "files:write", ""))
	})
	if got := withFile(t.Context(), p.poster, "another-key-of-a-reply", to, long, p.log); len(got.Blocks) != 2 || got.Blocks[1].Text != long.Blocks[1].Text {
		t.Errorf("without the scope the answer is cut: %v", got.Blocks)
	}
}

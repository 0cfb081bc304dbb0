package main

import (
	"bytes"
	"context"
	"errors"
	"image/png"
	"log/slog"
	"strings"
	"testing"
	"time"

	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/picture"
	"slipway/bot/playbook"
	"slipway/bot/view"
	"slipway/integrations/slack"
	"slipway/integrations/slack/chat"
	fake "slipway/test/fakes/slack"
)

// TestARunIsDrawnOnSlack: the PNG is in the thread once, however often the answer is posted, with words for
// who does not see it; where it cannot be put there, the answer says so, and what it would show.
func TestARunIsDrawnOnSlack(t *testing.T) {
	w := newSlackWorld(t)
	app := w.lab.App()
	client, err := slack.New(slack.Options{URL: w.lab.URL, Token: app.Token, Team: "T0HARBOUR", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	book, err := playbook.Parse("p.yaml", []byte("playbook: p\nsteps:\n  look: {do: git.state@1}\n  push: {do: git.push_release@1, needs: [look]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	var viewers []people.PersonID
	var refused error
	p := picturePoster{slackPoster{chat.NewPoster(chat.Options{Client: client}), slog.New(slog.DiscardHandler)},
		func(_ context.Context, viewer people.PersonID, run string) (view.Drawn, error) {
			viewers = append(viewers, viewer)
			plan, steps := picture.Lay(book), map[string]picture.Step{"look": {State: card.Done}, "push": {State: card.Failed}}
			image, err := plan.PNG(steps, picture.Options{Title: run})
			return view.Drawn{Image: image, Name: "release/harbour/2019.01", Alt: plan.Words(steps)}, errors.Join(err, refused)
		}}
	asked := w.lab.Say(w.hana, w.releases, "slipway release graph 2019.01", "")
	to := engine.Ref{Place: w.conf.slackPlace(w.releases), Thread: asked}
	answer := card.Card{Key: "reply-0123456789abcdef", Title: "release/harbour/2019.01: 1 of 2 steps", Mentions: []string{"hana"},
		Blocks: []card.Block{{Picture: &card.Picture{Run: "r1", Alt: "2 steps, 1 failed, 1 done.\n✗ push: failed"}}, {Links: []card.Link{{Text: "The page of this run", URL: "https://slipway.example.org/runs/r1"}}}}}
	var ref engine.Ref
	for range 2 { // the answer of the first may have been lost
		if ref, err = p.Post(t.Context(), answer.Key, to, answer); err != nil {
			t.Fatal(err)
		}
	}
	files := w.lab.Files()
	if len(files) != 1 || len(viewers) != 1 || viewers[0] != "" {
		t.Fatalf("there are %d files, drawn for %q", len(files), viewers)
	}
	f := files[0]
	if im, err := png.Decode(bytes.NewReader(f.Content)); err != nil || im.Bounds().Dx() < 400 || f.Name != "run-456789abcdef.png" || f.Title != "release/harbour/2019.01" {
		t.Errorf("the file %s, %q: %v", f.Name, f.Title, err)
	}
	if want := "release/harbour/2019.01: 2 steps, 1 failed, 1 done. Failed: push."; f.AltText != want {
		t.Errorf("who does not see it hears %q, want %q", f.AltText, want)
	}
	threaded := 0
	for _, m := range w.lab.Messages(w.releases) {
		if m.Thread == asked && len(m.Files) == 1 && m.Files[0] == f.ID {
			threaded++
		}
	}
	if threaded != 1 {
		t.Errorf("the file is in the thread %d times", threaded)
	}
	if got := w.lab.RenderedMessage(w.releases, ref.Message); !strings.Contains(got, "2 steps, 1 failed, 1 done.") || !strings.Contains(got, "The picture is in the file "+f.Name) || strings.Contains(got, "✗ push") {
		t.Errorf("the answer is\n%s", got)
	}

	words := func(key string, to engine.Ref, want ...string) {
		t.Helper()
		ref, err := p.Post(t.Context(), key, to, answer)
		if err != nil {
			t.Fatal(err)
		}
		got := w.lab.RenderedMessage(w.releases, ref.Message)
		for _, x := range append(want, "✗ push: failed", "The picture could not be put here", "The page of this run") {
			if !strings.Contains(got, x) {
				t.Errorf("%q is not in\n%s", x, got)
			}
		}
		if len(w.lab.Files()) != 1 {
			t.Errorf("there are %d files", len(w.lab.Files()))
		}
	}
	refused = errs.E("view.run", errs.NotFound, errors.New("there is no run \"r1\""))
	words("reply-private-by-now", to, "there is no run")
	refused = nil
	w.lab.SetApp(func(a *fake.App) {
		a.Scopes = strings.Fields(strings.ReplaceAll(strings.Join(scopesOf(t), " "), "files:write", ""))
	})
	words("reply-without-the-scope", to)

	plain := card.Card{Key: "k", Title: "no picture", Blocks: []card.Block{{Text: "x"}}}
	if got, err := p.withPicture(t.Context(), "k", to, plain); err != nil || got.Digest() != plain.Digest() {
		t.Errorf("a card without a picture becomes %v, %v", got, err)
	}
}

// TestAPictureIsDrawnForWhoReadsIt: for nobody in particular where others read, and of a private run for
// its circle alone.
func TestAPictureIsDrawnForWhoReadsIt(t *testing.T) {
	c := card.Card{Mentions: []string{"hana"}}
	for place, want := range map[string]people.PersonID{"T0HARBOUR/D0HANA": "hana", "T0HARBOUR/C0RELEASES": "", "T0HARBOUR/G0PRIVATE": "", "D0HANA": "", "": ""} {
		if got := viewerOf(engine.Ref{Place: engine.Place{Source: slackSource, ID: place}}, c); got != want {
			t.Errorf("in %s it is drawn for %q", place, got)
		}
	}
	w := newSecretWorld(t)
	for _, who := range []people.PersonID{"", "chen", "tessa"} {
		if d, err := w.b.drawn(t.Context(), who, w.id); !errs.Is(err, errs.NotFound) || d.PNG != nil || d.Alt != "" {
			t.Errorf("%q sees it: %v", who, err)
		}
	}
	d, err := w.b.drawn(t.Context(), "ben", w.id)
	if err != nil || !bytes.HasPrefix(d.PNG, []byte("\x89PNG\r\n")) || !strings.Contains(d.Alt, "A person is awaited at go") {
		t.Errorf("ben sees %q, %v", d.Alt, err)
	}
	for _, who := range []string{"chen", "tessa"} {
		if got := w.ask(who, "general", "release graph "+secretVersion); !strings.Contains(got, "no run") || strings.Contains(got, secretNote) {
			t.Errorf("%s is told %q", who, got)
		}
	}
}

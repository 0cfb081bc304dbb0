package web

import (
	"strings"
	"testing"

	"slipway/bot/card"
	"slipway/integrations/console"
)

// TestAnAnswerWithAPictureShowsIt: the page of each viewer draws the run for that viewer, and who does not
// see it hears what it shows; a terminal has the words.
func TestAnAnswerWithAPictureShowsIt(t *testing.T) {
	w := newWorld(t)
	head := w.says("hana", "/c/general", w.id(), "release graph 2019.01")
	c := card.Card{Key: "reply-1", Title: "release/harbour/2019.01: 1 of 2 steps", Blocks: []card.Block{{Picture: &card.Picture{Run: "r17", Alt: "2 steps, 1 failed, 1 done.\n✗ push: failed"}}}}
	w.posts("r", "general", head, c)
	page := w.page("hana", "/c/general")
	checkHTML(t, page)
	for _, want := range []string{`<img src="/runs/r17/picture.svg" alt="2 steps, 1 failed, 1 done.`, `<a href="/runs/r17">`} {
		if strings.Count(page, want) != 1 {
			t.Errorf("%q is %d times in the page", want, strings.Count(page, want))
		}
	}
	if strings.Count(page, "✗ push: failed") != 1 {
		t.Error("what the picture shows is said twice")
	}
	if got, want := (console.Message{Card: &c}).ReplyText(), c.Title+"\n2 steps, 1 failed, 1 done.\n✗ push: failed"; got != want {
		t.Errorf("a terminal has %q, want %q", got, want)
	}
}

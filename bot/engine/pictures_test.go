package engine_test

import (
	"context"
	"testing"
	"time"

	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/errs"
)

// TestAnAnswerWithAPictureIsGivenOnce: in the thread of what was said, whatever is said again and whatever
// the chat does meanwhile, with a link to the page that shows the run as it stands later.
func TestAnAnswerWithAPictureIsGivenOnce(t *testing.T) {
	w := newWorld(t)
	w.cfg = func(c *engine.Config) {
		c.Link = func(run, step string) string { return "https://slipway.example/runs/" + run + step }
	}
	w.open()
	p, _ := w.e.World().Directory.ByAccount(account("requester"))
	s := engine.Spoken{Person: p.ID, Account: account("requester"), Place: engine.Place{Source: "chat", ID: "lava"}, Message: "s1", Now: w.clock.Now()}
	w.room.down = errs.E("room.post", errs.Unavailable, context.DeadlineExceeded)
	for range 3 {
		if err := w.e.AnswerPicture(t.Context(), s, engine.Once{Key: "k"}, "release/lava/1: live", card.Picture{Run: "r1", Alt: "1 step, 1 done."}); err != nil {
			t.Fatal(err)
		}
	}
	w.drain()
	w.room.down = nil
	w.open() // it was killed before the answer was posted
	w.pass(time.Hour)
	if len(w.room.posts) != 1 {
		t.Fatalf("there are %d answers", len(w.room.posts))
	}
	got := w.room.posts[0]
	want := []card.Block{{Picture: &card.Picture{Run: "r1", Alt: "1 step, 1 done."}}, {Links: []card.Link{{Text: "The page of this run", URL: "https://slipway.example/runs/r1"}}}}
	if (card.Card{Blocks: got.c.Blocks}).Digest() != (card.Card{Blocks: want}).Digest() || got.ref.Thread != "s1" || got.c.Title != "release/lava/1: live" || len(got.c.Mentions) != 1 {
		t.Errorf("the answer is %+v in %+v", got.c, got.ref)
	}
}

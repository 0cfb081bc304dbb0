package chat

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"
	fake "slipway/test/fakes/slack"
)

// put puts a file of the card k to where it is asked for.
func (y *yard) put(to Ref) error {
	y.Helper()
	return y.poster.PutFile(y.Context(), "k", to, "run.png", func(context.Context) (File, error) { return File{Alt: "the run", Content: []byte("\x89PNG")}, nil })
}

// TestAFileIsLookedForFromItsIntentOn: however much was written in a channel before, one page is read of it;
// a lost answer leaves one file, and what is known to be there is not looked for.
func TestAFileIsLookedForFromItsIntentOn(t *testing.T) {
	y := newYard(t)
	for i := range 2*onePage + 1 {
		y.fake.Say(y.hana.ID, y.channel, fmt.Sprint("word ", i), "")
	}
	y.later(time.Hour)
	y.fake.Fault(fake.Fault{Method: "files.completeUploadExternal", Do: fake.BadGatewayAfter})
	for range 2 {
		y.ok(y.put(y.room()))
	}
	if n := y.fake.Asked("conversations.history"); n != 2 || len(y.fake.Files()) != 1 {
		t.Errorf("%d pages were read, and there are %d files", n, len(y.fake.Files()))
	}

	again := NewPoster(Options{Client: y.client}) // the next process, which knows when the card was intended
	intended := y.Now().Add(-2 * time.Minute)
	y.later(30 * time.Minute)
	if _, found, err := again.Find(y.Context(), "k", y.room(), intended); err != nil || found {
		t.Fatalf("found %v, %v", found, err)
	}
	y.poster = again
	if y.ok(y.put(y.room())); y.fake.Asked("conversations.history") != 4 || len(y.fake.Files()) != 1 {
		t.Errorf("%d pages were read, and there are %d files", y.fake.Asked("conversations.history"), len(y.fake.Files()))
	}
	y.post("k", y.room(), live())
	if n := len(again.files); n != 0 {
		t.Errorf("after the card is posted, %d are remembered", n)
	}
}

// TestAFileThatMayBeThere: while nobody can tell, the card waits; where the file is surely not, it does not.
func TestAFileThatMayBeThere(t *testing.T) {
	y := newYard(t)
	y.fake.Fault(fake.Fault{Method: "files.completeUploadExternal", Do: fake.BadGatewayAfter})
	y.fake.Fault(fake.Fault{Method: "conversations.history", Skip: 1, Times: 2, Do: fake.Refuse})
	for range 2 {
		y.want(errs.Doubtful, y.put(y.room()))
	}
	if y.ok(y.put(y.room())); len(y.fake.Files()) != 1 {
		t.Errorf("there are %d files", len(y.fake.Files()))
	}
	in := y.room()
	in.Thread = y.post("card-1", y.room(), live()).Message
	y.fake.Fault(fake.Fault{Method: "conversations.replies", Do: fake.Refuse})
	err := y.poster.PutFile(y.Context(), "other", in, "run.png", nil)
	if err == nil || errs.Is(err, errs.Doubtful) {
		t.Errorf("of the first try: %v", err)
	}
	if _, _, err := y.poster.Find(y.Context(), "gone", in, time.Time{}); err != nil {
		t.Fatal(err)
	}
	in.Thread = "1600000000.000100" // nothing can be in it
	err = y.poster.PutFile(y.Context(), "gone", in, "run.png", nil)
	y.want(errs.Gone, err)
}

// TestAlone: the bot's own direct messages alone, be they with people whom it knows or not.
func TestAlone(t *testing.T) {
	y := newYard(t)
	y.fake.Fault(fake.Fault{Method: "conversations.info", Do: fake.Refuse, Error: "fatal_error"})
	if own, err := y.poster.Alone(y.Context(), y.fake.DM(y.hana.ID)); own || err == nil {
		t.Errorf("while Slack cannot say: %v, %v", own, err)
	}
	app := y.fake.App().User
	for _, c := range []struct {
		channel string
		own     bool
	}{
		{y.fake.DM(y.hana.ID), true},
		{y.fake.AddChannel(fake.Channel{Kind: fake.Direct, Members: []string{y.hana.ID, y.grace.ID}}).ID, false},
		{y.fake.AddChannel(fake.Channel{Kind: fake.Several, Members: []string{y.hana.ID, y.grace.ID, app}}).ID, false},
		{y.fake.AddChannel(fake.Channel{ID: "D0GROUP", Kind: fake.Several, Members: []string{y.hana.ID, y.grace.ID, app}}).ID, false},
		{y.channel, false}, {"D0NOBODY", false}, {"D", false}, {"", false},
	} {
		if own, err := y.poster.Alone(y.Context(), c.channel); own != c.own || err != nil {
			t.Errorf("%s: %v, %v", c.channel, own, err)
		}
	}
	for _, r := range y.fake.Requests() {
		if c := r.Args["channel"]; r.Method == "conversations.info" && !strings.HasPrefix(c, "D") {
			t.Errorf("Slack is asked about %s", c)
		}
	}
}

package slack

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/view"
	"slipway/state/bolt"
)

// TestAfterDowntime: what is said and reacted while the bot is down, and of which Slack never tells again,
// is read when it is back, done once, and said aloud.
func TestAfterDowntime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, shape{})
	w.begins()
	r := w.drive(func(r view.Run) bool { _, ok := awaited(r, "go"); return ok })
	g, _ := awaited(r, "go")
	w.until("chen has reacted", func() bool { return w.clicks("chen", "go", g.Manifest) })
	w.until("his vote counts", func() bool { return strings.Contains(w.timeline(), "Chen Chart approves go by a reaction") })
	w.until("ben sees the gate", func() bool { _, ok := w.gateMessage("go"); return ok })
	w.note("the bot is stopped")
	if _, err := w.bot.end(); err != nil {
		t.Fatal(err)
	}
	w.reacts("ben", "go", "white_check_mark")
	w.says("hana", "@slipway release why "+version+" go")
	w.whispers("tessa", "whoami")
	w.until("nothing waits to be delivered but what is lost", func() bool { w.slack.Take(); return w.slack.Waiting() == 0 })
	w.agoAlive(12 * time.Minute)
	w.note("the bot is started again")
	w.startBot(nil)
	w.until("the reaction has counted", func() bool { return strings.Contains(w.timeline(), "go is approved") })
	w.until("tessa has her answer", func() bool { return w.alone("tessa", "You are Tessa Tide") })
	w.until("the channel is told of the absence", func() bool { return len(w.ours(w.room, "I was away 12 min")) == 1 })
	notice := wordsOf(w.ours(w.room, "I was away 12 min")[0])
	if !strings.Contains(notice, "recovered") || !strings.Contains(notice, "the reactions on go") || !strings.Contains(notice, "a command") {
		t.Errorf("the notice says:\n%s", notice)
	}
	w.until("hana has her answer, once", func() bool { return len(w.ours(w.room, "go is ")) == 1 })
	w.released(w.drive(nil))
	t.Logf("%s\n\n%s", notice, w.page())
}

// TestAfterDowntimeOverSocketMode: nobody keeps what would have gone over a connection that is not there.
// Reactions, and a command in the thread of the card, are read when the bot is back, done once however
// often it starts, and said aloud.
func TestAfterDowntimeOverSocketMode(t *testing.T) {
	t.Parallel()
	w := newWorld(t, shape{socket: true})
	w.until("the connection is open", func() bool { return w.slack.Links() == 1 })
	w.begins()
	w.drive(func(r view.Run) bool { _, ok := awaited(r, "go"); return ok })
	w.until("ben sees the gate", func() bool { _, ok := w.gateMessage("go"); return ok })
	w.note("the bot is stopped")
	if _, err := w.bot.end(); err != nil {
		t.Fatal(err)
	}
	w.until("Slack sees that", func() bool { return w.slack.Links() == 0 })
	w.reacts("ben", "go", "thumbsup::skin-tone-3")
	w.reacts("chen", "go", "heavy_check_mark")
	card := w.card()
	w.note("tessa writes in the thread of the card")
	asked := w.slack.Say(w.users["tessa"], w.room, "<@"+w.slack.App().User+"> release why "+version+" tested", card.TS)
	w.until("nothing waits to be delivered but what is lost", func() bool { w.slack.Take(); return w.slack.Waiting() == 0 })
	w.agoAlive(12 * time.Minute)
	answers := func() (n int) {
		for _, m := range w.slack.Ours(w.room) {
			if m.Thread == card.TS && m.TS > asked && strings.Contains(wordsOf(m), "tested is done") {
				n++
			}
		}
		return n
	}
	w.note("the bot is started again")
	w.startBot(nil)
	w.until("the reactions have counted", func() bool { return strings.Contains(w.timeline(), "go is approved") })
	w.until("tessa has her answer in the thread", func() bool { return answers() > 0 })
	w.until("the channel is told of the absence", func() bool { return len(w.ours(w.room, "I was away 12 min")) > 0 })
	w.note("the bot is killed")
	w.bot.kill()
	w.until("the connection is open again", func() bool { return w.slack.Links() == 1 })
	w.released(w.drive(nil))
	w.heard("tessa")
	notice := w.ours(w.room, "I was away 12 min")
	if len(notice) != 1 || answers() != 1 {
		t.Fatalf("there are %d notices and %d answers:\n%s", len(notice), answers(), w.page())
	}
	for _, words := range []string{"recovered", "the reactions on go", "a command"} {
		if !strings.Contains(wordsOf(notice[0]), words) {
			t.Errorf("the notice does not say %q:\n%s", words, wordsOf(notice[0]))
		}
	}
	t.Log(wordsOf(notice[0]))
	history := w.timeline()
	for _, words := range []string{"Ben Buoy approves go by a reaction", "Chen Chart approves go by a reaction", "go is approved"} {
		if n := strings.Count(history, words); n != 1 {
			t.Errorf("%q stands %d times in the history:\n%s", words, n, history)
		}
	}
}

// agoAlive has the bot, which is stopped, have been at work last so long ago.
func (w *world) agoAlive(d time.Duration) {
	w.t.Helper()
	db, err := bolt.Open(filepath.Join(w.dir, "state", "slipway.db"), bolt.Options{Large: engine.LargeSpaces()})
	w.must(err)
	at := time.Now().UTC().Add(-d).Format(time.RFC3339Nano)
	w.must(db.Commit(context.Background(), &engine.Batch{Puts: []engine.Record{{Key: engine.Key{Space: "meta", ID: "alive"}, Value: []byte(at)}}}))
	w.must(db.Close())
}

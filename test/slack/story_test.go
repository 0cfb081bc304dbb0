package slack

import (
	"strings"
	"testing"

	"slipway/bot/view"
)

// TestARelease is a whole release: typed on Slack, approved by one reaction there and one in the console,
// of different persons, and by a button; killed and started again in the middle.
func TestARelease(t *testing.T) {
	t.Parallel()
	w := newWorld(t, shape{slow: true})
	w.begins()
	w.drive(func(r view.Run) bool { _, ok := awaited(r, "go"); return ok })
	w.until("ben has reacted on Slack", func() bool { return w.reacts("ben", "go", "thumbsup::skin-tone-4") })
	w.until("his vote counts", func() bool { return strings.Contains(w.timeline(), "Ben Buoy approves go by a reaction") })
	w.until("the card on Slack says what the console's says", func() bool { return w.equal() == nil })
	w.note("the bot is killed")
	w.bot.kill()
	w.until("it does so after the start", func() bool { return w.equal() == nil })
	w.released(w.drive(nil))
	if kills, err := w.bot.end(); kills != 1 || err != nil {
		t.Errorf("the bot was killed %d times: %v", kills, err)
	}
	t.Logf("%s\n\n%s", strings.Join(w.history, "\n"), w.page())
}

// begins has hana ask for the release.
func (w *world) begins() {
	w.t.Helper()
	w.says("hana", "@slipway release "+version)
}

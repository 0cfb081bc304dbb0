package slack

import (
	"testing"

	"slipway/bot/view"
)

// TestSlashCommands: what is typed as a slash command is said, once.
func TestSlashCommands(t *testing.T) {
	t.Parallel()
	w := newWorld(t, shape{})
	_, _ = w.look() // it is up now: Slack sends a command once
	d, err := w.slack.Command(w.users["hana"], w.room, "/slipway release "+version)
	w.must(err)
	w.drive(func(r view.Run) bool { _, ok := awaited(r, "go"); return ok })
	for range 3 {
		w.slack.Send(d)
	}
	if got := w.ours(w.room, runName+" has begun"); len(got) != 1 {
		t.Errorf("it has begun %d times", len(got))
	}
}

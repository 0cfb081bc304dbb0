package slack

import (
	"strings"
	"testing"

	"slipway/bot/view"
)

// TestSocketMode is a whole release of a site that nobody reaches from outside. Its connection is renewed
// as Slack does now and then, and cut as networks do.
func TestSocketMode(t *testing.T) {
	t.Parallel()
	w := newWorld(t, shape{socket: true})
	w.until("the connection is open", func() bool { return w.slack.Links() == 1 })
	w.begins()
	w.drive(func(r view.Run) bool { _, ok := awaited(r, "tested"); return ok })
	w.note("Slack renews the connection")
	w.slack.Disconnect("refresh_requested")
	w.drive(func(r view.Run) bool { _, ok := awaited(r, "go"); return ok })
	w.note("the connection is cut")
	w.slack.HangUp()
	w.until("Slack sees that", func() bool { return w.slack.Links() == 0 })
	w.until("it is open again", func() bool { return w.slack.Links() == 1 })
	w.released(w.drive(nil))
	t.Log(strings.Join(w.history, "\n"))
	if got := w.slack.Links(); got != 1 {
		t.Errorf("there are %d connections", got)
	}
}

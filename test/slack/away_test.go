package slack

import (
	"strings"
	"testing"

	"slipway/bot/view"
	fake "slipway/test/fakes/slack"
)

// TestAGateOutlivesTrouble: while a gate is open the bot cannot reach Slack, or the channel, in one way or
// another. When it can again, the reactions are read and the release goes on.
func TestAGateOutlivesTrouble(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ breaks, mends func(*world) }{
		"Slack is away": {func(w *world) { w.slack.Away() }, func(w *world) { w.must(w.slack.Back()) }},
		"the token is revoked": {func(w *world) {
			w.slack.Fault(fake.Fault{Method: "*", Times: -1, Do: fake.Refuse, Error: "token_revoked"})
		}, func(w *world) { w.slack.ClearFaults() }},
		"the bot is taken out": {func(w *world) { w.slack.Remove(w.room, w.slack.App().User) }, func(w *world) { w.slack.Invite(w.room, w.slack.App().User) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, shape{readEvery: "1s"})
			w.begins()
			r := w.drive(func(r view.Run) bool { _, ok := awaited(r, "go"); return ok })
			g, _ := awaited(r, "go")
			w.until("the gate is shown", func() bool { _, ok := w.gateMessage("go"); return ok })
			w.note(name)
			c.breaks(w)
			w.until("chen has reacted in the console", func() bool { return w.clicks("chen", "go", g.Manifest) })
			w.until("his vote counts", func() bool { return strings.Contains(w.timeline(), "Chen Chart approves go by a reaction") })
			w.note("it is over")
			c.mends(w)
			w.until("ben has reacted on Slack", func() bool { return w.reacts("ben", "go", "white_check_mark") })
			w.released(w.drive(nil))
		})
	}
}

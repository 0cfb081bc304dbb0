package slack

import (
	"strings"
	"testing"

	"slipway/bot/view"
	fake "slipway/test/fakes/slack"
)

// TestATakenBackReaction: a maintainer reacts in a tone of skin, and it counts; takes it back while the
// gate is open, and it does not; gives it in another tone, and it does. So when Slack tells of reactions,
// and so when it tells of none and they are found by reading.
func TestATakenBackReaction(t *testing.T) {
	t.Parallel()
	for name, told := range map[string]bool{"told": true, "found by reading": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := shape{}
			if !told {
				s.readEvery, s.deliver = "1s", withoutReactions
			}
			w := newWorld(t, s)
			w.begins()
			r := w.drive(func(r view.Run) bool { _, ok := awaited(r, "go"); return ok })
			g, _ := awaited(r, "go")
			w.until("the gate is shown", func() bool { _, ok := w.gateMessage("go"); return ok })
			m, _ := w.gateMessage("go")
			says := func(what string) func() bool {
				return func() bool { return strings.Contains(w.why("go"), what) }
			}
			w.must(w.slack.React(w.users["ben"], w.room, m.TS, "👍🏽"))
			w.until("ben's 👍🏽 counts", says("1 of 2 maintainers: ben"))
			w.must(w.slack.Unreact(w.users["ben"], w.room, m.TS, "👍🏽"))
			w.until("it counts no more", says("0 of 2 maintainers"))
			w.until("chen has reacted", func() bool { return w.clicks("chen", "go", g.Manifest) })
			w.until("chen alone counts", says("1 of 2 maintainers: chen"))
			if _, open := awaited(mustLook(w), "go"); !open {
				t.Fatal("the gate was passed by a reaction that was taken back")
			}
			w.must(w.slack.React(w.users["ben"], w.room, m.TS, "👍🏿"))
			w.until("the gate is passed", func() bool { return strings.Contains(w.timeline(), "go is approved") })
			if why := w.why("go"); !strings.Contains(why, "2 of 2 maintainers: chen and ben") {
				t.Errorf("why says %s", why)
			}
			for words, n := range map[string]int{"Ben Buoy approves go by a reaction": 2, "Chen Chart approves go by a reaction": 1} {
				if got := strings.Count(w.timeline(), words); got != n {
					t.Errorf("%q stands %d times in the history and not %d:\n%s", words, got, n, w.timeline())
				}
			}
			for _, d := range w.slack.Sent() {
				if !told && strings.HasPrefix(d.Type, "reaction_") {
					t.Error("Slack told of a reaction")
				}
			}
		})
	}
}

// withoutReactions delivers all but what is told of reactions.
func withoutReactions(w *world, d fake.Delivery) {
	if !strings.HasPrefix(d.Type, "reaction_") {
		w.sends(d)
	}
}

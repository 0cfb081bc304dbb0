package slack

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"slipway/bot/card"
	"slipway/bot/view"
	"slipway/integrations/console/api"
	"slipway/integrations/console/client"
	fake "slipway/test/fakes/slack"
)

// asks has a person ask in the console alone, and gives the answer.
func (w *world) asks(person string, line ...string) string {
	w.t.Helper()
	args := append([]string{"--config", filepath.Join(w.dir, "slipway.yaml"), "--as", person, "ask", "--channel", "@me"}, line...)
	out, err := exec.CommandContext(w.ctx, filepath.Join(w.slip.dir, "slipway"), args...).CombinedOutput()
	w.note(person + " asks in the console: " + strings.Join(line, " "))
	if err != nil {
		w.t.Fatalf("%s: %v\n%s", strings.Join(line, " "), err, out)
	}
	w.note(string(out))
	return string(out)
}

// alone are the words that the bot wrote to a person alone.
func (w *world) alone(person, words string) bool {
	return len(w.ours(w.slack.DM(w.users[person]), words)) > 0
}

// mine is what a person reads in the console alone with the bot.
func (w *world) mine(person string) string {
	w.t.Helper()
	c := w.as(person)
	defer c.Close()
	all, err := client.Get[api.Messages](w.ctx, c, client.Path("channels", "@me", "messages"), map[string][]string{"limit": {"200"}})
	w.must(err)
	var out []string
	for _, m := range all.Messages {
		if m.Card != nil {
			out = append(out, card.Text(*m.Card, 1000))
		}
	}
	return strings.Join(out, "\n")
}

// why is what is said of the gate.
func (w *world) why(step string) string {
	w.t.Helper()
	c := w.as("hana")
	defer c.Close()
	why, err := client.Get[api.Why](w.ctx, c, client.Path("runs", runName, "why"), map[string][]string{"step": {step}})
	w.must(err)
	return strings.Join(why.Lines, "\n")
}

var codeOf = regexp.MustCompile(`[A-Z0-9]{4}-[A-Z0-9]{4}`)

// TestLinking: chen links his account on Slack by a code while a gate is open. Both sides confirm. On the
// open gate it does not count, on the next it does.
func TestLinking(t *testing.T) {
	t.Parallel()
	w := newWorld(t, shape{unlinked: []string{"chen"}})
	w.begins()
	w.drive(func(r view.Run) bool { _, ok := awaited(r, "go"); return ok })
	w.until("somebody whom nobody knows has reacted", func() bool { return w.reacts("chen", "go", "white_check_mark") })
	w.whispers("chen", "mine")
	w.until("the bot does not know him", func() bool { return w.alone("chen", "I do not know whose account this is") })
	code := codeOf.FindString(w.asks("chen", "link", "slack"))
	_, err := w.slack.Command(w.users["chen"], w.slack.DM(w.users["chen"]), "/slipway link "+code) // as good as a message
	w.must(err)
	// Messages tell of no name: it is what Slack says now, and the id stands beside it.
	both := "Link the account “Chen Chart, @chen” (slack:" + team + "/" + w.users["chen"] + ") to the person Chen Chart (chen)?"
	w.until("he is shown both names", func() bool { return w.alone("chen", both) && w.alone("chen", "link confirm "+code) })
	w.whispers("chen", "link confirm "+code)
	w.until("the other side is asked", func() bool { return w.alone("chen", "Now I ask chen") })
	w.until("and shown both names", func() bool { return strings.Contains(w.mine("chen"), both) })
	if got := w.asks("chen", "link", "confirm", code); !strings.Contains(got, "is an account of Chen Chart") {
		t.Errorf("the answer is %s", got)
	}
	w.until("it is announced", func() bool { return len(w.ours(w.room, "is an account of Chen Chart (chen) now")) == 1 })
	w.until("ben has reacted", func() bool { return w.reacts("ben", "go", "white_check_mark") })
	w.until("why says that the account does not count there", func() bool {
		why := w.why("go")
		return strings.Contains(why, "1 of 2 maintainers") && strings.Contains(why, "linked")
	})
	r := w.drive(func(r view.Run) bool { g, ok := awaited(r, "go"); return ok && w.clicks("chen", "go", g.Manifest) })
	if r.Status == "ended" {
		t.Fatal("the gate was passed by an account that was linked while it was open")
	}
	w.driveWith(func(r view.Run) {
		if _, ok := awaited(r, "publish"); ok {
			w.reacts("ben", "publish", "white_check_mark")
			w.reacts("chen", "publish", "heavy_check_mark")
		}
	})
	w.until("both count", func() bool { h := w.timeline(); return strings.Contains(h, "2 of 2 maintainers") })
}

// TestAUserGroupIsARole: who is in the group when the gate closes counts, and who was taken out does not.
func TestAUserGroupIsARole(t *testing.T) {
	t.Parallel()
	w := newWorld(t, shape{group: true})
	w.begins()
	r := w.drive(func(r view.Run) bool { _, ok := awaited(r, "go"); return ok })
	w.until("ben has reacted", func() bool { return w.reacts("ben", "go", "white_check_mark") })
	w.until("his vote counts", func() bool { return strings.Contains(w.why("go"), "1 of 2 maintainers") })
	w.note("ben is taken out of the group on Slack")
	w.slack.SetGroup(w.group, w.users["chen"], w.users["hana"])
	g, _ := awaited(r, "go")
	w.until("chen has reacted", func() bool { return w.clicks("chen", "go", g.Manifest) })
	w.until("the gate is open still, and says that ben does not count", func() bool {
		why := w.why("go")
		return strings.Contains(why, "1 of 2 maintainers") && strings.Contains(why, "ben") && strings.Contains(w.timeline(), "go is open again")
	})
	w.note("ben is back in the group, and reacts anew")
	w.slack.SetGroup(w.group, w.users["ben"], w.users["chen"], w.users["hana"])
	m, _ := w.gateMessage("go")
	w.must(w.slack.Unreact(w.users["ben"], w.room, m.TS, "white_check_mark"))
	w.must(w.slack.React(w.users["ben"], w.room, m.TS, "white_check_mark"))
	w.drive(func(r view.Run) bool { _, ok := awaited(r, "publish"); return ok })
	if why := w.why("go"); !strings.Contains(why, "2 of 2 maintainers") {
		t.Errorf("why says %s", why)
	}
}

// TestWhoNeverCounts: somebody reacts whose account is closed, or becomes a guest's or a bot's, before the
// gate closes. Another name changes nothing.
func TestWhoNeverCounts(t *testing.T) {
	t.Parallel()
	for words, change := range map[string]func(*fake.User){
		"a guest":     func(u *fake.User) { u.Restricted = true },
		"deactivated": func(u *fake.User) { u.Deleted = true },
		"a bot":       func(u *fake.User) { u.Bot = true },
		"":            func(u *fake.User) { u.Name, u.RealName, u.DisplayName = "chen", "Chen Chart", "chen" },
	} {
		t.Run(words, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, shape{})
			w.begins()
			r := w.drive(func(r view.Run) bool { _, ok := awaited(r, "go"); return ok })
			w.until("ben has reacted", func() bool { return w.reacts("ben", "go", "+1::skin-tone-2") })
			w.until("his vote counts", func() bool { return strings.Contains(w.why("go"), "1 of 2 maintainers") })
			w.note("ben's account changes on Slack")
			w.slack.SetUser(w.users["ben"], change)
			g, _ := awaited(r, "go")
			w.until("chen has reacted", func() bool { return w.clicks("chen", "go", g.Manifest) })
			if words == "" {
				w.drive(func(r view.Run) bool { _, ok := awaited(r, "publish"); return ok })
				return
			}
			w.until("the gate is open still, and says why", func() bool {
				return strings.Contains(w.why("go"), words) && slices.Contains(standing(mustLook(w)), "go running")
			})
		})
	}
}

func mustLook(w *world) view.Run {
	w.t.Helper()
	r, err := w.look()
	w.must(err)
	return r
}

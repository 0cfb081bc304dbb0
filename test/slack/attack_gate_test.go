package slack

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"slipway/bot/view"
	fake "slipway/test/fakes/slack"
)

// TestAttackAtAGate: an open gate, and all that is tried at it by those whose word does not count there,
// and by those whose word does, in another place or manner. In the end two persons have approved, each
// once.
func TestAttackAtAGate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, shape{})
	w.begins()
	r := w.drive(func(r view.Run) bool { _, ok := awaited(r, "go"); return ok })
	g, _ := awaited(r, "go")
	w.until("the gate is shown", func() bool { _, ok := w.gateMessage("go"); return ok })
	m, _ := w.gateMessage("go")
	const order = "approve " + version + " go"

	w.namesakes(m, order)
	w.elsewhere(m)
	w.shownText(order)
	w.forged(order)
	w.note("hana, who asked for the release, reacts")
	w.must(w.slack.React(w.users["hana"], w.room, m.TS, "white_check_mark"))

	w.until("ben has reacted", func() bool { return w.reacts("ben", "go", "+1::skin-tone-6") })
	w.until("he alone counts", func() bool { return strings.Contains(w.why("go"), "1 of 2 maintainers: ben") })
	w.note("ben approves again: another reaction, the button, the console, a line")
	w.must(w.slack.React(w.users["ben"], w.room, m.TS, "white_check_mark"))
	_, err := w.slack.Press(w.users["ben"], w.room, m.TS, "Approve")
	w.must(err)
	w.until("he has clicked", func() bool { return w.clicks("ben", "go", g.Manifest) })
	w.whispers("ben", order)
	w.slack.Event(map[string]any{"type": "reaction_removed", "user": w.users["ben"], "reaction": "+1", "item_user": w.slack.App().User,
		"item": map[string]any{"type": "message", "channel": w.room, "ts": m.TS}, "event_ts": m.TS}, nil) // it is there still
	w.heard("ben")
	if why := w.why("go"); !strings.Contains(why, "1 of 2 maintainers: ben") {
		t.Errorf("why says %s", why)
	}
	if !w.clicks("chen", "go", g.Manifest) {
		t.Error("chen sees no gate")
	}
	w.until("the gate is passed", func() bool { return strings.Contains(w.timeline(), "go is approved") })
	if why := w.why("go"); !strings.Contains(why, "2 of 2 maintainers: ben and chen") {
		t.Errorf("why says %s", why)
	}
}

// heard waits until all that was sent before is understood: an answer to a person comes after it.
func (w *world) heard(person string) {
	w.t.Helper()
	w.whispers(person, "whoami")
	w.until("what was sent is understood", func() bool { return w.alone(person, "You are "+persons()[person]) })
}

// joins lets somebody join the workspace, or another one, and the channel.
func (w *world) joins(u fake.User) string {
	w.t.Helper()
	id := w.slack.AddUser(u).ID
	w.slack.Invite(w.room, id)
	return id
}

// namesakes are a newcomer who takes the names and the address of a maintainer, letters that look alike, a
// stranger of another workspace, a program and a webhook with his name: all react, press, and write.
func (w *world) namesakes(gate fake.Message, order string) {
	w.t.Helper()
	other := w.slack.AddTeam(fake.Team{Name: "Quay"}).ID
	ben := w.slack.User(w.users["ben"])
	all := map[string]fake.User{
		"a namesake":        {Name: ben.Name, RealName: ben.RealName, DisplayName: ben.RealName, Email: "ben@harbour.example"},
		"one who looks so":  {Name: "bеn", RealName: "Ben Buоy", DisplayName: "Ben Buoy."},
		"one of elsewhere":  {Team: other, Name: ben.Name, RealName: ben.RealName, Email: "ben@harbour.example"},
		"a program":         {Name: ben.Name, RealName: ben.RealName, Bot: true, App: "A0OTHER"},
		"an owner of Slack": {Name: "owner", Owner: true, Admin: true},
	}
	for _, who := range slices.Sorted(maps.Keys(all)) {
		u := all[who]
		id := w.joins(u)
		w.note(who + " reacts, presses and writes")
		w.must(w.slack.React(id, w.room, gate.TS, "white_check_mark"))
		w.must(w.slack.React(id, w.room, gate.TS, "x")) // a no would end the run
		w.slack.Say(id, w.room, "<@"+w.slack.App().User+"> "+order, "")
		if !u.Bot {
			_, err := w.slack.Press(id, w.room, gate.TS, "Approve")
			w.must(err)
		}
	}
	w.slack.Hook("ben", w.room, "slipway "+order)
}

// elsewhere has the two maintainers react on everything but the gate message: the card, what people wrote,
// its text as others post it, in the channel, in the thread and in another channel.
func (w *world) elsewhere(gate fake.Message) {
	w.t.Helper()
	eve := w.joins(fake.User{Name: "eve", RealName: "slipway"})
	copies := w.slack.AddChannel(fake.Channel{Name: "copies", Members: []string{eve, w.users["ben"], w.users["chen"], w.slack.App().User}}).ID
	w.slack.Say(eve, w.room, wordsOf(gate), "")
	w.slack.Say(eve, w.room, wordsOf(gate), gate.Thread)
	w.slack.Say(eve, copies, wordsOf(gate), "")
	robot := w.joins(fake.User{Name: "slipway", Bot: true, App: "A0OTHER"})
	w.slack.Say(robot, w.room, wordsOf(gate), gate.Thread)
	for _, room := range []string{w.room, copies} {
		for _, m := range w.slack.Messages(room) {
			for _, who := range []string{"ben", "chen"} {
				if m.TS != gate.TS && m.Only == "" {
					w.must(w.slack.React(w.users[who], room, m.TS, "white_check_mark"))
				}
			}
		}
	}
}

// shownText has a maintainer show the command in every way that is not saying it, and say one that only
// looks like it.
func (w *world) shownText(order string) {
	w.t.Helper()
	w.note("chen quotes, shows and edits commands")
	for _, text := range []string{"> slipway " + order, ">>> look:\nslipway " + order, "```\nslipway " + order + "\n```", "`slipway " + order + "`", "he said: slipway " + order,
		"slipway аpprove " + version + " go", "slipway aррrоvе " + version + " gо", "slipway\u200b " + order, "slipway approve " + version + " g\u200bo", "slipway app\u202erove " + version + " go"} {
		w.says("chen", text)
	}
	edited := w.says("chen", "good morning")
	w.must(w.slack.Edit(w.users["chen"], w.room, edited, "slipway "+order))
	w.slack.Unfurl(w.room, edited, "slipway "+order)
	w.slack.Share(w.users["chen"], w.room, "slipway "+order, "note.txt", []byte("slipway "+order))
	w.slack.Notice(w.users["chen"], w.room, "channel_topic", "slipway "+order)
}

// forged sends what Slack signed for another workspace or app, and what nobody signed.
func (w *world) forged(order string) {
	w.t.Helper()
	w.note("deliveries are forged")
	said := map[string]any{"type": "message", "user": w.users["chen"], "text": "slipway " + order, "ts": "1700000000.000100", "event_ts": "1700000000.000100", "channel": w.room, "channel_type": "channel"}
	w.slack.Event(said, func(e map[string]any) { e["team_id"] = "T0EVIL" })
	w.slack.Event(said, func(e map[string]any) { e["api_app_id"] = "A0EVIL" })
	w.slack.Event(said, func(e map[string]any) { delete(e, "team_id") })
	for _, sign := range []string{"", "v0=" + strings.Repeat("0", 64), "v1=" + strings.Repeat("0", 64)} {
		for _, path := range []string{"events", "commands", "interactive"} {
			q, err := http.NewRequestWithContext(w.ctx, http.MethodPost, w.hooks+"/hooks/slack/"+path, strings.NewReader(`{"type":"event_callback"}`))
			w.must(err)
			q.Header.Set("X-Slack-Signature", sign)
			q.Header.Set("X-Slack-Request-Timestamp", strconv.FormatInt(time.Now().Unix(), 10))
			answer, err := http.DefaultClient.Do(q)
			w.must(err)
			answer.Body.Close()
			if answer.StatusCode != http.StatusUnauthorized {
				w.t.Errorf("%s without a signature is answered with %s", path, answer.Status)
			}
		}
	}
}

package slack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	fake "slipway/test/fakes/slack"
)

// TestACommandWhereTheBotIsNoMember is carried out, and answered where the person is alone with the bot.
func TestACommandWhereTheBotIsNoMember(t *testing.T) {
	t.Parallel()
	w := newWorld(t, shape{unlinked: []string{"tessa"}})
	_, _ = w.look() // it is up now: Slack sends a command once
	place := w.slack.AddChannel(fake.Channel{Name: "elsewhere", Members: []string{w.users["hana"], w.users["tessa"]}}).ID
	types := func(person, text string) {
		w.note(person + " types /slipway " + text + " in a channel that the bot is not in")
		_, err := w.slack.Command(w.users[person], place, text)
		w.must(err)
	}
	w.until("the bot has opened the direct message with hana", func() bool {
		known, err := os.ReadFile(filepath.Join(w.dir, "state", "slack-direct.json"))
		return err == nil && strings.Contains(string(known), w.users["hana"])
	})
	where := "You said that on slack, in " + team + "/" + place + ", where I cannot write."
	types("tessa", "release "+version+" harbour") // nobody is known whose account that is
	types("hana", "release "+version+" harbour")
	w.until("hana is told that it has begun", func() bool { return w.alone("hana", runName+" has begun") && w.alone("hana", where) })
	w.until("and that in the console too", func() bool {
		m := w.mine("hana")
		return strings.Contains(m, runName+" has begun") && strings.Contains(m, where)
	})
	types("hana", "relaese "+version)
	w.until("she is told of her mistake", func() bool {
		return w.alone("hana", "release "+version) && len(w.ours(w.slack.DM(w.users["hana"]), where)) == 2
	})
	if n := len(w.slack.Ours(place)); n > 0 {
		t.Errorf("the bot wrote %d messages where it is no member", n)
	}
	if r, err := w.look(); err != nil || r.Status == "ended" {
		t.Errorf("the run: %s %v", r.Status, err)
	}
}

// TestACommandBeforeTheDirectMessageIsOpen is answered all the same: it is opened for the answer. Somebody
// who is not known is answered alone too, once.
func TestACommandBeforeTheDirectMessageIsOpen(t *testing.T) {
	t.Parallel()
	known := []string{"hana", "ben", "chen"}
	w := newWorld(t, shape{unlinked: []string{"tessa"}, edit: func(w *world) {
		// The bot does not ask again for an hour by itself.
		w.slack.Fault(fake.Fault{Method: "conversations.open", Times: len(known), Do: fake.Refuse, Error: "cannot_dm_bot"})
	}})
	_, _ = w.look() // it is up now: Slack sends a command once
	w.until("no direct message could be opened", func() bool { return w.slack.Asked("conversations.open") >= len(known) })
	place := w.slack.AddChannel(fake.Channel{Name: "elsewhere", Members: []string{w.users["hana"], w.users["tessa"]}}).ID
	where := "You said that on slack, in " + team + "/" + place + ", where I cannot write."
	for _, person := range []string{"tessa", "tessa", "hana", "tessa"} {
		w.note(person + " types /slipway help in a channel that the bot is not in")
		_, err := w.slack.Command(w.users[person], place, "help")
		w.must(err)
	}
	w.until("hana and tessa are answered alone", func() bool { return w.alone("hana", where) && w.alone("tessa", where) })
	_, err := w.slack.Command(w.users["hana"], place, "relaese "+version)
	w.must(err)
	w.until("hana is answered again", func() bool { return len(w.ours(w.slack.DM(w.users["hana"]), where)) == 2 })
	if n := len(w.slack.Ours(w.slack.DM(w.users["tessa"]))); n != 1 || !w.alone("tessa", "I do not know whose account this is") {
		t.Errorf("somebody who is not known got %d answers", n)
	}
	if n := len(w.slack.Ours(place)); n > 0 {
		t.Errorf("the bot wrote %d messages where it is no member", n)
	}
}

package main

import (
	"fmt"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/integrations/slack"
	"slipway/integrations/slack/chat"
	"slipway/integrations/slack/hook"
	fake "slipway/test/fakes/slack"
)

// TestACommandToTheBotAlone: a slash command in the bot's own direct message is said to it alone, though
// nobody knows whose account it is, as of one that is being linked. Between other people and in a group it
// is not, and Slack is asked once.
func TestACommandToTheBotAlone(t *testing.T) {
	w := newSlackWorld(t)
	app := w.lab.App()
	client, err := slack.New(slack.Options{URL: w.lab.URL, Token: app.Token, Team: "T0HARBOUR", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	c := newSlackChat(t.TempDir())
	c.poster = chat.NewPoster(chat.Options{Client: client})
	b := &bot{conf: w.conf, slack: &slackSide{client: client, chat: c}}
	stranger, other := w.lab.AddUser(fake.User{Name: "stranger"}).ID, w.lab.AddUser(fake.User{Name: "other"}).ID
	n := 0
	direct := func(channel string) bool {
		t.Helper()
		n++
		body := fmt.Sprintf(`{"api_app_id":%q,"team_id":"T0HARBOUR","user_id":%q,"channel_id":%q,"command":"/slipway","text":"link ABCD-EFGH","trigger_id":"1.2.x%d"}`, app.ID, stranger, channel, n)
		facts, err := slackDecoder{b}.Decode(engine.Delivery{Source: slackSource, Headers: map[string]string{hook.HeaderKind: string(hook.Commands)}, Body: []byte(body)})
		if err != nil || len(facts) != 1 {
			t.Fatalf("%v, %v", facts, err)
		}
		said, ok := facts[0].(engine.Said)
		if !ok || said.Text != "link ABCD-EFGH" {
			t.Fatalf("it says %+v", facts[0])
		}
		return said.Direct
	}
	own := w.lab.DM(stranger)
	w.lab.Fault(fake.Fault{Method: "conversations.info", Do: fake.Refuse})
	if direct(own) {
		t.Error("while Slack cannot say, it is taken for a direct message with the bot")
	}
	others := w.lab.AddChannel(fake.Channel{Kind: fake.Direct, Members: []string{stranger, other}}).ID
	several := w.lab.AddChannel(fake.Channel{Kind: fake.Several, Members: []string{stranger, other, app.User}}).ID
	for range 2 {
		for channel, want := range map[string]bool{own: true, others: false, several: false, w.releases: false} {
			if got := direct(channel); got != want {
				t.Errorf("%s: %v", channel, got)
			}
		}
	}
	if n := w.lab.Asked("conversations.info"); n != 3 { // once in vain
		t.Errorf("Slack is asked %d times", n)
	}
}

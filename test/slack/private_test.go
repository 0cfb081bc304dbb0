package slack

import (
	"strings"
	"testing"
)

// TestAPrivateRun is shown to its circle alone, in direct messages: nothing of it is in a channel, and what
// somebody else asks there tells nothing, until it is opened.
func TestAPrivateRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, shape{})
	w.until("the bot has a direct message with everybody", func() bool { return w.slack.Asked("conversations.open") >= len(w.users) })
	w.whispers("hana", "release "+version+" --private --circle ben")
	w.until("hana and ben see the card", func() bool {
		return w.alone("hana", "checklist: answer checklist") && w.alone("ben", "checklist: answer checklist")
	})
	w.whispers("hana", "answer "+version+" checklist merged=true")
	w.until("it is recorded", func() bool { return w.alone("hana", "thank you, recorded") })
	w.says("chen", "@slipway release why "+version)
	w.until("chen is told that there is none", func() bool { return len(w.ours(w.room, "there is no run")) == 1 })
	secret := func() bool {
		for _, place := range []string{w.room, w.slack.DM(w.users["chen"]), w.slack.DM(w.users["tessa"])} {
			for _, m := range w.slack.Ours(place) {
				if strings.Contains(wordsOf(m)+m.Text, runName) || len(m.Files) > 0 {
					return false
				}
			}
		}
		return true
	}
	if !secret() {
		t.Errorf("others read of it:\n%s", w.page())
	}
	w.whispers("hana", "release open "+version)
	w.until("the channel sees it", func() bool { return w.card().TS != "" })
}

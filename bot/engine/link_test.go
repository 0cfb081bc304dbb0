package engine_test

import (
	"testing"

	"slipway/bot/engine"
)

func TestGateMessagesLeadToTheirPage(t *testing.T) {
	for _, to := range []string{"", "https://slipway.example/runs/"} {
		w := newWorld(t)
		w.cfg = func(c *engine.Config) {
			c.Link = func(run, step string) string {
				if to == "" {
					return ""
				}
				return to + run + "/steps/" + step
			}
		}
		w.open()
		w.say("requester", "release 2019.01")
		gates := w.room.titled(": gate go")
		if len(gates) != 1 {
			t.Fatalf("gate messages: %+v", gates)
		}
		found := ""
		for _, b := range gates[0].c.Blocks {
			for _, l := range b.Links {
				found = l.URL
			}
		}
		if want := to; to != "" && found != want+w.run("2019.01").ID+"/steps/go" || to == "" && found != "" {
			t.Errorf("it leads to %q", found)
		}
	}
}

package talk_test

import (
	"testing"

	"slipway/bot/playbook"
	"slipway/bot/run"
	"slipway/commands/talk"
)

func TestTheCardLeadsToItsPage(t *testing.T) {
	s := &run.State{Head: run.Head{Start: run.Start{ID: "r1"}, Name: "release/lava/2019.01", Status: run.RunEnded, Outcome: "done"}}
	for _, c := range []struct {
		cards talk.Cards
		want  string
	}{
		{talk.Cards{}, ""},
		{talk.Cards{Link: func(run, _ string) string { return "" }}, ""},
		{talk.Cards{Link: func(run, _ string) string { return "https://slipway.example/runs/" + run }}, "https://slipway.example/runs/r1"},
	} {
		card, found := c.cards.Render(&playbook.Playbook{}, s, run.World{}), ""
		card.Key = "k"
		for _, b := range card.Blocks {
			for _, l := range b.Links {
				found = l.URL
			}
		}
		if found != c.want {
			t.Errorf("it leads to %q, want %q", found, c.want)
		}
		if err := card.Check(); err != nil {
			t.Error(err)
		}
	}
}

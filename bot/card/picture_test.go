package card_test

import (
	"strings"
	"testing"

	"slipway/bot/card"
)

// TestAPictureIsItsWordsInText: whoever sees no picture reads what it shows, and nothing that reorders it.
func TestAPictureIsItsWordsInText(t *testing.T) {
	c := card.Card{Key: "k", Title: "lamp", Blocks: []card.Block{{Picture: &card.Picture{Run: "r1", Alt: "2 steps, 1 failed.\n✗ push: \u202egnorw"}}}}
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	if got, want := card.Text(c, 60), "lamp\n"+strings.Repeat("─", 60)+"\n2 steps, 1 failed.\n✗ push: �gnorw\n"; got != want {
		t.Errorf("the text is %q, want %q", got, want)
	}
	upper := c.Map(strings.ToUpper)
	if p := upper.Blocks[0].Picture; p.Run != "r1" || !strings.HasPrefix(p.Alt, "2 STEPS") || c.Blocks[0].Picture.Alt[2:7] != "steps" {
		t.Errorf("mapped it is %v, and the first one is %v", p, c.Blocks[0].Picture)
	}
	for _, bad := range []card.Block{{Picture: &card.Picture{Alt: "x"}}, {Picture: &card.Picture{Run: "r1"}}, {Text: "x", Picture: &card.Picture{Run: "r1", Alt: "x"}}} {
		if err := (card.Card{Key: "k", Title: "t", Blocks: []card.Block{bad}}).Check(); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

package chat

import (
	"strings"
	"testing"

	"slipway/bot/card"
)

// TestAPictureThatIsNoFileIsWords: each line of what it shows is there.
func TestAPictureThatIsNoFileIsWords(t *testing.T) {
	c := card.Card{Key: "k", Title: "release/harbour/2019.01: 1 of 2 steps", Mentions: []string{"hana"}, Blocks: []card.Block{
		{Picture: &card.Picture{Run: "r1", Alt: "2 steps, 1 failed.\n✗ push: failed, <!channel>"}}}}
	first, _, wrong := whole(c, voice())
	if got := first.plain.String(); len(wrong) > 0 || !strings.Contains(got, "2 steps, 1 failed.\n✗ push: failed, <!channel>") {
		t.Errorf("%v\n%s", wrong, got)
	}
}

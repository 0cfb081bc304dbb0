package notes

import (
	"strings"
	"testing"

	"slipway/bot/card"
)

// TestAPictureIsWordsInAComment, with the page that shows it; nothing in them is markup.
func TestAPictureIsWordsInAComment(t *testing.T) {
	got := Markdown(card.Card{Key: "k", Title: "release/harbour/2019.01: 1 of 2 steps", Mentions: []string{"hana"}, Blocks: []card.Block{
		{Picture: &card.Picture{Run: "r1", Alt: "2 steps, 1 failed.\n✗ push: failed, *bold* @all ![x](y)"}}, {Links: []card.Link{{Text: "The page of this run", URL: "https://slipway.example/runs/r1"}}}}}, Voice{})
	if !strings.Contains(got, "2 steps, 1 failed.\\\n✗ push: failed") || !strings.Contains(got, "[The page of this run](<https://slipway.example/runs/r1>)") {
		t.Errorf("the comment is\n%s", got)
	}
	for _, bad := range []string{"*bold*", " @all", "![x]("} {
		if strings.Contains(got, bad) {
			t.Errorf("%q is in\n%s", bad, got)
		}
	}
}

package api

import (
	_ "embed"
	"encoding/json"

	"slipway/bot/card"
)

// wordsFile holds what types and fields mean, taken from their comments. A test compares it with
// the source, and writes it anew with -update.
//
//go:embed words.json
var wordsFile []byte

func words() map[string]string {
	out := map[string]string{}
	if err := json.Unmarshal(wordsFile, &out); err != nil {
		panic("api: words.json does not read back: " + err.Error()) // found by every test
	}
	return out
}

// states are all that a card says of a step.
func states() []string {
	var out []string
	for _, s := range []card.State{card.Pending, card.Waiting, card.Running, card.Done, card.Adopted, card.Skipped, card.Failed, card.Stuck,
		card.Doubtful, card.Held, card.Stale, card.Undone, card.Aborted} {
		out = append(out, string(s))
	}
	return out
}

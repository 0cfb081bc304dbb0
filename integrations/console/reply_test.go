package console_test

import (
	"testing"

	"slipway/integrations/console"
)

func TestRefused(t *testing.T) {
	for text, want := range map[string]bool{
		"I can't do that: it has ended": true, `I know no command "relaese". Did you mean release?`: true, "I don't know what that is for": true,
		"thank you, recorded": false, "Nothing waits for you.": false, "": false,
	} {
		if got := console.Refused(text); got != want {
			t.Errorf("%q is a refusal: %v", text, got)
		}
	}
}

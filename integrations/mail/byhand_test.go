package mail

import (
	"slices"
	"strings"
	"testing"

	"slipway/bot/action"
)

// What the bot refuses to send, a runbook does not send either.
func TestAMailThatIsRefusedHasNoCommands(t *testing.T) {
	in := action.Values{"from": "release@example.org", "to": []any{"announce@lists.example.org"}, "subject": "It is out", "body": "Dear all,\n",
		"message_id": "release-2019.01@example.org", "date": "2019-01-31T12:00:00Z"}
	hand := func(subject string) *action.Hand {
		in["subject"] = subject
		h := action.NewHand("announce", in, nil, nil, nil, action.NewMarks())
		(&Announce{}).byHand(h)
		return h
	}
	if h := hand("It is out"); !slices.ContainsFunc(h.Commands, func(c string) bool { return strings.Contains(c, "sendmail") }) || len(h.Files) != 1 {
		t.Errorf("%q, %v", h.Commands, h.Files)
	}
	if h := hand("It is out\nBcc: everybody@example.org"); len(h.Commands) > 0 || len(h.Files) > 0 || !strings.Contains(strings.Join(h.Notes, " "), "more than one line") {
		t.Errorf("%q, %q", h.Commands, h.Notes)
	}
}

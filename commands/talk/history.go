package talk

import (
	"strings"

	"slipway/bot/gate"
	"slipway/bot/run"
)

// said tells what people said in an event of a run: who voted what, and how; and what made a wait look.
func said(body any) string {
	switch ev := body.(type) {
	case run.Voted:
		if len(ev.Votes) == 0 {
			return " (nobody any more on that message)"
		}
		var who []string
		for _, v := range ev.Votes {
			name := string(v.Person)
			if name == "" {
				name = "the unknown account " + v.Account.String()
			}
			text := name + ": " + string(v.Kind)
			if ev.Message != "" {
				text += ", by a reaction"
			}
			if v.Reason != "" {
				text += " (" + v.Reason + ")"
			}
			who = append(who, text)
		}
		return " (" + strings.Join(who, "; ") + ")"
	case run.Withdrawn:
		kind := ev.Kind
		if kind == "" {
			kind = gate.Approve
		}
		return " (" + string(ev.Person) + " takes back: " + string(kind) + ")"
	case run.StepDone:
		if ev.Told != nil {
			return " (" + ev.Told.String() + ")"
		}
	case run.StepFailed:
		if ev.Told != nil {
			return " (" + ev.Told.String() + ")"
		}
	}
	return ""
}

package main

import (
	"context"
	"fmt"

	"slipway/bot/engine"
)

// absentGates finds open gates that cannot pass before somebody who is away is back. No private run is
// named.
func absentGates(ctx context.Context, p *patient) []symptom {
	all, err := p.bot.engine.AbsentGates(ctx, "")
	if err != nil {
		return unread(err)
	}
	return waitingForAbsent(all)
}

func waitingForAbsent(all []engine.AbsentGate) (out []symptom) {
	for i, g := range all {
		if i == toldMost {
			return append(out, symptom{fmt.Sprintf("and %d more", len(all)-toldMost), ""})
		}
		if g.Run == "" {
			out = append(out, symptom{"a gate of a private run waits for somebody who is away", "its circle knows which"})
			continue
		}
		out = append(out, symptom{fmt.Sprintf("%s of %s: %s", g.Gate, g.Name, g.Why), "let them name a stand-in: away until DATE stand-in NAME"})
	}
	return out
}

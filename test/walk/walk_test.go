package walk

import (
	"os"
	"testing"
	"time"

	"slipway/bot/rehearse"
)

func walkAll(t *testing.T, name string, o rehearse.Options, b rehearse.Bounds) rehearse.Stats {
	t.Helper()
	t0 := time.Now()
	stats, violations, err := rehearse.Walk(o, b)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %s, %s", name, stats, time.Since(t0))
	for _, v := range violations {
		t.Errorf("%s: %s", name, v)
	}
	return stats
}

// TestWalkOfTheRelease visits every state that a release can reach. What is walked whole is
// everything that can fail, be doubtful or be refused, up to two attempts of each step, in any
// combination; and, apart, one unasked command at every moment together with one thing that goes
// wrong before or after it. SLIPWAY_SOAK=1 takes two of those that go wrong, which takes minutes.
// With the race detector only the nearest states are visited.
func TestWalkOfTheRelease(t *testing.T) {
	t.Parallel()
	p, k := bundled(t)
	o := options(p, k)
	if raced {
		walkAll(t, "the first states", o, rehearse.Bounds{Troubles: 1, First: 1000})
		return
	}
	troubles := walkAll(t, "all that goes wrong", o, rehearse.Bounds{Commands: -1})
	o.Busy, o.Frozen = true, true
	walkAll(t, "the same, with locks held and a freeze", o, rehearse.Bounds{Commands: -1})
	o.Busy, o.Frozen = false, false
	most := 1
	if os.Getenv("SLIPWAY_SOAK") != "" {
		most = 2
	}
	commands := walkAll(t, "one unasked command", o, rehearse.Bounds{Troubles: most, States: 4_000_000})
	for _, outcome := range []string{"done", "rejected", "stuck"} {
		if troubles.Outcomes[outcome] == 0 {
			t.Errorf("no release ends as %s", outcome)
		}
	}
	if commands.Outcomes["aborted"] == 0 {
		t.Error("no release is aborted")
	}
}

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

// TestWalkOfTheRelease visits the states that a release can reach, with an archive and without
// one: all in which two things fail, are doubtful or are refused, at any two moments, up to two
// attempts of each step; all with one such thing while locks are held and a freeze is on; and,
// apart, those nearest to the start with one unasked command at every moment. SLIPWAY_SOAK=1 takes
// three of those that go wrong, and commands everywhere, which takes long. With the race detector
// only the nearest states are visited.
func TestWalkOfTheRelease(t *testing.T) {
	t.Parallel()
	p, k := bundled(t)
	o := options(p, k)
	if raced {
		walkAll(t, "the first states", o, rehearse.Bounds{Troubles: 1, First: 1000})
		return
	}
	most, near := 2, 3000
	if os.Getenv("SLIPWAY_SOAK") != "" {
		most, near = 3, 0
	}
	troubles := walkAll(t, "all that goes wrong", o, rehearse.Bounds{Commands: -1, Troubles: most, States: 4_000_000})
	o.Busy, o.Frozen = true, true
	walkAll(t, "the same, with locks held and a freeze", o, rehearse.Bounds{Commands: -1, Troubles: most - 1, States: 4_000_000})
	o.Busy, o.Frozen = false, false
	commands := walkAll(t, "one unasked command", o, rehearse.Bounds{Troubles: 1, First: near, States: 4_000_000})
	for _, outcome := range []string{"done", "rejected", "stuck"} {
		if troubles.Outcomes[outcome] == 0 {
			t.Errorf("no release ends as %s", outcome)
		}
	}
	if commands.Outcomes["aborted"] == 0 {
		t.Error("no release is aborted")
	}
}

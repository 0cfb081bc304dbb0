package walk

import (
	"maps"
	"os"
	"slices"
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

// projects are those whose releases are walked, each as it is.
func projects() map[string]map[string]any {
	return map[string]map[string]any{"without an archive": profile(), "with an archive": archived(), "of 2019": of2019(), "of today": today()}
}

// TestWalkOfTheRelease visits the states that a release of each kind of project can reach: all in which
// one thing fails, is doubtful or is refused, at any moment, up to two attempts of each step; those with
// two such things that are nearest to the start; of the project that has most of the steps all with one
// while locks are held and a freeze is on; and, apart, those nearest to the start with one unasked
// command at every moment. SLIPWAY_SOAK=1 takes all with two that go wrong, and commands
// everywhere, which takes long. With the race detector only the nearest states are visited.
func TestWalkOfTheRelease(t *testing.T) {
	t.Parallel()
	p, k := bundled(t)
	for _, name := range slices.Sorted(maps.Keys(projects())) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(p, k)
			o.Profile, o.Named = projects()[name], true
			walkProject(t, name, o)
		})
	}
}

func walkProject(t *testing.T, name string, o rehearse.Options) {
	if raced {
		walkAll(t, "the first states", o, rehearse.Bounds{Troubles: 1, First: 300})
		return
	}
	soak := os.Getenv("SLIPWAY_SOAK") != ""
	most, near := 2000, 400
	if soak {
		most, near = 0, 0
	}
	one := walkAll(t, "all in which one thing goes wrong", o, rehearse.Bounds{Commands: -1, Troubles: 1, States: 4_000_000})
	two := walkAll(t, "two things", o, rehearse.Bounds{Commands: -1, Troubles: 2, First: most, States: 4_000_000})
	if o.Profile["handover"] != "" { // who has most of the steps
		busy := o
		busy.Busy, busy.Frozen = true, true
		walkAll(t, "one, with locks held and a freeze", busy, rehearse.Bounds{Commands: -1, Troubles: 1, States: 4_000_000})
	}
	commands := walkAll(t, "one unasked command", o, rehearse.Bounds{Troubles: 1, First: near, States: 4_000_000})
	if one.Outcomes["done"] == 0 || one.Outcomes["rejected"] == 0 {
		t.Errorf("of the releases %s none ends as done, or none as rejected: %s", name, one)
	}
	if two.Outcomes["stuck"] == 0 { // with one thing it is tried again
		t.Errorf("no release %s is stuck: %s", name, two)
	}
	if commands.Outcomes["aborted"] == 0 {
		t.Errorf("no release %s is aborted", name)
	}
}

package walk

import (
	"os"
	"testing"

	"slipway/bot/rehearse"
)

func walkAll(t *testing.T, o rehearse.Options, b rehearse.Bounds, name string) rehearse.Stats {
	t.Helper()
	stats, violations, err := rehearse.Walk(o, b)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %s", name, stats)
	for _, v := range violations {
		t.Errorf("%s: %s", name, v)
	}
	return stats
}

func TestWalkOfTheRelease(t *testing.T) {
	p, k := bundled(t)
	o := options(p, k)
	walkAll(t, o, rehearse.Bounds{Commands: -1}, "without unasked commands")
	if os.Getenv("SLIPWAY_DBG") != "" {
		walkAll(t, o, rehearse.Bounds{Troubles: 1}, "one unasked command, one trouble")
	}
}

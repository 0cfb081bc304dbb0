package run

import (
	"slices"
	"strings"
	"testing"
)

func TestAStepThatIsStuckSaysThatTheConfigurationChanged(t *testing.T) {
	w := newWorld(t, gated)
	w.Start(map[string]any{"version": "1"}) // name lava, tag 2018.12
	now := map[string]any{"name": "lava", "tag": "2018.12", "other": 1}
	why := func(step string) []string {
		t.Helper()
		world := w.World()
		world.Profile = func(project string) map[string]any {
			if project != "lava" {
				t.Errorf("asked for %q", project)
			}
			return now
		}
		return Why(w.p, w.s, world, step).Lines
	}
	const said = "the configuration of lava changed since this run began (tag): `release migrate release/lava/1 --plan` shows the difference"
	says := func(step string, want bool) {
		t.Helper()
		if lines := why(step); slices.Contains(lines, said) != want {
			t.Errorf("why %s says %q", step, lines)
		}
	}
	now["tag"] = "2019.01"
	says("payload", false) // it is under way
	says("", false)
	w.Fail("payload", "denied")
	w.Want("payload", Stuck)
	says("payload", true)
	says("", true)
	says("go", false)
	now["tag"] = "2018.12"
	says("payload", false)
	says("", false)
	delete(now, "tag")
	says("payload", true)
	now = nil // no such project any more
	says("payload", false)
	if lines := Why(w.p, w.s, w.World(), "payload").Lines; strings.Contains(strings.Join(lines, "\n"), "configuration") {
		t.Errorf("where nobody knows the configuration: %q", lines)
	}
}

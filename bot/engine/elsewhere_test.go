package engine_test

import (
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/run"
)

// Whoever was made a member of a group after it was read counts, from the vote on.
func TestWhoWasMadeAMemberMeanwhileCounts(t *testing.T) {
	w, g := guildWorld(t, "lava", "U-maintainer-a")
	w.say("requester", "release 1.0")
	w.pass(10 * time.Second)
	g.set(nil, "U-maintainer-a", "U-maintainer-b")
	w.drain()
	if got := w.maintainers(); got != "maintainer-a" {
		t.Fatalf("before the vote the group is %q", got)
	}
	w.react("maintainer-b")
	w.drain()
	w.wantStep("1.0", "ship", run.Done)
	w.wantSound()
}

// A group is read again by itself, so that a new member who gives a command counts a little later;
// strangers who react again and again do not have it read each time.
func TestAGroupIsReadNowAndThen(t *testing.T) {
	w, g := guildWorld(t, "lava", "U-maintainer-a")
	g.set(nil, "U-maintainer-b")
	w.pass(2 * time.Minute)
	if got := w.maintainers(); got != "maintainer-b" {
		t.Fatalf("after two minutes the group is %q", got)
	}
	w.say("requester", "release 1.0")
	w.drain()
	before := g.count()
	for range 5 {
		w.react("outsider")
		w.drain()
	}
	if reads := g.count() - before; reads > 1 {
		t.Errorf("five votes of a stranger had the group read %d times", reads)
	}
	w.wantStep("1.0", "go", run.Running)
}

func (g *guild) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.reads
}

// guilds are two groups elsewhere, of which the first has no members.
type guilds struct{ *guild }

func (g guilds) Elsewhere() []engine.Role {
	return append([]engine.Role{{Project: g.project, Role: "auditor"}}, g.guild.Elsewhere()...)
}

// Whoever was made a member counts from the vote on, whatever other groups there are.
func TestWhoWasMadeAMemberCountsBesideAnotherGroup(t *testing.T) {
	w, g := guildWorld(t, "lava", "U-maintainer-a")
	before := w.cfg
	w.cfg = func(c *engine.Config) { before(c); c.People = guilds{g} }
	w.open()
	w.drain()
	w.say("requester", "release 1.0")
	w.pass(10 * time.Second)
	g.set(nil, "U-maintainer-a", "U-maintainer-b")
	w.react("maintainer-b")
	w.wantStep("1.0", "ship", run.Done)
}

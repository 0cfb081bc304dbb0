package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/evidence"
	"slipway/bot/people"
	"slipway/bot/run"
)

// guild is people of whom some hold their role as members of a group elsewhere.
type guild struct {
	staff
	mu      sync.Mutex
	project string
	members []string // accounts
	down    error
	reads   int
}

func (g *guild) People(ctx context.Context) ([]people.Person, []people.Grant, error) {
	persons, grants, err := g.staff.People(ctx)
	var own []people.Grant
	for _, x := range grants {
		if x.Role != "maintainer" {
			own = append(own, x)
		}
	}
	return persons, own, err
}

func (g *guild) Elsewhere() []engine.Role {
	return []engine.Role{{Project: g.project, Role: "maintainer"}}
}

func (g *guild) Again(_ context.Context, project, role string) ([]people.Grant, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if project != g.project || role != "maintainer" {
		return nil, nil
	}
	g.reads++
	if g.down != nil {
		return nil, g.down
	}
	var out []people.Grant
	for _, m := range g.members {
		out = append(out, people.Grant{ID: "group/" + m, Account: people.Account{Source: "chat", ID: m}, Role: role, Project: project})
	}
	return out, nil
}

func (g *guild) set(down error, members ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.down, g.members = down, members
}

func guildWorld(t *testing.T, project string, members ...string) (*world, *guild) {
	w := linkedWorld(t)
	g := &guild{staff: staff{gone: map[string]bool{}}, project: project, members: members}
	before := w.cfg
	w.cfg = func(c *engine.Config) { before(c); c.People = g }
	w.open()
	w.drain()
	return w, g
}

func (w *world) maintainers() string {
	var out []string
	for _, p := range w.e.World().Directory.Members("lava", "maintainer", w.clock.Now()) {
		out = append(out, string(p))
	}
	return strings.Join(out, " ")
}

func silent() error { return errs.E("chat", errs.Unavailable, fmt.Errorf("the chat does not answer")) }

// The members of a group elsewhere hold a role through their accounts; members whose account is nobody's
// hold nothing. Attack: who left the group approves before anybody noticed.
func TestAGroupElsewhereIsARole(t *testing.T) {
	for _, project := range []string{"lava", people.EveryProject} {
		w, g := guildWorld(t, project, "U-maintainer-a", "U-maintainer-b", "U-outsider")
		if got := w.maintainers(); got != "maintainer-a maintainer-b" {
			t.Fatalf("the group of %s is %q", project, got)
		}
		w.say("requester", "release 1.0")
		w.pass(time.Minute)
		g.set(nil, "U-maintainer-b")
		w.react("maintainer-a")
		w.pass(2 * time.Minute)
		w.wantStep("1.0", "go", run.Running)
		if text := w.why("1.0", "go"); !strings.Contains(text, "maintainer-a holds no role maintainer in lava") {
			t.Errorf("why: %s", text)
		}
		g.set(silent(), "U-maintainer-b")
		w.react("maintainer-b")
		w.pass(10 * time.Second)
		w.wantStep("1.0", "go", run.Running)
		if text := w.why("1.0", "go"); !strings.Contains(text, "the chat does not answer") {
			t.Errorf("why: %s", text)
		}
		g.set(nil, "U-maintainer-b")
		w.pass(3 * time.Minute)
		w.wantStep("1.0", "ship", run.Done)
		w.wantSound()
	}
}

// Attack 29: while the source of a role cannot be reached, nobody holds it, and a start waits for no
// source.
func TestAGroupThatCannotBeReadIsHeldByNobody(t *testing.T) {
	w, g := guildWorld(t, "lava", "U-maintainer-a")
	g.set(silent())
	w.open()
	w.drain()
	if got := w.maintainers(); got != "" || w.e.World().Directory.Unavailable("lava", "maintainer") == "" {
		t.Fatalf("held by %q", got)
	}
	w.say("requester", "release 1.0")
	w.react("maintainer-a")
	w.pass(10 * time.Second)
	w.wantStep("1.0", "go", run.Running)
	if text := w.why("1.0", "go"); !strings.Contains(text, "who holds maintainer in lava cannot be read now") {
		t.Errorf("why: %s", text)
	}
	g.set(nil, "U-maintainer-a")
	w.pass(2 * time.Minute)
	w.pass(2 * time.Minute)
	w.wantStep("1.0", "ship", run.Done)
	if err := w.e.ReloadPeople(context.Background()); err != nil || w.maintainers() != "maintainer-a" {
		t.Errorf("reading people again forgets the group: %q %v", w.maintainers(), err)
	}
}

// Attack: a member of the group whose account is nobody's becomes somebody's while a gate is open.
func TestARoleByALateLinkDoesNotCountInAnOpenGate(t *testing.T) {
	w, _ := guildWorld(t, "lava", "U-maintainer-a", "U-phone")
	w.say("requester", "release 1.0")
	w.pass(time.Minute)
	w.linked("manager", account("phone"))
	if got := w.maintainers(); got != "maintainer-a manager" {
		t.Fatalf("maintainers are %q", got)
	}
	w.react("manager") // an account that was known before
	w.pass(2 * time.Minute)
	w.wantStep("1.0", "go", run.Running)
	if text := w.why("1.0", "go"); !strings.Contains(text, "manager holds maintainer by account chat:U-phone, which was linked after this manifest was posted") {
		t.Errorf("why: %s", text)
	}
	w.say("requester", "release 2.0")
	w.pass(time.Minute)
	w.react("manager")
	w.pass(2 * time.Minute)
	w.wantStep("2.0", "ship", run.Done)
}

// Whoever counts by an older grant counts, and the evidence says by which, though a later link would give
// him the role too.
func TestTheEvidenceNamesTheGrantThatCounted(t *testing.T) {
	for _, delegated := range []bool{false, true} {
		w, _ := guildWorld(t, "lava", "U-maintainer-a", "U-phone")
		older := people.Grant{ID: "older", Person: "manager", Role: "maintainer", Project: people.EveryProject}
		if delegated {
			older.For, older.Project = "maintainer-a", "lava"
		}
		if err := w.e.Grant(context.Background(), older, engine.Once{}); err != nil {
			t.Fatal(err)
		}
		w.say("requester", "release 1.0")
		w.pass(time.Minute)
		w.linked("manager", account("phone"))
		w.react("manager")
		w.pass(2 * time.Minute)
		w.wantStep("1.0", "ship", run.Done)
		rep, err := evidence.Verify(bytes.NewReader(w.bundle("1.0", engine.EvidenceOptions{})), evidence.Options{Pinned: []evidence.Fingerprint{newLogKey(1).print()}})
		if err != nil {
			t.Errorf("delegated %t: %v", delegated, err)
			continue
		}
		for _, g := range rep.Claim.Gates[0].By[0].Grants {
			if g.Account == account("phone") {
				t.Errorf("delegated %t: it relies on %+v", delegated, g)
			}
		}
	}
}

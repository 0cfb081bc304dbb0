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

// registry says of accounts whether they count.
type registry struct {
	mu    sync.Mutex
	bad   map[string]string
	names map[string]string // what accounts are called
	down  error
	asked []string
}

func (r *registry) Standing(_ context.Context, a people.Account) (engine.Stands, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, a.ID)
	return engine.Stands{Counts: r.down == nil && r.bad[a.ID] == "", Why: r.bad[a.ID], Shown: r.names[a.ID]}, r.down
}

func (r *registry) set(account, why string, down error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = down
	if account != "" {
		r.bad[account] = why
	}
}

func standingWorld(t *testing.T) (*world, *registry) {
	r := &registry{bad: map[string]string{}}
	w := newWorld(t)
	w.cfg = func(c *engine.Config) {
		c.LogKey = newLogKey(1)
		c.Standings = map[string]engine.Standing{"chat": r}
	}
	w.open()
	w.say("requester", "release 1.0")
	w.pass(time.Minute)
	return w, r
}

// Attack: bots, guests, strangers and accounts that were switched off approve through an account that
// belongs to a person. They are looked at when the gate closes, not when they reacted.
func TestAccountsThatNeverCountDoNot(t *testing.T) {
	for _, why := range []string{"it is a bot", "it is a guest", "it is of another workspace", "it is deactivated"} {
		w, r := standingWorld(t)
		r.set("U-maintainer-a", why, nil)
		w.react("maintainer-a")
		w.pass(2 * time.Minute)
		w.wantStep("1.0", "go", run.Running)
		if text := w.why("1.0", "go"); !strings.Contains(text, "account chat:U-maintainer-a does not count: "+why) {
			t.Fatalf("why: %s", text)
		}
		w.react("maintainer-b")
		w.pass(2 * time.Minute)
		w.wantStep("1.0", "ship", run.Done)
		rep, err := evidence.Verify(bytes.NewReader(w.bundle("1.0", engine.EvidenceOptions{})), evidence.Options{Pinned: []evidence.Fingerprint{newLogKey(1).print()}})
		if err != nil || rep.Claim.Gates[0].By[0].Person != "maintainer-b" || !strings.Contains(strings.Join(rep.Claim.Gates[0].Refused, "\n"), why) {
			t.Fatalf("evidence: %+v %v", rep.Claim.Gates, err)
		}
	}
}

func TestAnAccountThatCountsAgainIsFound(t *testing.T) {
	w, r := standingWorld(t)
	r.set("U-maintainer-a", "it is a guest", nil)
	w.say("maintainer-a", "approve 1.0 go")
	w.pass(2 * time.Minute)
	w.wantStep("1.0", "go", run.Running)
	r.set("U-maintainer-a", "", nil)
	w.pass(16 * time.Minute)
	w.pass(2 * time.Minute)
	w.wantStep("1.0", "ship", run.Done)
}

// Away: nobody can tell whether the account counts, so the gate stays open and says so.
func TestAGateStaysOpenWhileNobodyKnowsWhoCounts(t *testing.T) {
	w, r := standingWorld(t)
	r.set("", "", errs.E("chat", errs.Unavailable, fmt.Errorf("the chat does not answer")))
	w.react("maintainer-a")
	w.pass(10 * time.Second)
	w.wantStep("1.0", "go", run.Running)
	if text := w.why("1.0", "go"); !strings.Contains(text, "whether account chat:U-maintainer-a still counts cannot be read now: the chat does not answer") {
		t.Fatalf("why: %s", text)
	}
	r.set("", "", nil)
	w.pass(2 * time.Minute)
	w.wantStep("1.0", "ship", run.Done)
}

// Attack: a source is kept busy by reactions of outsiders, and its silence about one whose vote does not
// count keeps nobody waiting.
func TestOnlyApprovalsThatCouldCountAreAskedAbout(t *testing.T) {
	w, r := standingWorld(t)
	for i := range 20 {
		w.react(fmt.Sprint("outsider-", i))
	}
	w.react("maintainer-a")
	w.pass(2 * time.Minute)
	w.wantStep("1.0", "ship", run.Done)
	if got := strings.Join(r.asked, " "); got != "U-maintainer-a" {
		t.Errorf("asked about %s", got)
	}
}

// Attack: while the closing read is under way, the approval that was looked at is taken back and another
// one is given, of which nobody asked.
func TestAnApprovalThatCameInBetweenIsLookedAtToo(t *testing.T) {
	w, r := standingWorld(t)
	r.set("U-maintainer-b", "it is a guest", nil)
	gate := w.room.titled(": gate go")[0].ref.Message
	swapped := false
	w.room.mu.Lock()
	w.room.reads = func() {
		w.room.mu.Lock()
		defer w.room.mu.Unlock()
		if !swapped { // the reading that follows is the closing one
			swapped = true
			w.room.reactions[gate] = []engine.Reaction{{Account: account("maintainer-b"), Emoji: "✅"}}
		}
	}
	w.room.mu.Unlock()
	w.react("maintainer-a")
	w.pass(5 * time.Minute)
	w.wantStep("1.0", "go", run.Running)
	if !swapped {
		t.Fatal("the reactions were not changed while they were read")
	}
	if text := w.why("1.0", "go"); !strings.Contains(text, "account chat:U-maintainer-b does not count: it is a guest") {
		t.Errorf("why: %s", text)
	}
}

// Attack: an account that does not count any more ends a gate with a no, by a reaction or by command. While
// nobody can tell whether it counts, the gate is neither rejected nor passed.
func TestANoIsAskedAboutToo(t *testing.T) {
	no := map[string]func(*world){
		"a reaction": func(w *world) { w.reactWith("❌", "maintainer-a") },
		"a command":  func(w *world) { w.say("maintainer-a", "reject 1.0 go") },
	}
	for what, say := range no {
		w, r := standingWorld(t)
		r.set("U-maintainer-a", "it is a guest", nil)
		say(w)
		w.pass(2 * time.Minute)
		w.wantStep("1.0", "go", run.Running)
		if text := w.why("1.0", "go"); !strings.Contains(text, "account chat:U-maintainer-a does not count: it is a guest") {
			t.Fatalf("%s: why: %s", what, text)
		}
		w.say("maintainer-b", "approve 1.0 go")
		w.pass(2 * time.Minute)
		w.wantStep("1.0", "ship", run.Done)

		w, r = standingWorld(t)
		r.set("", "", errs.E("chat", errs.Unavailable, fmt.Errorf("the chat does not answer")))
		say(w)
		w.pass(10 * time.Second)
		w.wantStep("1.0", "go", run.Running)
		if text := w.why("1.0", "go"); !strings.Contains(text, "whether account chat:U-maintainer-a still counts cannot be read now: the chat does not answer") {
			t.Fatalf("%s: why: %s", what, text)
		}
		r.set("", "", nil)
		w.pass(2 * time.Minute)
		w.wantStep("1.0", "go", run.FailedSt)
		rep, err := evidence.Verify(bytes.NewReader(w.bundle("1.0", engine.EvidenceOptions{})), evidence.Options{Pinned: []evidence.Fingerprint{newLogKey(1).print()}})
		if err != nil || rep.Claim.Gates[0].Ended != "rejected" || rep.Claim.Gates[0].By[0].Person != "maintainer-a" {
			t.Fatalf("%s: evidence: %+v %v", what, rep.Claim.Gates, err)
		}
		w.wantSound()
	}
}

// A no that was taken back before it was looked at ends nothing.
func TestANoThatIsTakenBackEndsNothing(t *testing.T) {
	w, r := standingWorld(t)
	r.set("", "", errs.E("chat", errs.Unavailable, fmt.Errorf("the chat does not answer")))
	w.reactWith("❌", "maintainer-a")
	w.pass(10 * time.Second)
	w.room.mu.Lock() // no event tells of it
	for m := range w.room.reactions {
		w.room.reactions[m] = nil
	}
	w.room.mu.Unlock()
	r.set("", "", nil)
	w.pass(2 * time.Minute)
	w.wantStep("1.0", "go", run.Running)
	w.react("maintainer-b")
	w.pass(2 * time.Minute)
	w.wantStep("1.0", "ship", run.Done)
}

// Attack: a role is held through a group by an account that does not count any more; the word is said by
// another account of the same person, which does.
func TestTheAccountInAGroupIsAskedAboutToo(t *testing.T) {
	for _, emoji := range []string{"✅", "❌"} {
		w, _ := guildWorld(t, "lava", "U-maintainer-a", "U-phone")
		r := &registry{bad: map[string]string{}}
		before := w.cfg
		w.cfg = func(c *engine.Config) { before(c); c.Standings = map[string]engine.Standing{"chat": r} }
		w.open()
		w.drain()
		w.linked("manager", account("phone"))
		w.say("requester", "release 1.0")
		w.pass(time.Minute)
		r.set("U-phone", "it is a guest", nil)
		w.reactWith(emoji, "manager")
		w.pass(2 * time.Minute)
		w.wantStep("1.0", "go", run.Running)
		if text := w.why("1.0", "go"); !strings.Contains(text, "manager holds maintainer by account chat:U-phone, which does not count: it is a guest") {
			t.Fatalf("%s: why: %s", emoji, text)
		}
		if got := w.maintainers(); got != "maintainer-a" {
			t.Errorf("maintainers are %s", got)
		}
		w.react("maintainer-a")
		w.pass(2 * time.Minute)
		w.wantStep("1.0", "ship", run.Done)
		if _, err := evidence.Verify(bytes.NewReader(w.bundle("1.0", engine.EvidenceOptions{})), evidence.Options{Pinned: []evidence.Fingerprint{newLogKey(1).print()}}); err != nil {
			t.Error(err)
		}
		w.wantSound()
	}
}

// Whoever is in the group by an account that was linked too late may still stand in for a member: then it is
// the member's account that is asked about, and the gate closes.
func TestTheAccountOfWhoIsStoodInForIsAskedAbout(t *testing.T) {
	w, _ := guildWorld(t, "lava", "U-maintainer-a", "U-phone")
	r := &registry{bad: map[string]string{}}
	before := w.cfg
	w.cfg = func(c *engine.Config) { before(c); c.Standings = map[string]engine.Standing{"chat": r} }
	w.open()
	w.drain()
	w.say("requester", "release 1.0")
	w.pass(time.Minute)
	w.linked("manager", account("phone"))
	err := w.e.Grant(context.Background(), people.Grant{ID: "d", Person: "manager", Role: "maintainer", Project: "lava", For: "maintainer-a"}, engine.Once{})
	if err != nil {
		t.Fatal(err)
	}
	r.set("", "", errs.E("chat", errs.Unavailable, fmt.Errorf("the chat does not answer")))
	w.react("manager")
	w.pass(10 * time.Second)
	w.wantStep("1.0", "go", run.Running)
	r.set("", "", nil)
	w.pass(2 * time.Minute)
	w.wantStep("1.0", "ship", run.Done)
	if !strings.Contains(strings.Join(r.asked, " "), "U-maintainer-a") {
		t.Errorf("asked about %s", r.asked)
	}
}

// A no is to what its sender saw, as an approval is.
func TestANoNamesItsManifest(t *testing.T) {
	w := newWorld(t)
	w.open()
	w.say("requester", "release 1.0")
	w.pass(time.Minute)
	w.say("maintainer-a", "reject 1.0 go sha256:0123456789abcdef")
	w.pass(time.Minute)
	w.wantStep("1.0", "go", run.Running)
	if len(w.posted("lava", "the gate go does not show sha256:0123456789abcdef")) != 1 {
		t.Error("nobody was told")
	}
	w.say("maintainer-a", "reject 1.0 go "+string(w.run("1.0").Steps["go"].Gate.Digest)[:23])
	w.pass(time.Minute)
	w.wantStep("1.0", "go", run.FailedSt)
}

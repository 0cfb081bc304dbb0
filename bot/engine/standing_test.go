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
	down  error
	asked []string
}

func (r *registry) Standing(_ context.Context, a people.Account) (bool, string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, a.ID)
	return r.down == nil && r.bad[a.ID] == "", r.bad[a.ID], r.down
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

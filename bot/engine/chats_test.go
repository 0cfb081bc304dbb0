package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/run"
)

// twoChats are projects that are shown in two chats.
type twoChats struct{ projects }

func (t twoChats) Project(name string) (engine.Project, bool) {
	p, ok := t.projects.Project(name)
	p.Places = []engine.Place{{Source: "away", ID: name}, {Source: "chat", ID: name}}
	return p, ok
}

// hung is a chat in which every edit hangs until somebody lets it go.
type hung struct {
	*room
	entered, free chan struct{}
}

func (h hung) Edit(ctx context.Context, ref engine.Ref, c card.Card) error {
	select {
	case h.entered <- struct{}{}:
	default:
	}
	select {
	case <-h.free:
	case <-ctx.Done():
		return ctx.Err()
	}
	return h.room.Edit(ctx, ref, c)
}

func twoChatWorld(t *testing.T, away engine.Poster) *world {
	w := newWorld(t)
	w.cfg = func(c *engine.Config) {
		c.Projects = twoChats{}
		c.Posters["away"] = away
	}
	w.open()
	return w
}

func newRoom() *room { return &room{reactions: map[string][]engine.Reaction{}} }

func (r *room) status(title string) string {
	posts := r.titled(title)
	if len(posts) == 0 {
		return ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.posts {
		if p.ref == posts[0].ref {
			return p.c.Status
		}
	}
	return ""
}

// A chat that hangs in the middle of an edit keeps the cards of no other waiting, of the same run or of
// others.
func TestAChatThatHangsKeepsNoOtherWaiting(t *testing.T) {
	h := hung{newRoom(), make(chan struct{}, 1), make(chan struct{})}
	w := twoChatWorld(t, h)
	for _, version := range []string{"1.0", "2.0"} {
		w.msgs++
		if err := w.deliver(wire{Who: "requester", Place: "lava", Message: version, Text: "release " + version}, version); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.e.Run(ctx) }()
	until := func(what string, so func() bool) {
		t.Helper()
		for limit := time.Now().Add(time.Minute); !so(); w.clock.pass(time.Second) {
			if time.Now().After(limit) {
				t.Fatalf("%s does not come about", what)
			}
		}
	}
	until("an edit that hangs", func() bool {
		select {
		case <-h.entered:
			return true
		default:
			return false
		}
	})
	for _, version := range []string{"1.0", "2.0"} {
		if err := w.deliver(wire{Who: "requester", Place: "lava", Message: "h" + version, Text: "hold " + version}, "h"+version); err != nil {
			t.Fatal(err)
		}
		until("the hold of "+version, func() bool { return strings.HasPrefix(w.room.status("card of release/lava/"+version), "held") })
	}
	if got := h.status("card of release"); strings.HasPrefix(got, "held") {
		t.Errorf("the chat that hangs shows %q", got)
	}
	close(h.free)
	until("the hold where it hung", func() bool { return strings.HasPrefix(h.status("card of release/lava/1.0"), "held") })
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if _, found := w.e.Turned()["cards/away"]; !found {
		t.Errorf("its loop is not known: %v", w.e.Turned())
	}
}

// Two chats show the same run at once, and each ends with what is so.
func TestTwoChatsShowOneRunAtOnce(t *testing.T) {
	away := newRoom()
	w := twoChatWorld(t, away)
	w.say("requester", "release 1.0")
	for _, text := range []string{"hold 1.0", "resume 1.0", "abort 1.0"} {
		w.clock.pass(time.Minute)
		if err := w.deliver(wire{Who: "requester", Place: "lava", Message: text, Text: text}, text); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- w.e.Run(ctx) }()
		want := map[string]string{"hold 1.0": "held", "resume 1.0": "live", "abort 1.0": "ended"}[text]
		for limit := time.Now().Add(time.Minute); !strings.HasPrefix(w.room.status("card of"), want) || !strings.HasPrefix(away.status("card of"), want); w.clock.pass(time.Second) {
			if time.Now().After(limit) {
				t.Fatalf("after %s: %q and %q", text, w.room.status("card of"), away.status("card of"))
			}
		}
		stop()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
	w.pass(2 * time.Minute)
	if n := w.rows("stale"); n > 0 {
		t.Errorf("%d cards of the ended run are still looked at", n)
	}
	w.wantSound()
}

// A chat that is away keeps the gate from no other, and has its message when it is back; it hears how
// the gate ended, and so does the other at once.
func TestAGateIsPutWhereItCanBe(t *testing.T) {
	away := newRoom()
	away.down = errs.E("away", errs.Unavailable, errors.New("it does not answer"))
	w := twoChatWorld(t, away)
	w.say("requester", "release 1.0")
	if n := len(w.room.titled(": gate go")); n != 1 {
		t.Fatalf("%d messages where it can be put", n)
	}
	away.mu.Lock()
	away.down = nil
	away.mu.Unlock()
	w.pass(20 * time.Minute)
	if there, here := len(away.titled(": gate go")), len(w.room.titled(": gate go")); there != 1 || here != 1 {
		t.Fatalf("%d messages there and %d here", there, here)
	}
	w.react("maintainer-a")
	w.pass(2 * time.Minute)
	w.wantStep("1.0", "ship", run.Done)
	w.wantSound()
}

// What a chat asked to wait for is waited for by its cards alone.
func TestAChatThatAsksToWaitIsLeftAlone(t *testing.T) {
	away := newRoom()
	w := twoChatWorld(t, away)
	w.say("requester", "release 1.0")
	asks := &waits{room: away}
	w.cfg = func(c *engine.Config) { c.Projects, c.Posters["away"] = twoChats{}, asks }
	w.open()
	w.pass(time.Minute)
	w.say("requester", "hold 1.0")
	ctx := context.Background()
	asks.tries = 0
	for range 20 {
		w.clock.pass(30 * time.Second)
		for _, source := range []string{"away", "chat"} {
			if _, _, err := w.e.CardsDue(ctx, source); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := w.room.status("card of"); !strings.HasPrefix(got, "held") {
		t.Errorf("the other chat shows %q", got)
	}
	if asks.tries > 2 {
		t.Errorf("it was asked %d times in the ten minutes that it asked for", asks.tries)
	}
}

// waits is a chat that asks to be left alone for ten minutes.
type waits struct {
	*room
	tries int
}

func (w *waits) Edit(context.Context, engine.Ref, card.Card) error {
	w.tries++
	return errs.E("away", errs.Busy, errors.New("it asks to wait")).AskedToWait(10 * time.Minute)
}

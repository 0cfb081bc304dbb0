package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/run"
)

// missed is a world in which a run waits and a gate is open, with what happens in twelve minutes in
// which nobody is at work: the wait is over, a maintainer approves, and two commands are said.
type missedWorld struct {
	*world
	told past
	down error // of the source that tells again
}

func (m *missedWorld) Since(ctx context.Context, from time.Time, deliver func(engine.Delivery) error) error {
	if m.down != nil {
		return m.down
	}
	return m.told.Since(ctx, from, deliver)
}

func missed(t *testing.T) *missedWorld {
	m := &missedWorld{world: newWorld(t, waitYAML)}
	m.cfg = func(c *engine.Config) { c.Past = map[string]engine.Past{"chat": m} }
	m.open()
	m.say("requester", "release 2019.01")
	m.say("requester", "timed 1.0")
	m.pass(time.Minute)
	m.clock.pass(6 * time.Minute) // nobody is at work
	m.set("green")
	msg := m.room.titled(": gate go")[0].ref.Message
	m.room.mu.Lock()
	m.room.reactions[msg] = []engine.Reaction{{Account: account("maintainer-a"), Emoji: "✅"}}
	m.room.mu.Unlock()
	for i, text := range []string{"timed 4.0", "what a fine day", "release 2019.02"} {
		id := fmt.Sprint("missed-", i)
		body, err := json.Marshal(wire{Who: "requester", Place: "lava", Message: id, Text: text})
		if err != nil {
			t.Fatal(err)
		}
		m.told = append(m.told, engine.Delivery{Source: "chat", ID: id, Place: "lava", Body: body, At: m.clock.Now()})
	}
	m.clock.pass(6 * time.Minute)
	return m
}

// back is a start that reads back what was missed.
func (m *missedWorld) back() {
	m.t.Helper()
	m.open()
	m.drain()
	if _, err := m.e.ReadBack(context.Background()); err != nil {
		m.t.Fatal(err)
	}
	m.pass(time.Second)
	m.pass(time.Second)
}

// wantNotice wants one notice in the channel, with these lines.
func (m *missedWorld) wantNotice(title string, lines ...string) {
	m.t.Helper()
	posts := m.room.titled("I was away")
	if len(posts) != 1 || posts[0].c.Title != title || posts[0].ref.Place.ID != "lava" {
		m.t.Fatalf("told: %+v", posts)
	}
	text := ""
	if len(posts[0].c.Blocks) > 0 {
		text = posts[0].c.Blocks[0].Text
	}
	if want := strings.Join(lines, "\n"); text != want {
		m.t.Fatalf("the notice says\n%s\nnot\n%s", text, want)
	}
}

var recovered = []string{"• a command (2)", "• release/lava/2019.01: the reactions on go", "• timed/lava/1.0: it is done"}

func TestWhatWasMissedIsReadBackAndTold(t *testing.T) {
	m := missed(t)
	m.back()
	m.wantNotice("I was away 12 min; 4 events recovered", recovered...)
	m.wantStep("1.0", "it", run.Done)
	m.wantStep("2019.01", "go", run.Done)
	m.run("2019.02")
	m.run("4.0")
	m.wantSound()
	m.back()
	m.pass(time.Hour)
	m.wantNotice("I was away 12 min; 4 events recovered", recovered...)
	left := 0
	if err := m.store.Scan(context.Background(), "meta", "back", "bacl", false, func(string, []byte) bool { left++; return true }); err != nil || left > 0 {
		t.Fatalf("%d records are left, %v", left, err)
	}
}

// Killed while it makes up for the absence, at any point the first or the last time that it is passed,
// the next process tells the same, once.
func TestKilledWhileComingBack(t *testing.T) {
	work := func(m *missedWorld) {
		m.open()
		m.drain()
		if _, err := m.e.ReadBack(context.Background()); err != nil {
			t.Fatal(err)
		}
		for range 4 {
			m.pass(time.Second)
		}
	}
	hits := map[string]int{}
	m := missed(t)
	m.point = func(name string) { hits[name]++ }
	work(m)
	for at, n := range hits {
		if !strings.HasPrefix(at, "back") && !strings.HasPrefix(at, "inbox") && !strings.HasPrefix(at, "decode") && !strings.HasPrefix(at, "touch") &&
			!strings.Contains(at, "notice") && !strings.Contains(at, "read_reactions") && !strings.Contains(at, "test.state") {
			continue
		}
		for _, nth := range slices.Compact([]int{1, n}) {
			m := missed(t)
			m.killedAt(at, nth, func() { work(m) })
			m.back()
			for range 4 {
				m.pass(2 * time.Minute) // settle times
			}
			m.wantNotice("I was away 12 min; 4 events recovered", recovered...)
			m.wantStep("1.0", "it", run.Done)
			m.wantStep("2019.01", "ship", run.Done)
			m.wantApplied("test.lookup 2019.01", 1)
			m.wantSound()
		}
	}
	for _, want := range []string{"back/before-commit", "back/gates/after-commit", "back/read/before-commit", "back/told/after-commit",
		"back/end/before-commit", "effect/slipway.notice@1/after-do", "inbox/after-commit"} {
		if hits[want] == 0 {
			t.Errorf("%s is not passed", want)
		}
	}
}

// killedAt runs f, which dies the nth time that a crash point is passed, or comes to its end.
func (w *world) killedAt(at string, nth int, f func()) {
	w.point = func(name string) {
		if name == at {
			if nth--; nth == 0 {
				panic(crash{name})
			}
		}
	}
	defer func() {
		w.point = nil
		if p := recover(); p != nil {
			if _, died := p.(crash); !died {
				panic(p)
			}
		}
	}()
	f()
}

// A source that cannot be reached is named when it has been waited for, and is read when it is back.
func TestASourceThatCannotBeReadBackYet(t *testing.T) {
	m := missed(t)
	m.down = errs.E("chat", errs.Unavailable, errors.New("it does not answer"))
	m.open()
	m.drain()
	for range 3 {
		if _, err := m.e.ReadBack(context.Background()); !errs.Is(err, errs.Unavailable) {
			t.Fatal(err)
		}
		m.pass(30 * time.Second)
	}
	if n := len(m.room.titled("I was away")); n != 0 {
		t.Fatalf("told %d times", n)
	}
	m.pass(time.Minute)
	m.wantNotice("I was away 12 min; 2 events recovered", append(recovered[1:3:3], "What was said meanwhile on chat cannot be read yet; it is tried again.")...)
	m.down = nil
	m.open() // it is still to be read, also for the next process
	if n, err := m.e.ReadBack(context.Background()); err != nil || n != 3 {
		t.Fatalf("%d were new, %v", n, err)
	}
	m.drain()
	m.run("2019.02")
	m.pass(time.Minute)
	if n := len(m.room.titled("I was away")); n != 1 {
		t.Fatalf("told %d times", n)
	}
}

// A short stop is not told, and a long one is, also when nothing was missed; but not to those who have
// nothing under way, and not of private runs.
func TestWhoIsToldOfAnAbsence(t *testing.T) {
	for _, c := range []struct {
		gap  time.Duration
		say  string
		want string
	}{
		{30 * time.Second, "release 2019.01", ""},
		{5 * time.Minute, "release 2019.01", ""},
		{3 * time.Hour, "release 2019.01", "I was away 3 h 0 min; I have found nothing that I missed"},
		{3 * time.Hour, "secret 9.9", ""},
		{3 * time.Hour, "", ""},
	} {
		w := newWorld(t)
		w.open()
		if c.say != "" {
			w.say("requester", c.say)
		}
		w.pass(time.Minute)
		w.clock.pass(c.gap)
		w.open()
		w.drain()
		w.pass(3 * time.Minute)
		posts := w.room.titled("I was away")
		if c.want == "" && len(posts) > 0 || c.want != "" && (len(posts) != 1 || posts[0].c.Title != c.want) {
			t.Errorf("after %s with %q: %+v", c.gap, c.say, posts)
		}
	}
}

// A restore tells of itself, and is no absence.
func TestARestoreIsNoAbsence(t *testing.T) {
	m := missed(t)
	b := m.backup()
	m.restore(b)
	if _, err := m.e.ReadBack(context.Background()); err != nil {
		t.Fatal(err)
	}
	m.resume()
	m.pass(time.Hour)
	if n := len(m.room.titled("I was away")); n != 0 {
		t.Fatalf("told %d times", n)
	}
	if n := len(m.room.titled("was restored from a backup")); n == 0 {
		t.Fatal("nobody is told of the restore")
	}
}

package run

import (
	"strings"
	"testing"
	"time"

	"slipway/bot/gate"
	"slipway/bot/manifest"
	"slipway/bot/people"
)

// A source that says whether accounts count is asked about every one that counts before the gate closes.
func TestAGateClosesOnAccountsThatWereLookedAt(t *testing.T) {
	w := open(t)
	w.React("go", "maintainer-a")
	g := w.s.Steps["go"].Gate
	account := g.Votes[0].Account
	read := func(n int) Closing {
		return Closing{Step: "go", Number: n, Clean: true, Messages: []string{"msg-1"}, Votes: g.Votes, Asks: []string{account.Source}}
	}
	w.Do(read(1)) // nobody asked about it
	if n := w.s.Steps["go"].Gate.Closing; n != 2 {
		t.Fatalf("closing %d", n)
	}
	c := read(2)
	c.Stood = []people.Account{{Source: account.Source, ID: "somebody else"}}
	w.Do(c)
	if n := w.s.Steps["go"].Gate.Closing; n != 3 {
		t.Fatalf("closing %d", n)
	}
	c = read(3)
	c.Unread = []Unread{{account, "the chat does not answer"}}
	w.Do(c)
	if g := w.s.Steps["go"].Gate; g.Closing != 0 || g.RetryAt.IsZero() || !strings.Contains(g.Note, "still counts cannot be read now: the chat does not answer") {
		t.Fatalf("gate %+v", g)
	}
	w.now = w.now.Add(closingPause)
	w.Do(TimerFired{"closing/go"})
	c = read(4)
	c.Stood = []people.Account{{Source: account.Source, ID: account.ID, Handle: "another name"}}
	w.Do(c)
	w.Want("go", Done)
}

// TestGoldenHistoryOfGates is a log in which gates say when they were opened, beside one of before, which
// does not: it counts as asked since the step began to wait.
func TestGoldenHistoryOfGates(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var events []Event
	put := func(step string, opened bool) {
		now := at.Add(time.Duration(len(events)) * time.Second)
		m := manifest.Manifest{Run: "r", Gate: step, Number: 1, Binds: []manifest.Bind{{Name: "x", Value: "1"}}}
		b := GateOpened{Step: step, Digest: "sha256:1", Manifest: m}
		if opened {
			b.Opened = now
		}
		events = append(events, Event{At: now, Body: b})
	}
	for _, step := range []string{"old", "new"} {
		events = append(events, Event{At: at.Add(time.Duration(len(events)) * time.Second), Body: StepStarted{Step: step, Attempt: 1, Digest: "sha256:d"}})
		put(step, step == "new")
	}
	events = append(events, Event{At: at.Add(4 * time.Second), Body: Voted{Step: "new", Message: "m", Votes: []gate.Vote{{Kind: gate.Approve, Person: "a", Account: people.Account{Source: "slack", ID: "T1/U1"}, Manifest: "sha256:1", Message: "m", At: at}}}})
	goldenHistory(t, "history-4", events)
	s := (*State)(nil).Replay(events)
	for step, want := range map[string]time.Time{"old": at, "new": at.Add(3 * time.Second)} {
		if got := s.Steps[step].Asked(); !got.Equal(want) {
			t.Errorf("%s was asked at %s, not %s", step, got, want)
		}
	}
}

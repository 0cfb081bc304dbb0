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
	w.asks = []string{"console"}
	w.React("go", "maintainer-a")
	g := w.s.Steps["go"].Gate
	account := g.Votes[0].Account
	read := func(n int) Closing {
		return Closing{Step: "go", Number: n, Clean: true, Messages: []string{"msg-1"}, Votes: g.Votes}
	}
	w.Do(read(1)) // nobody asked about it
	if n := w.s.Steps["go"].Gate.Closing; n != 2 {
		t.Fatalf("closing %d", n)
	}
	c := read(2)
	c.Stood = []people.Account{{Source: account.Source, ID: "somebody else"}}
	w.Do(c)
	if g := w.s.Steps["go"].Gate; g.Closing != 0 || !g.RetryAt.Equal(w.now.Add(closingPause)) || !strings.Contains(g.Note, "not every account was asked about") {
		t.Fatalf("gate %+v", g) // what never fits is not read without a pause
	}
	w.now = w.now.Add(closingPause)
	w.Do(TimerFired{"closing/go"})
	c = read(3)
	c.Clean = false // something came, so the one that follows is a first one again
	w.Do(c)
	w.Do(read(4))
	if n := w.s.Steps["go"].Gate.Closing; n != 5 {
		t.Fatalf("closing %d", n)
	}
	c = read(5)
	c.Unread = []Unread{{account, "the chat does not answer"}}
	w.Do(c)
	if g := w.s.Steps["go"].Gate; g.Closing != 0 || g.RetryAt.IsZero() || !strings.Contains(g.Note, "still counts cannot be read now: the chat does not answer") {
		t.Fatalf("gate %+v", g)
	}
	w.now = w.now.Add(closingPause)
	w.Do(TimerFired{"closing/go"})
	c = read(6)
	c.Stood = []people.Account{{Source: account.Source, ID: account.ID, Handle: "another name"}}
	w.Do(c)
	w.Want("go", Done)
}

// Attack: somebody whose account does not count any more ends a gate with a no. A no is final, so it is
// asked about as an approval is; while nobody can tell, the gate is neither rejected nor passed.
func TestANoIsLookedAtBeforeItEndsAGate(t *testing.T) {
	begin := func(asks ...string) (*world, gate.Vote) {
		w := open(t)
		w.asks = asks
		no := w.vote("maintainer-a", "go", gate.Reject, "")
		w.Do(Vote{Step: "go", Vote: no})
		return w, no
	}
	w, _ := begin("slack")
	w.WantOutcome("rejected") // no source says anything of this account

	w, no := begin("console")
	w.Want("go", Running)
	if why := w.why("go"); !strings.Contains(why, "somebody said no; who did, and whether that counts, is being read again") {
		t.Fatalf("why: %s", why)
	}
	yes := w.vote("maintainer-b", "go", gate.Approve, "")
	w.Do(Vote{Step: "go", Vote: yes})
	w.Do(Closing{Step: "go", Number: 1, Clean: true}) // nobody asked
	w.Do(Closing{Step: "go", Number: 2, Clean: true, Stood: []people.Account{yes.Account}})
	w.Want("go", Running)
	w.now = w.now.Add(closingPause)
	w.Do(TimerFired{"closing/go"})
	unread := []Unread{{no.Account, "the chat does not answer"}}
	w.Do(Closing{Step: "go", Number: 3, Clean: true, Unread: unread})
	if g := w.s.Steps["go"].Gate; w.s.Steps["go"].Status != Running || g.Closing != 0 || g.RetryAt.IsZero() || !strings.Contains(g.Note, "still counts cannot be read now: the chat does not answer") {
		t.Fatalf("gate %+v", g)
	}
	w.now = w.now.Add(closingPause)
	w.Do(TimerFired{"closing/go"})
	w.Do(Closing{Step: "go", Number: 4, Unavailable: "the directory does not answer"})
	if g := w.s.Steps["go"].Gate; !strings.Contains(g.Note, "the answers could not be read again: the directory does not answer") {
		t.Fatalf("gate %+v", g)
	}
	w.now = w.now.Add(closingPause)
	w.Do(TimerFired{"closing/go"})
	more := w.vote("maintainer-b", "go", gate.Reject, "")
	w.Do(Vote{Step: "go", Vote: more})
	w.Do(Closing{Step: "go", Number: 5, Clean: false, Unread: unread, Stood: []people.Account{more.Account}}) // something came meanwhile
	w.Want("go", Running)
	w.Do(Closing{Step: "go", Number: 6, Clean: true, Unread: unread, Stood: []people.Account{more.Account}}) // one that counts is enough
	w.WantOutcome("rejected")

	w, no = begin("console")
	w.barred = []people.Barred{{Account: no.Account, Why: "it is a guest"}}
	w.Do(Closing{Step: "go", Number: 1, Clean: true, Stood: []people.Account{no.Account}})
	w.Want("go", Running)
	if note := w.s.Steps["go"].Gate.Note; !strings.Contains(note, "what would have closed it no longer stands") || !strings.Contains(note, "it is a guest") {
		t.Fatalf("note: %s", note)
	}
	yes = w.vote("maintainer-b", "go", gate.Approve, "")
	w.Do(Vote{Step: "go", Vote: yes})
	w.Do(Closing{Step: "go", Number: 2, Clean: true, Stood: []people.Account{yes.Account}})
	w.Want("go", Done)
}

// Attack: somebody votes through an account of which nobody says anything, and holds the role by one in a
// group that does not count any more.
func TestTheAccountInAGroupIsLookedAtToo(t *testing.T) {
	for _, kind := range []gate.VoteKind{gate.Approve, gate.Reject} {
		w := open(t)
		w.asks = []string{"slack"}
		phone := people.Account{Source: "slack", ID: "T1/U1"}
		for i := range w.grants {
			if w.grants[i].Person == "maintainer-a" {
				w.grants[i].Account = phone
			}
		}
		w.Do(Vote{Step: "go", Vote: w.vote("maintainer-a", "go", kind, "")})
		w.Do(Closing{Step: "go", Number: 1, Clean: true}) // nobody asked about it
		if n := w.s.Steps["go"].Gate.Closing; n != 2 {
			t.Fatalf("%s: closing %d", kind, n)
		}
		w.barred = []people.Barred{{Account: phone, Why: "it is a guest"}}
		w.Do(Closing{Step: "go", Number: 2, Clean: true, Stood: []people.Account{phone}})
		w.Want("go", Running)
		if why := w.why("go"); !strings.Contains(why, "maintainer-a holds maintainer by account slack:T1/U1, which does not count: it is a guest") {
			t.Errorf("%s: %s", kind, why)
		}
	}
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

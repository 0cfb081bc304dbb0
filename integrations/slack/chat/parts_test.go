package chat

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"slipway/bot/card"
	"slipway/bot/errs"
	fake "slipway/test/fakes/slack"
)

// longAnswer is a card of several messages.
func longAnswer() card.Card {
	c := card.Card{Key: "l", Title: "Here it is.", Mentions: []string{"hana"}}
	for i := range 9 {
		c.Blocks = append(c.Blocks, card.Block{Text: fmt.Sprintf("part %d: ", i) + strings.Repeat("word and word ", 190)})
	}
	return c
}

// boundGate is an open gate by which more is approved than one message can show.
func boundGate(verdict int, mentions ...string) card.Card {
	g := gateMessage()
	g.Bound, g.Verdict, g.Mentions = nil, nil, mentions
	for i := range 60 {
		g.Bound = append(g.Bound, card.Field{Name: fmt.Sprintf("bound %02d", i), Value: strings.Repeat(fmt.Sprintf("v%02d ", i), 60)})
	}
	for i := range verdict {
		g.Verdict = append(g.Verdict, fmt.Sprintf("✗ somebody %d does not count", i))
	}
	return g.Card()
}

// engine posts as the engine does: what may have been lost is looked for first.
func (y *yard) engine(key string, to Ref, c card.Card, lost bool) Ref {
	y.Helper()
	for range 20 {
		var ref Ref
		found, err := false, error(nil)
		if lost {
			ref, found, err = y.poster.Find(y.Context(), key, to, time.Time{})
		}
		if err == nil && !found {
			ref, err = y.poster.Post(y.Context(), key, to, c)
		}
		if err == nil {
			return ref
		}
		lost = true
		y.later(errs.After(err))
	}
	y.Fatal("it is never posted")
	return Ref{}
}

// once says that every message of a card is there once, in the right thread, and that nothing of it is missing.
func (y *yard) once(ref Ref, key, thread string, c card.Card) {
	y.Helper()
	_, all, _ := whole(c, y.poster.voice(false))
	parts := y.poster.partsOf(key, c, false)
	seen, got := map[string]int{}, ""
	for _, m := range y.fake.Ours(y.channel) {
		k := m.Key("key")
		if k != key && !strings.HasPrefix(k, key+"/") {
			continue
		}
		seen[k]++
		got += fmt.Sprint(m.Blocks)
		if k == key && m.TS != ref.Message || k != key && m.Thread != thread {
			y.Errorf("%s stands in the thread %q", k, m.Thread)
		}
	}
	if len(parts) < 2 || len(seen) != len(parts) {
		y.Errorf("%d messages of %d: %v", len(seen), len(parts), seen)
	}
	for k, n := range seen {
		if n != 1 {
			y.Errorf("%s stands there %d times", k, n)
		}
	}
	for _, w := range strings.Fields(all) {
		if strings.HasPrefix(w, "v0") && !strings.Contains(got, w) {
			y.Errorf("%q is missing", w)
		}
	}
	if n, want := strings.Count(got, "word"), strings.Count(all, "word"); n != want {
		y.Errorf("%d of %d words are there", n, want)
	}
}

// Whatever is lost on the way, all of a long message is there in the end, and nothing of it twice.
func TestNothingOfALongMessageIsLost(t *testing.T) {
	for _, how := range []fake.Kind{fake.Reset, fake.BadGatewayAfter, fake.TooMany} {
		for after := range 3 { // messages that go well before it
			for _, thread := range []bool{false, true} {
				y := newYard(t)
				to := y.room()
				if thread {
					to.Thread = y.post("card-1", to, live()).Message
				}
				for name, c := range map[string]card.Card{"answer": longAnswer(), "gate": boundGate(2, "hana")} {
					y.later(time.Minute)
					y.fake.Fault(fake.Fault{Method: "chat.postMessage", Skip: after, Do: how})
					ref := y.engine(name, to, c, false)
					below := to.Thread
					if !thread {
						below = ref.Message
					}
					if y.once(ref, name, below, c); t.Failed() {
						t.Fatalf("%s, %s after %d, in a thread %v", name, how, after, thread)
					}
					if again := y.engine(name, to, c, true); again != ref || y.fake.ClearFaults() > 0 {
						t.Fatalf("it is looked for, and %+v is not %+v", again, ref)
					}
				}
			}
		}
	}
}

// A process that ends between two messages is followed by one that goes on from there, whether that one ends
// between looking and posting or not.
func TestAnotherProcessGoesOn(t *testing.T) {
	y := newYard(t)
	c := longAnswer()
	ctx, end := context.WithCancel(y.Context())
	y.fake.Fault(fake.Fault{Method: "chat.postMessage", Skip: 1, Do: fake.Reset})
	if _, err := y.poster.Post(ctx, "a", y.room(), c); err == nil {
		t.Fatal("nothing broke")
	}
	end()
	for range 3 {
		y.poster = NewPoster(y.poster.o)
		if _, found, err := y.poster.Find(y.Context(), "a", y.room(), time.Time{}); found || err != nil {
			t.Fatalf("half of it is taken for the whole: %v, %v", found, err)
		}
	}
	y.poster = NewPoster(y.poster.o)
	ref := y.engine("a", y.room(), c, true)
	if y.once(ref, "a", ref.Message, c); len(y.poster.halves) > 0 {
		t.Errorf("%d are remembered", len(y.poster.halves))
	}
}

// What changed between two tries is shown as it is now.
func TestAHalfThatIsOldIsBroughtUpToDate(t *testing.T) {
	y := newYard(t)
	old, c := longAnswer(), longAnswer()
	c.Blocks[0].Text, c.Blocks[8].Text = "now "+c.Blocks[0].Text, "now "+c.Blocks[8].Text
	last := len(y.poster.partsOf("a", old, false)) - 1
	y.fake.Fault(fake.Fault{Method: "chat.postMessage", Skip: last, Do: fake.Reset})
	if _, err := y.poster.Post(y.Context(), "a", y.room(), old); err == nil {
		t.Fatal("nothing broke")
	}
	y.later(time.Minute)
	ref := y.engine("a", y.room(), c, true)
	y.once(ref, "a", ref.Message, c)
	if all := y.says(ref) + y.below(ref); !strings.Contains(all, "now part 0") || !strings.Contains(all, "now part 8") {
		t.Errorf("it is not as it is now: %s", all)
	}
}

func TestWhatFollowsGoesIntoTheThreadThatThereIs(t *testing.T) {
	for _, how := range []fake.Kind{"", fake.ResetAfter} {
		y := newYard(t)
		to := y.room()
		to.Thread = "1700000000.000100" // it is gone
		if how != "" {
			y.fake.Fault(fake.Fault{Method: "chat.postMessage", Skip: 2, Do: how})
		}
		ref, err := y.poster.Post(y.Context(), "a", to, longAnswer())
		if how != "" {
			ref = y.engine("a", to, longAnswer(), true)
		} else {
			y.ok(err)
		}
		y.once(ref, "a", ref.Message, longAnswer())
	}
}

// A part that Slack does not take is not left out without a word, and does not keep the others back.
func TestAPartThatIsRefusedIsNamed(t *testing.T) {
	y := newYard(t)
	y.fake.Fault(fake.Fault{Method: "chat.postMessage", Skip: 1, Do: fake.Refuse, Error: "msg_blocks_too_long"})
	ref := y.post("a", y.room(), longAnswer())
	if below := y.below(ref); !strings.Contains(below, "Look at the page of the run") || !strings.Contains(below, "part 8") {
		t.Errorf("below it stands %s", below)
	}
	if _, found, err := y.poster.Find(y.Context(), "a", y.room(), time.Time{}); !found || err != nil {
		t.Errorf("got %v, %v", found, err)
	}
}

// What Slack does not take whole is completed in the form in which it was begun.
func TestTheShortFormIsCompleted(t *testing.T) {
	y := newYard(t)
	c := boundGate(0)
	y.fake.Fault(fake.Fault{Method: "chat.postMessage", Do: fake.Refuse, Error: "msg_blocks_too_long"})
	y.fake.Fault(fake.Fault{Method: "chat.postMessage", Skip: 1, Do: fake.Reset})
	ref := y.engine("a", y.room(), c, false)
	want := y.poster.partsOf("a", c, true)
	n := 0
	for _, m := range y.fake.Ours(y.channel) {
		if strings.HasPrefix(m.Key("key"), "a/") {
			n++
		}
	}
	if below := y.below(ref); n != len(want)-1 || !strings.Contains(below, "v00") || !strings.Contains(below, "v59") {
		t.Errorf("%d of %d messages follow: %s", n, len(want)-1, below)
	}
}

// Nobody approves what a message does not show any more: however many vote and are awaited, what was bound
// stays where it stood when it was posted, and what followed then is left alone.
func TestAnEditTakesNothingAwayThatIsApproved(t *testing.T) {
	y := newYard(t)
	ref := y.post("gate/m1", y.room(), boundGate(0))
	shown := strings.Count(y.says(ref), "bound ")
	below := y.below(ref)
	var all []string
	for i := range 40 {
		all = append(all, fmt.Sprintf("p%02d", i))
	}
	y.poster.o.Accounts = func(person string) []string {
		return []string{"T0HARBOUR/U0ABCDEFGHIJKLMNOP" + strings.ToUpper(person)}
	}
	y.later(time.Minute)
	y.ok(y.poster.Edit(y.Context(), ref, boundGate(60, all...)))
	says := y.says(ref)
	if n := strings.Count(says, "bound "); n != shown || n < 20 || y.below(ref) != below || below == "" {
		t.Errorf("%d values are shown of %d", n, shown)
	}
	if !strings.Contains(says, "U0ABCDEFGHIJKLMNOP") || !strings.Contains(says, "when it was posted is in the thread") {
		t.Errorf("got %s", says)
	}
}

// A look begins where the message can be at the earliest, in a thread too, and so costs no more than it must.
func TestALookBeginsWhereTheMessageCanBe(t *testing.T) {
	y := newYard(t)
	top := y.post("card-1", y.room(), live())
	in := y.room()
	in.Thread = top.Message
	for range 450 {
		y.fake.Say(y.hana.ID, y.channel, "talk", top.Message)
	}
	y.later(time.Hour)
	since := y.Now()
	ref := y.post("a", in, card.Card{Key: "a", Title: "Done."})
	before := y.fake.Asked("conversations.replies")
	got, found, err := y.poster.Find(y.Context(), "a", in, since)
	if y.ok(err); !found || got != ref || y.fake.Asked("conversations.replies") != before+1 {
		t.Errorf("got %v, %v after %d requests", got, found, y.fake.Asked("conversations.replies")-before)
	}
}

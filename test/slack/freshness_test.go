package slack

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/run"
	"slipway/commands/talk"
	fake "slipway/test/fakes/slack"
)

// What is promised of a card on Slack.
const (
	oldest = 5 * time.Second // it says what the card of the console said at most so long ago
	quiet  = 3 * time.Second // it says what the card of the console says, when no card in the channel changed for so long
)

// course is what happens in one simulation.
type course struct {
	seed  uint64
	runs  int
	every time.Duration // between two edits of a card; 0: as usual
	rough bool          // Slack asks to wait now and then, and answers are lost
}

// TestFreshness: whatever happens to up to four runs and their gates in a channel, the card on Slack is
// never older than promised.
func TestFreshness(t *testing.T) {
	t.Parallel()
	for seed := range uint64(freshSeeds) {
		for runs := 1; runs <= 4; runs++ {
			c := course{seed: seed, runs: runs, rough: (seed+uint64(runs))%2 == 1}
			t.Run(fmt.Sprintf("%d_runs_%d", runs, seed), func(t *testing.T) {
				for i, late := range sails(t, c) {
					if t.Error(late); i > 5 {
						break
					}
				}
			})
		}
	}
}

// TestASlowerPaceIsSeen: with a longer pause between edits the same is not so.
func TestASlowerPaceIsSeen(t *testing.T) {
	t.Parallel()
	if late := sails(t, course{runs: 1, every: 8 * time.Second}); len(late) == 0 {
		t.Error("nobody sees that cards are edited every 8 s only")
	}
}

// sails lets time pass until all runs have ended, and gives every moment at which the promise was broken.
func sails(t *testing.T, c course) (late []string) {
	w := newSea(t, c.seed)
	synctest.Test(t, func(t *testing.T) {
		w.t = t
		w.open(c.every)
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { w.ok(w.e.Run(ctx)) })
		late = w.watch(c)
		cancel()
		all.Wait()
	})
	return late
}

const tick = 100 * time.Millisecond

// watch lets things happen for a while, and looks at all cards ten times a second.
func (w *sea) watch(c course) (late []string) {
	w.t.Helper()
	r := rand.New(rand.NewPCG(c.seed, 3))
	var ids []string
	began := time.Now()
	seqs := map[string]string{}
	for at := time.Duration(0); at < lasts; at += tick {
		if len(ids) < c.runs && at >= time.Duration(len(ids))*1300*time.Millisecond {
			s, err := w.e.StartRun(context.Background(), engine.StartRequest{Family: "voyage", Project: "harbour", Person: "hana", Inputs: map[string]any{"version": fmt.Sprintf("2026.%02d", len(ids)+1)}})
			w.ok(err)
			ids = append(ids, s.Run)
		}
		if at%time.Second == 0 || len(w.shows) < len(ids) {
			w.finds(ids)
		}
		w.happens(r, c, ids, at)
		time.Sleep(tick)
		synctest.Wait()
		for _, id := range ids {
			seq, chain, err := w.e.Log(context.Background(), id)
			w.ok(err)
			if mark := fmt.Sprint(seq, chain); seqs[id] != mark {
				seqs[id] = mark
				w.looks(id)
			}
			if why := w.judge(id); why != "" {
				late = append(late, fmt.Sprintf("%s after the beginning, %s", time.Since(began), why))
			}
		}
		if w.over(ids, c.runs) {
			break
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !c.rough && len(w.waits) > 0 {
		late = append(late, fmt.Sprintf("Slack had to ask %d times to be left alone", len(w.waits)))
	}
	return late
}

// happens lets people and Slack do something, or nothing.
func (w *sea) happens(r *rand.Rand, c course, ids []string, at time.Duration) {
	w.t.Helper()
	one := func(in int) bool { return r.IntN(in) == 0 }
	for _, id := range ids {
		if one(60) {
			in := run.Command{Verb: run.HoldVerb, Person: "hana", Reason: fmt.Sprintf("for the %dth tide", at/tick)}
			if s, _, err := w.e.RunState(context.Background(), id); err == nil && s.Status == run.OnHold {
				in.Verb = run.ResumeVerb
			}
			_, err := w.e.Submit(context.Background(), id, in)
			w.ok(err)
		}
	}
	for _, ts := range w.gates {
		if !one(40) {
			continue
		}
		who := w.users[[]string{"ben", "chen"}[r.IntN(2)]]
		if w.slack.React(who, w.room, ts, "white_check_mark") != nil && one(2) {
			w.ok(w.slack.Unreact(who, w.room, ts, "white_check_mark"))
		}
		w.deliver(note{Message: ts})
	}
	if one(50) {
		ts := w.slack.Say(w.users["hana"], w.room, "tide", "")
		w.deliver(note{Message: ts, Text: "tide"})
	}
	if c.rough && one(100) {
		switch r.IntN(4) {
		case 0:
			w.slack.Throttle("chat.update", "", time.Duration(1+r.IntN(8))*time.Second)
		case 1:
			w.slack.Throttle("chat.postMessage", w.room, time.Duration(1+r.IntN(4))*time.Second)
		case 2:
			w.slack.Fault(fake.Fault{Method: "chat.update", Do: fake.ResetAfter})
		case 3:
			w.slack.Fault(fake.Fault{Method: "chat.postMessage", Do: fake.BadGatewayAfter})
		}
	}
}

// finds looks for the cards and the gate messages in the channel.
func (w *sea) finds(ids []string) {
	w.gates = nil
	for _, m := range w.slack.Ours(w.room) {
		first, _, _ := strings.Cut(wordsOf(m), "\n")
		if m.Thread != "" && strings.Contains(first, ": gate go") {
			w.gates = append(w.gates, m.TS)
		}
		for i, id := range ids {
			if m.Thread == "" && strings.HasSuffix(first, fmt.Sprintf("voyage/harbour/2026.%02d", i+1)) {
				w.shows[id] = m.TS
			}
		}
	}
}

// looks notes what the card of a run says.
func (w *sea) looks(id string) {
	w.t.Helper()
	s, book, err := w.e.RunState(context.Background(), id)
	w.ok(err)
	w.says(id, talk.Cards{}.Render(book, s, w.e.World()))
}

// judge says what is wrong with the card of a run on Slack now; "" for nothing.
func (w *sea) judge(id string) string {
	w.t.Helper()
	w.mu.Lock()
	all := slices.Clone(w.said[id])
	read := w.read[id]
	asked, changed := w.asked, time.Time{}
	for _, others := range w.said {
		if at := others[len(others)-1].at; at.After(changed) {
			changed = at
		}
	}
	w.mu.Unlock()
	last := all[len(all)-1]
	if read.asked != asked {
		m, _ := w.slack.Message(w.room, w.shows[id])
		read = reading{asked, wordsOf(m)}
		w.read[id] = read
	}
	shown := read.words
	i := len(all) - 1
	for i >= 0 && all[i].words != shown {
		i--
	}
	if why := w.console(id, last, changed); why != "" {
		return why
	}
	switch {
	case i < 0 && shown != "":
		return "the card says what it should never have said:\n" + shown
	case i == len(all)-1:
		return ""
	}
	old, still := w.since(all[i+1].at), w.since(changed)
	if old <= oldest && still <= quiet {
		return ""
	}
	return fmt.Sprintf("%s is as it was %s ago; nothing in the channel changed for %s", last.card.Title, old, still)
}

// console says what is wrong with the card of a run in the console, when it should be as it is now.
func (w *sea) console(id string, last saying, changed time.Time) string {
	w.t.Helper()
	if w.since(changed) <= quiet || w.seen[id] == last.at {
		return ""
	}
	w.seen[id] = last.at
	all, err := w.desk.Messages(channel, "", 200)
	w.ok(err)
	for _, m := range all {
		if m.Card != nil && m.Card.Title == last.card.Title {
			if here, there := card.Text(*m.Card, 0), card.Text(last.card, 0); here != there {
				return "the card in the console says\n" + here + "and should say\n" + there
			}
			return ""
		}
	}
	return "there is no card in the console"
}

// since is how long something is ago, or how long Slack has taken edits again since.
func (w *sea) since(at time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.waits {
		if s.to.After(at) {
			at = s.to
		}
	}
	return max(0, time.Since(at))
}

// over reports whether all runs have ended, and nothing followed for a while.
func (w *sea) over(ids []string, runs int) bool {
	for _, id := range ids {
		s, _, err := w.e.RunState(context.Background(), id)
		w.ok(err)
		w.mu.Lock()
		last := w.said[id][len(w.said[id])-1].at
		w.mu.Unlock()
		if s.Status != run.RunEnded || w.since(last) < 2*quiet {
			return false
		}
	}
	return len(ids) == runs
}

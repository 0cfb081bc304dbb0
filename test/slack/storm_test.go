package slack

import (
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/bot/view"
	fake "slipway/test/fakes/slack"
)

// storm sends every delivery between one and eleven times, those of the last while shuffled among each
// other, about every other one as if it were new.
type storm struct {
	mu      sync.Mutex
	rand    *rand.Rand
	waiting []fake.Delivery
	old     []fake.Delivery
	sent    int
}

func (s *storm) take(_ *world, d fake.Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append(s.waiting, d)
}

// blow sends what has gathered. What came before comes again with it. Nobody at the other end is no
// matter: Slack tries again, and so does it.
func (s *storm) blow(w *world) {
	s.mu.Lock()
	now := s.waiting
	s.waiting = nil
	again := append([]fake.Delivery(nil), s.old[max(0, len(s.old)-3):]...)
	s.old = append(s.old, now...)
	list := w.slack.Storm(s.rand, append(again, now...))
	s.mu.Unlock()
	if len(now) == 0 {
		return
	}
	for _, d := range list {
		w.sends(d)
		s.mu.Lock()
		s.sent++
		s.mu.Unlock()
	}
}

// sends sends a delivery until it comes.
func (w *world) sends(d fake.Delivery) {
	for range 100 {
		if w.slack.Send(d).OK() || w.ctx.Err() != nil {
			return
		}
		pause(w.ctx, 100*time.Millisecond)
	}
}

// TestAStormOfDeliveries: whatever is delivered one to eleven times, in any order, under new ids, to a bot
// that is killed now and then, the release comes to what it comes to when each comes once: every message,
// reaction and file, the run and its journal, the repository and the mails.
func TestAStormOfDeliveries(t *testing.T) {
	t.Parallel()
	calm := newWorld(t, shape{})
	want := calm.storied(nil)
	calm.posts(calm.slack.DM(calm.users["tessa"]), "You are Tessa Tide")
	if want.differs(calm.whole()) == nil {
		t.Fatal("one message more makes no difference")
	}
	for _, way := range []string{"http", "socket"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := &storm{rand: rand.New(rand.NewPCG(11, 7))}
			w := newWorld(t, shape{deliver: s.take, socket: way == "socket"})
			var all sync.WaitGroup
			stop := make(chan struct{})
			all.Go(func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(120 * time.Millisecond):
						s.blow(w)
					}
				}
			})
			over := sync.OnceFunc(func() { close(stop); all.Wait(); s.blow(w) })
			defer over()
			got := w.storied(over)
			s.mu.Lock()
			t.Logf("%d deliveries were sent %d times", len(s.old), s.sent)
			s.mu.Unlock()
			if err := want.differs(got); err != nil {
				t.Error(err)
			}
		})
	}
}

// storied is a release in which one thing comes after the other, and what it leaves. With an end of a
// storm, the bot is killed three times, and all is looked at when the storm is over.
func (w *world) storied(over func()) whole {
	w.t.Helper()
	killed := func(at string) {
		w.drive(func(r view.Run) bool { _, ok := awaited(r, at); return ok })
		if over != nil {
			w.note("the bot is killed")
			w.bot.kill()
		}
	}
	w.begins()
	killed("tested")
	killed("go")
	w.until("ben has reacted", func() bool { return w.reacts("ben", "go", "white_check_mark") })
	w.until("his vote counts", func() bool { return strings.Contains(w.why("go"), "1 of 2 maintainers: ben") })
	killed("publish")
	w.released(w.drive(nil))
	everybody := slices.Sorted(maps.Keys(w.users))
	for _, person := range everybody {
		w.heard(person)
	}
	if over != nil {
		over()
		w.slack.Tap(nil)
	}
	for _, person := range everybody { // what was sent before is done when they have another answer
		answers := func() int { return len(w.ours(w.slack.DM(w.users[person]), "You are "+persons()[person])) }
		before := answers()
		w.whispers(person, "whoami")
		w.until(person+" is answered", func() bool { return answers() > before })
	}
	w.settled()
	return w.whole()
}

// posts has the bot write one message more.
func (w *world) posts(place, text string) {
	w.t.Helper()
	q, err := http.NewRequestWithContext(w.ctx, http.MethodPost, w.slack.URL+"chat.postMessage", strings.NewReader(url.Values{"channel": {place}, "text": {text}}.Encode()))
	w.must(err)
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q.Header.Set("Authorization", "Bearer "+w.slack.App().Token)
	before := len(w.slack.Ours(place))
	answer, err := http.DefaultClient.Do(q)
	w.must(err)
	answer.Body.Close()
	if len(w.slack.Ours(place)) != before+1 {
		w.t.Fatal("the message is not there")
	}
}

package slack

import (
	"math/rand/v2"
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
		for range 100 {
			if w.slack.Send(d).OK() || w.ctx.Err() != nil {
				break
			}
			pause(w.ctx, 100*time.Millisecond)
		}
		s.mu.Lock()
		s.sent++
		s.mu.Unlock()
	}
}

// TestAStormOfDeliveries: whatever is delivered one to eleven times, in any order, under new ids, to a bot
// that is killed now and then, the release comes to what it comes to when each comes once.
func TestAStormOfDeliveries(t *testing.T) {
	t.Parallel()
	calm := newWorld(t, shape{})
	calm.begins()
	want := calm.released(calm.drive(nil))
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
			defer func() { close(stop); all.Wait() }()
			w.begins()
			for _, at := range []string{"tested", "go", "publish"} {
				w.drive(func(r view.Run) bool { _, ok := awaited(r, at); return ok })
				w.note("the bot is killed")
				w.bot.kill()
			}
			got := w.released(w.drive(nil))
			if err := want.differs(got); err != nil {
				t.Error(err)
			}
			s.mu.Lock()
			t.Logf("%d deliveries were sent %d times", len(s.old), s.sent)
			s.mu.Unlock()
			if history := w.timeline(); strings.Count(history, "ben approves go by a reaction")+strings.Count(history, "Ben Buoy approves go by a reaction") != 1 {
				t.Errorf("the reaction of ben does not stand once in the history:\n%s", history)
			}
		})
	}
}

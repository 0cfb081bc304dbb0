package gitlab

import (
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"slipway/bot/view"
	fake "slipway/test/fakes/gitlab"
)

// TestNoWebhookArrives: readings of GitLab alone bring a release to its end.
func TestNoWebhookArrives(t *testing.T) {
	t.Parallel()
	w := newWorld(t, shape{silent: true, items: true, readEvery: "1s", poll: "10s"})
	w.begins()
	w.merged()
	w.released(w.drive(nil))
	history := w.timeline()
	if strings.Contains(history, "told by gitlab") {
		t.Errorf("a webhook told of something:\n%s", history)
	}
	if n := strings.Count(history, "found by polling"); n < 4 {
		t.Errorf("%d waits say that polling ended them:\n%s", n, history)
	}
}

// TestWebhooksOfABadDay: each webhook comes up to eleven times, in any order, with new ids, and all of
// those of before come again when the bot was killed. What is left is what is left on a good day.
func TestWebhooksOfABadDay(t *testing.T) {
	t.Parallel()
	good := newWorld(t, shape{items: true})
	good.begins()
	good.merged()
	want := good.released(good.drive(nil))

	seed := rand.Uint64()
	t.Logf("the seed is %d", seed)
	day := badDay{r: rand.New(rand.NewPCG(seed, 0))}
	w := newWorld(t, shape{items: true, deliver: day.take, readEvery: "2s"})
	var all sync.WaitGroup
	defer all.Wait()
	ended := make(chan struct{})
	defer close(ended)
	all.Go(func() { day.deliver(w, ended) })
	w.begins()
	w.merged()
	w.drive(func(r view.Run) bool { _, ok := awaited(r, "go"); return ok })
	w.note("the bot is killed")
	w.bot.kill()
	day.again()
	w.drive(func(r view.Run) bool { _, ok := awaited(r, "publish"); return ok })
	w.note("the bot is killed")
	w.bot.kill()
	day.again()
	got := w.released(w.drive(nil))
	if err := want.differs(got); err != nil {
		t.Error(err)
	}
}

// badDay keeps deliveries and sends them in its own way.
type badDay struct {
	mu       sync.Mutex
	r        *rand.Rand
	new, old []fake.Delivery
}

func (b *badDay) take(_ *world, d fake.Delivery) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.new = append(b.new, d)
}

// again has everything come once more.
func (b *badDay) again() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.new, b.old = append(b.new, b.old...), nil
}

func (b *badDay) deliver(w *world, ended <-chan struct{}) {
	for {
		select {
		case <-ended:
			return
		default:
		}
		b.mu.Lock()
		take := min(len(b.new), 8)
		some := w.lab.Scramble(b.r, b.new[:take], 1, 11)
		b.old, b.new = append(b.old, b.new[:take]...), b.new[take:]
		b.mu.Unlock()
		for _, d := range some {
			w.send(d)
		}
		if !pause(w.ctx, 50e6) {
			return
		}
	}
}

package main

import (
	"context"
	"sync"
	"time"

	"slipway/bot/engine"
	"slipway/bot/finding"
)

const (
	// firstLook is when the checks of a bot begin, so that a start is not slowed down.
	firstLook = 20 * time.Second
	// nudgeEvery is how often every loop of the engine is made to turn, so that one that hangs is seen.
	nudgeEvery = 15 * time.Second
	// freshMost is how often somebody may have everything looked at anew.
	freshMost = 10 * time.Second
	// looksAtOnce bounds how many checks are under way.
	looksAtOnce = 4
)

// health is how a running bot knows that it is well.
type health struct {
	b        *bot
	registry *finding.Registry
	disk     *diskTime
	metrics  *metrics

	mu      sync.Mutex
	serving bool // people can be heard

	looking sync.Mutex // one look at everything at a time; over the next two
	began   time.Time  // when the last one began that somebody asked for
	fresh   time.Time  // when it ended
}

func newHealth(b *bot) (*health, error) {
	h := &health{b: b, disk: &diskTime{}}
	p := &patient{conf: b.conf, shelf: b.shelf, bot: b, disk: h.disk}
	var err error
	if h.registry, err = finding.New(p.checks()...); err != nil {
		return nil, err
	}
	h.metrics, err = newMetrics(h)
	return h, err
}

// watch makes each check when its time comes, until ctx ends.
func (h *health) watch(ctx context.Context, clock engine.Clock) error {
	first, nudge := clock.Now().Add(firstLook), time.Time{}
	for {
		now := clock.Now()
		if !now.Before(nudge) {
			h.b.engine.Nudge()
			nudge = now.Add(nudgeEvery)
		}
		next := first
		if !now.Before(first) {
			var due []finding.Check
			if due, next = h.registry.Due(now); len(due) > 0 {
				look(ctx, h.registry, due, clock.Now)
				continue
			}
		}
		if next.IsZero() || nudge.Before(next) {
			next = nudge
		}
		wake, stop := clock.Wake(next)
		select {
		case <-ctx.Done():
			stop()
			return nil
		case <-wake:
		}
		stop()
	}
}

// serves tells whether people can be heard.
func (h *health) serves(yes bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.serving = yes
}

// report is what is known. With anew, everything is looked at first: nobody who has just mended something
// is told how it was before. Whoever asks too soon after the last look waits until [freshMost] is over, and
// who asked before a look began shares it.
func (h *health) report(ctx context.Context, anew bool) finding.Report {
	if anew {
		asked := time.Now()
		h.looking.Lock()
		defer h.looking.Unlock()
		if !h.began.After(asked) && passed(ctx, systemClock{}, time.Until(h.fresh.Add(freshMost))) {
			h.began = time.Now()
			h.registry.All()
			lookAll(context.WithoutCancel(ctx), h.registry, time.Now) // who asked may go away: that is no check that was too late
			h.fresh = time.Now()
		}
	}
	return h.registry.Report()
}

// lookAll makes every check that is due, and returns when all have ended or were too late.
func lookAll(ctx context.Context, r *finding.Registry, now func() time.Time) {
	due, _ := r.Due(now())
	look(ctx, r, due, now)
}

// look makes the checks, a few at a time. One that does not end in its time is left behind: it has
// its own context and ends when what it asks does.
func look(ctx context.Context, r *finding.Registry, due []finding.Check, now func() time.Time) {
	var all sync.WaitGroup
	slots := make(chan struct{}, looksAtOnce)
	for _, c := range due {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			lookOnce(ctx, r, c, now)
		})
	}
	all.Wait()
}

func lookOnce(ctx context.Context, r *finding.Registry, c finding.Check, now func() time.Time) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	found := make(chan []finding.Symptom, 1)
	go func() {
		defer func() {
			if broken := recover(); broken != nil {
				found <- []finding.Symptom{{What: "the check " + c.Code + " has a mistake and could not look", Fix: "tell those who make Slipway; nothing else is wrong by it"}}
			}
		}()
		found <- c.Look(ctx)
	}()
	// The codes are the registry's own, so it cannot refuse them.
	select {
	case all := <-found:
		if ctx.Err() != nil { // what it found is that it was cut short
			_ = r.TooLate(c.Code, now())
			return
		}
		_ = r.Found(c.Code, all, now())
	case <-ctx.Done():
		_ = r.TooLate(c.Code, now())
	}
}

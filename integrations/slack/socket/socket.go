// Package socket is Slack's Socket Mode: the deliveries of the hooks over a websocket, for sites that
// have no address in public.
//
// A frame is taken by the same [hook.Intake] as a request: it is stored first, under the same id, and only
// then acknowledged, within Slack's 3 seconds. What was not acknowledged Slack sends again, and what came
// twice, over whichever way, is one delivery. Frames are taken one after the other as they come, so that
// none overtakes another.
//
// Slack ends every connection after some hours and says so shortly before: then a new one is opened first,
// and the old one is read to its end.
package socket

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/slack/hook"
)

// Taker takes an authentic payload; [hook.Intake] is one.
type Taker interface {
	Take(ctx context.Context, kind hook.Kind, payload []byte, retry hook.Retry) (hook.Answer, error)
}

// Clock is the wall clock. Wake returns a channel that is closed at or after t, and a function that gives
// up waiting.
type Clock interface {
	Now() time.Time
	Wake(t time.Time) (<-chan struct{}, func())
}

// Options of a [Socket].
type Options struct {
	// Open asks Slack for the address of one connection (apps.connections.open). Its errors are those of
	// [errs]: for how long Slack asks to wait is waited, and [errs.Denied] means that a person must act.
	Open  func(ctx context.Context) (address string, err error)
	Taker Taker
	App   string // id of the app that the connection must be for; "": any
	Clock Clock
	Log   *slog.Logger // default: none
}

// Times, by the clock that is given.
const (
	openTime   = 30 * time.Second // for an address, the connection to it and its greeting together
	quietTime  = 90 * time.Second // without a ping or a frame a connection is dead: Slack pings every half minute or more often
	drainTime  = 15 * time.Second // an old connection is read for so long beside the new one
	shortLife  = 30 * time.Second // what ended sooner did not help
	firstWait  = time.Second      // before the next try; doubled for each after it
	longWait   = 5 * time.Minute  // the longest, and that of what a person must mend
	closedWait = time.Minute      // after Slack said that Socket Mode was switched off
)

// Socket keeps one connection open.
type Socket struct {
	o     Options
	forms chan struct{} // one for each form that is being opened

	mu    sync.Mutex
	stand Standing
	live  int
}

// Standing is what is known of the connection.
type Standing struct {
	Open   bool      // there is one, and Slack has greeted it
	Since  time.Time // when that began, or ended; zero: it never did
	Last   time.Time // when a delivery came last; zero: none yet
	Why    string    // why there was none last: how it ended, or why it could not be opened
	Denied bool      // a person must mend that
	Others int       // connections of the app beside ours: each gets a part of what is said
}

// New makes it; [Socket.Run] opens the connection.
func New(o Options) *Socket {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Socket{o: o, forms: make(chan struct{}, 4)}
}

// Standing tells how the connection stands.
func (s *Socket) Standing() Standing {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stand
}

// Run keeps a connection until ctx ends, and then ends what it began. Failures are waited out; none ends
// it.
func (s *Socket) Run(ctx context.Context) error {
	var links sync.WaitGroup
	defer links.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var old *link
	for failures := 0; ctx.Err() == nil; {
		began := s.o.Clock.Now()
		l, err := s.connect(ctx)
		if err != nil {
			s.failed(ctx, err)
			if !s.wait(ctx, pause(failures, err)) {
				break
			}
			failures++
			continue
		}
		if old != nil {
			old.retire()
		}
		old = l
		links.Go(func() { s.serve(ctx, l) })
		select {
		case <-ctx.Done():
		case <-l.leaving:
		}
		if ctx.Err() != nil {
			break
		}
		err = l.reason()
		s.o.Log.Info("a connection of Slack's Socket Mode ends", "why", errs.Text(err))
		if s.o.Clock.Now().Sub(began) >= shortLife {
			failures = 0
			if !errs.Is(err, errs.Denied) {
				continue
			}
		}
		if !s.wait(ctx, pause(failures, err)) {
			break
		}
		failures++
	}
	return nil
}

// pause is for how long nothing is tried after a number of failures, of which err is the newest.
func pause(failures int, err error) time.Duration {
	d := firstWait << min(failures, 20)
	if errs.Is(err, errs.Denied) {
		d = max(d, closedWait)
	}
	return max(min(d, longWait), errs.After(err))
}

// wait is true when d has passed, and false when ctx ended before.
func (s *Socket) wait(ctx context.Context, d time.Duration) bool {
	wake, stop := s.o.Clock.Wake(s.o.Clock.Now().Add(d))
	defer stop()
	select {
	case <-ctx.Done():
		return false
	case <-wake:
		return ctx.Err() == nil
	}
}

// within is ctx, ended after d by the clock.
func (s *Socket) within(ctx context.Context, d time.Duration) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	wake, stop := s.o.Clock.Wake(s.o.Clock.Now().Add(d))
	go func() {
		defer stop()
		select {
		case <-wake:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// connect opens a connection and waits until Slack has greeted it.
func (s *Socket) connect(ctx context.Context) (*link, error) {
	limited, cancel := s.within(ctx, openTime)
	defer cancel()
	address, err := s.o.Open(limited)
	if err != nil {
		return nil, err
	}
	l, err := dial(limited, address, s.o.Clock)
	if err != nil {
		return nil, err
	}
	hello, err := l.greeting(limited)
	if err == nil && s.o.App != "" && hello.Info.App != "" && hello.Info.App != s.o.App {
		err = errs.E("slack.socket", errs.Denied, fmt.Errorf("the app-level token is of the app %q, and %s is configured", clipped(hello.Info.App), s.o.App)).
			Hint("make an app-level token of the right app, with the scope connections:write")
	}
	if err != nil {
		l.close()
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live++
	if now := s.o.Clock.Now(); !s.stand.Open {
		s.stand.Open, s.stand.Since = true, now
	}
	s.stand.Why, s.stand.Denied, s.stand.Others = "", false, max(hello.Connections-s.live, 0)
	return l, nil
}

// failed notes why there is no new connection.
func (s *Socket) failed(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return // it ends
	}
	s.o.Log.Warn("Slack's Socket Mode cannot be connected", "error", errs.Text(err))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stand.Why, s.stand.Denied = errs.Text(err), errs.Is(err, errs.Denied)
}

// ended notes that a connection is no more.
func (s *Socket) ended(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live--; s.live == 0 {
		s.stand.Open, s.stand.Since = false, s.o.Clock.Now()
		s.stand.Why, s.stand.Denied = errs.Text(why), errs.Is(why, errs.Denied)
	}
}

func clipped(text string) string {
	r := []rune(text)
	return string(r[:min(len(r), 60)])
}

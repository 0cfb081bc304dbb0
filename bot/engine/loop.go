package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"slipway/bot/errs"
)

// life is what all loops share: how they are woken, and why they must stop.
type life struct {
	mu     sync.Mutex
	fatal  error
	stop   context.CancelCauseFunc // of Run, or nil
	signal map[string]chan struct{}
	turns  turns
}

// The loops of [Engine.Run].
const (
	loopDecode  = "decode"
	loopTimers  = "timers"
	loopPeople  = "people"
	loopEffects = "effects"
	loopHeads   = "heads"
)

// loopCards is the loop of the cards in one chat.
func loopCards(source string) string { return "cards/" + source }

func (l *life) init(chats []string) {
	l.signal, l.turns = map[string]chan struct{}{}, turns{}
	names := []string{loopDecode, loopTimers, loopPeople, loopEffects, loopHeads}
	for _, source := range chats {
		names = append(names, loopCards(source))
	}
	for _, name := range names {
		l.signal[name], l.turns[name] = make(chan struct{}, 1), new(atomic.Int64)
	}
}

// wake makes a loop look for work; it never blocks.
func (l *life) wake(loop string) {
	select {
	case l.signal[loop] <- struct{}{}:
	default:
	}
}

// fail stops the engine for good: nobody can tell what the disk holds. The process must end and
// recover from disk.
func (l *life) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fatal == nil {
		l.fatal = err
	}
	if l.stop != nil {
		l.stop(l.fatal)
	}
}

func (l *life) failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}

// commit writes b. what names the crash points around it. An ambiguous commit ends the engine.
func (e *Engine) commit(ctx context.Context, what string, b *batch) error {
	if err := e.failed(); err != nil {
		return err
	}
	e.point(what + "/before-commit")
	err := e.cfg.Store.Commit(ctx, b.build())
	if errs.Is(err, errs.Doubtful) || errs.Is(err, errs.Corrupt) {
		e.cfg.Log.Error("the store cannot tell what it holds; stopping", "error", errs.Text(err))
		e.fail(err)
	}
	e.point(what + "/after-commit")
	if err == nil && len(b.rows) > 0 {
		for _, row := range b.rows {
			if b.puts(Key{spOutbox, row}) {
				e.effects.push(row, stampTime(row))
			}
		}
		e.wake(loopEffects)
	}
	return err
}

// Run works until ctx ends, or until the store cannot be trusted any more; then it returns that
// error and the process must end. Only one Run or Drain may be active.
func (e *Engine) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	e.mu.Lock()
	if e.fatal != nil {
		e.mu.Unlock()
		return e.fatal
	}
	e.stop = cancel
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		e.stop = nil
		e.mu.Unlock()
	}()

	if err := e.comeBack(ctx); err != nil && e.failed() == nil {
		e.cfg.Log.Warn("whether something was missed is looked up later", "error", errs.Text(err))
	}
	var all sync.WaitGroup
	slots := make(chan struct{}, e.cfg.Workers)
	all.Go(func() { e.loop(ctx, loopDecode, e.decodePaced) })
	all.Go(func() { e.loop(ctx, loopTimers, e.timersDue) })
	all.Go(func() { e.loop(ctx, loopPeople, e.peopleDue) })
	for source := range e.cards.chats {
		all.Go(func() {
			e.loop(ctx, loopCards(source), func(ctx context.Context) (bool, time.Time, error) { return e.cardsDue(ctx, source) })
		})
	}
	all.Go(func() { e.loop(ctx, loopHeads, e.headsDue) })
	all.Go(func() { e.keepLists(ctx) })
	all.Go(func() {
		e.loop(ctx, loopEffects, func(ctx context.Context) (bool, time.Time, error) {
			return e.effectsDue(ctx, func(work func()) {
				slots <- struct{}{}
				all.Go(func() { defer func() { <-slots }(); work() })
			})
		})
	})
	for name := range e.signal {
		e.wake(name)
	}
	all.Wait()
	return e.failed()
}

// loop does step whenever it is woken or the time it named has come.
func (e *Engine) loop(ctx context.Context, name string, step func(context.Context) (bool, time.Time, error)) {
	for ctx.Err() == nil {
		e.turns[name].Store(e.now().UnixNano())
		did, next, err := step(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			// A full disk or an absent blob store: nothing is lost, and the work is still there.
			e.cfg.Log.Warn("work waits", "loop", name, "error", errs.Text(err))
			next = e.now().Add(time.Second)
		case did:
			continue
		}
		var due <-chan struct{}
		stop := func() {}
		if !next.IsZero() {
			due, stop = e.cfg.Clock.Wake(next)
		}
		select {
		case <-ctx.Done():
		case <-e.signal[name]:
		case <-due:
		}
		stop()
	}
}

// Drain does everything that is due now, in the calling goroutine and in a fixed order, until
// nothing is. It returns the first error that keeps it from going on.
func (e *Engine) Drain(ctx context.Context) error {
	inline := func(ctx context.Context) (bool, time.Time, error) {
		return e.effectsDue(ctx, func(work func()) { work() })
	}
	if err := e.comeBack(ctx); err != nil {
		return err
	}
	for turn := 0; ; turn++ {
		if turn > 1_000_000 {
			return errs.E("engine.drain", errs.Internal, errors.New("the work does not come to an end"))
		}
		any := false
		for _, step := range []func(context.Context) (bool, time.Time, error){e.decodeDue, e.timersDue, e.peopleDue, e.allCardsDue, e.headsDue, inline} {
			if err := ctx.Err(); err != nil {
				return err
			}
			did, _, err := step(ctx)
			if err != nil {
				return err
			}
			if err := e.failed(); err != nil {
				return fmt.Errorf("the engine has stopped: %w", err)
			}
			any = any || did
		}
		if !any {
			return nil
		}
	}
}

// earlier is the first of two times of which zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

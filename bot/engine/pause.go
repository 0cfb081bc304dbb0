package engine

import (
	"context"
	"time"

	"slipway/bot/people"
)

type pauseRecord struct {
	By  people.PersonID `json:"by"`
	Why string          `json:"why"`
	At  time.Time       `json:"at"`

	Restored bool `json:"restored,omitempty"` // by a restore: gates do not close either
}

// PauseEffects stops the starting of effects, but for what the engine tells people; nil goes on. The
// pause of a restore stays one, in which no gate closes and no job is handed out.
func (e *Engine) PauseEffects(ctx context.Context, by people.PersonID, why string) error {
	was := e.world.paused.Load()
	r := pauseRecord{By: by, Why: why, At: e.now(), Restored: was != nil && was.Restored}
	b := newBatch()
	b.put(spMeta, "pause", encode(r))
	if err := e.commit(ctx, "pause", b); err != nil {
		return err
	}
	e.world.paused.Store(&r)
	return nil
}

// ResumeEffects ends the pause.
func (e *Engine) ResumeEffects(ctx context.Context) error {
	b := newBatch()
	b.del(spMeta, "pause")
	if err := e.commit(ctx, "pause", b); err != nil {
		return err
	}
	e.world.paused.Store(nil)
	e.effects.unblock()
	e.wake(loopEffects)
	return nil
}

// Paused tells whether effects are paused, by whom and why.
func (e *Engine) Paused() (by people.PersonID, why string, yes bool) {
	if p := e.world.paused.Load(); p != nil {
		return p.By, p.Why, true
	}
	return "", "", false
}

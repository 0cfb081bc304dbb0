package engine

import (
	"context"

	"slipway/bot/run"
)

// An ended run is not looked at again after a restart, and its last words follow its end by a moment, or
// by as long as a chat does not answer. So the commit that ends it notes that its cards may be stale,
// and the one that follows their last edit takes the note away.

// staleCards notes that the cards of an ended run may not say so.
func (e *Engine) staleCards(b *batch, s *run.State) {
	if e.cfg.Cards == nil {
		return
	}
	for _, place := range e.places(s) {
		b.put(spStale, id(s.ID, place.Source, place.ID), nil)
	}
}

// cardStands notes that the card of an ended run is as it will stay, though nothing was written now.
func (e *Engine) cardStands(ctx context.Context, l *live, key string) error {
	if l.state.Status != run.RunEnded {
		return nil
	}
	row, err := e.cfg.Store.Get(ctx, Key{spStale, key})
	if err != nil || row == nil {
		return err
	}
	b := newBatch()
	b.guard(spRuns, l.id, l.raw)
	b.del(spStale, key)
	return e.commit(ctx, "card", b)
}

// markStale has the cards of ended runs looked at that the last process left. They are few.
func (e *Engine) markStale(ctx context.Context) error {
	return e.cfg.Store.Scan(ctx, spStale, "", "", false, func(k string, _ []byte) bool {
		e.cards.mark(splitID(k)[0], e.now())
		return true
	})
}

package engine

import (
	"context"

	"slipway/bot/errs"
)

// DeliverLate is [Engine.Deliver] of what a source tells when it is asked, because nobody told of it
// when it happened: it is as old as d says, and a command in it that is too old asks its author. fresh
// is false for what was delivered before under the same id.
func (e *Engine) DeliverLate(ctx context.Context, d Delivery) (fresh bool, err error) {
	return e.deliver(ctx, d, missedAsked)
}

// altered has a gate message written anew that does not say what we wrote, so that no reaction on it
// can count.
func (e *Engine) altered(ctx context.Context, ref Ref) {
	var m messageRecord
	if _, found, err := e.get(ctx, spMessages, ref.String(), &m); err != nil || !found {
		return
	}
	if err := e.unshown(ctx, ref); err != nil && !errs.Is(err, errs.Conflict) {
		e.cfg.Log.Warn("a message that somebody changed is not written anew yet", "error", errs.Text(err))
		return
	}
	e.cfg.Log.Warn("a gate message was changed by somebody else and is written anew", "place", ref.Place.ID, "message", ref.Message)
	e.show(m.Run)
}

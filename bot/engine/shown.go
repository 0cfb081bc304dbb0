package engine

import (
	"context"
	"errors"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/card"
	"slipway/bot/evidence"
)

// keepShown puts what a gate message shows from now on into the commit that says so: evidence has
// the message as people saw it, whatever it is edited to later.
func (e *Engine) keepShown(ctx context.Context, b *batch, runID, manifest string, ref Ref, c card.Card, at time.Time) error {
	data, err := c.Bytes()
	if err != nil {
		return err
	}
	value, err := e.pack(ctx, data)
	if err != nil {
		return err
	}
	b.put(spShown, id(runID, manifest, ref.String(), stamp(at), action.DigestOf(data)), value)
	return nil
}

// shownOf lists what the messages of one manifest showed, in the order of messages and time.
func (e *Engine) shownOf(ctx context.Context, runID, manifest string) ([]evidence.Shown, error) {
	prefix := id(runID, manifest) + sep
	var out []evidence.Shown
	var bad error
	err := e.cfg.Store.Scan(ctx, spShown, prefix, after(prefix), false, func(k string, value []byte) bool {
		if value, bad = e.unpack(ctx, value); bad != nil {
			return false
		}
		message, at, _ := strings.Cut(k[len(prefix):], sep)
		out = append(out, evidence.Shown{Message: message, At: stampTime(at), Card: action.DigestOf(value)})
		return true
	})
	return out, errors.Join(err, bad)
}

package engine

import (
	"context"
	"time"
)

// CardsDue is one turn of the loop of the cards of one chat.
func (e *Engine) CardsDue(ctx context.Context, source string) (did bool, next time.Time, err error) {
	return e.cardsDue(ctx, source)
}

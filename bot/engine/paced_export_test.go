package engine

import (
	"context"
	"time"
)

// DecodePaced is one turn of the loop that decodes.
func (e *Engine) DecodePaced(ctx context.Context) (did bool, next time.Time, err error) {
	return e.decodePaced(ctx)
}

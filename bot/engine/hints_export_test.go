package engine

import "context"

// DecodeForTest decodes what waits, as the loop beside the effects does.
func (e *Engine) DecodeForTest(ctx context.Context) error {
	for {
		if did, _, err := e.decodeDue(ctx); err != nil || !did {
			return err
		}
	}
}

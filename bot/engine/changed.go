package engine

import (
	"context"
	"strconv"
)

// changedLines bounds in how many lines of a message that was changed it is looked for whether its
// commands were heard before.
const changedLines = 100

// changedSince tells the author of a message that was changed before we heard of it, once, that it is
// not obeyed: what it said is not known, nor who changed it. When it was heard before the change, as it
// was written then, nothing is said. told is true too when its first version comes only after that: the
// author has been asked to say it again, and may have.
func (e *Engine) changedSince(ctx context.Context, d Delivery, s Spoken, f Said) (told bool, err error) {
	once := onceOf(d, f, "changed")
	raw, err := e.cfg.Store.Get(ctx, Key{spSaid, once.Key})
	if err != nil || raw != nil || !f.Changed {
		return raw != nil, err
	}
	for line := range changedLines {
		raw, err := e.cfg.Store.Get(ctx, Key{spSaid, onceOf(d, f, strconv.Itoa(line)).Key})
		if err != nil || raw != nil {
			return true, err
		}
	}
	return true, e.answer(ctx, s, f.Message, once, "I read this late, and it was changed since it was written, so I do not act on it. If you still want it, say it again.")
}

package engine

import (
	"context"
	"slices"
	"time"
)

// terminal is the source of the accounts of a machine: whoever writes there waits for the answer.
const terminal = "unix"

// unknownAccount is the answer to somebody whose account belongs to no person.
func (e *Engine) unknownAccount(s Spoken) string {
	account := s.Account.Source + ":" + s.Account.ID
	text := "I do not know whose account this is (" + account + "). An admin adds " + account + " to the accounts of a person in slipway.yaml"
	if s.Account.Source == terminal {
		text += "; on the command line of a demo, --as or SLIPWAY_AS says who you are"
	}
	if slices.Contains(e.cfg.Linking.Sources, s.Account.Source) {
		text += ".\nOr, if I know you elsewhere, say `link " + s.Account.Source + "` there, and then `link` and the code to me alone here"
	}
	return text + "."
}

// answerStranger answers somebody whose account belongs to no person, where others read: at most once a
// day (UTC), whatever they write, a code for linking too. In a public project everybody may write, and
// nobody should be able to have the bot write as much.
func (e *Engine) answerStranger(ctx context.Context, s Spoken, message string, once Once, text string) error {
	tells, err := e.strangersDay(ctx, s)
	if err != nil {
		return err
	}
	return e.answerWith(ctx, s, message, once, func(b *batch) string {
		if !tells(b) {
			return ""
		}
		return text
	})
}

// strangersDay looks whether a stranger had his answer of this day. tells reports whether he is told
// now, and notes it in b.
func (e *Engine) strangersDay(ctx context.Context, s Spoken) (tells func(b *batch) bool, err error) {
	today := "stranger-" + short(s.Account.Source+"\x00"+s.Account.ID+"\x00"+e.now().UTC().Format(time.DateOnly))
	told, err := e.cfg.Store.Get(ctx, Key{spSaid, today})
	if err != nil {
		return nil, err
	}
	return func(b *batch) bool {
		if told == nil {
			b.guard(spSaid, today, nil)
			b.put(spSaid, today, []byte(stamp(e.now())))
		}
		return told == nil
	}, nil
}

// stranger reports whether somebody speaks where others read whose account belongs to no person.
func (s Spoken) stranger() bool { return s.Person == "" && !s.Direct && s.Account.Source != terminal }

package errs

import (
	"errors"
	"time"
)

// AskedToWait notes for how long the other side asks to be left alone, and returns e, so that it can
// end a return statement: HTTP says it with Retry-After (RFC 9110, section 10.2.3). Nothing is noted
// for a time that is not above zero.
func (e *Error) AskedToWait(d time.Duration) *Error {
	e.after = max(d, 0)
	return e
}

// After is for how long the other side asked to be left alone: the longest time in err's chain, or 0
// when it did not say. Whoever tries again waits at least as long.
func After(err error) time.Duration {
	longest := time.Duration(0)
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			break
		}
		longest = max(longest, e.after)
		err = e.Err
	}
	return longest
}

// Package errs is how Slipway fails: an operation, a kind, a cause, and a hint for the person.
//
// The kind decides what happens next (retry, refuse, ask, stop) and the exit code of the CLI.
// The cause says what went wrong in words that may be shown in chat: never a Go type, a stack
// or a secret. The hint says how to mend it.
package errs

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Kind classifies an error by what the caller can do about it.
type Kind uint8

const (
	Other       Kind = iota // not classified; treated as internal
	Invalid                 // the input is wrong; the hint says how to mend it
	NotFound                // the thing named does not exist
	Exists                  // create-only, and it exists already with other content
	Denied                  // this person may not do this
	Conflict                // the state moved on meanwhile; read again and decide again
	Busy                    // asked to slow down; try again later
	Unavailable             // the other side cannot be reached now; nothing happened
	Gone                    // it existed and never will again
	Doubtful                // nobody can tell whether it happened
	Full                    // the disk is full; nothing was written
	Corrupt                 // stored data does not read back as it was written
	Failed                  // the work was done and its verdict is failure
	Internal                // a defect in Slipway
)

func (k Kind) String() string {
	names := [...]string{"other", "invalid", "not found", "exists", "denied", "conflict", "busy",
		"unavailable", "gone", "doubtful", "full", "corrupt", "failed", "internal"}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("kind %d", k)
}

// Error is one failure. Build it with [E]; read it with [KindOf], [HintOf] and [Text].
type Error struct {
	Op   string // what was being done, e.g. "git.push_tag"
	Kind Kind
	Err  error  // the cause; its text may be shown to people
	hint string // how to mend it; empty when there is nothing to say

	after time.Duration // for how long the other side asks to be left alone
}

// E makes an error of kind k that happened while doing op.
func E(op string, k Kind, cause error) *Error { return &Error{Op: op, Kind: k, Err: cause} }

// Hint attaches the fix and returns e, so that it can end a return statement. A hint is the end of
// a sentence that the cause begins: a capital with which format begins becomes small, and a full
// stop at its end is left out. What args bring in stays as it is, but for
// the whole hint in "%s".
func (e *Error) Hint(format string, args ...any) *Error {
	if format == "%s" && len(args) == 1 { // a hint that was written elsewhere
		args = []any{small(fmt.Sprint(args[0]))}
	}
	e.hint = strings.TrimSuffix(fmt.Sprintf(small(format), args...), ".")
	return e
}

// small is a sentence that begins with a small letter, unless it begins with an abbreviation.
func small(s string) string {
	first, n := utf8.DecodeRuneInString(s)
	if next, _ := utf8.DecodeRuneInString(s[n:]); unicode.IsUpper(first) && (next == ' ' || unicode.IsLower(next)) {
		return string(unicode.ToLower(first)) + s[n:]
	}
	return s
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.Op != "" {
		b.WriteString(e.Op)
		b.WriteString(": ")
	}
	if e.Err != nil {
		b.WriteString(e.Err.Error())
	} else {
		b.WriteString(e.Kind.String())
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf is the kind of the outermost *Error in err's chain that has one, or [Other].
func KindOf(err error) Kind {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return Other
		}
		if e.Kind != Other {
			return e.Kind
		}
		err = e.Err
	}
	return Other
}

// Is reports whether err is of kind k.
func Is(err error, k Kind) bool { return err != nil && KindOf(err) == k }

// HintOf is the first hint in err's chain, outermost first, or "".
func HintOf(err error) string {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return ""
		}
		if e.hint != "" {
			return e.hint
		}
		err = e.Err
	}
	return ""
}

// Text is err for a person: the cause without operation names, then "; " and the hint.
func Text(err error) string {
	text := Cause(err)
	if hint := HintOf(err); hint != "" {
		text = strings.TrimRight(text, ".;") + "; " + hint
	}
	return text
}

// Cause is err for a person without its hint: the cause without operation names.
func Cause(err error) string {
	if err == nil {
		return ""
	}
	cause := err
	for {
		var e *Error
		if !errors.As(cause, &e) || e.Err == nil {
			break
		}
		cause = e.Err
	}
	return cause.Error()
}

// ExitCode is the CLI's exit status for err: 0 none, 1 failed or internal, 2 invalid input,
// 3 denied, 4 not found, 5 conflict or exists, 6 try again later, 7 doubtful.
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	switch KindOf(err) {
	case Invalid:
		return 2
	case Denied:
		return 3
	case NotFound, Gone:
		return 4
	case Conflict, Exists:
		return 5
	case Busy, Unavailable, Full:
		return 6
	case Doubtful:
		return 7
	}
	return 1
}

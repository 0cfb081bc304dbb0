// Package debian reads and writes the file formats of Debian: control data (deb822), binary
// packages, changelogs, source and upload descriptions, and the Release files of archives.
//
// Everything here is pure Go and works on bytes that the caller has: no network, no clock, no
// other program. All input is taken as hostile. Sizes and counts are bounded, and where two
// readers of the format could understand the same bytes differently, the bytes are refused: a
// signature must never cover something that apt or dpkg reads in another way.
//
// What is parsed can be written again. For canonical input, which is what dpkg and dak write,
// the bytes are the same.
package debian

import (
	"fmt"

	"slipway/bot/errs"
)

// invalid is an error about input that has no lines.
func invalid(op, hint, format string, args ...any) error {
	return errs.E("debian."+op, errs.Invalid, fmt.Errorf(format, args...)).Hint("%s", hint)
}

// invalidLine is an error about one line of what, such as "the changelog".
func invalidLine(op, what string, line int, hint, format string, args ...any) error {
	return errs.E("debian."+op, errs.Invalid,
		fmt.Errorf("line %d of %s %s", line, what, fmt.Sprintf(format, args...))).Hint("%s", hint)
}

// shorten makes text from outside fit into a message.
func shorten(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > most-4 && s[cut]&0xc0 == 0x80 {
		cut--
	}
	return s[:cut] + "…"
}

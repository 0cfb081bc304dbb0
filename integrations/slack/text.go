package slack

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean is text from Slack on one line, for people: without control characters and those that turn or
// hide text, with single spaces, and at most limit runes long.
func Clean(text string, limit int) string {
	if len(text) > 8*limit+64 { // enough for what is left of it; the rest costs nothing
		text = text[:8*limit+64]
	}
	var b strings.Builder
	n, space := 0, false
	for _, r := range text {
		switch {
		case unicode.IsSpace(r):
			space = n > 0
			continue
		case r == utf8.RuneError || !unicode.IsPrint(r) || unicode.Is(unicode.Cf, r):
			continue
		}
		if space {
			b.WriteByte(' ')
			n, space = n+1, false
		}
		if n >= limit {
			return strings.TrimRight(string([]rune(b.String())[:limit-1]), " ") + "…"
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}

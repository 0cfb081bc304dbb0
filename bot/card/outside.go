package card

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line is text from outside on one line, for people: without control characters and those that turn or
// hide text, with single spaces, and at most limit runes long.
func Line(text string, limit int) string {
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

// Acts reports whether a character acts instead of being seen, where it follows last: it controls,
// reorders or hides text, is of private use, or is a letter or symbol without a picture. A joiner
// between emoji does not.
func Acts(r, last rune) bool {
	switch r {
	case '\u200d':
		return last != '\ufe0f' && !(last >= 0x1f000 && last <= 0x1faff) && !(last >= 0x2600 && last <= 0x27bf)
	case '\u115f', '\u1160', '\u2800', '\u3164', '\uffa0':
		return true
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs)
}

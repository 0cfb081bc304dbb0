package gitlab

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean is text from GitLab on one line, for people: without control characters and those that turn
// or hide text, with single spaces, and at most limit runes long.
func Clean(text string, limit int) string {
	if len(text) > 8*limit+64 { // enough for what is left of it; the rest costs nothing
		text = text[:8*limit+64]
	}
	var b strings.Builder
	n, space := 0, false
	for _, r := range text {
		switch {
		case unicode.IsSpace(r) || r == '\u2028' || r == '\u2029':
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

// markForm is our mark at the end of a text.
var markForm = regexp.MustCompile(`(?:^|\n)<!-- slipway ([A-Za-z0-9._:/-]{1,200}) -->\s*$`)

// Mark is how a text of the bot is found again: a comment of HTML that ends it, on a line of its own.
// GitLab does not show it. key has letters, digits and any of . _ : / - only.
func Mark(key string) string { return "<!-- slipway " + key + " -->" }

// WithMark is text with the mark of key at its end.
func WithMark(text, key string) string {
	text = strings.TrimRight(text, " \t\r\n")
	if text == "" {
		return Mark(key)
	}
	return text + "\n\n" + Mark(key)
}

// MarkOf is the key of the mark that ends text, and the text before it. A mark anywhere else in it,
// such as in a quote, is none. The mark counts only in what the bot's own account wrote.
func MarkOf(text string) (key, before string, ok bool) {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	m := markForm.FindStringSubmatchIndex(text)
	if m == nil {
		return "", text, false
	}
	return text[m[2]:m[3]], strings.TrimRight(text[:m[0]], " \t\n"), true
}

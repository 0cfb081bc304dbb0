package chat

import (
	"strings"
	"unicode"
	"unicode/utf16"

	"slipway/bot/card"
)

// visible makes s one line without characters that act instead of being seen: they become "�". Spaces
// at its ends are left out, those in it stay as they are.
func visible(s string) string {
	var b strings.Builder
	last := rune(0)
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			r = ' '
		case card.Acts(r, last):
			r = unicode.ReplacementChar
		}
		b.WriteRune(r)
		last = r
	}
	return strings.Trim(b.String(), " ")
}

// single is s as one line with single spaces.
func single(s string) string { return strings.Join(strings.Fields(visible(s)), " ") }

// units is how long s is for Slack, whose clients count as JavaScript does.
func units(s string) int {
	n := 0
	for _, r := range s {
		n += max(1, utf16.RuneLen(r))
	}
	return n
}

// clip is s in at most limit units: of a longer text the end is left out for "…".
func clip(s string, limit int) string {
	if units(s) <= limit {
		return s
	}
	n := 0
	for i, r := range s {
		if n += max(1, utf16.RuneLen(r)); n > limit-1 {
			return strings.TrimRight(s[:i], " ") + "…"
		}
	}
	return s
}

// chunk is the longest start of s of at most limit units, cut behind a space where there is one.
func chunk(s string, limit int) string {
	n, space := 0, 0
	for i, r := range s {
		if n += max(1, utf16.RuneLen(r)); n > limit {
			if space > len(s[:i])/2 {
				return s[:space]
			}
			return s[:i]
		}
		if r == ' ' {
			space = i + 1
		}
	}
	return s
}

// escape is s as it stands in a text that Slack reads as mrkdwn, where nothing but these three
// characters begins a mention, a link or a date (docs.slack.dev, "Formatting message text").
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// looksHex reports whether s is a digest or the name of a commit, to be copied.
func looksHex(s string) bool {
	s = strings.TrimPrefix(s, "sha256:")
	return len(s) >= 7 && len(s) <= 64 && strings.Trim(s, "0123456789abcdef") == ""
}

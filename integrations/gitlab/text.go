package gitlab

import (
	"regexp"
	"strings"
)

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

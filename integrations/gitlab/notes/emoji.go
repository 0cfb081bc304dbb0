package notes

import (
	"regexp"
	"strings"
)

// The characters under which reactions count.
const (
	yes = "✅"
	no  = "❌"
)

var skinTone = regexp.MustCompile(`(_tone[1-6]|::skin-tone-[1-6])+$`)

// Emoji is the character by which a reaction is counted, from GitLab's name of an award emoji: the
// thumbs, which GitLab offers first, say what ✅ and ❌ say, in every skin tone. Other names come back
// as they are, in colons.
func Emoji(name string) string {
	plain := strings.Trim(strings.ToLower(strings.TrimSpace(name)), ":")
	plain = skinTone.ReplaceAllString(plain, "")
	var b strings.Builder
	for _, r := range plain { // characters in place of a name, with their selectors and skin tones
		if r != '\ufe0e' && r != '\ufe0f' && (r < 0x1f3fb || r > 0x1f3ff) {
			b.WriteRune(r)
		}
	}
	switch plain = b.String(); plain {
	case "thumbsup", "+1", "white_check_mark", "👍", yes:
		return yes
	case "thumbsdown", "-1", "x", "👎", no:
		return no
	}
	return ":" + plain + ":"
}

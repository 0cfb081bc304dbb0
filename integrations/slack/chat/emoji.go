package chat

import (
	"regexp"
	"strings"
)

// skinTone ends the name of a reaction that was given in another colour of skin.
var skinTone = regexp.MustCompile(`(::?skin-tone-[1-6]:?)+$`)

// Emoji is the character by which a reaction is counted, from Slack's name of it, whatever the skin
// tone: ✅ and ❌ have two names each that look alike on the screen of a phone. Names of which no
// character is known come back in colons.
func Emoji(name string) string {
	plain := strings.ToLower(strings.Trim(strings.TrimSpace(name), ":"))
	plain = strings.Trim(skinTone.ReplaceAllString(plain, ""), ":")
	var b strings.Builder
	for _, r := range plain { // characters in place of a name, with their selectors and skin tones
		if r != '\ufe0e' && r != '\ufe0f' && (r < 0x1f3fb || r > 0x1f3ff) {
			b.WriteRune(r)
		}
	}
	switch plain = b.String(); plain {
	case "white_check_mark", "heavy_check_mark", "✅", "✔":
		return "✅"
	case "x", "negative_squared_cross_mark", "❌", "❎":
		return "❌"
	case "+1", "thumbsup", "👍":
		return "👍"
	case "-1", "thumbsdown", "👎":
		return "👎"
	}
	return ":" + plain + ":"
}

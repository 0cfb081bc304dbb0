package console

import (
	"fmt"
	"strings"
	"unicode"

	"slipway/bot/errs"
)

// NormalEmoji is the one spelling of an emoji under which reactions are counted: without the
// selectors that choose between picture and text form and without skin tones (Unicode Technical
// Standard 51, sections 2.4 and 2.7), so that one person's two thumbs are one. A few names that
// people type are known: "+1", ":white_check_mark:".
func NormalEmoji(s string) (string, error) {
	name := s
	if strings.HasPrefix(s, ":") && strings.HasSuffix(s, ":") && len(s) > 2 {
		name, _, _ = strings.Cut(s[1:len(s)-1], "::skin-tone-")
	}
	if e := byName(strings.ToLower(name)); e != "" {
		return e, nil
	}
	var b strings.Builder
	runes := 0
	for _, r := range s {
		switch {
		case r == '\ufe0e', r == '\ufe0f', 0x1f3fb <= r && r <= 0x1f3ff:
			continue
		case r == '\u200d', unicode.IsSymbol(r) && r > 0x7f, r == '\u20e3', unicode.Is(unicode.Po, r) && r > 0x7f:
		default:
			return "", badEmoji(s)
		}
		b.WriteRune(r)
		runes++
	}
	out := strings.Trim(b.String(), "\u200d")
	if out == "" || runes > 12 {
		return "", badEmoji(s)
	}
	return out, nil
}

func badEmoji(s string) error {
	return errs.E("console.react", errs.Invalid, fmt.Errorf("%q is not an emoji", clip(s))).Hint("Use one like ✅, or a name: +1, -1, white_check_mark, x, eyes.")
}

func byName(name string) string {
	switch name {
	case "white_check_mark", "check":
		return "✅"
	case "+1", "thumbsup":
		return "👍"
	case "-1", "thumbsdown":
		return "👎"
	case "x", "no":
		return "❌"
	case "eyes":
		return "👀"
	case "tada":
		return "🎉"
	}
	return ""
}

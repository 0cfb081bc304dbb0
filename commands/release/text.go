package release

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// OneLine makes text from outside safe to stand on one line: words with single blanks between
// them, valid UTF-8, without control characters and without the invisible marks that turn the
// direction of text round. OneLine of its own result changes nothing.
func OneLine(text string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError:
			return '\uFFFD'
		case unicode.IsSpace(r) || r == '\u2028' || r == '\u2029':
			return ' '
		case unicode.IsControl(r) || r == '\uFEFF':
			return -1
		case r >= '\u202A' && r <= '\u202E' || r >= '\u2066' && r <= '\u2069' || r == '\u200E' || r == '\u200F':
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	return strings.Join(strings.Fields(clean), " ")
}

// wrap breaks text at blanks so that a line with its indentation has at most width characters.
// Characters are counted, not bytes. A word that is longer than a line stands alone on one.
func wrap(text string, width, first, rest int) []string {
	var lines []string
	indent := first
	line, length := "", 0
	for _, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		if line != "" && indent+length+1+n > width {
			lines = append(lines, strings.Repeat(" ", indent)+line)
			indent, line, length = rest, "", 0
		}
		if line != "" {
			line, length = line+" ", length+1
		}
		line, length = line+word, length+n
	}
	if line != "" {
		lines = append(lines, strings.Repeat(" ", indent)+line)
	}
	return lines
}

func isAlnum(c rune) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

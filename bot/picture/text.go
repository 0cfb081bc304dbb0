package picture

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// widths of the letters from space to ~ in hundredths of the size of the type, as a common
// sans-serif face has them.
const widths = "" +
	"\x1c\x1c\x24\x38\x38\x59\x43\x13\x21\x21\x27\x3a\x1c\x21\x1c\x1c" + // space to /
	"\x38\x38\x38\x38\x38\x38\x38\x38\x38\x38\x1c\x1c\x3a\x3a\x3a\x38" + // 0 to ?
	"\x66\x43\x43\x48\x48\x43\x3d\x4e\x48\x1c\x32\x43\x38\x53\x48\x4e" + // @ to O
	"\x43\x4e\x48\x43\x3d\x48\x43\x5e\x43\x43\x3d\x1c\x1c\x1c\x2f\x38" + // P to _
	"\x21\x38\x38\x32\x38\x38\x1c\x38\x38\x16\x16\x32\x16\x53\x38\x38" + // ` to o
	"\x38\x38\x21\x32\x1c\x38\x32\x48\x32\x32\x32\x21\x1a\x21\x3a" // p to ~

// roomy is how much wider than the table says the widest usual face is; a text that fits with it
// fits in all of them.
const roomy = 1.1

// measure is the width of s in pixels at a size of type. It errs to the wide side.
func measure(s string, size float64) float64 {
	sum := 0.0
	for _, r := range s {
		sum += advance(r)
	}
	return sum * size * roomy
}

func advance(r rune) float64 {
	if r >= ' ' && r <= '~' {
		return float64(widths[r-' ']) / 100
	}
	if unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Me, r) || unicode.Is(unicode.Cf, r) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 1
	}
	if r >= 0x1f000 { // pictures
		return 1.2
	}
	return 0.62
}

// cut shortens s to a width, with an ellipsis where something was left out.
func cut(s string, size, most float64) string {
	if measure(s, size) <= most {
		return s
	}
	room := most/(size*roomy) - advance('…')
	for i, r := range s {
		if room -= advance(r); room < 0 {
			return strings.TrimRightFunc(s[:i], unicode.IsSpace) + "…"
		}
	}
	return s
}

// wrap breaks s between words into at most n lines; what does not fit ends in an ellipsis.
func wrap(s string, size, most float64, n int) []string {
	var lines []string
	words := strings.Fields(s)
	for len(words) > 0 {
		if len(lines) == n-1 {
			return append(lines, cut(strings.Join(words, " "), size, most))
		}
		line, took := words[0], 1
		for took < len(words) && measure(line+" "+words[took], size) <= most {
			line += " " + words[took]
			took++
		}
		lines = append(lines, cut(line, size, most))
		words = words[took:]
	}
	return lines
}

// escape makes s safe in the text and in the quoted attributes of XML and HTML. What XML cannot
// hold at all becomes the sign for an unknown letter, and so do the marks that turn the direction
// of what follows, with which a text could pass for another.
func escape(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '"':
			b.WriteString("&#34;")
		case r == '\'':
			b.WriteString("&#39;")
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			b.WriteRune(utf8.RuneError)
		case r == '\n', r == '\t':
			b.WriteByte(' ')
		case r < ' ', r == 0x7f, r >= 0x80 && r < 0xa0, r == 0xfffe, r == 0xffff,
			r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f, r == 0x61c:
			b.WriteRune(utf8.RuneError)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

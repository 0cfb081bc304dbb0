package card

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestTextIsCleaned(t *testing.T) {
	for in, want := range map[string]string{
		"Fix the berth":                    "Fix the berth",
		"  two\r\n\tlines ":                "two lines",
		"a\x1b[31mred\x00":                 "a[31mred",
		"left\u202eright\u200b\u2066":      "leftright",
		"bad \xff\xfe bytes":               "bad bytes",
		"\u2028line\u2029para\u00a0nbsp":   "line para nbsp",
		strings.Repeat("ü", 30):            strings.Repeat("ü", 19) + "…",
		strings.Repeat("x ", 30):           strings.Repeat("x ", 9) + "x…",
		strings.Repeat("\u200b", 9) + "ok": "ok",
	} {
		if got := Line(in, 20); got != want {
			t.Errorf("Line(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzLine(f *testing.F) {
	f.Add("Fix \x1b[0m\u202e the berth", 10)
	f.Add(strings.Repeat("é \xff", 50), 3)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit = 1 + (limit&0x7fffffff)%300
		got := Line(text, limit)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > limit || strings.TrimSpace(got) != got {
			t.Errorf("Line(%q, %d) = %q", text, limit, got)
		}
		if strings.ContainsFunc(got, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) {
			t.Errorf("Line(%q) lets through %q", text, got)
		}
		if again := Line(got, limit); again != got {
			t.Errorf("cleaned twice: %q, %q", got, again)
		}
	})
}

package gitlab

import (
	"strings"
	"testing"
	"time"
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
		if got := Clean(in, 20); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestMarksAreFoundAtTheEndAlone(t *testing.T) {
	for text, want := range map[string]string{
		WithMark("a text\n", "abc123"):           "abc123",
		WithMark("", "k"):                        "k",
		"a\r\n\r\n<!-- slipway k:1 -->\r\n  \n":  "k:1",
		"> <!-- slipway k -->":                   "",
		"<!-- slipway k -->\nand more":           "",
		"text <!-- slipway k -->":                "",
		"<!-- slipway  k -->":                    "",
		"<!-- slipway k -->\n<!-- slipway j -->": "j",
	} {
		if got, _, _ := MarkOf(text); got != want {
			t.Errorf("MarkOf(%q) = %q, want %q", text, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("Fix \x1b[0m\u202e the berth", 10)
	f.Add(strings.Repeat("é \xff", 50), 3)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit = 1 + (limit&0x7fffffff)%300
		got := Clean(text, limit)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > limit || strings.TrimSpace(got) != got {
			t.Errorf("Clean(%q, %d) = %q", text, limit, got)
		}
		if strings.ContainsFunc(got, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) {
			t.Errorf("Clean(%q) lets through %q", text, got)
		}
		if again := Clean(got, limit); again != got {
			t.Errorf("cleaned twice: %q, %q", got, again)
		}
	})
}

func FuzzMark(f *testing.F) {
	f.Add("text\n<!-- slipway x -->\nmore", "0a1b")
	f.Fuzz(func(t *testing.T, text, key string) {
		MarkOf(text)
		if !markForm.MatchString("\n" + Mark(key)) {
			return
		}
		got, before, ok := MarkOf(WithMark(text, key))
		if !ok || got != key {
			t.Errorf("the mark %q of %q reads back as %q", key, text, got)
		}
		if want := strings.TrimRight(strings.ReplaceAll(strings.TrimRight(text, " \t\r\n"), "\r\n", "\n"), " \t\n"); before != want {
			t.Errorf("the text before it is %q, want %q", before, want)
		}
	})
}

func FuzzRemote(f *testing.F) {
	for _, s := range []string{"https://gitlab.example/yard/harbour.git", "git@gitlab.example:yard/harbour", "ssh://git@x:22/a/b.git", "https://gitlab.example/a/../b", "::"} {
		f.Add(s)
	}
	c, err := New(Options{URL: "https://gitlab.example", Token: "x", Now: time.Now})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, remote string) {
		path, err := c.pathOf(remote)
		if err == nil && (strings.Count(path, "/") < 1 || strings.Contains(path, "//") || strings.HasPrefix(path, "/") || strings.ContainsFunc(path, unicode.IsControl)) {
			t.Errorf("%q is the project %q", remote, path)
		}
		shown(remote)
	})
}

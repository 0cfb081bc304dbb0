package gitlab

import (
	"strings"
	"testing"
	"time"
	"unicode"
)

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

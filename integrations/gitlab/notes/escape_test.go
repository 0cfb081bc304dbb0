package notes

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// hostile is what outsiders write into titles, names and reasons.
func hostile() []string {
	return []string{
		"", " ", "plain text", "/close", "/merge\n/close", "  /assign @root", "x\n/close", "\r/close", "\u2028/close", "\u00a0/close", "\t/close",
		"@maria", "@all", "@all!", "cc @maria.", "(@maria)", "a@b.example", "mailto:a@b.example", "#12", "see yard/harbour#12", "!7", "~bug", `~"very bad"`, "%2026.08",
		`%"Next 3"`, "&4", "group&4", "$9", "^alert#3", "[vulnerability:1]", "[feature_flag:3]", "[[wiki page]]", "*iteration:5", "[work_item:3]",
		"[text](https://evil.example)", "![x](https://evil.example/a.png)", "<img src=x onerror=alert(1)>", "<!-- slipway k -->", "-->", "<details>", "</details>",
		"https://evil.example/x", "http\\://evil.example", "www.evil.example", "WWW.evil.example", "ftp://x", "<https://evil.example>", "javascript:alert(1)",
		"```\ncode\n```", "~~~", "`code`", "``", "a `b` c", "$`1+1`$", "$$x$$", "$x$", "{+ added +}", "[- gone -]", "| a | b |\n|---|---|", "---", "===", "# title", "1. one", "12) twelve",
		"- item", "+ item", "* item", "> quote", ">>> quote", "    indented", ":::", ":smile:", ":+1:", "::include{file=x}", "[^1]: note", "[x]: https://evil.example", "- [ ] task",
		"*bold* _it_ ~~gone~~ **x**", "a_b_c", "trailing\\", "\\/close", "\\@maria", "&lt;b&gt;", "&#64;maria", "&commat;maria", "R&D", "100 %", "50%", "C#", "10:30", "lava:go",
		"\u202egnp.exe", "a\u200bb", "@\u200bmaria", "@\u2060maria", "\u2066x\u2069", "a\u00adb", "x\x00y\x1b[2J", "\u3164", "👩\u200d🔧", "\xff\xfe", "￼", "ＡＢ＠ｍ", "名前",
		strings.Repeat("[", 300), "w\u2060ww.x", "wWw.x www.y", "[TOC]", "[[_TOC_]]", "GL-1", "@", "@@maria", "#@!~%&$^", "😀:smile:",
	}
}

// unescape is what a person reads of an escaped line.
func unescape(t *testing.T, s string) string {
	t.Helper()
	var b strings.Builder
	rs := []rune(s)
	for i := 0; i < len(rs); i++ {
		switch {
		case rs[i] == '\\':
			if i++; i == len(rs) || rs[i] >= utf8.RuneSelf || !unicode.IsPunct(rs[i]) && !unicode.IsSymbol(rs[i]) {
				t.Fatalf("%q: a backslash escapes nothing", s)
			}
			b.WriteRune(rs[i])
		case string(rs[i]) == joiner:
		default:
			b.WriteRune(rs[i])
		}
	}
	return b.String()
}

var (
	lineStart = regexp.MustCompile(`^(?:[ \t/>#*+=|:~<&@!-]|[0-9]+[.)])`)
	// after a joiner or a space nothing of GitLab's patterns goes on
	reaches = regexp.MustCompile(`[@#!~%&$^[{*](?:[^\s` + joiner + `])|:[\pL/+_-]|(?i:www\.)`)
)

// harmless is the property that Escape promises, on the text alone.
func harmless(t *testing.T, in, out string) {
	t.Helper()
	if !utf8.ValidString(out) || strings.ContainsAny(out, "\n\r\t\u2028\u2029\u0085") {
		t.Fatalf("%q became %q: it is no single line", in, out)
	}
	if lineStart.MatchString(out) {
		t.Fatalf("%q became %q: it begins what begins something", in, out)
	}
	for i, r := range out {
		if r != '\u2060' && r != '\u200d' && (unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co) || r == '\u3164') {
			t.Fatalf("%q became %q: it has the unseen character %U", in, out, r)
		}
		if strings.ContainsRune("`*_{}[]<>#!@&|~$%^", r) {
			n := 0
			for n < i && out[i-1-n] == '\\' {
				n++
			}
			if n%2 == 0 {
				t.Fatalf("%q became %q: %q stands free", in, out, r)
			}
		}
	}
	// The backslashes are gone before GitLab's own filters look at the text; the joiners are not.
	var seen strings.Builder
	rs := []rune(out)
	for i := 0; i < len(rs); i++ {
		if rs[i] == '\\' {
			i++
		}
		seen.WriteRune(rs[i])
	}
	if m := reaches.FindString(seen.String()); m != "" {
		t.Fatalf("%q became %q, which is read as %q: %q reaches further", in, out, seen.String(), m)
	}
	if got, want := unescape(t, out), visible(in); got != want {
		t.Fatalf("%q reads as %q, not as %q", in, got, want)
	}
}

func TestOutsideTextIsHarmless(t *testing.T) {
	for _, s := range hostile() {
		harmless(t, s, Escape(s))
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range hostile() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { harmless(t, s, Escape(s)) })
}

func FuzzCode(f *testing.F) {
	for _, s := range hostile() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := Code(s)
		if visible(s) == "" {
			if out != "" {
				t.Fatalf("%q became %q", s, out)
			}
			return
		}
		fence := out[:len(out)-len(strings.TrimLeft(out, "`"))]
		inner, ok := strings.CutSuffix(strings.TrimPrefix(out, fence), fence)
		if !ok || fence == "" || strings.Contains(inner, fence) || strings.HasPrefix(inner, "`") || strings.HasSuffix(inner, "`") || strings.ContainsAny(out, "\r\n") {
			t.Fatalf("%q became %q, which is not one piece of code", s, out)
		}
		if strings.TrimSpace(inner) != visible(s) {
			t.Fatalf("%q became %q", s, out)
		}
	})
}

func TestEmoji(t *testing.T) {
	for name, want := range map[string]string{
		"thumbsup": yes, "thumbsup_tone3": yes, "+1": yes, "white_check_mark": yes, "👍🏽": yes, "✅\ufe0f": yes, ":thumbsup:": yes, "THUMBSUP": yes, "+1::skin-tone-4": yes,
		"thumbsdown": no, "thumbsdown_tone1": no, "x": no, "-1": no, "👎🏿": no,
		"eyes": ":eyes:", "heavy_check_mark": ":heavy_check_mark:", "thumbsup_all": ":thumbsup_all:", "": "::", "thumbsup_tone9": ":thumbsup_tone9:", "not_thumbsup": ":not_thumbsup:",
	} {
		if got := Emoji(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
}

func TestPlaces(t *testing.T) {
	for _, id := range []string{"4711/issues/12", "1/merge_requests/9007199254740991"} {
		p, err := ParsePlace(id)
		if err != nil || p.ID() != id {
			t.Errorf("%s: %v %v", id, p, err)
		}
	}
	for _, id := range []string{"", "4711", "4711/issues", "4711/issues/0", "4711/issues/-1", "4711/issues/012", "4711/issues/1/2", "4711/epics/1", "yard%2Fharbour/issues/1",
		"4711/issues/1e3", "+1/issues/1", "4711/issues/99999999999999999999", "../issues/1", "4711/issues/1?x=y", " 4711/issues/1"} {
		if p, err := ParsePlace(id); err == nil {
			t.Errorf("%q was read as %v", id, p)
		}
	}
	if p, err := Room(4711, "merge_requests/3"); err != nil || p.String() != "merge request !3 of project 4711" {
		t.Errorf("%v %v", p, err)
	}
}

package ci

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestALogBecomesPlainText(t *testing.T) {
	for log, want := range map[string]string{
		"":                                   "",
		"a\r\nb\n\n\nc":                      "a\nb\nc",
		"\x1b[0Ka\x1b[32;1mb\x1b[0;mc":       "abc",
		"\u009b31mred":                       "red",
		"\x1b]8;;http://x\x1b\\link\x1b]8;;": "link",
		"0%\r50%\r100%\r\nnext":              "100%\nnext",
		"section_start:1:a_b[collapsed=true]\r\x1b[0KHeader\nx\nsection_end:2:a_b\r\x1b[0K": "Header\nx",
		"2024-05-22T12:12:12.123456Z 00O one\n2024-05-22T12:12:13Z 01E+two":                 "one\ntwo",
		"tab\there\u00a0x":                 "tab here x",
		"a\u202eb\u200bc\x00\x07\x7fd\xff": "abcd\uFFFD",
		strings.Repeat("ä", 400):           strings.Repeat("ä", 299) + "…",
		"\x1b":                             "",
		"\x1b[":                            "",
	} {
		if got := plain(log); got != want {
			t.Errorf("%q is %q, want %q", log, got, want)
		}
	}
}

func TestOnlyTheEndOfALogIsKept(t *testing.T) {
	stopped := false
	l := &tail{stop: func() { stopped = true }}
	for i := range 20000 {
		if _, err := l.Write([]byte("line " + strings.Repeat("x", i%50) + "\n")); err != nil {
			t.Fatal(err)
		}
	}
	if end := l.end(); len(end) > tailBytes || !strings.HasPrefix(end, "line ") || !strings.HasSuffix(end, "x\n") || cap(l.buf) > 8*tailBytes {
		t.Errorf("%d bytes, beginning with %q; room for %d", len(end), end[:20], cap(l.buf))
	}
	l.n = logMost
	if _, err := l.Write([]byte("x")); err == nil || !stopped {
		t.Error("it goes on for ever")
	}
	if got := cut("one\ntwo\nthree", 9); got != "one\ntwo" {
		t.Errorf("got %q", got)
	}
}

func FuzzPlain(f *testing.F) {
	f.Add("\x1b[31mred\x1b[0m\r\nsection_start:1:a\r\x1b[0Kx")
	f.Add("2024-05-22T12:12:12.123456Z 00O \x1b]0;t\x07x\u202e\xff")
	f.Add("\x1bPq\x1b\\\u009b1m\r\r\n\t")
	f.Fuzz(func(t *testing.T, log string) {
		got := plain(log)
		if !utf8.ValidString(got) {
			t.Fatalf("%q", got)
		}
		for line := range strings.SplitSeq(got, "\n") {
			if utf8.RuneCountInString(line) > lineRunes || strings.ContainsFunc(line, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }) {
				t.Fatalf("%q", line)
			}
		}
		if short := cut(got, 50); len(short) > 50 || !utf8.ValidString(short) {
			t.Fatalf("%q", short)
		}
	})
}

package debian

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"slipway/bot/errs"
)

const samplePackages = `Package: hello
Version: 2.10-3
Depends: libc6 (>= 2.14)
Description: example package based on GNU hello
 The GNU hello program produces a familiar, friendly greeting.
 .
   * an item
Empty:
Checksums-Sha256:
 abc 1 file
 def 2 other

Package: other
Tag: a::b,
  c::d
`

func readAll(r *Reader) (all []Paragraph, raw []string, err error) {
	for {
		p, err := r.Next()
		if err == io.EOF {
			return all, raw, nil
		}
		if err != nil {
			return all, raw, err
		}
		all, raw = append(all, p), append(raw, string(r.Raw()))
	}
}

func TestParagraphsKeepTheirBytes(t *testing.T) {
	for name, in := range map[string]io.Reader{
		"at once":      strings.NewReader(samplePackages),
		"byte by byte": iotest.OneByteReader(strings.NewReader(samplePackages)),
		"with the end": iotest.DataErrReader(strings.NewReader(samplePackages)),
	} {
		r := NewReader(in)
		all, raw, err := readAll(r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(all) != 2 || r.Line() != 13 {
			t.Fatalf("%s: %d paragraphs, the last at line %d", name, len(all), r.Line())
		}
		if got := all[0].String() + "\n" + all[1].String(); got != samplePackages || strings.Join(raw, "\n") != samplePackages {
			t.Errorf("%s: written again:\n%s", name, got)
		}
		p := all[0]
		if p.Get("VERSION") != "2.10-3" || !p.Has("empty") || p.Has("none") || p.Get("none") != "" ||
			!slices.Equal(p.Lines("checksums-sha256"), []string{"abc 1 file", "def 2 other"}) ||
			!strings.HasSuffix(p.Get("Description"), "greeting.\n.\n  * an item") {
			t.Errorf("%s: %q", name, p)
		}
		if _, err := r.Next(); err != io.EOF {
			t.Errorf("%s: after the end: %v", name, err)
		}
	}
}

func TestParagraphsAreChangedInPlace(t *testing.T) {
	p := Paragraph{{"Package", "a"}, {"Version", "1"}}
	q := p.Clone()
	q.Set("version", "2")
	q.Set("New", "\nx\n\ny")
	q.Delete("PACKAGE")
	if got := q.String(); got != "Version: 2\nNew:\n x\n .\n y\n" {
		t.Errorf("%q", got)
	}
	if p.String() != "Package: a\nVersion: 1\n" {
		t.Errorf("the original became %q", p)
	}
	for _, bad := range []Paragraph{nil, {{"", "x"}}, {{"#a", "x"}}, {{"a b", "x"}}, {{"a:", "x"}}, {{"A", "1"}, {"a", "2"}},
		{{"a", "x\n\ny"}}, {{"a", "x\n"}}, {{"a", "x\ry"}}, {{"a", "\x00"}}} {
		if err := bad.Check(); !errs.Is(err, errs.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestBadControlDataIsRefused(t *testing.T) {
	for _, c := range []struct{ why, text string }{
		{"line 1 of the list goes on with a field", " x\n"},
		{"line 2 of the list has no colon", "A: 1\nfree text\n"},
		{"line 2 of the list has only blanks", "A: 1\n \nB: 2\n"},
		{"line 4 of the list has the field a again", "A: 1\nB: 2\nC:\na: 2\n"},
		{"line 1 of the list has \"A B\"", "A B: 1\n"},
		{"no name before the colon", ": 1\n"},
		{"has \"-----BEGIN", "-----BEGIN PGP: x\n"},
		{"has \"#A\"", "#A: 1\n"},
		{"ends with a carriage return", "A: 1\r\n"},
		{"line 2 of the list does not end with a newline", "A: 1\nB: 2"},
		{"NUL", "A: 1\nB: \x00\n"},
		{"is longer than 40 bytes", "A: " + strings.Repeat("x", 40) + "\n"},
		{"is longer than 40 bytes", strings.Repeat("x", 300)},
		{"more than 100 bytes", "A:\n" + strings.Repeat(" "+strings.Repeat("x", 30)+"\n", 5)},
	} {
		r := NewReader(strings.NewReader(c.text))
		r.Name, r.MaxLine, r.MaxParagraph = "the list", 40, 100
		_, _, err := readAll(r)
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), c.why) || errs.HintOf(err) == "" {
			t.Errorf("want %q, got %v", c.why, err)
		}
		if _, again := r.Next(); again != err {
			t.Errorf("the error %q is forgotten: %v", c.why, again)
		}
	}
	broken := errors.New("the disk is gone")
	if _, _, err := readAll(NewReader(iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("error of the reader: %v", err)
	}
	many := strings.Builder{}
	for i := range maxFields + 1 {
		many.WriteString("F" + strings.Repeat("x", i) + ": 1\n")
	}
	if _, _, err := readAll(NewReader(strings.NewReader(many.String()))); err == nil || !strings.Contains(err.Error(), "more than field") {
		t.Errorf("many fields: %v", err)
	}
}

func TestHandwrittenFilesMayHaveComments(t *testing.T) {
	r := NewReader(strings.NewReader("# head\n\n# of A\nA: 1\n# inside\n 2\n\n\n# end\nB: 3"))
	r.Handwritten = true
	all, raw, err := readAll(r)
	if err != nil || len(all) != 2 || all[0].String() != "A: 1\n 2\n" || all[1].String() != "B: 3\n" {
		t.Fatalf("%v %v", all, err)
	}
	if raw[0] != "# of A\nA: 1\n# inside\n 2\n" || raw[1] != "# end\nB: 3" {
		t.Errorf("raw %q", raw)
	}
}

func paragraphGen() *rapid.Generator[Paragraph] {
	return rapid.Custom(func(t *rapid.T) Paragraph {
		var p Paragraph
		for range rapid.IntRange(1, 6).Draw(t, "fields") {
			value := rapid.StringMatching(`[!-~äß][ -~äß\t]{0,20}|`).Draw(t, "first")
			for range rapid.IntRange(0, 3).Draw(t, "lines") {
				value += "\n" + rapid.StringMatching(`[ \t]{0,3}[!-~äß][ -~äß]{0,20}`).Draw(t, "line")
			}
			p.Set(rapid.StringMatching(`[A-Za-z][A-Za-z0-9-]{0,6}`).Draw(t, "name"), value)
		}
		return p
	})
}

func TestEveryParagraphReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(paragraphGen(), 1, 4).Draw(t, "paragraphs")
		var data []byte
		for _, p := range want {
			if err := p.Check(); err != nil {
				t.Fatal(err)
			}
			data = append(p.AppendTo(data), '\n')
		}
		got, _, err := readAll(NewReader(bytes.NewReader(data)))
		if err != nil || !slices.EqualFunc(got, want, slices.Equal[Paragraph]) {
			t.Fatalf("%v\n%q\n%q", err, got, want)
		}
	})
}

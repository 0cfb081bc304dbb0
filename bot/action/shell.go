package action

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Marks stand in texts for values that are not known yet. Where a text becomes a word of a shell,
// a mark becomes the variable that will hold the value. No text can contain a mark that was not
// put there: each is made from a digest of all that is known.
type Marks struct{ open string }

// closeMark ends a mark. It is a noncharacter: Unicode gives it no meaning in exchanged text.
const closeMark = "\uFDD1"

// NewMarks makes marks that none of the known bytes can contain.
func NewMarks(known ...[]byte) Marks {
	var all []byte
	for _, k := range known {
		all = append(append(all, k...), 0)
	}
	return Marks{"\uFDD0" + DigestOf(all)[len("sha256:"):][:24] + ":"}
}

// Of is the mark of a variable.
func (m Marks) Of(name string) string { return m.open + name + closeMark }

// Fill replaces every mark in text by what value gives for its variable.
func (m Marks) Fill(text string, value func(name string) string) string {
	var b strings.Builder
	m.parts(text, func(s string) { b.WriteString(s) }, func(name string) { b.WriteString(value(name)) })
	return b.String()
}

// In reports whether there is a mark anywhere in v, a plain value as [Kind] lists them.
func (m Marks) In(v any) bool {
	switch v := v.(type) {
	case string:
		return m.open != "" && strings.Contains(v, m.open)
	case []any:
		for _, e := range v {
			if m.In(e) {
				return true
			}
		}
	case map[string]any:
		for k, e := range v {
			if m.In(k) || m.In(e) {
				return true
			}
		}
	}
	return false
}

// Word is text as one word of a POSIX shell: whatever is in it, it is data, and printf %s of the
// word gives the same bytes again. Marks become "$name". Control characters and those that hide or
// reorder text are written as octal numbers, so that what is shown is what is run. NUL bytes, which
// no word can hold, are left out.
func (m Marks) Word(text string) string {
	var b strings.Builder
	m.parts(strings.ReplaceAll(text, "\x00", ""), func(s string) { quote(&b, s) }, func(name string) { b.WriteString(`"$` + name + `"`) })
	if b.Len() == 0 {
		return "''"
	}
	return b.String()
}

// Show is text for people, on any number of lines, with $name for each mark and without control
// characters.
func (m Marks) Show(text string) string {
	text = m.Fill(text, func(name string) string { return "$" + name })
	return strings.Map(func(r rune) rune {
		if r != '\n' && hidden(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

func (m Marks) parts(text string, literal, mark func(string)) {
	for m.open != "" {
		before, rest, found := strings.Cut(text, m.open)
		name, after, closed := strings.Cut(rest, closeMark)
		if !found || !closed {
			break
		}
		if before != "" {
			literal(before)
		}
		mark(name)
		text = after
	}
	if text != "" {
		literal(text)
	}
}

// Quote is [Marks.Word] of a text without marks.
func Quote(text string) string { return Marks{}.Word(text) }

// plainWord needs no quotes anywhere in a command. An equals sign would make an assignment of the
// first word, and a tilde a home folder.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9@%+:,./_-]+$`)

// hidden characters are not seen, or move what is seen.
func hidden(r rune) bool {
	return r != '\t' && (unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Co, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r))
}

func quote(b *strings.Builder, text string) {
	if plainWord.MatchString(text) {
		b.WriteString(text)
		return
	}
	for text != "" {
		n, bad := run(text)
		piece := text[:n]
		text = text[n:]
		if !bad {
			b.WriteString("'" + strings.ReplaceAll(piece, "'", `'\''`) + "'")
			continue
		}
		b.WriteString(`"$(printf '`)
		for _, c := range []byte(piece) {
			fmt.Fprintf(b, `\%03o`, c)
		}
		b.WriteString(`')"`)
	}
}

// run is the length of the longest beginning of text that is either all to be seen as it is, or
// all to be written in numbers. A newline is never in the latter: $( ) would take it away.
func run(text string) (n int, bad bool) {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		this := r != '\n' && hidden(r) || r == utf8.RuneError && size == 1
		if i == 0 {
			bad = this
		} else if this != bad {
			return i, bad
		}
		i += size
	}
	return len(text), bad
}

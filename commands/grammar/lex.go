package grammar

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what is read.
const (
	MaxLine     = 2000 // runes in one line
	MaxCommands = 20   // command lines in one message
)

// token is one word of a line.
type token struct {
	text   string
	quoted bool   // at least its value was in quotes: it is never an option or a verb
	key    string // of key=value and --key=value with the value after it; "" otherwise
	option bool   // begins with -- outside quotes
	hasVal bool   // option or key with "="
}

// checkRunes refuses what cannot be seen or reorders what is seen: a line must mean what it
// looks like. Joiners are allowed because emoji in a reason use them.
func checkRunes(line string) error {
	if !utf8.ValidString(line) {
		return fmt.Errorf("it is not valid UTF-8 text")
	}
	if n := utf8.RuneCountInString(line); n > MaxLine {
		return fmt.Errorf("it is %d characters long, and %d is the limit", n, MaxLine)
	}
	for _, r := range line {
		switch {
		case r == '\t', r == '\u200c', r == '\u200d':
		case unicode.Is(unicode.Cc, r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r),
			r == '\u2028', r == '\u2029':
			return fmt.Errorf("it contains an invisible character (U+%04X)", r)
		}
	}
	return nil
}

// closers says which runes close a quotation that was opened by r. Phones and word processors
// type curly quotes by themselves; a straight quote is closed by a straight one only, so that
// curly quotes can be quoted.
func closers(r rune) string {
	switch r {
	case '"':
		return `"`
	case '\'':
		return `'`
	case '“', '”', '„', '‟':
		return `“”‟"`
	case '«':
		return `»"`
	case '‘', '’', '‚':
		return `’‘'`
	}
	return ""
}

// lex cuts a line into words.
func lex(line string) ([]token, error) {
	var out []token
	rs := []rune(line)
	for i := 0; i < len(rs); {
		if unicode.IsSpace(rs[i]) {
			i++
			continue
		}
		var t token
		// Phones turn "--" into a dash.
		if (rs[i] == '—' || rs[i] == '–') && i+1 < len(rs) && isLower(rs[i+1]) {
			t.option = true
			i++
		} else if rs[i] == '-' && i+2 < len(rs) && rs[i+1] == '-' && isLower(rs[i+2]) {
			t.option = true
			i += 2
		}
		var b strings.Builder
		fresh := true // a quote may open here: at the start of a word or of a value
		for i < len(rs) && !unicode.IsSpace(rs[i]) {
			r := rs[i]
			if close := closers(r); fresh && close != "" {
				text, next, err := quotation(rs, i, close)
				if err != nil {
					return nil, err
				}
				b.WriteString(text)
				t.quoted, i, fresh = true, next, false
				if i < len(rs) && !unicode.IsSpace(rs[i]) {
					return nil, fmt.Errorf("there is no space after the quoted %q", text)
				}
				break
			}
			fresh = false
			if r == '`' {
				return nil, fmt.Errorf("text in backticks is not carried out")
			}
			if r == '=' && !t.hasVal && (t.option || nameRE.MatchString(b.String())) {
				t.key, t.hasVal, fresh = b.String(), true, true
				b.Reset()
				i++
				continue
			}
			b.WriteRune(r)
			i++
		}
		t.text = b.String()
		if t.option && !t.hasVal {
			t.key = t.text
			t.text = ""
		}
		out = append(out, t)
	}
	return out, nil
}

func quotation(rs []rune, start int, close string) (text string, next int, err error) {
	var b strings.Builder
	for i := start + 1; i < len(rs); i++ {
		r := rs[i]
		if r == '\\' && close != `'` {
			if i+1 >= len(rs) {
				break
			}
			i++
			if rs[i] != '\\' && !strings.ContainsRune(close, rs[i]) {
				return "", 0, fmt.Errorf(`\%c in quotes means nothing; write \\ for a backslash and \" for a quote`, rs[i])
			}
			b.WriteRune(rs[i])
			continue
		}
		if strings.ContainsRune(close, r) {
			return b.String(), i + 1, nil
		}
		b.WriteRune(r)
	}
	return "", 0, fmt.Errorf("the quote before %q is not closed", clip(string(rs[start+1:]), 20))
}

func isLower(r rune) bool { return 'a' <= r && r <= 'z' }

// clip shortens s to n runes for an answer.
func clip(s string, n int) string {
	rs := []rune(s)
	if len(rs) <= n {
		return s
	}
	return string(rs[:n]) + "…"
}

// strange finds the first rune that is not printable ASCII.
func strange(s string) (rune, bool) {
	for _, r := range s {
		if r < 0x21 || r > 0x7e {
			return r, true
		}
	}
	return 0, false
}

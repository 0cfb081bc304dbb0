package playbook

import (
	"fmt"
	"strings"
)

// piece is a part of a template: literal text, or an expression with the byte where it begins.
type piece struct {
	text string
	expr bool
	at   int
}

// splitTemplate cuts text at its ${ … }. Braces, strings and comments inside an expression are
// understood, so that ${ {"a": "}"}["a"] } is one expression. $${ is a literal ${.
// On an error, at is the byte where the open expression begins.
func splitTemplate(text string) (pieces []piece, at int, err error) {
	var lit strings.Builder
	start := 0
	flush := func() {
		if lit.Len() > 0 {
			pieces = append(pieces, piece{text: lit.String(), at: start})
			lit.Reset()
		}
	}
	for i := 0; i < len(text); {
		switch {
		case strings.HasPrefix(text[i:], "$${"):
			lit.WriteString("${")
			i += 3
		case strings.HasPrefix(text[i:], "${"):
			end := exprEnd(text[i+2:])
			if end < 0 {
				return nil, i, fmt.Errorf("the ${ is not closed by a }")
			}
			body := text[i+2 : i+2+end]
			if strings.TrimSpace(body) == "" {
				return nil, i, fmt.Errorf("the ${ } is empty")
			}
			flush()
			if len(pieces) >= 2*maxExprs {
				return nil, i, fmt.Errorf("there are more than %d expressions", maxExprs)
			}
			pieces = append(pieces, piece{text: body, expr: true, at: i + 2})
			i += 2 + end + 1
			start = i
		default:
			lit.WriteByte(text[i])
			i++
		}
	}
	flush()
	return pieces, 0, nil
}

// exprEnd is the index of the } that closes an expression at the start of s, or -1.
func exprEnd(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '{':
			depth++
		case '}':
			if depth == 0 {
				return i
			}
			depth--
		case '"', '\'':
			n := stringEnd(s[i:], i > 0 && (s[i-1] == 'r' || s[i-1] == 'R'))
			if n < 0 {
				return -1
			}
			i += n - 1
		case '/':
			if strings.HasPrefix(s[i:], "//") {
				n := strings.IndexByte(s[i:], '\n')
				if n < 0 {
					return -1
				}
				i += n
			}
		}
	}
	return -1
}

// stringEnd is the length of the CEL string literal at the start of s, or -1. Raw strings know
// no escapes; three quotes may span lines.
func stringEnd(s string, raw bool) int {
	quote := s[:1]
	if strings.HasPrefix(s, strings.Repeat(quote, 3)) {
		quote = s[:3]
	}
	for i := len(quote); i < len(s); i++ {
		switch {
		case s[i] == '\\' && !raw:
			i++
		case strings.HasPrefix(s[i:], quote):
			return i + len(quote)
		case s[i] == '\n' && len(quote) == 1:
			return -1
		}
	}
	return -1
}

package card

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// Text draws a card for a terminal, width columns wide (at least 30; 0 means 78), without colour
// and without any control character but the newline. It ends with a newline. The digests in what a
// button says are [Short], for whoever types it.
func Text(c Card, columns int) string {
	if columns == 0 {
		columns = 78
	}
	p := &page{columns: max(columns, 30)}
	for _, b := range c.Blocks {
		for _, f := range b.Fields {
			p.names = max(p.names, cells(b.indent())+cells(Clean(f.Name)))
		}
	}
	p.names = min(p.names, p.columns/3)
	symbol := ""
	if c.State != "" {
		symbol = c.State.Symbol() + " "
	}
	p.hang(symbol, Clean(c.Title))
	if c.Status != "" || len(c.Blocks) > 0 {
		p.rule()
	}
	if c.Status != "" {
		p.hang("", Clean(c.Status))
	}
	for i, b := range c.Blocks {
		if i > 0 || c.Status != "" {
			p.line("")
		}
		p.block(b)
	}
	return p.b.String()
}

type page struct {
	b       strings.Builder
	columns int
	names   int // where the names of all fields end, so that their values form one column
}

func (p *page) line(s string) {
	p.b.WriteString(strings.TrimRight(s, " "))
	p.b.WriteByte('\n')
}

func (p *page) rule() { p.line(strings.Repeat("─", p.columns)) }

// hang writes text after first, wrapped, with the following lines under the text's start.
func (p *page) hang(first, text string) {
	indent := strings.Repeat(" ", cells(first))
	for i, l := range wrap(text, p.columns-cells(first)) {
		if i == 0 {
			p.line(first + l)
		} else {
			p.line(indent + l)
		}
	}
}

// indent is what the content of a block begins with.
func (b Block) indent() string {
	if b.Heading == "" {
		return ""
	}
	return "  "
}

func (p *page) block(b Block) {
	indent := b.indent()
	if b.Heading != "" {
		p.hang("", Clean(b.Heading))
	}
	if b.Text != "" {
		for _, l := range strings.Split(b.Text, "\n") {
			p.hang(indent, Clean(l))
		}
	}
	for _, f := range b.Fields {
		p.pair(indent, Clean(f.Name), p.names-cells(indent), f.Value)
	}
	if len(b.Steps) > 0 {
		w := 0
		for _, s := range b.Steps {
			w = max(w, cells(Clean(s.Name)))
		}
		w = min(w, p.columns/3)
		for _, s := range b.Steps {
			detail := s.Detail
			if detail == "" && s.State != Done && s.State != Pending {
				detail = string(s.State)
			}
			p.pair(indent+s.State.Symbol()+" ", Clean(s.Name), w, detail)
		}
	}
	for _, a := range b.Awaited {
		p.hang(indent+"→ ", Clean(a.Who)+": "+Clean(a.What))
	}
	for _, l := range b.Links {
		p.hang(indent+"• ", Clean(l.Text))
		p.line(indent + "  " + Clean(l.URL)) // never wrapped: it must stay clickable
	}
	if b.Picture != nil {
		for _, l := range strings.Split(b.Picture.Alt, "\n") {
			p.hang(indent, Clean(l))
		}
	}
	for _, x := range b.Buttons {
		p.hang(indent+"▸ ", Clean(x.Text)+": "+Short(Clean(x.Command)))
	}
}

// pair writes a name after first and a value beside it, or below it when the name is too wide.
func (p *page) pair(first, name string, w int, value string) {
	label := first + pad(name, w) + "  "
	if cells(label) > p.columns*2/3 {
		p.hang(first, name)
		if value == "" {
			return
		}
		label = strings.Repeat(" ", cells(first)+2)
	}
	for i, l := range strings.Split(value, "\n") {
		if i > 0 {
			label = strings.Repeat(" ", cells(label))
		}
		p.hang(label, Clean(l))
	}
}

// Clean makes s one line that is safe on a terminal: control characters, among them escape
// sequences, and characters that reorder or hide text become "�"; white space becomes one space.
func Clean(s string) string {
	var b strings.Builder
	space := false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			space = true
			continue
		case r == '\u200d' || r == '\u200c': // joiners, as in emoji
		case unicode.Is(unicode.Cc, r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r):
			r = unicode.ReplacementChar
		}
		if space && b.Len() > 0 {
			b.WriteByte(' ')
		}
		space = false
		b.WriteRune(r)
	}
	return b.String()
}

// wrap cuts s into lines of at most columns cells, at spaces where it can. There is always one.
func wrap(s string, columns int) []string {
	columns = max(columns, 8)
	var out []string
	line, used := "", 0
	for _, word := range strings.Fields(s) {
		w := cells(word)
		if used > 0 && used+1+w <= columns {
			line, used = line+" "+word, used+1+w
			continue
		}
		if used > 0 {
			out = append(out, line)
		}
		for w > columns { // a digest or an address without spaces
			head := cut(word, columns)
			out = append(out, head)
			word = word[len(head):]
			w = cells(word)
		}
		line, used = word, w
	}
	if used > 0 || len(out) == 0 {
		out = append(out, line)
	}
	return out
}

// cut is the longest start of s that fits in columns, at least one rune.
func cut(s string, columns int) string {
	used := 0
	for i, r := range s {
		if w := cellsOf(r); i > 0 && used+w > columns {
			return s[:i]
		} else {
			used += w
		}
	}
	return s
}

// Fit is s in at most columns cells of a terminal: of a longer text the end is left out for "…".
// Text in which [Clean] would change something may take more.
func Fit(s string, columns int) string {
	if cells(s) <= columns {
		return s
	}
	if columns < 1 {
		return ""
	}
	used := 0
	for i, r := range s {
		if used += cellsOf(r); used > columns-1 {
			return strings.TrimRight(s[:i], " ") + "…"
		}
	}
	return s
}

func pad(s string, w int) string {
	if n := w - cells(s); n > 0 {
		return s + strings.Repeat(" ", n)
	}
	return s
}

// cells is how many columns s takes in a terminal.
func cells(s string) int {
	n := 0
	for _, r := range s {
		n += cellsOf(r)
	}
	return n
}

func cellsOf(r rune) int {
	switch {
	case r < 0x20:
		return 0
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

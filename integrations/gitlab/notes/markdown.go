package notes

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"slipway/bot/card"
)

// maxText bounds the text of a message, in bytes. GitLab takes a million characters. A card that
// keeps its own bounds ([card.MaxBytes]) never reaches it, whatever is to be escaped.
const maxText = 5*card.MaxBytes + 20_000

// Voice is what a text needs to know besides its card.
type Voice struct {
	Address  string            // what a line to the bot begins with: "@slipway-bot"
	Mentions map[string]string // person → user name; who has none is named without being notified
	Note     string            // a line of the bot itself under the title; "": none
}

// Markdown is a card as a comment of GitLab, without its marker. It is pure: the same card and voice
// have the same text. Everything in the card is text and stays text ([Escape]); buttons, which
// comments do not have, become the line to write.
func Markdown(c card.Card, v Voice) string {
	p := &page{left: maxText}
	p.head(c, v)
	for _, b := range c.Blocks {
		p.block(b, v)
	}
	if len(c.Mentions) > 0 && !answers(c) {
		p.paragraph("For " + whom(c.Mentions, v) + ".")
	}
	return p.text()
}

// answers reports whether a card speaks to somebody rather than showing how something stands.
func answers(c card.Card) bool { return c.State == "" && c.Status == "" && len(c.Mentions) > 0 }

// begun reports whether the title of a card is only the beginning of the text below it.
func begun(c card.Card) bool {
	short, cut := strings.CutSuffix(c.Title, "…")
	return cut && len(c.Blocks) > 0 && strings.HasPrefix(c.Blocks[0].Text, short)
}

func (p *page) head(c card.Card, v Voice) {
	symbol := ""
	if c.State != "" {
		symbol = Escape(c.State.Symbol()) + " "
	}
	switch title := Escape(c.Title); {
	case answers(c) && begun(c):
		p.paragraph(whom(c.Mentions, v) + ":")
	case answers(c):
		p.paragraph(whom(c.Mentions, v) + ": " + title)
	default:
		p.paragraph("#### " + symbol + title)
	}
	if v.Note != "" {
		p.paragraph("**" + Escape(v.Note) + "**")
	}
	if c.Status != "" {
		p.paragraph(lines(c.Status))
	}
	if votable(c) {
		p.paragraph(voteLine)
	}
}

// approves begins the id of the button of a gate message that is open; voteLine says how else it is
// answered.
const (
	approves = "approve/"
	voteLine = "On this comment 👍 and ✅ approve, 👎 and ❌ reject."
)

// block writes one part of a card.
func (p *page) block(b card.Block, v Voice) {
	if b.Heading != "" {
		p.paragraph("**" + Escape(b.Heading) + "**")
	}
	if b.Text != "" {
		for _, part := range strings.Split(strings.ReplaceAll(b.Text, "\r\n", "\n"), "\n\n") {
			p.paragraph(lines(part))
		}
	}
	if b.Picture != nil { // a comment has no place for one that only some may see
		p.paragraph(lines(b.Picture.Alt))
	}
	var items []string
	for _, f := range b.Fields {
		items = append(items, pair("", f.Name, value(f.Value)))
	}
	for _, s := range b.Steps {
		detail := s.Detail
		if detail == "" && s.State != card.Done && s.State != card.Pending {
			detail = string(s.State)
		}
		items = append(items, pair(Escape(s.State.Symbol())+" ", s.Name, item(detail)))
	}
	for _, a := range b.Awaited {
		items = append(items, pair("→ ", a.Who, item(a.What)))
	}
	for _, l := range b.Links {
		if to := address(l.URL); to != "" {
			items = append(items, "["+Escape(l.Text)+"](<"+to+">)")
		}
	}
	for _, x := range b.Buttons {
		say := strings.TrimSpace(v.Address + " " + card.Short(x.Command))
		items = append(items, pair("", x.Text, "write "+Code(say)))
	}
	if len(items) > 0 {
		p.lists++ // two lists that follow each other are one, unless they have other bullets
	}
	for i, one := range items {
		if one = "*-"[p.lists%2:p.lists%2+1] + " " + one; i == 0 {
			p.paragraph(one)
		} else {
			p.line(one)
		}
	}
}

// pair is a name in bold and its value, one list item.
func pair(before, name, value string) string {
	out := before
	if name = Escape(name); name != "" {
		out += "**" + name + "**"
	}
	if value == "" {
		return out
	}
	if name == "" {
		return out + value
	}
	return out + ": " + value
}

var gap = regexp.MustCompile(` {2,}`)

// lines is a text of several lines as one paragraph. Its indentation is kept, and so is a gap between
// columns, which do not align there.
func lines(s string) string {
	var out []string
	for _, l := range strings.Split(strings.ReplaceAll(s, "\r", "\n"), "\n") {
		if strings.TrimSpace(l) == "" {
			continue
		}
		indent := len(l) - len(strings.TrimLeft(l, " "))
		var columns []string
		for _, text := range gap.Split(strings.Trim(l, " "), -1) {
			columns = append(columns, Escape(text))
		}
		out = append(out, strings.Repeat("\u00a0", min(indent, 16))+strings.Join(columns, "\u00a0\u00a0\u00a0 "))
	}
	return strings.Join(out, "\\\n")
}

// item is a text of several lines within a list item.
func item(s string) string { return strings.ReplaceAll(lines(s), "\n", "\n  ") }

// value is the value of a field: what looks like a digest or a commit is shown as code, which GitLab
// does not make a reference of.
func value(s string) string {
	if looksHex(s) {
		return Code(s)
	}
	return item(s)
}

func looksHex(s string) bool {
	s = strings.TrimPrefix(s, "sha256:")
	if len(s) < 7 || len(s) > 64 {
		return false
	}
	return strings.Trim(s, "0123456789abcdef") == ""
}

// address is a link's destination in which nothing ends the link; "" for what leads to no web page.
func address(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return ""
	}
	var b strings.Builder
	for _, c := range []byte(u.String()) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("<>\\`\"|{}^*_~", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// whom lists persons, each notified if the user name is known.
func whom(persons []string, v Voice) string {
	var out []string
	for _, p := range persons {
		if name := v.Mentions[p]; userName.MatchString(name) && !strings.EqualFold(name, "all") {
			out = append(out, "@"+name)
		} else {
			out = append(out, Escape(p))
		}
	}
	return strings.Join(out, ", ")
}

// page collects paragraphs up to a bound.
type page struct {
	b    strings.Builder
	left int
	full bool

	lists int // so far
}

func (p *page) paragraph(s string) { p.add("\n\n", s) }
func (p *page) line(s string)      { p.add("\n", s) }

func (p *page) add(before, s string) {
	if s == "" || p.full {
		return
	}
	if p.left -= len(s) + len(before); p.left < 0 {
		p.full = true
		s, before = "… The rest is too long for a comment.", "\n\n"
	}
	if p.b.Len() > 0 {
		p.b.WriteString(before)
	}
	p.b.WriteString(s)
}

func (p *page) text() string { return p.b.String() }

package chat

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	slackgo "github.com/slack-go/slack"

	"slipway/bot/card"
)

// userForm is what ids of users look like.
var userForm = regexp.MustCompile(`^[UW][A-Z0-9]{2,20}$`)

// columns is a gap between columns.
var columns = regexp.MustCompile(`[^ ] {2,}[^ ]`)

// plain is one part of the card that has not its own place: a text or fields.
func plain(b card.Block) []slackgo.Block {
	if b.Picture != nil { // one that is not a file: in words
		b.Text = b.Picture.Alt
	}
	if b.Text == "" && len(b.Fields) == 0 {
		return nil
	}
	lines := heading(b)
	for _, f := range b.Fields {
		lines = append(lines, pair(f.Name, f.Value)...)
	}
	if b.Text == "" {
		return rich(lines)
	}
	text := split(strings.Trim(b.Text, "\r\n"))
	if slices.ContainsFunc(text, func(l string) bool { return columns.MatchString(visible(l)) }) {
		var rows []string
		for _, l := range text {
			rows = append(rows, strings.Repeat(" ", indent(l))+visible(l))
		}
		return append(rich(lines), table(rows)...)
	}
	for _, l := range text {
		lines = append(lines, line{words(strings.Repeat("\u00a0", indent(l)) + single(l))})
	}
	return rich(lines)
}

func heading(b card.Block) []line {
	if h := single(b.Heading); h != "" {
		return []line{{bold(clip(h, 300))}}
	}
	return nil
}

// indent is how far a line is moved to the right.
func indent(l string) int { return min(len(l)-len(strings.TrimLeft(l, " ")), 16) }

// maxOver bounds what follows in further messages. No card that keeps its own bounds ([card.MaxBytes])
// reaches it.
const maxOver = 80

// take takes blocks that are shown if there is room. What follows something that did not fit would
// stand in the wrong order.
func (m *message) take(at int, blocks []slackgo.Block) {
	for _, b := range blocks {
		switch {
		case !m.full && m.add(at, b):
		case len(m.over) < maxOver:
			m.full, m.over = true, append(m.over, b)
		default:
			m.cut = true
		}
	}
}

// links takes the addresses of pages, before there is no room.
func (m *message) links(at int, b card.Block) {
	lines := heading(b)
	for _, l := range b.Links {
		if to := address(l.URL); to != "" {
			lines = append(lines, line{words("• "), word{text: linkText(l.Text, to), url: to}})
		} else if text := single(l.Text); text != "" {
			lines = append(lines, line{words("• " + text)})
		}
	}
	for _, x := range rich(lines) {
		if n := size(x); m.used+n <= roomLinks && m.add(at, x) {
			m.used += n
		} else {
			m.late = append(m.late, x)
		}
	}
}

// pair is a name and its value, of one line or several.
func pair(name, v string) (out []line) {
	name = single(name)
	for i, l := range split(v) {
		l = single(l)
		switch {
		case i > 0 && l == "":
		case i > 0:
			out = append(out, line{words("\u00a0\u00a0\u00a0" + l)})
		case name == "":
			out = append(out, line{value(l)})
		case l == "":
			out = append(out, line{bold(name)})
		default:
			out = append(out, line{bold(name), words(": "), value(l)})
		}
	}
	return out
}

func linkText(s, to string) string {
	if s = clip(single(s), 300); s != "" {
		return s
	}
	return clip(to, 300)
}

// address is a link's destination; "" for what leads to no web page.
func address(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return ""
	}
	var b strings.Builder
	for _, c := range []byte(u.String()) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("<>\\`\"|{}^", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	if b.Len() > min(maxURL, maxRich-400) {
		return ""
	}
	return b.String()
}

// buttons takes the buttons of the whole card, below everything else. Pressing one says its command:
// that is its value, and its action is "say", with a number where there are several. A button whose id
// begins with "form:" opens a form.
func (m *message) buttons(c card.Card) {
	var all []card.Button
	for _, b := range c.Blocks {
		all = append(all, b.Buttons...)
	}
	room := roomButtons
	var row []slackgo.BlockElement
	flush := func() {
		if len(row) > 0 {
			m.add(atButtons, slackgo.NewActionBlock("", row...))
		}
		row = nil
	}
	var typed []line
	n := 0
	for _, x := range all {
		if strings.TrimSpace(x.Command) == "" {
			continue
		}
		b := button(x, n)
		cost := size(slackgo.NewActionBlock("", b))
		if units(x.Command) > maxValue || cost > room {
			if strings.HasPrefix(x.ID, form) { // nobody can type it
				continue
			}
			typed = append(typed, line{bold(label(x)), words(": write "), word{text: single(card.Short(x.Command)), style: coded}})
			continue
		}
		room, n = room-cost, n+1
		if row = append(row, b); len(row) == maxActions {
			flush()
		}
	}
	flush()
	m.late = append(m.late, rich(typed)...)
}

func label(x card.Button) string {
	if s := clip(single(x.Text), maxLabel); s != "" {
		return s
	}
	return clip(single(x.Command), maxLabel)
}

// say is the action of every button that says its command. The id of a button that opens a form begins with
// form in the card too: its command is what the form is asked for by.
const (
	say  = "say"
	form = "form:"
)

func button(x card.Button, n int) *slackgo.ButtonBlockElement {
	id := say
	if n > 0 { // two of one name are refused
		id = fmt.Sprintf("%s:%d", say, n+1)
	}
	text := func(s string) *slackgo.TextBlockObject {
		return slackgo.NewTextBlockObject(slackgo.PlainTextType, s, false, false)
	}
	b := slackgo.NewButtonBlockElement(id, x.Command, text(label(x)))
	switch {
	case strings.HasPrefix(x.ID, form):
		b.ActionID = fmt.Sprintf("%s%d", form, n+1)
	case x.Danger:
		b.Style = slackgo.StyleDanger
		b.Confirm = slackgo.NewConfirmationBlockObject(text("Are you sure?"), text(clip(single(card.Short(x.Command)), 300)), text(clip(label(x), 30)), text("No"))
		b.Confirm.Style = slackgo.StyleDanger
	case strings.HasPrefix(x.ID, approves):
		b.Style = slackgo.StylePrimary
	}
	return b
}

// parcels are blocks as further messages, each within the limits and with no more characters than each,
// unless a single block has more.
func parcels(blocks []slackgo.Block, each int) (out [][]slackgo.Block) {
	var now []slackgo.Block
	left := each
	for _, b := range blocks {
		n := size(b)
		if len(now) > 0 && (n > left || len(now) == maxBlocks) {
			out, now, left = append(out, now), nil, each
		}
		now, left = append(now, b), left-n
	}
	return append(out, now)
}

// fallback is the text for notifications, and for whatever shows no blocks.
func fallback(c card.Card) string {
	parts := []string{titled(c)}
	if answers(c) && cutShort(c) {
		parts = nil
	}
	if c.Status != "" {
		parts = append(parts, single(c.Status))
	}
	if c.Status == "" {
		for _, b := range c.Blocks {
			if b.Text != "" {
				parts = append(parts, single(b.Text))
				break
			}
		}
	}
	return escape(clip(strings.Join(parts, "\n"), maxText/5))
}

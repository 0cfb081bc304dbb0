package chat

import (
	"fmt"
	"slices"
	"strings"

	slackgo "github.com/slack-go/slack"

	"slipway/bot/card"
)

// Limits of a message (docs.slack.dev, "Blocks" and "chat.postMessage"). For the whole Slack names
// none: about 11,300 characters of rich text and 13,200 of others were refused (github.com/slackapi/
// bolt-js, issues 2509 and 2867), so all of it as JSON stays below 10,000.
const (
	maxTotal   = 10_000
	maxBlocks  = 50
	maxHeader  = 150
	maxText    = 3000 // of the text for notifications, of 4,000
	maxLabel   = 75   // of a button
	maxValue   = 2000 // of a button
	maxActions = 25   // buttons in one block
	maxURL     = 3000
)

// Parts of a message that are always there get no more than this, as JSON.
const (
	roomTitle   = 700
	roomStatus  = 1200
	roomAwaited = 2800
	roomButtons = 2400
	roomLinks   = 1500
	roomOthers  = 3000 // beside a list of steps, if there is so much
	roomRemark  = 250
	roomNotify  = 1800 // of a gate message: whoever is awaited, what is approved stays where it was
	maxNotified = 20   // persons
)

// Voice is what a message needs to know besides its card.
type Voice struct {
	// Mention gives the ids of a person's users in the workspace; nil, or none: the person is named
	// without being notified.
	Mention func(person string) []string
	// Again says that the message is there already: what followed it when it was posted stays as it is.
	Again bool
}

// drawing makes the messages of a card: [Message] or brief.
type drawing func(card.Card, Voice) (text string, blocks []slackgo.Block, rest [][]slackgo.Block)

// Message is a card as a message of Slack: the text for notifications, the blocks, and, for a card that
// is no live card of a run, the blocks of messages with what did not fit. It is pure.
//
// Whatever the card, every limit of Slack holds, and the title, the status, who is awaited and the
// buttons are there. Of a run with many steps those that matter are listed and the others counted.
// Everything in the card is text and stays text: no markup, mention, link or emoji name comes out of
// it. The only mentions are those of c.Mentions, the only links those of the card's links.
func Message(c card.Card, v Voice) (text string, blocks []slackgo.Block, rest [][]slackgo.Block) {
	c, m := begun(c, v)
	lists, others := 0, 0
	for i, b := range c.Blocks {
		switch {
		case len(b.Steps) > 0:
			lists++
		case len(b.Links) > 0:
			m.links(i, b)
		default:
			others += size(plain(b)...)
		}
	}
	others = min(others, roomOthers)
	for i, b := range c.Blocks {
		if len(b.Steps) > 0 {
			m.steps(i, b, (m.left-others)/lists)
			lists--
		}
	}
	for i, b := range c.Blocks {
		if len(b.Links) == 0 {
			m.take(i, plain(b))
		}
	}
	return m.whole(c, "…and more, which does not fit here.", maxTotal)
}

// brief is a card as one for whom Slack does not take the whole: bounds that it does not name are kept by
// showing nothing but what [Message] always shows, and the rest in smaller messages.
func brief(c card.Card, v Voice) (text string, blocks []slackgo.Block, rest [][]slackgo.Block) {
	c, m := begun(c, v)
	m.left, m.full = 0, true
	for i, b := range c.Blocks {
		if len(b.Links) > 0 {
			m.links(i, b)
		} else {
			m.take(i, plain(b))
		}
	}
	return m.whole(c, "…and more, which Slack does not take.", maxTotal/3)
}

// begun is what every message of a card has, and the card with no text longer than any may be.
func begun(c card.Card, v Voice) (card.Card, *message) {
	c = c.Map(func(s string) string { return clip(s, 2*card.MaxText) }) // as [card.Card.Check] has it, whatever it counts
	m := &message{voice: v, left: maxTotal - 2 - roomRemark}
	m.head(c)
	m.buttons(c)
	m.notify(c)
	m.awaited(c)
	return c, m
}

// whole is what was collected: the text for notifications, the blocks, and what follows, unless c is a live
// card; then remark says that there is more. each bounds one message of what follows.
func (m *message) whole(c card.Card, remark string, each int) (text string, blocks []slackgo.Block, rest [][]slackgo.Block) {
	m.over = append(m.over, m.late...)
	if m.cut {
		m.over = append(m.over, section([]word{words("…and more, which is too long for Slack.")}))
	}
	blocks = m.blocks()
	switch {
	case len(m.over) == 0 && !(lives(c) && m.full):
		return fallback(c), blocks, nil
	case lives(c):
	case m.voice.Again:
		remark += " What did not fit when it was posted is in the thread."
	default:
		remark, rest = "…and more, in the thread.", parcels(m.over, each)
	}
	return fallback(c), append(blocks, section([]word{words(remark)})), rest
}

// lives reports whether a card is the live card of a run.
func lives(c card.Card) bool {
	return slices.ContainsFunc(c.Blocks, func(b card.Block) bool { return len(b.Steps) > 0 })
}

// message collects pieces up to the bounds.
type message struct {
	voice  Voice
	pieces []piece
	count  int // blocks
	left   int // characters

	over []slackgo.Block // what did not fit
	late []slackgo.Block // buttons that did not fit
	full bool
	used int  // by links
	cut  bool // something is left out
}

// piece is some blocks and where they stand.
type piece struct {
	at     int
	blocks []slackgo.Block
}

// Where the pieces stand that are no blocks of the card.
const (
	atHead    = -1
	atButtons = 1 << 20
	atNotify  = atButtons + 1
)

// add takes blocks if there is room.
func (m *message) add(at int, blocks ...slackgo.Block) bool {
	if len(blocks) == 0 {
		return true
	}
	n := size(blocks...)
	if n > m.left || m.count+len(blocks) > maxBlocks-1 { // one for the remark
		return false
	}
	m.left, m.count = m.left-n, m.count+len(blocks)
	m.pieces = append(m.pieces, piece{at, blocks})
	return true
}

func (m *message) blocks() (out []slackgo.Block) {
	slices.SortStableFunc(m.pieces, func(a, b piece) int { return a.at - b.at })
	for _, p := range m.pieces {
		out = append(out, p.blocks...)
	}
	return out
}

// speaks reports whether a card says something rather than showing how something stands.
func speaks(c card.Card) bool { return c.State == "" && c.Status == "" }

// answers reports whether a card speaks to somebody by name.
func answers(c card.Card) bool { return speaks(c) && len(c.Mentions) > 0 }

// cutShort reports whether the title of a card is only the beginning of the text below it.
func cutShort(c card.Card) bool {
	short, cut := strings.CutSuffix(c.Title, "…")
	return cut && len(c.Blocks) > 0 && strings.HasPrefix(c.Blocks[0].Text, short)
}

// titled is the title with its symbol.
func titled(c card.Card) string {
	title := single(c.Title)
	if title == "" {
		title = "…"
	}
	if c.State != "" {
		title = c.State.Symbol() + " " + title
	}
	return title
}

func (m *message) head(c card.Card) {
	title := titled(c)
	switch {
	case answers(c):
		whom := m.whom(c.Mentions, true)
		if whom = append(whom, words(":")); !cutShort(c) {
			whom = append(whom, words(" "))
		} else {
			title = ""
		}
		m.add(atHead, fitted(title, roomTitle, func(s string) slackgo.Block { return section(append(slices.Clone(whom), words(s))) }))
	case speaks(c) && cutShort(c): // the whole is below
	case speaks(c) && len(c.Blocks) == 0:
		m.add(atHead, fitted(title, roomTitle, func(s string) slackgo.Block { return section([]word{words(s)}) }))
	case units(title) > maxHeader:
		m.add(atHead, fitted(title, roomTitle, func(s string) slackgo.Block { return section([]word{bold(s)}) }))
	default:
		m.add(atHead, slackgo.NewHeaderBlock(slackgo.NewTextBlockObject(slackgo.PlainTextType, title, false, false)))
	}
	if c.Status != "" {
		m.add(atHead, fitted(joined(c.Status), roomStatus, func(s string) slackgo.Block { return section([]word{words(s)}) }))
	}
}

// joined is a text of several lines with each line visible.
func joined(s string) string {
	var out []string
	for _, l := range split(s) {
		out = append(out, single(l))
	}
	return strings.Trim(strings.Join(out, "\n"), "\n ")
}

// split cuts a text into its lines.
func split(s string) []string {
	return strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s), "\n")
}

// fitted builds a block around as much of a text as keeps it within a limit.
func fitted(s string, limit int, build func(string) slackgo.Block) slackgo.Block {
	for n := units(s); ; n = n * 3 / 4 {
		b := build(clip(s, max(n, 8)))
		if b == nil {
			return section([]word{words("…")})
		}
		if n <= 8 || size(b) <= limit {
			return b
		}
	}
}

// whom lists persons, each notified if an account is known.
func (m *message) whom(persons []string, all bool) (out []word) {
	n := 0
	named := map[string]bool{}
	for _, p := range persons {
		var users []string
		if m.voice.Mention != nil && n < maxNotified {
			users = m.voice.Mention(p)
		}
		if len(users) == 0 && all && n < maxNotified {
			out, n = append(out, words(", "), words(clip(single(p), 60))), n+1
		}
		for _, u := range users {
			if userForm.MatchString(u) && n < maxNotified && !named[u] {
				named[u] = true
				out, n = append(out, words(", "), word{user: u}), n+1
			}
		}
	}
	if len(out) > 0 {
		out = out[1:]
	}
	return out
}

// notify is the line by which persons are notified who are not spoken to. In a gate message it takes the same
// room whoever they are.
func (m *message) notify(c card.Card) {
	if answers(c) {
		return
	}
	before := m.left
	if whom := m.whom(c.Mentions, false); len(whom) > 0 {
		m.add(atNotify, section(append(append([]word{words("For ")}, whom...), words("."))))
	}
	if votable(c) && !lives(c) {
		m.left = min(m.left, before-roomNotify)
	}
}

// awaited lists all for whom the run waits, where the card has the first of them.
func (m *message) awaited(c card.Card) {
	type waiter struct{ who, what string }
	var all []waiter
	at, heading := -1, ""
	for i, b := range c.Blocks {
		if len(b.Awaited) > 0 && at < 0 {
			at, heading = i, single(b.Heading)
		}
		for _, a := range b.Awaited {
			all = append(all, waiter{clip(single(a.Who), 1000), clip(single(a.What), 1000)})
		}
	}
	if at < 0 {
		return
	}
	list := func(n, who, what int) slackgo.Block {
		var out []word
		if heading != "" {
			out = append(out, bold(clip(heading, 100)), words("\n"))
		}
		for i, a := range all[:n] {
			if i > 0 {
				out = append(out, words("\n"))
			}
			text := "→ " + clip(a.who, who)
			if a.what != "" {
				text += ": " + clip(a.what, what)
			}
			out = append(out, words(text))
		}
		if n < len(all) {
			out = append(out, words(fmt.Sprintf("\n…and %d more", len(all)-n)))
		}
		return section(out)
	}
	// Names matter most: what is shortened first is what they are awaited for.
	for n, who, what := len(all), 200, 900; ; {
		b := list(n, who, what)
		if size(b) <= roomAwaited || n == 1 && what <= 12 {
			m.add(at, b)
			return
		}
		switch {
		case what > 60:
			what = what * 3 / 4
		case who > 40:
			who = who * 3 / 4
		case what > 12:
			what = what * 3 / 4
		case who > 20:
			who = max(20, who*3/4)
		default:
			n = max(1, n*3/4)
		}
	}
}

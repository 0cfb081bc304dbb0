package subscription

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"slipway/bot/card"
	"slipway/bot/people"
)

// Correction is what was said later about news that were told already.
type Correction struct {
	Text string          `json:"text"`
	By   people.PersonID `json:"by"`
	At   time.Time       `json:"at"`
}

// Item is one thing to be told: the news as they were composed, and what was corrected since.
type Item struct {
	News        News         `json:"news"`
	Corrections []Correction `json:"corrections,omitempty"`
}

// Setting is what a text needs to know besides the news.
type Setting struct {
	Zone *time.Location           // of the reader; nil: UTC
	Page func(path string) string // full address of a page of the console, such as "/runs/ID"; nil or "": there is none
	Stop string                   // address that ends the subscription; "": by command only
}

// Bounds of a text.
const (
	maxItems = 40    // of one digest that are told whole; the rest is counted
	maxBody  = 11000 // bytes of a mail
	maxPost  = 2800  // runes of the text of a post
)

func (o Setting) page(n News) string {
	if o.Page == nil || n.Run == "" {
		return ""
	}
	return o.Page("/runs/" + n.Run)
}

// Local is a moment on the reader's clock: "Tue 15 Jan 2019 11:00 CET (UTC+01:00)".
func Local(t time.Time, zone *time.Location) string {
	if zone == nil || zone == time.UTC || zone.String() == "UTC" {
		return t.UTC().Format("Mon 2 Jan 2006 15:04") + " UTC"
	}
	t = t.In(zone)
	name, _ := t.Zone()
	if name == "" || name[0] == '+' || name[0] == '-' { // a zone that has no short name
		return t.Format("Mon 2 Jan 2006 15:04 (UTC-07:00)")
	}
	return t.Format("Mon 2 Jan 2006 15:04 ") + name + t.Format(" (UTC-07:00)")
}

// mark is what goes before a title, so that severity is seen at a glance.
func (s Severity) mark() string {
	switch s {
	case Urgent:
		return "URGENT: "
	case Warning:
		return "Warning: "
	}
	return ""
}

// Headline is the title of a message with these news.
func Headline(items []Item) string {
	if len(items) == 1 {
		n := items[0].News
		if len(items[0].Corrections) > 0 {
			return clipTo(n.Severity.mark()+"Corrected: "+n.Title, card.MaxTitle)
		}
		return clipTo(n.Severity.mark()+n.Title, card.MaxTitle)
	}
	return fmt.Sprintf("%d news of %s", len(items), projects(items))
}

func projects(items []Item) string {
	name := items[0].News.Project
	for _, it := range items[1:] {
		if it.News.Project != name {
			return "several projects"
		}
	}
	if name == EveryProject {
		return "every project"
	}
	return name
}

// Post is the message for a chat. The caller gives it its key.
func Post(items []Item, o Setting) card.Card {
	c := card.Card{Title: Headline(items)}
	if len(items) == 1 {
		it := items[0]
		if it.News.Severity == Warning { // chats have the title as it is written, and search for it
			c.Title = strings.TrimPrefix(c.Title, Warning.mark())
		}
		if text := clipTo(body(it, o), maxPost); text != "" {
			c.Blocks = append(c.Blocks, card.Block{Text: text})
		}
		var links []card.Link
		for _, l := range []card.Link{{Text: it.News.Link, URL: it.News.Link}, {Text: it.News.Name, URL: o.page(it.News)}} {
			if l.URL != "" && l.Text != "" {
				links = append(links, l)
			}
		}
		if len(links) > 0 {
			c.Blocks = append(c.Blocks, card.Block{Links: links})
		}
		return c
	}
	var b strings.Builder
	shown := items[:min(len(items), maxItems)]
	for _, it := range shown {
		line := "• " + it.News.Severity.mark() + it.News.Title + " (" + Local(it.News.At, o.Zone) + ")\n"
		if len(it.Corrections) > 0 {
			line += "  Corrected: " + it.Corrections[len(it.Corrections)-1].Text + "\n"
		}
		b.WriteString(line)
	}
	if more := len(items) - len(shown); more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	c.Blocks = []card.Block{{Text: clipTo(strings.TrimRight(b.String(), "\n"), maxPost)}}
	return c
}

// body is the text of one item without its title.
func body(it Item, o Setting) string {
	text := strings.TrimSpace(it.News.Text)
	for _, c := range it.Corrections {
		text = strings.TrimLeft(text+"\n", "\n") + fmt.Sprintf("Corrected by %s on %s: %s", c.By, Local(c.At, o.Zone), c.Text)
	}
	return text
}

// Letter is a mail: one line, and plain text.
type Letter struct {
	Subject, Body string
}

// Mail is the message for an address.
func Mail(s Subscription, items []Item, o Setting) Letter {
	var b strings.Builder
	left := 0
	for i, it := range items {
		part := paragraph(it, o)
		if i > 0 {
			part = "\n" + part
		}
		if i >= maxItems || b.Len()+len(part) > maxBody-1500 && i > 0 {
			left = len(items) - i
			break
		}
		b.WriteString(clipTo(part, maxBody-2000))
	}
	if left > 0 {
		fmt.Fprintf(&b, "\nThere are %d more; they do not fit into one mail.\n", left)
	}
	return Letter{Subject: subject(items), Body: b.String() + footer(s, o)}
}

func subject(items []Item) string {
	line := Headline(items)
	if p := items[0].News.Project; p != EveryProject && len(items) == 1 {
		line = "[" + p + "] " + line
	}
	return oneLine(line)
}

// paragraph tells one item whole.
func paragraph(it Item, o Setting) string {
	n := it.News
	text := n.Severity.mark() + n.Title + "\n"
	if t := body(it, o); t != "" {
		text += "\n" + t + "\n"
	}
	text += "\n" + Local(n.At, o.Zone) + "\n"
	for _, link := range []string{n.Link, o.page(n)} {
		if link != "" {
			text += link + "\n"
		}
	}
	return plain(text)
}

// Amend is the mail that corrects one that was sent: what is said now, and what was said then.
func Amend(s Subscription, n News, fresh []Correction, o Setting) Letter {
	var b strings.Builder
	b.WriteString("This corrects what you were told on " + Local(n.At, o.Zone) + ".\n\n")
	for _, c := range fresh {
		fmt.Fprintf(&b, "%s\n(%s, %s)\n\n", strings.TrimSpace(c.Text), c.By, Local(c.At, o.Zone))
	}
	b.WriteString("It was: " + n.Title + "\n")
	for line := range strings.Lines(strings.TrimSpace(n.Text)) {
		b.WriteString("> " + strings.TrimRight(line, "\n") + "\n")
	}
	for _, link := range []string{n.Link, o.page(n)} {
		if link != "" {
			b.WriteString(link + "\n")
		}
	}
	title := "Correction: " + n.Title
	if n.Project != EveryProject {
		title = "[" + n.Project + "] " + title
	}
	return Letter{Subject: oneLine(title), Body: clipTo(plain(b.String()), maxBody) + footer(s, o)}
}

// Invite asks an addressee to confirm a subscription that another person made.
func Invite(s Subscription, by, code, confirm string, o Setting) Letter {
	var b strings.Builder
	fmt.Fprintf(&b, "%s asks that %s be told of %s.\n\n", by, s.To.Mail, s.Filter)
	fmt.Fprintf(&b, "Nothing is sent before you agree. If you do not want it, do nothing: this is the only mail.\n\n")
	if confirm != "" {
		fmt.Fprintf(&b, "To agree, open this page and press the button:\n%s\n\nOr say to Slipway:\n", confirm)
	} else {
		b.WriteString("To agree, say to Slipway, or let somebody say who may:\n")
	}
	fmt.Fprintf(&b, "subscribe confirm %s\n", code)
	return Letter{Subject: oneLine("Please confirm: news of " + s.Filter.project()), Body: plain(b.String())}
}

func footer(s Subscription, o Setting) string {
	text := "\n-- \nYou are told of " + s.Filter.String() + ", " + s.Rules.String() + ".\n"
	if o.Stop != "" {
		text += "To stop: " + o.Stop + "\n"
	}
	text += "Or say to Slipway: unsubscribe " + s.ID + "\n"
	if o.Page != nil {
		if page := o.Page("/subscriptions"); page != "" {
			text += "All subscriptions: " + page + "\n"
		}
	}
	return plain(text)
}

// plain keeps what a plain-text mail may hold: nothing that controls or turns around but the end of a line.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\u200c', r == '\u200d': // joiners, as in emoji
			return r
		case r == '\t':
			return ' '
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp):
			return -1
		}
		return r
	}, s)
}

func oneLine(s string) string {
	return clipTo(strings.Join(strings.Fields(plain(s)), " "), 180)
}

func clipTo(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

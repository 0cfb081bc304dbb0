package chat

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	slackgo "github.com/slack-go/slack"

	"slipway/bot/card"
)

// looked is a message as its reader gets it, and everything that is wrong with it.
type looked struct {
	wrong []string
	draw  strings.Builder // words with their looks
	plain strings.Builder // words alone
	users []string
	links []string
	says  []string // commands of buttons
	ids   map[string]bool
}

func (l *looked) bad(format string, args ...any) {
	l.wrong = append(l.wrong, fmt.Sprintf(format, args...))
}

// look reads blocks as JSON, with none of the code that made them, and holds them to Slack's limits.
func look(text string, blocks []slackgo.Block) *looked {
	l := &looked{ids: map[string]bool{}}
	raw, err := blocksJSON(blocks)
	if err != nil {
		l.bad("the blocks cannot be written: %v", err)
		return l
	}
	if n := utf8.RuneCount(raw); n > 10_000 {
		l.bad("%d characters of JSON", n)
	}
	if n := utf8.RuneCountInString(text); n < 1 || n > 4000 {
		l.bad("a text of %d characters", n)
	}
	if m := rawMarkup.FindString(text); m != "" {
		l.bad("%q in the text for notifications is read as markup", m)
	}
	l.seen("text", text)
	var all []map[string]any
	if err := json.Unmarshal(raw, &all); err != nil {
		l.bad("the blocks do not read back: %v", err)
	}
	if len(all) < 1 || len(all) > 50 {
		l.bad("%d blocks", len(all))
	}
	for _, b := range all {
		l.block(b)
	}
	return l
}

// saying is the action of a button whose value is a command to be said.
var saying = regexp.MustCompile(`^say(:[0-9]+)?$`)

// rawMarkup is what Slack reads as a mention, a link or a date, and an ampersand that is not written out.
var rawMarkup = regexp.MustCompile(`[<>]|&(?:[^agl]|a[^m]|[gl][^t]|$)`)

// seen refuses what acts instead of being seen.
func (l *looked) seen(where, s string) {
	if !utf8.ValidString(s) {
		l.bad("%s is no UTF-8: %q", where, s)
	}
	last := rune(0)
	for _, r := range s {
		joins := r == '\u200d' && (last == '\ufe0f' || last > 0x2600)
		if r != '\n' && !joins && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
			l.bad("%s has %U: %q", where, r, s)
		}
		last = r
	}
}

func (l *looked) text(where string, v any, most int) string {
	o, _ := v.(map[string]any)
	s, _ := o["text"].(string)
	if o["type"] != "plain_text" || o["emoji"] != false {
		l.bad("%s is not plain text without emoji names: %v", where, o)
	}
	if n := units(s); n < 1 || n > most {
		l.bad("%s has %d characters, of 1 to %d", where, n, most)
	}
	l.seen(where, s)
	return s
}

func (l *looked) say(s string)  { l.plain.WriteString(s) }
func (l *looked) show(s string) { l.draw.WriteString(s) }

func (l *looked) block(b map[string]any) {
	switch b["type"] {
	case "header":
		s := l.text("a header", b["text"], 150)
		l.show("== " + s + "\n")
		l.say(s + "\n")
	case "rich_text":
		elements, _ := b["elements"].([]any)
		if len(elements) != 1 {
			l.bad("%d elements in a rich text", len(elements))
		}
		n := 0
		for _, e := range elements {
			n += l.rich(e.(map[string]any))
		}
		if n < 1 || n > 3000 {
			l.bad("a rich text of %d characters", n)
		}
		l.show("\n")
		l.say("\n")
	case "actions":
		elements, _ := b["elements"].([]any)
		if len(elements) < 1 || len(elements) > 25 {
			l.bad("%d buttons in a block", len(elements))
		}
		for _, e := range elements {
			l.button(e.(map[string]any))
		}
	default:
		l.bad("a block of type %v", b["type"])
	}
}

func (l *looked) button(e map[string]any) {
	label := l.text("a button", e["text"], 75)
	value, _ := e["value"].(string)
	if n := units(value); e["type"] != "button" || n < 1 || n > 2000 {
		l.bad("a %v with a value of %d characters", e["type"], n)
	}
	id, _ := e["action_id"].(string)
	if l.ids[id] || !saying.MatchString(id) {
		l.bad("the action %q twice, or a wrong one", id)
	}
	l.ids[id] = true
	look := ""
	if style, has := e["style"]; has {
		look = fmt.Sprintf(" (%v)", style)
	}
	if c, has := e["confirm"].(map[string]any); has {
		l.text("the title of a question", c["title"], 100)
		l.text("a question", c["text"], 300)
		l.text("a yes", c["confirm"], 30)
		l.text("a no", c["deny"], 30)
		look += " asks first"
	}
	l.says = append(l.says, value)
	l.show("[" + label + "]" + look + " says " + card.Short(value) + "\n")
	l.say(label + "\n")
}

func (l *looked) rich(e map[string]any) (n int) {
	if e["type"] != "rich_text_section" && e["type"] != "rich_text_preformatted" {
		l.bad("an element of type %v", e["type"])
	}
	if e["type"] == "rich_text_preformatted" {
		l.show("```\n")
		defer l.show("\n```")
	}
	parts, _ := e["elements"].([]any)
	for _, p := range parts {
		o := p.(map[string]any)
		s, _ := o["text"].(string)
		switch o["type"] {
		case "text":
			if s == "" {
				l.bad("an empty text")
			}
		case "link":
			to, _ := o["url"].(string)
			if l.links = append(l.links, to); !strings.HasPrefix(to, "http") || len(to) > 3000 || s == "" {
				l.bad("a link to %q", to)
			}
			l.show("(" + to + ")")
		case "user":
			who, _ := o["user_id"].(string)
			l.users = append(l.users, who)
			s = "@" + who
		default:
			l.bad("an element of type %v in a text", o["type"])
		}
		l.seen("a text", s)
		n += units(s)
		mark := ""
		for _, style := range []string{"bold", "code"} {
			if m, _ := o["style"].(map[string]any); m[style] == true {
				mark = map[string]string{"bold": "*", "code": "`"}[style]
			}
		}
		l.show(mark + s + mark)
		l.say(s)
	}
	return n
}

// whole looks at a message and all that follows it.
func whole(c card.Card, v Voice) (first *looked, all string, wrong []string) {
	text, blocks, rest := Message(c, v)
	first = look(text, blocks)
	wrong, all = first.wrong, first.plain.String()
	for _, more := range rest {
		l := look(text, more)
		wrong, all = append(wrong, l.wrong...), all+l.plain.String()
		first.links = append(first.links, l.links...)
		if len(l.says) > 0 {
			wrong = append(wrong, "a button is not where the card is")
		}
	}
	for _, to := range first.links {
		if !slices.ContainsFunc(c.Blocks, func(b card.Block) bool {
			return slices.ContainsFunc(b.Links, func(x card.Link) bool { return address(x.URL) == to })
		}) {
			wrong = append(wrong, "a link that the card has not: "+to)
		}
	}
	return first, all, wrong
}

// words are the words of a text as their reader has them, without what only draws.
func wordsOf(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(":─", r) })
}

package chat

import (
	"bytes"
	"encoding/json"
	"strings"

	slackgo "github.com/slack-go/slack"
)

// style is how a word looks.
type style int

const (
	usual style = iota
	strong
	coded
)

// word is a stretch of one line: text, a link, or a person who is notified.
type word struct {
	text  string
	style style
	url   string // of a link
	user  string // id of a person
}

// line is one line of words.
type line []word

func words(s string) word { return word{text: s} }
func bold(s string) word  { return word{text: s, style: strong} }

// value is the value of a field: what is to be copied is shown as code.
func value(s string) word {
	if looksHex(s) {
		return word{text: s, style: coded}
	}
	return word{text: s}
}

// maxRich bounds one block of text, as JSON: it is below the bounds of a section and of a text, which
// Slack does not tell for rich text.
const maxRich = 2600

// enough is how many blocks are never shown of one part of a card, in its message and those that follow.
const enough = maxOver + maxBlocks

// rich makes blocks of lines, none longer than maxRich and no more than are ever shown. Slack reads no
// markup in them.
func rich(lines []line) (out []slackgo.Block) {
	var now []word
	cost := 0
	flush := func() {
		if b := section(now); b != nil {
			out = append(out, b)
		}
		now, cost = nil, 0
	}
	for _, l := range lines {
		if len(out) > enough {
			return out
		}
		if c := costOf(l); len(now) > 0 && cost+c > maxRich {
			flush()
		}
		if len(now) > 0 {
			now = append(now, words("\n"))
		}
		for _, w := range l {
			for {
				head := w
				if w.url == "" && w.user == "" {
					head.text = chunk(w.text, maxRich/3) // a quotation mark takes two characters
				}
				c := costOf(line{head})
				if len(now) > 0 && cost+c > maxRich {
					flush()
				}
				now, cost = append(now, head), cost+c
				if w.text = w.text[len(head.text):]; w.text == "" || w.url != "" || w.user != "" {
					break
				}
			}
		}
	}
	flush()
	return out
}

// costOf is how many characters of JSON a line takes, or more.
func costOf(l line) int {
	n := 2
	for _, w := range l {
		n += 60 + len(w.url) + quoted(w.text)
	}
	return n
}

func quoted(s string) int {
	return units(s) + strings.Count(s, `"`) + strings.Count(s, `\`) + strings.Count(s, "\n")
}

// section is one block of words; nil when there are none.
func section(all []word) slackgo.Block {
	var parts []slackgo.RichTextSectionElement
	var last *slackgo.RichTextSectionTextElement
	lastStyle := usual
	for i, w := range all {
		switch {
		case w.user != "":
			parts, last = append(parts, slackgo.NewRichTextSectionUserElement(w.user, nil)), nil
		case w.url != "":
			parts, last = append(parts, slackgo.NewRichTextSectionLinkElement(w.url, w.text, nil)), nil
		case w.text == "" || w.text == "\n" && i == len(all)-1:
		case last != nil && (lastStyle == w.style || w.text == "\n" && lastStyle != coded):
			last.Text += w.text
		default:
			last, lastStyle = slackgo.NewRichTextSectionTextElement(w.text, styled(w.style)), w.style
			parts = append(parts, last)
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return slackgo.NewRichTextBlock("", slackgo.NewRichTextSection(parts...))
}

func styled(s style) *slackgo.RichTextSectionTextStyle {
	switch s {
	case strong:
		return &slackgo.RichTextSectionTextStyle{Bold: true}
	case coded:
		return &slackgo.RichTextSectionTextStyle{Code: true}
	}
	return nil
}

// table makes blocks of lines whose columns stand below each other.
func table(lines []string) (out []slackgo.Block) {
	var now []string
	cost := 0
	flush := func() {
		if len(now) > 0 {
			text := slackgo.NewRichTextSectionTextElement(strings.Join(now, "\n"), nil)
			out = append(out, slackgo.NewRichTextBlock("", &slackgo.RichTextPreformatted{
				Type: slackgo.RTEPreformatted, Elements: []slackgo.RichTextSectionElement{text}}))
		}
		now, cost = nil, 0
	}
	for _, l := range lines {
		if len(out) > enough {
			return out
		}
		for {
			head := chunk(l, maxRich/3)
			if c := quoted(head) + 2; len(now) > 0 && cost+c > maxRich-150 {
				flush()
			}
			now, cost = append(now, head), cost+quoted(head)+2
			if l = l[len(head):]; l == "" {
				break
			}
		}
	}
	flush()
	return out
}

// blocksJSON is how blocks go to Slack: < and > stay as they are, each one character.
func blocksJSON(blocks []slackgo.Block) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(blocks); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// size is how many characters blocks take as JSON.
func size(blocks ...slackgo.Block) int {
	raw, err := blocksJSON(blocks)
	if err != nil {
		return maxTotal
	}
	return units(string(raw))
}

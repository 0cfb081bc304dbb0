// Package card describes what Slipway shows in a chat, in words of no particular chat.
//
// A [Card] is a live summary of a run; a [GateMessage] is what people react on; a [Broadcast] is
// told once. The last two become cards too, so that one port posts all three. Every text in a
// card is text and nothing else: whatever an outsider wrote (a title, a reason) carries no
// markup until an integration passes it through its own escape function with [Card.Map]. The
// package is pure: the same card has the same bytes, the same [Card.Digest] and the same [Text].
package card

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// Card is one message. Key names it for good: two posts with one key are one message.
type Card struct {
	Key      string   `json:"key"`
	Title    string   `json:"title"`
	Status   string   `json:"status,omitempty"` // one line: what it waits for, or how it ended
	State    State    `json:"state,omitempty"`  // of the whole; decides the symbol before the title
	Blocks   []Block  `json:"blocks,omitempty"`
	Mentions []string `json:"mentions,omitempty"` // ids of persons who must act and may be notified
}

// Block is one part of a card: a heading, if any, and exactly one of the others.
type Block struct {
	Heading string    `json:"heading,omitempty"`
	Text    string    `json:"text,omitempty"` // may have several lines
	Fields  []Field   `json:"fields,omitempty"`
	Steps   []Step    `json:"steps,omitempty"`
	Awaited []Awaited `json:"awaited,omitempty"`
	Links   []Link    `json:"links,omitempty"`
	Buttons []Button  `json:"buttons,omitempty"`
	Picture *Picture  `json:"picture,omitempty"`
}

// Field is a name and its value.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Step is one step of a run and how it stands.
type Step struct {
	Name   string `json:"name"`
	State  State  `json:"state"`
	Detail string `json:"detail,omitempty"`
}

// Awaited is somebody for whom the run waits, and for what.
type Awaited struct {
	Who  string `json:"who"`
	What string `json:"what"`
	Form *Form  `json:"form,omitempty"` // by which it can be answered, where a chat has forms
}

// Form names what a chat can ask with fields to fill in: the line that comes of it is said as if the
// person had typed it.
type Form struct {
	Text   string `json:"text"`   // on the button that opens it
	Run    string `json:"run"`    // its id
	Step   string `json:"step"`   // path
	Action string `json:"action"` // what is said to the step: answer, done, reject

	Manifest string `json:"manifest,omitempty"` // of a gate: digest of what the message shows; the form is for nothing else
}

// Link leads to a page; only http and https.
type Link struct {
	Text string `json:"text"`
	URL  string `json:"url"`
}

// Button is something to press. Pressing it says Command, as if the person had typed it. Form is what can be
// said beside it where a chat has forms.
type Button struct {
	ID      string `json:"id"`
	Text    string `json:"text"`
	Command string `json:"command"`
	Danger  bool   `json:"danger,omitempty"`
	Form    *Form  `json:"form,omitempty"`
}

func (x *Form) mapped(f func(string) string) *Form {
	if x == nil {
		return nil
	}
	out := *x
	out.Text = f(x.Text)
	return &out
}

// State is how a step or a run stands.
type State string

// The states that are shown.
const (
	Pending  State = "pending"  // its time has not come
	Waiting  State = "waiting"  // for people, a fact or a time
	Running  State = "running"  // being done
	Done     State = "done"     // done by this run
	Adopted  State = "adopted"  // found already done
	Skipped  State = "skipped"  // left out, as the playbook allows
	Failed   State = "failed"   // ended badly
	Stuck    State = "stuck"    // a dead end that needs a person
	Doubtful State = "doubtful" // nobody can tell whether it happened
	Held     State = "held"     // a person stopped it
	Stale    State = "stale"    // done, but on inputs that have changed
	Undone   State = "undone"   // done and taken back
	Aborted  State = "aborted"  // ended by a person
)

// Symbol is the state in one column of a terminal; a state that is not known has "·".
func (s State) Symbol() string {
	switch s {
	case Waiting:
		return "◷"
	case Running:
		return "▶"
	case Done:
		return "✓"
	case Adopted:
		return "◆"
	case Skipped:
		return "↷"
	case Failed:
		return "✗"
	case Stuck:
		return "!"
	case Doubtful:
		return "?"
	case Held:
		return "‖"
	case Stale:
		return "~"
	case Undone:
		return "↶"
	case Aborted:
		return "■"
	}
	return "·"
}

// Bounds of a card. They are below those of every chat we know, but for their number of blocks,
// so that an integration only ever splits and never loses text.
const (
	MaxTitle = 200    // runes
	MaxText  = 3000   // runes of one text
	MaxItems = 200    // in one block
	MaxBytes = 40_000 // of the whole, as JSON
)

// Bytes is the card's canonical form.
func (c Card) Bytes() ([]byte, error) { return action.Canonical(c) }

// Digest is equal for cards that show the same. Cards are plain data, which always has a
// canonical form.
func (c Card) Digest() string {
	b, err := c.Bytes()
	if err != nil {
		return ""
	}
	return action.DigestOf(b)
}

// Check tells what no chat could show. The error is of kind [errs.Invalid] and names the part.
func (c Card) Check() error {
	bad := func(format string, args ...any) error {
		return errs.E("card.check", errs.Invalid, fmt.Errorf("card %q: "+format, append([]any{c.Key}, args...)...))
	}
	if c.Key == "" || c.Title == "" {
		return bad("it needs a key and a title")
	}
	if n := utf8.RuneCountInString(c.Title); n > MaxTitle {
		return bad("its title has %d characters, and %d is the limit", n, MaxTitle)
	}
	for i, b := range c.Blocks {
		kinds, items := 0, 0
		for _, n := range []int{min(len(b.Text), 1), len(b.Fields), len(b.Steps), len(b.Awaited), len(b.Links), len(b.Buttons), b.Picture.count()} {
			if n > 0 {
				kinds++
				items = n
			}
		}
		if kinds != 1 {
			return bad("block %d holds %d kinds of content instead of one", i+1, kinds)
		}
		if items > MaxItems {
			return bad("block %d has %d entries, and %d is the limit", i+1, items, MaxItems)
		}
		for _, l := range b.Links {
			u, err := url.Parse(l.URL)
			if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
				return bad("the link %q does not lead to a web page", l.Text)
			}
		}
		if p := b.Picture; p != nil && (p.Run == "" || p.Alt == "") {
			return bad("the picture of block %d needs a run and what it shows in words", i+1)
		}
		for _, p := range b.Buttons {
			if p.ID == "" || p.Text == "" || p.Command == "" {
				return bad("a button of block %d needs an id, a text and a command", i+1)
			}
		}
	}
	var long string
	c.Map(func(s string) string {
		if utf8.RuneCountInString(s) > MaxText {
			long = s
		}
		return s
	})
	if long != "" {
		return bad("a text of %d characters is longer than %d", utf8.RuneCountInString(long), MaxText)
	}
	b, err := c.Bytes()
	if err != nil {
		return bad("it cannot be written: %w", err)
	}
	if len(b) > MaxBytes {
		return bad("it has %d bytes, and %d is the limit", len(b), MaxBytes)
	}
	return nil
}

// Map is c with every text that people read passed through escape. Keys, ids, states, addresses
// and commands stay as they are. This is where a platform's markup is made harmless.
func (c Card) Map(escape func(string) string) Card {
	f := func(s string) string {
		if s == "" {
			return ""
		}
		return escape(s)
	}
	out := c
	out.Title, out.Status = f(c.Title), f(c.Status)
	out.Blocks = mapped(c.Blocks, func(b Block) Block {
		b.Heading, b.Text = f(b.Heading), f(b.Text)
		b.Fields = mapped(b.Fields, func(x Field) Field { return Field{f(x.Name), f(x.Value)} })
		b.Steps = mapped(b.Steps, func(x Step) Step { return Step{f(x.Name), x.State, f(x.Detail)} })
		b.Awaited = mapped(b.Awaited, func(x Awaited) Awaited { return Awaited{f(x.Who), f(x.What), x.Form.mapped(f)} })
		b.Links = mapped(b.Links, func(x Link) Link { return Link{f(x.Text), x.URL} })
		b.Buttons = mapped(b.Buttons, func(x Button) Button { x.Text, x.Form = f(x.Text), x.Form.mapped(f); return x })
		b.Picture = b.Picture.mapped(f)
		return b
	})
	return out
}

func mapped[T any](in []T, f func(T) T) []T {
	if in == nil {
		return nil
	}
	out := make([]T, len(in))
	for i, v := range in {
		out[i] = f(v)
	}
	return out
}

// GateMessage is the message on which people say yes to one manifest.
type GateMessage struct {
	Key      string // one per manifest and channel
	RunName  string // "release/lava/2019.01"
	RunRef   string // how commands name the run; RunName if empty
	RunID    string // "": a no cannot be said by a form
	Gate     string
	Manifest string    // digest of what is approved
	Rule     string    // in words: "2 of maintainer, not requester"
	Bound    []Field   // every value that is approved
	Expires  time.Time // zero if it does not
	Verdict  []string  // who counted, who did not and why, what is missing
	State    State     // waiting, done, failed, stale (superseded) …
	Closed   string    // how it ended, in one line; empty while it is open
	Mentions []string
}

// Approve is the reaction that approves.
const Approve = "✅"

// Card is the gate message as a card. While it is open it says how to approve; once it is closed
// or superseded, only how it ended, and has no buttons. Its button and its form name the manifest, so that
// what is pressed on an old message is no word on something newer. Digests are shown [Short].
func (g GateMessage) Card() Card {
	ref := g.RunRef
	if ref == "" {
		ref = g.RunName
	}
	c := Card{Key: g.Key, Title: fmt.Sprintf("%s: gate %s", g.RunName, g.Gate), State: g.State, Status: g.Closed}
	facts := []Field{{"Manifest", Short(g.Manifest)}}
	if g.Rule != "" { // unknown once the run has moved on
		facts = append([]Field{{"Rule", g.Rule}}, facts...)
	}
	if !g.Expires.IsZero() {
		facts = append(facts, Field{"Expires", Moment(g.Expires)})
	}
	c.Blocks = append(c.Blocks, Block{Fields: facts})
	if len(g.Bound) > 0 {
		c.Blocks = append(c.Blocks, Block{Heading: "What you approve", Fields: mapped(g.Bound, func(f Field) Field { return Field{f.Name, Short(f.Value)} })})
	}
	if len(g.Verdict) > 0 {
		c.Blocks = append(c.Blocks, Block{Heading: "So far", Text: strings.Join(g.Verdict, "\n")})
	}
	if g.Closed == "" {
		c.Mentions = g.Mentions
		c.Status = "React with " + Approve + " to approve exactly this."
		yes := Button{ID: "approve/" + g.Manifest, Text: "Approve", Command: "approve " + ref + " " + g.Gate + " --manifest " + g.Manifest}
		if g.RunID != "" { // a no needs a reason
			yes.Form = &Form{Text: "Reject…", Run: g.RunID, Step: g.Gate, Action: "reject", Manifest: g.Manifest}
		}
		c.Blocks = append(c.Blocks, Block{Buttons: []Button{yes}})
	}
	return c
}

// ShortDigits is how many digits of a digest are shown, and the fewest that a command takes.
const ShortDigits = 12

var digests = regexp.MustCompile(`\b(?:[0-9a-f]{64}|[0-9a-f]{40})\b`)

// Short is s with the digests in it, SHA-256 and SHA-1 in small hexadecimal digits, cut to their
// first [ShortDigits].
func Short(s string) string {
	return digests.ReplaceAllStringFunc(s, func(d string) string { return d[:ShortDigits] })
}

// Broadcast is a message to subscribers, told once.
type Broadcast struct {
	Key   string
	Title string
	Text  string
	Links []Link
}

// Card is the broadcast as a card.
func (b Broadcast) Card() Card {
	c := Card{Key: b.Key, Title: b.Title}
	if b.Text != "" {
		c.Blocks = append(c.Blocks, Block{Text: b.Text})
	}
	if len(b.Links) > 0 {
		c.Blocks = append(c.Blocks, Block{Links: b.Links})
	}
	return c
}

// Moment writes a time for people: "2019-01-31 14:00 UTC".
func Moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") + " UTC" }

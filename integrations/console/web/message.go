package web

import (
	"context"
	"slices"
	"strings"
	"time"

	"slipway/bot/card"
	"slipway/integrations/console"
	"slipway/integrations/console/login"
)

// Bounds of what is shown at once.
const (
	pageSize   = 40               // messages of a channel, their threads aside
	threadEnd  = 60               // replies looked at under a message of a channel
	threadTail = 2                // of these, shown whatever they say
	threadSize = 200              // replies in the thread's own place
	together   = 5 * time.Minute  // messages of one author within it have one head
	mayRepeat  = 45 * time.Second // what was not delivered for longer is said so
)

// messageView is a message as a page shows it.
type messageView struct {
	ID, Channel string
	Anchor      string // id of its element: m-ID, and t-ID in the place of a thread
	Href        string // of this message: its thread
	Author      Author
	At          time.Time
	Edited      time.Time // zero if it was not, or is a live card
	Day         bool      // the first of its day
	Follows     bool      // the same author said the one before, a moment ago
	New         bool      // the first that this browser has not shown before
	Mine        bool
	SayID       string // the id under which the viewer said it
	Lost        bool   // the engine never took it
	Text        []piece
	Mono        bool
	Card        *cardView
	Reactions   []reactionView
	Replies     []messageView // under a message of a channel: the end of its thread
	Count       int           // of all replies
	Reply       bool          // it answers another
	Thread      string        // id of what it answers
	Viewer      login.Viewer
}

// Hidden is how many replies are not shown.
func (m messageView) Hidden() int { return m.Count - len(m.Replies) }

type reactionView struct {
	Emoji string
	Names string // who, for people
	Count int
	Mine  bool
}

// cardView is a card as a page shows it.
type cardView struct {
	Kind   string // reply, gate, run, note
	Key    string
	Title  string
	Status string
	State  card.State
	Blocks []blockView
	Text   []piece // of a reply: all that it says
	Mono   bool
	Open   bool // a gate that can be approved, or a run under way
	ForYou bool // it names the viewer as one who must act
	Acts   []awaitedView
}

// blockView is one block of a card.
type blockView struct {
	card.Block
	Pieces  []piece
	Mono    bool
	Moving  []card.Step // the steps that are neither done nor still to come
	Done    int
	Buttons []buttonView
	Waits   []waitView
}

// waitView is somebody who is awaited. Be are the persons of a demo among them, with the addresses
// where the visitor is one of them.
type waitView struct {
	Who, What string
	Be        []Person
}

// All is how many steps the block has.
func (b blockView) All() int { return len(b.Steps) }

type buttonView struct {
	card.Button
	Message string
	PressID string // under which the press is said
	Approve bool   // pressing it sets the reaction that approves
	Given   bool   // the viewer has set it
	Vain    bool   // and the card says that it does not count
}

// approves begins the ids of the buttons of gate messages; see [card.GateMessage.Card].
const approves = "approve/"

// view makes a message fit to be shown to a viewer.
func (s *Site) view(v login.Viewer, m console.Message) messageView {
	out := messageView{ID: m.ID, Anchor: "m-" + m.ID, Channel: m.Channel, At: m.At, Author: s.who(m.Author), Mine: m.Author == v.Account,
		SayID: console.SaidID(v.Account, m), Reply: m.Thread != "", Thread: m.Thread, Viewer: v}
	place := m.Channel
	if console.IsDirect(place) {
		place = console.Mine
	}
	out.Href = "/c/" + place + "/" + m.ID
	if m.Thread != "" {
		out.Href = "/c/" + place + "/" + m.Thread + "#t-" + m.ID
	}
	out.Lost = out.Mine && !m.Delivered && m.Card == nil && s.o.Clock().Sub(m.At) > mayRepeat
	out.Reactions = s.reactions(v, m)
	if m.Card != nil {
		out.Card = s.card(v, m, out.Reactions)
		return out
	}
	if m.Edits > 0 {
		out.Edited = m.EditedAt
	}
	out.Text, out.Mono = spans(card.Short(m.Text)), mono(m.Text)
	return out
}

func (s *Site) reactions(v login.Viewer, m console.Message) []reactionView {
	var out []reactionView
	for _, r := range m.Reactions {
		at := slices.IndexFunc(out, func(x reactionView) bool { return x.Emoji == r.Emoji })
		if at < 0 {
			out = append(out, reactionView{Emoji: r.Emoji})
			at = len(out) - 1
		}
		name := s.who(r.Account).Name
		if r.Account == v.Account {
			out[at].Mine, name = true, "you"
		}
		if out[at].Names != "" {
			out[at].Names += ", "
		}
		out[at].Names += plain(name)
		out[at].Count++
	}
	return out
}

// card makes a card fit to be shown. What is approved by a button of a gate is what its message
// binds, so the press is the reaction on that message, which can be taken back like any other.
func (s *Site) card(v login.Viewer, m console.Message, given []reactionView) *cardView {
	c := *m.Card
	out := &cardView{Kind: "note", Key: c.Key, Title: plain(c.Title), Status: plain(c.Status), State: c.State}
	out.ForYou = v.Person != "" && slices.Contains(c.Mentions, string(v.Person))
	approved := slices.ContainsFunc(given, func(r reactionView) bool { return r.Emoji == card.Approve && r.Mine })
	if strings.HasPrefix(c.Key, "reply-") {
		out.Kind = "reply"
		said := m
		said.Card = withoutPictures(c)
		text := said.ReplyText()
		out.Text, out.Mono = spans(card.Short(text)), mono(text)
		c.Blocks = slices.DeleteFunc(slices.Clone(c.Blocks), func(b card.Block) bool { return b.Text != "" })
	}
	if slices.ContainsFunc(c.Blocks, func(b card.Block) bool { return len(b.Steps) > 0 }) {
		out.Kind = "run"
		out.Open = !slices.Contains([]card.State{card.Done, card.Failed, card.Aborted, card.Undone}, c.State)
	}
	for _, b := range c.Blocks {
		bv := blockView{Block: b}
		switch {
		case b.Text != "":
			bv.Pieces, bv.Mono = spans(b.Text), mono(b.Text)
		case len(b.Steps) > 0:
			for _, st := range b.Steps {
				switch st.State {
				case card.Done, card.Adopted, card.Skipped:
					bv.Done++
				case card.Pending:
				default:
					bv.Moving = append(bv.Moving, st)
				}
			}
		case len(b.Awaited) > 0:
			for _, a := range b.Awaited {
				w := waitView{Who: plain(a.Who), What: plain(card.Short(a.What))}
				for _, p := range s.o.Example {
					if p.Nick != string(v.Person) && strings.Contains(a.Who, p.Name) && out.Open {
						w.Be = append(w.Be, p)
					}
				}
				bv.Waits = append(bv.Waits, w)
			}
		case len(b.Buttons) > 0:
			for _, x := range b.Buttons {
				approve := strings.HasPrefix(x.ID, approves)
				if approve {
					out.Kind, out.Open = "gate", true
				}
				bv.Buttons = append(bv.Buttons, buttonView{Button: x, Message: m.ID, PressID: s.o.NewID(), Approve: approve, Given: approve && approved,
					Vain: slices.ContainsFunc(c.Blocks, func(b card.Block) bool { return strings.Contains("\n"+b.Text, "\n"+string(v.Person)+" does not count") })})
			}
		}
		out.Blocks = append(out.Blocks, bv)
	}
	if out.Kind == "note" && hasField(c, "Manifest") {
		out.Kind = "gate" // one that has closed
	}
	return out
}

// withoutPictures is a card without what a page shows as a picture.
func withoutPictures(c card.Card) *card.Card {
	c.Blocks = slices.DeleteFunc(slices.Clone(c.Blocks), func(b card.Block) bool { return b.Picture != nil })
	return &c
}

func hasField(c card.Card, name string) bool {
	for _, b := range c.Blocks {
		for _, f := range b.Fields {
			if f.Name == name {
				return true
			}
		}
	}
	return false
}

// acts reports whether somebody may press something on a message.
func acts(m console.Message) bool {
	if m.Card == nil {
		return false
	}
	return slices.ContainsFunc(m.Card.Blocks, func(b card.Block) bool { return len(b.Buttons) > 0 })
}

// heads are messages of a channel with the ends of their threads. before is the message that
// stands before the first, if any; read is the newest that this browser has shown.
func (s *Site) heads(v login.Viewer, list []console.Message, before *console.Message, zone *time.Location, read string) ([]messageView, error) {
	var out []messageView
	last := before
	for i := range list {
		m := s.view(v, list[i])
		m.Day = last == nil || !sameDay(last.At, m.At, zone)
		m.Follows = last != nil && !m.Day && last.Author == list[i].Author && m.At.Sub(last.At) < together && list[i].Card == nil && last.Card == nil
		m.New = read != "" && newer(m.ID, read) && (last == nil || !newer(last.ID, read)) && !m.Mine
		t, err := s.o.Desk.Room.Thread(m.ID, threadEnd)
		if err != nil {
			return nil, err
		}
		m.Count = t.Count
		for j, r := range t.Messages {
			if j >= len(t.Messages)-threadTail || acts(r) {
				m.Replies = append(m.Replies, s.view(v, r))
			}
		}
		if m.Count > 0 {
			m.Follows = m.Follows && last.Author == list[i].Author
		}
		out = append(out, m)
		last = &list[i]
	}
	// A message after a thread begins anew: what stands between them is not its author's.
	for i := 1; i < len(out); i++ {
		if out[i-1].Count > 0 {
			out[i].Follows = false
		}
	}
	return out, nil
}

// acting puts what waits for the viewer into the cards of the runs that wait, so that a question is
// answered where it is asked. Gates have messages of their own.
func (s *Site) acting(ctx context.Context, v login.Viewer, views []messageView) error {
	var mine map[string][]awaitedView
	for i := range views {
		c := views[i].Card
		if c == nil || c.Kind != "run" || !c.Open || !c.ForYou || s.o.Reader == nil {
			continue
		}
		if mine == nil {
			m, err := s.o.Reader.Mine(ctx, v.Person)
			if err != nil {
				return err
			}
			mine = map[string][]awaitedView{}
			for _, x := range m.Waits {
				if x.Kind == "gate" || x.Kind == "offer" || !x.Mine {
					continue
				}
				mine[x.Run.Name] = append(mine[x.Run.Name], awaitedView{Awaited: x.Awaited, RunID: x.Run.ID, RunName: x.Run.Name,
					Forms: s.forms(x.Actions, x.Run.ID, views[i].Href, x.Step)})
			}
		}
		c.Acts = mine[c.Title]
	}
	return nil
}

// newer reports whether the message a came after b.
func newer(a, b string) bool { return len(a) > len(b) || len(a) == len(b) && a > b }

func sameDay(a, b time.Time, zone *time.Location) bool {
	return a.In(zone).Format(time.DateOnly) == b.In(zone).Format(time.DateOnly)
}

// ShowsRun reports whether a page of ours has the card of a run of that title in that state: for
// whoever checks pages from outside.
func ShowsRun(page, title, state string) bool {
	for _, part := range strings.Split(page, `data-kind="run"`)[1:] {
		head, _, _ := strings.Cut(part, "</h2>")
		if strings.HasPrefix(part, ` data-state="`+state+`"`) && strings.HasSuffix(head, ">"+title) {
			return true
		}
	}
	return false
}

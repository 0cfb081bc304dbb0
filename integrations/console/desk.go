package console

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"slipway/bot/errs"
)

// Desk is where people use the room: every page, API and program through which somebody says or
// reacts goes through it, so that the same things are checked, stored and delivered whatever the
// way in was. It trusts the account that it is given: whoever calls has proven it.
//
// What does not concern an account does not exist for it: a channel that it may not see and its
// messages are [errs.NotFound], in the same words as those that never were.
type Desk struct {
	Room *Room

	// Deliver stores a delivery for good and returns nil only then; a repeat of an ID that it
	// has is nil too. Only after nil does a person see that something was accepted.
	Deliver func(context.Context, Delivery) error

	// Visible says whether an account may see a channel; nil means that all may see all. Direct
	// rooms are not asked about.
	Visible func(account, channel string) bool

	// Direct is the direct room of an account, "" if it has none; nil means that nobody has one.
	// [Mine] stands for it. A direct room does not exist for anybody else.
	Direct func(account string) string

	// Channels are those that exist before anything was said in them; nil means none.
	Channels func() []string
}

// idRE is the form of the id under which something is said.
var idRE = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Saying is a message to be said. The same ID of the same account is the same message, however
// often it is sent: 1 to 64 letters, digits, dots, underscores and dashes.
type Saying struct {
	ID      string
	Channel string // or [Mine]
	Thread  string // id of the message that it answers; "" for none
	Text    string
}

// Shown is a message and up to ten of its earlier versions, oldest first.
type Shown struct {
	Message Message   `json:"message" doc:"The message as it is now."`
	History []Version `json:"history,omitempty" doc:"What it showed before, oldest first, at most ten."`
}

// Say says something for an account and returns when the engine has it for good. A repeat under
// the same ID gives the message of the first, and delivers it if that was not done yet;
// [errs.Exists] when that one had another text.
func (d *Desk) Say(ctx context.Context, account string, s Saying) (Message, error) {
	if !idRE.MatchString(s.ID) {
		return Message{}, errs.E("console.say", errs.Invalid, fmt.Errorf("%q is not an id of a message to be said", clip(s.ID))).Hint("Use up to 64 letters, digits, dots and dashes, another one for each message.")
	}
	channel, err := d.Place(account, s.Channel)
	if err != nil {
		return Message{}, err
	}
	m, created, err := d.Room.Post(Draft{Key: SaidKey(account, s.ID), Channel: channel, Thread: s.Thread, Author: account, Text: s.Text})
	if err != nil {
		return Message{}, err
	}
	if !created && m.Text != s.Text {
		return Message{}, errs.E("console.say", errs.Exists, fmt.Errorf("the id %q was used for another message", s.ID)).Hint("Use a new id for each message.")
	}
	if m.Delivered {
		return m, nil
	}
	if err := d.Deliver(ctx, saidDelivery(m)); err != nil {
		return Message{}, err
	}
	// The engine has it; a mark that is lost only means that a repeat is delivered once more.
	if d.Room.markDelivered(m.ID) == nil {
		m.Delivered = true
	}
	return m, nil
}

// SaidKey is the [Message.Key] of what an account said under an id.
func SaidKey(account, id string) string { return "say/" + account + "/" + id }

// SaidID is the id under which an account said m, "" if m is not what it said.
func SaidID(account string, m Message) string {
	id, ok := strings.CutPrefix(m.Key, SaidKey(account, ""))
	if !ok {
		return ""
	}
	return id
}

// React sets an emoji of an account on a message, or takes it away, and returns the message when
// the engine knows that it changed. A repeat is the same change.
func (d *Desk) React(ctx context.Context, account, message, emoji string, on bool) (Message, error) {
	m, err := d.visible(account, message)
	if err != nil {
		return Message{}, err
	}
	set := d.Room.React
	if !on {
		set = d.Room.Unreact
	}
	seq, err := set(account, message, emoji)
	if err != nil {
		return Message{}, err
	}
	if seq > 0 {
		if err := d.Deliver(ctx, touchedDelivery(m, account, seq)); err != nil {
			return Message{}, err
		}
	}
	return d.Room.Message(message)
}

// Message reads a message that an account may see, with its earlier versions.
func (d *Desk) Message(account, id string) (Shown, error) {
	m, err := d.visible(account, id)
	if err != nil {
		return Shown{}, err
	}
	h, err := d.Room.History(id)
	return Shown{m, h[max(0, len(h)-10):]}, err
}

func (d *Desk) visible(account, id string) (Message, error) {
	m, err := d.Room.Message(id)
	if err == nil && !d.Sees(account, m.Channel) {
		return Message{}, noMessage(id)
	}
	return m, err
}

// Place is the channel that an account names, with [Mine] resolved. It is [errs.NotFound] when
// the account may not see it.
func (d *Desk) Place(account, channel string) (string, error) {
	gone := func() (string, error) {
		return "", errs.E("console.channel", errs.NotFound, fmt.Errorf("there is no channel %s", clip(channel)))
	}
	if channel == Mine {
		if d.Direct == nil || d.Direct(account) == "" {
			return "", errs.E("console.channel", errs.NotFound, fmt.Errorf("there is no channel %s for the account %s, which is nobody's here", Mine, clip(account))).
				Hint("an operator adds the account to a person in people:")
		}
		return d.Direct(account), nil
	}
	if err := checkPlace(channel); err != nil {
		return "", err
	}
	if !d.Sees(account, channel) {
		return gone()
	}
	return channel, nil
}

// Sees reports whether an account may see a channel or direct room.
func (d *Desk) Sees(account, channel string) bool {
	if IsDirect(channel) {
		return d.Direct != nil && d.Direct(account) == channel
	}
	return d.Visible == nil || d.Visible(account, channel)
}

// Seen lists the channels that an account may see, by name: those that exist and those in which
// something was said, with its direct room first.
func (d *Desk) Seen(account string) ([]string, error) {
	all, err := d.Room.Channels()
	if err != nil {
		return nil, err
	}
	if d.Channels != nil {
		all = append(all, d.Channels()...)
	}
	if d.Direct != nil {
		if own := d.Direct(account); own != "" {
			all = append(all, own)
		}
	}
	return sortedOnce(all, func(c string) bool { return d.Sees(account, c) }), nil
}

// Page reads messages of a channel that an account may see; see [Room.Page].
func (d *Desk) Page(account, channel string, q PageQuery) (Page, error) {
	channel, err := d.Place(account, channel)
	if err != nil {
		return Page{}, err
	}
	return d.Room.Page(channel, q)
}

// Watch sends every change after the number since that an account may see, of one channel or, with
// "", of all, until ctx ends or the room is closed; then it closes the channel. What an account may
// see is asked at each change. One goroutine runs for it beside that of [Room.Watch].
func (d *Desk) Watch(ctx context.Context, account, channel string, since uint64) (<-chan Change, error) {
	if channel != "" {
		var err error
		if channel, err = d.Place(account, channel); err != nil {
			return nil, err
		}
	}
	out := make(chan Change)
	go func() {
		defer close(out)
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		for c := range d.Room.Watch(ctx, since) {
			if channel != "" && c.Channel != channel || !d.Sees(account, c.Channel) {
				continue
			}
			select {
			case out <- c:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

// Said finds what an account said under an id.
func (d *Desk) Said(account, id string) (m Message, found bool, err error) {
	return d.Room.Find(SaidKey(account, id))
}

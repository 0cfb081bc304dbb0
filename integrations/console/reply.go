package console

import (
	"context"
	"slices"
	"strings"
)

// replyMark begins the keys of the cards with which the bot answers what somebody said.
const replyMark = "reply-"

// IsReply reports whether m is the answer of the bot, an account, to something that was said.
func (m Message) IsReply(bot string) bool {
	return m.Author == bot && m.Thread != "" && m.Card != nil && strings.HasPrefix(m.Card.Key, replyMark)
}

// ReplyText is the text of a reply, its lines kept: a title that is cut is the beginning of the
// text below it.
func (m Message) ReplyText() string {
	if m.Card == nil {
		return m.Text
	}
	var rest strings.Builder
	for _, b := range m.Card.Blocks {
		rest.WriteString(b.Text)
		if b.Picture != nil {
			if rest.Len() > 0 {
				rest.WriteByte('\n')
			}
			rest.WriteString(b.Picture.Alt)
		}
	}
	title := m.Card.Title
	switch short := strings.TrimSuffix(title, "…"); {
	case rest.Len() == 0:
		return title
	case short != title && strings.HasPrefix(rest.String(), short):
		return rest.String()
	}
	return title + "\n" + rest.String()
}

// Refused reports whether a reply says that nothing was done, in the words in which the bot
// refuses.
func Refused(text string) bool {
	for _, begins := range []string{"I can't", "I do not know", "I don't know", "I know no"} {
		if strings.HasPrefix(text, begins) {
			return true
		}
	}
	return false
}

// Replies are the answers of the bot, an account, to a message, oldest first: those in its thread
// that came after it. Where several people ask in one thread, answers that mention another person
// than the one who asked are left out; "" is nobody known.
func (d *Desk) Replies(account, bot, person string, asked Message) ([]Message, error) {
	if !d.Sees(account, asked.Channel) {
		return nil, noMessage(asked.ID)
	}
	thread := asked.Thread
	if thread == "" {
		thread = asked.ID
	}
	p, err := d.Room.Page(asked.Channel, PageQuery{After: asked.ID, Thread: thread, Limit: MaxPage})
	var out []Message
	for _, m := range p.Messages {
		if m.IsReply(bot) && (len(m.Card.Mentions) == 0 || slices.Contains(m.Card.Mentions, person)) {
			out = append(out, m)
		}
	}
	return out, err
}

// Await waits until the bot has answered a message, or ctx ends; then found is false and there is
// no error.
func (d *Desk) Await(ctx context.Context, account, bot, person string, asked Message) (reply Message, found bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	since, err := d.Room.Last() // before looking, so that no answer falls between
	if err != nil {
		return Message{}, false, err
	}
	var changes <-chan Change
	for {
		there, err := d.Replies(account, bot, person, asked)
		if err != nil || len(there) > 0 {
			return first(there), len(there) > 0, err
		}
		if changes == nil {
			changes = d.Room.Watch(ctx, since)
		}
		for {
			c, open := <-changes
			if !open {
				return Message{}, false, nil
			}
			if c.Kind == Posted && c.Channel == asked.Channel {
				break
			}
		}
	}
}

func first(list []Message) Message {
	if len(list) == 0 {
		return Message{}
	}
	return list[0]
}

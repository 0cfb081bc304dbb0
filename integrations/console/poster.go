package console

import (
	"context"
	"fmt"

	"slipway/bot/card"
	"slipway/bot/errs"
)

// Place is where a message goes: a channel, or the thread under one of its messages.
type Place struct {
	Channel string
	Thread  string
}

// Ref is a message that was posted.
type Ref struct {
	Channel string
	ID      string
}

// Poster posts as the bot. Posting is keyed: a repeat of Post finds the message of the first,
// whatever became of the caller in between.
type Poster struct {
	room    *Room
	account string
}

// Poster gives the way in for the bot's account, e.g. "bot:slipway".
func (r *Room) Poster(account string) Poster { return Poster{r, account} }

// Find looks for the message posted under key.
func (p Poster) Find(_ context.Context, key string, to Place) (Ref, bool, error) {
	m, found, err := p.room.Find("post/" + key)
	if err != nil || !found || m.Channel != to.Channel || m.Thread != to.Thread {
		return Ref{}, false, err
	}
	return Ref{m.Channel, m.ID}, true, nil
}

// Post posts c under key, or finds what was posted under it before; it does not edit that. A
// thread whose first message is not there is [errs.Gone].
func (p Poster) Post(_ context.Context, key string, to Place, c card.Card) (Ref, error) {
	return p.post(Draft{Key: "post/" + key, Channel: to.Channel, Thread: to.Thread, Author: p.account, Card: &c})
}

// PostText is Post for a few words: an answer in a thread.
func (p Poster) PostText(_ context.Context, key string, to Place, text string) (Ref, error) {
	return p.post(Draft{Key: "post/" + key, Channel: to.Channel, Thread: to.Thread, Author: p.account, Text: text})
}

func (p Poster) post(d Draft) (Ref, error) {
	if d.Key == "post/" {
		return Ref{}, errs.E("console.post", errs.Invalid, fmt.Errorf("a post needs a key"))
	}
	m, _, err := p.room.Post(d)
	if errs.Is(err, errs.NotFound) {
		return Ref{}, errs.E("console.post", errs.Gone, fmt.Errorf("there is no thread %s in %s", d.Thread, d.Channel))
	}
	if err != nil {
		return Ref{}, err
	}
	return Ref{m.Channel, m.ID}, nil
}

// Edit replaces the card of the bot's own message. A message that is not there is [errs.Gone].
func (p Poster) Edit(_ context.Context, ref Ref, c card.Card) error {
	if _, err := p.own(ref); err != nil {
		return err
	}
	_, err := p.room.Edit(ref.ID, "", &c)
	return err
}

// Reactions reads those on a message of the bot, as they are now, oldest first.
func (p Poster) Reactions(_ context.Context, ref Ref) ([]Reaction, error) {
	m, err := p.own(ref)
	return m.Reactions, err
}

// own reads a message and refuses one that is elsewhere or somebody else's: a look-alike of a
// gate message must not be read in its stead.
func (p Poster) own(ref Ref) (Message, error) {
	m, err := p.room.Message(ref.ID)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return m, err
	}
	if err != nil || m.Channel != ref.Channel || m.Author != p.account {
		return Message{}, errs.E("console.message", errs.Gone, fmt.Errorf("there is no message %s of mine in %s", ref.ID, ref.Channel))
	}
	return m, nil
}

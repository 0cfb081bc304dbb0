package chat

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/integrations/slack"
)

// Reaction is one account's reaction. Account is [slack.AccountID]; Name is for showing only.
type Reaction struct {
	Account string
	Name    string
	Emoji   string // [Emoji]
}

// reacted is a message with its reactions, as reactions.get and conversations.history have it.
type reacted struct {
	found
	Reactions []struct {
		Name  string   `json:"name"`
		Users []string `json:"users"`
		Count int      `json:"count"`
	} `json:"reactions"`
}

// Reactions reads what a message of the bot bears now, one of each kind from each account, without
// those of the bot itself. Errors: [errs.Gone] for a message that is not there or not the bot's own:
// nobody else can change what the bot's own say (docs.slack.dev, "chat.update"). A channel to which the
// bot is not invited any more is [errs.Unavailable].
func (p *Poster) Reactions(ctx context.Context, ref Ref) ([]Reaction, error) {
	out, err := p.reactions(ctx, ref)
	if err == nil {
		p.read(ref, bearing(out))
	}
	return out, err
}

func (p *Poster) reactions(ctx context.Context, ref Ref) ([]Reaction, error) {
	const op = "slack.reactions"
	place, me, err := p.begin(ctx, op, ref.Place)
	if err != nil {
		return nil, err
	}
	if !slack.IsMessage(ref.Message) {
		return nil, strangeRef(op, ref)
	}
	var got struct {
		Type    string  `json:"type"`
		Channel string  `json:"channel"`
		Message reacted `json:"message"`
	}
	args := url.Values{"channel": {place.Channel}, "timestamp": {ref.Message}, "full": {"true"}}
	if err := p.o.Client.Call(ctx, op, "reactions.get", args, &got, false); err != nil {
		if errs.Is(err, errs.NotFound) { // the bot may be invited again: as long as a gate is open it is asked
			err = errs.E(op, errs.Unavailable, err)
		}
		return nil, away(op, err)
	}
	m := got.Message
	switch {
	case got.Type != "message" || m.TS != ref.Message || got.Channel != "" && got.Channel != place.Channel:
		return nil, errs.E(op, errs.Unavailable, errors.New("the answer of Slack is about another message than it was asked for")).Hint(slack.Later)
	case m.BotID != me.Bot && m.User != me.User:
		return nil, errs.E(op, errs.Gone, errors.New("the message is not the bot's own, so no reaction on it counts")).Hint("react to a message of the bot")
	}
	out := []Reaction{}
	seen := map[Reaction]bool{}
	for _, r := range m.Reactions {
		if r.Count > len(r.Users) { // not everybody is named: whoever is missing might reject
			return nil, errs.E(op, errs.Unavailable, errors.New("the answer of Slack does not name everybody who reacted")).Hint(slack.Later)
		}
		for _, user := range r.Users {
			if user == me.User || !slack.IsUser(user) {
				continue
			}
			who, err := p.o.Client.Known(ctx, user)
			if errs.Is(err, errs.NotFound) { // of another workspace, and not shown: nobody that we know
				who, err = slack.User{ID: user}, nil
			}
			if err != nil {
				return nil, away(op, err)
			}
			key := Reaction{Account: who.Account(), Emoji: Emoji(r.Name)}
			if !seen[key] {
				seen[key] = true
				key.Name = who.Handle
				out = append(out, key)
			}
		}
	}
	return out, nil
}

// votable reports whether reactions on a card may count.
func votable(c card.Card) bool {
	for _, b := range c.Blocks {
		for _, x := range b.Buttons {
			if strings.HasPrefix(x.ID, approves) {
				return true
			}
		}
	}
	return false
}

// approves begins the id of the button of a gate message that is open.
const approves = "approve/"

// The messages whose reactions may count are remembered with what they bore when they were read last,
// so that a reaction of which no delivery told is found.

func name(r Ref) Ref { return Ref{Place: r.Place, Message: r.Message} }

func (p *Poster) watch(ref Ref, bears string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bears[name(ref)] = bears
}

// watchNew watches a message that was not watched before, and of which it is not known what it bears.
func (p *Poster) watchNew(ref Ref) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.bears[name(ref)]; !known {
		p.bears[name(ref)] = notRead
	}
}

// read notes what a message that is watched bears.
func (p *Poster) read(ref Ref, bears string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.bears[name(ref)]; known {
		p.bears[name(ref)] = bears
	}
}

func (p *Poster) unwatch(ref Ref) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.bears, name(ref))
}

// notRead is no bearing: of a message that was not read yet.
const notRead = "?"

// bearing is what a message bears, in short.
func bearing(all []Reaction) string {
	var out []string
	for _, r := range all {
		out = append(out, r.Account+r.Emoji)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// Change is a message that does not bear what it did.
type Change struct {
	Ref
	bears string
}

// Changed lists the messages whose reactions are not what they were when [Poster.Reactions] read them
// last, or when they were [Poster.Told]. It knows those that were posted, edited, read or recalled by p
// and may still get votes.
func (p *Poster) Changed(ctx context.Context) ([]Change, error) {
	p.mu.Lock()
	var all []Ref
	for ref := range p.bears {
		all = append(all, ref)
	}
	p.mu.Unlock()
	slices.SortFunc(all, func(a, b Ref) int {
		return cmp.Or(strings.Compare(a.Place, b.Place), strings.Compare(a.Message, b.Message))
	})
	var out []Change
	var failed error
	for _, ref := range all {
		now, err := p.reactions(ctx, ref)
		p.mu.Lock()
		old, still := p.bears[ref]
		p.mu.Unlock()
		switch {
		case !still:
		case errs.Is(err, errs.Gone):
			p.unwatch(ref)
			out = append(out, Change{Ref: ref})
		case err == nil && bearing(now) != old:
			out = append(out, Change{ref, bearing(now)})
		case err != nil:
			failed = errors.Join(failed, err)
		}
		if errs.Is(err, errs.Busy) || ctx.Err() != nil {
			break
		}
	}
	return out, failed
}

// Told notes that somebody will read the message again, so that [Poster.Changed] lists it when there is
// more to read, and not for ever when nothing on it counts any more.
func (p *Poster) Told(c Change) { p.read(c.Ref, c.bears) }

// Recall finds the messages of a place that may still get votes, as after a start: what they bear is
// not known, so that [Poster.Changed] lists each of them until it is read. It looks at what was posted
// since from, and into the threads of the bot's own cards.
func (p *Poster) Recall(ctx context.Context, id string, since time.Time) error {
	const op = "slack.recall"
	place, me, err := p.begin(ctx, op, id)
	if err != nil {
		return err
	}
	mine := func(m asked) bool { return m.BotID == me.Bot || m.User == me.User }
	note := func(m asked) {
		if mine(m) && m.open() && slack.IsMessage(m.TS) {
			p.watchNew(Ref{Place: id, Message: m.TS})
		}
	}
	var threads []string
	args := url.Values{"channel": {place.Channel}, "oldest": {stamp(since)}, "inclusive": {"true"}}
	err = pages(ctx, p.o.Client, op, "conversations.history", args, func(raw json.RawMessage) bool {
		var m asked
		if json.Unmarshal(raw, &m) != nil {
			return true
		}
		if note(m); mine(m) && m.Replies > 0 && slack.IsMessage(m.TS) {
			threads = append(threads, m.TS)
		}
		return true
	})
	for _, ts := range threads {
		if err != nil {
			break
		}
		err = pages(ctx, p.o.Client, op, "conversations.replies", url.Values{"channel": {place.Channel}, "ts": {ts}}, func(raw json.RawMessage) bool {
			var m asked
			if json.Unmarshal(raw, &m) == nil {
				note(m)
			}
			return true
		})
	}
	return unreachable(op, err)
}

// asked is a message that may ask for votes.
type asked struct {
	found
	Replies int `json:"reply_count"`
	Blocks  []struct {
		Type     string `json:"type"`
		Elements []struct {
			Value string `json:"value"`
		} `json:"elements"`
	} `json:"blocks"`
}

// open reports whether a message of the bot has the button of an open gate.
func (m asked) open() bool {
	for _, b := range m.Blocks {
		for _, e := range b.Elements {
			if b.Type == "actions" && strings.HasPrefix(e.Value, "approve ") {
				return true
			}
		}
	}
	return false
}

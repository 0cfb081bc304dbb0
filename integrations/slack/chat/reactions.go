package chat

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

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

// Reactions reads by which reactions a message of the bot is answered now, one of each kind from each
// account, without those of the bot itself and those that answer nothing. From then on the message is
// watched: see [Poster.Changed]. Errors: [errs.Gone] for a message that is not there or not the bot's own:
// nobody else can change what the bot's own say (docs.slack.dev, "chat.update"). A channel to which the
// bot is not invited any more is [errs.Unavailable].
func (p *Poster) Reactions(ctx context.Context, ref Ref) ([]Reaction, error) {
	w := p.watching(ref) // before it is read: it may be closed meanwhile
	out, err := p.reactions(ctx, ref)
	switch {
	case err == nil:
		p.mu.Lock()
		w.bears, w.read = bearing(out), true
		p.mu.Unlock()
	case errs.Is(err, errs.Gone):
		p.unwatch(ref)
	}
	return out, err
}

// maxStrangers is for how many users of a message whom the bot does not know Slack is asked who they are. What
// they say counts for nothing, so the others stay nameless.
const maxStrangers = 20

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
	case !m.by(me):
		return nil, errs.E(op, errs.Gone, errors.New("the message is not the bot's own, so no reaction on it counts")).Hint("react to a message of the bot")
	}
	out := []Reaction{}
	seen := map[Reaction]bool{}
	users := map[string]slack.User{}
	strangers := 0
	for _, r := range m.Reactions {
		emoji := Emoji(r.Name)
		if !answering(emoji) {
			continue
		}
		if r.Count > len(r.Users) { // not everybody is named: whoever is missing might reject
			return nil, errs.E(op, errs.Unavailable, errors.New("the answer of Slack does not name everybody who reacted")).Hint(slack.Later)
		}
		for _, user := range r.Users {
			if user == me.User || !slack.IsUser(user) {
				continue
			}
			who, met := users[user]
			if !met {
				known := p.o.Known == nil || p.o.Known(user)
				if !known {
					strangers++
				}
				who = slack.User{ID: user} // of no workspace: nobody that we know
				if known || strangers <= maxStrangers {
					there, err := p.o.Client.Known(ctx, user)
					switch {
					case err == nil:
						who = there
					case !errs.Is(err, errs.NotFound): // else of another workspace, and not shown
						return nil, away(op, err)
					}
				}
				users[user] = who
			}
			key := Reaction{Account: who.Account(), Emoji: emoji}
			if !seen[key] {
				seen[key] = true
				key.Name = who.Handle
				out = append(out, key)
			}
		}
	}
	return out, nil
}

// answering reports whether a reaction may answer a gate.
func answering(emoji string) bool {
	switch emoji {
	case "✅", "❌", "👍", "👎":
		return true
	}
	return false
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

// The messages whose reactions may count are those that somebody asked for, and whose gate was not shown as
// closed since. They are remembered with what they bore then, so that a reaction of which no delivery told is
// found.

// watched is one of them.
type watched struct {
	bears string // when it was read last
	read  bool
}

func name(r Ref) Ref { return Ref{Place: r.Place, Message: r.Message} }

func (p *Poster) watching(ref Ref) *watched {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.watch[name(ref)]
	if w == nil {
		w = &watched{}
		p.watch[name(ref)] = w
	}
	return w
}

func (p *Poster) unwatch(ref Ref) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.watch, name(ref))
}

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
	gone  bool
}

// atOnce is at how many messages [Poster.Changed] looks: less than half of what Slack allows in a minute
// (docs.slack.dev, "reactions.get"), as gates that close are read too.
const atOnce = 20

// Changed looks at some of the messages that are watched, those first at which it did not look for longest,
// and lists those whose reactions are not what they were when [Poster.Reactions] read them last, or when they
// were [Poster.Told].
func (p *Poster) Changed(ctx context.Context) (out []Change, failed error) {
	for _, ref := range p.next(atOnce) {
		now, err := p.reactions(ctx, ref)
		if errs.Is(err, errs.Busy) || ctx.Err() != nil { // it is the first the next time
			return out, errors.Join(failed, err)
		}
		c := Change{ref, bearing(now), errs.Is(err, errs.Gone)}
		p.mu.Lock()
		p.last = ref
		w := p.watch[ref]
		changed := w != nil && (c.gone || err == nil && c.bears != w.bears)
		p.mu.Unlock()
		switch {
		case changed:
			out = append(out, c)
		case err != nil && !c.gone:
			failed = errors.Join(failed, err)
		}
	}
	return out, failed
}

// next are the messages to be looked at, from the last one on.
func (p *Poster) next(most int) []Ref {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []Ref
	for ref, w := range p.watch {
		if w.read { // else whoever asked for it asks again
			all = append(all, ref)
		}
	}
	order := func(a, b Ref) int {
		return cmp.Or(strings.Compare(a.Place, b.Place), strings.Compare(a.Message, b.Message))
	}
	slices.SortFunc(all, order)
	from, found := slices.BinarySearchFunc(all, p.last, order)
	if found {
		from++
	}
	all = append(all[from:], all[:from]...)
	return all[:min(len(all), most)]
}

// Told notes that somebody will read the message again, so that [Poster.Changed] lists it when there is more
// to read, and not for ever when nothing on it counts any more.
func (p *Poster) Told(c Change) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.watch[c.Ref]; w != nil {
		w.bears = c.bears
	}
	if c.gone {
		delete(p.watch, c.Ref)
	}
}

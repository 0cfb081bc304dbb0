package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/integrations/console"
	"slipway/integrations/slack"
	"slipway/integrations/slack/chat"
	"slipway/integrations/slack/hook"
)

// slackChat is Slack as a chat.
type slackChat struct {
	poster *chat.Poster
	past   *chat.Past

	times    hearTimes
	reading  sync.Mutex           // one reading at a time; over the next five
	channels []string             // places that are configured
	since    map[string]time.Time // by place: messages were read up to then
	marks    string               // file of since
	tried    map[string]time.Time // by place of a direct message: when it was to be read last
	asked    map[string]time.Time // by account: when its direct message was asked for last, or may be again

	mu    sync.Mutex
	file  string
	rooms map[string]string // account → place of the direct message with it
	own   map[string]bool   // channels of which Slack was asked whether they are direct messages with the bot
	late  map[string]int    // by place: messages that were found by reading since Slack told of something last
}

// openSlackChat makes the chat port of the workspace.
func (b *bot) openSlackChat() error {
	c := newSlackChat(b.conf.State)
	c.poster = chat.NewPoster(chat.Options{Client: b.slack.client, Accounts: b.slackAccounts, Known: func(user string) bool { return b.slackPerson(user) != "" }})
	ids, _ := b.conf.slackChannels()
	for _, id := range ids {
		c.channels = append(c.channels, b.conf.slackPlace(id).ID)
	}
	places := slices.Clone(c.channels)
	c.past = chat.NewPast(chat.PastOptions{Client: b.slack.client, Places: func() []string { return places }, Heard: b.slackHeard})
	raw, err := os.ReadFile(c.file)
	var rooms map[string]string
	if err == nil && json.Unmarshal(raw, &rooms) == nil {
		for account, place := range rooms {
			if c.fits(b.conf.Slack.Team, account, place) {
				c.rooms[account] = place
			}
		}
	}
	c.readMarks(b.slack.began)
	b.slack.chat = c
	return nil
}

// newSlackChat is a chat of which nothing is known, with its files in the folder of the state.
func newSlackChat(state string) *slackChat {
	return &slackChat{times: usualTimes(), since: map[string]time.Time{}, marks: filepath.Join(state, "slack-read.json"), tried: map[string]time.Time{}, asked: map[string]time.Time{},
		file: filepath.Join(state, "slack-direct.json"), rooms: map[string]string{}, own: map[string]bool{}, late: map[string]int{}}
}

// fits reports whether an account and a place are of a team, and the place is a direct message.
func (c *slackChat) fits(team, account, place string) bool {
	of, _, err := slack.ParseAccount(account)
	p, err2 := slack.ParsePlace(place)
	return errors.Join(err, err2) == nil && of == team && p.Team == team && strings.HasPrefix(p.Channel, "D")
}

// slackHeard reports whether a message in a channel may speak to the bot.
func (b *bot) slackHeard(text string) bool {
	low := strings.ToLower(text)
	me, _ := b.slack.me.Load().(string)
	return strings.Contains(low, "slipway") || strings.Contains(low, "<@"+strings.ToLower(me))
}

// aloneTime bounds asking whether a channel is a direct message: what else was told waits meanwhile.
const aloneTime = 3 * time.Second

// maxOwn bounds what is remembered of direct messages that are nobody's yet.
const maxOwn = 10_000

// alone reports whether a channel is a direct message with the bot, be it with somebody whom the bot knows
// or not. Of one that is not known Slack is asked, and if it cannot say now, it is none.
func (c *slackChat) alone(channel string) bool {
	c.mu.Lock()
	for _, place := range c.rooms {
		if strings.HasSuffix(place, "/"+channel) {
			c.mu.Unlock()
			return true
		}
	}
	own, asked := c.own[channel]
	c.mu.Unlock()
	if asked {
		return own
	}
	ctx, cancel := context.WithTimeout(context.Background(), aloneTime)
	defer cancel()
	own, err := c.poster.Alone(ctx, channel)
	if err != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.own) >= maxOwn {
		clear(c.own)
	}
	c.own[channel] = own
	return own
}

// room is the direct message with an account, "" while it is not known.
func (c *slackChat) room(account string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rooms[account]
}

// met notes the direct message with an account. It is kept for the next start, when nobody is there to ask.
func (c *slackChat) met(account, place string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rooms[account] == place {
		return nil
	}
	c.rooms[account] = place
	raw, err := json.Marshal(c.rooms)
	if err != nil {
		return err
	}
	return replaceFile(c.file, append(raw, '\n'))
}

// found counts a message of which nothing was told.
func (c *slackChat) found(place string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.late[place]++
}

// told forgets them: Slack tells of what is written.
func (c *slackChat) told() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.late)
}

// lateAfter is how old a message is of which nothing was told: what is younger may still be on its way.
const lateAfter = 30 * time.Second

// untold reports whether Slack should have told of a message that was written at a time, and has told of
// nothing since.
func (s *slackSide) untold(at, now time.Time) bool {
	return at.After(s.began) && now.Sub(at) > lateAfter && s.last.Load() < at.Unix()
}

// directPlaces are the direct rooms of a person: the one on the console, and a direct message on Slack for
// each account there.
func (b *bot) directPlaces(p people.PersonID) []engine.Place {
	all := []engine.Place{{Source: console.Source, ID: console.DirectRoom(string(p))}}
	if b.slack == nil {
		return all
	}
	for _, account := range b.slackAccounts(string(p)) {
		if place := b.slack.chat.room(account); place != "" {
			all = append(all, engine.Place{Source: slackSource, ID: place})
		}
	}
	return all
}

// slackPoster is the engine's port to messages on Slack.
type slackPoster struct {
	poster *chat.Poster
	log    *slog.Logger
}

var _ engine.Aloner = slackPoster{}

func slackRef(r engine.Ref) chat.Ref {
	out := chat.Ref{Place: r.Place.ID, Message: r.Message, Thread: r.Thread}
	if !slack.IsMessage(out.Thread) { // of a slash command, or a press where only one person sees it: no message
		out.Thread = ""
	}
	return out
}

// fromSlack is a message of Slack as the engine knows it; the thread stays the one that it asked for.
func fromSlack(r chat.Ref, thread string) engine.Ref {
	return engine.Ref{Place: engine.Place{Source: slackSource, ID: r.Place}, Message: r.Message, Thread: thread}
}

func (p slackPoster) Find(ctx context.Context, key string, to engine.Ref, since time.Time) (engine.Ref, bool, error) {
	ref, found, err := p.poster.Find(ctx, key, slackRef(to), since)
	return fromSlack(ref, to.Thread), found, err
}

func (p slackPoster) Post(ctx context.Context, key string, to engine.Ref, c card.Card) (engine.Ref, error) {
	c, err := withFile(ctx, p.poster, key, to, c, p.log)
	if err != nil {
		return engine.Ref{}, err
	}
	ref, err := p.poster.Post(ctx, key, slackRef(to), withForms(c))
	return fromSlack(ref, to.Thread), err
}

// Alone opens the direct message with an account. That of a person is noted when those that are not open
// yet are looked for next; that of somebody who is not known is not kept.
func (p slackPoster) Alone(ctx context.Context, a people.Account) (engine.Place, error) {
	place, err := p.poster.Direct(ctx, a.ID)
	if err != nil {
		return engine.Place{}, err
	}
	return engine.Place{Source: slackSource, ID: place}, nil
}

func (p slackPoster) Edit(ctx context.Context, ref engine.Ref, c card.Card) error {
	return p.poster.Edit(ctx, slackRef(ref), withForms(c))
}

func (p slackPoster) Reactions(ctx context.Context, ref engine.Ref) ([]engine.Reaction, error) {
	found, err := p.poster.Reactions(ctx, slackRef(ref))
	out := make([]engine.Reaction, len(found))
	for i, r := range found {
		out[i] = engine.Reaction{Account: people.Account{Source: slackSource, ID: r.Account, Handle: r.Name}, Emoji: voteOf(r.Emoji)}
	}
	return out, err
}

// voteOf makes thumbs the signs that vote, as they do on GitLab.
func voteOf(emoji string) string {
	switch emoji {
	case "👍":
		return "✅"
	case "👎":
		return "❌"
	}
	return emoji
}

// slackPast tells again what people wrote on Slack.
type slackPast struct{ past *chat.Past }

func (p slackPast) Since(ctx context.Context, from time.Time, deliver func(engine.Delivery) error) error {
	return p.past.Since(ctx, from, func(w chat.Written) error { return deliver(readSlack(w)) })
}

func readSlack(w chat.Written) engine.Delivery {
	return engine.Delivery{Source: slackSource, ID: w.ID, Account: people.Account{Source: slackSource, ID: w.Account}, Place: w.Place,
		Headers: map[string]string{hook.HeaderKind: string(hook.Events)}, Body: w.Body, At: w.At}
}

// slackRead is the kind of a delivery that says that a message does not bear the reactions that it did,
// of which nothing was told.
const slackRead = "reactions"

// slackSeen decodes one.
func slackSeen(body []byte) ([]engine.Fact, error) {
	var ref chat.Ref
	if err := json.Unmarshal(body, &ref); err != nil || !slack.IsMessage(ref.Message) {
		return nil, errs.E("slack.decode", errs.Invalid, errors.New("it names no message"))
	}
	return []engine.Fact{engine.Touched{Place: engine.Place{Source: slackSource, ID: ref.Place}, Message: ref.Message, Found: true}}, nil
}

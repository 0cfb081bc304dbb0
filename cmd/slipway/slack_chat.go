package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
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

	reading sync.Mutex           // one reading at a time
	since   map[string]time.Time // by place: messages were read up to then
	recall  []string             // places whose open gate messages are to be found after the start

	mu    sync.Mutex
	file  string
	rooms map[string]string // account → place of the direct message with it
	late  map[string]int    // by place: messages since the start that were found by reading when nothing had been told since
}

// openSlackChat makes the chat port of the workspace.
func (b *bot) openSlackChat() error {
	c := &slackChat{since: map[string]time.Time{}, rooms: map[string]string{}, late: map[string]int{}, file: filepath.Join(b.conf.State, "slack-direct.json")}
	c.poster = chat.NewPoster(chat.Options{Client: b.slack.client, Accounts: b.slackAccounts})
	ids, _ := b.conf.slackChannels()
	for _, id := range ids {
		place := b.conf.slackPlace(id).ID
		c.since[place] = time.Now()
		c.recall = append(c.recall, place)
	}
	places := slices.Clone(c.recall)
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
	b.slack.chat = c
	return nil
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

// alone reports whether a channel is a direct message with somebody whom the bot knows.
func (c *slackChat) alone(channel string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, place := range c.rooms {
		if strings.HasSuffix(place, "/"+channel) {
			return true
		}
	}
	return false
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

// openRooms opens the direct messages with people that are not open yet.
func (b *bot) openRooms(ctx context.Context) (failed error) {
	c := b.slack.chat
	for _, p := range b.engine.World().Directory.Persons() {
		for _, account := range b.slackAccounts(string(p.ID)) {
			if c.room(account) != "" {
				continue
			}
			place, err := c.poster.Direct(ctx, account)
			if err == nil && c.fits(b.conf.Slack.Team, account, place) {
				err = c.met(account, place)
			}
			if err != nil && !errs.Is(err, errs.Gone) {
				failed = errors.Join(failed, err)
			}
			if ctx.Err() != nil {
				return failed
			}
		}
	}
	return failed
}

// slackPoster is the engine's port to messages on Slack.
type slackPoster struct {
	poster *chat.Poster
	log    *slog.Logger
}

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

func (p slackPoster) Find(ctx context.Context, key string, to engine.Ref) (engine.Ref, bool, error) {
	ref, found, err := p.poster.Find(ctx, key, slackRef(to))
	return fromSlack(ref, to.Thread), found, err
}

func (p slackPoster) Post(ctx context.Context, key string, to engine.Ref, c card.Card) (engine.Ref, error) {
	c = withFile(ctx, p.poster, key, to, c, p.log)
	ref, err := p.poster.Post(ctx, key, slackRef(to), withForms(c))
	return fromSlack(ref, to.Thread), err
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
	return []engine.Fact{engine.Touched{Place: engine.Place{Source: slackSource, ID: ref.Place}, Message: ref.Message}}, nil
}

// recallMost is how old a gate message may be that is found after a start.
const recallMost = 30 * 24 * time.Hour

// fewRooms is how many direct messages are read now and then; more are read after an absence alone, since
// Slack allows only so many readings a minute.
const fewRooms = 20

// listenSlack reads now and then what was written and which reactions were given on Slack, of which
// nothing may have been told.
func (b *bot) listenSlack(ctx context.Context, clock engine.Clock) error {
	if b.slack == nil {
		return nil
	}
	for wait := min(chatFirst, b.conf.Slack.Every); ; wait = b.conf.Slack.Every {
		wake, stop := clock.Wake(clock.Now().Add(wait))
		select {
		case <-ctx.Done():
			stop()
			return nil
		case <-b.slack.nudge:
		case <-wake:
		}
		stop()
		limited, cancel := context.WithTimeout(ctx, max(chatEvery, b.conf.Slack.Every))
		err := errors.Join(b.openRooms(limited), b.hearSlack(limited, clock.Now()))
		cancel()
		if err != nil && ctx.Err() == nil {
			b.log.Info("the messages on Slack cannot be read now", "error", errs.Text(err))
		}
	}
}

// hearSlack reads them once.
func (b *bot) hearSlack(ctx context.Context, now time.Time) error {
	c := b.slack.chat
	c.reading.Lock()
	defer c.reading.Unlock()
	c.mu.Lock()
	if rooms := slices.Sorted(maps.Values(c.rooms)); len(rooms) <= fewRooms {
		for _, place := range rooms {
			if _, ok := c.since[place]; !ok {
				c.since[place] = now
			}
		}
	}
	c.mu.Unlock()
	var failed error // what cannot be read keeps nobody from reading the rest
	c.recall = slices.DeleteFunc(c.recall, func(place string) bool {
		err := c.poster.Recall(ctx, place, now.Add(-recallMost))
		if errs.Is(err, errs.Gone) {
			err = nil
		}
		failed = errors.Join(failed, err)
		return err == nil
	})
	changed, err := c.poster.Changed(ctx)
	failed = errors.Join(failed, err)
	for _, change := range changed {
		body, err := json.Marshal(change.Ref)
		if err != nil {
			continue
		}
		d := engine.Delivery{Source: slackSource, ID: "reactions-" + change.Message + "-" + newID(), Place: change.Place, Body: body, Headers: map[string]string{hook.HeaderKind: slackRead}}
		if err := b.engine.Deliver(ctx, d); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		c.poster.Told(change)
	}
	for _, place := range slices.Sorted(maps.Keys(c.since)) {
		err := c.past.SinceIn(ctx, place, c.since[place].Add(-chatMargin), func(w chat.Written) error {
			if w.At.After(b.slack.began) && b.slack.last.Load() < w.At.Unix() {
				c.found(w.Place) // nothing came since it was written
			}
			_, err := b.engine.DeliverLate(ctx, readSlack(w))
			return err
		})
		if err == nil {
			c.since[place] = now
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

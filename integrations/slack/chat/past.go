package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/slack"
)

const (
	keptTold  = 20_000 // messages that are remembered as told, and threads as read
	threadAge = 7 * 24 * time.Hour
	backMost  = 28 * 24 * time.Hour // less than it is remembered what was heard
)

// Written is a message that somebody wrote, as Slack tells of it afterwards. Body has the shape of a
// delivery of the Events API, so that one decoder reads both.
type Written struct {
	ID      string // "read-CHANNEL-TS"
	Place   string // [slack.Place.ID]
	Account string // of the author: [slack.AccountID]
	At      time.Time
	Body    []byte
}

// PastOptions are the options of [NewPast].
type PastOptions struct {
	Client *slack.Client
	// Places gives the channels that are read, by [slack.Place.ID]; direct messages are read besides.
	Places func() []string
	Heard  func(text string) bool // whether a message in a channel may speak to the bot; nil: every one
}

// Past reads messages that no delivery told of. Those that were changed after they were written say so,
// and nobody obeys them.
type Past struct {
	o    PastOptions
	most int // pages of a list at once

	mu      sync.Mutex
	told    map[string]bool
	begun   map[string]progress // by place and kind of reading
	threads map[string]span     // what was read of threads, by place and first message
}

// NewPast makes one. It does not speak to Slack yet.
func NewPast(o PastOptions) *Past {
	return &Past{o: o, most: maxPages, told: map[string]bool{}, begun: map[string]progress{}, threads: map[string]span{}}
}

// Since gives the messages that people wrote from a moment on, in channels, in direct messages and in
// threads that began up to a week before it, oldest first, each once in the life of p for as long as
// deliver takes them. It looks back four weeks at most. A place that cannot be read keeps nobody from
// hearing the others. One that is not there, or not open to the bot, is no error: it may never be. After
// an error Since is to be called again, and goes on where it ended.
func (p *Past) Since(ctx context.Context, from time.Time, deliver func(Written) error) error {
	var places []string
	if p.o.Places != nil {
		places = p.o.Places()
	}
	if far := p.o.Client.Now().Add(-backMost); from.Before(far) {
		from = far
	}
	direct, failed := p.Directs(ctx)
	return p.read(ctx, failed, append(slices.Clone(places), direct...), from, from.Add(-threadAge), deliver)
}

// SinceIn is [Past.Since] of one place, for reading now and then: of threads that began before it looks
// only at those among the latest messages. A place that is not there is an error.
func (p *Past) SinceIn(ctx context.Context, place string, from time.Time, deliver func(Written) error) error {
	return p.read(ctx, nil, []string{place}, from, from, deliver)
}

// Directs are the places of all direct messages with the bot.
func (p *Past) Directs(ctx context.Context) ([]string, error) {
	const op = "slack.past"
	var out []string
	args := url.Values{"types": {"im"}, "limit": {"200"}, "exclude_archived": {"true"}}
	for range maxPages {
		var page struct {
			Channels []struct {
				ID      string `json:"id"`
				Deleted bool   `json:"is_user_deleted"`
			} `json:"channels"`
			Metadata struct {
				Cursor string `json:"next_cursor"`
			} `json:"response_metadata"`
		}
		if err := p.o.Client.Call(ctx, op, "conversations.list", args, &page, false); err != nil {
			return out, away(op, err)
		}
		for _, c := range page.Channels {
			if strings.HasPrefix(c.ID, "D") && slack.IsChannel(c.ID) && !c.Deleted {
				out = append(out, slack.Place{Team: p.o.Client.Team(), Channel: c.ID}.ID())
			}
		}
		if page.Metadata.Cursor == "" {
			break
		}
		args.Set("cursor", page.Metadata.Cursor)
	}
	return out, nil
}

// spoken is a message of a person in a list.
type spoken struct {
	at string // its time, as Slack writes it
	w  Written
}

// read reads places; failed is what failed already.
func (p *Past) read(ctx context.Context, failed error, places []string, from, threads time.Time, deliver func(Written) error) error {
	const op = "slack.past"
	me, err := p.o.Client.Me(ctx)
	if err != nil {
		return errors.Join(failed, away(op, err))
	}
	var visits []*visit
	var all []spoken
	for _, id := range slices.Compact(slices.Sorted(slices.Values(places))) {
		place, err := slack.ParsePlace(id)
		if err == nil && place.Team != me.Team {
			err = errs.E(op, errs.Invalid, fmt.Errorf("the channel %s is of another workspace than %s", place.Channel, me.Team)).Hint("correct it in the configuration")
		}
		if err == nil {
			v := p.visit(op, me, place, stamp(from), stamp(threads))
			err = v.run(ctx)
			visits, all = append(visits, v), append(all, v.all...)
			if v.deep() && closed(err) {
				continue
			}
		}
		failed = errors.Join(failed, away(op, err))
	}
	slices.SortStableFunc(all, func(a, b spoken) int { return order(a.at, b.at) })
	for i, m := range all {
		if i > 0 && all[i-1].w.ID == m.w.ID { // in the channel, and in its thread
			continue
		}
		p.mu.Lock()
		told := p.told[m.w.ID]
		p.mu.Unlock()
		if told {
			continue
		}
		if err := deliver(m.w); err != nil {
			return err
		}
		p.mu.Lock()
		if len(p.told) > keptTold {
			clear(p.told)
		}
		p.told[m.w.ID] = true
		p.mu.Unlock()
	}
	p.keep(visits, failed == nil)
	return failed
}

// order compares the times of two messages. Both have six digits behind the point.
func order(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// head is what is read of a message in the list of a channel.
type head struct {
	TS      string `json:"ts"`
	Replies int    `json:"reply_count"`
	Latest  string `json:"latest_reply"`
}

// passed are the fields of a message that a decoder reads.
func passed() []string {
	return []string{"type", "subtype", "user", "team", "user_team", "source_team", "text", "ts", "thread_ts", "edited", "bot_id", "app_id", "hidden"}
}

// message is a message of a person in the shape of a delivery; ok is false for what nobody said to the bot.
func (p *Past) message(me slack.Self, place slack.Place, raw json.RawMessage) (spoken, bool) {
	var m struct {
		Type    string `json:"type"`
		SubType string `json:"subtype"`
		User    string `json:"user"`
		BotID   string `json:"bot_id"`
		Team    string `json:"team"`
		Home    string `json:"user_team"`
		Text    string `json:"text"`
		TS      string `json:"ts"`
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &m) != nil || json.Unmarshal(raw, &fields) != nil {
		return spoken{}, false
	}
	direct := strings.HasPrefix(place.Channel, "D")
	switch {
	case m.Type != "message" || m.SubType != "" && m.SubType != "thread_broadcast", m.BotID != "", !slack.IsUser(m.User), m.User == me.User, !slack.IsMessage(m.TS):
		return spoken{}, false
	case !direct && p.o.Heard != nil && !p.o.Heard(m.Text):
		return spoken{}, false
	}
	event := map[string]any{"channel": place.Channel, "channel_type": "channel", "event_ts": m.TS}
	if direct {
		event["channel_type"] = "im"
	}
	for _, name := range passed() {
		if v, ok := fields[name]; ok {
			event[name] = v
		}
	}
	body, err := json.Marshal(map[string]any{"type": "event_callback", "team_id": me.Team, "api_app_id": me.App, "event": event})
	if err != nil {
		return spoken{}, false
	}
	team := me.Team
	for _, t := range []string{m.Home, m.Team} {
		if t != "" && t != team {
			team = t
		}
	}
	w := Written{ID: "read-" + place.Channel + "-" + m.TS, Place: place.ID(), Account: slack.AccountID(team, m.User), At: moment(m.TS), Body: body}
	return spoken{m.TS, w}, true
}

// moment is the time that the id of a message tells.
func moment(ts string) time.Time {
	var seconds, micros int64
	if _, err := fmt.Sscanf(ts, "%d.%d", &seconds, &micros); err != nil {
		return time.Time{}
	}
	return time.Unix(seconds, micros*1000).UTC()
}

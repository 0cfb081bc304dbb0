package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"sync"
	"time"

	slackgo "github.com/slack-go/slack"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/integrations/slack"
)

// eventType is the kind of metadata that the messages of the bot bear.
const eventType = "slipway_card"

// Bounds of what one look for a message goes through. Slack gives at most 999 messages at once, and
// asks for no more than 200 (docs.slack.dev, "conversations.history").
const (
	onePage   = 200
	maxPages  = 50
	searchFor = 30 * 24 * time.Hour
)

// Options of a [Poster].
type Options struct {
	Client *slack.Client
	// Accounts are the ids of a person's accounts in the workspace, as in "T0123/U0456"; nil: nobody is
	// notified.
	Accounts func(person string) []string
	// Oldest is the earliest time at which the message of a key can have been posted; nil or the zero
	// time: 30 days ago.
	Oldest func(key string) time.Time
}

// Poster posts as the bot. It is safe for use by several goroutines.
type Poster struct {
	o Options

	mu     sync.Mutex
	direct map[string]string // user → the channel of the direct message
	bears  map[Ref]string    // messages whose reactions may count, and what they bore: see [Poster.Changed]
}

// NewPoster makes one. It does not speak to Slack yet.
func NewPoster(o Options) *Poster {
	return &Poster{o: o, direct: map[string]string{}, bears: map[Ref]string{}}
}

// Ref is one message: its place ([slack.Place.ID]), its time there, and the time of the message whose
// thread it is in, or "".
type Ref struct {
	Place   string
	Message string
	Thread  string
}

// metadata is what a message bears for apps to read.
type metadata struct {
	EventType string            `json:"event_type"`
	Payload   map[string]string `json:"event_payload"`
}

func tag(key string) string {
	raw, err := json.Marshal(metadata{eventType, map[string]string{"key": key}})
	if err != nil { // strings can always be written
		return ""
	}
	return string(raw)
}

// found is a message as the API lists it: what is read of it.
type found struct {
	TS       string `json:"ts"`
	User     string `json:"user"`
	BotID    string `json:"bot_id"`
	Thread   string `json:"thread_ts"`
	SubType  string `json:"subtype"`
	Metadata struct {
		EventType string         `json:"event_type"`
		Payload   map[string]any `json:"event_payload"`
	} `json:"metadata"`
}

func (f found) key() string {
	key, _ := f.Metadata.Payload["key"].(string)
	if f.Metadata.EventType != eventType {
		return ""
	}
	return key
}

// begin reads what every call needs.
func (p *Poster) begin(ctx context.Context, op, place string) (slack.Place, slack.Self, error) {
	to, err := slack.ParsePlace(place)
	if err != nil {
		return slack.Place{}, slack.Self{}, err
	}
	if to.Team != p.o.Client.Team() {
		return slack.Place{}, slack.Self{}, errs.E(op, errs.Gone, fmt.Errorf("the channel %s is of another workspace than %s", to.Channel, p.o.Client.Team())).
			Hint("the configuration names the workspace in slack: team")
	}
	me, err := p.o.Client.Me(ctx)
	return to, me, away(op, err)
}

// away makes a token that is refused an error that passes: whoever posts comes again.
func away(op string, err error) error {
	if err == nil || !errs.Is(err, errs.Denied) {
		return err
	}
	return errs.E(op, errs.Unavailable, err)
}

// unreachable makes [errs.Gone] of a channel that is not there, or not open to the bot: whoever posts
// goes on elsewhere.
func unreachable(op string, err error) error {
	if errs.Is(err, errs.NotFound) {
		return errs.E(op, errs.Gone, err)
	}
	return away(op, err)
}

// Find looks for a message of the bot that was posted with this key, newest first.
func (p *Poster) Find(ctx context.Context, key string, to Ref) (Ref, bool, error) {
	const op = "slack.find"
	place, me, err := p.begin(ctx, op, to.Place)
	if err != nil {
		return Ref{}, false, err
	}
	oldest := time.Time{}
	if p.o.Oldest != nil {
		oldest = p.o.Oldest(key)
	}
	if oldest.IsZero() {
		oldest = p.o.Client.Now().Add(-searchFor)
	}
	ref, ok := to, false
	look := func(raw json.RawMessage) bool {
		var m found
		if json.Unmarshal(raw, &m) != nil || m.BotID != me.Bot && m.User != me.User || m.key() != key || !slack.IsMessage(m.TS) || m.TS == to.Thread {
			return true
		}
		ref.Message, ok = m.TS, true
		return false
	}
	if to.Thread != "" {
		args := url.Values{"channel": {place.Channel}, "include_all_metadata": {"true"}, "ts": {to.Thread}}
		err = pages(ctx, p.o.Client, op, "conversations.replies", args, look)
	}
	if to.Thread == "" || errs.Is(err, errs.Gone) { // what is said to a thread that is gone stands in the channel
		args := url.Values{"channel": {place.Channel}, "include_all_metadata": {"true"}, "oldest": {stamp(oldest)}, "inclusive": {"true"}}
		err = pages(ctx, p.o.Client, op, "conversations.history", args, look)
	}
	if err != nil {
		return Ref{}, false, unreachable(op, err)
	}
	if !ok {
		return Ref{}, false, nil
	}
	return ref, true, nil
}

// stamp is a time as Slack writes that of a message.
func stamp(t time.Time) string {
	if t.Unix() < 0 {
		return "0.000000"
	}
	return strconv.FormatInt(t.Unix(), 10) + fmt.Sprintf(".%06d", t.Nanosecond()/1000)
}

// pages walks through lists of messages until use has seen enough. More than it may go through is
// [errs.Unavailable]: what was not looked at may be there.
func pages(ctx context.Context, c *slack.Client, op, method string, args url.Values, use func(json.RawMessage) (more bool)) error {
	args.Set("limit", strconv.Itoa(onePage))
	for n := 0; n < maxPages; n++ {
		var page struct {
			Messages []json.RawMessage `json:"messages"`
			Metadata struct {
				Cursor string `json:"next_cursor"`
			} `json:"response_metadata"`
		}
		if err := c.Call(ctx, op, method, args, &page, false); err != nil {
			return err
		}
		for _, m := range page.Messages {
			if !use(m) {
				return nil
			}
		}
		if page.Metadata.Cursor == "" {
			return nil
		}
		args.Set("cursor", page.Metadata.Cursor)
	}
	return errs.E(op, errs.Unavailable, fmt.Errorf("more than %d messages were written since, and not all of them were looked through", onePage*maxPages)).Hint("look at the channel yourself")
}

// Post writes a new message, in a thread if to names one. In a thread that is gone it begins one of
// its own, so that an answer is not lost. What does not fit into one message of an answer or a
// broadcast follows in the thread below it. Errors: [errs.Gone] when the channel is not there, archived or not open to
// the bot; [errs.Doubtful] when the answer was lost; [errs.Busy] when Slack asks to slow down;
// [errs.Unavailable] else.
func (p *Poster) Post(ctx context.Context, key string, to Ref, c card.Card) (Ref, error) {
	const op = "slack.post"
	place, _, err := p.begin(ctx, op, to.Place)
	if err != nil {
		return Ref{}, err
	}
	text, blocks, rest := Message(c, p.voice())
	ts, err := p.say(ctx, op, place, to.Thread, key, text, blocks)
	if errs.Is(err, errs.Invalid) {
		text, blocks = brief(c, p.voice())
		rest = nil
		ts, err = p.say(ctx, op, place, to.Thread, key, text, blocks)
	}
	if to.Thread != "" && errs.Is(err, errs.Gone) && !archived(ctx, p.o.Client, place) {
		ts, err = p.say(ctx, op, place, "", key, text, blocks)
	}
	if err != nil {
		return Ref{}, unreachable(op, err)
	}
	out := to
	out.Message = ts
	if votable(c) {
		p.watch(out, "")
	}
	thread := to.Thread
	if thread == "" {
		thread = ts
	}
	for i, more := range rest {
		// The message is there; what follows it is looked for by nobody.
		if _, err := p.say(ctx, op, place, thread, key+"/"+strconv.Itoa(i+2), text, more); err != nil {
			break
		}
	}
	return out, nil
}

// archived reports whether a channel is not open for posting any more.
func archived(ctx context.Context, c *slack.Client, place slack.Place) bool {
	var got struct {
		Channel struct {
			Archived bool `json:"is_archived"`
		} `json:"channel"`
	}
	err := c.Call(ctx, "slack.post", "conversations.info", url.Values{"channel": {place.Channel}}, &got, false)
	return err != nil || got.Channel.Archived
}

// say posts one message and gives its time.
func (p *Poster) say(ctx context.Context, op string, place slack.Place, thread, key, text string, blocks []slackgo.Block) (string, error) {
	args, err := arguments(place, text, blocks)
	if err != nil {
		return "", err
	}
	args.Set("metadata", tag(key))
	args.Set("unfurl_links", "false")
	args.Set("unfurl_media", "false")
	if thread != "" {
		args.Set("thread_ts", thread)
	}
	var got struct {
		TS string `json:"ts"`
	}
	if err := p.o.Client.Call(ctx, op, "chat.postMessage", args, &got, true); err != nil {
		return "", err
	}
	if !slack.IsMessage(got.TS) {
		return "", errs.E(op, errs.Doubtful, errors.New("the answer of Slack does not name the message that was posted")).Hint("it is looked for before it is tried again")
	}
	return got.TS, nil
}

// arguments are those of chat.postMessage and chat.update: an update with a text and without blocks
// would take the blocks away.
func arguments(place slack.Place, text string, blocks []slackgo.Block) (url.Values, error) {
	raw, err := blocksJSON(blocks)
	if err != nil {
		return nil, errs.E("slack.post", errs.Internal, errors.New("a card cannot be written down for Slack"))
	}
	return url.Values{"channel": {place.Channel}, "text": {text}, "blocks": {string(raw)}, "parse": {"none"}, "link_names": {"false"}}, nil
}

// Edit replaces what a message of the bot says. A message that cannot be changed any more is
// [errs.Gone]; a channel to which the bot is not invited any more is [errs.Unavailable].
func (p *Poster) Edit(ctx context.Context, ref Ref, c card.Card) error {
	const op = "slack.edit"
	place, _, err := p.begin(ctx, op, ref.Place)
	if err != nil {
		return err
	}
	if !slack.IsMessage(ref.Message) {
		return strangeRef(op, ref)
	}
	text, blocks, _ := Message(c, p.voice())
	err = p.write(ctx, op, place, ref.Message, c.Key, text, blocks)
	if errs.Is(err, errs.Invalid) {
		text, blocks = brief(c, p.voice())
		err = p.write(ctx, op, place, ref.Message, c.Key, text, blocks)
	}
	if errs.Is(err, errs.NotFound) {
		return errs.E(op, errs.Unavailable, err)
	}
	if err == nil && votable(c) {
		p.watchNew(ref)
	} else if err == nil || errs.Is(err, errs.Gone) {
		p.unwatch(ref)
	}
	return away(op, err)
}

// write changes one message. Whatever was written last stands, so a lost answer leaves nothing open.
func (p *Poster) write(ctx context.Context, op string, place slack.Place, ts, key, text string, blocks []slackgo.Block) error {
	args, err := arguments(place, text, blocks)
	if err != nil {
		return err
	}
	args.Set("ts", ts)
	if key != "" {
		args.Set("metadata", tag(key))
	}
	return p.o.Client.Call(ctx, op, "chat.update", args, nil, false)
}

func strangeRef(op string, ref Ref) error {
	return errs.E(op, errs.Gone, fmt.Errorf("%q names no message of Slack", slack.Clean(ref.Message, 60))).Hint("a message is named by its time, such as 1700000000.000100")
}

// voice is what a text needs to know besides its card.
func (p *Poster) voice() Voice {
	return Voice{Mention: func(person string) []string {
		if p.o.Accounts == nil {
			return nil
		}
		var out []string
		for _, a := range p.o.Accounts(person) {
			if team, user, err := slack.ParseAccount(a); err == nil && team == p.o.Client.Team() {
				out = append(out, user)
			}
		}
		return out
	}}
}

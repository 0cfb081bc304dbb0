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
	// Known reports whether a user of the workspace, as in "U0456", is a person whom the bot knows; nil:
	// everybody may be.
	Known func(user string) bool
}

// Poster posts as the bot. It is safe for use by several goroutines.
type Poster struct {
	o Options

	mu     sync.Mutex
	direct map[string]string // user → the channel of the direct message
	halves map[spot]*half    // cards of which a part is missing: see [Poster.Find]
	files  map[spot]*laid    // of cards that are not posted yet: see [Poster.PutFile]
	short  map[Ref]bool      // messages that Slack did not take whole when they were edited last
	watch  map[Ref]*watched  // messages whose reactions may count: see [Poster.Changed]
	last   Ref               // of them, the one that was looked at last
}

// NewPoster makes one. It does not speak to Slack yet.
func NewPoster(o Options) *Poster {
	return &Poster{o: o, direct: map[string]string{}, halves: map[spot]*half{}, files: map[spot]*laid{}, short: map[Ref]bool{}, watch: map[Ref]*watched{}}
}

// Ref is one message: its place ([slack.Place.ID]), its time there, and the time of the message whose
// thread it is in, or "".
type Ref struct {
	Place   string
	Message string
	Thread  string
}

// found is a message as the API lists it: what is read of it.
type found struct {
	TS       string `json:"ts"`
	User     string `json:"user"`
	BotID    string `json:"bot_id"`
	Thread   string `json:"thread_ts"`
	SubType  string `json:"subtype"`
	Metadata struct {
		EventType string          `json:"event_type"`
		Payload   json.RawMessage `json:"event_payload"`
	} `json:"metadata"`
}

// by reports whether the bot wrote a message.
func (f found) by(me slack.Self) bool { return f.BotID == me.Bot || f.User == me.User }

// mark is what a message bears; nothing if it bears something else.
func (f found) mark() mark {
	var m mark
	if f.Metadata.EventType != eventType || json.Unmarshal(f.Metadata.Payload, &m) != nil {
		return mark{}
	}
	return m
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

// stamp is a time as Slack writes that of a message.
func stamp(t time.Time) string {
	if t.Unix() < 0 {
		return "0.000000"
	}
	return strconv.FormatInt(t.Unix(), 10) + fmt.Sprintf(".%06d", t.Nanosecond()/1000)
}

// errBound says that a list is longer than what is gone through at once.
var errBound = errors.New("there are more messages than are looked through at once")

// pages walks through lists of messages until use has seen enough. More than it may go through is
// [errs.Unavailable]: what was not looked at may be there.
func pages(ctx context.Context, c *slack.Client, op, method string, args url.Values, use func(json.RawMessage) (more bool)) error {
	err := walk(ctx, c, maxPages, op, method, args, use)
	if errors.Is(err, errBound) {
		return errs.E(op, errs.Unavailable, fmt.Errorf("more than %d messages were written since, and not all of them were looked through", onePage*maxPages)).Hint("look at the channel yourself")
	}
	return err
}

// walk goes through so many pages at most. If there are more, it gives errBound.
func walk(ctx context.Context, c *slack.Client, most int, op, method string, args url.Values, use func(json.RawMessage) (more bool)) error {
	args.Set("limit", strconv.Itoa(onePage))
	for range most {
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
	return errBound
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
	err = p.edit(ctx, op, place, ref, c)
	if errs.Is(err, errs.NotFound) {
		return errs.E(op, errs.Unavailable, err)
	}
	if errs.Is(err, errs.Gone) || err == nil && !votable(c) {
		p.unwatch(ref)
	}
	return away(op, err)
}

// maxShort bounds what is remembered between an edit for which there was no turn and the next.
const maxShort = 1000

// edit writes a card, or in short what Slack does not take whole. There may be no turn for both at once: then
// the next edit begins with the short one.
func (p *Poster) edit(ctx context.Context, op string, place slack.Place, ref Ref, c card.Card) (err error) {
	write := func(draw drawing) error {
		text, blocks, _ := draw(c, p.voice(true))
		return p.write(ctx, op, place, ref.Message, mark{Key: c.Key}, text, blocks)
	}
	p.mu.Lock()
	short := p.short[name(ref)]
	p.mu.Unlock()
	if !short {
		err = write(Message)
		short = errs.Is(err, errs.Invalid)
	}
	if short {
		err = write(brief)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.short) >= maxShort {
		clear(p.short)
	}
	if delete(p.short, name(ref)); short && errs.Is(err, errs.Busy) {
		p.short[name(ref)] = true
	}
	return err
}

// write changes one message. Whatever was written last stands, so a lost answer leaves nothing open.
func (p *Poster) write(ctx context.Context, op string, place slack.Place, ts string, m mark, text string, blocks []slackgo.Block) error {
	args, err := arguments(place, text, blocks)
	if err != nil {
		return err
	}
	args.Set("ts", ts)
	if m.Key != "" {
		args.Set("metadata", tag(m))
	}
	return p.o.Client.Call(ctx, op, "chat.update", args, nil, false)
}

func strangeRef(op string, ref Ref) error {
	return errs.E(op, errs.Gone, fmt.Errorf("%q names no message of Slack", card.Line(ref.Message, 60))).Hint("a message is named by its time, such as 1700000000.000100")
}

// voice is what a text needs to know besides its card; again is for a message that is there already.
func (p *Poster) voice(again bool) Voice {
	return Voice{Again: again, Mention: func(person string) []string {
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

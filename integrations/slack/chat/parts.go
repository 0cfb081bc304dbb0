package chat

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	slackgo "github.com/slack-go/slack"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/integrations/slack"
)

// A card that is too long for one message is several: the head bears the key of the card and says how many
// they are, and the others follow in its thread, under the key with a number. While one of them is missing,
// [Poster.Find] does not say that it found anything: it remembers what is there, and the [Poster.Post] that
// follows goes on from there. So nothing of a card is lost, and nothing of it stands there twice.

// eventType is the kind of metadata that the messages of the bot bear.
const eventType = "slipway_card"

// mark is what a message of the bot bears for apps to read.
type mark struct {
	Key   string `json:"key"`
	Parts int    `json:"parts,omitempty"` // of a head: messages in all, itself among them; 0 is 1
	Brief bool   `json:"brief,omitempty"` // of a head: it shows a card that Slack did not take as it was
	Shows string `json:"shows,omitempty"` // of one of several messages: digest of what it says
}

// tag is a mark as metadata.
func tag(m mark) string {
	raw, err := json.Marshal(map[string]any{"event_type": eventType, "event_payload": m})
	if err != nil { // texts can always be written
		return ""
	}
	return string(raw)
}

// part is one message of a card.
type part struct {
	mark
	text   string
	blocks []slackgo.Block
}

// partsOf are the messages of a card, the head first; short is for a card that Slack does not take as it is.
func (p *Poster) partsOf(key string, c card.Card, short bool) []part {
	draw := drawing(Message)
	if short {
		draw = brief
	}
	text, blocks, rest := draw(c, p.voice(false))
	out := []part{{mark{Key: key, Brief: short}, text, blocks}}
	if len(rest) == 0 {
		return out
	}
	out[0].Parts = 1 + len(rest)
	for i, more := range rest {
		out = append(out, part{mark{Key: partKey(key, i+2)}, text, more})
	}
	for i := range out {
		out[i].Shows = digestOf(out[i].blocks)
	}
	return out
}

// partKey is the key of the nth message of a card.
func partKey(key string, n int) string { return key + "/" + strconv.Itoa(n) }

func digestOf(blocks []slackgo.Block) string {
	raw, err := blocksJSON(blocks)
	if err != nil { // then it cannot be posted either
		return ""
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8])
}

// standing is a message that is there.
type standing struct {
	ts string
	mark
}

// half is a card of which the head is there, and not all that follows.
type half struct {
	to     Ref // as it was asked for
	head   standing
	thread string              // in which the others stand
	there  map[string]standing // those that do, by their keys
}

// whole reports whether nothing is missing.
func (h *half) whole() bool {
	for n := 2; n <= h.head.Parts; n++ {
		if _, there := h.there[partKey(h.head.Key, n)]; !there {
			return false
		}
	}
	return true
}

// spot is a key in a place.
type spot struct{ place, key string }

// maxHalves bounds what is remembered between looking and posting, which follow each other at once.
const maxHalves = 1000

func (p *Poster) remember(h *half) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.halves) >= maxHalves {
		clear(p.halves)
	}
	p.halves[spot{h.to.Place, h.head.Key}] = h
}

// taken gives what was remembered of a card, once.
func (p *Poster) taken(place, key string) *half {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.halves[spot{place, key}]
	delete(p.halves, spot{place, key})
	return h
}

// Find looks for the messages of the bot that were posted with this key, newest first, among what was
// written since then; the zero time is 30 days ago. A card of which something is missing is not found:
// [Poster.Post] completes it.
func (p *Poster) Find(ctx context.Context, key string, to Ref, since time.Time) (Ref, bool, error) {
	const op = "slack.find"
	p.taken(to.Place, key)
	place, me, err := p.begin(ctx, op, to.Place)
	if err != nil {
		return Ref{}, false, err
	}
	if since.IsZero() {
		since = p.o.Client.Now().Add(-searchFor)
	}
	h := &half{to: to, there: map[string]standing{}}
	look := func(raw json.RawMessage) (more bool) {
		var m found
		if json.Unmarshal(raw, &m) != nil || !m.by(me) || !slack.IsMessage(m.TS) || m.TS == to.Thread {
			return true
		}
		switch k := m.mark(); {
		case k.Key == key && h.head.ts == "":
			h.head, h.thread = standing{m.TS, k}, m.TS
		case strings.HasPrefix(k.Key, key+"/"):
			h.there[k.Key] = standing{m.TS, k}
		}
		return h.head.ts == "" || to.Thread != "" && !h.whole()
	}
	walk := func(thread string) error {
		args := url.Values{"channel": {place.Channel}, "include_all_metadata": {"true"}, "oldest": {stamp(since)}, "inclusive": {"true"}}
		if thread == "" {
			return pages(ctx, p.o.Client, op, "conversations.history", args, look)
		}
		args.Set("ts", thread)
		return pages(ctx, p.o.Client, op, "conversations.replies", args, look)
	}
	err = walk(to.Thread)
	switch {
	case to.Thread != "" && err == nil:
		h.thread = to.Thread
	case to.Thread != "" && errs.Is(err, errs.Gone): // what is said to a thread that is gone stands in the channel
		to.Thread = ""
		err = walk("")
	}
	if err == nil && to.Thread == "" && h.head.Parts > 1 {
		to.Thread = h.head.ts
		err = walk(h.head.ts)
	}
	switch {
	case err != nil:
		return Ref{}, false, unreachable(op, err)
	case h.head.ts == "":
		p.layFrom(spot{h.to.Place, key}, since)
		return Ref{}, false, nil
	case !h.whole():
		p.layFrom(spot{h.to.Place, key}, since)
		p.remember(h)
		return Ref{}, false, nil
	}
	ref := h.to
	ref.Message = h.head.ts
	return ref, true, nil
}

// Post writes a new message, in a thread if to names one. In a thread that is gone it begins one of
// its own, so that an answer is not lost. What does not fit into one message of a card that is no live card
// of a run follows in the thread; if that fails so does Post, and whoever tries again looks first:
// [Poster.Find]. Errors: [errs.Gone] when the channel is not there, archived or not open to the bot;
// [errs.Doubtful] when the answer was lost; [errs.Busy] when Slack asks to slow down; [errs.Unavailable]
// else.
func (p *Poster) Post(ctx context.Context, key string, to Ref, c card.Card) (Ref, error) {
	const op = "slack.post"
	place, _, err := p.begin(ctx, op, to.Place)
	if err != nil {
		return Ref{}, err
	}
	h := p.taken(to.Place, key)
	parts := p.partsOf(key, c, h != nil && h.head.Brief)
	if h == nil {
		if h, parts, err = p.head(ctx, op, place, to, parts, c); err != nil {
			return Ref{}, unreachable(op, err)
		}
	} else if h.head.Shows != parts[0].Shows { // it was another one when it was posted
		if err := p.write(ctx, op, place, h.head.ts, parts[0].mark, parts[0].text, parts[0].blocks); err != nil && !errs.Is(err, errs.Gone) && !errs.Is(err, errs.Invalid) {
			return Ref{}, unreachable(op, err)
		}
	}
	for _, more := range parts[1:] {
		if err := p.follow(ctx, op, place, h, more); err != nil {
			return Ref{}, unreachable(op, err)
		}
	}
	p.mu.Lock()
	delete(p.files, spot{to.Place, key})
	p.mu.Unlock()
	ref := to
	ref.Message = h.head.ts
	return ref, nil
}

// head posts the first message of a card, and gives with it the messages as Slack takes them.
func (p *Poster) head(ctx context.Context, op string, place slack.Place, to Ref, parts []part, c card.Card) (*half, []part, error) {
	thread := to.Thread
	ts, err := p.say(ctx, op, place, thread, parts[0])
	if errs.Is(err, errs.Invalid) {
		parts = p.partsOf(parts[0].Key, c, true)
		ts, err = p.say(ctx, op, place, thread, parts[0])
	}
	if thread != "" && errs.Is(err, errs.Gone) && !archived(ctx, p.o.Client, place) {
		thread = ""
		ts, err = p.say(ctx, op, place, thread, parts[0])
	}
	if err != nil {
		return nil, nil, err
	}
	if thread == "" {
		thread = ts
	}
	return &half{to: to, head: standing{ts, parts[0].mark}, thread: thread}, parts, nil
}

// follow makes one of the messages behind the head be there and say what it should. What Slack does not take
// is not left out without a word.
func (p *Poster) follow(ctx context.Context, op string, place slack.Place, h *half, m part) error {
	old, there := h.there[m.Key]
	put := func() (err error) {
		switch {
		case !there:
			_, err = p.say(ctx, op, place, h.thread, m)
		case old.Shows != m.Shows:
			err = p.write(ctx, op, place, old.ts, m.mark, m.text, m.blocks)
		}
		return err
	}
	err := put()
	if errs.Is(err, errs.Invalid) {
		m.blocks = []slackgo.Block{section([]word{words("Slack does not take a part of this. Look at the page of the run.")})}
		err = put()
	}
	return err
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
func (p *Poster) say(ctx context.Context, op string, place slack.Place, thread string, m part) (string, error) {
	args, err := arguments(place, m.text, m.blocks)
	if err != nil {
		return "", err
	}
	args.Set("metadata", tag(m.mark))
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

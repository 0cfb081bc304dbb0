package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/integrations/slack"
)

// maxFile bounds a file in bytes: a log that is longer is read on the run's page.
const maxFile = 8 << 20

// File is something to be read or seen: a log, or a picture.
type File struct {
	Name    string // with its ending, which says what it is: "build.log", "run.png"; it names the file in its thread
	Title   string // in words
	Alt     string // what a picture shows, for who does not see it
	Content []byte // 1 byte to 8 MB
}

// PostFile uploads a file into the thread of to (docs.slack.dev, "files.getUploadURLExternal" and
// "files.completeUploadExternal"). Nobody sees it before the last of the three steps; if the answer of that one
// was lost the error is [errs.Doubtful], and [Poster.HasFile] tells.
func (p *Poster) PostFile(ctx context.Context, to Ref, f File) error {
	const op = "slack.file"
	place, _, err := p.begin(ctx, op, to.Place)
	if err != nil {
		return err
	}
	name := fileName(f.Name)
	switch {
	case name == "":
		return errs.E(op, errs.Invalid, errors.New("the file has no name")).Hint("name it, for example build.log")
	case len(f.Content) == 0:
		return errs.E(op, errs.Invalid, fmt.Errorf("the file %s is empty", name)).Hint("there is nothing to show")
	case len(f.Content) > maxFile:
		return errs.E(op, errs.Invalid, fmt.Errorf("the file %s has %d bytes, and %d is the limit", name, len(f.Content), maxFile)).Hint("look at the page of the run")
	}
	var where struct {
		URL  string `json:"upload_url"`
		File string `json:"file_id"`
	}
	args := url.Values{"filename": {name}, "length": {strconv.Itoa(len(f.Content))}}
	if alt := clip(single(f.Alt), 1000); alt != "" {
		args.Set("alt_txt", alt)
	}
	if err := p.o.Client.Call(ctx, op, "files.getUploadURLExternal", args, &where, false); err != nil {
		return unreachable(op, err)
	}
	if where.URL == "" || where.File == "" {
		return errs.E(op, errs.Unavailable, errors.New("the answer of Slack does not say where to send the file")).Hint(slack.Later)
	}
	if err := p.o.Client.Upload(ctx, op, where.URL, f.Content); err != nil {
		return away(op, err)
	}
	title := clip(single(f.Title), 200)
	if title == "" {
		title = name
	}
	files, err := json.Marshal([]map[string]string{{"id": where.File, "title": title}})
	if err != nil {
		return errs.E(op, errs.Internal, errors.New("a file cannot be named for Slack"))
	}
	args = url.Values{"files": {string(files)}, "channel_id": {place.Channel}}
	if to.Thread != "" {
		args.Set("thread_ts", to.Thread)
	}
	return unreachable(op, p.o.Client.Call(ctx, op, "files.completeUploadExternal", args, nil, true))
}

// laid is what is known of the files that belong to a card, while the card itself is not posted.
type laid struct {
	since time.Time       // none of them was put there before
	maybe bool            // one may be there of which nothing is known
	there map[string]bool // those that are, by their names
}

// laidMargin is how far apart the clocks of Slack and ours may be.
const laidMargin = 5 * time.Minute

// maxLaid bounds what is remembered of cards that are not posted yet.
const maxLaid = 1000

// layFrom notes that a card is posted again, so that its files may be there since then.
func (p *Poster) layFrom(at spot, since time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.layOf(at)
	l.since, l.maybe = since, true
}

// layOf is what is known of the files of a card. p.mu is held.
func (p *Poster) layOf(at spot) *laid {
	l := p.files[at]
	if l == nil {
		if len(p.files) >= maxLaid {
			clear(p.files)
		}
		l = &laid{since: p.o.Client.Now().Add(-laidMargin), there: map[string]bool{}}
		p.files[at] = l
	}
	return l
}

// PutFile puts a file that belongs to a card into the thread of to, once, before the card is posted with
// the same key; content is asked for when the file is not there. It is looked for no further back than the
// first try of the card. Errors: [errs.Doubtful] when nobody can tell now whether it is there, so that the
// card can neither name it nor do without it; all others mean that it is not there.
func (p *Poster) PutFile(ctx context.Context, key string, to Ref, name string, content func(context.Context) (File, error)) error {
	const op = "slack.file"
	p.mu.Lock()
	l := p.layOf(spot{to.Place, key})
	since, maybe, there := l.since, l.maybe, l.there[name]
	p.mu.Unlock()
	note := func(maybe, there bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		l.maybe, l.there[name] = maybe, there
	}
	if there {
		return nil
	}
	there, err := p.HasFile(ctx, to, name, since)
	switch {
	case err != nil && maybe && !errs.Is(err, errs.Gone):
		return errs.E(op, errs.Doubtful, err)
	case err != nil:
		return err
	}
	if note(false, there); there {
		return nil
	}
	f, err := content(ctx)
	if err != nil {
		return err
	}
	f.Name = name
	err = p.PostFile(ctx, to, f)
	if !errs.Is(err, errs.Doubtful) {
		note(false, err == nil)
		return err
	}
	note(true, false)
	there, look := p.HasFile(ctx, to, name, since)
	if look != nil {
		return err
	}
	if note(false, there); there {
		return nil
	}
	return errs.E(op, errs.Unavailable, err)
}

// Begun reports whether a card stands there in several messages of which some are missing, as [Poster.Find]
// has seen: then [Poster.Post] has to go on with this card, and with no shorter one.
func (p *Poster) Begun(key string, to Ref, c card.Card) bool {
	p.mu.Lock()
	h := p.halves[spot{to.Place, key}]
	p.mu.Unlock()
	return h != nil && h.head.Parts == len(p.partsOf(key, c, h.head.Brief))
}

// HasFile reports whether the bot put a file of this name into the thread of to since then; the zero time is
// 30 days ago.
func (p *Poster) HasFile(ctx context.Context, to Ref, name string, since time.Time) (bool, error) {
	const op = "slack.file"
	place, me, err := p.begin(ctx, op, to.Place)
	if err != nil {
		return false, err
	}
	if since.IsZero() {
		since = p.o.Client.Now().Add(-searchFor)
	}
	method, args := "conversations.history", url.Values{"channel": {place.Channel}, "oldest": {stamp(since)}}
	if to.Thread != "" {
		method = "conversations.replies"
		args.Set("ts", to.Thread)
	}
	there := false
	err = pages(ctx, p.o.Client, op, method, args, func(raw json.RawMessage) bool {
		var m struct {
			found
			Files []struct {
				Name string `json:"name"`
			} `json:"files"`
		}
		if json.Unmarshal(raw, &m) != nil || !m.by(me) {
			return true
		}
		for _, f := range m.Files {
			there = there || f.Name == fileName(name)
		}
		return !there
	})
	return there, unreachable(op, err)
}

// fileName is a name without folders and without characters that nobody sees.
func fileName(s string) string {
	s = single(s)
	s = s[strings.LastIndexAny(s, `/\`)+1:]
	return clip(strings.TrimLeft(s, "."), 100)
}

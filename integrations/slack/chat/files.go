package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

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

// HasFile reports whether the bot put a file of this name into the thread of to.
func (p *Poster) HasFile(ctx context.Context, to Ref, name string) (bool, error) {
	const op = "slack.file"
	place, me, err := p.begin(ctx, op, to.Place)
	if err != nil {
		return false, err
	}
	method, args := "conversations.history", url.Values{"channel": {place.Channel}, "oldest": {stamp(p.o.Client.Now().Add(-searchFor))}}
	if to.Thread != "" {
		method, args = "conversations.replies", url.Values{"channel": {place.Channel}, "ts": {to.Thread}}
	}
	there := false
	err = pages(ctx, p.o.Client, op, method, args, func(raw json.RawMessage) bool {
		var m struct {
			found
			Files []struct {
				Name string `json:"name"`
			} `json:"files"`
		}
		if json.Unmarshal(raw, &m) != nil || m.BotID != me.Bot && m.User != me.User {
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

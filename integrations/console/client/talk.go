package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/console"
	"slipway/integrations/console/api"
)

// Say says something and returns when the bot has it for good. With an ID of the caller's own a
// call is repeatable by the caller too; without, it gets a new one.
func (c *Client) Say(ctx context.Context, s console.Saying) (console.Message, error) {
	if s.ID == "" {
		s.ID = c.ID()
	}
	var m console.Message
	err := c.Do(ctx, Call{Method: http.MethodPost, Path: Path("channels", s.Channel, "messages"), Body: api.SayAsk{Text: s.Text, Thread: s.Thread}.Body(), Key: s.ID}, &m)
	return m, err
}

// React sets or takes away an emoji.
func (c *Client) React(ctx context.Context, message, emoji string, on bool) (console.Message, error) {
	q := Call{Method: http.MethodPut, Path: Path("messages", message, "reactions", emoji)}
	if !on {
		q.Method = http.MethodDelete
	}
	var m console.Message
	err := c.Do(ctx, q, &m)
	return m, err
}

// Show reads a message with its history.
func (c *Client) Show(ctx context.Context, message string) (console.Shown, error) {
	return Get[console.Shown](ctx, c, Path("messages", message), nil)
}

// Command gives a command and waits for the bot's answer until ctx ends, or for at most wait. A
// command without an answer is no error; [api.Answered] tells.
func (c *Client) Command(ctx context.Context, s console.Saying, wait time.Duration) (api.Answered, error) {
	if s.ID == "" {
		s.ID = c.ID()
	}
	return c.await(ctx, wait, func(seconds int) Call {
		body := map[string]any{"text": s.Text, "wait": seconds}
		for name, value := range map[string]string{"channel": s.Channel, "thread": s.Thread} {
			if value != "" {
				body[name] = value
			}
		}
		return Call{Method: http.MethodPost, Path: "/commands", Body: body, Key: s.ID}
	})
}

// await sends a request that waits, again and again under one id, until it is answered.
func (c *Client) await(ctx context.Context, wait time.Duration, ask func(seconds int) Call) (api.Answered, error) {
	for end := time.Now().Add(wait); ; {
		left := time.Until(end)
		var a api.Answered
		err := c.Do(ctx, ask(max(0, min(int(left/time.Second)+1, 20))), &a)
		if err != nil || a.Answered || time.Until(end) <= 0 {
			return a, err
		}
	}
}

// Decide says something to a gate: approve, reject, withdraw or veto.
func (c *Client) Decide(ctx context.Context, run, gate, decision, manifest, why string, wait time.Duration) (api.Answered, error) {
	id := c.ID()
	return c.await(ctx, wait, func(seconds int) Call {
		body := map[string]any{"manifest": manifest, "wait": seconds}
		if why != "" {
			body["why"] = why
		}
		return Call{Method: http.MethodPost, Path: Path("runs", run, "gates", gate, decision), Body: body, Key: id}
	})
}

// Watch calls each with every change of a channel ("" for all) after the number since (nil for
// from now on), until ctx ends or each returns an error, which it returns. A connection that
// breaks is made again and goes on where it was.
func (c *Client) Watch(ctx context.Context, channel string, since *uint64, each func(console.Change) error) error {
	for attempt := 1; ; attempt++ {
		got, err := c.watch(ctx, channel, &since, each)
		if got {
			attempt = 1
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var broken *brokenError
		if !errors.As(err, &broken) {
			return err
		}
		if attempt >= c.tries() {
			return c.unreachable(broken)
		}
		if err := c.wait(ctx, attempt, broken.after); err != nil {
			return err
		}
	}
}

func (c *Client) watch(ctx context.Context, channel string, since **uint64, each func(console.Change) error) (got bool, err error) {
	query := url.Values{}
	if channel != "" {
		query.Set("channel", channel)
	}
	if *since != nil {
		query.Set("since", strconv.FormatUint(**since, 10))
	}
	r, err := c.open(ctx, Call{Method: http.MethodGet, Path: "/events", Query: query}, api.EventsMedia)
	if err != nil {
		return false, err
	}
	defer r.Body.Close()
	lines := bufio.NewReader(r.Body)
	for {
		name, data, err := event(lines)
		if err != nil {
			return got, &brokenError{cause: err}
		}
		var at uint64
		switch name {
		case "hello": // the stream began: from here on nothing may be missed
			var h api.Hello
			if err := json.Unmarshal(data, &h); err != nil {
				return got, &brokenError{cause: err}
			}
			at = h.Since
		case "change":
			var change console.Change
			if err := json.Unmarshal(data, &change); err != nil {
				return got, errs.E("console.client", errs.Corrupt, errors.New("a change cannot be read")).Hint("use a slipway of the same version as the bot")
			}
			if err := each(change); err != nil {
				return got, err
			}
			at = change.Seq
		default:
			continue
		}
		got = true
		*since = &at
	}
}

// event reads one event of a stream (HTML Living Standard, section 9.2.6), as our server writes it.
func event(r *bufio.Reader) (name string, data []byte, err error) {
	for size := 0; ; {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", nil, err
		}
		if size += len(line); size > MaxAnswer {
			return "", nil, fmt.Errorf("an event is larger than %d bytes: %w", MaxAnswer, io.ErrShortBuffer)
		}
		line = strings.TrimRight(line, "\r\n")
		switch field, value, _ := strings.Cut(line, ":"); {
		case line == "" && (name != "" || data != nil):
			return name, data, nil
		case field == "event":
			name = strings.TrimPrefix(value, " ")
		case field == "data":
			data = append(data, strings.TrimPrefix(value, " ")...)
		}
	}
}

// Backup begins a backup to a path on the bot's machine, or with "" tells how backups stand.
func (c *Client) Backup(ctx context.Context, to string) (api.Backup, error) {
	q := Call{Method: http.MethodGet, Path: "/backups"}
	if to != "" {
		q.Method, q.Body = http.MethodPost, map[string]string{"to": to}
	}
	var b api.Backup
	err := c.Do(ctx, q, &b)
	return b, err
}

package socket

import (
	"bytes"
	"context"
	"encoding/json"
	"regexp"
	"strconv"
	"sync"

	"slipway/bot/errs"
	"slipway/integrations/slack/hook"
)

// maxAck is the length from which on Slack drops an acknowledgement without a word, in bytes.
const maxAck = 20_480

// envelopeID is what the ids of frames look like.
var envelopeID = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,200}$`)

// kinds are the frames that carry a delivery.
func kinds() map[string]hook.Kind {
	return map[string]hook.Kind{"events_api": hook.Events, "slash_commands": hook.Commands, "interactive": hook.Interactive}
}

// serve reads a connection to its end.
func (s *Socket) serve(ctx context.Context, l *link) {
	var all sync.WaitGroup
	all.Go(func() { l.watch(ctx) })
	for open := true; open; {
		raw, err := l.next()
		if open = err == nil; open {
			open = s.frame(ctx, l, raw, &all)
		}
	}
	why := l.reason()
	if why == nil {
		why = unavailable("the connection of Socket Mode ended")
	}
	s.ended(why) // before anybody hears of it
	l.leave(why)
	close(l.gone)
	l.close()
	all.Wait()
}

// frame takes one frame: it is stored, then acknowledged. What is not stored is not acknowledged. more is
// false when nothing comes after it.
func (s *Socket) frame(ctx context.Context, l *link, raw []byte, all *sync.WaitGroup) (more bool) {
	var e envelope
	if json.Unmarshal(raw, &e) != nil {
		s.o.Log.Warn("a frame of Slack's Socket Mode is no JSON", "bytes", len(raw))
		return true
	}
	if e.Type == "disconnect" {
		why := goodbye(e.Reason)
		l.leave(why)
		return !errs.Is(why, errs.Denied)
	}
	if !envelopeID.MatchString(e.ID) {
		return true // hello again, or something that wants no answer
	}
	kind, carries := kinds()[e.Type]
	if !carries {
		s.acknowledge(l, e, hook.Answer{}) // of a new kind: else it would come for ever
		return true
	}
	var retry hook.Retry
	if e.Attempt > 0 {
		retry = hook.Retry{Num: strconv.Itoa(e.Attempt), Reason: e.AttemptWhy}
	}
	a, err := s.o.Taker.Take(ctx, kind, e.Payload, retry)
	if err != nil {
		return true // Slack sends it again
	}
	s.mu.Lock()
	s.stand.Last = s.o.Clock.Now()
	s.mu.Unlock()
	s.acknowledge(l, e, a)
	if a.Then == nil {
		return true
	}
	select {
	case s.forms <- struct{}{}:
		all.Go(func() {
			defer func() { <-s.forms }()
			a.Then(ctx)
		})
	default:
		s.o.Log.Warn("a form on Slack was not opened: too many are asked for at once")
	}
	return true
}

// acknowledge tells Slack that a frame is kept, with what it must hear at once.
func (s *Socket) acknowledge(l *link, e envelope, a hook.Answer) {
	ack := struct {
		ID      string          `json:"envelope_id"`
		Payload json.RawMessage `json:"payload,omitempty"`
	}{ID: e.ID}
	if e.Accepts && a.IsJSON() {
		ack.Payload = a.Body
	}
	frame, err := compact(ack)
	if err != nil || len(frame) >= maxAck {
		s.o.Log.Error("an answer to Slack is too long for a frame, and is left out", "bytes", len(frame))
		ack.Payload = nil
		frame, _ = compact(ack) // an id of plain characters always has a form
	}
	if err := l.reply(frame); err != nil {
		l.close() // its reading ends with it, and another is opened
	}
}

// compact is v as JSON in which nothing is longer than it need be.
func compact(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimRight(b.Bytes(), "\n"), err
}

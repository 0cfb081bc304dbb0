package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/console"
	"slipway/integrations/console/login"
)

// news is what the stream says at once: what changed, and nothing of its content.
type news struct {
	Boot     string       `json:"boot,omitempty"`     // of the process; in the first of a stream
	Messages []newMessage `json:"messages,omitempty"` // of channels that the viewer may see
	Runs     []string     `json:"runs,omitempty"`     // ids; "*" for any
	Reset    bool         `json:"reset,omitempty"`    // too much changed to tell: load the page again
}

type newMessage struct {
	Channel string `json:"channel"`
	ID      string `json:"id"`
	Thread  string `json:"thread,omitempty"`
	Posted  bool   `json:"posted,omitempty"`
}

func (n news) empty() bool {
	return n.Boot == "" && len(n.Messages) == 0 && len(n.Runs) == 0 && !n.Reset
}

// events is the stream of what changed (server-sent events, HTML Living Standard section 9.2). It
// goes on where the browser was: at Last-Event-ID, or else at since, the position of the page.
func (s *Site) events(w http.ResponseWriter, r *http.Request) error {
	v, _ := login.From(r.Context())
	if !s.hub.enter() {
		w.Header().Set("Retry-After", "30")
		return errs.E("web.events", errs.Busy, fmt.Errorf("%d pages are open, and that is the limit", maxStreams)).Hint("close some, or load the page by hand")
	}
	defer s.hub.leave()
	from := r.Header.Get("Last-Event-ID")
	if from == "" {
		from = r.URL.Query().Get("since")
	}
	out := http.NewResponseController(w)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // for nginx in front of us
	send := func(text string) error {
		// Not every writer has deadlines; those of real connections do.
		if err := out.SetWriteDeadline(time.Now().Add(sendTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		if _, err := w.Write([]byte(text)); err != nil {
			return err
		}
		return out.Flush()
	}
	first, at := s.welcome(v, parsePlace(from))
	if send("retry: 1000\n"+frameOf(first, at)) != nil {
		return nil
	}
	for end := time.Now().Add(maxLife); time.Now().Before(end); {
		list, now, wake, known := s.hub.after(at)
		n := news{Reset: !known}
		if known {
			n = s.allowed(v, list)
		}
		beat := now == at
		at = now
		if !n.empty() {
			if send(frameOf(n, at)) != nil {
				return nil
			}
			beat = false
		}
		select {
		case <-wake:
		case <-s.hub.done:
			return nil
		case <-r.Context().Done():
			return nil
		}
		if beat && send(": \n\n") != nil {
			return nil
		}
	}
	return nil
}

// frameOf is one event of the stream.
func frameOf(n news, at place) string {
	raw, err := json.Marshal(n)
	if err != nil { // strings always have a form
		return ""
	}
	return "id: " + at.String() + "\ndata: " + string(raw) + "\n\n"
}

// welcome is the first event of a stream that goes on at a place, and the place after it. After a
// restart of the bot it is what the room kept meanwhile.
func (s *Site) welcome(v login.Viewer, at place) (news, place) {
	list, now, _, known := s.hub.after(at)
	n := news{}
	switch {
	case known:
		n = s.allowed(v, list)
	case at == (place{}): // a page without a position, which reads everything anyway
	default:
		n = s.replay(v, at, now)
	}
	n.Boot = s.hub.boot
	return n, now
}

// replay tells from the room's own record what changed since a place in another process.
func (s *Site) replay(v login.Viewer, at, now place) news {
	all := news{Reset: true}
	if at.room > now.room || now.room-at.room > maxReplay {
		return all
	}
	changes, err := s.o.Desk.Room.Changes(at.room, maxReplay)
	if err != nil {
		return all
	}
	var list []event
	for _, c := range changes {
		e := event{channel: c.Channel, message: c.ID, posted: c.Kind == console.Posted}
		if c.Message != nil {
			e.thread = c.Message.Thread
		}
		list = append(list, e)
	}
	return s.allowed(v, merged(append(list, event{run: "*"})))
}

// allowed are the events that concern what a viewer may see.
func (s *Site) allowed(v login.Viewer, list []event) news {
	var n news
	sees := map[string]bool{}
	for _, e := range merged(list) {
		if e.run != "" {
			if e.run == "*" || s.o.SeesRun == nil || s.o.SeesRun(v, e.run) {
				n.Runs = append(n.Runs, e.run)
			}
			continue
		}
		ok, asked := sees[e.channel]
		if !asked {
			ok = s.o.Desk.Sees(v.Account, e.channel)
			sees[e.channel] = ok
		}
		if ok {
			n.Messages = append(n.Messages, newMessage{e.channel, e.message, e.thread, e.posted})
		}
	}
	return n
}

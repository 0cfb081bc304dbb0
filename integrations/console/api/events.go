package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/integrations/console"
	"slipway/integrations/console/login"
)

// EventsAsk opens a stream.
type EventsAsk struct {
	Channel string  `in:"query" json:"channel" doc:"Only this channel; @me is the direct room. All that the person may see if left out."`
	Since   *uint64 `in:"query" json:"since" doc:"Number of the last change seen: later ones are sent first. From now on if left out." min:"0"`
	Last    string  `in:"header" json:"Last-Event-ID" doc:"The same as since, as browsers send it when they connect again."`
	Runs    bool    `in:"query" json:"runs" doc:"Tell also which runs changed."`
}

// Hello begins a stream.
type Hello struct {
	Since uint64 `json:"since" doc:"The stream tells every change after this one."`
}

// RunsChanged tells which runs are to be read again.
type RunsChanged struct {
	Runs []string `json:"runs" doc:"Ids of runs that changed."`
	All  bool     `json:"all,omitempty" doc:"Any run may have changed."`
}

// EventsMedia is the media type of the stream (HTML Living Standard, server-sent events).
const EventsMedia = "text/event-stream"

const eventsDoc = "Each event has a name and one line of JSON. hello (Hello) begins, change (Change) tells a change of a channel and has its number as id, " +
	"runs (RunsChanged) tells runs that changed. A line with a colon is a sign of life. Who reads too slowly is cut, and may go on with since."

// events streams until the client goes, its session ends, or the bot stops.
func (a *API) events(w http.ResponseWriter, r *http.Request, v login.Viewer, q EventsAsk) error {
	if !strings.Contains(r.Header.Get("Accept"), EventsMedia) { // by it the guard knows a stream, and ends it in time
		return console.WithStatus(http.StatusNotAcceptable, invalid("send the header Accept: "+EventsMedia, "this answer is a stream of events"))
	}
	since, err := a.since(q)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	changes, err := a.o.Desk.Watch(ctx, v.Account, q.Channel, since)
	if err != nil {
		return err
	}
	s := &stream{w: w, c: http.NewResponseController(w), timeout: a.o.WriteTimeout}
	_ = s.c.SetReadDeadline(time.Time{})
	h := w.Header()
	h.Set("Content-Type", EventsMedia)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // a proxy that collects would hold events back
	if s.send("hello", strconv.FormatUint(since, 10), Hello{since}) != nil {
		return nil
	}
	beat := time.NewTicker(a.o.Beat)
	defer beat.Stop()
	var runs runsFeed
	if q.Runs {
		runs = runsFeed{a: a, v: v, wait: closed()}
	}
	for {
		select {
		case c, open := <-changes:
			if !open || s.send("change", strconv.FormatUint(c.Seq, 10), c) != nil {
				return nil
			}
		case <-runs.wait:
			changed, any := runs.next(ctx)
			if any && s.send("runs", "", changed) != nil {
				return nil
			}
		case <-beat.C:
			if s.write(": \n\n") != nil {
				return nil
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (a *API) since(q EventsAsk) (uint64, error) {
	switch {
	case q.Last != "":
		n, err := strconv.ParseUint(q.Last, 10, 64)
		if err != nil {
			return 0, invalid("send the id of the last event as it came", "the header Last-Event-ID is %s", quoted(q.Last))
		}
		return n, nil
	case q.Since != nil:
		return *q.Since, nil
	}
	return a.o.Desk.Room.Last()
}

func closed() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// runsFeed follows the runs that a person may see.
type runsFeed struct {
	a    *API
	v    login.Viewer
	at   uint64
	wait <-chan struct{} // nil: nobody asked
}

func (f *runsFeed) next(ctx context.Context) (RunsChanged, bool) {
	now, runs, wait := f.a.o.View.Changed(f.at)
	f.at, f.wait = now, wait
	if runs == nil {
		return RunsChanged{All: true}, true
	}
	var out RunsChanged
	for _, id := range runs {
		if f.a.o.View.Sees(ctx, f.v.Person, id) {
			out.Runs = append(out.Runs, id)
		}
	}
	return out, len(out.Runs) > 0
}

// stream writes events, each within a time.
type stream struct {
	w       http.ResponseWriter
	c       *http.ResponseController
	timeout time.Duration
}

func (s *stream) send(name, id string, value any) error {
	raw, err := encode(value)
	if err != nil {
		return err
	}
	if id != "" {
		id = "id: " + id + "\n"
	}
	return s.write(fmt.Sprintf("event: %s\n%sdata: %s\n\n", name, id, bytes.TrimSpace(raw)))
}

// write gives the client a time to take the text, and then cuts it.
func (s *stream) write(text string) error {
	if err := s.c.SetWriteDeadline(time.Now().Add(s.timeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.c.Flush()
}

func (a *API) eventRoutes() []route {
	return []route{raw(route{method: "GET", path: "/events", id: "events", scope: login.Read, doc: "What happens, as it happens: a stream of server-sent events.",
		more: eventsDoc, kinds: []errs.Kind{errs.NotFound}}, EventsMedia, a.events)}
}

package web

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"slipway/integrations/console"
)

// Bounds of the live updates.
const (
	gather     = 60 * time.Millisecond // what changes within it is told at once
	heartbeat  = 20 * time.Second      // a stream is never silent for longer, so that a dead one is found
	maxEvents  = 4096                  // kept for those who come back; who was away for longer reads anew
	maxReplay  = 500                   // changes of the room read from disk for one who comes back after a restart
	maxStreams = 4096
	maxLife    = 15 * time.Minute // of a stream: then the browser comes again and is asked who it is
	sendTime   = 10 * time.Second // who takes longer to read is cut
)

// event is one thing that changed: a message, or a run.
type event struct {
	channel, message, thread string
	run                      string // "*" for any
	posted                   bool   // the message is new
}

// hub watches the room and the runs once for everybody. It keeps the last events in one list;
// a stream is a number in that list and waits for a channel that is closed when more comes. So
// an open stream costs its connection and no buffer of its own, and one that does not read
// cannot hold up another.
type hub struct {
	boot string // tells this process from the one before

	mu    sync.Mutex
	list  []event
	first uint64 // number of list[0]
	room  uint64 // the last change of the room that is in the list
	wake  chan struct{}
	open  int // streams

	stop context.CancelFunc
	done chan struct{}
}

func newHub(o Options) (*hub, error) {
	last, err := o.Desk.Room.Last()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	h := &hub{boot: strconv.FormatInt(o.Clock().UnixNano(), 36), first: 1, room: last, wake: make(chan struct{}), stop: stop, done: make(chan struct{})}
	go h.run(ctx, o.Desk.Room.Watch(ctx, last), o.Feed)
	return h, nil
}

func (h *hub) close() {
	h.stop()
	<-h.done
}

// run is the one goroutine that watches.
func (h *hub) run(ctx context.Context, room <-chan console.Change, feed Feed) {
	defer h.tell(nil, 0) // those who wait see that it is over
	defer close(h.done)
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	var since uint64
	var runs <-chan struct{}
	if feed != nil {
		since, _, _ = feed.Changed(0)
		since, _, runs = feed.Changed(since)
	}
	var due <-chan time.Time
	var found []event
	var seq uint64
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			h.tell(nil, 0)
			continue
		case c, ok := <-room:
			if !ok {
				return // the room is closed, and the process ends
			}
			seq = c.Seq
			e := event{channel: c.Channel, message: c.ID, posted: c.Kind == console.Posted}
			if c.Message != nil {
				e.thread = c.Message.Thread
			}
			found = append(found, e)
		case <-runs:
			now, list, wait := feed.Changed(since)
			since, runs = now, wait
			if list == nil {
				list = []string{"*"}
			}
			for _, id := range list {
				found = append(found, event{run: id})
			}
		case <-due:
			h.tell(found, seq)
			due, found = nil, nil
			continue
		}
		if due == nil {
			due = time.After(gather)
		}
	}
}

// tell adds to the list what changed, each thing once, and wakes every stream.
func (h *hub) tell(found []event, room uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, merged(found)...)
	if len(h.list) > maxEvents { // down to half, so that it is copied seldom
		over := len(h.list) - maxEvents/2
		h.list = append(make([]event, 0, maxEvents), h.list[over:]...)
		h.first += uint64(over)
	}
	h.room = max(h.room, room)
	close(h.wake)
	h.wake = make(chan struct{})
}

// merged are events in which everything stands once, in the order of its first change.
func merged(all []event) []event {
	at := map[event]int{}
	var out []event
	for _, e := range all {
		key := e
		key.posted = false
		if i, ok := at[key]; ok {
			out[i].posted = out[i].posted || e.posted
			continue
		}
		at[key] = len(out)
		out = append(out, e)
	}
	return out
}

// place is where a stream is: the next number of the list, and the room's change that came with
// it, which still means something after a restart.
type place struct {
	boot       string
	next, room uint64
}

func (p place) String() string { return fmt.Sprintf("%s-%d-%d", p.boot, p.next, p.room) }

// parsePlace reads what a browser gives back. What cannot be read is the zero place.
func parsePlace(s string) place {
	parts := strings.Split(s, "-")
	if len(parts) != 3 || len(s) > 80 {
		return place{}
	}
	next, err1 := strconv.ParseUint(parts[1], 10, 64)
	room, err2 := strconv.ParseUint(parts[2], 10, 64)
	if err1 != nil || err2 != nil {
		return place{}
	}
	return place{parts[0], next, room}
}

// position is the present place, for a page that is about to be made.
func (h *hub) position() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now().String()
}

func (h *hub) now() place { return place{h.boot, h.first + uint64(len(h.list)), h.room} }

// after are the events from a place on, the place after them, and what is closed when there are
// more. known is false when the list does not reach back so far, or the place is of another
// process.
func (h *hub) after(p place) (list []event, now place, wake <-chan struct{}, known bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now, wake = h.now(), h.wake
	if p.boot != h.boot || p.next < h.first || p.next > now.next {
		return nil, now, wake, false
	}
	// The part of the list is not copied: it is only ever appended to, and replaced when it is cut.
	return h.list[p.next-h.first:], now, wake, true
}

// enter counts a stream; false when there are too many.
func (h *hub) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open >= maxStreams {
		return false
	}
	h.open++
	return true
}

func (h *hub) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open--
}

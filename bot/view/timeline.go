package view

import (
	"context"
	"slices"
	"strings"
	"time"

	"slipway/bot/engine"
	"slipway/bot/people"
	"slipway/bot/run"
)

// Timeline is one page of what happened in a run, the newest first.
type Timeline struct {
	Events []Event `json:"events"`
	Before uint64  `json:"before,omitempty" doc:"opaque: ask with this for the page before it; absent on the oldest one"`
}

// Event is one thing that happened, in words.
type Event struct {
	Seq     uint64    `json:"seq" doc:"number of its commit in the log"`
	At      time.Time `json:"at"`
	By      *Person   `json:"by,omitempty" doc:"the person who caused it; absent for Slipway itself"`
	Kind    string    `json:"kind" doc:"type name of the event, e.g. step.done"`
	Step    string    `json:"step,omitempty"`
	Words   string    `json:"words"`
	Weight  string    `json:"weight" doc:"key for what people decide and what ends, plain for the rest, fine for details"`
	Message *Message  `json:"message,omitempty" doc:"through which message it came"`
}

// Message names a message in a chat.
type Message struct {
	Source  string `json:"source"`
	Channel string `json:"channel"`
	ID      string `json:"id"`
}

// About chooses events.
type About struct {
	Step   string `json:"step,omitempty" doc:"only events of this step"`
	Fine   bool   `json:"fine,omitempty" doc:"also timers, locks and the effects behind the steps"`
	Before uint64 `json:"before,omitempty" doc:"before of the page after it; 0: the newest"`
	Limit  int    `json:"limit,omitempty" doc:"events on one page; 50 if left out, at most 500"`
}

// Timeline tells what happened in a run, in words, page by page from the newest on.
func (r *Reader) Timeline(ctx context.Context, p people.PersonID, id string, q About) (Timeline, error) {
	v, err := r.open(ctx, p, id)
	if err != nil {
		return Timeline{}, err
	}
	if q.Limit <= 0 {
		q.Limit = 50
	}
	q.Limit = min(q.Limit, 500)
	seq, _, err := r.e.Log(ctx, v.id)
	if err != nil {
		return Timeline{}, err
	}
	log, err := r.log(ctx, v.id, seq)
	if err != nil {
		return Timeline{}, err
	}
	at, most := cut(q.Before)
	if q.Before == 0 || at > seq {
		at, most = seq, inCommit
	}
	out := pageOf{Timeline: Timeline{Events: []Event{}}, r: r, v: v, q: q, reads: r.reads(p, v)}
	if q.Step != "" {
		for _, n := range slices.Backward(log.touching(q.Step)) {
			if n > at {
				continue
			}
			commits, err := r.e.History(ctx, v.id, n, 1)
			if err != nil {
				return Timeline{}, err
			}
			for _, c := range commits {
				if n < at {
					most = inCommit
				}
				if !out.add(c, most) {
					return out.Timeline, nil
				}
			}
		}
		return out.Timeline, nil
	}
	for looked := 0; at > 0; {
		n := min(uint64(q.Limit), at)
		commits, err := r.e.History(ctx, v.id, at-n+1, int(n))
		if err != nil {
			return Timeline{}, err
		}
		for _, c := range slices.Backward(commits) {
			if looked++; looked > 20*q.Limit {
				out.Before = cursor(c.Seq, inCommit)
				return out.Timeline, nil
			}
			if !out.add(c, most) {
				return out.Timeline, nil
			}
			most = inCommit
		}
		at -= n
	}
	return out.Timeline, nil
}

// A cursor is a commit and how many of its events come before the page: one commit may have thousands.
const inCommit = 1<<20 - 1

func cursor(seq uint64, events int) uint64 { return seq<<20 | uint64(min(events, inCommit)) }

func cut(c uint64) (seq uint64, events int) { return c >> 20, int(c & inCommit) }

// pageOf gathers one page of a timeline.
type pageOf struct {
	Timeline
	r *Reader
	v seen
	q About

	reads func(engine.Place) bool
}

// add adds the first events of a commit, the last first; false: the page is full.
func (p *pageOf) add(c engine.Commit, most int) bool {
	for i := min(most, len(c.Events)) - 1; i >= 0; i-- {
		if len(p.Events) >= p.q.Limit {
			p.Before = cursor(c.Seq, i+1)
			return false
		}
		if ev, ok := p.event(c.Seq, c.Events[i]); ok {
			p.Events = append(p.Events, ev)
		}
	}
	return true
}

// event tells one event, if it is asked for.
func (p *pageOf) event(seq uint64, ev run.Event) (Event, bool) {
	v, q := p.v, p.q
	step := ""
	if touched := run.Touched([]run.Event{ev}); len(touched) > 0 {
		step = touched[0]
	}
	if q.Step != "" && step != q.Step {
		return Event{}, false
	}
	words, weight, message := p.r.say(v, ev)
	if words == "" || weight == fine && !q.Fine {
		return Event{}, false
	}
	out := Event{Seq: seq, At: ev.At, Kind: ev.Kind(), Step: step, Words: words, Weight: weight, Message: messageOf(message, p.reads)}
	if ev.By != "" {
		by := p.r.person(v.world, ev.By)
		out.By = &by
	}
	return out, true
}

// messageOf reads the name of a message as votes bear it; nil where the viewer does not read: a
// direct room of somebody else's is nobody's business.
func messageOf(name string, reads func(engine.Place) bool) *Message {
	ref, ok := engine.ParseRef(strings.TrimPrefix(name, engine.ByCommand))
	if !ok || !reads(ref.Place) {
		return nil
	}
	return &Message{ref.Place.Source, ref.Place.ID, ref.Message}
}

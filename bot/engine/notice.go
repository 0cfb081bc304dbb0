package engine

import (
	"context"
	"fmt"

	"slipway/bot/action"
	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/bot/run"
)

// noticeIn is the inputs of a notice: something that people should know and did not ask for.
type noticeIn struct {
	Run    string  `json:"of,omitempty"` // told in the thread of its card
	Places []Place `json:"places,omitempty"`
	Title  string  `json:"title"`
	Text   string  `json:"text,omitempty"`

	Buttons []card.Button `json:"buttons,omitempty"`
}

// putNotice adds a notice to a commit. key is unique to what it says.
func (e *Engine) putNotice(ctx context.Context, b *batch, key string, in noticeIn) error {
	now := e.now()
	r := effectRecord{Key: "notice-" + short(key), Action: actNotice, After: now, Boot: e.boot, Epoch: e.world.epoch, Inputs: string(encode(in))}
	value, err := e.pack(ctx, encode(r))
	if err != nil {
		return err
	}
	b.intend(id(stamp(now), r.Key), value)
	return nil
}

// notify posts a notice once in each place. Of a private run nothing is told.
func (e *Engine) notify(ctx context.Context, r *effectRecord, lost bool) (action.Values, error) {
	var in noticeIn
	if err := decode("outbox", []byte(r.Inputs), &in); err != nil {
		return nil, err
	}
	places, epoch := in.Places, r.Epoch
	var l *live
	if in.Run != "" {
		var err error
		if l, err = e.load(ctx, in.Run); err != nil {
			return nil, err
		}
		if l.raw == nil || l.state.Private {
			return action.Values{}, nil
		}
		epoch = min(epoch, l.rec.Epoch)
		if places == nil {
			places = e.places(l.state)
		}
	}
	for _, place := range places {
		to := Ref{Place: place}
		if l != nil && in.Places == nil {
			thread, err := e.showCard(ctx, l, place)
			if err != nil && !errs.Is(err, errs.Gone) {
				return nil, err
			}
			to.Thread = thread
		}
		c := card.Card{Key: short(r.Key + "\x00" + place.Source + "\x00" + place.ID), Title: clip(in.Title, card.MaxTitle)}
		if in.Text != "" {
			c.Blocks = []card.Block{{Text: clip(in.Text, card.MaxText)}}
		}
		c = withButtons(c, in.Buttons)
		if _, err := e.post(ctx, c.Key, to, c, lost, e.sinceOf(r, epoch, r.After)); err != nil && !errs.Is(err, errs.Gone) {
			return nil, err
		}
	}
	return action.Values{}, nil
}

// lockTaken tells both runs that a lock went from one to the other.
func (w *writer) lockTaken(ev run.LockReleased) error {
	key := fmt.Sprint("lock\x00", w.d.After.ID, w.rec.Seq, ev.Lock, ev.Scope)
	err := w.e.putNotice(w.ctx, w.b, key+"\x00from", noticeIn{Run: w.d.After.ID, Title: "this run has lost the lock " + ev.Lock,
		Text: ev.Why + ". What it did under the lock is looked at again when it has the lock back."})
	if err != nil {
		return err
	}
	return w.e.putNotice(w.ctx, w.b, key+"\x00to", noticeIn{Run: ev.First, Title: "this run goes first for the lock " + ev.Lock, Text: ev.Why})
}

// told are the places that get broadcasts of a project.
func (e *Engine) told(p Project) []Place {
	list := p.Tell
	if list == nil {
		list = p.Places
	}
	var out []Place
	for _, place := range list {
		if e.cfg.Posters[place.Source] != nil {
			out = append(out, place)
		}
	}
	return out
}

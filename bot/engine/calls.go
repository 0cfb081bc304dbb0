package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/run"
)

// A call is a message of its own to those who must settle a doubt or help a stuck step: a card that
// changes pings nobody. Calls are level-triggered like cards: one is posted when there is something
// to settle, and edited, once, when it is settled.
const (
	callDoubt = "doubtful"
	callStuck = "stuck"
)

// callRecord is one message of a call. It goes when the message says that it is settled.
type callRecord struct {
	Message string    `json:"message,omitempty"` // "" until the post is known to have happened
	Thread  string    `json:"thread,omitempty"`
	Title   string    `json:"title"`
	At      time.Time `json:"at"`
}

// call is something to be settled now. Name is what its records begin with.
type call struct {
	name        string
	title, text string
	state       card.State
	persons     []people.PersonID
}

// callsOf lists what persons must settle in a run. The stuck steps of a list are one call: what
// keeps one element keeps many.
func (e *Engine) callsOf(ctx context.Context, l *live) ([]call, error) {
	s := l.state
	var paths []string
	for path, st := range s.Steps {
		if st.Status == run.InDoubt || st.Status == run.Stuck && s.Status != run.IsAborting {
			paths = append(paths, path)
		}
	}
	if len(paths) == 0 || s.Status == run.RunEnded {
		return nil, nil
	}
	slices.Sort(paths)
	book, err := e.bookFor(ctx, l, s.Playbook, nil)
	if err != nil {
		return nil, err
	}
	var out []call
	w := e.World()
	for _, a := range run.Who(book, s, w) {
		st := s.Steps[a.Step]
		if st == nil || !slices.Contains(paths, a.Step) {
			continue
		}
		switch a.Kind {
		case callDoubt:
			mark := ""
			if ef := s.Effects[st.Effect]; ef != nil {
				mark = strconv.FormatUint(ef.Order, 10)
			}
			out = append(out, call{name: id(l.id, callDoubt, a.Step, mark), state: card.Doubtful, persons: a.Persons,
				title: s.Name + ": nobody can tell whether " + a.Step + " happened",
				text:  strings.TrimPrefix(st.Message+"\n", "\n") + fmt.Sprintf("Look, and say: doubt %s %s happened, redo or failed", s.Name, a.Step)})
		case callStuck:
			path, mark := a.Step, strconv.Itoa(st.Attempt)+"/"+stamp(st.Since)
			text := st.Message
			if a.Say != "" {
				text = strings.TrimPrefix(text+"\n", "\n") + "When it is mended, say: " + a.Say + " (with KEY=VALUE for other inputs)"
			}
			if changed := run.Reconfigured(book, s, w); changed != "" {
				text += "\nBut " + changed
			}
			if list, _, in := strings.Cut(path, "["); in {
				path, mark = list, ""
				text = a.Step + " is stuck: " + text + "\nIf more of " + list + " gets stuck, the card says so."
			}
			name := id(l.id, callStuck, path, mark)
			if !slices.ContainsFunc(out, func(c call) bool { return c.name == name }) {
				out = append(out, call{name: name, state: card.Stuck, persons: a.Persons, title: s.Name + ": " + path + " is stuck", text: text})
			}
		}
	}
	return out, nil
}

// showCalls posts in one chat what is to be settled, and says on its messages of what was that it is.
func (e *Engine) showCalls(ctx context.Context, source string, l *live) error {
	open, err := e.callsOf(ctx, l)
	if err != nil {
		if errs.Is(err, errs.Corrupt) {
			return err
		}
		return nil // the playbook does not fit: what is shown stays, and Misfits says why
	}
	have := map[string]callRecord{}
	var bad error
	err = e.cfg.Store.Scan(ctx, spCalls, l.id+sep, after(l.id+sep), false, func(k string, value []byte) bool {
		var r callRecord
		bad = decode("calls/"+k, value, &r)
		have[k] = r
		return bad == nil
	})
	if err = errors.Join(err, bad); err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(have)) {
		if !e.cards.cares(source, splitID(key)[4]) {
			continue
		}
		if !slices.ContainsFunc(open, func(c call) bool { return strings.HasPrefix(key, c.name+sep) }) {
			if err := e.settled(ctx, l, key, have[key]); err != nil {
				return err
			}
		}
	}
	for _, c := range open {
		for _, place := range e.places(l.state) {
			if place.Source != source {
				continue
			}
			key := c.name + sep + id(place.Source, place.ID)
			r, had := have[key]
			if !had {
				r = callRecord{Title: clip(c.title, card.MaxTitle), At: e.now()}
			}
			if r.Message == "" {
				if err := e.postCall(ctx, l, c, key, place, r, had); err != nil && !errs.Is(err, errs.Gone) {
					return err
				}
			}
		}
	}
	return nil
}

// postCall posts one message in the card's thread. The record goes first, so that a post that may
// have been lost is looked for.
func (e *Engine) postCall(ctx context.Context, l *live, c call, key string, place Place, r callRecord, lost bool) error {
	thread, err := e.showCard(ctx, l, place)
	if err != nil {
		return err
	}
	r.Thread = thread
	save := func() error {
		b := newBatch()
		b.put(spCalls, key, encode(r))
		if r.Message != "" {
			b.put(spMessages, Ref{Place: place, Message: r.Message}.String(), encode(messageRecord{Run: l.id, Thread: thread}))
		}
		return e.commit(ctx, "call", b)
	}
	if !lost {
		if err := save(); err != nil {
			return err
		}
	}
	shown := card.Card{Key: callKey(key, r), Title: r.Title, State: c.state, Blocks: []card.Block{{Text: clip(c.text, card.MaxText)}}}
	for _, p := range c.persons {
		if !visible(*l.name, p) {
			continue
		}
		shown.Mentions = append(shown.Mentions, string(p))
	}
	e.point("call/before-post")
	ref, err := e.post(ctx, shown.Key, Ref{Place: place, Thread: thread}, shown, lost, postedFrom(r.At))
	e.point("call/after-post")
	if err != nil {
		return err
	}
	r.Message = ref.Message
	return save()
}

// callKey is the key of a message: of each time that its call was open, another one.
func callKey(key string, r callRecord) string { return short("call\x00" + key + "\x00" + stamp(r.At)) }

// settled says on a message that nothing is to be settled any more, and forgets it.
func (e *Engine) settled(ctx context.Context, l *live, key string, r callRecord) error {
	parts := splitID(key)
	path, place := parts[2], Place{Source: parts[4], ID: parts[5]}
	poster := e.cfg.Posters[place.Source]
	if r.Message == "" && poster != nil { // posted, perhaps, just before the process ended
		ref, found, err := poster.Find(ctx, callKey(key, r), Ref{Place: place, Thread: r.Thread}, postedFrom(r.At))
		if err != nil && !errs.Is(err, errs.Gone) {
			return err
		}
		if found {
			r.Message = ref.Message
		}
	}
	if r.Message != "" && poster != nil {
		text := "It is settled."
		if st := l.state.Steps[path]; st != nil {
			text = fmt.Sprintf("It is settled: %s is %s.", path, st.Status)
		}
		if l.state.Status == run.RunEnded || l.state.Status == run.IsAborting {
			text = "It is settled: " + l.state.Name + " " + strings.TrimSpace("has ended "+l.state.Outcome) + "."
			if l.state.Status == run.IsAborting {
				text = "It is settled: " + l.state.Name + " is being aborted."
			}
		}
		title := r.Title
		if stem, was := strings.CutSuffix(title, " is stuck"); was {
			title = stem + " was stuck" // where only titles are shown, the old one would tell it again
		}
		c := card.Card{Key: callKey(key, r), Title: title, State: card.Done, Blocks: []card.Block{{Text: clip(text, card.MaxText)}}}
		e.point("call/before-edit")
		err := poster.Edit(ctx, Ref{Place: place, Message: r.Message, Thread: r.Thread}, c)
		e.point("call/after-edit")
		if err != nil && !errs.Is(err, errs.Gone) {
			return err
		}
	}
	b := newBatch()
	b.del(spCalls, key)
	return e.commit(ctx, "call", b)
}

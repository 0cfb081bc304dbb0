package engine

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"slipway/bot/errs"
	"slipway/bot/run"
)

// cards remembers which runs may show something that is not true any more, in each chat by itself: one
// that does not answer, or asks to wait, keeps nothing of another waiting. After a restart every live run
// is looked at once, a few at a time, and so is each ended one whose last words are not known to be shown.
type cards struct {
	mu       sync.Mutex
	chats    map[string]*chatCards // by source
	first    string                // the source that cares for what chats left that are not configured any more
	sweeping sync.Mutex
	sweep    string // name index: live runs from it on are still to be looked at; under sweeping
	swept    bool
	locks    nameLocks // of cards and of gate messages
}

func (c *cards) init(sources []string) {
	c.chats = make(map[string]*chatCards, len(sources))
	for _, source := range sources {
		c.chats[source] = &chatCards{due: map[string]turn{}, failed: map[string]int{}, shown: map[string]time.Time{}}
	}
	if len(sources) > 0 {
		c.first = sources[0]
	}
}

// cares reports whether the loop of a chat cares for what was posted in another, or in its own.
func (c *cards) cares(source, of string) bool {
	return source == of || source == c.first && c.chats[of] == nil
}

// cardPause bounds how long a chat that does not answer is left alone, unless it asks for more.
const cardPause = time.Minute

func (c *cards) shown(source, runID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.chats[source].failed, runID)
}

// show has all chats look at a run now.
func (e *Engine) show(runID string) {
	if e.cfg.Cards == nil {
		return
	}
	e.cards.mark(runID, e.now())
	for source := range e.cards.chats {
		e.wake(loopCards(source))
	}
}

// mark has all chats look at a run, no earlier than at.
func (c *cards) mark(runID string, at time.Time) {
	for source := range c.chats {
		c.markIn(source, runID, at)
	}
}

func (c *cards) markIn(source, runID string, at time.Time) {
	c.again(source, runID, turn{since: at, last: at}, at)
}

// again marks a run that was taken and not shown, or not in whole.
func (c *cards) again(source, runID string, t turn, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t.not = at
	c.chats[source].mark(runID, t)
}

// take is the run that comes first in a chat.
func (c *cards) take(source string, now time.Time) (runID string, t turn, next time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.chats[source].take(now)
}

// edited notes that the card of a run was edited, or, without a run, another message.
func (c *cards) edited(source, runID string, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	chat := c.chats[source]
	if chat == nil {
		return
	}
	chat.edited = now
	if runID != "" {
		chat.shown[runID] = now
	}
}

// crowded reports whether a chat was asked for more than it takes.
func (c *cards) crowded(source string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.chats[source].crowd(now) > 0
}

// cardsDue brings what one chat shows of one run up to date.
func (e *Engine) cardsDue(ctx context.Context, source string) (bool, time.Time, error) {
	if e.cfg.Cards == nil {
		return false, time.Time{}, nil
	}
	runID, t, next := e.cards.take(source, e.now())
	if runID == "" {
		more, err := e.sweepCards(ctx)
		return more, next, err
	}
	l, err := e.load(ctx, runID)
	if errs.Is(err, errs.Corrupt) && e.failed() == nil {
		e.cfg.Log.Error("a run does not read back and is not shown", "run", runID, "chat", source, "error", errs.Text(err))
		return true, time.Time{}, nil
	}
	if err != nil || l.raw == nil {
		return true, time.Time{}, err
	}
	whole := true
	for _, place := range e.places(l.state) {
		if place.Source != source || t.gates {
			continue
		}
		_, wait, err := e.showCardNow(ctx, l, place)
		if !wait.IsZero() {
			e.cards.again(source, runID, t, wait)
		}
		if err != nil {
			if stops(err) && !errs.Is(err, errs.Doubtful) || e.failed() != nil {
				e.cards.again(source, runID, t, e.now().Add(e.cfg.CardEvery))
				return false, e.now().Add(time.Second), err
			}
			if !errs.Is(err, errs.Gone) {
				whole = false
				e.showLater(source, runID, t, err)
			}
		}
	}
	if !t.gates && e.cards.crowded(source, e.now()) {
		now := e.now()
		e.cards.again(source, runID, turn{since: now, last: now, gates: true}, now)
		return true, time.Time{}, nil
	}
	t.gates = true
	again, err := e.showGates(ctx, source, l)
	if err == nil {
		err = e.showCalls(ctx, source, l)
	}
	switch {
	case err != nil && (stops(err) && !errs.Is(err, errs.Doubtful) || e.failed() != nil):
		e.cards.again(source, runID, t, e.now().Add(e.cfg.CardEvery))
		return false, e.now().Add(time.Second), err
	case err != nil:
		whole = false
		e.showLater(source, runID, t, err)
	case !again.IsZero():
		e.cards.again(source, runID, t, again)
	}
	if whole {
		e.cards.shown(source, runID)
	}
	return true, time.Time{}, nil
}

// allCardsDue is cardsDue of all chats in turn.
func (e *Engine) allCardsDue(ctx context.Context) (any bool, next time.Time, err error) {
	for _, source := range slices.Sorted(maps.Keys(e.cards.chats)) {
		did, again, err := e.cardsDue(ctx, source)
		if err != nil {
			return any, next, err
		}
		any, next = any || did, earlier(next, again)
	}
	return any, next, nil
}

// ShowAgain has the cards of all live runs looked at again: there are new places in which some are shown, as
// a direct message that was opened for private ones.
func (e *Engine) ShowAgain() {
	if e.cfg.Cards == nil {
		return
	}
	e.cards.sweeping.Lock()
	e.cards.sweep, e.cards.swept = "", false
	e.cards.sweeping.Unlock()
	for source := range e.cards.chats {
		e.wake(loopCards(source))
	}
}

// sweepCards marks the next few live runs after a restart or [Engine.ShowAgain], for all chats; whichever
// has nothing else to do goes on with it.
func (e *Engine) sweepCards(ctx context.Context) (bool, error) {
	c := &e.cards
	c.sweeping.Lock()
	defer c.sweeping.Unlock()
	if c.swept {
		return false, nil
	}
	n, last := 0, c.sweep
	var ids []string
	err := e.cfg.Store.Scan(ctx, spNames, c.sweep, "", false, func(k string, value []byte) bool {
		var r nameRecord
		if decode("names/"+k, value, &r) == nil {
			ids = append(ids, r.ID)
		}
		last = k + "\x00"
		n++
		return n < 32
	})
	if err != nil {
		return false, err
	}
	for _, r := range ids {
		e.show(r)
	}
	c.sweep, c.swept = last, n < 32
	return n > 0, nil
}

// showCard makes one place show the run as it is, and returns the message of the card, whose
// thread is the run's. Only the first post has an intent: an edit is right whenever it lands.
func (e *Engine) showCard(ctx context.Context, l *live, place Place) (message string, err error) {
	message, wait, err := e.showCardNow(ctx, l, place)
	if !wait.IsZero() {
		e.cards.markIn(place.Source, l.id, wait)
	}
	return message, err
}

// showCardNow is showCard that leaves to the caller what is to be shown later.
func (e *Engine) showCardNow(ctx context.Context, l *live, place Place) (message string, wait time.Time, err error) {
	if e.cfg.Cards == nil {
		return "", time.Time{}, nil
	}
	unlock := e.cards.locks.hold("card" + sep + l.id + sep + place.Source + sep + place.ID)
	defer unlock()
	if l, err = e.load(ctx, l.id); err != nil {
		return "", time.Time{}, err
	}
	key := id(l.id, place.Source, place.ID)
	var r cardRecord
	raw, _, err := e.get(ctx, spCards, key, &r)
	if err != nil {
		return "", time.Time{}, err
	}
	if r.Gone {
		return r.Message, time.Time{}, e.cardStands(ctx, l, key)
	}
	w := e.World()
	away := awayMark(l.state, w)
	if raw != nil && r.Message != "" && r.Seq == l.rec.Seq && r.Away == away {
		return r.Message, time.Time{}, nil
	}
	book, err := e.book(ctx, l.state.Playbook)
	if err != nil {
		return r.Message, time.Time{}, nil // what is shown stays; Misfits says why
	}
	c := e.cfg.Cards.Render(book, l.state, w)
	if c.Title == "" {
		return r.Message, time.Time{}, e.cardStands(ctx, l, key)
	}
	c.Key = short("card\x00" + key)
	digest := c.Digest()
	now := e.now()
	if r.Message != "" && digest == r.Digest {
		return r.Message, time.Time{}, e.cardStands(ctx, l, key)
	}
	if next := r.At.Add(e.cfg.CardEvery); r.Message != "" && next.After(now) {
		return r.Message, next, nil
	}
	poster := e.cfg.Posters[place.Source]
	save := func(what string) error {
		value := encode(r)
		b := newBatch()
		b.guard(spCards, key, raw)
		b.put(spCards, key, value)
		if l.state.Status == run.RunEnded && (r.Gone || r.Seq == l.rec.Seq) {
			b.guard(spRuns, l.id, l.raw)
			b.del(spStale, key)
		}
		if r.Message != "" {
			b.put(spMessages, Ref{Place: place, Message: r.Message}.String(), encode(messageRecord{Run: l.id}))
		}
		if err := e.commit(ctx, what, b); err != nil {
			return err
		}
		raw = value
		return nil
	}
	if r.Message == "" {
		lost := r.Intent || l.rec.Epoch < e.world.epoch // one of before a restore may be there
		since := time.Time{}
		if r.Intent && !e.mayBeOlder(l.rec.Epoch) {
			since = postedFrom(r.At)
		}
		if !r.Intent {
			r.Intent, r.At = true, now
			if err := save("card"); err != nil {
				return "", time.Time{}, err
			}
		}
		e.point("card/before-post")
		ref, err := e.post(ctx, c.Key, Ref{Place: place}, c, lost, since)
		e.point("card/after-post")
		if errs.Is(err, errs.Gone) {
			r.Gone = true
			return "", wait, save("card")
		}
		if err != nil {
			return "", time.Time{}, err
		}
		r.Message, r.At = ref.Message, now
		if lost { // what was found may be older
			wait = now.Add(e.cfg.CardEvery)
		} else {
			r.Digest, r.Seq, r.Away = digest, l.rec.Seq, away
		}
		return r.Message, wait, save("card")
	}
	e.point("card/before-edit")
	err = poster.Edit(ctx, Ref{Place: place, Message: r.Message}, c)
	e.point("card/after-edit")
	if errs.Is(err, errs.Gone) {
		r.Gone = true
		return r.Message, wait, save("card")
	}
	if err != nil {
		return r.Message, time.Time{}, err
	}
	e.cards.edited(place.Source, l.id, now)
	r.Digest, r.Seq, r.At, r.Away = digest, l.rec.Seq, now, away
	return r.Message, wait, save("card")
}

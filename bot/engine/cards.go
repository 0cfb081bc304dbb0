package engine

import (
	"context"
	"sync"
	"time"

	"slipway/bot/errs"
	"slipway/bot/run"
)

// cards remembers which runs may show something that is not true any more. After a restart every
// live run is looked at once, a few at a time, and so is each ended one whose last words are not known
// to be shown.
type cards struct {
	mu      sync.Mutex
	due     map[string]time.Time // run → not before
	failed  map[string]int       // run → times in a row that it could not be shown
	sweep   string               // name index: live runs behind it were not looked at since the start
	swept   bool
	stripes stripes
}

func (c *cards) init() { c.due, c.failed = map[string]time.Time{}, map[string]int{} }

// cardPause bounds how long a chat that does not answer is left alone, unless it asks for more.
const cardPause = time.Minute

// showLater marks a run that could not be shown: the longer a chat does not answer, the less often it
// is asked.
func (e *Engine) showLater(runID string, err error) {
	e.cards.mu.Lock()
	n := e.cards.failed[runID]
	e.cards.failed[runID] = n + 1
	e.cards.mu.Unlock()
	pause := max(min(e.backoff(n), cardPause), e.cfg.CardEvery, min(errs.After(err), askedMost))
	e.cards.mark(runID, e.now().Add(pause))
}

func (c *cards) shown(runID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.failed, runID)
}

func (c *cards) mark(runID string, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.due[runID]; !ok || at.Before(old) {
		c.due[runID] = at
	}
}

// first is the run that is due for longest: where a chat takes only so many edits, each card has its turn.
func (c *cards) first(now time.Time) (runID string, next time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for r, at := range c.due {
		if at.After(now) {
			next = earlier(next, at)
		} else if old := c.due[runID]; runID == "" || at.Before(old) || at.Equal(old) && r < runID {
			runID = r
		}
	}
	if runID != "" {
		delete(c.due, runID)
		return runID, time.Time{}
	}
	return "", next
}

// cardsDue brings one card up to date.
func (e *Engine) cardsDue(ctx context.Context) (bool, time.Time, error) {
	if e.cfg.Cards == nil {
		return false, time.Time{}, nil
	}
	runID, next := e.cards.first(e.now())
	if runID == "" {
		more, err := e.sweepCards(ctx)
		return more, next, err
	}
	l, err := e.load(ctx, runID)
	if errs.Is(err, errs.Corrupt) && e.failed() == nil {
		e.cfg.Log.Error("a run does not read back and is not shown", "run", runID, "error", errs.Text(err))
		return true, time.Time{}, nil
	}
	if err != nil || l.raw == nil {
		return true, time.Time{}, err
	}
	whole := true
	for _, place := range e.places(l.state) {
		if _, err := e.showCard(ctx, l, place); err != nil {
			if stops(err) && !errs.Is(err, errs.Doubtful) || e.failed() != nil {
				e.cards.mark(runID, e.now().Add(e.cfg.CardEvery))
				return false, e.now().Add(time.Second), err
			}
			if !errs.Is(err, errs.Gone) {
				whole = false
				e.showLater(runID, err)
			}
		}
	}
	again, err := e.showGates(ctx, l)
	if err == nil {
		err = e.showCalls(ctx, l)
	}
	switch {
	case err != nil && (stops(err) && !errs.Is(err, errs.Doubtful) || e.failed() != nil):
		e.cards.mark(runID, e.now().Add(e.cfg.CardEvery))
		return false, e.now().Add(time.Second), err
	case err != nil:
		whole = false
		e.showLater(runID, err)
	case !again.IsZero():
		e.cards.mark(runID, again)
	}
	if whole {
		e.cards.shown(runID)
	}
	return true, time.Time{}, nil
}

// sweepCards marks the next few live runs after a restart.
func (e *Engine) sweepCards(ctx context.Context) (bool, error) {
	c := &e.cards
	c.mu.Lock()
	from, swept := c.sweep, c.swept
	c.mu.Unlock()
	if swept {
		return false, nil
	}
	n, last := 0, from
	var ids []string
	err := e.cfg.Store.Scan(ctx, spNames, from, "", false, func(k string, value []byte) bool {
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
		c.mark(r, e.now())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sweep, c.swept = last, n < 32
	return n > 0, nil
}

// showCard makes one place show the run as it is, and returns the message of the card, whose
// thread is the run's. Only the first post has an intent: an edit is right whenever it lands.
func (e *Engine) showCard(ctx context.Context, l *live, place Place) (message string, err error) {
	if e.cfg.Cards == nil {
		return "", nil
	}
	unlock := e.cards.stripes.hold("card" + sep + l.id + sep + place.Source + sep + place.ID)
	defer unlock()
	if l, err = e.load(ctx, l.id); err != nil {
		return "", err
	}
	key := id(l.id, place.Source, place.ID)
	var r cardRecord
	raw, _, err := e.get(ctx, spCards, key, &r)
	if err != nil {
		return "", err
	}
	if r.Gone {
		return r.Message, e.cardStands(ctx, l, key)
	}
	w := e.World()
	away := awayMark(l.state, w)
	if raw != nil && r.Message != "" && r.Seq == l.rec.Seq && r.Away == away {
		return r.Message, nil
	}
	book, err := e.book(ctx, l.state.Playbook)
	if err != nil {
		return r.Message, nil // what is shown stays; Misfits says why
	}
	c := e.cfg.Cards.Render(book, l.state, w)
	if c.Title == "" {
		return r.Message, e.cardStands(ctx, l, key)
	}
	c.Key = short("card\x00" + key)
	digest := c.Digest()
	now := e.now()
	if r.Message != "" && digest == r.Digest {
		return r.Message, e.cardStands(ctx, l, key)
	}
	if wait := r.At.Add(e.cfg.CardEvery); r.Message != "" && wait.After(now) {
		e.cards.mark(l.id, wait)
		return r.Message, nil
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
		if !r.Intent {
			r.Intent, r.At = true, now
			if err := save("card"); err != nil {
				return "", err
			}
		}
		e.point("card/before-post")
		ref, err := e.post(ctx, c.Key, Ref{Place: place}, c, lost)
		e.point("card/after-post")
		if errs.Is(err, errs.Gone) {
			r.Gone = true
			return "", save("card")
		}
		if err != nil {
			return "", err
		}
		r.Message, r.At = ref.Message, now
		if lost { // what was found may be older
			e.cards.mark(l.id, now.Add(e.cfg.CardEvery))
		} else {
			r.Digest, r.Seq, r.Away = digest, l.rec.Seq, away
		}
		return r.Message, save("card")
	}
	e.point("card/before-edit")
	err = poster.Edit(ctx, Ref{Place: place, Message: r.Message}, c)
	e.point("card/after-edit")
	if errs.Is(err, errs.Gone) {
		r.Gone = true
		return r.Message, save("card")
	}
	if err != nil {
		return r.Message, err
	}
	r.Digest, r.Seq, r.At, r.Away = digest, l.rec.Seq, now, away
	return r.Message, save("card")
}

package engine

import (
	"context"
	"slices"
	"sync"
	"time"

	"slipway/bot/run"
)

// An absence of the engine itself: it notes now and then that it is at work, and whoever starts finds
// how long nobody was. What happened meanwhile is read back: sources that can tell again what they
// delivered ([Engine.ReadBack]), the reactions on open gates, and what waits wait for. Each thing that
// was found so is noted in the commit that takes it, and one notice tells all of them, also when the
// process is killed in the middle. The reactions on open gates are read at every start: the shortest stop
// is long enough for one.

const (
	metaAlive = "alive" // → when the engine was last at work
	metaBack  = "back"  // → backRecord, while an absence is not made up for; metaBack sep KEY → foundRecord
)

const (
	aliveEvery = 20 * time.Second
	aliveGap   = time.Minute      // as long without a note is no absence
	longGap    = 10 * time.Minute // so long an absence is told even if nothing was missed
	backMargin = 5 * time.Minute  // sources are read back from so much before
	backWait   = 2 * time.Minute  // how long the notice waits for sources and readings
)

// backRecord is an absence.
type backRecord struct {
	From  time.Time `json:"from"`            // when the engine was last known to be at work
	Until time.Time `json:"until"`           // when it was back
	Since time.Time `json:"since"`           // from when on sources are read back: From, or that of an absence before
	Read  []string  `json:"read,omitempty"`  // sources that were read back
	Gates bool      `json:"gates,omitempty"` // the reactions of open gates are being read
	Told  bool      `json:"told,omitempty"`  // the notice is committed; sources may still have to be read
}

// foundRecord is one thing that happened in an absence.
type foundRecord struct {
	Project string `json:"project,omitempty"`
	What    string `json:"what"`
}

// comeback is what this process knows of an absence before it.
type comeback struct {
	mu     sync.Mutex
	looked bool
	noted  time.Time   // when the record of being at work was written last
	began  time.Time   // of this process
	rec    *backRecord // nil: there is nothing to make up for
	raw    []byte
	gates  startReads
}

// away is the absence that is being made up for, or nil.
func (c *comeback) away() *backRecord {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rec == nil || c.rec.Told {
		return nil
	}
	rec := *c.rec
	return &rec
}

// during reports whether something was in the absence that is being made up for.
func (c *comeback) during(at time.Time) bool {
	rec := c.away()
	return rec != nil && at.After(rec.From) && at.Before(rec.Until)
}

// comeBack finds out, once in a process, whether there was an absence.
func (e *Engine) comeBack(ctx context.Context) error {
	c := &e.comeback
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.looked {
		return nil
	}
	now := e.now()
	raw, err := e.cfg.Store.Get(ctx, Key{spMeta, metaAlive})
	if err != nil {
		return err
	}
	alive, _ := time.Parse(time.RFC3339Nano, string(raw))
	var rec backRecord
	old, found, err := e.get(ctx, spMeta, metaBack, &rec)
	if err != nil {
		return err
	}
	if !alive.IsZero() && now.Sub(alive) > aliveGap {
		switch {
		case !found:
			rec = backRecord{From: alive, Since: alive}
		case rec.Told: // but not everything was read
			for swept := false; !swept; {
				if swept, err = e.sweepFound(ctx, nil); err != nil {
					return err
				}
			}
			rec.From, rec.Told = alive, false
		}
		rec.Until, rec.Read, rec.Gates, found = now, nil, false, true
		value := encode(rec)
		b := newBatch()
		b.guard(spMeta, metaBack, old)
		b.put(spMeta, metaBack, value)
		b.put(spMeta, metaAlive, []byte(now.Format(time.RFC3339Nano)))
		if err := e.commit(ctx, "back", b); err != nil {
			return err
		}
		old, alive = value, now
	}
	if found {
		c.rec, c.raw = &rec, old
	}
	c.looked, c.began, c.noted = true, now, alive
	if alive.IsZero() {
		c.noted = now // the first note follows when there is something to be missed
	}
	return nil
}

// changeBack changes the record of the absence, with more in the same commit.
func (e *Engine) changeBack(ctx context.Context, what string, change func(*backRecord), more func(*batch) error) error {
	c := &e.comeback
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rec == nil {
		return nil
	}
	next := *c.rec
	next.Read = slices.Clone(next.Read)
	change(&next)
	value := encode(next)
	b := newBatch()
	b.guard(spMeta, metaBack, c.raw)
	b.put(spMeta, metaBack, value)
	if more != nil {
		if err := more(b); err != nil {
			return err
		}
	}
	if err := e.commit(ctx, what, b); err != nil {
		return err
	}
	c.rec, c.raw = &next, value
	return nil
}

// backDue notes that the engine is at work, makes up for an absence before this process, and says when
// to come again.
func (e *Engine) backDue(ctx context.Context) (did bool, next time.Time, err error) {
	if err := e.comeBack(ctx); err != nil {
		return false, time.Time{}, err
	}
	c, now := &e.comeback, e.now()
	c.mu.Lock()
	noted, rec, began := c.noted, c.rec, c.began
	c.mu.Unlock()
	if due := noted.Add(aliveEvery); !due.After(now) {
		b := newBatch()
		b.put(spMeta, metaAlive, []byte(now.Format(time.RFC3339Nano)))
		if err := e.commit(ctx, "alive", b); err != nil {
			return false, time.Time{}, err
		}
		c.mu.Lock()
		c.noted = now
		c.mu.Unlock()
		noted = now
	}
	did, next, read, err := e.readGatesAtStart(ctx)
	if next = earlier(next, noted.Add(aliveEvery)); did || err != nil {
		return did, next, err
	}
	switch {
	case rec == nil:
		return false, next, nil
	case rec.Told && !e.readAll(rec):
		return false, next, nil
	case rec.Told:
		return true, next, e.backEnds(ctx)
	case read && !rec.Gates:
		return true, next, e.changeBack(ctx, "back/gates", func(r *backRecord) { r.Gates = true }, nil)
	}
	ready, err := e.madeUp(ctx, rec)
	if err != nil {
		return false, time.Time{}, err
	}
	if !(ready && read) && now.Before(began.Add(backWait)) {
		return false, earlier(next, now.Add(time.Second)), nil
	}
	return true, next, e.tellBack(ctx, rec)
}

// madeUp reports whether everything that can be read back was.
func (e *Engine) madeUp(ctx context.Context, rec *backRecord) (bool, error) {
	if !e.readAll(rec) {
		return false, nil
	}
	waits := e.effects.recovering()
	err := e.cfg.Store.Scan(ctx, spQueue, "", "", false, func(string, []byte) bool { waits = true; return false })
	return !waits, err
}

// readAll reports whether all sources that can tell what was missed did.
func (e *Engine) readAll(rec *backRecord) bool {
	for source := range e.cfg.Past {
		if !slices.Contains(rec.Read, source) {
			return false
		}
	}
	return true
}

// found notes, in the commit that takes it, what happened in the absence. Of private runs nothing is
// told.
func (e *Engine) found(b *batch, key, project, what string) {
	if what != "" && e.comeback.away() != nil {
		b.put(spMeta, id(metaBack, key), encode(foundRecord{Project: project, What: what}))
	}
}

// foundBy notes what a look at the start made of a run, if the step waited before the absence ended.
func (e *Engine) foundBy(b *batch, r *effectRecord, step string, s *run.State, told *run.Told, events []run.Event) {
	rec := e.comeback.away()
	if rec == nil || told == nil || told.By != run.ToldByStart || s.Private || s.Steps[step] == nil || !s.Steps[step].Since.Before(rec.Until) {
		return
	}
	for _, ev := range events {
		switch body := ev.Body.(type) {
		case run.StepDone:
			if body.Step == step {
				e.found(b, r.Key, s.Project, s.Name+": "+step+" is done")
			}
		case run.StepFailed:
			if body.Step == step {
				e.found(b, r.Key, s.Project, s.Name+": "+step+" has failed")
			}
		case run.Voted:
			e.found(b, id(s.ID, body.Step, body.Message), s.Project, s.Name+": the reactions on "+body.Step)
		}
	}
}

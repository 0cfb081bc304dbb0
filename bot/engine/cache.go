package engine

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
	"sync"

	"slipway/bot/errs"
	"slipway/bot/run"
)

// live is a run as it was read or committed last. It is never changed.
type live struct {
	id    string
	state *run.State
	rec   runRecord // without Head
	raw   []byte    // the stored record, for the guard; nil: the run does not exist yet
	name  *nameRecord
}

// cacheSize bounds the decoded runs in memory.
const cacheSize = 4096

// cache keeps the runs used last. What it holds may be out of date: commits are guarded by the
// stored record, and a conflict drops the entry.
type cache struct {
	mu    sync.Mutex
	byRun map[string]*list.Element
	order *list.List // of *live, the newest first
}

func (c *cache) init() {
	c.byRun = map[string]*list.Element{}
	c.order = list.New()
}

func (c *cache) get(id string) *live {
	c.mu.Lock()
	defer c.mu.Unlock()
	el, ok := c.byRun[id]
	if !ok {
		return nil
	}
	c.order.MoveToFront(el)
	return el.Value.(*live)
}

func (c *cache) put(l *live) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el, ok := c.byRun[l.id]; ok {
		if el.Value.(*live).rec.Seq <= l.rec.Seq {
			el.Value = l
		}
		c.order.MoveToFront(el)
		return
	}
	c.byRun[l.id] = c.order.PushFront(l)
	if c.order.Len() > cacheSize {
		last := c.order.Back()
		delete(c.byRun, last.Value.(*live).id)
		c.order.Remove(last)
	}
}

func (c *cache) drop(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el, ok := c.byRun[id]; ok {
		delete(c.byRun, id)
		c.order.Remove(el)
	}
}

// load reads a run; a run that does not exist is an empty live with a nil raw.
func (e *Engine) load(ctx context.Context, runID string) (*live, error) {
	if l := e.cache.get(runID); l != nil {
		return l, nil
	}
	l, err := e.read(ctx, runID)
	if err == nil && l.raw != nil {
		e.cache.put(l)
	}
	return l, err
}

// read reads a run past the cache. The head is read again after the steps, so that a commit in
// between cannot mix two states.
func (e *Engine) read(ctx context.Context, runID string) (*live, error) {
	for range 16 {
		l := &live{id: runID, state: &run.State{Steps: map[string]*run.Step{}}}
		var err error
		var found bool
		l.raw, found, err = e.get(ctx, spRuns, runID, &l.rec)
		if err != nil || !found {
			return l, err
		}
		if err := e.readState(ctx, l); err != nil {
			return nil, err
		}
		again, err := e.cfg.Store.Get(ctx, Key{spRuns, runID})
		if err != nil {
			return nil, err
		}
		if string(again) == string(l.raw) {
			return l, nil
		}
	}
	return nil, errs.E("engine.read", errs.Busy, fmt.Errorf("the run %s changes faster than it can be read", runID))
}

func (e *Engine) readState(ctx context.Context, l *live) error {
	corrupt := func(what string, err error) error {
		return errs.E("engine.read", errs.Corrupt, fmt.Errorf("%s of run %s does not read back: %w", what, l.id, err)).
			Hint("Stop slipway and run slipway fsck.")
	}
	head, err := run.DecodeHead(l.rec.Head)
	if err != nil {
		return corrupt("the head", err)
	}
	l.rec.Head = nil
	l.state.Head = head
	prefix := l.id + sep
	var bad error
	err = e.cfg.Store.Scan(ctx, spSteps, prefix, after(prefix), false, func(key string, value []byte) bool {
		if value, bad = e.unpack(ctx, value); bad != nil {
			return false
		}
		s, err := run.DecodeStep(value)
		if err != nil {
			bad = corrupt("the step "+strings.TrimPrefix(key, prefix), err)
			return false
		}
		l.state.Steps[s.Path] = s
		return true
	})
	if err == nil {
		err = bad
	}
	if err == nil && len(head.Ledgers) > 0 {
		err = e.readListed(ctx, l)
	}
	if err == nil {
		err = e.readElements(ctx, l)
	}
	if err == nil {
		l.name = nameOf(l.state, e.family(l.state.Playbook))
	}
	return err
}

// readListed gives the ledgers of a run the rows that its lists have.
func (e *Engine) readListed(ctx context.Context, l *live) error {
	var bad error
	prefix := l.id + sep
	err := e.cfg.Store.Scan(ctx, spListed, prefix, after(prefix), false, func(key string, value []byte) bool {
		if value, bad = e.unpack(ctx, value); bad != nil {
			return false
		}
		var r run.Row
		if r, bad = run.DecodeRow(value); bad != nil {
			return false
		}
		if a := l.state.Ledgers[splitID(key)[1]]; a != nil {
			a.Rows = append(a.Rows, r)
		}
		return true
	})
	return errors.Join(err, bad)
}

// encodeRun builds the record of a run by hand: its head is long and is already JSON.
func encodeRun(r runRecord, head []byte) []byte {
	out := make([]byte, 0, len(head)+256)
	out = strconv.AppendUint(append(out, `{"seq":`...), r.Seq, 10)
	out = append(append(append(out, `,"chain":"`...), r.Chain...), '"') // hexadecimal
	if r.Epoch > 0 {
		out = strconv.AppendUint(append(out, `,"epoch":`...), r.Epoch, 10)
	}
	if len(r.Pending) > 0 {
		out = append(out, `,"pending":`...)
		out = append(out, encode(r.Pending)...)
	}
	out = append(out, `,"head":`...)
	out = append(out, head...)
	return append(out, '}')
}

func nameOf(s *run.State, family string) *nameRecord {
	return &nameRecord{ID: s.ID, Name: s.Name, Project: s.Project, Family: family, Book: s.Playbook,
		Status: string(s.Status), Outcome: s.Outcome, Requester: s.Requester, Began: s.Began, Ended: s.EndedAt,
		Private: s.Private, Circle: s.Circle, Parent: s.Parent}
}

// stripes are mutexes shared by many names. There are so many because one is held over a whole
// commit: of 256 callers on 256 stripes, half wait for a neighbour and miss the common commit.
type stripes struct {
	locks [1 << 14]sync.Mutex
	once  sync.Once
	seed  maphash.Seed
}

// hold locks the stripes of all names, always in the same order, and returns how to unlock them.
func (s *stripes) hold(names ...string) func() {
	s.once.Do(func() { s.seed = maphash.MakeSeed() })
	var at [4]int
	index := at[:0]
	for _, n := range names {
		index = append(index, int(maphash.String(s.seed, n)%uint64(len(s.locks))))
	}
	slices.Sort(index)
	index = slices.Compact(index)
	for _, i := range index {
		s.locks[i].Lock()
	}
	return func() {
		for _, i := range index {
			s.locks[i].Unlock()
		}
	}
}

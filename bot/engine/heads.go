package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"slipway/bot/action"
	"slipway/bot/calendar"
	"slipway/bot/errs"
	"slipway/bot/evidence"
	"slipway/bot/people"
	"slipway/bot/run"
)

// headRecord is the head of a run's log at a moment that matters. Signed is its envelope, nil until
// the log key has signed it.
type headRecord struct {
	Head   evidence.Head `json:"head"`
	Signed []byte        `json:"signed,omitempty"`
}

// Head is one head of a run's log, for questions and pages.
type Head struct {
	evidence.Head
	By       evidence.Fingerprint // of the key that signed it; "": it waits for the key
	Envelope []byte               // what was signed, with the signature; nil while it waits
}

// heads is what is known of the signing of heads.
type heads struct {
	mu      sync.Mutex
	pending bool      // there may be heads to sign
	retry   time.Time // after the key failed
	since   time.Time // when it began to fail
	why     string
}

// headsAt puts what follows from the closing of gates and from the end into the commit: what was
// relied on, and the head that is to be signed. No gate waits for the signature.
func (w *writer) headsAt() error {
	r := evidence.Relied{Run: w.d.After.ID, Seq: w.rec.Seq, At: w.at, Gates: []evidence.Closing{}, Freezes: []evidence.Calendar{}, Steps: []string{}}
	var reasons []string
	for _, ev := range w.d.Events {
		switch body := ev.Body.(type) {
		case run.GateClosed:
			reasons = append(reasons, evidence.AtGate(body.Step))
			c, err := w.closing(body, ev.At)
			if err != nil {
				return err
			}
			r.Gates = append(r.Gates, c)
		case run.StepStarted:
			r.Steps = append(r.Steps, body.Step)
		case run.StepWaits:
			r.Steps = append(r.Steps, body.Step)
		case run.Finished:
			reasons = append(reasons, evidence.AtEnd)
		}
	}
	if len(r.Steps) > 0 {
		w.calendars(&r)
	}
	if len(r.Freezes) == 0 {
		r.Steps = []string{}
	}
	if len(r.Gates) > 0 || len(r.Freezes) > 0 {
		data, err := r.Encode()
		if err != nil {
			return err
		}
		value, err := w.e.pack(w.ctx, data)
		if err != nil {
			return err
		}
		w.b.put(spRelied, id(r.Run, seqID(r.Seq)), value)
		if len(reasons) > 0 {
			return w.headOf(reasons, &evidence.Ref{Seq: r.Seq, Digest: action.DigestOf(data)})
		}
	}
	if len(reasons) > 0 {
		return w.headOf(reasons, nil)
	}
	return nil
}

// headOf writes the head of this commit and marks it as one that is to be signed. last is what this
// commit itself relied on.
func (w *writer) headOf(reasons []string, last *evidence.Ref) error {
	refs, err := w.e.reliedSince(w.ctx, w.d.After.ID)
	if err != nil {
		return err
	}
	if last != nil {
		refs = append(refs, *last)
	}
	h := evidence.Head{Run: w.d.After.ID, Seq: w.rec.Seq, Chain: w.rec.Chain, At: w.at, Epoch: w.e.world.epoch,
		Playbook: w.d.After.Playbook, Reasons: reasons, Relied: refs}
	value, err := w.e.pack(w.ctx, encode(headRecord{Head: h}))
	if err != nil {
		return err
	}
	key := id(h.Run, seqID(h.Seq))
	w.b.put(spHeads, key, value)
	w.b.put(spUnsigned, key, nil)
	w.headed = true
	return nil
}

// reliedSince are the records of what commits of the run relied on since its last head.
func (e *Engine) reliedSince(ctx context.Context, runID string) ([]evidence.Ref, error) {
	prefix, from := runID+sep, runID+sep
	err := e.cfg.Store.Scan(ctx, spHeads, prefix, after(prefix), true, func(k string, _ []byte) bool {
		from = k + "\x00"
		return false
	})
	if err != nil {
		return nil, err
	}
	refs := []evidence.Ref{}
	var bad error
	err = e.cfg.Store.Scan(ctx, spRelied, from, after(prefix), false, func(k string, value []byte) bool {
		var data []byte
		if data, bad = e.unpack(ctx, value); bad == nil {
			refs = append(refs, evidence.Ref{Seq: seqOf(k), Digest: action.DigestOf(data)})
		}
		return bad == nil
	})
	return refs, errors.Join(err, bad)
}

// seqOf is the number at the end of the ID of a commit's record.
func seqOf(key string) (n uint64) {
	fmt.Sscanf(key[strings.LastIndex(key, sep)+len(sep):], "%d", &n)
	return n
}

// calendars records the calendars that the decision looked at.
func (w *writer) calendars(r *evidence.Relied) {
	seen := map[string]bool{}
	for _, read := range w.d.Reads {
		if read.What != "freeze" || seen[read.Name] {
			continue
		}
		seen[read.Name] = true
		c := evidence.Calendar{Name: read.Name, Version: read.Version, Freezes: []calendar.Freeze{}}
		c.Freezes = append(c.Freezes, w.view.cal.Upcoming(read.Name, r.At)...)
		r.Freezes = append(r.Freezes, c)
	}
	slices.SortFunc(r.Freezes, func(a, b evidence.Calendar) int { return strings.Compare(a.Name, b.Name) })
}

// closing records what the closing of one gate relied on.
func (w *writer) closing(ev run.GateClosed, at time.Time) (evidence.Closing, error) {
	s := w.d.After
	c := evidence.Closing{Step: ev.Step, Authors: []string{}, Persons: []people.Person{}, Grants: []people.Grant{},
		Filled: map[string][]people.PersonID{}, Roles: []evidence.RoleVersion{}, Away: map[string]string{}, Shown: []evidence.Shown{}}
	world := w.view.forRun(at)
	q, filled, ok := run.GateAsked(w.book, s, world, ev.Step)
	if !ok {
		return c, nil
	}
	c.Manifest = string(q.Manifest)
	c.Authors = append(c.Authors, q.Authors...)
	c.Filled = filled
	for _, r := range ev.Roles {
		c.Roles = append(c.Roles, evidence.RoleVersion{Role: r.Name, Version: r.Version})
	}
	who := map[people.PersonID]bool{s.Requester: true}
	for _, v := range s.Steps[ev.Step].Gate.Votes {
		who[v.Person] = true
		if p, ok := q.Directory.ByAccount(v.Account); ok {
			who[p.ID] = true
		}
		if one := (people.Barred{Account: v.Account, Why: q.Directory.Barred(v.Account)}); one.Why != "" && !slices.Contains(c.Barred, one) {
			c.Barred = append(c.Barred, one)
		}
	}
	grants := map[string]people.Grant{}
	dir := q.Directory.AskedAt(q.Opened) // a grant that did not count is not what was relied on
	for _, role := range q.Rule.Roles() {
		if why := q.Directory.Unavailable(q.Project, role); why != "" {
			c.Away[q.Project+"/"+role] = why
		}
		for _, p := range dir.Members(q.Project, role, at) {
			who[p] = true
			if _, inRun := filled[role]; inRun {
				continue
			}
			if g, ok := dir.Has(q.Project, role, p, at); ok && g.For == "" {
				grants[g.ID+sep+string(g.Person)+sep+g.Role+sep+g.Project] = g
			}
			for _, g := range dir.Delegations(q.Project, role, p, at) {
				grants[g.ID+sep+string(g.Person)+sep+g.Role+sep+g.Project] = g
				who[g.For] = true
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(grants)) {
		c.Grants = append(c.Grants, grants[key])
	}
	for _, p := range slices.Sorted(maps.Keys(who)) {
		if person, ok := q.Directory.Person(p); ok {
			c.Persons = append(c.Persons, person)
		}
	}
	shown, err := w.e.shownOf(w.ctx, s.ID, c.Manifest)
	c.Shown = append(c.Shown, shown...)
	return c, err
}

// headsDue signs the heads that wait, a few in one commit. When the key cannot be used they wait
// longer, and [Engine.HeadTrouble] says so.
func (e *Engine) headsDue(ctx context.Context) (bool, time.Time, error) {
	if e.cfg.LogKey == nil {
		return false, time.Time{}, nil
	}
	e.heads.mu.Lock()
	pending, retry := e.heads.pending, e.heads.retry
	e.heads.pending = false
	e.heads.mu.Unlock()
	if !pending {
		return false, time.Time{}, nil
	}
	if retry.After(e.now()) {
		e.heads.more()
		return false, retry, nil
	}
	var keys []string
	err := e.cfg.Store.Scan(ctx, spUnsigned, "", "", false, func(k string, _ []byte) bool {
		keys = append(keys, k)
		return len(keys) < headsAtOnce
	})
	if err != nil || len(keys) == 0 {
		if err != nil {
			e.heads.more()
		}
		return false, time.Time{}, err
	}
	defer e.heads.more() // what came meanwhile, and what did not fit
	b := newBatch()
	e.point("head/before-sign")
	for _, key := range keys {
		if err := e.signHead(ctx, b, key); err != nil {
			if stops(err) || ctx.Err() != nil {
				return false, time.Time{}, err
			}
			return false, e.keyFailed(err), nil
		}
	}
	e.point("head/after-sign")
	e.heads.works()
	if err := e.commit(ctx, "head", b); err != nil && !errs.Is(err, errs.Conflict) {
		return false, time.Time{}, err
	}
	return true, time.Time{}, nil
}

// headsAtOnce bounds how many heads are signed in one commit; headRetry is when a key that failed
// is tried again.
const (
	headsAtOnce = 32
	headRetry   = time.Minute
)

// signHead puts the signed head into b. A mark without a head is only removed.
func (e *Engine) signHead(ctx context.Context, b *batch, key string) error {
	b.del(spUnsigned, key)
	var r headRecord
	raw, found, err := e.get(ctx, spHeads, key, &r)
	if err != nil || !found || r.Signed != nil {
		return err
	}
	h := r.Head
	h.Signed = e.now()
	if r.Signed, err = evidence.SealHead(e.cfg.LogKey, h); err != nil {
		return errs.E("engine.head", errs.Unavailable, err)
	}
	r.Head = h
	value, err := e.pack(ctx, encode(r))
	if err != nil {
		return err
	}
	b.guard(spHeads, key, raw)
	b.put(spHeads, key, value)
	return nil
}

// signWaiting signs what waits of one run now.
func (e *Engine) signWaiting(ctx context.Context, runID string) error {
	var keys []string
	prefix := runID + sep
	err := e.cfg.Store.Scan(ctx, spUnsigned, prefix, after(prefix), false, func(k string, _ []byte) bool {
		keys = append(keys, k)
		return true
	})
	if err != nil || len(keys) == 0 {
		return err
	}
	b := newBatch()
	for _, key := range keys {
		if err := e.signHead(ctx, b, key); err != nil {
			return err
		}
	}
	if err := e.commit(ctx, "head", b); err != nil && !errs.Is(err, errs.Conflict) { // signed meanwhile
		return err
	}
	return nil
}

func (h *heads) more() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pending = true
}

func (h *heads) works() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.why, h.since, h.retry = "", time.Time{}, time.Time{}
}

// keyFailed remembers why the key cannot be used, and gives the time of the next try.
func (e *Engine) keyFailed(err error) time.Time {
	h := &e.heads
	h.mu.Lock()
	defer h.mu.Unlock()
	now := e.now()
	if h.why == "" {
		h.since = now
		e.cfg.Log.Error("the log key cannot sign; heads wait for it", "error", errs.Text(err))
	}
	h.why, h.retry, h.pending = errs.Text(err), now.Add(headRetry), true
	return h.retry
}

// HeadTrouble says that heads of logs wait to be signed because the log key fails: how many (at most
// 1000 are counted), since when, and why. Zero: nothing waits for long.
func (e *Engine) HeadTrouble(ctx context.Context) (waiting int, since time.Time, why string, err error) {
	e.heads.mu.Lock()
	since, why = e.heads.since, e.heads.why
	e.heads.mu.Unlock()
	if e.cfg.LogKey == nil {
		why = "no log key is configured"
	}
	if why == "" {
		return 0, time.Time{}, "", nil
	}
	err = e.cfg.Store.Scan(ctx, spUnsigned, "", "", false, func(string, []byte) bool {
		waiting++
		return waiting < 1000
	})
	return waiting, since, why, err
}

// Heads lists the heads of a run's log, oldest first. It does not ask who may see the run.
func (e *Engine) Heads(ctx context.Context, runID string) ([]Head, error) {
	var out []Head
	var bad error
	prefix := runID + sep
	err := e.cfg.Store.Scan(ctx, spHeads, prefix, after(prefix), false, func(k string, value []byte) bool {
		var r headRecord
		if value, bad = e.unpack(ctx, value); bad == nil {
			bad = decode("heads/"+k, value, &r)
		}
		if bad != nil {
			return false
		}
		h := Head{Head: r.Head, Envelope: r.Signed}
		var env evidence.Envelope
		if r.Signed != nil && json.Unmarshal(r.Signed, &env) == nil && len(env.Signatures) == 1 {
			h.By = evidence.Fingerprint(env.Signatures[0].KeyID)
		}
		out = append(out, h)
		return true
	})
	return out, errors.Join(err, bad)
}

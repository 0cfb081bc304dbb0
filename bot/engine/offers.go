package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"slipway/bot/errs"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// openOffer is the part of an open offer step, or nil.
func openOffer(p *playbook.Playbook, s *run.State, st *run.Step) *playbook.OfferPart {
	if p == nil || st == nil || st.Status != run.Running || st.Closed || s.Status == run.RunEnded {
		return nil
	}
	if def := p.Step(run.DeclaredPath(st.Path)); def != nil && def.Kind == playbook.Offer {
		return def.Offer
	}
	return nil
}

// offers keeps the index of what open offers start by themselves. Rows of offers that are not
// open any more go when their time or their fact comes.
func (w *writer) offers(had, now *run.Step) {
	before, then := openOffer(w.oldBook, w.was.state, had), openOffer(w.book, w.d.After, now)
	if before == nil && then == nil {
		return
	}
	path := ""
	for _, st := range []*run.Step{had, now} {
		if st != nil {
			path = st.Path
		}
	}
	onFact := func(part *playbook.OfferPart, do func(row string)) {
		if part == nil {
			return
		}
		for _, entry := range part.Entries {
			if entry.Fact != "" {
				do(id("on", entry.Fact, w.d.After.Project, w.d.After.ID, path, entry.Name))
			}
		}
	}
	switch {
	case before != nil && then == nil:
		onFact(before, func(row string) { w.b.del(spOffers, row) })
	case before == nil && then != nil:
		onFact(then, func(row string) { w.b.put(spOffers, row, []byte("t")) })
		for _, entry := range then.Entries {
			if entry.Every == "" {
				continue
			}
			s, loc, err := w.e.schedule(entry.Every)
			if err != nil {
				w.e.cfg.Log.Warn("an offer's schedule cannot be kept", "run", logged(w.d.After), "offer", path, "error", errs.Text(err))
				continue
			}
			w.b.put(spOffers, offerRow(s.Next(w.e.now(), loc), w.d.After.ID, path, entry.Name), []byte("t"))
			w.scheduled = true
		}
	}
}

func offerRow(at time.Time, runID, path, entry string) string {
	return id("at", stamp(at), runID, path, entry)
}

// offersDue starts what open offers have on a schedule.
func (e *Engine) offersDue(ctx context.Context) (did bool, next time.Time, err error) {
	now := e.now()
	var rows []string
	prefix := "at" + sep
	err = e.cfg.Store.Scan(ctx, spOffers, prefix, after(prefix), false, func(k string, _ []byte) bool {
		if at := stampTime(k[len(prefix):]); at.After(now) {
			next = at
			return false
		}
		rows = append(rows, k)
		return len(rows) < 64
	})
	if err != nil {
		return false, time.Time{}, err
	}
	for _, row := range rows {
		parts := splitID(row)
		if len(parts) != 5 {
			continue
		}
		first := stampTime(parts[1])
		started, err := e.offered(ctx, row, parts[2], parts[3], parts[4], first, nil, "its schedule")
		if err != nil {
			if stops(err) || ctx.Err() != nil {
				return did, time.Time{}, err
			}
			next = earlier(next, now.Add(time.Minute)) // a run that cannot go on now
			continue
		}
		did = did || started
	}
	return did, next, nil
}

// offeredBy starts what open offers of a project start on a fact.
func (e *Engine) offeredBy(ctx context.Context, d Delivery, f Happened) error {
	prefix := id("on", f.Name) + sep
	if f.Project != "" {
		prefix = id("on", f.Name, f.Project) + sep
	}
	var rows []string
	err := e.cfg.Store.Scan(ctx, spOffers, prefix, after(prefix), false, func(k string, _ []byte) bool {
		rows = append(rows, k)
		return len(rows) < 1000
	})
	if err != nil {
		return err
	}
	for _, row := range rows {
		parts := splitID(row)
		if len(parts) != 6 {
			continue
		}
		_, err := e.offered(ctx, row, parts[3], parts[4], parts[5], time.Time{}, &f, d.Source+"/"+d.ID)
		if err != nil && (stops(err) || ctx.Err() != nil) {
			return err
		}
	}
	return nil
}

// offered starts one child of an open offer, for a time of its schedule or for a fact; why names
// the fact. The child's id comes from both, so that a repeat starts nothing. A row of an offer
// that is not open goes.
func (e *Engine) offered(ctx context.Context, row, runID, path, name string, first time.Time, f *Happened, why string) (did bool, err error) {
	l, err := e.load(ctx, runID)
	if err != nil {
		return false, err
	}
	gone := func() (bool, error) {
		b := newBatch()
		b.del(spOffers, row)
		return true, e.commit(ctx, "offer", b)
	}
	if l.raw == nil || l.state.Status == run.RunEnded {
		return gone()
	}
	book, err := e.book(ctx, l.state.Playbook)
	if err != nil {
		return false, err
	}
	part := openOffer(book, l.state, l.state.Steps[path])
	if part == nil {
		return gone()
	}
	i := slices.IndexFunc(part.Entries, func(x playbook.OfferEntry) bool { return x.Name == name })
	if i < 0 {
		return gone()
	}
	entry := part.Entries[i]
	in := run.Triggered{Step: path, Entry: name, Why: why}
	more := also{guards: []Guard{{Key{spOffers, row}, []byte("t")}}}
	if f != nil {
		in.Child = short("offer\x00" + runID + "\x00" + path + "\x00" + name + "\x00" + why)
		if in.Fact = f.Fields; in.Fact == nil {
			in.Fact = map[string]any{}
		}
	} else {
		s, loc, err := e.schedule(entry.Every)
		if err != nil {
			return gone()
		}
		at, _, next := due(s, loc, first, e.now(), "run-once")
		if !at.IsZero() {
			in.Child = short("offer\x00" + runID + "\x00" + path + "\x00" + name + "\x00" + stamp(at))
		}
		more.then = func(b *batch, _ *live, _ run.Decision) {
			b.del(spOffers, row)
			b.put(spOffers, offerRow(next, runID, path, name), []byte("t"))
		}
	}
	tell := more.then
	more.then = func(b *batch, l *live, d run.Decision) {
		if tell != nil {
			tell(b, l, d)
		}
		if d.Refusal != nil {
			err := e.putNotice(ctx, b, "offer\x00"+in.Child, noticeIn{Run: runID,
				Title: fmt.Sprintf("%s of %s was not started", name, path), Text: errs.Text(d.Refusal)})
			if err != nil {
				e.cfg.Log.Warn("a refused offer could not be told", "run", runID, "error", errs.Text(err))
			}
		}
	}
	_, err = e.submit(ctx, runID, in, more)
	if errs.Is(err, errs.Conflict) {
		return true, nil // somebody else was quicker
	}
	return err == nil, err
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// foundMost bounds how many things a notice names.
const foundMost = 12

// eachFound goes through what was found of an absence.
func (e *Engine) eachFound(ctx context.Context, do func(key string, r foundRecord) bool) error {
	var bad error
	err := e.cfg.Store.Scan(ctx, spMeta, metaBack+sep, after(metaBack+sep), false, func(k string, value []byte) bool {
		var r foundRecord
		if bad = decode("meta/"+k, value, &r); bad != nil {
			return false
		}
		return do(k, r)
	})
	return errors.Join(err, bad)
}

// tellBack commits the notice of an absence: to the places of projects where something was found, and,
// after a long one, of those that have live runs.
func (e *Engine) tellBack(ctx context.Context, rec *backRecord) error {
	found := map[string]map[string]int{} // project → what → how often
	err := e.eachFound(ctx, func(_ string, r foundRecord) bool {
		if found[r.Project] == nil {
			found[r.Project] = map[string]int{}
		}
		found[r.Project][r.What]++
		return true
	})
	if err != nil {
		return err
	}
	gap := rec.Until.Sub(rec.From)
	live := map[string]bool{}
	if gap >= longGap || len(found[""]) > 0 {
		if live, err = e.liveProjects(ctx); err != nil {
			return err
		}
	}
	texts := map[Place]map[string]int{}
	for _, name := range e.cfg.Projects.Names() {
		p, ok := e.cfg.Projects.Project(name)
		if !ok || len(found[name]) == 0 && !live[name] {
			continue
		}
		for _, place := range p.Places {
			if e.cfg.Posters[place.Source] == nil {
				continue
			}
			if texts[place] == nil {
				texts[place] = maps.Clone(found[""])
				if texts[place] == nil {
					texts[place] = map[string]int{}
				}
			}
			for what, n := range found[name] {
				texts[place][what] += n
			}
		}
	}
	missing := slices.DeleteFunc(slices.Sorted(maps.Keys(e.cfg.Past)), func(s string) bool { return slices.Contains(rec.Read, s) })
	return e.changeBack(ctx, "back/told", func(r *backRecord) { r.Told = true }, func(b *batch) error {
		for place, what := range texts {
			title, text := backWords(gap, what, missing)
			key := "away\x00" + stamp(rec.From) + "\x00" + place.Source + "\x00" + place.ID
			if err := e.putNotice(ctx, b, key, noticeIn{Places: []Place{place}, Title: title, Text: text}); err != nil {
				return err
			}
		}
		return nil
	})
}

// backWords says how long the engine was away and what it found.
func backWords(gap time.Duration, what map[string]int, missing []string) (title, text string) {
	n := 0
	var lines []string
	for _, w := range slices.Sorted(maps.Keys(what)) {
		n += what[w]
		if what[w] > 1 {
			w = fmt.Sprintf("%s (%d)", w, what[w])
		}
		lines = append(lines, w)
	}
	if len(lines) > foundMost {
		lines = append(lines[:foundMost], fmt.Sprintf("and %d more", len(lines)-foundMost))
	}
	title = "I was away " + lasted(gap)
	switch n {
	case 0:
		title += "; I have found nothing that I missed"
	case 1:
		title += "; 1 event recovered"
	default:
		title += fmt.Sprintf("; %d events recovered", n)
	}
	if len(lines) > 0 {
		text = "• " + strings.Join(lines, "\n• ")
	}
	if len(missing) > 0 {
		text = strings.TrimPrefix(text+"\n", "\n") + "What was said meanwhile on " + strings.Join(missing, ", ") + " cannot be read yet; it is tried again."
	}
	return title, text
}

// lasted writes a time for people: 12 min, 3 h 5 min, 2 d 4 h.
func lasted(d time.Duration) string {
	switch {
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24)
}

// liveProjects are those with a live run that is not private.
func (e *Engine) liveProjects(ctx context.Context) (map[string]bool, error) {
	out := map[string]bool{}
	var bad error
	err := e.cfg.Store.Scan(ctx, spNames, "", "", false, func(k string, value []byte) bool {
		var r nameRecord
		if bad = decode("names/"+k, value, &r); bad == nil && r.Ended.IsZero() && !r.Private {
			out[r.Project] = true
		}
		return bad == nil
	})
	return out, errors.Join(err, bad)
}

// backEnds removes what was told, a few records at a time, and then the absence.
func (e *Engine) backEnds(ctx context.Context) error {
	c := &e.comeback
	c.mu.Lock()
	defer c.mu.Unlock()
	last, err := e.sweepFound(ctx, func(b *batch) {
		b.guard(spMeta, metaBack, c.raw)
		b.del(spMeta, metaBack)
	})
	if err == nil && last {
		c.rec, c.raw = nil, nil
	}
	return err
}

// sweepFound removes what was found of an absence, a few records at a time; with the last of them goes
// more.
func (e *Engine) sweepFound(ctx context.Context, more func(*batch)) (last bool, err error) {
	b := newBatch()
	err = e.eachFound(ctx, func(key string, _ foundRecord) bool {
		b.del(spMeta, key)
		return len(b.writes) < sweepBatch
	})
	if err != nil {
		return false, err
	}
	if last = len(b.writes) < sweepBatch; last && more != nil {
		more(b)
	}
	if b.empty() {
		return last, nil
	}
	return last, e.commit(ctx, "back/end", b)
}

// readBackFrom asks the sources for what was delivered in an absence; see [Engine.ReadBack].
func (e *Engine) readBackFrom(ctx context.Context) (n int, failed error) {
	if err := e.comeBack(ctx); err != nil {
		return 0, err
	}
	c := &e.comeback
	c.mu.Lock()
	rec := c.rec
	c.mu.Unlock()
	if rec == nil {
		return 0, nil
	}
	for _, source := range slices.Sorted(maps.Keys(e.cfg.Past)) {
		if slices.Contains(rec.Read, source) {
			continue
		}
		err := e.readSource(ctx, source, rec.Since.Add(-backMargin), missedAway, &n)
		if err == nil {
			err = e.changeBack(ctx, "back/read", func(r *backRecord) { r.Read = append(r.Read, source) }, nil)
		}
		failed = errors.Join(failed, err)
	}
	if n > 0 || failed == nil {
		e.wake(loopTimers)
	}
	return n, failed
}

// readSource has one source tell again what it delivered from a moment on; n counts what was new.
func (e *Engine) readSource(ctx context.Context, source string, from time.Time, how missed, n *int) error {
	var own any // what broke was ours: the process must end
	defer func() {
		if own != nil {
			panic(own)
		}
	}()
	return guarded(e.cfg.Log, "read-back."+source, func() error {
		return e.cfg.Past[source].Since(ctx, from, func(d Delivery) error {
			defer func() {
				if own = recover(); own != nil {
					panic(own)
				}
			}()
			d.Source = source
			fresh, err := e.deliver(ctx, d, how)
			if fresh {
				*n++
			}
			return err
		})
	})
}

// missed says in which way a delivery came late.
type missed string

const (
	notMissed   missed = ""
	missedLost  missed = "restore" // it may have been heard in the time that a restore lost
	missedAway  missed = "away"    // nobody heard it
	missedAsked missed = "asked"   // the source told of it when it was asked
)

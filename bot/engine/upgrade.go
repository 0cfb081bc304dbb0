package engine

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"slipway/bot/run"
)

// metaLayout is where the format is written. The record "format" beside it is the store's own.
const metaLayout = "layout"

// upgrade brings a store of an older format up to [Format]. Each step may be begun again: it writes
// what follows from the records, a few at a time, and the format only when it is done.
func (e *Engine) upgrade(ctx context.Context, from uint64, raw []byte) error {
	if from < 2 {
		if err := e.upgradeNames(ctx); err != nil {
			return err
		}
	}
	// What is new in format 3 begins with the first commit that writes it: what gates of before relied
	// on is not known any more, and evidence says so. Deliveries that came before format 4 keep their
	// bodies in their records until they are swept. The number keeps older programs away.
	b := newBatch()
	b.guard(spMeta, metaLayout, raw)
	b.put(spMeta, metaLayout, []byte(strconv.Itoa(Format)))
	return e.commit(ctx, "upgrade/end", b)
}

// upgradeNames makes the index of the last parts of names, frees the names of aborted runs of which
// only the undo plan is left, and adds holds and undo plans to what awaits people.
func (e *Engine) upgradeNames(ctx context.Context) error {
	for _, space := range []string{spPast, spNames} {
		for from := ""; ; {
			type line struct {
				key   string
				value []byte
				r     nameRecord
			}
			var lines []line
			var bad error
			err := e.cfg.Store.Scan(ctx, space, from, "", false, func(k string, value []byte) bool {
				l := line{key: k, value: slices.Clone(value)}
				if bad = decode(space+"/"+k, value, &l.r); bad == nil {
					lines = append(lines, l)
				}
				return bad == nil && len(lines) < sweepBatch
			})
			if err = errors.Join(err, bad); err != nil {
				return err
			}
			b := newBatch()
			for _, l := range lines {
				b.put(spEndings, id(ending(l.r.Name), l.r.ID), []byte(l.r.Name))
				if space == spPast || l.r.Status == string(run.Live) {
					continue
				}
				old, err := e.read(ctx, l.r.ID)
				if err != nil {
					return err
				}
				for _, a := range runAwaits(old.state) {
					b.put(spAwaits, a, nil)
				}
				if old.raw != nil && old.state.NameFree() && !aside(l.key) {
					b.guard(space, l.key, l.value)
					b.del(space, l.key)
					b.put(space, id(l.key, l.r.ID), l.value)
				}
			}
			if len(lines) > 0 {
				if err := e.commit(ctx, "upgrade/names", b); err != nil {
					return err
				}
				from = lines[len(lines)-1].key + "\x00"
			}
			if len(lines) < sweepBatch {
				break
			}
		}
	}
	return nil
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"slipway/bot/errs"
	"slipway/bot/run"
)

// recover reads what must be known before work begins. It decodes no run: what is due is found
// by scans when its time comes.
func (e *Engine) recover(ctx context.Context) error {
	const op = "engine.open"
	number := func(name string) (uint64, []byte, error) {
		raw, err := e.cfg.Store.Get(ctx, Key{spMeta, name})
		if err != nil || raw == nil {
			return 0, nil, err
		}
		n, err := strconv.ParseUint(string(raw), 10, 64)
		if err != nil {
			return 0, raw, errs.E(op, errs.Corrupt, fmt.Errorf("the record meta/%s is not a number", name)).Hint("Restore from the last backup.")
		}
		return n, raw, nil
	}
	format, raw, err := number(metaLayout)
	if err != nil {
		return err
	}
	switch {
	case raw == nil: // empty, or of format 1, which did not say so
		err = e.upgrade(ctx, 1, nil)
	case format < Format:
		err = e.upgrade(ctx, format, raw)
	case format > Format:
		err = errs.E(op, errs.Corrupt, fmt.Errorf("the store has the format %d, and this program writes %d", format, Format)).
			Hint("Use the version of slipway that wrote it, or a newer one.")
	}
	if err != nil {
		return err
	}
	if e.world.epoch, _, err = number("epoch"); err != nil {
		return err
	}
	var restored restoreRecord
	if _, found, err := e.get(ctx, spMeta, metaRestored, &restored); err != nil {
		return err
	} else if found {
		e.world.restored.Store(&restored)
	}
	var pause pauseRecord
	if _, found, err := e.get(ctx, spMeta, "pause", &pause); err != nil {
		return err
	} else if found {
		e.world.paused.Store(&pause)
	}
	err = e.cfg.Store.Scan(ctx, spInbox, "", "", true, func(k string, _ []byte) bool {
		e.inbox.last, _ = strconv.ParseUint(k, 10, 64)
		return false
	})
	if err != nil {
		return err
	}
	if err := e.reshow(ctx); err != nil {
		return err
	}
	if err := e.readWorld(ctx); err != nil {
		return err
	}
	if err := e.readSubs(ctx); err != nil {
		return err
	}
	err = e.cfg.Store.Scan(ctx, spCalls, "", "", false, func(k string, _ []byte) bool { // few: open doubts and stuck steps
		e.cards.mark(splitID(k)[0], e.now())
		return true
	})
	if err != nil {
		return err
	}
	if err := e.markStale(ctx); err != nil {
		return err
	}
	for name, l := range e.world.view.Load().locks {
		if r := next(l); r != "" {
			e.wakes.add(r, run.LocksChanged{Names: []string{name}})
		}
	}
	err = e.cfg.Store.Scan(ctx, spLedgers, "", "", false, func(k string, value []byte) bool {
		var r ledgerRecord
		if decode("ledgers/"+k, value, &r) == nil && r.Head.Seq > r.Told {
			e.wakes.counted(k)
		}
		return true
	})
	if err != nil {
		return err
	}
	if err := e.recheck(ctx); err != nil {
		return err
	}
	return e.afterRestore(ctx)
}

// recheck reads every distinct playbook of a live run again. Runs of one that does not fit any
// more wait, with the reason; the others go on. Starts that waited for a name are tried.
func (e *Engine) recheck(ctx context.Context) error {
	used := map[string]bool{}
	var bad error
	err := e.cfg.Store.Scan(ctx, spNames, "", "", false, func(k string, value []byte) bool {
		// Only the digest is needed of what may be many thousand records.
		var r struct {
			Book string `json:"book"`
		}
		if bad = decode("names/"+k, value, &r); bad != nil {
			return false
		}
		used[r.Book] = true
		if aside(k) { // it gives up locks that a program before this one left to it
			e.wakes.add(k[strings.LastIndex(k, sep)+len(sep):], run.Wake{Why: "its undo plan waits"})
		}
		return true
	})
	if err = errors.Join(err, bad); err != nil {
		return err
	}
	for digest := range used {
		if _, err := e.book(ctx, digest); err != nil {
			if stops(err) {
				return err
			}
			e.cfg.Log.Warn("live runs wait: their playbook does not fit", "playbook", digest, "error", errs.Text(err))
		}
	}
	return e.cfg.Store.Scan(ctx, spStarts, "", "", false, func(k string, _ []byte) bool {
		e.wakes.freed(splitID(k)[0])
		return true
	})
}

// metaReshow is how far the cards were forgotten after a restore: metaFrom and the id of the next.
// It does not exist when all were.
const (
	metaReshow = "reshow"
	metaFrom   = "from "
)

// reshow forgets what cards show, a few at a time.
func (e *Engine) reshow(ctx context.Context) error {
	from, err := e.cfg.Store.Get(ctx, Key{spMeta, metaReshow})
	for err == nil && from != nil {
		b := newBatch()
		n, last := 0, ""
		err = e.cfg.Store.Scan(ctx, spCards, strings.TrimPrefix(string(from), metaFrom), "", false, func(k string, _ []byte) bool {
			b.put(spCards, k, encode(cardRecord{Intent: true}))
			n, last = n+1, k
			return n < sweepBatch
		})
		if err != nil {
			return err
		}
		if from = []byte(metaFrom + last + "\x00"); n < sweepBatch {
			from = nil
			b.del(spMeta, metaReshow)
		} else {
			b.put(spMeta, metaReshow, from)
		}
		err = e.commit(ctx, "restore/cards", b)
	}
	return err
}

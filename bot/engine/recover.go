package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"

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
	format, raw, err := number("format")
	if err != nil {
		return err
	}
	if raw == nil {
		b := newBatch()
		b.guard(spMeta, "format", nil)
		b.put(spMeta, "format", []byte(strconv.Itoa(Format)))
		if err := e.commit(ctx, "open", b); err != nil {
			return err
		}
	} else if format > Format {
		return errs.E(op, errs.Corrupt, fmt.Errorf("the store has the format %d, and this program writes %d", format, Format)).
			Hint("Use the version of slipway that wrote it, or a newer one.")
	}
	if e.world.epoch, _, err = number("epoch"); err != nil {
		return err
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
	if err := e.readWorld(ctx); err != nil {
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
	return e.recheck(ctx)
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

// Restored is called once after the store was restored from a backup: it raises the epoch, so
// that fences and keys of before do not count, pauses effects, makes every unfinished effect look
// before it does, and forgets what cards show. Effects done after the backup are unknown.
func (e *Engine) Restored(ctx context.Context) error {
	b := newBatch()
	e.world.epoch++
	b.put(spMeta, "epoch", []byte(strconv.FormatUint(e.world.epoch, 10)))
	if err := e.cfg.Store.Scan(ctx, spCards, "", "", false, func(k string, value []byte) bool {
		var r cardRecord
		if decode("cards/"+k, value, &r) == nil {
			b.put(spCards, k, encode(cardRecord{Intent: true}))
		}
		return true
	}); err != nil {
		return err
	}
	if err := e.commit(ctx, "restore", b); err != nil {
		return err
	}
	return e.PauseEffects(ctx, "", "the store was restored from a backup: look at what is pending, then resume")
}

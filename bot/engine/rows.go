package engine

import (
	"context"
	"errors"
	"fmt"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/ledger"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// RowChange says what is to become of a row: Add makes it, To moves it, Act is a named row
// command, and with none of them Values are set.
type RowChange struct {
	Add    bool
	To     string
	Act    string
	Values map[string]any
	By     people.PersonID
}

// ChangeRow changes one row of a ledger: row, counters and chain in one commit. The run is told
// later, once for many changes. once may be the zero Once. Errors: those of package ledger,
// [errs.NotFound] for an unknown run, ledger or row, [errs.Exists] for a repeat of once.
func (e *Engine) ChangeRow(ctx context.Context, runID, name, key string, c RowChange, once Once) (ledger.Row, error) {
	const op = "engine.row"
	spec, err := e.ledgerSpec(ctx, runID, name)
	if err != nil {
		return ledger.Row{}, err
	}
	ledgerKey := id(runID, name)
	unlock := e.stripes.hold("ledger" + sep + ledgerKey)
	defer unlock()
	for range decideTries {
		var rec ledgerRecord
		rawHead, found, err := e.get(ctx, spLedgers, ledgerKey, &rec)
		if err != nil {
			return ledger.Row{}, err
		}
		if !found {
			rec.Head.Ledger = name
		}
		var row ledger.Row
		rowKey := id(runID, name, key)
		rawRow, found, err := e.get(ctx, spRows, rowKey, &row)
		if err != nil {
			return ledger.Row{}, err
		}
		row.Values = plainValues(row.Values)
		var change ledger.Change
		switch {
		case c.Add && found:
			return row, errs.E(op, errs.Exists, fmt.Errorf("%s has a row %q already", name, key))
		case c.Add:
			row, change, err = ledger.Add(spec, key, c.Values, c.By, e.now())
		case !found:
			return row, errs.E(op, errs.NotFound, fmt.Errorf("%s has no row %q", name, key))
		case c.Act != "":
			row, change, err = ledger.Act(spec, row, c.Act, c.By, e.now())
		case c.To != "":
			row, change, err = ledger.Move(spec, row, c.To, c.Values, c.By, e.now())
		default:
			row, change, err = ledger.Set(spec, row, c.Values, c.By, e.now())
		}
		if err != nil || change.Seq == 0 { // nothing changed
			return row, err
		}
		if rec.Head, err = rec.Head.Advance(change); err != nil {
			return row, err
		}
		b := newBatch()
		if once.Key != "" {
			b.guard(spSaid, once.Key, nil)
			b.put(spSaid, once.Key, []byte(stamp(e.now())))
		}
		b.guard(spLedgers, ledgerKey, rawHead)
		b.guard(spRows, rowKey, rawRow)
		b.put(spLedgers, ledgerKey, encode(rec))
		b.put(spRows, rowKey, encode(row))
		b.put(spRowLog, id(runID, name, seqID(rec.Head.Seq)), encode(change))
		b.put(spRowNews, rowKey, nil)
		err = e.commit(ctx, "row", b)
		if err == nil {
			e.wakes.counted(ledgerKey)
			e.wake(loopTimers)
			return row, nil
		}
		if !errs.Is(err, errs.Conflict) {
			return row, err
		}
		if once.Key != "" {
			if raw, err := e.cfg.Store.Get(ctx, Key{spSaid, once.Key}); err != nil {
				return row, err
			} else if raw != nil {
				return row, errRepeat
			}
		}
	}
	return ledger.Row{}, errs.E(op, errs.Conflict, errors.New("the ledger changes faster than it can be written")).Hint("Try again.")
}

// ledgerSpec is what the run's playbook says of a ledger.
func (e *Engine) ledgerSpec(ctx context.Context, runID, name string) (ledger.Spec, error) {
	_, p, err := e.RunState(ctx, runID)
	if err != nil {
		return ledger.Spec{}, err
	}
	var names []string
	for _, l := range p.Ledgers {
		if l.Name == name {
			return ledger.Spec{Name: l.Name, Columns: l.Columns, States: l.States, Moves: l.Moves, Final: l.Final}, nil
		}
		names = append(names, l.Name)
	}
	return ledger.Spec{}, unknown("engine.row", "ledger", name, names)
}

// Rows visits the rows of a ledger by key until visit returns false.
func (e *Engine) Rows(ctx context.Context, runID, name string, visit func(ledger.Row) bool) error {
	prefix := id(runID, name) + sep
	var bad error
	err := e.cfg.Store.Scan(ctx, spRows, prefix, after(prefix), false, func(k string, value []byte) bool {
		var row ledger.Row
		if bad = decode("rows/"+k, value, &row); bad != nil {
			return false
		}
		row.Values = plainValues(row.Values)
		return visit(row)
	})
	return errors.Join(err, bad)
}

// newsBatch bounds how many rows a run is told of at once.
const newsBatch = 512

// tellLedger gives the run the counters as they are, with the rows that its living lists need.
func (e *Engine) tellLedger(ctx context.Context, key string) error {
	parts := splitID(key)
	runID, name := parts[0], parts[1]
	var rec ledgerRecord
	raw, found, err := e.get(ctx, spLedgers, key, &rec)
	if err != nil || !found {
		return err
	}
	_, p, err := e.RunState(ctx, runID)
	if err != nil {
		return err
	}
	var news []string
	prefix := key + sep
	err = e.cfg.Store.Scan(ctx, spRowNews, prefix, after(prefix), false, func(k string, _ []byte) bool {
		news = append(news, k)
		return len(news) < newsBatch
	})
	if err != nil || len(news) == 0 && rec.Head.Seq == rec.Told {
		return err
	}
	in := run.Aggregate{Ledger: name, Total: rec.Head.Total, Counts: rec.Head.Counts, Head: rec.Head.Chain}
	if listed(p.Steps, name) {
		for _, k := range news {
			var row ledger.Row
			if _, found, err := e.get(ctx, spRows, k, &row); err != nil {
				return err
			} else if found {
				in.Rows = append(in.Rows, run.Row{Key: row.Key, State: row.State, Values: plainValues(row.Values), Match: true})
			}
		}
	}
	rec.Told = rec.Head.Seq
	_, err = e.submit(ctx, runID, in, also{
		guards: []Guard{{Key{spLedgers, key}, raw}},
		then: func(b *batch, _ *live, _ run.Decision) {
			b.put(spLedgers, key, encode(rec))
			for _, k := range news {
				b.del(spRowNews, k)
			}
		},
	})
	if errs.Is(err, errs.Conflict) || err == nil && len(news) == newsBatch {
		e.wakes.counted(key) // more came meanwhile
		return nil
	}
	return err
}

// listed reports whether the steps make a list of the ledger's rows.
func listed(steps []*playbook.Step, name string) bool {
	for _, s := range steps {
		switch {
		case s.Each != nil && (s.Each.Ledger == name || listed(s.Each.Steps, name)):
			return true
		case s.Collect != nil && s.Collect.Ledger == name:
			return true
		}
	}
	return false
}

// plainValues are row values as expressions know them: whole numbers are int64 after a record was
// read back.
func plainValues(values map[string]any) map[string]any {
	if len(values) == 0 {
		return nil
	}
	out, err := action.DecodeValues(encode(values))
	if err != nil {
		return values
	}
	return out
}

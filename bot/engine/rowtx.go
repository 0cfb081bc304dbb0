package engine

import (
	"context"
	"fmt"

	"slipway/bot/errs"
	"slipway/bot/ledger"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// rowTx gathers changes of rows of one ledger for one commit. What it reads it guards, and later
// calls see what earlier ones of the same commit did.
type rowTx struct {
	e         *Engine
	ctx       context.Context
	live      *live
	book      *playbook.Playbook
	declared  *playbook.Ledger
	ledgerKey string
	lists     []*playbook.Step // whose rows builders work
	news      bool             // the run lists the rows

	rec     ledgerRecord
	rawHead []byte
	b       *batch
	changed bool                   // the head moved
	rows    map[string]*ledger.Row // as they are after the calls so far; nil: there is none
	jobs    map[string]*rowJob     // likewise, by kind and id
	held    map[string]string      // likewise, by kind and holder
}

func (e *Engine) beginRows(ctx context.Context, runID string, declared *playbook.Ledger) (*rowTx, error) {
	l, err := e.load(ctx, runID)
	if err != nil {
		return nil, err
	}
	if l.raw == nil {
		return nil, errs.E("engine.row", errs.NotFound, fmt.Errorf("there is no run %s", runID))
	}
	book, err := e.book(ctx, l.state.Playbook)
	if err != nil {
		return nil, err
	}
	tx := &rowTx{e: e, ctx: ctx, live: l, book: book, declared: declared, ledgerKey: id(runID, declared.Name), lists: worked(book, declared.Name),
		news: listed(book.Steps, declared.Name), b: newBatch(), rows: map[string]*ledger.Row{}, jobs: map[string]*rowJob{}, held: map[string]string{}}
	var found bool
	if tx.rawHead, found, err = e.get(ctx, spLedgers, tx.ledgerKey, &tx.rec); err != nil {
		return nil, err
	}
	if !found {
		tx.rec.Head.Ledger = declared.Name
	}
	return tx, nil
}

// make makes one call. One that is refused leaves nothing behind.
func (tx *rowTx) make(c *rowCall) (ledger.Row, error) {
	if c.work != nil {
		return c.work(tx)
	}
	if c.once.Key != "" {
		said, err := tx.e.cfg.Store.Get(tx.ctx, Key{spSaid, c.once.Key})
		if err != nil {
			return ledger.Row{}, err
		}
		if said != nil || tx.b.writesTo(Key{spSaid, c.once.Key}) {
			return ledger.Row{}, errRepeat
		}
	}
	was, err := tx.row(c.key)
	if err != nil {
		return ledger.Row{}, err
	}
	row, change, err := tx.e.changed(tx.declared, was, c)
	if err != nil || change.Seq == 0 { // nothing changed
		return row, err
	}
	leased, err := tx.leaves(was, row)
	if err != nil {
		return ledger.Row{}, err
	}
	if err := tx.put(was, row, change); err != nil {
		return ledger.Row{}, err
	}
	if leased != nil {
		if err := tx.store(leased); err != nil {
			return ledger.Row{}, err
		}
	}
	if c.once.Key != "" {
		tx.b.guard(spSaid, c.once.Key, nil)
		tx.b.put(spSaid, c.once.Key, saidAt(tx.e.now(), tx.live.id))
	}
	return row, nil
}

// row is the row as it is after the calls so far; nil when there is none. It is not to be changed.
func (tx *rowTx) row(key string) (*ledger.Row, error) {
	if row, known := tx.rows[key]; known {
		return row, nil
	}
	var row ledger.Row
	rowKey := id(tx.ledgerKey, key)
	raw, found, err := tx.e.get(tx.ctx, spRows, rowKey, &row)
	if err != nil {
		return nil, err
	}
	tx.b.guard(spRows, rowKey, raw)
	tx.rows[key] = nil
	if found {
		row.Values = plainValues(row.Values)
		tx.rows[key] = &row
	}
	return tx.rows[key], nil
}

// put writes a change of a row with everything that follows from it: head, log, indexes.
func (tx *rowTx) put(was *ledger.Row, row ledger.Row, change ledger.Change) error {
	type entry struct{ old, now string }
	entries := make([]entry, len(tx.lists))
	for i, list := range tx.lists {
		var err error
		if was != nil {
			if entries[i].old, err = tx.ready(list, *was); err != nil {
				return err
			}
		}
		if entries[i].now, err = tx.ready(list, row); err != nil {
			return err
		}
	}
	head, err := tx.rec.Head.Advance(change)
	if err != nil {
		return err
	}
	if tx.rec.Head.Seq == 0 {
		for _, list := range tx.lists { // an index is complete that has been kept from the first row on
			tx.b.put(spReady, readyMark(tx.live.id, list), nil)
		}
	}
	tx.rec.Head, tx.changed, tx.rows[row.Key] = head, true, &row
	rowKey := id(tx.ledgerKey, row.Key)
	tx.b.put(spRows, rowKey, encode(row))
	tx.b.put(spRowLog, id(tx.ledgerKey, seqID(head.Seq)), encode(change))
	if tx.news {
		tx.b.put(spRowNews, rowKey, nil)
	}
	for _, en := range entries {
		if en.old == en.now {
			continue
		}
		if en.old != "" {
			tx.b.del(spReady, en.old)
		}
		if en.now != "" {
			tx.b.put(spReady, en.now, nil)
		}
	}
	return nil
}

// ready is the row's place in the index of those that builders may lease; "" when it has none.
func (tx *rowTx) ready(list *playbook.Step, row ledger.Row) (string, error) {
	first, ready, err := run.RowReady(list.Each, runRow(row))
	if err != nil {
		return "", errs.E("engine.row", errs.Invalid, fmt.Errorf("nobody can tell whether %s may be leased in %s: %w", row.Key, list.Path, err))
	}
	if !ready {
		return "", nil
	}
	return id(readyMark(tx.live.id, list), fmt.Sprintf("%010d", 1_000_000_000-first), stamp(row.Since), row.Key), nil
}

// readyMark is the record that says that the index of a list is complete, and what the places of
// its rows begin with. It depends on what makes a row ready, so that a run that moves to another
// playbook has its index made anew.
func readyMark(runID string, list *playbook.Step) string {
	each := list.Each
	text := each.As + sep + each.Job.From
	for _, e := range []*playbook.Expr{each.Where, each.Job.First} {
		text += sep
		if e != nil {
			text += e.Text
		}
	}
	return id(runID, list.Path, short(text)[:8])
}

// worked are the lists of a playbook that builders work on the rows of a ledger.
func worked(p *playbook.Playbook, name string) []*playbook.Step {
	var out []*playbook.Step
	for _, s := range p.Steps {
		if s.Each != nil && s.Each.Job != nil && s.Each.Ledger == name {
			out = append(out, s)
		}
	}
	return out
}

func runRow(r ledger.Row) run.Row {
	return run.Row{Key: r.Key, State: r.State, Values: r.Values, Match: true}
}

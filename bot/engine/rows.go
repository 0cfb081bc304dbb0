package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

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
	return e.callRow(ctx, runID, name, &rowCall{key: key, change: c, once: once})
}

// callRow has a call made, together with others that come at the same time.
func (e *Engine) callRow(ctx context.Context, runID, name string, call *rowCall) (ledger.Row, error) {
	declared, err := e.ledgerOf(ctx, runID, name)
	if err != nil {
		return ledger.Row{}, err
	}
	ledgerKey := id(runID, name)
	e.rowCalls.add(ledgerKey, call)
	unlock := e.stripes.hold("ledger" + sep + ledgerKey)
	defer unlock()
	if !call.done { // nobody who was before us took it along
		calls := e.rowCalls.take(ledgerKey, call)
		e.changeRows(context.WithoutCancel(ctx), runID, declared, calls)
	}
	return call.row, call.err
}

// rowCall is one change of a row on its way. Who holds the ledger's stripe may look into it.
type rowCall struct {
	key    string
	change RowChange
	once   Once
	work   func(tx *rowTx) (ledger.Row, error) // instead of change: what a lease does to a row
	done   bool
	row    ledger.Row
	err    error
}

func (c *rowCall) end(row ledger.Row, err error) { c.done, c.row, c.err = true, row, err }

// rowCalls gathers the changes that wait for a ledger: its head is one record, so those that come
// at the same time are committed together.
type rowCalls struct {
	mu      sync.Mutex
	waiting map[string][]*rowCall
}

func (q *rowCalls) add(ledgerKey string, c *rowCall) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting == nil {
		q.waiting = map[string][]*rowCall{}
	}
	q.waiting[ledgerKey] = append(q.waiting[ledgerKey], c)
}

// rowsTogether bounds how many changes share a commit.
const rowsTogether = 128

// take gives the oldest calls, own among them.
func (q *rowCalls) take(ledgerKey string, own *rowCall) []*rowCall {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := q.waiting[ledgerKey]
	n := min(len(all), rowsTogether)
	if at := slices.Index(all, own); at >= n { // it may not wait for another turn: this one is its own
		all[n-1], all[at] = all[at], all[n-1]
	}
	rest := slices.Clone(all[n:])
	if q.waiting[ledgerKey] = rest; len(rest) == 0 {
		delete(q.waiting, ledgerKey)
	}
	return all[:n]
}

// changeRows makes the changes in order, in one commit. The caller holds the ledger's stripe.
func (e *Engine) changeRows(ctx context.Context, runID string, declared *playbook.Ledger, calls []*rowCall) {
	const op = "engine.row"
	err := errs.E(op, errs.Conflict, errors.New("the ledger changes faster than it can be written")).Hint("Try again.")
	for range decideTries {
		again, bad := e.tryRows(ctx, runID, declared, calls)
		if bad == nil {
			for _, c := range calls {
				c.done = true
			}
			return
		}
		if !again {
			for _, c := range calls {
				c.end(ledger.Row{}, bad)
			}
			return
		}
	}
	for _, c := range calls {
		c.end(ledger.Row{}, err)
	}
}

// tryRows is one try. again is set when the records moved meanwhile.
func (e *Engine) tryRows(ctx context.Context, runID string, declared *playbook.Ledger, calls []*rowCall) (again bool, err error) {
	tx, err := e.beginRows(ctx, runID, declared)
	if err != nil {
		return false, err
	}
	for _, c := range calls {
		c.row, c.err = tx.make(c)
		if c.err != nil && stops(c.err) {
			return false, c.err
		}
	}
	if tx.b.empty() {
		return false, nil
	}
	if tx.changed {
		tx.b.guard(spLedgers, tx.ledgerKey, tx.rawHead)
		tx.b.put(spLedgers, tx.ledgerKey, encode(tx.rec))
	}
	if err := e.commit(ctx, "row", tx.b); err != nil {
		if errs.Is(err, errs.Conflict) {
			e.cache.drop(runID)
			return true, err
		}
		return false, err
	}
	if tx.changed && heard(tx.book, declared.Name) {
		e.wakes.counted(tx.ledgerKey)
		e.wake(loopTimers)
	}
	return false, nil
}

// changed is the row after one call, by the rules of package ledger. was is nil when there is none.
func (e *Engine) changed(declared *playbook.Ledger, was *ledger.Row, call *rowCall) (row ledger.Row, change ledger.Change, err error) {
	const op = "engine.row"
	if was != nil {
		row = *was
	}
	c, spec := call.change, specOf(declared)
	switch {
	case c.Add && was != nil:
		return row, change, errs.E(op, errs.Exists, fmt.Errorf("%s has a row %q already", declared.Name, call.key))
	case c.Add:
		return ledger.Add(spec, call.key, c.Values, c.By, e.now())
	case was == nil:
		return row, change, errs.E(op, errs.NotFound, fmt.Errorf("%s has no row %q", declared.Name, call.key))
	case c.Act != "":
		return ledger.Act(acting(declared), row, c.Act, c.By, e.now())
	case c.To != "":
		return ledger.Move(spec, row, c.To, c.Values, c.By, e.now())
	}
	return ledger.Set(spec, row, c.Values, c.By, e.now())
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

// tellLedger gives the run the counters as they are, with the rows that its living lists need, if
// anything that the run waits for would come out differently with them (SEMANTICS §6). With due
// it tells them in any case: another input is about to be decided.
func (e *Engine) tellLedger(ctx context.Context, key string, due bool) error {
	parts := splitID(key)
	runID, name := parts[0], parts[1]
	var rec ledgerRecord
	raw, found, err := e.get(ctx, spLedgers, key, &rec)
	if err != nil || !found {
		return err
	}
	l, err := e.load(ctx, runID)
	if err != nil {
		return err
	}
	p, err := e.book(ctx, l.state.Playbook)
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
	if len(in.Rows) == 0 && !due && !matters(run.Decide(p, l.state, in, e.World())) {
		return nil // the next input of the run takes the counters with it
	}
	e.wakes.told(key)
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

// matters reports whether more follows from counters than that they are known.
func matters(d run.Decision) bool {
	for _, ev := range d.Events {
		if _, only := ev.Body.(run.Counted); !only {
			return true
		}
	}
	return false
}

// tellFirst makes sure that the run knows the counters as they are before it decides on in.
func (e *Engine) tellFirst(ctx context.Context, runID string, in run.Input) error {
	if _, itself := in.(run.Aggregate); itself {
		return nil
	}
	for _, key := range e.wakes.untold(runID) {
		if err := e.tellLedger(ctx, key, true); err != nil && (stops(err) || ctx.Err() != nil) {
			return err
		}
	}
	return nil
}

// heard reports whether a playbook reads anything of a ledger: its counters or its rows.
func heard(p *playbook.Playbook, name string) bool {
	return bytes.Contains(p.Source, []byte("ledgers."+name)) || bytes.Contains(p.Source, []byte("ledgers[")) ||
		bytes.Contains(p.Source, []byte("ledgers.?")) || listed(p.Steps, name) || len(worked(p, name)) > 0
}

// listed reports whether the steps make a list of the ledger's rows.
func listed(steps []*playbook.Step, name string) bool {
	for _, s := range steps {
		switch {
		case s.Each != nil && (s.Each.Ledger == name && s.Each.Job == nil || listed(s.Each.Steps, name)):
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

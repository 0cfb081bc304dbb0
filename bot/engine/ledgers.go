package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/ledger"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// What steps do to the rows of their own run.
const (
	actFill  = "ledger.fill@1"
	actLoad  = "ledger.load@1"
	actMove  = "ledger.move@1"
	actSet   = run.SetRow
	actTable = "ledger.table@1"
)

// maxTable bounds the table of [actTable], which passes through the run's expressions, in bytes.
const maxTable = 256 << 10

func ledgerContracts() []action.Contract {
	text, number, digest := action.Type{Kind: action.String}, action.Type{Kind: action.Int}, action.Type{Kind: action.Digest}
	ledgerIn := action.Field{Name: "ledger", Type: text, Doc: "name of a ledger of this playbook"}
	key := action.Field{Name: "key", Type: text, Doc: "key of the row"}
	state := action.Obj(action.Field{Name: "state", Type: text, Doc: "of the row now"})
	added := action.Obj(action.Field{Name: "added", Type: number, Doc: "rows that were not there"}, action.Field{Name: "total", Type: number, Doc: "rows given"})
	cells := action.Field{Name: "set", Type: action.MapOf(text), Doc: "columns and their values; an empty text clears a column that may be empty"}
	free := cells
	free.Optional = true
	return []action.Contract{
		{Name: "ledger.fill", Version: 1, Policy: action.Keyed, Out: added,
			In:  action.Obj(ledgerIn, action.Field{Name: "rows", Type: action.ListOf(action.MapOf(text)), Doc: "each with its key column"}),
			Doc: "Adds the rows that are not there yet; those that are there stay as they are."},
		{Name: "ledger.load", Version: 1, Policy: action.Keyed, Out: added,
			In:  action.Obj(ledgerIn, action.Field{Name: "table", Type: digest, Doc: "of a blob with one JSON object for each row, one in a line"}),
			Doc: "Adds the rows of a table that an action wrote, as ledger.fill does."},
		{Name: "ledger.move", Version: 1, Policy: action.Keyed, Out: state,
			In:  action.Obj(ledgerIn, key, action.Field{Name: "to", Type: text, Doc: "state that a declared move leads to"}, free),
			Doc: "Moves a row to a state and sets columns with it. A row that is there already only takes the values."},
		{Name: "ledger.set", Version: 1, Policy: action.Keyed, In: action.Obj(ledgerIn, key, cells), Out: state,
			Doc: "Sets columns of a row that has not ended."},
		{Name: "ledger.table", Version: 1, Policy: action.Read,
			In:  action.Obj(ledgerIn, action.Field{Name: "columns", Type: action.ListOf(text), Doc: "also key and state"}),
			Out: action.Obj(action.Field{Name: "text", Type: text}, action.Field{Name: "digest", Type: digest, Doc: "of the text"}, action.Field{Name: "rows", Type: number}),
			Doc: "Writes the rows as a table for people, by key."},
	}
}

// writesRows reports whether an action is one of those on rows.
func writesRows(ref string) bool {
	return slices.Contains([]string{actFill, actLoad, actMove, actSet, actTable}, ref)
}

// doRows performs an action on the rows of the run that asks for it. Every change is keyed by the
// effect, so that a try that was lost is not made twice.
func (e *Engine) doRows(ctx context.Context, r *effectRecord, in action.Values) (action.Values, error) {
	name := text(in, "ledger")
	l, err := e.ledgerOf(ctx, r.Run, name)
	if err != nil {
		return nil, err
	}
	switch r.Action {
	case actFill:
		list, _ := in["rows"].([]any)
		return e.fillRows(ctx, r.Run, l, list)
	case actLoad:
		data, err := e.cfg.Blobs.Get(ctx, text(in, "table"))
		if err != nil {
			return nil, err
		}
		list, err := readTable(data)
		if err != nil {
			return nil, err
		}
		return e.fillRows(ctx, r.Run, l, list)
	case actTable:
		return e.tableOf(ctx, r.Run, l, in)
	}
	given, _ := in["set"].(map[string]any)
	values, err := cellsOf(l, given)
	if err != nil {
		return nil, err
	}
	return e.changeOnce(ctx, r, l, text(in, "key"), text(in, "to"), values)
}

// changeOnce moves a row, or, with to "", sets its values.
func (e *Engine) changeOnce(ctx context.Context, r *effectRecord, l *playbook.Ledger, key, to string, values map[string]any) (action.Values, error) {
	once := Once{Key: "row\x00" + r.Key}
	var row ledger.Row
	_, found, err := e.get(ctx, spRows, id(r.Run, l.Name, key), &row)
	if err != nil {
		return nil, err
	}
	if said, err := e.cfg.Store.Get(ctx, Key{spSaid, once.Key}); err != nil {
		return nil, err
	} else if said != nil && found {
		return action.Values{"state": row.State}, nil
	}
	c := RowChange{To: to, Values: values}
	if found && row.State == to {
		if c.To = ""; len(values) == 0 || slices.Contains(l.Final, to) && sameCells(row.Values, values) {
			return action.Values{"state": to}, nil
		}
	}
	if row, err = e.ChangeRow(ctx, r.Run, l.Name, key, c, once); err != nil && err != errRepeat {
		return nil, err
	}
	return action.Values{"state": row.State}, nil
}

func sameCells(has, given map[string]any) bool {
	for name, v := range given {
		a, errA := action.Canonical(has[name])
		b, errB := action.Canonical(v)
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			return false
		}
	}
	return true
}

func (e *Engine) fillRows(ctx context.Context, runID string, l *playbook.Ledger, list []any) (action.Values, error) {
	added := int64(0)
	for i, item := range list {
		given, _ := item.(map[string]any)
		values, err := cellsOf(l, given)
		if err != nil {
			return nil, err
		}
		for name, v := range values {
			if v == nil {
				delete(values, name)
			}
		}
		key := fmt.Sprint(values[l.Key])
		if values[l.Key] == nil {
			return nil, errs.E("engine.rows", errs.Invalid, fmt.Errorf("row %d for %s has no %s", i+1, l.Name, l.Key)).Hint("%s is the key of the ledger", l.Key)
		}
		_, err = e.ChangeRow(ctx, runID, l.Name, key, RowChange{Add: true, Values: values}, Once{})
		switch {
		case err == nil:
			added++
		case !errs.Is(err, errs.Exists):
			return nil, err
		}
	}
	return action.Values{"added": added, "total": int64(len(list))}, nil
}

// readTable reads one JSON object in each line.
func readTable(data []byte) ([]any, error) {
	var out []any
	for i, line := range bytes.Split(data, []byte("\n")) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		values, err := action.DecodeValues(line)
		if err != nil {
			return nil, errs.E("engine.rows", errs.Invalid, fmt.Errorf("line %d of the table is not a row: %w", i+1, err)).
				Hint("a table has one JSON object with the columns in each line")
		}
		out = append(out, map[string]any(values))
	}
	return out, nil
}

// cellsOf gives values the types of their columns. An empty text clears a column that may be
// empty: that is nil here.
func cellsOf(l *playbook.Ledger, given map[string]any) (map[string]any, error) {
	out := make(map[string]any, len(given))
	columns := action.Obj(l.Columns...)
	for _, name := range slices.Sorted(maps.Keys(given)) {
		f, ok := columns.Field(name)
		if !ok {
			var names []string
			for _, c := range l.Columns {
				names = append(names, c.Name)
			}
			return nil, unknown("engine.rows", "column", name, names)
		}
		if given[name] == "" && f.Optional {
			out[name] = nil
			continue
		}
		v, err := fitValue(f.Type, given[name])
		if err == nil {
			err = f.Type.Check(name, v)
		}
		if err != nil {
			return nil, errs.E("engine.rows", errs.Invalid, fmt.Errorf("the column %s of %s: %w", name, l.Name, err)).Hint("it is %s", f.Type)
		}
		out[name] = v
	}
	return out, nil
}

func (e *Engine) tableOf(ctx context.Context, runID string, l *playbook.Ledger, in action.Values) (action.Values, error) {
	var columns []string
	list, _ := in["columns"].([]any)
	for _, c := range list {
		name, _ := c.(string)
		if _, ok := action.Obj(l.Columns...).Field(name); !ok && name != "key" && name != "state" {
			return nil, errs.E("engine.rows", errs.NotFound, fmt.Errorf("%s has no column %q", l.Name, name))
		}
		columns = append(columns, name)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat(" --- |", len(columns)))
	cell := strings.NewReplacer("|", `\|`, "\n", " ", "\r", " ")
	rows := int64(0)
	err := e.Rows(ctx, runID, l.Name, func(row ledger.Row) bool {
		rows++
		for _, name := range columns {
			v := row.Values[name]
			switch name {
			case "key":
				v = row.Key
			case "state":
				v = row.State
			}
			if v == nil {
				v = ""
			}
			b.WriteString("| " + cell.Replace(fmt.Sprint(v)) + " ")
		}
		b.WriteString("|\n")
		return b.Len() <= maxTable
	})
	if err != nil {
		return nil, err
	}
	if b.Len() > maxTable {
		return nil, errs.E("engine.rows", errs.Invalid, errors.New("the table of "+l.Name+" is too long to be shown")).Hint("name fewer columns")
	}
	digest, err := e.keep(ctx, []byte(b.String()))
	if err != nil {
		return nil, err
	}
	return action.Values{"text": b.String(), "digest": digest, "rows": rows}, nil
}

// ledgerOf is the declaration of a ledger of the run.
func (e *Engine) ledgerOf(ctx context.Context, runID, name string) (*playbook.Ledger, error) {
	_, p, err := e.RunState(ctx, runID)
	if err != nil {
		return nil, err
	}
	var names []string
	for i := range p.Ledgers {
		if p.Ledgers[i].Name == name {
			return &p.Ledgers[i], nil
		}
		names = append(names, p.Ledgers[i].Name)
	}
	return nil, unknown("engine.row", "ledger", name, names)
}

// specOf is a declared ledger for package ledger.
func specOf(l *playbook.Ledger) ledger.Spec {
	return ledger.Spec{Name: l.Name, Columns: l.Columns, States: l.States, Moves: l.Moves, Final: l.Final}
}

// acting is the spec for the row commands of persons: what they are declared to do, they may do,
// also from a final state; no other move leads out of one.
func acting(l *playbook.Ledger) ledger.Spec {
	s := specOf(l)
	s.Actions, s.Moves = l.Actions, maps.Clone(l.Moves)
	if s.Moves == nil {
		s.Moves = map[string][]string{}
	}
	for _, ways := range l.Actions {
		for from, to := range ways {
			if !slices.Contains(s.Moves[from], to) {
				s.Moves[from] = append(slices.Clip(s.Moves[from]), to)
			}
		}
	}
	return s
}

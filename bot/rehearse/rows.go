package rehearse

import (
	"maps"
	"slices"

	"slipway/bot/run"
)

// worked are the leases and verdicts of rows that builders work: the run sees them as counters.
// Of rows in the same state the first is as good as any.
func (st *stage) worked(n *node) []Choice {
	var out []Choice
	if n.s.Status != run.Live && n.s.Status != run.OnHold {
		return nil
	}
	for _, def := range st.p.Steps {
		step := n.s.Steps[def.Path]
		if def.Each == nil || def.Each.Job == nil || step == nil || step.Status != run.Running {
			continue
		}
		part := def.Each.Job
		turn := func(from, to, outcome, text string, trouble bool) {
			if in, ok := st.moved(n, def.Each.Ledger, from, to); ok {
				out = append(out, Choice{Kind: Outside, Step: def.Path, What: def.Each.Ledger, Outcome: outcome, Text: text, Trouble: trouble, input: in})
			}
		}
		turn(part.Takes.To, part.OK.To, part.OK.To, "a row is "+part.OK.To, false)
		var seen []string
		for _, f := range part.Failed {
			if f.To != part.Back && !slices.Contains(seen, f.To) {
				seen = append(seen, f.To)
				turn(part.Takes.To, f.To, f.To, "a row is "+f.To, true)
			}
		}
		if _, ok := n.s.Works(def.Path); ok {
			turn(part.From, part.Takes.To, part.Takes.To, "a builder takes a row: it is "+part.Takes.To, false)
		}
	}
	return out
}

// moved is what the run is told when a row of the ledger goes from one state to another; ok is
// false when no row is there.
func (st *stage) moved(n *node, ledger, from, to string) (in run.Input, ok bool) {
	a := n.s.Ledgers[ledger]
	if a == nil {
		return nil, false
	}
	i := slices.IndexFunc(a.Rows, func(r run.Row) bool { return r.State == from })
	if i < 0 {
		return nil, false
	}
	row, next := a.Rows[i], *a
	row.State = to
	next.Counts = maps.Clone(a.Counts)
	if next.Counts[from]--; next.Counts[from] == 0 {
		delete(next.Counts, from)
	}
	next.Counts[to]++
	next.Rows = []run.Row{row}
	return next, true
}

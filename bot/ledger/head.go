package ledger

import (
	"encoding/hex"
	"fmt"
	"maps"

	"slipway/bot/errs"
)

// Counters count rows by state. A state without rows is absent.
type Counters map[string]int

// With is c after the change. It shares nothing with c.
func (c Counters) With(ch Change) Counters {
	out := maps.Clone(c)
	if out == nil {
		out = Counters{}
	}
	if ch.From != "" {
		out.add(ch.From, -1)
	}
	out.add(ch.To, 1)
	return out
}

// Plus is the sum of both, Minus the difference: for batches of changes that were counted apart.
func (c Counters) Plus(o Counters) Counters  { return c.combine(o, 1) }
func (c Counters) Minus(o Counters) Counters { return c.combine(o, -1) }

func (c Counters) combine(o Counters, sign int) Counters {
	out := maps.Clone(c)
	if out == nil {
		out = Counters{}
	}
	for state, n := range o {
		out.add(state, sign*n)
	}
	return out
}

func (c Counters) add(state string, n int) {
	if c[state] += n; c[state] == 0 {
		delete(c, state)
	}
}

// Total is the number of rows.
func (c Counters) Total() int {
	n := 0
	for _, k := range c {
		n += k
	}
	return n
}

// Count counts rows one by one: what the counters must always equal.
func Count(rows []Row) Counters {
	out := Counters{}
	for _, r := range rows {
		out.add(r.State, 1)
	}
	return out
}

// Head is what a run sees of a ledger: its counters, and the hash over every change of every row
// in the order in which they were committed.
type Head struct {
	Ledger string   `json:"ledger"`
	Seq    uint64   `json:"seq"` // changes so far
	Chain  string   `json:"chain"`
	Total  int      `json:"total"`
	Counts Counters `json:"counts"`
}

// Advance is the head after a change. A change of another ledger, or one of a state that no row
// is in, is [errs.Corrupt].
func (h Head) Advance(ch Change) (Head, error) {
	if ch.Ledger != h.Ledger || ch.From != "" && h.Counts[ch.From] < 1 {
		return h, errs.E("ledger.head", errs.Corrupt, fmt.Errorf("the change of %s from %q does not fit the counters of %s", ch.Key, ch.From, h.Ledger))
	}
	row, err := ch.chain()
	if err != nil {
		return h, errs.E("ledger.head", errs.Corrupt, err)
	}
	prev, err := hex.DecodeString(h.Chain)
	if err != nil {
		return h, errs.E("ledger.head", errs.Corrupt, fmt.Errorf("the chain of %s is not hexadecimal", h.Ledger))
	}
	h.Seq++
	h.Chain = hash("slipway ledger head 1", prev, []byte(row))
	h.Counts = h.Counts.With(ch)
	if ch.From == "" {
		h.Total++
	}
	return h, nil
}

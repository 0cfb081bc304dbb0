package run

import (
	"fmt"
	"strings"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/ledger"
	"slipway/bot/playbook"
)

// lookRows ends a list whose rows are worked by builders. While one of them is leased it may come
// back, so until is asked only when none is; a list that a person closed waits for the last lease.
// The run sees only counters.
func (d *decider) lookRows(in *inst, st *Step) {
	part := in.def.Each
	a := d.s.Ledgers[part.Ledger]
	if a == nil {
		a = &Aggregate{}
	}
	if a.Counts[part.Job.Takes.To] > 0 {
		return
	}
	if !st.Closed {
		ok, err := part.Until.Bool(d.scope(in, nil))
		if err != nil {
			d.stuck(in.path, "until cannot be told: "+errs.Text(err))
			return
		}
		if !ok {
			return
		}
	}
	head := "sha256:" + a.Head
	if len(a.Head) != 64 {
		head = action.DigestOf([]byte(a.Head))
	}
	d.done(in, map[string]any{"rows": int64(a.Total), "head": head})
}

// rowsInWords is how the rows of such a list stand, for people.
func (d *decider) rowsInWords(in *inst, st *Step) string {
	part := in.def.Each
	text := "builders take the rows of " + part.Ledger + " that are " + part.Job.From
	if st.Closed {
		text = "no more rows of " + part.Ledger + " are leased; those that are " + part.Job.Takes.To + " are awaited"
	}
	if a := d.s.Ledgers[part.Ledger]; a != nil {
		var parts []string
		for _, state := range sortedNames(a.Counts) {
			parts = append(parts, fmt.Sprintf("%d %s", a.Counts[state], state))
		}
		text += "; as the run was told last: " + strings.Join(parts, ", ")
	}
	return text
}

// Works reports whether builders may lease rows of the list at path, and why not.
func (s *State) Works(path string) (why string, ok bool) {
	st := s.Steps[path]
	switch {
	case s.Status == OnHold:
		return "the run is on hold", false
	case s.Status != Live:
		return "the run is not live", false
	case st == nil || st.Status != Running:
		return path + " is not running", false
	case st.Closed:
		return path + " is closed", false
	}
	return "", true
}

// Fenced reports whether what is leased of the list's rows is to be given back now: the run is
// held at once, is being aborted, or has ended.
func (s *State) Fenced() (why string, yes bool) {
	switch {
	case s.Status == OnHold && s.Hold != nil && s.Hold.Now:
		return "the run is on hold", true
	case s.Status == IsAborting:
		return "the run is being aborted", true
	case s.Status == RunEnded:
		return "the run has ended", true
	}
	return "", false
}

// RowWork is what package ledger must know of a list whose rows builders work.
func RowWork(j *playbook.RowJob) ledger.Work {
	w := ledger.Work{From: j.From, Takes: j.Takes.To, Back: j.Back, OK: j.OK.To, Tries: j.Tries, Failed: make(map[string]string, len(j.Failed))}
	for _, f := range j.Failed {
		w.Failed[f.Class] = f.To
	}
	return w
}

// maxFirst bounds the priority of a row, both ways.
const maxFirst = 1_000_000_000

// RowReady reports whether builders of the list may have the row, and how early: the highest
// first. It depends on nothing but the row, so an index of such rows stays true by itself.
func RowReady(each *playbook.EachPart, r Row) (first int64, ready bool, err error) {
	if r.State != each.Job.From {
		return 0, false, nil
	}
	scope := playbook.Scope{Locals: map[string]any{each.As: rowItem(r)}}
	if each.Where != nil {
		if ready, err = each.Where.Bool(scope); err != nil || !ready {
			return 0, false, err
		}
	}
	if each.Job.First != nil {
		v, err := each.Job.First.Eval(scope)
		if err != nil {
			return 0, false, err
		}
		first, _ = v.(int64)
	}
	return min(max(first, -maxFirst), maxFirst), true, nil
}

// RowInputs is what the job of a row is to do: the values of with, canonical. Errors:
// [errs.Invalid] for values that do not fit the contract.
func RowInputs(p *playbook.Playbook, s *State, w World, path string, r Row) ([]byte, error) {
	d := newDecider(p, s, w)
	in := d.find(path)
	if in == nil || in.def.Each == nil || in.def.Each.Job == nil {
		return nil, refuse(errs.NotFound, "%s has no jobs", path)
	}
	part := in.def.Each.Job.Do
	values, err := eval(part.With, d.scope(in, map[string]any{in.def.Each.As: rowItem(r)}))
	if err == nil {
		err = part.Contract.In.Check("with", values)
	}
	if err != nil {
		return nil, refuse(errs.Invalid, "the job of %s: %w", r.Key, err)
	}
	raw, err := action.Canonical(values)
	if err != nil {
		return nil, refuse(errs.Invalid, "the job of %s: %w", r.Key, err)
	}
	return raw, nil
}

// Lease is what the columns that a job sets can read of it.
type Lease struct {
	Holder  string
	Class   string // of a failure
	Reason  string // of a failure
	Attempt int
	Output  map[string]any // of a good verdict
}

// RowSet gives the columns that go with where a job leads a row; nil clears a column. Values that
// may be absent and are, are cleared too.
func RowSet(p *playbook.Playbook, s *State, w World, path string, end playbook.RowEnd, r Row, l Lease) (map[string]any, error) {
	if len(end.Set) == 0 {
		return nil, nil
	}
	d := newDecider(p, s, w)
	in := d.find(path)
	if in == nil {
		return nil, refuse(errs.NotFound, "there is no step %s", path)
	}
	scope := d.scope(in, map[string]any{in.def.Each.As: rowItem(r), "job": l.Output,
		"lease": map[string]any{"holder": l.Holder, "class": l.Class, "reason": l.Reason, "attempt": int64(l.Attempt)}})
	values, err := eval(end.Set, scope)
	if err != nil {
		return nil, refuse(errs.Invalid, "the columns of %s: %w", r.Key, err)
	}
	for name := range end.Set {
		if _, there := values[name]; !there {
			values[name] = nil
		}
	}
	return values, nil
}

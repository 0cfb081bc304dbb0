// Package ledger keeps many rows under one run: packages, sites, answers, each with its own small
// state machine.
//
// Everything here is a pure function from a row to a row and a [Change]. A change is chained to
// the row's earlier ones and to the ledger's [Head], which counts rows by state; so a row, its
// counters and the heads can be committed together without reading any other row. The run sees
// only the counters and the head (SEMANTICS §6).
package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/people"
)

// Spec declares a ledger: what its rows hold and how they move. Check it once with
// [Spec.Check]; the other functions take that for granted.
type Spec struct {
	Name    string
	Columns []action.Field
	States  []string            // the first is where a row begins
	Moves   map[string][]string // state → states it may move to
	Final   []string            // states in which a row has ended; it may still be moved by a declared move
	// Actions are the row commands, e.g. retry, give-back and pause: action → state → state. Each
	// is a declared move. See [Spec.Target] for those that need no declaration.
	Actions map[string]map[string]string
}

// Row is one line of a ledger.
type Row struct {
	Key    string          `json:"key"`
	State  string          `json:"state"`
	Values map[string]any  `json:"values,omitempty"`
	Seq    uint64          `json:"seq"`   // changes so far, the first is 1
	Chain  string          `json:"chain"` // hexadecimal SHA-256 over all of them
	Since  time.Time       `json:"since"` // of the state
	By     people.PersonID `json:"by,omitempty"`
}

// Change is one step of one row, as it is kept for ever.
type Change struct {
	Ledger string          `json:"ledger"`
	Key    string          `json:"key"`
	Seq    uint64          `json:"seq"`            // of the row, after the change
	From   string          `json:"from,omitempty"` // "": the row is new
	To     string          `json:"to"`
	Set    map[string]any  `json:"set,omitempty"`   // columns that took a value
	Clear  []string        `json:"clear,omitempty"` // columns that lost theirs, sorted
	By     people.PersonID `json:"by,omitempty"`    // "" for Slipway itself
	At     time.Time       `json:"at"`
	Prev   string          `json:"prev,omitempty"` // the row's chain before
}

const op = "ledger.move"

// Check refuses a spec whose parts do not fit together.
func (s Spec) Check() error {
	bad := func(format string, args ...any) *errs.Error {
		return errs.E("ledger.spec", errs.Invalid, fmt.Errorf("ledger %s: %s", s.Name, fmt.Sprintf(format, args...)))
	}
	if s.Name == "" {
		return errs.E("ledger.spec", errs.Invalid, fmt.Errorf("a ledger has no name"))
	}
	if len(s.States) == 0 {
		return bad("it has no states").Hint("write states: [first, …]; a row begins in the first")
	}
	known := func(state string) error {
		if slices.Contains(s.States, state) {
			return nil
		}
		return bad("there is no state %q", state).Hint("the states are %s", strings.Join(s.States, ", "))
	}
	for i, st := range s.States {
		if st == "" || slices.Contains(s.States[:i], st) {
			return bad("the state %q is empty or named twice", st)
		}
	}
	for _, from := range sortedKeys(s.Moves) {
		if err := known(from); err != nil {
			return err
		}
		for _, to := range s.Moves[from] {
			if err := known(to); err != nil {
				return err
			}
		}
	}
	for _, f := range s.Final {
		if err := known(f); err != nil {
			return err
		}
	}
	for i, c := range s.Columns {
		if c.Name == "" || slices.ContainsFunc(s.Columns[:i], func(o action.Field) bool { return o.Name == c.Name }) {
			return bad("the column %q has no name or is named twice", c.Name)
		}
	}
	for _, name := range sortedKeys(s.Actions) {
		for _, from := range sortedKeys(s.Actions[name]) {
			if to := s.Actions[name][from]; !slices.Contains(s.Moves[from], to) {
				return bad("the action %s goes from %q to %q, which is not a move", name, from, to).
					Hint("add %s to the moves of %s", to, from)
			}
		}
	}
	return nil
}

// IsFinal reports whether a row in the state has ended.
func (s Spec) IsFinal(state string) bool { return slices.Contains(s.Final, state) }

// Target is where a row action takes a row. Declared actions go first. Without a declaration,
// "retry" (from a final state) and "give-back" (from one that is not) lead back to the first
// state, "pause" to a state named "paused", and "resume" from there to the first state; each only
// where the spec has that move.
func (s Spec) Target(name, state string) (to string, err error) {
	if to, ok := s.Actions[name][state]; ok {
		return to, nil
	}
	if len(s.Actions[name]) == 0 {
		switch {
		case name == "retry" && s.IsFinal(state), name == "give-back" && !s.IsFinal(state), name == "resume" && state == "paused":
			to = s.States[0]
		case name == "pause":
			to = "paused"
		}
		if to != "" && slices.Contains(s.Moves[state], to) {
			return to, nil
		}
	}
	return "", errs.E(op, errs.Conflict, fmt.Errorf("a row of %s that is %s has no %s", s.Name, state, name)).
		Hint("%s", s.ways(state))
}

// ways says where a row can go from a state.
func (s Spec) ways(state string) string {
	if len(s.Moves[state]) == 0 {
		return fmt.Sprintf("%s is an end: nothing follows it", state)
	}
	return fmt.Sprintf("from %s a row can become %s", state, strings.Join(s.Moves[state], " or "))
}

// Add makes a row in the first state.
func Add(s Spec, key string, values map[string]any, by people.PersonID, at time.Time) (Row, Change, error) {
	if err := CheckKey(key); err != nil {
		return Row{}, Change{}, err
	}
	row := Row{Key: key}
	return s.step(row, s.States[0], values, by, at)
}

// CheckKey refuses a key that could not stand in a command or in one line of a report.
func CheckKey(key string) error {
	bad := key == "" || len(key) > 200
	for _, r := range key {
		bad = bad || r <= ' ' || r == 0x7f || r == 0xfffd
	}
	if bad {
		return errs.E(op, errs.Invalid, fmt.Errorf("%q cannot be the key of a row", key)).
			Hint("a key has 1 to 200 characters and no spaces")
	}
	return nil
}

// Move takes a row to another state, setting values with it: a nil value clears its column. A
// move that the spec does not have is an error of kind [errs.Conflict], values that do not fit
// their columns are [errs.Invalid]; then nothing changes. The row given is never changed.
func Move(s Spec, row Row, to string, values map[string]any, by people.PersonID, at time.Time) (Row, Change, error) {
	if !slices.Contains(s.States, to) {
		return row, Change{}, errs.E(op, errs.Invalid, fmt.Errorf("ledger %s has no state %q", s.Name, to)).
			Hint("the states are %s", strings.Join(s.States, ", "))
	}
	if !slices.Contains(s.Moves[row.State], to) {
		return row, Change{}, errs.E(op, errs.Conflict, fmt.Errorf("%s is %s and cannot become %s", row.Key, row.State, to)).
			Hint("%s", s.ways(row.State))
	}
	return s.step(row, to, values, by, at)
}

// Act performs a row action such as retry, give-back or pause: the move of [Spec.Target].
func Act(s Spec, row Row, name string, by people.PersonID, at time.Time) (Row, Change, error) {
	to, err := s.Target(name, row.State)
	if err != nil {
		return row, Change{}, err
	}
	return Move(s, row, to, nil, by, at)
}

// Set changes values and leaves the state. Ended rows are not changed: that is [errs.Conflict].
func Set(s Spec, row Row, values map[string]any, by people.PersonID, at time.Time) (Row, Change, error) {
	if s.IsFinal(row.State) {
		return row, Change{}, errs.E(op, errs.Conflict, fmt.Errorf("%s is %s, which is an end: its values stay as they are", row.Key, row.State)).
			Hint("%s", s.ways(row.State))
	}
	return s.step(row, row.State, values, by, at)
}

// step makes the change. All its checks are before the first of its effects.
func (s Spec) step(row Row, to string, values map[string]any, by people.PersonID, at time.Time) (Row, Change, error) {
	ch := Change{Ledger: s.Name, Key: row.Key, Seq: row.Seq + 1, From: row.State, To: to, By: by, At: at.UTC().Round(0), Prev: row.Chain}
	next := row
	next.Values = make(map[string]any, len(row.Values)+len(values))
	for k, v := range row.Values {
		next.Values[k] = v
	}
	for _, name := range sortedKeys(values) {
		v := values[name]
		i := slices.IndexFunc(s.Columns, func(f action.Field) bool { return f.Name == name })
		if i < 0 {
			return row, Change{}, errs.E(op, errs.Invalid, fmt.Errorf("ledger %s has no column %q", s.Name, name)).
				Hint("the columns are %s", s.columns())
		}
		if v == nil {
			if _, had := next.Values[name]; had {
				ch.Clear = append(ch.Clear, name)
				delete(next.Values, name)
			}
			continue
		}
		if err := s.Columns[i].Type.Check(name, v); err != nil {
			return row, Change{}, errs.E(op, errs.Invalid, fmt.Errorf("row %s: %w", row.Key, err))
		}
		if ch.Set == nil {
			ch.Set = make(map[string]any, len(values))
		}
		v = clone(v)
		ch.Set[name], next.Values[name] = v, v
	}
	for _, c := range s.Columns {
		if _, ok := next.Values[c.Name]; !ok && !c.Optional {
			return row, Change{}, errs.E(op, errs.Invalid, fmt.Errorf("row %s has no %s", row.Key, c.Name)).
				Hint("give a value for %s", c.Name)
		}
	}
	chain, err := ch.chain()
	if err != nil {
		return row, Change{}, errs.E(op, errs.Invalid, fmt.Errorf("row %s: %w", row.Key, err))
	}
	next.State, next.Seq, next.By, next.Chain = to, ch.Seq, by, chain
	if row.State != to || row.Seq == 0 {
		next.Since = ch.At
	}
	return next, ch, nil
}

func (s Spec) columns() string {
	names := make([]string, len(s.Columns))
	for i, c := range s.Columns {
		names[i] = c.Name
	}
	return strings.Join(names, ", ")
}

// chain is the row's chain after the change: the hash of the whole change, which holds the chain
// before it.
func (c Change) chain() (string, error) {
	data, err := action.Canonical(c)
	if err != nil {
		return "", err
	}
	return hash("slipway ledger row 1", data), nil
}

// hash separates its purpose from the data, so that a record of one kind is never one of another.
func hash(purpose string, parts ...[]byte) string {
	h := sha256.New()
	h.Write([]byte(purpose))
	var n [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Replay applies a kept change to the row it was made from: what an audit or a rebuilt index
// does. A change that does not follow on the row is [errs.Corrupt]. The spec is not asked, since
// it may have changed since then.
func (r Row) Replay(c Change) (Row, error) {
	switch {
	case r.Seq != 0 && r.Key != c.Key, c.Seq != r.Seq+1, c.From != r.State, c.Prev != r.Chain:
		return r, errs.E("ledger.replay", errs.Corrupt, fmt.Errorf("change %d of row %s does not follow on change %d", c.Seq, c.Key, r.Seq))
	}
	chain, err := c.chain()
	if err != nil {
		return r, errs.E("ledger.replay", errs.Corrupt, err)
	}
	next := Row{Key: c.Key, State: c.To, Seq: c.Seq, Chain: chain, Since: r.Since, By: c.By, Values: make(map[string]any, len(r.Values)+len(c.Set))}
	if c.From != c.To || c.Seq == 1 {
		next.Since = c.At
	}
	for k, v := range r.Values {
		next.Values[k] = v
	}
	for k, v := range c.Set {
		next.Values[k] = clone(v)
	}
	for _, k := range c.Clear {
		delete(next.Values, k)
	}
	return next, nil
}

// clone copies a value of the kinds of [action.Kind], so that rows share nothing with callers.
func clone(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = clone(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = clone(e)
		}
		return out
	}
	return v
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

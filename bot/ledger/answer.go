package ledger

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/people"
)

// Late says what becomes of an answer after the deadline.
type Late string

const (
	Accept Late = "accept" // kept, and marked as late
	Refuse Late = "refuse" // the default
)

// Collection is what is asked of the members of a register.
type Collection struct {
	Questions []action.Field
	Deadline  time.Time // zero: none
	Late      Late
	Closed    bool // it has ended: only late answers, where they are accepted
}

// Answer is what one member answers now.
type Answer struct {
	Member string          `json:"member"`
	Values map[string]any  `json:"values"`
	By     people.PersonID `json:"by"`
	At     time.Time       `json:"at"`
	Late   bool            `json:"late,omitempty"`
	Used   string          `json:"used,omitempty"`    // the effect that used it; it can change no more
	Change int             `json:"changes,omitempty"` // how often the mind was changed
}

// Give takes an answer. Before is the member's answer so far, or nil. The same values again
// change nothing: then changed is false. Errors: [errs.Invalid] for values that do not fit the
// questions, [errs.Conflict] for an answer that an effect has used, [errs.Gone] for one that is
// too late.
func (c Collection) Give(before *Answer, member string, values map[string]any, by people.PersonID, at time.Time) (a Answer, changed bool, err error) {
	const op = "ledger.answer"
	if before != nil {
		a = *before
	}
	for _, name := range sortedKeys(values) {
		if !slices.ContainsFunc(c.Questions, func(f action.Field) bool { return f.Name == name }) {
			return a, false, errs.E(op, errs.Invalid, fmt.Errorf("%q was not asked", name)).Hint("the questions are %s", Spec{Columns: c.Questions}.columns())
		}
	}
	if err := action.Obj(c.Questions...).Check("answer", asObject(values)); err != nil {
		return a, false, errs.E(op, errs.Invalid, err)
	}
	if before != nil && reflect.DeepEqual(asObject(before.Values), asObject(values)) {
		return a, false, nil
	}
	if before != nil && before.Used != "" {
		return a, false, errs.E(op, errs.Conflict, fmt.Errorf("the answer of %s has been used by %s and stays as it is", member, before.Used)).
			Hint("a person who may retry that step can make it stale first")
	}
	late := c.Closed || !c.Deadline.IsZero() && at.After(c.Deadline)
	if late && c.Late != Accept {
		e := errs.E(op, errs.Gone, fmt.Errorf("the answer of %s comes too late", member))
		if c.Deadline.IsZero() || !at.After(c.Deadline) {
			return a, false, e.Hint("the collection is closed")
		}
		return a, false, e.Hint("the deadline was %s", c.Deadline.UTC().Format("2006-01-02 15:04 UTC"))
	}
	a = Answer{Member: member, Values: clone(asObject(values)).(map[string]any), By: by, At: at, Late: late}
	if before != nil {
		a.Change = before.Change + 1
	}
	return a, true, nil
}

func asObject(values map[string]any) map[string]any {
	if values == nil {
		return map[string]any{}
	}
	return values
}

// Use marks the answer as used by an effect. The first use is kept.
func (a Answer) Use(effect string) Answer {
	if a.Used == "" {
		a.Used = effect
	}
	return a
}

// Standing is how a collection stands for a register of members.
type Standing struct {
	Answered []string // sorted
	Missing  []string // members who have not answered, sorted
	Strays   []string // answers of those who are no members any more, sorted; they do not count
}

// Stand compares the answers with the register, which may have grown or shrunk meanwhile.
func Stand(members []string, answers map[string]Answer) Standing {
	var s Standing
	in := make(map[string]bool, len(members))
	for _, m := range members {
		if in[m] {
			continue
		}
		in[m] = true
		if _, ok := answers[m]; ok {
			s.Answered = append(s.Answered, m)
		} else {
			s.Missing = append(s.Missing, m)
		}
	}
	for m := range answers {
		if !in[m] {
			s.Strays = append(s.Strays, m)
		}
	}
	slices.Sort(s.Answered)
	slices.Sort(s.Missing)
	slices.Sort(s.Strays)
	return s
}

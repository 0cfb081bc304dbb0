package ledger

import "reflect"

// Turn is what a change of a row means for a living list of the rows that match a condition.
type Turn string

const (
	Nothing Turn = ""       // it does not concern the list
	Joins   Turn = "joins"  // the row came to match: an element starts
	Stays   Turn = "stays"  // it still matches, with other contents
	Leaves  Turn = "leaves" // it stopped matching: its element is withdrawn once its effects settle
)

// Delta is one row's turn, with the row as it is now.
type Delta struct {
	Turn Turn
	Row  Row
}

// TurnOf says what the step from before to after means for a list of the rows that match. Before
// is the zero Row for a new one. An error of match comes back as it is.
func TurnOf(before, after Row, match func(Row) (bool, error)) (Delta, error) {
	was := false
	var err error
	if before.Seq > 0 {
		if was, err = match(before); err != nil {
			return Delta{}, err
		}
	}
	is, err := match(after)
	if err != nil {
		return Delta{}, err
	}
	d := Delta{Row: after}
	switch {
	case is && !was:
		d.Turn = Joins
	case was && !is:
		d.Turn = Leaves
	case is && (before.State != after.State || !reflect.DeepEqual(before.Values, after.Values)):
		d.Turn = Stays
	}
	return d, nil
}

// Coalesce folds deltas, oldest first, into at most one a row, in the order of each row's first.
// A row that joined and left again is nothing; one that left and joined again stays.
func Coalesce(deltas []Delta) []Delta {
	at := make(map[string]int, len(deltas))
	out := make([]Delta, 0, len(deltas))
	for _, d := range deltas {
		i, seen := at[d.Row.Key]
		if !seen {
			at[d.Row.Key] = len(out)
			out = append(out, d)
			continue
		}
		out[i] = Delta{Turn: then(out[i].Turn, d.Turn), Row: d.Row}
	}
	kept := out[:0]
	for _, d := range out {
		if d.Turn != Nothing {
			kept = append(kept, d)
		}
	}
	return kept
}

// then is two turns as one: whether the row matched before the first and after the second.
func then(a, b Turn) Turn {
	switch {
	case a == Nothing:
		return b
	case b == Nothing:
		return a
	case a == Joins && b == Leaves:
		return Nothing
	case a == Joins:
		return Joins
	case b == Leaves:
		return Leaves
	}
	return Stays
}

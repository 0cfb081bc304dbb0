package view

import (
	"time"

	"slipway/bot/people"
)

// Away is a time in which a person is not there.
type Away struct {
	Person  people.PersonID `json:"person"`
	From    time.Time       `json:"from"`
	Until   time.Time       `json:"until" doc:"the moment of being back"`
	Reason  string          `json:"reason,omitempty"`
	StandIn people.PersonID `json:"stand_in,omitempty" doc:"who acts meanwhile"`
	Holds   bool            `json:"holds" doc:"the person is away now"`
}

// away lists who is away in a window of time, by the beginning.
func (r *Reader) away(from, until time.Time) []Away {
	w := r.e.World()
	out := []Away{}
	for _, a := range w.Directory.Absences() {
		if a.From.Before(until) && a.Until.After(from) {
			out = append(out, Away{a.Person, a.From.UTC(), a.Until.UTC(), a.Reason, a.StandIn, a.At(w.Now)})
		}
	}
	return out
}

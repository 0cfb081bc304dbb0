package view

import (
	"context"
	"time"

	"slipway/bot/engine"
	"slipway/bot/people"
)

// Status is how Slipway itself is.
type Status struct {
	AsOf     time.Time `json:"as_of"`
	Paused   *Pause    `json:"paused,omitempty" doc:"effects are paused: nothing outside is done"`
	Live     int       `json:"live" doc:"runs under way that the viewer may see; counted up to 500"`
	Misfits  []Misfit  `json:"misfits,omitempty" doc:"playbooks of live runs that do not fit this program"`
	Freezes  []Freeze  `json:"freezes,omitempty" doc:"that hold now"`
	Projects []string  `json:"projects"`
	Format   int       `json:"format" doc:"of the storage"`
}

// Misfit is a playbook that live runs began with and that this program cannot go on with.
type Misfit struct {
	Playbook string `json:"playbook" doc:"its digest"`
	Why      string `json:"why"`
}

// Status shows how Slipway itself is, for a person.
func (r *Reader) Status(ctx context.Context, p people.PersonID) (Status, error) {
	w := r.e.World()
	out := Status{AsOf: w.Now, Projects: r.e.Projects(), Format: engine.Format}
	if by, why, paused := r.e.Paused(); paused {
		out.Paused = &Pause{r.person(w, by), why}
	}
	live, err := r.e.List(ctx, engine.Query{Person: p, Which: engine.LiveRuns, Limit: 500})
	if err != nil {
		return Status{}, err
	}
	out.Live = len(live.Runs)
	misfits := r.e.Misfits()
	for _, digest := range sortedKeys(misfits) {
		out.Misfits = append(out.Misfits, Misfit{digest, misfits[digest]})
	}
	for _, f := range r.e.Freezes() {
		if f.Holds(w.Now) {
			out.Freezes = append(out.Freezes, Freeze{f.ID, f.Calendar, f.Why, f.From, f.Until, true})
		}
	}
	return out, nil
}

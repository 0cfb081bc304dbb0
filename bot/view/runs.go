package view

import (
	"context"
	"time"

	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/people"
	"slipway/bot/run"
)

// Query chooses runs for a list. Empty fields choose all.
type Query struct {
	Text      string `json:"q,omitempty" doc:"words, each of which must be in the name, project, family or requester"`
	Project   string `json:"project,omitempty"`
	Family    string `json:"family,omitempty" doc:"name of the playbook"`
	Status    string `json:"status,omitempty" doc:"live, held, aborting, ended, or an outcome: done, rejected, aborted, failed, replaced"`
	Requester string `json:"requester,omitempty" doc:"id of the person who asked for it"`
	Which     string `json:"which,omitempty" doc:"live, past, or empty for both"`
	Order     string `json:"order,omitempty" doc:"newest (the default) or name"`
	After     string `json:"after,omitempty" doc:"next of the page before"`
	Limit     int    `json:"limit,omitempty" doc:"of one page; 50 if left out, at most 500"`
}

// Line is one run in a list.
type Line struct {
	ID        string     `json:"id" doc:"opaque"`
	Name      string     `json:"name" doc:"release/lava/2019.01; free again when the run has ended"`
	Project   string     `json:"project"`
	Family    string     `json:"family" doc:"name of the playbook"`
	Status    string     `json:"status" doc:"live, held, aborting or ended"`
	Outcome   string     `json:"outcome,omitempty" doc:"of one that has ended: done, rejected, aborted, failed, replaced or refused"`
	State     card.State `json:"state" doc:"how it stands in one word: waiting, running, done, failed, stuck, doubtful, held, aborted"`
	Words     string     `json:"words" doc:"the same in a sentence"`
	Requester *Person    `json:"requester,omitempty" doc:"who asked for it; absent for one that began by itself"`
	Began     time.Time  `json:"began"`
	Ended     time.Time  `json:"ended,omitzero"`
	Took      int64      `json:"took" doc:"seconds from its beginning to its end, or to now"`
	Private   bool       `json:"private,omitempty" doc:"only its circle sees it"`
	Done      int        `json:"done,omitempty" doc:"steps that are done, of one under way"`
	All       int        `json:"all,omitempty" doc:"steps of its playbook, of one under way"`
	Misfit    string     `json:"misfit,omitempty" doc:"why it cannot go on with this program"`
}

// RunList is one page of a list.
type RunList struct {
	Runs []Line `json:"runs"`
	Next string `json:"next,omitempty" doc:"after of the next page; absent on the last one. A page may be short and still have a next one"`
}

// Runs lists runs that the person may see.
func (r *Reader) Runs(ctx context.Context, p people.PersonID, q Query) (RunList, error) {
	page, err := r.e.List(ctx, engine.Query{Person: p, Text: q.Text, Project: q.Project, Family: q.Family, Status: q.Status,
		Requester: people.PersonID(q.Requester), Which: q.Which, Order: q.Order, After: q.After, Limit: q.Limit})
	if err != nil {
		return RunList{}, err
	}
	out := RunList{Runs: make([]Line, 0, len(page.Runs)), Next: page.Next}
	w := r.e.World()
	for _, l := range page.Runs {
		out.Runs = append(out.Runs, r.line(ctx, w, l))
	}
	return out, nil
}

// line is a run in a list. Of one that lives, the state says how its steps stand.
func (r *Reader) line(ctx context.Context, w run.World, l engine.Listed) Line {
	out := Line{ID: l.ID, Name: l.Name, Project: l.Project, Family: l.Family, Status: l.Status, Outcome: l.Outcome,
		Began: l.Began, Ended: l.Ended, Private: l.Private, Misfit: l.Misfit}
	end := w.Now
	if !l.Ended.IsZero() {
		end = l.Ended
	}
	out.Took = seconds(end.Sub(l.Began))
	if l.Requester != "" {
		who := r.person(w, l.Requester)
		out.Requester = &who
	}
	if l.Outcome != "" { // nothing of it changes any more, so it is not read
		out.State, out.Words = outcomeState(l.Outcome), l.Outcome
		return out
	}
	s, book, err := r.e.RunState(ctx, l.ID)
	if s == nil || err != nil {
		out.State, out.Words = card.Stuck, "its playbook does not fit this program any more"
		return out
	}
	out.State, out.Words = stateOf(s), statusWords(book, s, w)
	out.Done, out.All = progress(book, s)
	return out
}

// Line is one run as it stands in lists.
func (r *Reader) Line(ctx context.Context, p people.PersonID, id string) (Line, error) {
	v, err := r.open(ctx, p, id)
	if err != nil {
		return Line{}, err
	}
	return r.head(v), nil
}

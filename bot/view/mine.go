package view

import (
	"cmp"
	"context"
	"slices"

	"slipway/bot/people"
	"slipway/bot/run"
)

// Mine is what waits for one person, and what the person asked for that is under way.
type Mine struct {
	Waits []Waiting `json:"waits" doc:"what stops a run first, then what waits longest"`
	Asked []Line    `json:"asked" doc:"runs under way that the person asked for, newest first, at most 50"`
}

// Waiting is something that waits for the person, in a run.
type Waiting struct {
	Run Line `json:"run"`
	Awaited
	Threads []Thread `json:"threads" doc:"where it can be said"`
}

// Mine lists what waits for a person in all runs that the person may see. Offers, on which nothing
// hangs, come last.
func (r *Reader) Mine(ctx context.Context, p people.PersonID) (Mine, error) {
	out := Mine{Waits: []Waiting{}, Asked: []Line{}}
	if p == "" {
		return out, nil
	}
	list, err := r.e.Mine(ctx, p)
	if err != nil {
		return Mine{}, err
	}
	byRun := map[string][]run.Awaited{}
	var ids []string
	for _, w := range list {
		if byRun[w.Run] == nil {
			ids = append(ids, w.Run)
		}
		byRun[w.Run] = append(byRun[w.Run], w.Awaited)
	}
	for _, id := range ids {
		v, err := r.open(ctx, p, id)
		if err != nil {
			continue // it ended, or was hidden, meanwhile
		}
		threads, err := r.threads(ctx, p, v)
		if err != nil {
			return Mine{}, err
		}
		head := r.head(v)
		for _, a := range r.awaited(v, p, byRun[id]) {
			out.Waits = append(out.Waits, Waiting{Run: head, Awaited: a, Threads: threads})
		}
	}
	slices.SortStableFunc(out.Waits, func(a, b Waiting) int {
		return cmp.Or(cmp.Compare(rank(a.Kind), rank(b.Kind)), a.Since.Compare(b.Since))
	})
	asked, err := r.Runs(ctx, p, Query{Requester: string(p), Which: "live", Limit: 50})
	out.Asked = asked.Runs
	return out, err
}

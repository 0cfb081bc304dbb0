package aptrepo

import (
	"context"
	"fmt"
	"slices"

	"slipway/bot/action"
	"slipway/bot/errs"
)

// dropper is a [Place] that can forget what was staged. See [Archive.Drop].
type dropper interface {
	Drop(suite, generation string) error
}

// drop is archive.drop@1, which undoes archive.stage@1.
type drop struct{ a *Actions }

// DropIn names what was staged.
type DropIn struct {
	Archive    string   `cel:"archive" json:"archive"`
	Suites     []string `cel:"suites" json:"suites"`
	Generation string   `cel:"generation" json:"generation" doc:"from archive.stage"`
}

// DropOut is what became of it.
type DropOut struct {
	Dropped   []string `cel:"dropped" json:"dropped" doc:"suites in which it waited"`
	Published []string `cel:"published" json:"published" doc:"suites whose clients have it: there it stays"`
}

// Probe finds nothing: dropping what is gone is done at once.
func (drop) Probe(context.Context, action.Key, DropIn) (DropOut, bool, error) {
	return DropOut{}, false, nil
}

// Do drops the generation in every suite. A suite that has published it, or does not have it any
// more, is left as it is.
func (d drop) Do(ctx context.Context, _ action.Key, in DropIn) (DropOut, error) {
	const op = "archive.drop"
	c, err := d.a.archive(op, in.Archive)
	if err != nil {
		return DropOut{}, err
	}
	place, ok := c.Place.(dropper)
	if !ok {
		return DropOut{}, errs.E(op, errs.Invalid, fmt.Errorf("what is staged for the archive %s cannot be dropped", in.Archive)).
			Hint("leave it: the next one takes its place")
	}
	out := DropOut{Dropped: []string{}, Published: []string{}}
	for _, suite := range in.Suites {
		if err := ctx.Err(); err != nil {
			return DropOut{}, err
		}
		all, err := c.Place.Generations(suite)
		if err != nil {
			return DropOut{}, err
		}
		i := slices.IndexFunc(all, func(g Generation) bool { return g.ID == in.Generation })
		switch {
		case i < 0:
		case !all[i].Staged && !all[i].Published.IsZero():
			out.Published = append(out.Published, suite)
		default:
			if err := place.Drop(suite, in.Generation); err != nil {
				return DropOut{}, err
			}
			out.Dropped = append(out.Dropped, suite)
		}
	}
	return out, nil
}

package notes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"slipway/bot/errs"
)

// The messages whose reactions may count are remembered with what they bore when they were read last,
// so that a reaction of which no webhook told is found.

// watch remembers what a message bears; Thread is no part of its name.
func (p *Poster) watch(ref Ref, bears string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bears[Ref{Place: ref.Place, Message: ref.Message}] = bears
}

func (p *Poster) unwatch(ref Ref) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.bears, Ref{Place: ref.Place, Message: ref.Message})
}

// bearing is what a message bears, in short.
func bearing(all []Reaction) string {
	var out []string
	for _, r := range all {
		out = append(out, fmt.Sprintf("%d%s", r.User, r.Emoji))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// Change is a message that does not bear what it did.
type Change struct {
	Ref
	bears string
}

// Told notes that somebody will read the message again, so that [Poster.Changed] lists it when there is
// more to read, and not for ever when nothing on it counts any more.
func (p *Poster) Told(c Change) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, still := p.bears[c.Ref]; still {
		p.bears[c.Ref] = c.bears
	}
}

// Changed lists the messages whose reactions are not what they were when [Poster.Reactions] read them
// last, or when they were [Poster.Told]. It knows those that were posted, edited or read by p and may
// still get votes.
func (p *Poster) Changed(ctx context.Context) ([]Change, error) {
	p.mu.Lock()
	var all []Ref
	for ref := range p.bears {
		all = append(all, ref)
	}
	p.mu.Unlock()
	slices.SortFunc(all, func(a, b Ref) int {
		return cmp.Or(strings.Compare(a.Place, b.Place), strings.Compare(a.Message, b.Message))
	})
	var out []Change
	var failed error
	for _, ref := range all {
		found, open, err := p.reactions(ctx, ref)
		p.mu.Lock()
		old, still := p.bears[ref]
		p.mu.Unlock()
		switch {
		case !still:
		case errs.Is(err, errs.Gone):
			p.unwatch(ref)
			out = append(out, Change{Ref: ref})
		case errs.Is(err, errs.Conflict) && old != altered:
			out = append(out, Change{ref, altered})
		case errs.Is(err, errs.Conflict):
		case err == nil && !open:
			p.unwatch(ref)
		case err == nil && bearing(found) != old:
			out = append(out, Change{ref, bearing(found)})
		case err != nil:
			failed = errors.Join(failed, err)
		}
		if errs.Is(err, errs.Busy) || ctx.Err() != nil {
			break
		}
	}
	return out, failed
}

// Recall finds the messages of a place that may still get votes, as after a start: what they bear is
// not known, so that [Poster.Changed] lists each of them until it is read.
func (p *Poster) Recall(ctx context.Context, id string) error {
	const op = "gitlab.recall"
	place, me, err := p.begin(ctx, op, id)
	if err != nil {
		return err
	}
	err = each(ctx, p.o.Client, op, place.path("/discussions"), maxThreads, func(d discussion) bool {
		for i, n := range d.Notes {
			if n.Author.ID != me.ID || n.System || !strings.Contains(n.Body, voteLine) {
				continue
			}
			ref := Ref{Place: id, Message: fmt.Sprint(n.ID)}
			if i == 0 {
				ref.Message = d.ID
			}
			p.mu.Lock()
			if _, known := p.bears[ref]; !known {
				p.bears[ref] = notRead
			}
			p.mu.Unlock()
		}
		return true
	})
	return p.failed(ctx, op, place, err)
}

// These are no bearings: of a message that was not read yet, and of one that somebody changed.
const (
	notRead = "?"
	altered = "!"
)

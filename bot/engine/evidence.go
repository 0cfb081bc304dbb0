package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/evidence"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// EvidenceOptions says what goes into the evidence of a run. The zero value gives everything that
// the engine itself knows.
type EvidenceOptions struct {
	// Tell says what the run released; the check must be given the same. nil: nothing is told.
	Tell evidence.Telling
	// Picture draws the run, or gives nil.
	Picture func(p *playbook.Playbook, s *run.State) []byte
	// Open gives the bodies of released files; nil leaves them out.
	Open func(digest string) (body io.ReadCloser, size int64, err error)
	// Key signs instead of the engine's own.
	Key evidence.Signer
}

// MaySee reports whether the person may see the run; nobody in particular is "". A run that does not
// exist is seen by nobody.
func (e *Engine) MaySee(ctx context.Context, runID string, p people.PersonID) (bool, error) {
	l, err := e.load(ctx, runID)
	if err != nil || l.raw == nil {
		return false, err
	}
	return visible(*l.name, p), nil
}

// Evidence writes the bundle of a run as a stream. It does not ask who may see the run. Heads that
// wait for the log key are signed first. Errors: [errs.NotFound] for a run that does not exist,
// [errs.Unavailable] without a log key or while it fails, [errs.Corrupt] when the log does not hold
// together.
func (e *Engine) Evidence(ctx context.Context, runID string, o EvidenceOptions, w io.Writer) error {
	const op = "engine.evidence"
	if o.Key == nil {
		o.Key = e.cfg.LogKey
	}
	if o.Key == nil {
		return errs.E(op, errs.Unavailable, errors.New("there is no log key, so nothing can be proven")).
			Hint("make one with slipway logkey new, and name it in evidence: log_key_file")
	}
	if e.cfg.LogKey != nil {
		if err := e.signWaiting(ctx, runID); err != nil {
			return err
		}
	}
	b, err := e.bundle(ctx, runID, o)
	if err != nil {
		return err
	}
	return b.Write(w, o.Key)
}

// bundle reads everything that the bundle of a run is made of.
func (e *Engine) bundle(ctx context.Context, runID string, o EvidenceOptions) (evidence.Bundle, error) {
	const op = "engine.evidence"
	b := evidence.Bundle{Heads: map[uint64][]byte{}, Cards: map[string][]byte{}, Closures: map[string]map[string]string{},
		Books: map[string]evidence.Book{}, Tell: o.Tell, Open: o.Open}
	commits, err := e.History(ctx, runID, 0, 0)
	if err != nil {
		return b, err
	}
	if len(commits) == 0 {
		return b, errs.E(op, errs.NotFound, fmt.Errorf("there is no run %s", runID))
	}
	// Whatever is committed meanwhile belongs to the next bundle.
	last := commits[len(commits)-1].Seq
	s := &run.State{}
	var shown []string
	for _, c := range commits {
		raw := make([]json.RawMessage, len(c.Raw))
		for i := range c.Raw {
			raw[i] = c.Raw[i]
		}
		b.Log = append(b.Log, evidence.Commit{At: c.At, Chain: c.Chain, Events: raw})
		s = s.Replay(c.Events)
		for _, ev := range c.Events {
			switch body := ev.Body.(type) {
			case run.Started:
				err = e.keptBooks(ctx, &b, body.Start.Playbook, body.Start.Closure)
			case run.Migrated:
				err = e.keptBooks(ctx, &b, body.Playbook, body.Closure)
			case run.GateOpened:
				shown = append(shown, string(body.Digest))
			}
			if err != nil {
				return b, err
			}
		}
	}
	heads, err := e.Heads(ctx, runID)
	if err != nil {
		return b, err
	}
	for _, h := range heads {
		if h.Seq > last || h.Envelope == nil || h.By != evidence.FingerprintOf(o.Key.Public()) {
			continue // one by an earlier key proves nothing to those who pinned this one
		}
		b.Heads[h.Seq] = h.Envelope
	}
	if b.Relied, err = e.reliedAll(ctx, runID); err != nil {
		return b, err
	}
	for seq := range b.Relied {
		if seq > last {
			delete(b.Relied, seq)
		}
	}
	for _, manifest := range slices.Compact(shown) {
		if err := e.cardsShown(ctx, runID, manifest, b.Cards); err != nil {
			return b, err
		}
	}
	if o.Picture != nil {
		if p, err := e.book(ctx, s.Playbook); err == nil {
			b.Picture = o.Picture(p, s)
		}
	}
	return b, nil
}

// keptBooks adds the playbooks of a closure as they are kept.
func (e *Engine) keptBooks(ctx context.Context, b *evidence.Bundle, book, closure string) error {
	members := map[string]string{}
	if closure != "" {
		if _, _, err := e.get(ctx, spClosures, closure, &members); err != nil {
			return err
		}
		b.Closures[closure] = members
	}
	digests := []string{book}
	for _, digest := range members {
		digests = append(digests, digest)
	}
	for _, digest := range digests {
		if _, had := b.Books[digest]; had {
			continue
		}
		var r bookRecord
		_, found, err := e.get(ctx, spBooks, digest, &r)
		if err != nil {
			return err
		}
		if !found {
			return errs.E("engine.evidence", errs.Corrupt, fmt.Errorf("the playbook %s that the run pinned is not kept", digest)).Hint("restore it from a backup")
		}
		b.Books[digest] = evidence.Book{Name: r.Name, Source: []byte(r.Source)}
	}
	return nil
}

// cardsShown adds what the messages of a manifest showed.
func (e *Engine) cardsShown(ctx context.Context, runID, manifest string, cards map[string][]byte) error {
	prefix := id(runID, manifest) + sep
	var bad error
	err := e.cfg.Store.Scan(ctx, spShown, prefix, after(prefix), false, func(_ string, value []byte) bool {
		if value, bad = e.unpack(ctx, value); bad == nil {
			cards[action.DigestOf(value)] = value
		}
		return bad == nil
	})
	return errors.Join(err, bad)
}

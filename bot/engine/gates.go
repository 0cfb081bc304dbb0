package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/bot/manifest"
	"slipway/bot/run"
)

// gateKey is the key under which the message of a manifest is posted in a place.
func gateKey(digest, runID, step string, place Place) string {
	return short("gate\x00" + digest + "\x00" + runID + "\x00" + step + "\x00" + place.Source + "\x00" + place.ID)
}

// gateCard is the gate message as it should read: what is approved, who counts so far, who does
// not and why, and what is still needed. ended is how it ended, "" while it is open; then in says
// what the run said of it.
func (e *Engine) gateCard(ctx context.Context, l *live, step, key string, in action.Values, ended string) card.Card {
	s := l.state
	g := card.GateMessage{Key: key, RunName: s.Name, RunID: s.ID, Gate: step, Manifest: text(in, "digest"), Rule: text(in, "rule"), State: card.Waiting, Closed: ended}
	say := text(in, "say")
	st := s.Steps[step]
	if st != nil && st.Gate != nil && string(st.Gate.Digest) == g.Manifest {
		g.Rule, g.Expires = st.Gate.Manifest.Rule, st.Gate.Manifest.Expires
		names := make([]string, len(st.Gate.Manifest.Binds))
		for i, b := range st.Gate.Manifest.Binds {
			names[i] = b.Name
		}
		for i, name := range manifest.Labels(names) {
			value := shown(st.Gate.Manifest.Binds[i].Value)
			if value == "" {
				value = "none"
			}
			g.Bound = append(g.Bound, card.Field{Name: name, Value: value})
		}
		if say == "" {
			say, _ = st.Inputs["say"].(string)
		}
		if book, err := e.book(ctx, s.Playbook); err == nil && (ended == "" || st.Gate.Verdict != nil) {
			w := e.World()
			g.Verdict = run.GateLines(book, s, w, step)
			for _, a := range run.Who(book, s, w) {
				if there, _ := w.Directory.Present(a.Persons, w.Now); a.Step == step && ended == "" {
					for _, p := range there {
						g.Mentions = append(g.Mentions, string(p))
					}
				}
			}
		}
	}
	if say != "" {
		g.Bound = append([]card.Field{{Name: "About", Value: clip(say, 1000)}}, g.Bound...)
	}
	if ended != "" {
		g.State = card.Done
		switch text(in, "state") {
		case "void":
			g.State = card.Stale
		case "rejected", "expired":
			g.State = card.Failed
		}
	}
	c := g.Card()
	if e.cfg.Link != nil {
		if to := e.cfg.Link(l.id, step); to != "" {
			c.Blocks = append(c.Blocks, card.Block{Links: []card.Link{{Text: "What is behind it, and what has changed", URL: to}}})
		}
	}
	for i := range c.Blocks { // as many votes as there are people
		c.Blocks[i].Text = clip(c.Blocks[i].Text, card.MaxText)
	}
	return c
}

// shown is a bound value for people: text without its JSON quotes, clipped.
func shown(value string) string {
	v, err := action.Decode([]byte(value))
	if s, ok := v.(string); err == nil && ok {
		value = s
	}
	return clip(value, 1500)
}

// gateRefs lists the messages of one manifest of a gate.
func (e *Engine) gateRefs(ctx context.Context, digest, runID, step string) ([]Ref, error) {
	prefix := id(digest, runID, step) + sep
	var refs []Ref
	err := e.cfg.Store.Scan(ctx, spGates, prefix, after(prefix), false, func(k string, message []byte) bool {
		if parts := splitID(k); len(parts) == 5 {
			refs = append(refs, Ref{Place: Place{parts[3], parts[4]}, Message: string(message)})
		}
		return true
	})
	return refs, err
}

// editGate says on the messages of a manifest how it ended. After that they are not edited again.
func (e *Engine) editGate(ctx context.Context, r *effectRecord, in action.Values) (action.Values, error) {
	digest := text(in, "digest")
	refs, err := e.gateRefs(ctx, digest, r.Run, r.Step)
	if err != nil {
		return nil, err
	}
	ended := text(in, "state")
	if why := text(in, "why"); why != "" {
		ended += ": " + why
	}
	if ended == "" {
		ended = "closed"
	}
	var held error
	for _, ref := range refs {
		_, err := e.showGate(ctx, r.Run, r.Step, digest, ref, in, clip(ended, card.MaxText))
		if e.holdsUp(ctx, err) {
			held = err
			continue
		}
		if err != nil && !errs.Is(err, errs.Gone) {
			return nil, err
		}
	}
	return action.Values{}, held
}

// showGates brings the messages of the open gates of a run in one chat up to date. Like cards they are
// level-triggered; next is when the first may be edited again.
func (e *Engine) showGates(ctx context.Context, source string, l *live) (next time.Time, err error) {
	for path, st := range l.state.Steps {
		if st.Gate == nil || st.Gate.Digest == "" || st.Gate.Verdict != nil || st.Status != run.Running {
			continue
		}
		digest := string(st.Gate.Digest)
		refs, err := e.gateRefs(ctx, digest, l.id, path)
		if err != nil {
			return next, err
		}
		for _, ref := range refs {
			if ref.Place.Source != source {
				continue
			}
			again, err := e.showGate(ctx, l.id, path, digest, ref, action.Values{"digest": digest}, "")
			if err != nil && !errs.Is(err, errs.Gone) {
				return next, err
			}
			next = earlier(next, again)
		}
	}
	return next, nil
}

// showGate makes one gate message say what it should. With ended it is the last edit.
func (e *Engine) showGate(ctx context.Context, runID, step, digest string, ref Ref, in action.Values, ended string) (next time.Time, err error) {
	poster := e.cfg.Posters[ref.Place.Source]
	if poster == nil {
		return time.Time{}, nil
	}
	unlock := e.cards.locks.hold("gate" + sep + ref.String())
	defer unlock()
	var m messageRecord
	raw, found, err := e.get(ctx, spMessages, ref.String(), &m)
	if err != nil || !found || m.Closed {
		return time.Time{}, err
	}
	l, err := e.load(ctx, runID)
	if err != nil {
		return time.Time{}, err
	}
	if st := l.state.Steps[step]; ended == "" && (st == nil || st.Gate == nil || string(st.Gate.Digest) != digest || st.Gate.Verdict != nil) {
		return time.Time{}, nil // its last edit follows
	}
	c := e.gateCard(ctx, l, step, gateKey(digest, runID, step, ref.Place), in, ended)
	now := e.now()
	if ended == "" {
		if c.Digest() == m.Digest {
			return time.Time{}, nil
		}
		if wait := m.At.Add(e.cfg.CardEvery); wait.After(now) {
			return wait, nil
		}
	}
	e.point("gate/before-edit")
	err = poster.Edit(ctx, ref, c)
	e.point("gate/after-edit")
	if errs.Is(err, errs.Gone) {
		m.Closed, err = true, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	e.cards.edited(ref.Place.Source, "", now)
	m.Digest, m.At, m.Closed = c.Digest(), now, m.Closed || ended != ""
	b := newBatch()
	b.guard(spMessages, ref.String(), raw)
	b.put(spMessages, ref.String(), encode(m))
	if err := e.keepShown(ctx, b, runID, digest, ref, c, now); err != nil {
		return time.Time{}, err
	}
	return time.Time{}, e.commit(ctx, "gate", b)
}

// minDigest is how many digits of a digest must be written.
const minDigest = 12

// pickManifest finds the digest that a person abbreviated, of the manifest that a gate shows.
func pickManifest(written, open, gate string) (string, error) {
	const op = "engine.vote"
	hex := strings.TrimRight(strings.ToLower(strings.TrimPrefix(written, "sha256:")), "….")
	current := strings.TrimPrefix(open, "sha256:")
	switch {
	case len(hex) < minDigest:
		return "", errs.E(op, errs.Invalid, fmt.Errorf("%q is too short for the digest of a manifest", written)).Hint("give at least %d of its digits; the gate %s shows sha256:%s", minDigest, gate, current[:min(16, len(current))])
	case !strings.HasPrefix(current, hex):
		return "", errs.E(op, errs.Conflict, fmt.Errorf("the gate %s does not show %s", gate, written)).Hint("look at what changed; it shows %s now", open)
	}
	return open, nil
}

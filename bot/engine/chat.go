package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/bot/gate"
	"slipway/bot/people"
	"slipway/bot/run"
)

// places are where a run is shown. A private run is shown only in the direct places of its circle
// until it is opened, and there too afterwards: what they have seen stays true.
func (e *Engine) places(s *run.State) []Place {
	p, ok := e.cfg.Projects.Project(s.Project)
	if !ok {
		return nil
	}
	all := p.Places
	switch {
	case s.Private:
		all = e.direct(s)
	case len(s.Circle) > 0:
		all = append(slices.Clone(all), e.direct(s)...)
	}
	var out []Place
	for _, place := range all {
		if e.cfg.Posters[place.Source] != nil {
			out = append(out, place)
		}
	}
	return out
}

// direct are the direct places of those who may see a private run.
func (e *Engine) direct(s *run.State) []Place {
	if e.cfg.Direct == nil {
		return nil
	}
	circle := append([]people.PersonID{s.Requester}, s.Circle...)
	slices.Sort(circle)
	var out []Place
	for _, person := range slices.Compact(circle) {
		if person != "" {
			out = append(out, e.cfg.Direct(person)...)
		}
	}
	return out
}

// post posts once: a post that may have been lost is looked for first, among what was written since
// then.
func (e *Engine) post(ctx context.Context, key string, to Ref, c card.Card, lost bool, since time.Time) (Ref, error) {
	poster := e.cfg.Posters[to.Place.Source]
	if poster == nil {
		return Ref{}, errs.E("engine.post", errs.Gone, fmt.Errorf("the chat %s is not configured", to.Place.Source))
	}
	if lost {
		ref, found, err := poster.Find(ctx, key, to, since)
		if err != nil || found {
			return ref, err
		}
	}
	return poster.Post(ctx, key, to, c)
}

// postMargin is how far apart the clock of a chat and ours may be.
const postMargin = 5 * time.Minute

// postedFrom is the earliest time, by the clock of a chat, at which something was posted that was
// intended then; zero when that is not known.
func postedFrom(at time.Time) time.Time {
	if at.IsZero() {
		return at
	}
	return at.Add(-postMargin)
}

// sinceOf is that of an effect of which something is posted that was intended at no earlier than at, in
// a run of that epoch.
func (e *Engine) sinceOf(r *effectRecord, epoch uint64, at time.Time) time.Time {
	if e.mayBeOlder(min(epoch, r.Epoch)) {
		return time.Time{}
	}
	if !r.First.IsZero() && r.First.Before(at) {
		at = r.First
	}
	return postedFrom(at)
}

// mayBeOlder reports whether what was intended in an epoch of the store may have been posted in the time
// that the last restore lost, before the intent that we know.
func (e *Engine) mayBeOlder(epoch uint64) bool {
	rec := e.world.restored.Load()
	return rec != nil && (epoch < rec.Epoch || !rec.Settled && e.now().Before(rec.Until))
}

// postGate puts a manifest to the people, once in each place of the project, in the card's thread.
func (e *Engine) postGate(ctx context.Context, r *effectRecord, in action.Values, lost bool) (action.Values, error) {
	l, err := e.load(ctx, r.Run)
	if err != nil {
		return nil, err
	}
	digest := text(in, "digest")
	st := l.state.Steps[r.Step]
	if st == nil || st.Gate == nil || string(st.Gate.Digest) != digest {
		return action.Values{"messages": []any{}}, nil // superseded meanwhile
	}
	messages := []any{}
	var gone, held error                               // what one chat holds up keeps the gate from no other
	since := e.sinceOf(r, l.rec.Epoch, st.Gate.Opened) // its key is that of the manifest, whoever asks people again
	for _, place := range e.places(l.state) {
		index := id(digest, r.Run, r.Step, place.Source, place.ID)
		if old, err := e.cfg.Store.Get(ctx, Key{spGates, index}); err != nil {
			return nil, err
		} else if old != nil {
			messages = append(messages, Ref{Place: place, Message: string(old)}.String())
			continue
		}
		thread, err := e.showCard(ctx, l, place)
		if e.holdsUp(ctx, err) {
			held = err
			continue
		}
		if err != nil && !errs.Is(err, errs.Gone) {
			return nil, err
		}
		key := gateKey(digest, r.Run, r.Step, place)
		c := e.gateCard(ctx, l, r.Step, key, in, "")
		ref, err := e.post(ctx, key, Ref{Place: place, Thread: thread}, c, lost, since)
		if errs.Is(err, errs.Gone) {
			gone = err
			continue
		}
		if e.holdsUp(ctx, err) {
			held = err
			continue
		}
		if err != nil {
			return nil, err
		}
		ref.Place = place
		b := newBatch()
		b.put(spGates, index, []byte(ref.Message))
		m := messageRecord{Run: r.Run, Step: r.Step, Manifest: digest, Thread: thread, Digest: c.Digest(), At: e.now()}
		if lost {
			m.Digest = "" // what was found may be older
		}
		b.put(spMessages, ref.String(), encode(m))
		if err := e.keepShown(ctx, b, r.Run, digest, ref, c, m.At); err != nil {
			return nil, err
		}
		if err := e.commit(ctx, "message", b); err != nil {
			return nil, err
		}
		messages = append(messages, ref.String())
		e.cards.mark(r.Run, e.now().Add(e.cfg.CardEvery)) // what was counted meanwhile is shown
		// A reaction may have come before we knew that the message is ours.
		if err := e.touched(ctx, ref, false); err != nil {
			return nil, err
		}
	}
	if held != nil {
		return nil, held
	}
	if len(messages) == 0 && gone != nil {
		return nil, gone
	}
	return action.Values{"messages": messages}, nil
}

// holdsUp reports whether err is of one chat, which can be asked again while others are spoken to.
func (e *Engine) holdsUp(ctx context.Context, err error) bool {
	return err != nil && !errs.Is(err, errs.Gone) && (!stops(err) || errs.Is(err, errs.Doubtful)) && ctx.Err() == nil && e.failed() == nil
}

// reply answers a person in the thread of what was said.
func (e *Engine) reply(ctx context.Context, r *effectRecord, lost bool) (action.Values, error) {
	var in replyIn
	if err := decode("outbox", []byte(r.Inputs), &in); err != nil {
		return nil, err
	}
	title, rest, _ := strings.Cut(in.Text, "\n")
	c := card.Card{Key: r.Key, Title: clip(title, card.MaxTitle)}
	if len([]rune(title)) > card.MaxTitle {
		rest = in.Text
	}
	for rest = strings.TrimRight(strings.TrimLeft(rest, "\n"), "\n "); rest != ""; {
		part := []rune(rest)
		if len(part) > card.MaxText {
			part = part[:card.MaxText]
			if line := strings.LastIndexByte(string(part), '\n'); line > 0 { // no line is cut in two
				part = []rune(string(part)[:line+1])
			}
		}
		c.Blocks = append(c.Blocks, card.Block{Text: string(part)})
		rest = rest[len(string(part)):]
	}
	c = withButtons(e.withPicture(c, in.Picture), in.Buttons)
	if in.Person != "" {
		c.Mentions = []string{string(in.Person)}
	}
	_, err := e.post(ctx, r.Key, in.To, c, lost, e.sinceOf(r, r.Epoch, r.After))
	if errs.Is(err, errs.Gone) {
		err = e.replyAlone(ctx, r, in, c, lost)
	}
	return action.Values{}, err
}

// replyAlone gives a person the answer to what was said where the bot cannot write, such as a command in a
// channel that it is no member of, where the person is alone with it, and says where it was said. Where the
// chat can open such a place for an account, somebody who is not known gets it too.
func (e *Engine) replyAlone(ctx context.Context, r *effectRecord, in replyIn, c card.Card, lost bool) error {
	places := e.alone(in.Person)
	place, err := e.openAlone(ctx, in, places)
	if err != nil {
		return err
	}
	if place != (Place{}) {
		places = append(places, place)
	}
	if slices.Contains(places, in.To.Place) {
		return nil // the other places of the person get it by themselves
	}
	c.Blocks = append(c.Blocks, card.Block{Text: fmt.Sprintf("You said that on %s, in %s, where I cannot write. Whoever may add me there can change that.", in.To.Place.Source, in.To.Place.ID)})
	for _, place := range places {
		c.Key = short(r.Key + "\x00" + place.Source + "\x00" + place.ID)
		if _, err := e.post(ctx, c.Key, Ref{Place: place}, c, lost, e.sinceOf(r, r.Epoch, r.After)); err != nil && !errs.Is(err, errs.Gone) {
			return err
		}
	}
	return nil
}

// openAlone opens the place where the account that is answered is alone with the bot, unless one of that
// chat is known already. The zero Place: there is none.
func (e *Engine) openAlone(ctx context.Context, in replyIn, known []Place) (Place, error) {
	source := in.To.Place.Source
	chat, can := e.cfg.Posters[source].(Aloner)
	if !can || in.Account == "" || slices.ContainsFunc(known, func(p Place) bool { return p.Source == source }) {
		return Place{}, nil
	}
	place, err := chat.Alone(ctx, people.Account{Source: source, ID: in.Account})
	if errs.Is(err, errs.Gone) || errs.Is(err, errs.Denied) {
		return Place{}, nil
	}
	return place, err
}

// remind tells those that a step waits for, in the card's thread.
func (e *Engine) remind(ctx context.Context, r *effectRecord, in action.Values, lost bool) (action.Values, error) {
	l, err := e.load(ctx, r.Run)
	if err != nil {
		return nil, err
	}
	s := l.state
	c := card.Card{Title: clip(fmt.Sprintf("%s waits: %s", s.Name, r.Step), card.MaxTitle)}
	if list, ok := in["persons"].([]any); ok {
		for _, p := range list {
			if name, ok := p.(string); ok {
				c.Mentions = append(c.Mentions, name)
			}
		}
	}
	if why := text(in, "why", "text", "what"); why != "" {
		c.Blocks = []card.Block{{Text: clip(why, card.MaxText)}}
	}
	var last error
	for _, place := range e.places(s) {
		thread, err := e.showCard(ctx, l, place)
		if err == nil {
			c.Key = short("remind\x00" + r.Key + "\x00" + place.Source + "\x00" + place.ID)
			_, err = e.post(ctx, c.Key, Ref{Place: place, Thread: thread}, c, lost, e.sinceOf(r, l.rec.Epoch, r.After))
		}
		if err != nil && !errs.Is(err, errs.Gone) {
			last = err
		}
	}
	return action.Values{}, last
}

// votesOn reads a message and makes votes of its reactions. A reaction that stood before keeps its time.
func (e *Engine) votesOn(ctx context.Context, ref Ref, digest string, known []gate.Vote) ([]gate.Vote, error) {
	poster := e.cfg.Posters[ref.Place.Source]
	if poster == nil {
		return nil, errs.E("engine.reactions", errs.Unavailable, errors.New("the chat "+ref.Place.Source+" is not configured"))
	}
	reactions, err := poster.Reactions(ctx, ref)
	if errs.Is(err, errs.Conflict) {
		e.altered(ctx, ref)
	}
	if err != nil {
		return nil, err
	}
	dir := e.World().Directory
	votes := []gate.Vote{}
	for _, re := range reactions {
		kind, ok := e.cfg.Votes[re.Emoji]
		if !ok {
			continue
		}
		v := gate.Vote{Kind: kind, Account: re.Account, Message: ref.String(), At: e.now()}
		v.Manifest = manifestDigest(digest)
		if p, ok := dir.ByAccount(re.Account); ok {
			v.Person = p.ID
		}
		for _, k := range known {
			if k.Message == v.Message && k.Kind == v.Kind && k.Account.Source == v.Account.Source && k.Account.ID == v.Account.ID {
				v.At = k.At
			}
		}
		votes = append(votes, v)
	}
	return votes, nil
}

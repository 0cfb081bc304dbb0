package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"slipway/bot/action"
	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/bot/gate"
	"slipway/bot/run"
)

// places are where a run is shown. A private run is shown nowhere until it is opened.
func (e *Engine) places(s *run.State) []Place {
	p, ok := e.cfg.Projects.Project(s.Project)
	if !ok || s.Private {
		return nil
	}
	var out []Place
	for _, place := range p.Places {
		if e.cfg.Posters[place.Source] != nil {
			out = append(out, place)
		}
	}
	return out
}

// post posts once: a post that may have been lost is looked for first.
func (e *Engine) post(ctx context.Context, key string, to Ref, c card.Card, lost bool) (Ref, error) {
	poster := e.cfg.Posters[to.Place.Source]
	if poster == nil {
		return Ref{}, errs.E("engine.post", errs.Gone, fmt.Errorf("the chat %s is not configured", to.Place.Source))
	}
	if lost {
		ref, found, err := poster.Find(ctx, key, to)
		if err != nil || found {
			return ref, err
		}
	}
	return poster.Post(ctx, key, to, c)
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
	var gone error
	for _, place := range e.places(l.state) {
		index := id(digest, r.Run, r.Step, place.Source, place.ID)
		if old, err := e.cfg.Store.Get(ctx, Key{spGates, index}); err != nil {
			return nil, err
		} else if old != nil {
			messages = append(messages, Ref{Place: place, Message: string(old)}.String())
			continue
		}
		thread, err := e.showCard(ctx, l, place)
		if err != nil && !errs.Is(err, errs.Gone) {
			return nil, err
		}
		key := short("gate\x00" + digest + "\x00" + r.Run + "\x00" + r.Step + "\x00" + place.Source + "\x00" + place.ID)
		ref, err := e.post(ctx, key, Ref{Place: place, Thread: thread}, e.gateCard(l, r.Step, key, in, ""), lost)
		if errs.Is(err, errs.Gone) {
			gone = err
			continue
		}
		if err != nil {
			return nil, err
		}
		ref.Place = place
		b := newBatch()
		b.put(spGates, index, []byte(ref.Message))
		b.put(spMessages, ref.String(), encode(messageRecord{Run: r.Run, Step: r.Step, Manifest: digest, Thread: thread}))
		if err := e.commit(ctx, "message", b); err != nil {
			return nil, err
		}
		messages = append(messages, ref.String())
		// A reaction may have come before we knew that the message is ours.
		if err := e.touched(ctx, ref); err != nil {
			return nil, err
		}
	}
	if len(messages) == 0 && gone != nil {
		return nil, gone
	}
	return action.Values{"messages": messages}, nil
}

// gateCard is the gate message as it should read. ended is how it ended, "" while it is open.
func (e *Engine) gateCard(l *live, step, key string, in action.Values, ended string) card.Card {
	s := l.state
	g := card.GateMessage{Key: key, RunName: s.Name, Gate: step, Manifest: text(in, "digest"), Rule: text(in, "rule"), State: card.Waiting, Closed: ended}
	st := s.Steps[step]
	if st != nil && st.Gate != nil && string(st.Gate.Digest) == g.Manifest {
		g.Rule, g.Expires = st.Gate.Manifest.Rule, st.Gate.Manifest.Expires
		for _, b := range st.Gate.Manifest.Binds {
			g.Bound = append(g.Bound, card.Field{Name: b.Name, Value: shown(b.Value)})
		}
	}
	if say := text(in, "say"); say != "" {
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
	return g.Card()
}

// shown is a bound value for people: text without its JSON quotes, clipped.
func shown(value string) string {
	v, err := action.Decode([]byte(value))
	if s, ok := v.(string); err == nil && ok {
		value = s
	}
	return clip(value, 1500)
}

// editGate says on the messages of a manifest how it ended.
func (e *Engine) editGate(ctx context.Context, r *effectRecord, in action.Values) (action.Values, error) {
	l, err := e.load(ctx, r.Run)
	if err != nil {
		return nil, err
	}
	digest := text(in, "digest")
	prefix := id(digest, r.Run, r.Step) + sep
	var refs []Ref
	err = e.cfg.Store.Scan(ctx, spGates, prefix, after(prefix), false, func(k string, message []byte) bool {
		if parts := splitID(k); len(parts) == 5 {
			refs = append(refs, Ref{Place: Place{parts[3], parts[4]}, Message: string(message)})
		}
		return true
	})
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
	for _, ref := range refs {
		poster := e.cfg.Posters[ref.Place.Source]
		if poster == nil {
			continue
		}
		key := short("gate\x00" + digest + "\x00" + r.Run + "\x00" + r.Step + "\x00" + ref.Place.Source + "\x00" + ref.Place.ID)
		if err := poster.Edit(ctx, ref, e.gateCard(l, r.Step, key, in, ended)); err != nil && !errs.Is(err, errs.Gone) {
			return nil, err
		}
	}
	return action.Values{}, nil
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
	for rest = strings.TrimSpace(rest); rest != ""; {
		part := []rune(rest)
		if len(part) > card.MaxText {
			part = part[:card.MaxText]
		}
		c.Blocks = append(c.Blocks, card.Block{Text: string(part)})
		rest = rest[len(string(part)):]
	}
	if in.Person != "" {
		c.Mentions = []string{string(in.Person)}
	}
	_, err := e.post(ctx, r.Key, in.To, c, lost)
	if errs.Is(err, errs.Gone) {
		err = nil // nobody is there to be told
	}
	return action.Values{}, err
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
			_, err = e.post(ctx, c.Key, Ref{Place: place, Thread: thread}, c, lost)
		}
		if err != nil && !errs.Is(err, errs.Gone) {
			last = err
		}
	}
	return action.Values{}, last
}

// BroadcastIn is what chat.broadcast@1 takes.
type BroadcastIn struct {
	Title string `cel:"title" json:"title" doc:"one line"`
	Text  string `cel:"text,optional" json:"text,omitempty" doc:"the rest"`
	Link  string `cel:"link,optional" json:"link,omitempty" doc:"a page with more"`
}

// BroadcastOut is what it gives.
type BroadcastOut struct {
	Places int `cel:"places" json:"places" doc:"channels that were told"`
}

// broadcast tells each place of the project once.
func (e *Engine) broadcast(ctx context.Context, r *effectRecord, in action.Values, lost bool) (action.Values, error) {
	l, err := e.load(ctx, r.Run)
	if err != nil {
		return nil, err
	}
	told := int64(0)
	for _, place := range e.places(l.state) {
		b := card.Broadcast{Key: short("broadcast\x00" + r.Key + "\x00" + place.Source + "\x00" + place.ID),
			Title: clip(text(in, "title"), card.MaxTitle), Text: clip(text(in, "text"), card.MaxText)}
		if link := text(in, "link"); link != "" {
			b.Links = []card.Link{{Text: link, URL: link}}
		}
		// Each place is told on its own, so after a try that failed all are looked for.
		if _, err := e.post(ctx, b.Key, Ref{Place: place}, b.Card(), lost); err != nil {
			if errs.Is(err, errs.Gone) {
				continue
			}
			return nil, err
		}
		told++
	}
	return action.Values{"places": told}, nil
}

// votesOn reads a message and makes votes of its reactions. A reaction that stood before keeps its time.
func (e *Engine) votesOn(ctx context.Context, ref Ref, digest string, known []gate.Vote) ([]gate.Vote, error) {
	poster := e.cfg.Posters[ref.Place.Source]
	if poster == nil {
		return nil, errs.E("engine.reactions", errs.Unavailable, errors.New("the chat "+ref.Place.Source+" is not configured"))
	}
	reactions, err := poster.Reactions(ctx, ref)
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

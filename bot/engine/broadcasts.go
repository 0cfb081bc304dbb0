package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/calendar"
	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/bot/run"
	"slipway/bot/subscription"
)

// News are composed once, in the commit of what they are about. From there an effect spreads them:
// for each subscriber a receipt, and a parcel that is sent now or a place in a digest. A parcel is
// one message to one subscriber; each has an effect of its own, and remembers what it shows, so that
// a correction reaches each of them once.

// newsRecord is what is told, whole.
type newsRecord struct {
	subscription.Item
	Told    bool `json:"told,omitempty"`    // the channels of the project's configuration are told too
	ByStep  bool `json:"by_step,omitempty"` // and the step that tells them does so itself
	Correct int  `json:"correct,omitempty"` // corrections that were spread
}

// newsKey names news for good: short enough to be typed.
func newsKey(parts ...string) string { return short("news\x00" + strings.Join(parts, "\x00"))[:12] }

// putNews adds news to a commit, and the effect that spreads them.
func (e *Engine) putNews(ctx context.Context, b *batch, r newsRecord) error {
	n := &r.News
	n.At = e.now()
	value, err := e.pack(ctx, encode(r))
	if err != nil {
		return err
	}
	b.put(spNews, n.Key, value)
	b.put(spNewsOf, id(n.Run, stamp(n.At), n.Key), nil)
	e.putSpread(b, n.Project, n.Key, 0)
	return nil
}

// putSpread adds the effect that tells subscribers of news, or of the correction of that number.
func (e *Engine) putSpread(b *batch, project, key string, correction int) {
	now := e.now()
	r := effectRecord{Key: fmt.Sprintf("spread-%s-%d", key, correction), Project: project, Action: actSpread, After: now, Boot: e.boot,
		Epoch: e.world.epoch, Inputs: string(encode(map[string]any{"key": key, "correction": correction}))}
	b.intend(id(stamp(now), r.Key), encode(r))
}

// news adds what the events of a commit mean to subscribers. Of a private run nothing is composed,
// and what nobody subscribed to is not either.
func (w *writer) news() error {
	s := w.d.After
	if s.Private {
		return nil
	}
	for i, ev := range w.d.Events {
		n, once := w.newsOf(ev.Body)
		if n.Kind == "" {
			continue
		}
		n.Project, n.Family, n.Run, n.Name, n.At = s.Project, w.book.Name, s.ID, s.Name, w.e.now()
		told := n.Kind == subscription.Opened
		if !told && !w.e.anybody(n) {
			continue
		}
		if once == "" {
			once = fmt.Sprint(w.rec.Seq, ".", i)
		}
		n.Key = newsKey(s.ID, string(n.Kind), once)
		r := newsRecord{Item: subscription.Item{News: n}, Told: told}
		if old, err := w.e.cfg.Store.Get(w.ctx, Key{spNews, n.Key}); err != nil {
			return err
		} else if old != nil {
			continue
		}
		if err := w.e.putNews(w.ctx, w.b, r); err != nil {
			return err
		}
	}
	return nil
}

// newsOf is what one event means to subscribers; a zero Kind: nothing. News with the same once are
// told once in a run.
func (w *writer) newsOf(body run.Body) (n subscription.News, once string) {
	s := w.d.After
	list := func(path string) string { before, _, _ := strings.Cut(path, "["); return before }
	switch ev := body.(type) {
	case run.Started:
		n = subscription.News{Kind: subscription.Started, Severity: subscription.Info, Title: s.Name + " has begun"}
		if s.Requester != "" {
			n.Text = "Asked for by " + string(s.Requester) + "."
		}
		once = "begun"
	case run.GateOpened:
		n = subscription.News{Kind: subscription.Gate, Severity: subscription.Info, Title: s.Name + ": the gate " + ev.Step + " asks for approval"}
		once = ev.Step + "\x00" + string(ev.Digest)
	case run.EffectIntended:
		if ev.Action != run.Remind {
			break
		}
		n = subscription.News{Kind: subscription.Gate, Severity: subscription.Notice, Title: s.Name + ": " + ev.Step + " has waited for long"}
		if in, err := action.DecodeValues(ev.Inputs); err == nil {
			n.Text = text(in, "why", "text", "what")
		}
		once = "late\x00" + ev.Step
		if st := s.Steps[ev.Step]; st != nil {
			once += "\x00" + fmt.Sprint(st.Attempt)
			if st.Gate != nil {
				once += "\x00" + string(st.Gate.Digest)
			}
		}
	case run.StepStuck:
		n = subscription.News{Kind: subscription.Stuck, Severity: subscription.Warning, Title: s.Name + ": " + ev.Step + " is stuck", Text: ev.Why}
		if path := list(ev.Step); path != ev.Step { // what keeps one element keeps many
			once = path
		}
	case run.EffectEnded:
		if ev.Outcome != run.Doubtful {
			break
		}
		n = subscription.News{Kind: subscription.Doubtful, Severity: subscription.Warning,
			Title: s.Name + ": nobody can tell whether " + ev.Step + " happened", Text: ev.Message}
		if path := list(ev.Step); path != ev.Step {
			once = path
		}
	case run.Undone:
		n = subscription.News{Kind: subscription.Undone, Severity: subscription.Notice, Title: s.Name + ": " + ev.Step + " was undone"}
	case run.Finished:
		n = subscription.News{Kind: subscription.Ended, Severity: subscription.Notice, Title: s.Name + " has ended: " + ev.Outcome}
		if ev.Outcome != "done" {
			n.Severity = subscription.Warning
		}
		once = "ended"
	case run.Opened:
		n = subscription.News{Kind: subscription.Opened, Severity: subscription.Notice, Title: s.Name + " is open",
			Text: fmt.Sprintf("It was private until now. It began on %s, asked for by %s, and is %s.", card.Moment(s.Began), s.Requester, s.Status)}
		once = "opened"
	}
	return n, once
}

// freezeNews adds to a commit that a freeze was set or has ended.
func (e *Engine) freezeNews(ctx context.Context, b *batch, f calendar.Freeze, ended bool) error {
	_, project, _ := strings.Cut(f.Calendar, "/")
	n := subscription.News{Project: wide(project), Kind: subscription.Freeze, Severity: subscription.Notice, At: e.now(), Text: f.Why,
		Title: "freeze " + f.ID + " from " + card.Moment(f.From)}
	switch {
	case ended:
		n.Title = "the freeze " + f.ID + " has ended"
	case f.Until.IsZero():
		n.Title += " until it is ended"
	default:
		n.Title += " until " + card.Moment(f.Until)
	}
	if !e.anybody(n) {
		return nil
	}
	n.Key = newsKey("freeze", f.ID, stamp(n.At), fmt.Sprint(ended))
	return e.putNews(ctx, b, newsRecord{Item: subscription.Item{News: n}})
}

// anybody reports whether somebody subscribed to such news.
func (e *Engine) anybody(n subscription.News) bool {
	e.subs.mu.RLock()
	defer e.subs.mu.RUnlock()
	for _, s := range e.subs.list {
		if s.Wants(n) {
			return true
		}
	}
	return false
}

// readNews reads one record; found is false when there is none.
func (e *Engine) readNews(ctx context.Context, key string) (r newsRecord, raw []byte, found bool, err error) {
	raw, found, err = e.get(ctx, spNews, key, &r)
	return r, raw, found, err
}

// told is one subscriber who is to be told, and when.
type told struct {
	sub subscription.Subscription
	at  time.Time
}

// audience are those who are told news, each subscriber once: of several subscriptions the one that
// delivers first counts. Channels of the configuration come without an id.
func (e *Engine) audience(r newsRecord) []told {
	n := r.News
	byKey := map[string]told{}
	if p, ok := e.cfg.Projects.Project(n.Project); ok && r.Told {
		for _, place := range e.told(p) {
			s := configuredSub(place)
			byKey[s.To.Key()] = told{s, n.At}
		}
	}
	e.subs.mu.RLock()
	for _, s := range e.subs.list {
		if !s.Wants(n) {
			continue
		}
		one := told{s.Subscription, s.Rules.When(n.Severity, n.At, e.location(s.Rules.Zone))}
		had, there := byKey[s.To.Key()]
		if !there || had.sub.ID != "" && (one.at.Before(had.at) || one.at.Equal(had.at) && one.sub.ID < had.sub.ID) {
			byKey[s.To.Key()] = one
		}
	}
	e.subs.mu.RUnlock()
	out := make([]told, 0, len(byKey))
	for _, one := range byKey {
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b told) int { return strings.Compare(a.sub.To.Key(), b.sub.To.Key()) })
	return out
}

// configuredSub is the subscription of a channel that the configuration names.
func configuredSub(p Place) subscription.Subscription {
	return subscription.Subscription{To: subscription.Subscriber{Source: p.Source, Place: p.ID}}
}

// spreadBatch is how many subscribers one commit of a spread concerns.
const spreadBatch = 32

// spread gives each subscriber a receipt, and a parcel or a place in a digest. Whoever has a receipt
// was reached by an earlier try. With a correction it looks after the parcels that were sent.
func (e *Engine) spread(ctx context.Context, in action.Values) (action.Values, error) {
	key := text(in, "key")
	r, _, found, err := e.readNews(ctx, key)
	if err != nil || !found {
		return action.Values{}, err
	}
	if n, _ := in["correction"].(int64); n > 0 {
		return action.Values{}, e.spreadCorrection(ctx, key)
	}
	list := e.audience(r)
	for len(list) > 0 {
		part := list[:min(len(list), spreadBatch)]
		list = list[len(part):]
		b := newBatch()
		for _, one := range part {
			if err := e.address(ctx, b, r, one); err != nil {
				return nil, err
			}
		}
		if b.empty() {
			continue
		}
		if err := e.commit(ctx, "news", b); err != nil {
			return nil, busyIf(err)
		}
		e.wake(loopTimers)
	}
	return action.Values{}, nil
}

// busyIf makes a conflict something to be tried again.
func busyIf(err error) error {
	if errs.Is(err, errs.Conflict) {
		return errs.E("engine.tell", errs.Busy, errors.New("what is told changed meanwhile"))
	}
	return err
}

// address adds to a commit what one subscriber gets of news.
func (e *Engine) address(ctx context.Context, b *batch, r newsRecord, one told) error {
	key := id(r.News.Key, one.sub.To.Key())
	if old, err := e.cfg.Store.Get(ctx, Key{spReceipts, key}); err != nil || old != nil {
		return err
	}
	if one.sub.ID == "" && r.ByStep {
		return nil
	}
	b.guard(spReceipts, key, nil)
	if one.at.After(e.now()) {
		b.put(spReceipts, key, encode(receiptRecord{Sub: one.sub.ID, Due: one.at}))
		b.put(spDigests, id(stamp(one.at), one.sub.ID, r.News.Key), nil)
		return nil
	}
	return e.putParcel(ctx, b, one.sub, []newsRecord{r})
}

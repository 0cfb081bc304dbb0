package engine

import (
	"context"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/subscription"
)

// BroadcastIn is what chat.broadcast@1 takes.
type BroadcastIn struct {
	Title    string `cel:"title" json:"title" doc:"one line"`
	Text     string `cel:"text,optional" json:"text,omitempty" doc:"the rest"`
	Link     string `cel:"link,optional" json:"link,omitempty" doc:"a page with more"`
	Kind     string `cel:"kind,optional" json:"kind,omitempty" enum:"told,released,undone" doc:"what it is about, for those who chose; told if left out"`
	Severity string `cel:"severity,optional" json:"severity,omitempty" enum:"info,notice,warning,urgent" doc:"how much it matters; notice if left out"`
}

// BroadcastOut is what it gives.
type BroadcastOut struct {
	Places int `cel:"places" json:"places" doc:"channels of the project's configuration that were told; subscribers are told besides"`
}

// stepNews are the news that a step tells.
func stepNews(in map[string]any) subscription.News {
	n := subscription.News{Kind: subscription.Kind(text(in, "kind")), Severity: subscription.Severity(text(in, "severity")),
		Title: clip(text(in, "title"), 200), Text: clip(text(in, "text"), 3000), Link: text(in, "link")}
	if !n.Kind.Valid() {
		n.Kind = subscription.Told
	}
	if !n.Severity.Valid() {
		n.Severity = subscription.Notice
	}
	return n
}

// broadcast composes what a step tells, once, for all who subscribed, and tells the channels that the
// project's configuration names itself. A private run tells nobody, and what it would have said is
// not said later: opening it composes a message of its own.
func (e *Engine) broadcast(ctx context.Context, r *effectRecord, in action.Values, lost bool) (action.Values, error) {
	l, err := e.load(ctx, r.Run)
	if err != nil {
		return nil, err
	}
	told := int64(0)
	project, ok := e.cfg.Projects.Project(l.state.Project)
	if !ok || l.state.Private {
		return action.Values{"places": told}, nil
	}
	n := stepNews(in)
	n.Key, n.Project, n.Run, n.Name = newsKey("broadcast", r.Key), l.state.Project, l.state.ID, l.state.Name
	if l.name != nil {
		n.Family = l.name.Family
	}
	if err := e.composeOnce(ctx, newsRecord{Item: subscription.Item{News: n}, Told: true, ByStep: true}); err != nil {
		return nil, err
	}
	for _, place := range e.told(project) {
		// Each place is told on its own, so after a try that failed all are looked for.
		key := short("broadcast\x00" + r.Key + "\x00" + place.Source + "\x00" + place.ID)
		reached, err := e.tellPlace(ctx, n.Key, key, place, lost, e.sinceOf(r, l.rec.Epoch, r.After))
		if err != nil {
			return nil, err
		}
		if reached {
			told++
		}
	}
	return action.Values{"places": told}, nil
}

// composeOnce commits news that no other commit brings, unless they are there.
func (e *Engine) composeOnce(ctx context.Context, r newsRecord) error {
	if old, err := e.cfg.Store.Get(ctx, Key{spNews, r.News.Key}); err != nil || old != nil {
		return err
	}
	b := newBatch()
	b.guard(spNews, r.News.Key, nil)
	if err := e.putNews(ctx, b, r); err != nil {
		return err
	}
	if err := e.commit(ctx, "news", b); err != nil && !errs.Is(err, errs.Conflict) {
		return err
	}
	return nil
}

// tellPlace posts news in one channel of the configuration, once, and writes the receipt.
func (e *Engine) tellPlace(ctx context.Context, newsKey, postKey string, place Place, lost bool, since time.Time) (reached bool, err error) {
	s := configuredSub(place)
	parcel := short("parcel\x00" + newsKey + "\x00" + s.To.Key())
	var p parcelRecord
	if _, found, err := e.get(ctx, spParcels, parcel, &p); err != nil || found {
		return p.State == isSent, err
	}
	r, _, _, err := e.readNews(ctx, newsKey)
	if err != nil {
		return false, err
	}
	c := subscription.Post([]subscription.Item{r.Item}, e.setting(s))
	c.Key = postKey
	ref, err := e.post(ctx, c.Key, Ref{Place: place}, c, lost, since)
	p = parcelRecord{To: s.To, Place: place, Keys: []string{newsKey}, State: isSent, Begun: e.now(), At: e.now(), Message: ref.String(),
		Post: postKey, Shown: map[string]int{newsKey: len(r.Corrections)}}
	switch {
	case errs.Is(err, errs.Gone):
		p.State, p.Message, p.Why = isFailed, "", errs.Text(err)
	case err != nil:
		return false, err
	case lost: // what was found may show less
		p.Shown[newsKey] = 0
	}
	for range decideTries {
		b := newBatch()
		b.guard(spParcels, parcel, nil)
		b.put(spReceipts, id(newsKey, s.To.Key()), encode(receiptRecord{Parcel: parcel}))
		if err := e.catchUp(ctx, b, parcel, p); err != nil {
			return false, err
		}
		if err = e.commit(ctx, "news/place", b); !errs.Is(err, errs.Conflict) {
			break
		}
	}
	return p.State == isSent, busyIf(err)
}

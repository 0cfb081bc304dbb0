package engine

import (
	"context"
	"errors"
	"slices"
	"time"

	"slipway/bot/errs"
	"slipway/bot/subscription"
)

// digestMost bounds the news of one message.
const digestMost = 100

// digestsDue sends what waited for the hour of a digest or the end of quiet hours: all that waits
// for one subscriber at one time in one message. Nothing is sent where nothing waits. next is when
// the first of the others is due.
func (e *Engine) digestsDue(ctx context.Context) (did bool, next time.Time, err error) {
	now := e.now()
	var keys []string // of one message
	var at, subID string
	err = e.cfg.Store.Scan(ctx, spDigests, "", "", false, func(k string, _ []byte) bool {
		if len(keys) == 0 {
			if due := stampTime(k); due.After(now) {
				next = due
				return false
			}
			parts := splitID(k)
			at, subID = parts[0], parts[1]
		}
		parts := splitID(k)
		if parts[0] != at || parts[1] != subID {
			return false
		}
		keys = append(keys, parts[2])
		return len(keys) < digestMost
	})
	if err != nil || len(keys) == 0 {
		return false, next, err
	}
	if err := e.sendDigest(ctx, at, subID, keys); err != nil && !errs.Is(err, errs.Conflict) {
		return false, time.Time{}, err
	}
	return true, time.Time{}, nil
}

// sendDigest turns what waits into a parcel. When the bot was away and it is quiet again by now, it
// waits on.
func (e *Engine) sendDigest(ctx context.Context, at, subID string, keys []string) error {
	s, ok := e.sub(subID)
	b := newBatch()
	for _, key := range keys {
		b.guard(spDigests, id(at, subID, key), []byte{})
		b.del(spDigests, id(at, subID, key))
	}
	var list []newsRecord
	for _, key := range keys {
		r, _, found, err := e.readNews(ctx, key)
		if err != nil {
			return err
		}
		var receipt receiptRecord
		if ok && found {
			if _, _, err := e.get(ctx, spReceipts, id(key, s.To.Key()), &receipt); err != nil {
				return err
			}
		}
		if found && receipt.Parcel == "" { // else it was told by another way meanwhile
			list = append(list, r)
		}
	}
	slices.SortStableFunc(list, func(a, b newsRecord) int { return a.News.At.Compare(b.News.At) })
	switch {
	case !ok || !s.Active():
		if err := e.dropReceipts(ctx, b, subID, keys); err != nil {
			return err
		}
	case len(list) == 0:
	default:
		if open := s.Rules.Open(e.now(), e.location(s.Rules.Zone)); open.After(e.now()) {
			for _, r := range list {
				b.put(spDigests, id(stamp(open), subID, r.News.Key), nil)
				b.put(spReceipts, id(r.News.Key, s.To.Key()), encode(receiptRecord{Sub: subID, Due: open}))
			}
			break
		}
		if err := e.putParcel(ctx, b, s.Subscription, list); err != nil {
			return err
		}
	}
	return e.commit(ctx, "digest", b)
}

// dropReceipts says on the receipts of a subscription that ended that nothing was sent.
func (e *Engine) dropReceipts(ctx context.Context, b *batch, subID string, keys []string) error {
	for _, key := range keys {
		var bad error
		err := e.cfg.Store.Scan(ctx, spReceipts, key+sep, after(key+sep), false, func(k string, value []byte) bool {
			var r receiptRecord
			bad = decode("receipts/"+k, value, &r)
			if r.Sub == subID && r.Parcel == "" {
				b.put(spReceipts, k, encode(receiptRecord{Sub: subID, Due: r.Due, Why: "the subscription has ended"}))
			}
			return bad == nil
		})
		if err = errors.Join(err, bad); err != nil {
			return err
		}
	}
	return nil
}

// Reached is one subscriber of a preview: who would be told, when, and how it would read.
type Reached struct {
	Subscription subscription.Subscription // without an id: a channel that the configuration names
	At           time.Time
	Whole        string // subject and text as they would be sent; "" when nothing can be
	Why          string // nothing can be sent
}

// Preview says who would be told news at this moment, and sends nothing.
func (e *Engine) Preview(n subscription.News, configured bool) []Reached {
	n.At = e.now()
	r := newsRecord{Item: subscription.Item{News: n}, Told: configured}
	var out []Reached
	for _, one := range e.audience(r) {
		p := Reached{Subscription: one.sub, At: one.at}
		_, mail, why := e.way(one.sub, n.Project)
		p.Why = why
		if mail != "" {
			letter := subscription.Mail(one.sub, []subscription.Item{r.Item}, e.setting(one.sub))
			p.Whole = "Subject: " + letter.Subject + "\n\n" + letter.Body
		}
		out = append(out, p)
	}
	return out
}

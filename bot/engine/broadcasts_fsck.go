package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"slipway/bot/errs"
)

// keepNews is how long it is kept what was told, and to whom.
const keepNews = 400 * 24 * time.Hour

// keepUnconfirmed is how long a subscription waits for its addressee to agree.
const keepUnconfirmed = 30 * 24 * time.Hour

// fsckNews compares what is told with its indexes, receipts and messages, both ways.
func (e *Engine) fsckNews(ctx context.Context, problem func(string)) error {
	known := map[string]map[string]bool{}
	for _, space := range []string{spNews, spParcels, spOutbox, spSubs} {
		known[space] = map[string]bool{}
		err := e.cfg.Store.Scan(ctx, space, "", "", false, func(k string, _ []byte) bool {
			if space == spOutbox {
				k = splitID(k)[1]
			}
			known[space][k] = true
			return true
		})
		if err != nil {
			return err
		}
	}
	listed := map[string]bool{}
	each := func(space string, visit func(k string, value []byte)) error {
		return e.cfg.Store.Scan(ctx, space, "", "", false, func(k string, value []byte) bool { visit(k, value); return true })
	}
	missing := func(what, k, of string) {
		problem(fmt.Sprintf("the record %s/%s names %s, which does not exist", what, k, of))
	}
	waits := map[string]bool{}
	err := errors.Join(
		each(spNewsOf, func(k string, _ []byte) {
			parts := splitID(k)
			if listed[parts[len(parts)-1]] = true; !known[spNews][parts[len(parts)-1]] {
				missing(spNewsOf, k, "news")
			}
		}),
		each(spDigests, func(k string, _ []byte) {
			parts := splitID(k)
			if waits[id(parts[2], parts[1])] = true; !known[spNews][parts[2]] {
				missing(spDigests, k, "news")
			}
		}),
		each(spReceipts, func(k string, value []byte) {
			var r receiptRecord
			news := splitID(k)[0]
			switch {
			case decode("receipts/"+k, value, &r) != nil:
				problem(fmt.Sprintf("the record receipts/%s does not read back", k))
			case !known[spNews][news]:
				missing(spReceipts, k, "news")
			case r.Parcel != "" && !known[spParcels][r.Parcel]:
				missing(spReceipts, k, "a message")
			case r.Parcel == "" && r.Why == "" && !waits[id(news, r.Sub)]:
				problem(fmt.Sprintf("the receipt %s waits, and nothing sends it", k))
			}
		}),
		each(spParcels, func(k string, value []byte) {
			var p parcelRecord
			body, err := e.unpack(ctx, value)
			switch {
			case err != nil || decode("parcels/"+k, body, &p) != nil:
				problem(fmt.Sprintf("the record parcels/%s does not read back", k))
			case p.Pending != "" && !known[spOutbox][p.Pending]:
				problem(fmt.Sprintf("the message %s waits for an effect that does not exist", k))
			case p.Pending == "" && p.State == isSending:
				problem(fmt.Sprintf("the message %s is to be sent, and nothing sends it", k))
			}
		}))
	for key := range known[spNews] {
		if !listed[key] {
			problem(fmt.Sprintf("the record news/%s is in no list", key))
		}
	}
	return err
}

// sweepNews forgets what was told long ago, and requests that nobody agreed to. It reports how many
// records went.
func (e *Engine) sweepNews(ctx context.Context) (int, error) {
	old := e.now().Add(-keepNews)
	total := 0
	type row struct{ k, key string }
	for {
		var rows []row
		err := e.cfg.Store.Scan(ctx, spNewsOf, "", "", false, func(k string, _ []byte) bool {
			parts := splitID(k)
			if n := len(parts); stampTime(parts[n-2]).Before(old) {
				rows = append(rows, row{k, parts[n-1]})
			}
			return len(rows) < sweepBatch
		})
		if err != nil {
			return total, err
		}
		for _, r := range rows {
			n, err := e.forget(ctx, r.k, r.key)
			if err != nil {
				return total, err
			}
			total += n
		}
		if len(rows) < sweepBatch {
			break
		}
	}
	n, err := e.sweepParcels(ctx, old)
	if total += n; err != nil {
		return total, err
	}
	for _, s := range e.Subscriptions() {
		if s.Confirmed.IsZero() && s.Added.Before(e.now().Add(-keepUnconfirmed)) {
			if one, ok := e.sub(s.ID); ok {
				if err := e.endSub(ctx, one, Once{}); err != nil && !errs.Is(err, errs.Conflict) {
					return total, err
				}
				total++
			}
		}
	}
	return total, nil
}

// sweepParcels removes the messages of before old that went with no news: those that asked an
// addressee, and those that were still on their way when their news were forgotten.
func (e *Engine) sweepParcels(ctx context.Context, old time.Time) (total int, err error) {
	for from := ""; ; {
		b := newBatch()
		var bad error
		err := e.cfg.Store.Scan(ctx, spParcels, from, "", false, func(k string, value []byte) bool {
			var p parcelRecord
			body, err := e.unpack(ctx, value)
			if err == nil {
				err = decode("parcels/"+k, body, &p)
			}
			if bad = err; bad == nil && p.Pending == "" && p.Begun.Before(old) {
				b.guard(spParcels, k, value)
				b.del(spParcels, k)
			}
			from = k + "\x00"
			return bad == nil && len(b.writes) < sweepBatch
		})
		if err = errors.Join(err, bad); err != nil || b.empty() {
			return total, err
		}
		switch err := e.commit(ctx, "sweep", b); {
		case err == nil:
			total += len(b.writes)
		case !errs.Is(err, errs.Conflict): // else one of them is being corrected: the next sweep takes them
			return total, err
		}
	}
}

// forget removes one piece of news with its receipts, and the messages that told nothing younger.
func (e *Engine) forget(ctx context.Context, listing, key string) (int, error) {
	b := newBatch()
	b.del(spNewsOf, listing)
	b.del(spNews, key)
	var parcels []string
	var bad error
	err := e.cfg.Store.Scan(ctx, spReceipts, key+sep, after(key+sep), false, func(k string, value []byte) bool {
		var r receiptRecord
		bad = decode("receipts/"+k, value, &r)
		b.del(spReceipts, k)
		if r.Parcel != "" {
			parcels = append(parcels, r.Parcel)
		} else if r.Why == "" {
			b.del(spDigests, id(stamp(r.Due), r.Sub, key))
		}
		return bad == nil
	})
	if err = errors.Join(err, bad); err != nil {
		return 0, err
	}
	for _, parcel := range parcels {
		var p parcelRecord
		_, found, err := e.get(ctx, spParcels, parcel, &p)
		if err != nil {
			return 0, err
		}
		// The news of one message are of about the same time, so the last of them takes it along.
		if found && p.Pending == "" && (len(p.Keys) == 1 || slices.Index(p.Keys, key) == len(p.Keys)-1) {
			b.del(spParcels, parcel)
		}
	}
	n := len(b.writes)
	return n, e.commit(ctx, "sweep", b)
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/subscription"
)

// maxFailures is how often in a row a subscriber may be out of reach before nothing more is sent.
const maxFailures = 3

// maxCorrections bounds what can be said later about one piece of news.
const maxCorrections = 20

// Correct says what is wrong in news that were told, once: chats show it in the message that they
// have, addresses get a mail of their own, and what was not sent yet is sent with it. Errors:
// [errs.NotFound], [errs.Denied] for a person who is not of the project, [errs.Invalid].
func (e *Engine) Correct(ctx context.Context, key, text string, by people.PersonID, once Once) (subscription.News, error) {
	const op = "engine.correct"
	text = strings.TrimSpace(text)
	for range decideTries {
		r, raw, found, err := e.readNews(ctx, key)
		if err != nil {
			return r.News, err
		}
		if !found {
			return r.News, errs.E(op, errs.NotFound, fmt.Errorf("nothing was told under %s", key)).Hint("`receipts RUN` and `broadcast list` show the keys")
		}
		w := e.World()
		if err := subscription.MaySpeak(w.Directory, by, r.News.Project, w.Now); err != nil {
			return r.News, err
		}
		if text == "" || len(r.Corrections) >= maxCorrections {
			return r.News, errs.E(op, errs.Invalid, fmt.Errorf("a correction has a text, and there are at most %d of one message", maxCorrections)).
				Hint("say what is right in a message of its own")
		}
		r.Corrections = append(r.Corrections, subscription.Correction{Text: clip(text, 1000), By: by, At: w.Now})
		b := newBatch()
		b.guard(spNews, key, raw)
		if err := e.putRecord(ctx, b, spNews, key, r); err != nil {
			return r.News, err
		}
		e.onceIn(b, once)
		e.putSpread(b, r.News.Project, key, len(r.Corrections))
		if err = e.commitSub(ctx, b, once); !errs.Is(err, errs.Conflict) {
			return r.News, err
		}
	}
	return subscription.News{}, errs.E(op, errs.Conflict, errors.New("others are correcting it now")).Hint("Try again.")
}

// spreadCorrection looks after every message with these news that does not show what was corrected.
func (e *Engine) spreadCorrection(ctx context.Context, key string) error {
	var parcels []string
	var bad error
	err := e.cfg.Store.Scan(ctx, spReceipts, key+sep, after(key+sep), false, func(k string, value []byte) bool {
		var r receiptRecord
		bad = decode("receipts/"+k, value, &r)
		if r.Parcel != "" {
			parcels = append(parcels, r.Parcel)
		}
		return bad == nil
	})
	if err = errors.Join(err, bad); err != nil {
		return err
	}
	for _, parcel := range parcels {
		var p parcelRecord
		raw, found, err := e.get(ctx, spParcels, parcel, &p)
		if err != nil {
			return err
		}
		if !found || p.State != isSent || p.Pending != "" {
			continue // it is looked after when what is under way has ended
		}
		b := newBatch()
		b.guard(spParcels, parcel, raw)
		if err := e.catchUp(ctx, b, parcel, p); err != nil {
			return err
		}
		if len(b.rows) == 0 {
			continue
		}
		if err := e.commit(ctx, "news/correct", b); err != nil {
			return busyIf(err)
		}
	}
	return nil
}

// catchUp adds the parcel to a commit, with the effect of the next correction that it does not show.
// The commit holds only if nothing was corrected meanwhile.
func (e *Engine) catchUp(ctx context.Context, b *batch, parcel string, p parcelRecord) error {
	s, ok := e.subFor(p)
	if p.State == isSent {
		list, raws, err := e.content(ctx, p)
		if err != nil {
			return err
		}
		for _, r := range list {
			key := r.News.Key
			b.guard(spNews, key, raws[key])
			shown := p.Shown[key]
			if shown >= len(r.Corrections) || p.Pending != "" {
				continue
			}
			if p.Mail == "" {
				return e.guardAll(b, raws, e.putPost(ctx, b, parcel, p, r.News.Project, actEditNews))
			}
			if !ok || !s.Active() {
				p.Shown[key] = len(r.Corrections) // who unsubscribed gets no mail any more
				continue
			}
			p.Fixing = key
			n := len(r.Corrections)
			letter := subscription.Amend(s, r.News, r.Corrections[shown:], e.setting(s))
			messageID := e.messageID(fmt.Sprintf("correction%d-%s", n, key), parcel, r.News.Project)
			more := map[string]any{"In-Reply-To": "<" + p.IDs[0] + ">", "References": references(p.IDs)}
			p.IDs = append(p.IDs, messageID)
			return e.guardAll(b, raws, e.putMail(ctx, b, parcel, p, s, r.News.Project, letter, messageID, more))
		}
	}
	return e.putRecord(ctx, b, spParcels, parcel, p)
}

// guardAll guards a commit by all news that it was made of.
func (e *Engine) guardAll(b *batch, raws map[string][]byte, err error) error {
	for key, raw := range raws {
		b.guard(spNews, key, raw)
	}
	return err
}

// references names the mails of a thread: the first, and as many of the last as fit (RFC 5322 §3.6.4).
func references(ids []string) string {
	text := "<" + ids[0] + ">"
	for _, one := range ids[max(1, len(ids)-4):] {
		text += " <" + one + ">"
	}
	return text
}

// correctionOf is the number of the correction that a mail brings, from its Message-ID.
func correctionOf(r *effectRecord) int64 {
	in, err := action.DecodeValues([]byte(r.Inputs))
	if err != nil {
		return 0
	}
	number, _, _ := strings.Cut(strings.TrimPrefix(text(in, "message_id"), "correction"), "-")
	n, _ := strconv.ParseInt(number, 10, 64)
	return n
}

// judge draws the consequences of how a first message ended: a subscriber who is out of reach again
// and again is given up, and whoever made the subscription is told.
func (e *Engine) judge(ctx context.Context, b *batch, r *effectRecord, p parcelRecord) (after func(), err error) {
	s, ok := e.sub(p.Sub)
	next := s.Subscription
	switch {
	case p.State == isSent && ok && s.Failures > 0:
		next.Failures = 0
	case p.State == isFailed && ok:
		next.Failures++
		if next.Failures >= maxFailures || len(p.Keys) == 0 {
			next.GivenUp = clip(p.Why, 300)
		}
	case p.State == isFailed || p.State == isDoubtful:
	default:
		return nil, nil
	}
	if p.State != isSent {
		if err := e.tellTrouble(ctx, b, r, p, next); err != nil {
			return nil, err
		}
	}
	if !ok || next.Failures == s.Failures && next.GivenUp == s.GivenUp {
		return nil, nil
	}
	value := encode(next)
	b.guard(spSubs, s.ID, s.raw)
	b.put(spSubs, s.ID, value)
	return func() { e.setSub(next.ID, &next, value) }, nil
}

// tellTrouble tells whoever made the subscription, or else the project's channel, that a subscriber
// could not be reached, or that nobody can tell.
func (e *Engine) tellTrouble(ctx context.Context, b *batch, r *effectRecord, p parcelRecord, s subscription.Subscription) error {
	var places []Place
	if e.cfg.Direct != nil && s.By != "" {
		places = e.cfg.Direct(s.By)
	}
	who := p.To.String()
	project, known := e.cfg.Projects.Project(r.Project)
	if len(places) == 0 && known { // others read there
		places, who = project.Places, subscription.Masked(who)
	}
	if len(places) == 0 {
		return nil
	}
	what := "the mail that asks it to confirm"
	if len(p.Keys) > 0 {
		what = "news " + strings.Join(p.Keys[:min(3, len(p.Keys))], ", ")
	}
	in := noticeIn{Places: places, Title: who + " could not be told", Text: what + ": " + p.Why}
	if p.State == isDoubtful {
		in.Title = "nobody can tell whether " + who + " was told"
		if len(p.Keys) > 0 {
			in.Text += fmt.Sprintf("\nLook, and say: broadcast settle %s %s sent, or again", p.Keys[0], strings.Replace(p.To.Key(), p.To.String(), who, 1))
		}
	}
	if s.GivenUp != "" {
		in.Text += fmt.Sprintf("\nNothing more is sent there. When it is mended, subscribe it anew; unsubscribe %s removes it.", s.ID)
	} else if s.Failures > 0 {
		in.Text += fmt.Sprintf("\nThis is failure %d in a row; after %d nothing more is sent there.", s.Failures, maxFailures)
	}
	return e.putNotice(ctx, b, "trouble\x00"+r.Key+"\x00"+p.State, in)
}

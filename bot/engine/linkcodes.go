package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/bot/people"
)

// codeRecord is a one-time code. Its key is a digest of the code. The code itself is kept where it was said:
// in the outbox until the answer that tells it is posted, in the message that was posted, and in the deliveries
// in which it was typed. Whoever reads it there has nothing: once it was typed it is that account's alone,
// and void when another one types it; it takes the yes of that account and of the person, each said by
// itself; and it is spent with the link, over after a time, and void after a restore. For the same reason it
// does no harm that a code of 39 bits can be found from its digest.
type codeRecord struct {
	Offer people.Offer   `json:"offer"`
	Epoch uint64         `json:"epoch,omitempty"` // after a restore every code is void
	Begun Place          `json:"begun"`           // where it was asked for
	Link  *people.Link   `json:"link,omitempty"`  // since an account typed it
	Where Place          `json:"where,omitzero"`  // where that account speaks
	Yes   people.Account `json:"yes,omitzero"`    // through which account the person's side confirmed
}

// The parts of the space of codes.
const (
	codePrefix  = "code" + sep  // digest of a code → codeRecord
	triesPrefix = "tries" + sep // SOURCE sep ACCOUNT → people.Tries: wrong codes that it typed
	askedPrefix = "asked" + sep // PERSON → people.Tries: codes that he asked for
)

// LinkSources are the chats whose accounts people can link.
func (e *Engine) LinkSources() []string { return e.cfg.Linking.Sources }

func codeKey(code string) string { return codePrefix + short("link\x00"+code) }

// over reports whether the code is nothing any more.
func (r *codeRecord) over(epoch uint64, now time.Time) bool {
	until := r.Offer.Began.Add(people.CodeLife)
	if r.Link != nil {
		until = r.Link.Began.Add(people.LinkLife)
	}
	return r.Epoch != epoch || !now.Before(until)
}

// code finds what a person typed; found is false for a code that is over.
func (e *Engine) code(ctx context.Context, typed string) (code string, r codeRecord, raw []byte, found bool, err error) {
	code, ok := people.ReadCode(typed)
	if !ok {
		return "", r, nil, false, nil
	}
	raw, found, err = e.get(ctx, spLinkCodes, codeKey(code), &r)
	return code, r, raw, found && !r.over(e.world.epoch, e.now()), err
}

// pruneCodes removes codes and tries that are over.
func (e *Engine) pruneCodes(ctx context.Context, b *batch) error {
	now := e.now()
	return e.cfg.Store.Scan(ctx, spLinkCodes, "", "", false, func(k string, value []byte) bool {
		over := false
		if len(k) > len(codePrefix) && k[:len(codePrefix)] == codePrefix {
			var r codeRecord
			over = decode("linkcodes", value, &r) == nil && r.over(e.world.epoch, now)
		} else {
			var t people.Tries
			over = decode("linkcodes", value, &t) == nil && t.Over(now)
		}
		if over && !b.writesTo(Key{spLinkCodes, k}) {
			b.del(spLinkCodes, k)
		}
		return true
	})
}

// voidCodes makes every code void, for a restore.
func (e *Engine) voidCodes(ctx context.Context, b *batch) error {
	return e.cfg.Store.Scan(ctx, spLinkCodes, "", "", false, func(k string, _ []byte) bool {
		b.del(spLinkCodes, k)
		return true
	})
}

// alone are the places in which nobody but the person and the bot reads.
func (e *Engine) alone(p people.PersonID) (out []Place) {
	if e.cfg.Direct == nil || p == "" {
		return nil
	}
	for _, place := range e.cfg.Direct(p) {
		if e.cfg.Posters[place.Source] != nil {
			out = append(out, place)
		}
	}
	return out
}

// LinkBegin gives the one who speaks a one-time code, once, with which an account of a source, or, with
// "", of any, is linked to the person. It is told to him alone. Errors: those of [people.OfferLink],
// [errs.NotFound] for a source on which nobody can be alone with the bot, [errs.Busy], [errs.Denied] for an
// account that counts nowhere, and [errs.Unavailable] when its source cannot say.
func (e *Engine) LinkBegin(ctx context.Context, s Spoken, person people.PersonID, source string, once Once) error {
	const op = "engine.link"
	if len(e.cfg.Linking.Sources) == 0 || e.cfg.Linking.Random == nil {
		return errs.E(op, errs.NotFound, errors.New("there is no chat here whose accounts can be linked")).Hint("an operator adds accounts to people in slipway.yaml")
	}
	if source != "" && !slices.Contains(e.cfg.Linking.Sources, source) {
		return errs.E(op, errs.NotFound, fmt.Errorf("accounts of %s cannot be linked by a code", source)).
			Hint("%s can; others an operator adds to people in slipway.yaml", joined(e.cfg.Linking.Sources))
	}
	if !s.Direct && len(e.alone(s.Person)) == 0 {
		return errs.E(op, errs.Denied, errors.New("a code is not said where others read")).Hint("ask me in a direct message")
	}
	offered := func() (offer people.Offer, t people.Tries, err error) {
		now := e.now()
		if offer, err = people.OfferLink(e.world.view.Load().dir, s.Person, person, source, now); err != nil {
			return offer, t, err
		}
		if _, _, err := e.get(ctx, spLinkCodes, askedPrefix+string(s.Person), &t); err != nil {
			return offer, t, err
		}
		if until, spent := t.Spent(now); spent {
			return offer, t, errs.E(op, errs.Busy, fmt.Errorf("%s has asked for %d codes in an hour", s.Person, people.MaxTries)).Hint("ask again after %s", clockTime(until))
		}
		return offer, t, nil
	}
	if _, _, err := offered(); err != nil { // before anybody is asked what the account is
		return err
	}
	stands, err := e.speaker(ctx, s)
	if err == nil && !stands.Counts { // else a guest would become a full member by linking the account of one
		err = neverCounts(stands)
	}
	if err != nil {
		return err
	}
	return e.linking(ctx, s, once, func(b *batch) (bool, error) {
		offer, t, err := offered()
		if err != nil {
			return false, err
		}
		code, ok := people.Code(e.cfg.Linking.Random())
		if !ok {
			return false, errs.E(op, errs.Internal, errors.New("no code could be made")).Hint("ask again")
		}
		if err := e.endCodes(ctx, b, func(r codeRecord) bool { return r.Offer.Person == person }); err != nil {
			return false, err
		}
		b.put(spLinkCodes, askedPrefix+string(s.Person), encode(t.Again(offer.Began)))
		b.put(spLinkCodes, codeKey(code), encode(codeRecord{Offer: offer, Epoch: e.world.epoch, Begun: s.Place}))
		e.linkLog(b, linkLogRecord{What: linkAsked, Person: person, By: s.Person, Through: s.Account, Account: people.Account{Source: source}})
		if err := e.pruneCodes(ctx, b); err != nil {
			return false, err
		}
		where, whose := "the other account", "you"
		if source != "" {
			where = "the account on " + source
		}
		if person != s.Person {
			whose = string(person)
		}
		text := fmt.Sprintf("The code is %s, until %s.\nWith %s, write to me in a direct message: `link %s`. Then both sides are shown both names and asked; before that, nothing is linked to %s. Give the code to nobody.",
			code, clockTime(offer.Began.Add(people.CodeLife)), where, code, whose)
		if !s.Direct {
			text = e.putAlone(b, s, once, text)
		}
		e.putReply(b, s, s.Message, once, text)
		return false, nil
	})
}

// endCodes voids codes, such as those that a new one replaces.
func (e *Engine) endCodes(ctx context.Context, b *batch, which func(codeRecord) bool) error {
	return e.cfg.Store.Scan(ctx, spLinkCodes, codePrefix, after(codePrefix), false, func(k string, value []byte) bool {
		var r codeRecord
		if decode("linkcodes", value, &r) == nil && which(r) {
			b.del(spLinkCodes, k)
		}
		return true
	})
}

// spoilt makes a code void that was said where others read. The answer does not tell whether it was one.
func (e *Engine) spoilt(ctx context.Context, s Spoken, typed string, once Once) error {
	return e.linking(ctx, s, once, func(b *batch) (bool, error) {
		code, r, raw, found, err := e.code(ctx, typed)
		if err != nil {
			return false, err
		}
		if found {
			if err := e.voidCode(ctx, b, code, raw, r, s.Account, "it was said where others read", ""); err != nil {
				return false, err
			}
		}
		return false, errs.E("engine.link", errs.Denied, errors.New("a code is never said where others read, so if this was one, it is void now")).
			Hint("ask for a new one with `link`, and write to me alone")
	})
}

// voidCode ends a code because of what an account said, and tells whoever asked for it, alone.
func (e *Engine) voidCode(ctx context.Context, b *batch, code string, raw []byte, r codeRecord, by people.Account, why, more string) error {
	key := codeKey(code)
	b.guard(spLinkCodes, key, raw)
	b.del(spLinkCodes, key)
	e.linkLog(b, linkLogRecord{What: linkVoid, Person: r.Offer.Person, Account: by, Why: why})
	return e.tellAlone(ctx, b, r, "linkvoid\x00"+key, noticeIn{Title: "Your code for linking is void: " + why,
		Text: fmt.Sprintf("The account is %s%s. Nothing was linked. If that was not you, somebody has seen your code.", by.Shown(), more)})
}

// wrong counts a code that is none, and says so.
func (e *Engine) wrong(ctx context.Context, b *batch, s Spoken) error {
	if err := e.tried(ctx, b, s); err != nil {
		return err
	}
	return errs.E("engine.link", errs.NotFound, errors.New("there is no such code for this account, or not any more")).
		Hint("ask for one with `link %s` where I know you, and then write `link` and the code to me here", s.Account.Source)
}

// tried counts a try of an account. With the last one that it has, the codes that it typed before end.
func (e *Engine) tried(ctx context.Context, b *batch, s Spoken) error {
	now, key := e.now(), triesPrefix+id(s.Account.Source, s.Account.ID)
	var t people.Tries
	if _, _, err := e.get(ctx, spLinkCodes, key, &t); err != nil {
		return err
	}
	t = t.Again(now)
	b.put(spLinkCodes, key, encode(t))
	if _, spent := t.Spent(now); spent {
		e.linkLog(b, linkLogRecord{What: linkVoid, Account: s.Account, Why: fmt.Sprintf("it typed %d wrong codes", t.N)})
		return e.endCodes(ctx, b, func(r codeRecord) bool { return r.Link != nil && sameAccount(r.Link.Account, s.Account) })
	}
	return nil
}

// heard refuses an account that typed too many wrong codes.
func (e *Engine) heard(ctx context.Context, s Spoken) error {
	var t people.Tries
	if _, _, err := e.get(ctx, spLinkCodes, triesPrefix+id(s.Account.Source, s.Account.ID), &t); err != nil {
		return err
	}
	if until, spent := t.Spent(e.now()); spent {
		return errs.E("engine.link", errs.Busy, fmt.Errorf("this account has typed %d wrong codes", t.N)).Hint("try again after %s", clockTime(until))
	}
	return nil
}

func confirmButton(code string) []card.Button {
	return []card.Button{{ID: "link-confirm", Text: "Yes, link them", Command: "link confirm " + code}}
}

func clockTime(t time.Time) string { return t.UTC().Format("15:04 UTC") }

// sweepCodes removes what is over when nobody links anything.
func (e *Engine) sweepCodes(ctx context.Context) (int, error) {
	e.world.change.Lock()
	defer e.world.change.Unlock()
	b := newBatch()
	if err := e.pruneCodes(ctx, b); err != nil || b.empty() {
		return 0, err
	}
	return len(b.writes), e.commit(ctx, "sweep", b)
}

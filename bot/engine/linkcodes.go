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

// codeRecord is a one-time code. Its key is the digest of the code, and nothing else of it is kept.
type codeRecord struct {
	Offer people.Offer   `json:"offer"`
	Epoch uint64         `json:"epoch,omitempty"` // after a restore every code is void
	From  people.Account `json:"from"`            // asked for it
	Begun Place          `json:"begun"`           // where
	Link  *people.Link   `json:"link,omitempty"`  // since an account typed it
	Where Place          `json:"where,omitzero"`  // where that account speaks
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
// [errs.NotFound] for a source on which nobody can be alone with the bot, and [errs.Busy].
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
	return e.linking(ctx, once, func(b *batch) (bool, error) {
		now := e.now()
		offer, err := people.OfferLink(e.world.view.Load().dir, s.Person, person, source, now)
		if err != nil {
			return false, err
		}
		var t people.Tries
		if _, _, err := e.get(ctx, spLinkCodes, askedPrefix+string(s.Person), &t); err != nil {
			return false, err
		}
		if until, spent := t.Spent(now); spent {
			return false, errs.E(op, errs.Busy, fmt.Errorf("%s has asked for %d codes in an hour", s.Person, people.MaxTries)).Hint("ask again after %s", clockTime(until))
		}
		code, ok := people.Code(e.cfg.Linking.Random())
		if !ok {
			return false, errs.E(op, errs.Internal, errors.New("no code could be made")).Hint("ask again")
		}
		if err := e.endCodes(ctx, b, func(r codeRecord) bool { return r.Offer.Person == person }); err != nil {
			return false, err
		}
		b.put(spLinkCodes, askedPrefix+string(s.Person), encode(t.Again(now)))
		b.put(spLinkCodes, codeKey(code), encode(codeRecord{Offer: offer, Epoch: e.world.epoch, From: s.Account, Begun: s.Place}))
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
		text := fmt.Sprintf("The code is %s, until %s.\nWith %s, write to me alone: `link %s`. Then both sides are shown both names and asked; before that, nothing is linked to %s. Give the code to nobody.",
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
	return e.linking(ctx, once, func(b *batch) (bool, error) {
		_, r, raw, found, err := e.code(ctx, typed)
		if err != nil {
			return false, err
		}
		if found {
			if code, ok := people.ReadCode(typed); ok {
				e.voidCode(b, codeKey(code), raw, r, s.Account, "it was said where others read")
			}
		}
		return false, errs.E("engine.link", errs.Denied, errors.New("a code is never said where others read, so if this was one, it is void now")).
			Hint("ask for a new one with `link`, and write to me alone")
	})
}

func (e *Engine) voidCode(b *batch, key string, raw []byte, r codeRecord, by people.Account, why string) {
	b.guard(spLinkCodes, key, raw)
	b.del(spLinkCodes, key)
	e.linkLog(b, linkLogRecord{What: linkVoid, Person: r.Offer.Person, Account: by, Why: why})
}

// wrong counts a code that is none, and says so.
func (e *Engine) wrong(ctx context.Context, b *batch, s Spoken) error {
	now, key := e.now(), triesPrefix+id(s.Account.Source, s.Account.ID)
	var t people.Tries
	if _, _, err := e.get(ctx, spLinkCodes, key, &t); err != nil {
		return err
	}
	t = t.Again(now)
	b.put(spLinkCodes, key, encode(t))
	if _, spent := t.Spent(now); spent {
		e.linkLog(b, linkLogRecord{What: linkVoid, Account: s.Account, Why: fmt.Sprintf("it typed %d wrong codes", t.N)})
		err := e.endCodes(ctx, b, func(r codeRecord) bool {
			return r.Link != nil && r.Link.Account.Source == s.Account.Source && r.Link.Account.ID == s.Account.ID
		})
		if err != nil {
			return err
		}
	}
	return errs.E("engine.link", errs.NotFound, errors.New("there is no such code, or not any more")).
		Hint("ask for one with `link %s` where I know you, and type it here", s.Account.Source)
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

package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/bot/people"
)

// LinkTyped is a code that an account typed, once. When it is right the account is shown both names, and
// asked to confirm. Said where others read, it is void. Errors: [errs.NotFound] for a wrong code,
// [errs.Busy] after too many, [errs.Denied] for an account that counts nowhere, [errs.Exists] for one
// that is somebody's, [errs.Unavailable] when its source cannot say.
func (e *Engine) LinkTyped(ctx context.Context, s Spoken, typed string, once Once) error {
	const op = "engine.link"
	if !s.Direct {
		return e.spoilt(ctx, s, typed, once)
	}
	if !slices.Contains(e.cfg.Linking.Sources, s.Account.Source) {
		return errs.E(op, errs.Invalid, fmt.Errorf("%s is not an account that can be linked by a code", s.Account)).Hint("type the code with the other account, to me alone")
	}
	if _, _, _, found, err := e.code(ctx, typed); err != nil {
		return err
	} else if found { // only then its source is asked
		ok, why, err := e.standing(ctx, s.Account)
		switch {
		case err != nil && ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return errs.E(op, errs.Unavailable, fmt.Errorf("whether this account counts cannot be read now: %s", errs.Cause(err))).Hint("type the code again in a minute")
		case !ok:
			return errs.E(op, errs.Denied, fmt.Errorf("an account that never counts is not linked: %s", why)).Hint("use the account of a full member")
		}
	}
	return e.linking(ctx, once, func(b *batch) (bool, error) {
		if err := e.heard(ctx, s); err != nil {
			return false, err
		}
		code, r, raw, found, err := e.code(ctx, typed)
		if err != nil {
			return false, err
		}
		if !found {
			return false, e.wrong(ctx, b, s)
		}
		now, dir := e.now(), e.world.view.Load().dir
		if s.Person == r.Offer.Person {
			return false, errs.E(op, errs.Exists, fmt.Errorf("account %s is linked to %s already", s.Account, s.Person)).Hint("type the code with the account that is not")
		}
		if r.Link != nil && !sameAccount(r.Link.Account, s.Account) {
			e.voidCode(b, codeKey(code), raw, r, s.Account, "two accounts typed it")
			if err := e.tellAlone(ctx, b, r, "linkvoid\x00"+codeKey(code), noticeIn{Title: "Your code for linking is void: two accounts typed it",
				Text: fmt.Sprintf("They are %s and %s. Nothing was linked.", shownAccount(r.Link.Account), shownAccount(s.Account))}); err != nil {
				return false, err
			}
			return false, errs.E(op, errs.Denied, errors.New("another account typed this code before, so it is void")).Hint("ask for a new one, and give it to nobody")
		}
		if r.Link == nil {
			l, err := r.Offer.Typed(dir, s.Account, now)
			if errs.Is(err, errs.Exists) {
				e.voidCode(b, codeKey(code), raw, r, s.Account, "the account of somebody else typed it")
			}
			if err != nil {
				return false, err
			}
			r.Link, r.Where = &l, s.Place
			b.guard(spLinkCodes, codeKey(code), raw)
			b.put(spLinkCodes, codeKey(code), encode(r))
			e.linkLog(b, linkLogRecord{What: linkTyped, Person: l.Person, Account: l.Account})
		}
		e.putReplyWith(b, s, s.Message, once, fmt.Sprintf("%s\nIf so, say `link confirm %s` here; then %s is asked too. If you did not ask for this, do nothing: it ends at %s.",
			r.Link.Question(), code, r.Offer.By, clockTime(r.Link.Began.Add(people.LinkLife))), confirmButton(code))
		return false, nil
	})
}

// LinkConfirm is one side's yes to a link, once: the account's own, or the person's through an account
// that is linked already. With the second one the account is linked, which is announced. Errors: as of
// [Engine.LinkTyped], and those of [people.Link].
func (e *Engine) LinkConfirm(ctx context.Context, s Spoken, typed string, once Once) error {
	const op = "engine.link"
	if !s.Direct {
		return e.spoilt(ctx, s, typed, once)
	}
	return e.linking(ctx, once, func(b *batch) (bool, error) {
		if err := e.heard(ctx, s); err != nil {
			return false, err
		}
		code, r, raw, found, err := e.code(ctx, typed)
		if err != nil {
			return false, err
		}
		if !found {
			return false, e.wrong(ctx, b, s)
		}
		if r.Link == nil {
			return false, errs.E(op, errs.Conflict, errors.New("no account has typed this code yet")).Hint("with the other account, write to me alone: `link %s`", code)
		}
		now, dir := e.now(), e.world.view.Load().dir
		l, other := *r.Link, sameAccount(r.Link.Account, s.Account)
		if other {
			l, err = l.ConfirmAsAccount(dir, s.Account, now)
		} else {
			l, err = l.ConfirmAsPerson(dir, s.Person, now)
		}
		if err != nil {
			return false, err
		}
		if l.Done() {
			return e.linkDone(ctx, b, s, once, code, raw, r, l)
		}
		r.Link = &l
		b.guard(spLinkCodes, codeKey(code), raw)
		b.put(spLinkCodes, codeKey(code), encode(r))
		until := clockTime(l.Began.Add(people.LinkLife))
		if !other {
			e.putReply(b, s, s.Message, once, fmt.Sprintf("Good. It is linked when %s says `link confirm %s` too, until %s.", shownAccount(l.Account), code, until))
			return false, nil
		}
		e.putReply(b, s, s.Message, once, fmt.Sprintf("Good. Now I ask %s, where %s is known already, until %s.", r.Offer.By, r.Offer.By, until))
		return false, e.tellAlone(ctx, b, r, "linkask\x00"+codeKey(code), noticeIn{Title: "An account asks to be linked to " + string(l.Person),
			Text:    fmt.Sprintf("%s\nIf so, say `link confirm %s`, until %s. If you did not ask for this, do nothing, and nothing is linked.", l.Question(), code, until),
			Buttons: confirmButton(code)})
	})
}

// linkDone writes a link that both sides have confirmed.
func (e *Engine) linkDone(ctx context.Context, b *batch, s Spoken, once Once, code string, raw []byte, r codeRecord, l people.Link) (bool, error) {
	key, now := linkKey(l.Account), e.now()
	old, err := e.cfg.Store.Get(ctx, Key{spLinks, key}) // one of a person who is not there any more
	if err != nil {
		return false, err
	}
	p, _ := e.world.view.Load().dir.Person(l.Person)
	b.guard(spLinkCodes, codeKey(code), raw)
	b.del(spLinkCodes, codeKey(code))
	b.guard(spLinks, key, old)
	through := s.Account
	if sameAccount(through, l.Account) { // the person's side was first
		through = r.From
	}
	b.put(spLinks, key, encode(linkRecord{Person: l.Person, Account: l.Account, At: now, By: l.ByPerson, Through: through}))
	e.linkLog(b, linkLogRecord{What: linked, Person: l.Person, Account: l.Account, By: l.ByPerson, Through: through})
	title := fmt.Sprintf("%s is an account of %s now.", shownAccount(l.Account), shownPerson(p))
	text := fmt.Sprintf("Both sides have confirmed it. In gates that are open already it does not count. Whoever knows better says so to an admin; %s or an admin takes it back with `unlink %s`.", l.Person, l.Account)
	e.putReply(b, s, s.Message, once, title+"\nIt counts in gates that open from now on.")
	if to := r.Where; to != s.Place && e.cfg.Posters[to.Source] != nil {
		if err := e.putNotice(ctx, b, "linkdone\x00"+codeKey(code), noticeIn{Places: []Place{to}, Title: title, Text: "It counts in gates that open from now on."}); err != nil {
			return false, err
		}
	}
	return true, e.announceLink(ctx, b, s, p, l.Account, title, text)
}

// tellAlone puts a notice to whoever asked for a code where nobody else reads.
func (e *Engine) tellAlone(ctx context.Context, b *batch, r codeRecord, key string, in noticeIn) error {
	in.Places = e.alone(r.Offer.By)
	if len(in.Places) == 0 && e.cfg.Posters[r.Begun.Source] != nil { // then it was asked for where nobody else reads
		in.Places = []Place{r.Begun}
	}
	if len(in.Places) == 0 {
		return nil
	}
	return e.putNotice(ctx, b, key+"\x00"+stamp(e.now()), in)
}

func sameAccount(a, b people.Account) bool { return a.Source == b.Source && a.ID == b.ID }

func joined(names []string) string { return strings.Join(names, ", ") }

// withButtons adds buttons to a card.
func withButtons(c card.Card, list []card.Button) card.Card {
	if len(list) > 0 {
		c.Blocks = append(c.Blocks, card.Block{Buttons: list})
	}
	return c
}

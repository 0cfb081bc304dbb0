package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/bot/people"
)

// What is learnt by saying a code: whoever said too many wrong ones hears nothing but that. An account that
// never counts hears nothing but that either, and whatever it says is a try; a right code is void then, as
// somebody has it who should not, and the person alone is told whose account said it. Whoever is no side of a
// code, or types one with an account that it is not for, hears what he hears of a wrong one. While a source
// cannot be asked, its accounts hear nothing but that, and no try is counted, since nothing is learnt.
//
// Deliveries wait while a source is asked. So it has little time to answer, and after a silence nobody has it
// asked again for a while: else anybody who writes to the bot could keep all the others waiting.

const (
	speakerWait  = 3 * time.Second  // for what the account is that speaks
	speakerPause = 30 * time.Second // after the source did not say
)

// silence is until when a source that did not say what an account is is left alone, and why it did not.
type silence struct {
	until time.Time
	why   string
}

// LinkTyped is a code that an account typed, once. When it is right the account is shown both names, as they
// are now, and asked to confirm. Said where others read, it is void. Errors: [errs.NotFound] for a wrong code,
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
	return e.saidCode(ctx, s, typed, once, func(b *batch, s Spoken, code string, r codeRecord, raw []byte) (bool, error) {
		now, dir := e.now(), e.world.view.Load().dir
		if s.Person == r.Offer.Person {
			return false, errs.E(op, errs.Exists, fmt.Errorf("account %s is linked to %s already", s.Account, s.Person)).Hint("type the code with the account that is not")
		}
		if r.Link != nil && !sameAccount(r.Link.Account, s.Account) {
			if err := e.voidCode(ctx, b, code, raw, r, s.Account, "two accounts typed it", ", after "+r.Link.Account.Shown()); err != nil {
				return false, err
			}
			return false, errs.E(op, errs.Denied, errors.New("another account typed this code before, so it is void")).Hint("ask for a new one, and give it to nobody")
		}
		if r.Link == nil {
			l, err := r.Offer.Typed(dir, s.Account, now)
			if errs.Is(err, errs.Exists) {
				if bad := e.voidCode(ctx, b, code, raw, r, s.Account, "the account of somebody else typed it", ""); bad != nil {
					err = bad
				}
				return false, err
			}
			if err != nil { // it is for another source, or for nobody any more
				return false, e.wrong(ctx, b, s)
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
	return e.saidCode(ctx, s, typed, once, func(b *batch, s Spoken, code string, r codeRecord, raw []byte) (_ bool, err error) {
		other := r.Link != nil && sameAccount(r.Link.Account, s.Account)
		switch person := s.Person != "" && (s.Person == r.Offer.Person || s.Person == r.Offer.By); {
		case !other && !person:
			return false, e.wrong(ctx, b, s)
		case r.Link == nil:
			return false, errs.E(op, errs.Conflict, errors.New("no account has typed this code yet")).Hint("with the other account, write to me in a direct message: `link %s`", code)
		}
		now, dir := e.now(), e.world.view.Load().dir
		l := *r.Link
		if other {
			l.Account = s.Account // with the name that it has now
			l, err = l.ConfirmAsAccount(dir, s.Account, now)
		} else {
			l, err = l.ConfirmAsPerson(dir, s.Person, now)
			r.Yes = s.Account
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
			e.putReply(b, s, s.Message, once, fmt.Sprintf("Good. It is linked when %s says `link confirm %s` too, until %s.", l.Account.Shown(), code, until))
			return false, nil
		}
		e.putReply(b, s, s.Message, once, fmt.Sprintf("Good. Now I ask %s, where %s is known already, until %s.", r.Offer.By, r.Offer.By, until))
		return false, e.tellAlone(ctx, b, r, "linkask\x00"+codeKey(code), noticeIn{Title: "An account asks to be linked to " + string(l.Person),
			Text:    fmt.Sprintf("%s\nIf so, say `link confirm %s`, until %s. Anybody can choose a name: the account is the one in parentheses. If you did not ask for this, do nothing, and nothing is linked.", l.Question(), code, until),
			Buttons: confirmButton(code)})
	})
}

// saidCode finds the code that an account said to the bot alone, and has f carry out what follows, with the
// name that the account has now.
func (e *Engine) saidCode(ctx context.Context, s Spoken, typed string, once Once, f func(b *batch, s Spoken, code string, r codeRecord, raw []byte) (bool, error)) error {
	if err := e.heard(ctx, s); err != nil {
		return err
	}
	stands, err := e.speaker(ctx, s)
	if err != nil {
		return err
	}
	if stands.Shown != "" {
		s.Account.Handle = stands.Shown
	}
	return e.linking(ctx, s, once, func(b *batch) (bool, error) {
		if err := e.heard(ctx, s); err != nil {
			return false, err
		}
		code, r, raw, found, err := e.code(ctx, typed)
		switch {
		case err != nil:
			return false, err
		case !stands.Counts && found:
			err = e.voidCode(ctx, b, code, raw, r, s.Account, "an account that never counts said it", ": "+stands.Why)
		case !stands.Counts:
		case !found:
			return false, e.wrong(ctx, b, s)
		default:
			return f(b, s, code, r, raw)
		}
		if err == nil {
			err = e.tried(ctx, b, s)
		}
		if err == nil {
			err = neverCounts(stands)
		}
		return false, err
	})
}

// speaker asks the source of the account that speaks what it is now.
func (e *Engine) speaker(ctx context.Context, s Spoken) (Stands, error) {
	last, _ := e.silent.Load(s.Account.Source)
	quiet, _ := last.(silence)
	if !e.now().Before(quiet.until) {
		asking, cancel := context.WithTimeout(ctx, speakerWait)
		defer cancel()
		stands, err := e.standing(asking, s.Account)
		switch {
		case err == nil:
			return stands, nil
		case ctx.Err() != nil:
			return stands, ctx.Err()
		}
		quiet = silence{e.now().Add(speakerPause), errs.Cause(err)}
		if asking.Err() != nil {
			quiet.why = s.Account.Source + " does not answer in time"
		}
		e.silent.Store(s.Account.Source, quiet)
	}
	return Stands{}, errs.E("engine.link", errs.Unavailable, fmt.Errorf("whether this account counts cannot be read now: %s", quiet.why)).Hint("say it again in a minute")
}

func neverCounts(s Stands) error {
	return errs.E("engine.link", errs.Denied, fmt.Errorf("an account that never counts is not linked, and links nothing: %s", s.Why)).Hint("use the account of a full member")
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
	b.put(spLinks, key, encode(linkRecord{Person: l.Person, Account: l.Account, At: now, By: l.ByPerson, Through: r.Yes}))
	e.linkLog(b, linkLogRecord{What: linked, Person: l.Person, Account: l.Account, By: l.ByPerson, Through: r.Yes})
	title := fmt.Sprintf("%s is an account of %s now.", l.Account.Shown(), shownPerson(p))
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

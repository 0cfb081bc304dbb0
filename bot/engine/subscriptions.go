package engine

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/subscription"
)

// Telling is how subscribers are reached. The zero value: in chats only, without links.
type Telling struct {
	// Mail is the action that sends one mail, with the inputs of mail.announce@1; "": none is sent.
	Mail string
	// From is the sender of mails about a project, such as "Release Team <release@example.org>";
	// "": no mail is sent about it. The project is "*" for what concerns all of them.
	From func(project string) string
	// Page is the full address of a page of the console, or ""; nil: there is none.
	Page func(path string) string
	// Secret makes at least 32 random bytes; those of the first start are kept, and sign the links in
	// mails. nil: mails have no such links, and no address of another can be subscribed.
	Secret func() []byte
}

// subs are all subscriptions. They are few beside runs, and every piece of news is held against
// all of them, so they stay in memory.
type subs struct {
	change sync.Mutex // held over a change that a person asked for
	mu     sync.RWMutex
	list   map[string]kept // by id
	secret []byte
}

// kept is a subscription and the stored bytes that guard it.
type kept struct {
	subscription.Subscription
	raw []byte
}

const metaSecret = "telling" // the secret of links in mails, in hexadecimal digits

func (e *Engine) readSubs(ctx context.Context) error {
	e.subs.list = map[string]kept{}
	var bad error
	err := e.cfg.Store.Scan(ctx, spSubs, "", "", false, func(k string, value []byte) bool {
		one := kept{raw: slices.Clone(value)}
		bad = decode("subs/"+k, value, &one.Subscription)
		e.subs.list[k] = one
		return bad == nil
	})
	if err = errors.Join(err, bad); err != nil {
		return err
	}
	raw, err := e.cfg.Store.Get(ctx, Key{spMeta, metaSecret})
	if err != nil || raw == nil && e.cfg.Tell.Secret == nil {
		return err
	}
	if raw == nil {
		raw = []byte(hex.EncodeToString(e.cfg.Tell.Secret()))
		b := newBatch()
		b.guard(spMeta, metaSecret, nil)
		b.put(spMeta, metaSecret, raw)
		if err := e.commit(ctx, "telling", b); err != nil {
			return err
		}
	}
	e.subs.secret, err = hex.DecodeString(string(raw))
	if err != nil || len(e.subs.secret) < 16 {
		return errs.E("engine.open", errs.Corrupt, errors.New("the secret of links in mails does not read back")).Hint("Restore from the last backup.")
	}
	return nil
}

// sub finds a subscription.
func (e *Engine) sub(subID string) (kept, bool) {
	e.subs.mu.RLock()
	defer e.subs.mu.RUnlock()
	s, ok := e.subs.list[subID]
	return s, ok
}

// setSub makes the memory say what was committed; nil: it is gone.
func (e *Engine) setSub(subID string, s *subscription.Subscription, raw []byte) {
	e.subs.mu.Lock()
	defer e.subs.mu.Unlock()
	if s == nil {
		delete(e.subs.list, subID)
		return
	}
	e.subs.list[subID] = kept{*s, raw}
}

// Subscriptions lists all, by subscriber and project.
func (e *Engine) Subscriptions() []subscription.Subscription {
	e.subs.mu.RLock()
	defer e.subs.mu.RUnlock()
	out := make([]subscription.Subscription, 0, len(e.subs.list))
	for _, s := range e.subs.list {
		out = append(out, s.Subscription)
	}
	slices.SortFunc(out, func(a, b subscription.Subscription) int {
		return cmp.Or(strings.Compare(a.To.Key(), b.To.Key()), strings.Compare(a.Filter.Project, b.Filter.Project), strings.Compare(a.ID, b.ID))
	})
	return out
}

// Location finds a zone by its IANA name; one that is not known is UTC.
func (e *Engine) Location(zone string) *time.Location { return e.location(zone) }

// location finds a zone; one that is not known is taken for UTC, since it was known when it was set.
func (e *Engine) location(zone string) *time.Location {
	if zone == "" || zone == "UTC" || e.cfg.Zone == nil {
		return time.UTC
	}
	loc, err := e.cfg.Zone(zone)
	if err != nil {
		return time.UTC
	}
	return loc
}

// Subscribe stores a subscription for a person who asks for it, once; it replaces an earlier one
// of the same subscriber for the same project and family. An address of somebody else gets a mail
// that asks it to confirm, and nothing more before it does. The id, the dates and the zone, when it
// has none, are filled in. Errors: [errs.Denied], [errs.Invalid] for a zone that does not exist or
// an address that cannot be reached, [errs.Exists] for one that waits to be confirmed already.
func (e *Engine) Subscribe(ctx context.Context, s subscription.Subscription, by people.PersonID, once Once) (subscription.Subscription, error) {
	const op = "engine.subscribe"
	w := e.World()
	confirmed, err := subscription.May(w.Directory, by, s, w.Now)
	if err != nil {
		return s, err
	}
	if s.To.Mail != "" {
		if err := e.canMail(op, s.Filter.Project, !confirmed); err != nil {
			return s, err
		}
	}
	if p, ok := w.Directory.Person(by); ok && s.Rules.Zone == "" && s.To.Place == "" && confirmed {
		s.Rules.Zone = p.Zone
	}
	if err := s.Rules.Check(); err != nil {
		return s, err
	}
	if zone := s.Rules.Zone; zone != "" && zone != "UTC" {
		if e.cfg.Zone == nil {
			return s, errs.E(op, errs.Invalid, fmt.Errorf("the time zone %s is not known here", zone)).Hint("write the times in UTC")
		}
		if _, err := e.cfg.Zone(zone); err != nil {
			return s, errs.E(op, errs.Invalid, fmt.Errorf("there is no time zone %s", zone)).Hint("use a name such as Europe/Berlin, or UTC")
		}
	}
	s.By, s.Added, s.GivenUp, s.Failures = by, w.Now, "", 0
	e.subs.change.Lock()
	defer e.subs.change.Unlock()
	err = e.changing(ctx, func() error { return e.subscribe(ctx, &s, confirmed, once) }, &s)
	return s, err
}

// subscribe is one try of [Engine.Subscribe].
func (e *Engine) subscribe(ctx context.Context, s *subscription.Subscription, confirmed bool, once Once) error {
	if s.Confirmed = (time.Time{}); confirmed {
		s.Confirmed = s.Added
	}
	old, raw, err := e.place(s)
	if err != nil {
		return err
	}
	if !confirmed && old != nil && old.GivenUp == "" {
		if old.Confirmed.IsZero() {
			return errs.E("engine.subscribe", errs.Exists, fmt.Errorf("%s was asked on %s and has not agreed yet", s.To.Mail, old.Added.Format(time.DateOnly))).
				Hint("end it with unsubscribe %s to have it asked anew", old.ID)
		}
		s.Confirmed = old.Confirmed // it has agreed to be told of this project
	} else if old != nil && old.Active() {
		s.Confirmed = old.Confirmed // news on their way to it still are
	}
	b := newBatch()
	b.guard(spSubs, s.ID, raw)
	value := encode(*s)
	b.put(spSubs, s.ID, value)
	e.onceIn(b, once)
	if s.Confirmed.IsZero() {
		if err := e.invite(ctx, b, *s); err != nil {
			return err
		}
	}
	if err := e.commitSub(ctx, b, once); err != nil {
		return err
	}
	e.setSub(s.ID, s, value)
	return nil
}

// changing tries a change of a subscription again when a message to it ended meanwhile, which counts
// failures there.
func (e *Engine) changing(ctx context.Context, try func() error, s *subscription.Subscription) error {
	var err error
	for range decideTries {
		if err = try(); !errs.Is(err, errs.Conflict) {
			return err
		}
		if err := e.readSub(ctx, s.ID); err != nil {
			return err
		}
	}
	return err
}

// readSub makes the memory of one subscription say what is stored.
func (e *Engine) readSub(ctx context.Context, subID string) error {
	var now subscription.Subscription
	raw, found, err := e.get(ctx, spSubs, subID, &now)
	switch {
	case err != nil:
		return err
	case found:
		e.setSub(subID, &now, raw)
	default:
		e.setSub(subID, nil, nil)
	}
	return nil
}

// place gives s the id of the subscription that it replaces, or one that is free.
func (e *Engine) place(s *subscription.Subscription) (old *subscription.Subscription, raw []byte, err error) {
	e.subs.mu.RLock()
	defer e.subs.mu.RUnlock()
	for _, had := range e.subs.list {
		if had.Cover(*s) {
			s.ID = had.ID
			return &had.Subscription, had.raw, nil
		}
	}
	sum := short("subscription\x00" + s.To.Key() + "\x00" + s.Filter.Project + "\x00" + s.Filter.Family)
	for _, n := range []int{8, 16, 32} {
		s.ID = sum[:n]
		if _, taken := e.subs.list[s.ID]; !taken {
			return nil, nil, nil
		}
	}
	return nil, nil, errs.E("engine.subscribe", errs.Internal, errors.New("no id is free"))
}

// onceIn puts a semantic key into a batch.
func (e *Engine) onceIn(b *batch, once Once) {
	if once.Key != "" {
		b.guard(spSaid, once.Key, nil)
		b.put(spSaid, once.Key, []byte(stamp(e.now())))
	}
}

// commitSub commits a change of subscriptions or news. A conflict with a semantic key is a repeat.
func (e *Engine) commitSub(ctx context.Context, b *batch, once Once) error {
	err := e.commit(ctx, "subscription", b)
	if errs.Is(err, errs.Conflict) && once.Key != "" {
		if raw, err := e.cfg.Store.Get(ctx, Key{spSaid, once.Key}); err != nil || raw != nil {
			if err == nil {
				err = errRepeat
			}
			return err
		}
	}
	return err
}

// canMail tells why no mail can be sent about a project; linked: with a link that must be signed.
func (e *Engine) canMail(op, project string, linked bool) error {
	switch {
	case e.cfg.Tell.Mail == "" || e.cfg.Tell.From == nil || e.cfg.Tell.From(wide(project)) == "":
		return errs.E(op, errs.Invalid, fmt.Errorf("no mail is sent about %s here", wide(project))).Hint("an operator sets smtp and the project's mail_from")
	case linked && len(e.subs.secret) == 0:
		return errs.E(op, errs.Invalid, errors.New("nobody else's address can be subscribed here")).Hint("its owner can, for the address in people")
	}
	return nil
}

func wide(project string) string {
	if project == "" {
		return subscription.EveryProject
	}
	return project
}

// Unsubscribe ends a subscription for a person who asks for it, once. Errors: [errs.NotFound],
// [errs.Denied]. Whoever made a subscription may also end it.
func (e *Engine) Unsubscribe(ctx context.Context, subID string, by people.PersonID, once Once) (subscription.Subscription, error) {
	s, ok := e.sub(subID)
	if !ok {
		return subscription.Subscription{}, unknown("engine.unsubscribe", "subscription", subID, slices.Sorted(maps.Keys(e.subsOf(by))))
	}
	w := e.World()
	if _, err := subscription.May(w.Directory, by, s.Subscription, w.Now); err != nil && s.By != by {
		return s.Subscription, err
	}
	return s.Subscription, e.endSub(ctx, s, once)
}

// subsOf are the subscriptions that a person has or made, by id.
func (e *Engine) subsOf(person people.PersonID) map[string]bool {
	e.subs.mu.RLock()
	defer e.subs.mu.RUnlock()
	out := map[string]bool{}
	for k, s := range e.subs.list {
		if s.By == person || s.To.Person == person {
			out[k] = true
		}
	}
	return out
}

// endSub removes a subscription; one that is gone already is no error.
func (e *Engine) endSub(ctx context.Context, s kept, once Once) error {
	e.subs.change.Lock()
	defer e.subs.change.Unlock()
	return e.changing(ctx, func() error {
		now, ok := e.sub(s.ID)
		if !ok {
			return nil
		}
		b := newBatch()
		b.guard(spSubs, s.ID, now.raw)
		b.del(spSubs, s.ID)
		e.onceIn(b, once)
		if err := e.commitSub(ctx, b, once); err != nil {
			return err
		}
		e.setSub(s.ID, nil, nil)
		return nil
	}, &s.Subscription)
}

// The purposes of links in mails.
const (
	forConfirm = "confirm"
	forStop    = "stop"
)

// token names a subscription in a link: its id and a signature over the purpose and the
// subscriber. One that confirms holds only for this asking.
func (e *Engine) token(purpose string, s subscription.Subscription) string {
	if len(e.subs.secret) == 0 {
		return ""
	}
	m := hmac.New(sha256.New, e.subs.secret)
	text := purpose + "\x00" + s.ID + "\x00" + s.To.Key()
	if purpose == forConfirm {
		text += "\x00" + stamp(s.Added)
	}
	m.Write([]byte(text))
	return s.ID + "." + base64.RawURLEncoding.EncodeToString(m.Sum(nil)[:18])
}

// tokened finds the subscription of a token. Errors: [errs.NotFound] for what this program did not
// sign, and for a subscription that has ended.
func (e *Engine) tokened(purpose, token string) (kept, error) {
	subID, _, _ := strings.Cut(token, ".")
	s, ok := e.sub(subID)
	if !ok || len(e.subs.secret) == 0 || !hmac.Equal([]byte(e.token(purpose, s.Subscription)), []byte(token)) {
		return kept{}, errs.E("engine.token", errs.NotFound, errors.New("there is no such subscription, or not any more")).
			Hint("look at the newest mail for its link")
	}
	return s, nil
}

// StopLook says what a link of a mail would end; StopByLink ends it. Both need nothing but the
// token, which only the addressee has. Errors: [errs.NotFound].
func (e *Engine) StopLook(token string) (subscription.Subscription, error) {
	s, err := e.tokened(forStop, token)
	return s.Subscription, err
}

// StopByLink ends the subscription of a link.
func (e *Engine) StopByLink(ctx context.Context, token string) (subscription.Subscription, error) {
	s, err := e.tokened(forStop, token)
	if err == nil {
		err = e.endSub(ctx, s, Once{})
	}
	return s.Subscription, err
}

// ConfirmLook says what a link or a code would confirm.
func (e *Engine) ConfirmLook(token string) (subscription.Subscription, error) {
	s, err := e.tokened(forConfirm, token)
	return s.Subscription, err
}

// Confirm makes a subscription that waits for its addressee active. A second time changes nothing.
// Errors: [errs.NotFound] for a code that this program did not give, or not for this asking.
func (e *Engine) Confirm(ctx context.Context, code string, once Once) (subscription.Subscription, error) {
	e.subs.change.Lock()
	defer e.subs.change.Unlock()
	s, err := e.tokened(forConfirm, code)
	if err != nil {
		return s.Subscription, err
	}
	err = e.changing(ctx, func() error {
		now, err := e.tokened(forConfirm, code)
		if s = now; err != nil || !now.Confirmed.IsZero() {
			return err
		}
		s.Confirmed = e.now()
		b := newBatch()
		value := encode(s.Subscription)
		b.guard(spSubs, s.ID, now.raw)
		b.put(spSubs, s.ID, value)
		e.onceIn(b, once)
		if err := e.commitSub(ctx, b, once); err != nil {
			return err
		}
		e.setSub(s.ID, &s.Subscription, value)
		return nil
	}, &s.Subscription)
	return s.Subscription, err
}

// ConfirmByLink is [Engine.Confirm] for the link of a mail.
func (e *Engine) ConfirmByLink(ctx context.Context, token string) (subscription.Subscription, error) {
	return e.Confirm(ctx, token, Once{})
}

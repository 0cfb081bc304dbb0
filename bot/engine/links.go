package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/bot/people"
)

// Accounts that people linked in a chat are kept beside those of the configuration, which go first: an
// account that the configuration gives to somebody is his, whatever was linked. A program that does
// not know of these records knows fewer accounts, so the storage format is the same.

// Linking is how people link their own accounts. The zero value: nobody can.
type Linking struct {
	Sources []string      // chats in which people can write to the bot alone
	Random  func() []byte // at least 64 random bytes, others each time
}

// linkRecord is an account that was linked in a chat.
type linkRecord struct {
	Person  people.PersonID `json:"person"`
	Account people.Account  `json:"account"`
	At      time.Time       `json:"at"`
	By      people.PersonID `json:"by"`      // who confirmed on the person's side, an admin for a first account
	Through people.Account  `json:"through"` // and through which account
}

// linkLogRecord is what happened with accounts, for ever.
type linkLogRecord struct {
	What    string          `json:"what"` // asked, typed, linked, unlinked, void
	Person  people.PersonID `json:"person,omitempty"`
	Account people.Account  `json:"account,omitzero"`
	By      people.PersonID `json:"by,omitempty"`
	Through people.Account  `json:"through,omitzero"`
	Why     string          `json:"why,omitempty"`
}

// What is told of a link in the log.
const (
	linkAsked = "asked for a code"
	linkTyped = "typed a code"
	linked    = "linked"
	unlinked  = "unlinked"
	linkVoid  = "void"
)

func linkKey(a people.Account) string { return id(a.Source, a.ID) }

// linkLog notes in b what happened.
func (e *Engine) linkLog(b *batch, r linkLogRecord) {
	key := id(stamp(e.now()), r.Account.Source, r.Account.ID, string(r.Person), r.What)
	b.put(spLinkLog, key, encode(r))
	e.cfg.Log.Info("accounts of people", "what", r.What, "person", string(r.Person), "account", r.Account.String(), "by", string(r.By), "why", r.Why)
}

// withLinks adds the accounts that were linked to the persons, as they will be after b.
func (e *Engine) withLinks(ctx context.Context, b *batch, persons []people.Person) ([]people.Person, error) {
	links, err := scanned(ctx, e, spLinks, b, func(r linkRecord) string { return linkKey(r.Account) })
	if err != nil || len(links) == 0 {
		return persons, err
	}
	taken := map[string]bool{}
	for _, p := range persons {
		for _, a := range p.Accounts {
			taken[a.String()] = true
		}
	}
	for _, l := range links {
		i := slices.IndexFunc(persons, func(p people.Person) bool { return p.ID == l.Person })
		if i >= 0 && !taken[l.Account.String()] {
			persons[i] = persons[i].WithLink(l.Account, l.At)
		}
	}
	return persons, nil
}

// ofAccounts makes grants of those that are held by accounts: whoever an account belongs to holds the
// role, and nobody does for an account that is not linked.
func ofAccounts(grants []people.Grant, persons []people.Person) []people.Grant {
	var owners map[string]*people.Person
	out := make([]people.Grant, 0, len(grants))
	for _, g := range grants {
		if g.Account.ID == "" {
			out = append(out, g)
			continue
		}
		if owners == nil {
			owners = map[string]*people.Person{}
			for i := range persons {
				for _, a := range persons[i].Accounts {
					owners[a.String()] = &persons[i]
				}
			}
		}
		if p := owners[g.Account.String()]; p != nil {
			g.Person, g.Linked = p.ID, p.LinkedAt(g.Account)
			out = append(out, g)
		}
	}
	return out
}

// Unlink takes an account away that was linked in a chat, for a person who asks for it, once. It is
// announced. Errors: those of [people.Unlink], and [errs.Conflict] for one of the configuration.
func (e *Engine) Unlink(ctx context.Context, s Spoken, account string, once Once) error {
	const op = "engine.unlink"
	source, name, _ := strings.Cut(account, ":")
	a := people.Account{Source: source, ID: name}
	return e.linking(ctx, s, once, func(b *batch) (bool, error) {
		now, dir := e.now(), e.world.view.Load().dir
		owner, _ := dir.ByAccount(a)
		if _, err := people.Unlink(dir, s.Person, owner.ID, a, now); err != nil {
			return false, err
		}
		var r linkRecord
		raw, found, err := e.get(ctx, spLinks, linkKey(a), &r)
		if err != nil {
			return false, err
		}
		if !found || r.Person != owner.ID || owner.LinkedAt(a).IsZero() {
			return false, errs.E(op, errs.Conflict, fmt.Errorf("account %s of %s stands in the configuration", a, owner.ID)).
				Hint("an operator takes it out of slipway.yaml")
		}
		b.guard(spLinks, linkKey(a), raw)
		b.del(spLinks, linkKey(a))
		e.linkLog(b, linkLogRecord{What: unlinked, Person: owner.ID, Account: r.Account, By: s.Person, Through: s.Account})
		text := fmt.Sprintf("%s is not an account of %s any more.", r.Account.Shown(), shownPerson(owner))
		e.putReply(b, s, s.Message, once, text)
		return true, e.announceLink(ctx, b, s, owner, r.Account, text, "What it does from now on is nobody's, and what it approved in gates that are open does not count.")
	})
}

// Linked is an account of a person.
type Linked struct {
	Account people.Account
	At      time.Time       // of the link; zero: the account stands in the configuration
	By      people.PersonID // who confirmed it
}

// Accounts lists the accounts of a person, those of the configuration first.
func (e *Engine) Accounts(ctx context.Context, p people.PersonID) ([]Linked, error) {
	person, _ := e.World().Directory.Person(p)
	var out []Linked
	for _, a := range person.Accounts {
		one := Linked{Account: a, At: person.LinkedAt(a)}
		if !one.At.IsZero() {
			var r linkRecord
			if _, _, err := e.get(ctx, spLinks, linkKey(a), &r); err != nil {
				return nil, err
			}
			one.By = r.By
		}
		out = append(out, one)
	}
	return out, nil
}

// LinkEvent is something that happened with accounts.
type LinkEvent struct {
	At      time.Time
	What    string
	Person  people.PersonID
	Account people.Account
	By      people.PersonID
	Why     string
}

// LinkLog lists what happened with accounts, newest first, at most max. It does not ask who may know.
func (e *Engine) LinkLog(ctx context.Context, max int) ([]LinkEvent, error) {
	var out []LinkEvent
	var bad error
	err := e.cfg.Store.Scan(ctx, spLinkLog, "", "", true, func(k string, value []byte) bool {
		var r linkLogRecord
		if bad = decode("linklog/"+k, value, &r); bad != nil {
			return false
		}
		out = append(out, LinkEvent{At: stampTime(splitID(k)[0]), What: r.What, Person: r.Person, Account: r.Account, By: r.By, Why: r.Why})
		return len(out) < max
	})
	return out, errors.Join(err, bad)
}

// answered is a refusal whose answer was committed with what it changed, so that nobody says it again.
type answered struct{ error }

func (a answered) Unwrap() error { return a.error }

// linking commits what f says of accounts and codes. moved: persons have other accounts then. A refusal
// may change something too, such as the number of tries; it is answered with that, so that no crash can
// come between them.
func (e *Engine) linking(ctx context.Context, s Spoken, once Once, f func(b *batch) (moved bool, err error)) error {
	e.world.change.Lock()
	defer e.world.change.Unlock()
	if once.Key != "" {
		if raw, err := e.cfg.Store.Get(ctx, Key{spSaid, once.Key}); err != nil || raw != nil {
			if err == nil {
				err = errRepeat
			}
			return err
		}
	}
	b := newBatch()
	moved, refusal := f(b)
	if refusal != nil && (moved || b.empty() || stops(refusal) || ctx.Err() != nil) {
		return refusal
	}
	e.onceIn(b, once)
	if refusal != nil {
		if err := e.putRefusal(ctx, b, s, once, refusal); err != nil {
			return err
		}
		refusal = answered{refusal}
	}
	var err error
	if moved {
		err = e.rebuild(ctx, b)
	} else {
		err = e.commit(ctx, "link", b)
	}
	if err != nil {
		return err
	}
	if moved {
		e.wakeAll("an account was linked or unlinked")
	}
	e.wake(loopEffects)
	return refusal
}

// putRefusal adds a refusal to the outbox, for a stranger as far as he is answered.
func (e *Engine) putRefusal(ctx context.Context, b *batch, s Spoken, once Once, refusal error) error {
	if s.stranger() {
		if tells, err := e.strangersDay(ctx, s); err != nil || !tells(b) {
			return err
		}
	}
	e.putReply(b, s, s.Message, once, refused(refusal))
	return nil
}

// announceLink tells about an account of a person: the projects in which he has a role, also by the account
// itself, which the directory does not know yet of one that is being linked; else the project where it was
// said; else all of them, so that a link is never announced nowhere. The caller holds change.
func (e *Engine) announceLink(ctx context.Context, b *batch, s Spoken, p people.Person, a people.Account, title, text string) error {
	w := e.World()
	var places []Place
	add := func(project string) {
		found, ok := e.cfg.Projects.Project(project)
		for _, place := range found.Places {
			if ok && e.cfg.Posters[place.Source] != nil && !slices.Contains(places, place) {
				places = append(places, place)
			}
		}
	}
	byAccount := func(project string) func(people.Grant) bool {
		return func(g people.Grant) bool {
			return sameAccount(g.Account, a) && (g.Project == project || g.Project == people.EveryProject) && g.InForce(w.Now)
		}
	}
	for _, project := range e.cfg.Projects.Names() {
		if slices.ContainsFunc(e.world.granted, byAccount(project)) || slices.ContainsFunc(e.world.again, byAccount(project)) {
			add(project)
		}
		if slices.ContainsFunc(w.Directory.Roles(), func(role string) bool { _, has := w.Directory.Has(project, role, p.ID, w.Now); return has }) {
			add(project)
		}
	}
	if len(places) == 0 {
		add(s.Project)
	}
	if len(places) == 0 {
		for _, project := range e.cfg.Projects.Names() {
			add(project)
		}
	}
	if len(places) == 0 { // there is no chat at all
		return nil
	}
	key := "link\x00" + a.String() + "\x00" + string(p.ID) + "\x00" + stamp(w.Now)
	return e.putNotice(ctx, b, key, noticeIn{Places: places, Title: title, Text: text})
}

func shownPerson(p people.Person) string {
	if p.Name == "" || p.Name == string(p.ID) {
		return string(p.ID)
	}
	return fmt.Sprintf("%s (%s)", p.Name, p.ID)
}

// fsckLinks looks whether links, codes and their log fit together.
func (e *Engine) fsckLinks(ctx context.Context, problem func(string)) error {
	last := map[string]linkLogRecord{}
	err := e.cfg.Store.Scan(ctx, spLinkLog, "", "", false, func(k string, value []byte) bool {
		var r linkLogRecord
		if decode("linklog/"+k, value, &r) != nil {
			problem("the record linklog/" + strings.ReplaceAll(k, sep, " ") + " does not read back")
		} else if r.What == linked || r.What == unlinked {
			last[linkKey(r.Account)] = r
		}
		return true
	})
	if err != nil {
		return err
	}
	have := map[string]bool{}
	err = e.cfg.Store.Scan(ctx, spLinks, "", "", false, func(k string, value []byte) bool {
		var r linkRecord
		name := strings.ReplaceAll(k, sep, ":")
		have[k] = true
		switch {
		case decode("links/"+k, value, &r) != nil:
			problem("the link of " + name + " does not read back")
		case linkKey(r.Account) != k || r.Person == "" || r.At.IsZero():
			problem("the link of " + name + " says something else than where it stands")
		case last[k].What != linked || last[k].Person != r.Person:
			problem(fmt.Sprintf("the log does not tell that %s was linked to %s", name, r.Person))
		}
		return true
	})
	if err != nil {
		return err
	}
	for k, r := range last {
		if r.What == linked && !have[k] {
			problem(fmt.Sprintf("the log tells that %s was linked to %s, and there is no link", strings.ReplaceAll(k, sep, ":"), r.Person))
		}
	}
	return e.cfg.Store.Scan(ctx, spLinkCodes, codePrefix, after(codePrefix), false, func(k string, value []byte) bool {
		var r codeRecord
		if decode("linkcodes", value, &r) != nil || r.Offer.Person == "" || r.Epoch > e.world.epoch {
			problem("the record of a code for linking does not read back")
		}
		return true
	})
}

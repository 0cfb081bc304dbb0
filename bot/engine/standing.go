package engine

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/bot/gate"
	"slipway/bot/people"
	"slipway/bot/run"
)

// Standing tells of the accounts of one source what they are there now. Error: [errs.Unavailable] when it
// cannot be told now.
type Standing interface {
	Standing(ctx context.Context, a people.Account) (Stands, error)
}

// Stands is what the source of an account says of it.
type Stands struct {
	Counts bool   // bots, guests, strangers and accounts that were switched off never do
	Why    string // it does not: a clause such as "it is a guest of the workspace"
	Shown  string // what its owner calls it: the name and the handle; "" when the source shows none
}

// barredAgain is when an account that does not count is asked about again by itself.
const barredAgain = 15 * time.Minute

// standing asks the source of an account; an account of a source that says nothing counts, and is called
// what the delivery says.
func (e *Engine) standing(ctx context.Context, a people.Account) (s Stands, err error) {
	port := e.cfg.Standings[a.Source]
	if port == nil {
		return Stands{Counts: true, Shown: a.Handle}, nil
	}
	err = guarded(e.cfg.Log, "standing."+a.Source, func() (err error) {
		s, err = port.Standing(ctx, a)
		return err
	})
	switch {
	case s.Counts:
		s.Why = ""
	case s.Why == "":
		s.Why = "its source does not vouch for it"
	}
	return s, err
}

// readStanding asks whether the accounts count on which the approvals and rejects of a gate of the project
// rest, and makes the directory say so: those that said it, and those by which their persons are in the
// groups that hold its roles. An account whose word could not count anyway is not asked about: an
// outsider's reaction costs nothing. A veto is not: it ends nothing, and whom the gate names lifts it.
func (e *Engine) readStanding(ctx context.Context, project string, roles []string, dir people.Directory, given []gate.Vote, answer *run.Closing) error {
	if len(e.cfg.Standings) == 0 {
		return nil
	}
	var list []people.Account
	for _, v := range given {
		a := people.Account{Source: v.Account.Source, ID: v.Account.ID}
		owner, known := dir.ByAccount(a)
		if v.Kind == gate.Veto || !known || owner.ID != v.Person {
			continue
		}
		list = append(list, a)
		for _, role := range roles {
			list = append(list, dir.Through(project, role, v.Person, e.now())...)
		}
	}
	found := map[people.Account]vouched{}
	for i, a := range list {
		if e.cfg.Standings[a.Source] == nil || slices.Contains(list[:i], a) {
			continue
		}
		number := e.world.questions.Add(1)
		s, err := e.standing(ctx, a)
		switch {
		case err != nil && (stops(err) || ctx.Err() != nil):
			return err
		case err != nil:
			answer.Unread = append(answer.Unread, run.Unread{Account: a, Why: errs.Text(err)})
			continue
		}
		found[a] = vouched{number, s.Why}
		answer.Stood = append(answer.Stood, a)
	}
	e.setBarred(found)
	return nil
}

// vouched is what was found of an account.
type vouched struct {
	number uint64 // of the question
	why    string // it does not count; "" when it does
}

// setBarred makes the directory say what was found of accounts, unless a later question about one was
// answered before. Runs look again when it is not what was known.
func (e *Engine) setBarred(found map[people.Account]vouched) {
	e.world.change.Lock()
	next, changed := maps.Clone(e.world.barred), false
	if next == nil {
		next = map[people.Account]string{}
	}
	if e.world.vouched == nil {
		e.world.vouched = map[people.Account]uint64{}
	}
	for a, v := range found {
		if v.number < e.world.vouched[a] {
			continue
		}
		e.world.vouched[a] = v.number
		if next[a] == v.why {
			continue
		}
		changed = true
		if next[a] = v.why; v.why == "" {
			delete(next, a)
		}
	}
	if changed {
		if len(e.world.barred) == 0 {
			e.world.askBarred = e.now().Add(barredAgain)
			e.wake(loopPeople)
		}
		e.world.barred = next
		e.world.edit(func(v *view) { v.dir = v.dir.WithBarred(barredList(next)) })
	}
	e.world.change.Unlock()
	if changed {
		e.wakeAll("whether an account counts has changed")
	}
}

func barredList(m map[people.Account]string) []people.Barred {
	out := make([]people.Barred, 0, len(m))
	for a, why := range m {
		out = append(out, people.Barred{Account: a, Why: why})
	}
	slices.SortFunc(out, func(x, y people.Barred) int { return strings.Compare(x.Account.String(), y.Account.String()) })
	return out
}

// barredDue asks again about the accounts that do not count. It goes on where the time of the last round
// was over.
func (e *Engine) barredDue(ctx context.Context) (did bool, next time.Time, err error) {
	e.world.change.Lock()
	list, due := barredList(e.world.barred), e.world.askBarred
	if len(list) > 0 && !due.After(e.now()) {
		e.world.askBarred = e.now().Add(barredAgain)
	}
	next = e.world.askBarred
	last := e.world.lastAsked
	e.world.change.Unlock()
	if len(list) == 0 {
		return false, time.Time{}, nil
	}
	if due.After(e.now()) {
		return false, due, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if i := slices.IndexFunc(list, func(x people.Barred) bool { return x.Account.String() > last }); i > 0 {
		list = slices.Concat(list[i:], list[:i])
	}
	found := map[people.Account]vouched{}
	for _, x := range list {
		if ctx.Err() != nil {
			break
		}
		last = x.Account.String()
		number := e.world.questions.Add(1)
		s, err := e.standing(ctx, x.Account)
		if err != nil {
			if stops(err) {
				return true, next, err
			}
			continue
		}
		found[x.Account] = vouched{number, s.Why}
	}
	e.world.change.Lock()
	e.world.lastAsked = last
	e.world.change.Unlock()
	e.setBarred(found)
	return true, next, nil
}

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

// Standing tells of the accounts of one source whether they count, as things are there now: bots,
// guests, strangers and accounts that were switched off never do. why is a clause such as "it is a guest
// of the workspace". Error: [errs.Unavailable] when it cannot be told now.
type Standing interface {
	Standing(ctx context.Context, a people.Account) (ok bool, why string, err error)
}

// barredAgain is when an account that does not count is asked about again by itself.
const barredAgain = 15 * time.Minute

// standing asks the source of an account; an account of a source that says nothing counts.
func (e *Engine) standing(ctx context.Context, a people.Account) (ok bool, why string, err error) {
	port := e.cfg.Standings[a.Source]
	if port == nil {
		return true, "", nil
	}
	err = guarded(e.cfg.Log, "standing."+a.Source, func() (err error) {
		ok, why, err = port.Standing(ctx, a)
		return err
	})
	if !ok && why == "" {
		why = "its source does not vouch for it"
	}
	return ok, why, err
}

// readStanding asks of every account that approves the manifest whether it counts, and makes the
// directory say so. Those whose vote could not count anyway are not asked: an outsider's reaction costs
// nothing.
func (e *Engine) readStanding(ctx context.Context, given []gate.Vote, answer *run.Closing) error {
	if len(e.cfg.Standings) == 0 {
		return nil
	}
	answer.Asks = slices.Sorted(maps.Keys(e.cfg.Standings))
	dir := e.World().Directory
	found := map[people.Account]string{}
	for _, v := range given {
		a := people.Account{Source: v.Account.Source, ID: v.Account.ID}
		owner, known := dir.ByAccount(a)
		if v.Kind != gate.Approve || e.cfg.Standings[a.Source] == nil || !known || owner.ID != v.Person || slices.Contains(answer.Stood, a) {
			continue
		}
		if slices.ContainsFunc(answer.Unread, func(u run.Unread) bool { return u.Account == a }) {
			continue
		}
		ok, why, err := e.standing(ctx, a)
		switch {
		case err != nil && (stops(err) || ctx.Err() != nil):
			return err
		case err != nil:
			answer.Unread = append(answer.Unread, run.Unread{Account: a, Why: errs.Text(err)})
			continue
		case ok:
			why = ""
		}
		found[a] = why
		answer.Stood = append(answer.Stood, a)
	}
	e.setBarred(found)
	return nil
}

// setBarred makes the directory say what was found of accounts; "" is one that counts. Runs look again
// when it is not what was known.
func (e *Engine) setBarred(found map[people.Account]string) {
	e.world.change.Lock()
	next, changed := maps.Clone(e.world.barred), false
	if next == nil {
		next = map[people.Account]string{}
	}
	for a, why := range found {
		if next[a] == why {
			continue
		}
		changed = true
		if next[a] = why; why == "" {
			delete(next, a)
		}
	}
	if changed {
		if len(e.world.barred) == 0 {
			e.world.askBarred = e.now().Add(barredAgain)
			e.wake(loopTimers)
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

// barredDue asks again about the accounts that do not count.
func (e *Engine) barredDue(ctx context.Context) (next time.Time, err error) {
	e.world.change.Lock()
	list, due := barredList(e.world.barred), e.world.askBarred
	if len(list) > 0 && !due.After(e.now()) {
		e.world.askBarred = e.now().Add(barredAgain)
	}
	next = e.world.askBarred
	e.world.change.Unlock()
	if len(list) == 0 {
		return time.Time{}, nil
	}
	if due.After(e.now()) {
		return due, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	found := map[people.Account]string{}
	for _, x := range list {
		ok, why, err := e.standing(ctx, x.Account)
		if err != nil {
			if stops(err) {
				return next, err
			}
			continue
		}
		if ok {
			why = ""
		}
		found[x.Account] = why
	}
	e.setBarred(found)
	return next, nil
}

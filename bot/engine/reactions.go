package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/gate"
	"slipway/bot/manifest"
	"slipway/bot/people"
	"slipway/bot/run"
)

func manifestDigest(s string) manifest.Digest { return manifest.Digest(s) }

// readReactions reads one gate message again and gives its run what it bears.
func (e *Engine) readReactions(ctx context.Context, row string, raw []byte, r *effectRecord) (time.Time, error) {
	var ref Ref
	if err := decode("outbox", []byte(r.Inputs), &ref); err != nil {
		return time.Time{}, err
	}
	var m messageRecord
	_, found, err := e.get(ctx, spMessages, ref.String(), &m)
	if err != nil {
		return time.Time{}, err
	}
	done := func() (time.Time, error) {
		b := newBatch()
		b.guard(spOutbox, row, raw)
		b.del(spOutbox, row)
		err := e.commit(ctx, "effect/"+r.Action+"/end", b)
		if errs.Is(err, errs.Conflict) { // touched meanwhile: read again
			return e.now(), nil
		}
		return time.Time{}, err
	}
	if !found {
		return done()
	}
	l, err := e.load(ctx, m.Run)
	if err != nil {
		return time.Time{}, err
	}
	st := l.state.Steps[m.Step]
	if st == nil || st.Gate == nil || string(st.Gate.Digest) != m.Manifest || st.Gate.Verdict != nil {
		return done() // an old message: nothing on it counts
	}
	e.point("effect/" + r.Action + "/before-do")
	votes, err := e.votesOn(ctx, ref, m.Manifest, st.Gate.Votes)
	e.point("effect/" + r.Action + "/after-do")
	if err != nil {
		if errs.Is(err, errs.Gone) {
			return done()
		}
		// Whatever the error is, a read is never given up while the gate is open: what it would have
		// found may be an approval or a veto. `why` of the run tells what keeps it.
		e.cfg.Log.Warn("the reactions of a gate message cannot be read now", "run", logged(l.state), "gate", m.Step, "attempt", r.Attempts+1, "error", errs.Text(err))
		return e.settle(ctx, row, raw, r, outcome{again: e.now().Add(e.backoff(r.Attempts)), err: err})
	}
	if err := e.elsewhereVotes(ctx, l.state.Project, votes); err != nil {
		return time.Time{}, err
	}
	told := e.effects.causeOf(row, "", e.now())
	_, err = e.submit(ctx, m.Run, run.Reactions{Step: m.Step, Message: ref.String(), Votes: votes}, also{
		then: func(b *batch, l *live, d run.Decision) { e.foundBy(b, r, m.Step, l.state, &told, d.Events) },
	})
	if err != nil && !errs.Is(err, errs.NotFound) {
		return time.Time{}, err
	}
	return done()
}

// closingRead reads the roles of a gate and the reactions that counted again, at their sources,
// and tells whether anything came from those places meanwhile (SEMANTICS §4).
func (e *Engine) closingRead(ctx context.Context, row string, raw []byte, r *effectRecord) (time.Time, error) {
	in, err := action.DecodeValues([]byte(r.Inputs))
	if err != nil {
		return time.Time{}, err
	}
	// What was delivered before and waits to be decoded must be heard first.
	waits := false
	err = e.cfg.Store.Scan(ctx, spQueue, "", "", false, func(string, []byte) bool { waits = true; return false })
	if err != nil {
		return time.Time{}, err
	}
	if waits {
		e.wake(loopDecode)
		return e.now().Add(50 * time.Millisecond), nil
	}
	l, err := e.load(ctx, r.Run)
	if err != nil {
		return time.Time{}, err
	}
	number, _ := in["number"].(int64)
	awaited := func(st *run.Step) bool { return st != nil && st.Gate != nil && st.Gate.Closing == int(number) }
	if !awaited(l.state.Steps[r.Step]) { // what is in memory may be behind the store
		if l, err = e.read(ctx, r.Run); err != nil {
			return time.Time{}, err
		}
	}
	st := l.state.Steps[r.Step]
	if !awaited(st) {
		return e.ended(ctx, row, raw, r, run.Result{Outcome: run.Skipped, Message: "another closing read follows"})
	}
	answer := run.Closing{Step: r.Step, Number: int(number)}
	places := e.places(l.state)
	var refs []Ref
	messages, _ := in["messages"].([]any)
	for _, m := range messages {
		name, _ := m.(string)
		name, command := strings.CutPrefix(name, byCommand)
		if ref, ok := parseRef(name); ok {
			// Only our own gate messages can be read again; a command or a review stands by itself.
			ours, err := e.cfg.Store.Get(ctx, Key{spMessages, ref.String()})
			if err != nil {
				return time.Time{}, err
			}
			if ours == nil && !command {
				continue
			}
			if !command {
				refs = append(refs, ref)
			}
			if !slices.Contains(places, ref.Place) {
				places = append(places, ref.Place)
			}
		}
	}
	marks, err := e.touchMarks(ctx, places, e.accountsOf(st.Gate.Votes))
	if err != nil {
		return time.Time{}, err
	}
	e.point("effect/" + r.Action + "/before-do")
	roles, _ := in["roles"].([]any)
	var names []string
	for _, x := range roles {
		role, _ := x.(string)
		names = append(names, role)
		if _, inRun := l.state.Filled[role]; inRun {
			continue
		}
		for _, project := range []string{l.state.Project, people.EveryProject} {
			if err := e.roleAgain(ctx, project, role); err != nil {
				if stops(err) {
					return time.Time{}, err
				}
				answer.Unavailable = fmt.Sprintf("who holds the role %s cannot be read now: %s", role, errs.Text(err))
			}
		}
	}
	for _, ref := range refs {
		var votes []gate.Vote
		if votes, err = e.votesOn(ctx, ref, string(st.Gate.Digest), st.Gate.Votes); err != nil {
			if !errs.Is(err, errs.Gone) {
				answer.Unavailable = fmt.Sprintf("the gate message in %s cannot be read now: %s", ref.Place.ID, errs.Text(err))
				continue
			}
			votes = nil // a message that is gone bears no approval
		}
		answer.Votes = append(answer.Votes, votes...)
		answer.Messages = append(answer.Messages, ref.String())
	}
	given := slices.DeleteFunc(slices.Clone(st.Gate.Votes), func(v gate.Vote) bool { return slices.Contains(answer.Messages, v.Message) })
	dir := e.World().Directory.WithRoles(l.state.Filled).AskedAt(st.Asked()) // as the gate is evaluated
	if err := e.readStanding(ctx, l.state.Project, names, dir, append(given, answer.Votes...), &answer); err != nil {
		return time.Time{}, err
	}
	e.point("effect/" + r.Action + "/after-do")
	if ctx.Err() != nil {
		return time.Time{}, ctx.Err()
	}
	answer.Clean = true
	then := func(b *batch, _ *live, d run.Decision) { b.del(spOutbox, row) }
	_, err = e.submit(ctx, r.Run, answer, also{guards: marks, then: then})
	if errs.Is(err, errs.Conflict) {
		answer.Clean = false
		_, err = e.submit(ctx, r.Run, answer, also{then: then})
	}
	if err != nil {
		return time.Time{}, err
	}
	e.point("effect/" + r.Action + "/after-result")
	return time.Time{}, nil
}

// byAccount begins the touch records that tell of the accounts of senders, wherever they are.
const byAccount = "@"

// accountsOf are all accounts of the persons who approved, counted or not, and those that voted.
func (e *Engine) accountsOf(votes []gate.Vote) []people.Account {
	var out []people.Account
	dir := e.World().Directory
	for _, v := range votes {
		out = append(out, v.Account)
		if p, ok := dir.Person(v.Person); ok {
			out = append(out, p.Accounts...)
		}
	}
	return out
}

// touchMarks are guards that hold until a delivery is committed that could touch the gate: from
// one of its places, from any source that does not say its place or its sender, or from one of
// the accounts, whatever it was and wherever it was said.
func (e *Engine) touchMarks(ctx context.Context, places []Place, accounts []people.Account) ([]Guard, error) {
	var keys []Key
	add := func(parts ...string) {
		if k := (Key{spTouch, id(parts...)}); !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	for _, p := range places {
		add(p.Source, p.ID)
	}
	for _, source := range slices.Sorted(maps.Keys(e.cfg.Decoders)) {
		add(source, "")
	}
	add(byAccount, "", "")
	for _, a := range accounts {
		add(byAccount, a.Source, a.ID)
	}
	marks := make([]Guard, len(keys))
	for i, k := range keys {
		raw, err := e.cfg.Store.Get(ctx, k)
		if err != nil {
			return nil, err
		}
		marks[i] = Guard{Key: k, Want: raw}
	}
	return marks, nil
}

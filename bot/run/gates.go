package run

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/gate"
	"slipway/bot/manifest"
	"slipway/bot/people"
	"slipway/bot/playbook"
)

// closingPause is how long a gate waits before it reads its sources again by itself, after one
// of them could not be reached.
const closingPause = time.Minute

// manifest makes what the gate asks people to approve, as the values are now.
func (d *decider) manifest(in *inst, st *Step) (manifest.Manifest, error) {
	part := in.def.Gate
	_, profile := canonical(d.s.Profile)
	m := manifest.Manifest{Run: d.s.ID, Name: d.s.Name, Gate: in.path, Number: 1, Playbook: d.s.Closure, Profile: profile,
		Rule: part.Rule.String()}
	if m.Playbook == "" {
		m.Playbook = d.s.Playbook
	}
	if st.Gate != nil {
		m.Number = st.Gate.Number + 1
	}
	if part.Expires > 0 {
		m.Expires = d.now.Add(part.Expires).Truncate(time.Second)
	}
	scope := d.scope(in, nil)
	for _, t := range part.Binds {
		v, err := t.Eval(scope)
		if err != nil {
			return m, err
		}
		value, _ := canonical(v)
		m.Binds = append(m.Binds, manifest.Bind{Name: bindName(t.Text), Value: string(value)})
	}
	for _, found := range d.findings(in) {
		value, _ := canonical(map[string]any{"inputs": found.Inputs, "output": found.Output})
		m.Binds = append(m.Binds, manifest.Bind{Name: "found done by others: " + found.Path, Value: string(value)})
	}
	return m, nil
}

// bindName is the expression of a template that is one expression, or else its text.
func bindName(text string) string {
	if inner, ok := strings.CutPrefix(text, "${"); ok && strings.Count(text, "${") == 1 {
		if inner, ok = strings.CutSuffix(inner, "}"); ok {
			return strings.TrimSpace(inner)
		}
	}
	return text
}

// openGate puts a new manifest to the people.
func (d *decider) openGate(in *inst) {
	st := d.at(in.path)
	m, err := d.manifest(in, st)
	if err != nil {
		d.stuck(in.path, "what is to be approved cannot be told: "+errs.Text(err))
		return
	}
	text := m.Canonical()
	digest := manifest.Digest(action.DigestOf(text))
	d.emit(GateOpened{in.path, digest, m, d.now})
	if !m.Expires.IsZero() {
		d.emit(TimerSet{"expire/" + in.path, m.Expires})
	}
	d.askPeople(in)
}

// askPeople posts the message of an open gate.
func (d *decider) askPeople(in *inst) {
	st := d.at(in.path)
	m := st.Gate.Manifest
	inputs := map[string]any{"step": in.path, "number": int64(m.Number), "digest": string(st.Gate.Digest),
		"rule": m.Rule, "run": d.s.ID, "name": d.s.Name}
	if say, _ := st.Inputs["say"].(string); say != "" {
		inputs["say"] = say
	}
	d.intend(in.path, ForMessage, GateMessage, inputs, intent{})
}

// voidGate withdraws the open manifest of the gate; its approvals are void with it.
func (d *decider) voidGate(path, why string) {
	st := d.at(path)
	if st.Gate == nil || st.Gate.Digest == "" || st.Gate.Verdict != nil {
		return
	}
	d.voidEffects(path, why, ForClosing)
	digest := st.Gate.Digest
	d.emit(GateVoided{path, digest, why})
	for _, id := range []string{"expire/", "closing/"} {
		d.clearTimer(id + path)
	}
	d.editMessage(path, digest, "void", why)
}

func (d *decider) editMessage(path string, digest manifest.Digest, state, why string) {
	d.intend(path, ForMessage, EditGateMessage, map[string]any{"step": path, "digest": string(digest),
		"number": int64(d.at(path).Gate.Number), "state": state, "why": why, "run": d.s.ID}, intent{})
}

// voidEffects withdraws what is in flight for the step and one of the purposes.
func (d *decider) voidEffects(path, why string, purposes ...Purpose) {
	for _, key := range sortedNames(d.s.Effects) {
		if e := d.s.Effects[key]; e.Step == path && slices.Contains(purposes, e.For) {
			d.emit(EffectVoided{key, e.Step, why})
		}
	}
}

// verdict is how the gate stands. It is asked once until something happens.
func (d *decider) verdict(in *inst, st *Step) gate.Verdict {
	if d.verdicts == nil || d.verdictAt != len(d.events) {
		d.verdicts, d.verdictAt = make(map[string]gate.Verdict, 1), len(d.events)
	}
	v, known := d.verdicts[in.path]
	if !known {
		v = d.evaluate(in, st)
		d.verdicts[in.path] = v
	}
	return v
}

// evaluate asks package gate how the gate stands.
func (d *decider) evaluate(in *inst, st *Step) gate.Verdict {
	rule := in.def.Gate.Rule
	var votes []gate.Vote
	var left []gate.Refusal
	for _, v := range st.Gate.Votes {
		if why := d.keptOut(rule, v.Person); v.Kind == gate.Approve && why != "" {
			left = append(left, gate.Refusal{Vote: v, Why: why})
			continue
		}
		votes = append(votes, v)
	}
	v := gate.Evaluate(gate.Question{Rule: rule, Manifest: st.Gate.Digest, Project: d.s.Project, Requester: d.s.Requester,
		Authors: d.authors(in), Directory: d.directory(), Opened: st.Asked(), Now: d.now}, votes)
	v.Refused = append(v.Refused, left...)
	if len(d.s.Requesters) > 0 || d.s.Private {
		for i := range v.Needs {
			v.Needs[i].From = slices.DeleteFunc(slices.Clone(v.Needs[i].From), func(p people.PersonID) bool { return d.keptOut(rule, p) != "" })
			_, v.Needs[i].Away = d.directory().Present(v.Needs[i].From, d.now)
		}
	}
	return v
}

// Asked is when the open manifest of a gate, which the step must be, was put to people. Where an older program did, which did not
// note it, it is when the gate began to wait: whatever was linked since then was linked later still.
func (st *Step) Asked() time.Time {
	if st.Gate.Opened.IsZero() {
		return st.Since
	}
	return st.Gate.Opened
}

// keptOut is [State.KeptOut] of the run as it is here.
func (d *decider) keptOut(rule gate.Rule, p people.PersonID) string { return d.s.KeptOut(rule, p) }

// authors lists who made what the gate binds: the outputs that contracts name as authors.
func (d *decider) authors(in *inst) []string {
	var out []string
	for _, declared := range in.def.Reads {
		def := d.p.Step(declared)
		if def == nil || def.Do == nil || def.Do.Contract.Authors == "" {
			continue
		}
		switch v := d.at(d.resolve(in, declared)).Output[def.Do.Contract.Authors].(type) {
		case []any:
			for _, a := range v {
				if s, ok := a.(string); ok {
					out = append(out, s)
				}
			}
		case string:
			out = append(out, v)
		}
	}
	return out
}

// lookGate moves an open gate: a quorum begins the closing read, and so does a no through an account of
// which its source says whether it counts. Any other no ends it.
func (d *decider) lookGate(in *inst, st *Step) {
	if st.Gate == nil || st.Gate.Digest == "" {
		return
	}
	if d.outOfTime(st) {
		d.expired(in)
		return
	}
	if d.s.Status == OnHold || len(st.Gate.Votes) == 0 {
		return // a held gate collects, but does not close
	}
	v := d.verdict(in, st)
	reads := st.Gate.Closing == 0 && !st.Gate.RetryAt.After(d.now)
	switch {
	case v.Rejected && !d.mustAsk(in, rejects(v)):
		d.closeGate(in, v, false)
	case v.Rejected && reads:
		d.beginClosing(in, rejects(v), false)
	case v.Passes && reads:
		d.beginClosing(in, v.Counted, false)
	}
}

// rejects are the votes that end the gate.
func rejects(v gate.Verdict) []gate.Vote {
	return slices.DeleteFunc(slices.Clone(v.Against), func(x gate.Vote) bool { return x.Kind != gate.Reject })
}

// mustAsk reports whether every one of the votes rests on an account of which its source says whether it
// counts.
func (d *decider) mustAsk(in *inst, votes []gate.Vote) bool {
	return !slices.ContainsFunc(votes, func(v gate.Vote) bool { return len(d.restsOn(in, v)) == 0 })
}

// restsOn are the accounts of which their sources say whether they count, and on which a vote rests: the
// one that said it, and those by which its person is in the groups that hold the gate's roles.
func (d *decider) restsOn(in *inst, v gate.Vote) (out []people.Account) {
	list := []people.Account{v.Account}
	dir := d.directory().AskedAt(d.at(in.path).Asked())
	for _, role := range in.def.Gate.Rule.Roles() {
		list = append(list, dir.Through(d.s.Project, role, v.Person, d.now)...)
	}
	for _, a := range list {
		if slices.Contains(d.w.Asks, a.Source) {
			out = append(out, a)
		}
	}
	return out
}

// beginClosing reads roles and reactions of the votes that would close the gate again, under a new number.
// again: at once, since the read before did not ask about every account.
func (d *decider) beginClosing(in *inst, votes []gate.Vote, again bool) {
	number := d.at(in.path).Gate.Closings + 1
	d.voidEffects(in.path, "a newer closing read follows", ForClosing)
	d.clearTimer("closing/" + in.path)
	d.emit(GateClosing{in.path, number, again})
	messages, roles := []any{}, []any{}
	for _, c := range votes {
		if c.Message != "" && !slices.Contains(messages, any(c.Message)) {
			messages = append(messages, c.Message)
		}
	}
	for _, role := range in.def.Gate.Rule.Roles() {
		roles = append(roles, role)
	}
	d.intend(in.path, ForClosing, ClosingRead, map[string]any{"step": in.path, "number": int64(number), "messages": messages,
		"roles": roles, "run": d.s.ID, "project": d.s.Project}, intent{})
}

// closing is the answer of a closing read. Only the one of the current number counts.
func (d *decider) closing(c Closing) *errs.Error {
	in := d.find(c.Step)
	if in == nil || in.def.Kind != playbook.GateK {
		return nil
	}
	st := d.at(in.path)
	if st.Status != Running || st.Gate == nil || st.Gate.Closing == 0 || st.Gate.Closing != c.Number {
		return nil
	}
	if d.outOfTime(st) {
		d.expired(in)
		return nil
	}
	d.voidEffects(in.path, "it has answered", ForClosing)
	reopen := func(why string, at time.Time) {
		d.emit(GateReopened{Step: in.path, Why: why, RetryAt: at})
		if !at.IsZero() {
			d.emit(TimerSet{"closing/" + in.path, at})
		}
	}
	if d.s.Status == OnHold {
		reopen("the run is held", time.Time{})
		return nil
	}
	if c.Unavailable != "" {
		reopen("the answers could not be read again: "+c.Unavailable, d.now.Add(closingPause))
		return nil
	}
	for _, message := range c.Messages {
		d.recordMessage(in, message, slices.DeleteFunc(slices.Clone(c.Votes), func(v gate.Vote) bool { return v.Message != message }))
	}
	st = d.at(in.path)
	v := d.verdict(in, st)
	votes := v.Counted
	switch {
	case v.Rejected && !d.mustAsk(in, rejects(v)):
		d.closeGate(in, v, false)
		return nil
	case v.Rejected:
		votes = rejects(v)
	case !v.Passes:
		reopen("what would have closed it no longer stands: "+strings.Join(v.Explain(), "; "), time.Time{})
		return nil
	}
	again, why := d.standing(in, c, votes)
	if v.Rejected && slices.ContainsFunc(votes, func(no gate.Vote) bool { // one no is enough
		again, why := d.standing(in, c, []gate.Vote{no})
		return !again && why == ""
	}) {
		again, why = false, ""
	}
	switch {
	case !c.Clean:
		d.beginClosing(in, votes, false)
	case why == "" && again && st.Gate.Again: // nothing came between, so a third would hardly find more
		reopen("not every account was asked about on which it rests", d.now.Add(closingPause))
	case why == "" && again:
		d.beginClosing(in, votes, true)
	case why != "":
		reopen(why, d.now.Add(closingPause))
	default:
		d.closeGate(in, v, !v.Rejected)
	}
	return nil
}

// standing says whether the closing read must be done again, since a vote rests on an account of which it
// was not asked whether it counts, or why the gate stays open, since that could not be told.
func (d *decider) standing(in *inst, c Closing, votes []gate.Vote) (again bool, why string) {
	same := func(a, b people.Account) bool { return a.Source == b.Source && a.ID == b.ID }
	for _, vote := range votes {
		for _, account := range d.restsOn(in, vote) {
			for _, u := range c.Unread {
				if same(u.Account, account) {
					return false, fmt.Sprintf("whether account %s still counts cannot be read now: %s", u.Account, u.Why)
				}
			}
			again = again || !slices.ContainsFunc(c.Stood, func(a people.Account) bool { return same(a, account) })
		}
	}
	return again, ""
}

// closeGate is a gate's end. The versions of the roles that it relied on are part of it.
func (d *decider) closeGate(in *inst, v gate.Verdict, approved bool) {
	d.voidEffects(in.path, "the gate is closed", ForClosing)
	var roles []Read
	for _, role := range in.def.Gate.Rule.Roles() {
		name, version := d.s.Project+"/"+role, d.directory().Version(d.s.Project, role)
		roles = append(roles, Read{"role", name, version})
		d.readRole(role)
	}
	digest := d.at(in.path).Gate.Digest
	d.emit(GateClosed{in.path, approved, v, roles})
	if !approved {
		d.end(in.path, StepFailed{Step: in.path, Class: "rejected", Message: "rejected by " + against(v)})
		d.editMessage(in.path, digest, "rejected", "rejected by "+against(v))
		return
	}
	by := []any{}
	for _, c := range v.Counted {
		by = append(by, string(c.Person))
	}
	d.done(in, map[string]any{"manifest": string(digest), "text": string(d.at(in.path).Gate.Manifest.Canonical()), "by": by, "at": d.now.Format(time.RFC3339)})
	d.editMessage(in.path, digest, "approved", "")
}

func against(v gate.Verdict) string {
	var names []string
	for _, a := range v.Against {
		name := string(a.Person)
		if a.Reason != "" {
			name += " (" + a.Reason + ")"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// outOfTime reports whether the time of the open manifest is over. Its timer may be late, as after
// a stop of the bot: nothing counts on a manifest, and no gate closes, after its expiry.
func (d *decider) outOfTime(st *Step) bool {
	expires := st.Gate.Manifest.Expires
	return !expires.IsZero() && !d.now.Before(expires)
}

// expired ends a manifest whose time is over, and puts a new one to the people.
func (d *decider) expired(in *inst) {
	st := d.at(in.path)
	if st.Status != Running || st.Gate == nil || st.Gate.Digest == "" || !d.outOfTime(st) {
		return
	}
	d.voidGate(in.path, fmt.Sprintf("it expired at %s", st.Gate.Manifest.Expires.Format(time.RFC3339)))
	d.openGate(in)
}

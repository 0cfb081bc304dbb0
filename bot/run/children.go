package run

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/playbook"
)

// childID is the id of the next child of a step: the same for the same state, so that a repeat
// of the decision names the same child.
func (d *decider) childID(path string) string {
	n := 0
	for _, c := range d.s.Children {
		if c.Step == path {
			n++
		}
	}
	return action.Key{Run: d.s.ID, Step: path + "#run", Generation: n + 1}.String()
}

func (d *decider) childRuns(path string) bool {
	for _, c := range d.s.Children {
		if c.Step == path && c.Outcome == "" {
			return true
		}
	}
	return false
}

// children lists the ids of a step's children in the order in which they were wanted; "" is
// every step.
func (d *decider) children(path string) []string {
	var ids []string
	for id, c := range d.s.Children {
		if path == "" || c.Step == path {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int {
		return cmp.Or(cmp.Compare(d.s.Children[a].Order, d.s.Children[b].Order), strings.Compare(a, b))
	})
	return ids
}

// wantChild asks the engine to start a child run.
func (d *decider) wantChild(in *inst, id, entry, name string, priority int, inputs map[string]any) {
	if id == "" {
		id = d.childID(in.path)
	}
	d.emit(ChildWanted{in.path, entry, id})
	circle := []any{}
	for _, p := range d.s.Circle {
		circle = append(circle, string(p))
	}
	requester := d.by
	if requester == "" {
		requester = d.s.Requester
	}
	filled := make(map[string]any, len(d.s.Filled))
	for role, held := range d.s.Filled {
		list := make([]any, len(held))
		for i, p := range held {
			list[i] = string(p)
		}
		filled[role] = list
	}
	d.intend(in.path, ForChild, StartRun, map[string]any{"filled": filled, "child": id, "playbook": name, "inputs": inputs, "parent": d.s.ID,
		"project": d.s.Project, "private": d.s.Private, "circle": circle, "priority": int64(priority),
		"requester": string(requester), "owner": d.s.Owner}, intent{})
}

func (d *decider) beginCall(in *inst) {
	d.wantChild(in, "", "", in.def.Call.Playbook, d.s.Priority, d.at(in.path).Inputs)
}

// childStarted goes on after the engine tried to start a child.
func (d *decider) childStarted(in *inst, e *Effect, r EffectEnded) {
	if r.Outcome == OK {
		return
	}
	values, _ := action.DecodeValues(e.Inputs)
	id, _ := values["child"].(string)
	if c := d.s.Children[id]; c == nil || c.Outcome != "" {
		return
	}
	d.emit(ChildEnded{Step: in.path, Child: id, Outcome: "not started"})
	if in.def.Kind == playbook.Call && d.at(in.path).Status == Running {
		d.fail(in, orElse(r.Class, "start"), "the run of "+in.def.Call.Playbook+" could not be started"+colon(r.Message))
	}
}

// childEnded records what became of a child. For a call it is the outcome of the step.
func (d *decider) childEnded(e Ended) {
	c := d.s.Children[e.Child]
	if c == nil || c.Outcome != "" {
		return
	}
	d.emit(ChildEnded{Step: c.Step, Child: e.Child, Outcome: e.Outcome, Output: e.Output})
	in := d.find(c.Step)
	if in == nil || in.def.Kind != playbook.Call {
		return
	}
	ids, st := d.children(c.Step), d.at(c.Step)
	if ids[len(ids)-1] != e.Child || st.Status != Running && st.Status != Stuck {
		return
	}
	if e.Outcome != "done" {
		if d.s.Status == IsAborting {
			d.end(in.path, StepFailed{Step: in.path, Class: e.Outcome, Message: "its run ended as " + e.Outcome})
			return
		}
		d.fail(in, e.Outcome, fmt.Sprintf("its run %s ended as %s", e.Child, e.Outcome))
		return
	}
	out, err := action.DecodeValues(e.Output)
	if err != nil {
		d.stuck(in.path, "what its run gave cannot be read")
		return
	}
	out["run"], out["outcome"] = e.Child, e.Outcome
	d.done(in, out)
}

// entry finds what is on offer under a name.
func (d *decider) entry(path, name string) (*inst, *playbook.OfferEntry, *errs.Error) {
	in := d.find(path)
	if in == nil || in.def.Kind != playbook.Offer {
		return nil, nil, refuse(errs.NotFound, "%s has no offer %q", d.s.Name, path).Hint("%s", d.stepsHint())
	}
	st := d.at(path)
	if st.Status != Running || st.Closed {
		word := "it is " + string(st.Status)
		if st.Closed {
			word = "it is closed"
		}
		return nil, nil, refuse(errs.Conflict, "%s is not open: %s", path, word)
	}
	var names []string
	for i := range in.def.Offer.Entries {
		e := &in.def.Offer.Entries[i]
		if e.Name == name || name == "" && len(in.def.Offer.Entries) == 1 {
			return in, e, nil
		}
		names = append(names, e.Name)
	}
	return nil, nil, refuse(errs.NotFound, "%s offers no %q", path, name).Hint("on offer: %s", strings.Join(names, ", "))
}

// startChild is a person who starts what is on offer.
func (d *decider) startChild(c Command) *errs.Error {
	in, entry, err := d.entry(c.Step, c.Entry)
	if err != nil {
		return err
	}
	allowed := false
	var who []string
	for _, role := range entry.By {
		allowed = allowed || role == "requester" && d.isRequester(c.Person) || d.has(role, c.Person)
		who = append(who, d.whoHas(role))
	}
	if !allowed {
		return refuse(errs.Denied, "%s may not start %s", c.Person, entry.Name).Hint("%s may", orElse(strings.Join(who, ", or "), "only a fact or its schedule"))
	}
	if d.s.Status == OnHold {
		return refuse(errs.Conflict, "%s is %s", d.s.Name, held(d.s.Hold)).Hint("resume it first")
	}
	return d.offerChild(in, entry, c.Child, c.Values, nil)
}

// triggered starts what is on offer because of a fact or a schedule. It is not a person's word,
// so it is dropped, not refused, when the offer is not open.
func (d *decider) triggered(t Triggered) *errs.Error {
	in, entry, err := d.entry(t.Step, t.Entry)
	if err != nil || d.s.Status != Live || d.s.Children[t.Child] != nil {
		return nil
	}
	var locals map[string]any
	if t.Fact != nil {
		locals = map[string]any{"fact": t.Fact}
	}
	return d.offerChild(in, entry, t.Child, t.Values, locals)
}

func (d *decider) offerChild(in *inst, entry *playbook.OfferEntry, id string, values, locals map[string]any) *errs.Error {
	if id != "" && d.s.Children[id] != nil {
		return nil // a repeat
	}
	inputs, err := eval(entry.With, d.scope(in, locals))
	if err != nil {
		return refuse(errs.Invalid, "the inputs of %s cannot be made: %s", entry.Name, errs.Text(err))
	}
	for name, v := range values {
		if _, given := entry.With[name]; given {
			return refuse(errs.Invalid, "%s is given by the playbook and cannot be chosen", name)
		}
		inputs[name] = v
	}
	d.wantChild(in, id, entry.Name, entry.Playbook, entry.Priority, inputs)
	d.reply = entry.Name + " is being started"
	return nil
}

// closeOffer closes an offer, or the list of a living each.
func (d *decider) closeOffer(c Command) *errs.Error {
	in := d.find(c.Step)
	if in == nil || in.def.Kind != playbook.Offer && (in.def.Kind != playbook.Each || in.def.Each.Ledger == "") {
		return refuse(errs.NotFound, "%s has nothing to close at %q", d.s.Name, c.Step).Hint("%s", d.stepsHint())
	}
	allowed, who := d.may(c.Person), d.whoMay()
	if in.def.Kind == playbook.Offer {
		role := in.def.Offer.Closes
		allowed, who = role == "requester" && d.isRequester(c.Person) || d.has(role, c.Person), d.whoHas(role)
	}
	if !allowed {
		return refuse(errs.Denied, "%s may not close %s", c.Person, c.Step).Hint("%s may", who)
	}
	st := d.at(c.Step)
	if st.Closed || settledWell(st.Status) {
		d.reply = c.Step + " is closed already"
		return nil
	}
	if st.Status != Running {
		return refuse(errs.Conflict, "%s is not open: it is %s", c.Step, st.Status)
	}
	d.emit(OfferClosed{c.Step})
	d.reply = c.Step + " is closed; what runs is awaited"
	return nil
}

// lookOffer ends a closed offer when its last child has ended.
func (d *decider) lookOffer(in *inst, st *Step) {
	if !st.Closed || d.childRuns(in.path) {
		return
	}
	list := []any{}
	for _, id := range d.children(in.path) {
		c := d.s.Children[id]
		list = append(list, map[string]any{"entry": c.Entry, "run": id, "outcome": c.Outcome})
	}
	d.done(in, map[string]any{"children": list})
}

// tellChildren passes hold, resume and abort on.
func (d *decider) tellChildren(verb Verb, reason string, now bool) {
	for _, id := range d.children("") {
		if c := d.s.Children[id]; c.Outcome == "" {
			d.intend(c.Step, ForTell, TellRun, map[string]any{"child": id, "verb": string(verb), "reason": reason, "now": now,
				"by": string(d.by), "run": d.s.ID}, intent{})
		}
	}
}

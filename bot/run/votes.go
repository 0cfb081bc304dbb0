package run

import (
	"slices"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/bot/gate"
	"slipway/bot/people"
	"slipway/bot/playbook"
)

// openGateAt finds the open gate that a person speaks of.
func (d *decider) openGateAt(path string) (*inst, *Step, *errs.Error) {
	in := d.find(path)
	if in == nil || in.def.Kind != playbook.GateK {
		return nil, nil, refuse(errs.NotFound, "%s has no gate %q", d.s.Name, path).Hint("%s", d.gateHint())
	}
	st := d.at(path)
	switch {
	case st.Gate != nil && st.Gate.Verdict != nil && (st.Status == Done || st.Status == FailedSt):
		word := "rejected"
		if st.Gate.Approved {
			word = "approved"
		}
		return nil, nil, refuse(errs.Conflict, "the gate %s is closed already: it was %s at %s", path, word, st.Gate.At.Format(time.RFC3339)).
			Hint("an approval counts until its gate closes; use hold or abort to stop what follows")
	case st.Status != Running || st.Gate == nil || st.Gate.Digest == "":
		return nil, nil, refuse(errs.Conflict, "the gate %s is not open: it is %s", path, st.Status).Hint("%s", d.gateHint())
	}
	return in, st, nil
}

func (d *decider) gateHint() string {
	var open []string
	for _, in := range d.instances() {
		if in.def.Kind == playbook.GateK && d.at(in.path).Status == Running {
			open = append(open, in.path)
		}
	}
	if len(open) == 0 {
		return "no gate of this run is open"
	}
	return "open now: " + strings.Join(open, ", ")
}

// vote is a person's word by command, button or review.
func (d *decider) vote(in Vote) *errs.Error {
	v := in.Vote
	if err := d.known(v.Person); err != nil {
		return err
	}
	g, st, err := d.openGateAt(in.Step)
	if err != nil {
		return err
	}
	d.by = v.Person
	if in.Lift {
		return d.lift(g, st, v)
	}
	if in.Withdraw {
		return d.withdraw(g, st, v)
	}
	if v.Manifest == "" {
		v.Manifest = st.Gate.Digest
	}
	if v.Manifest != st.Gate.Digest {
		return refuse(errs.Conflict, "that manifest of %s is void, there is a newer one: %s", in.Step, st.Gate.Digest).
			Hint("look at what changed, and answer again on the newest gate message")
	}
	if d.outOfTime(st) {
		return refuse(errs.Conflict, "that manifest of %s expired at %s", in.Step, st.Gate.Manifest.Expires.Format(time.RFC3339)).
			Hint("answer on the new gate message, which follows")
	}
	switch v.Kind {
	case gate.Approve, gate.Reject:
	case gate.Veto:
		if strings.TrimSpace(v.Reason) == "" {
			return refuse(errs.Invalid, "a veto needs a reason").Hint("say what must change, so that people know what lifts it")
		}
	default:
		return refuse(errs.Invalid, "%q is not an answer to a gate", v.Kind).Hint("say approve, reject or veto")
	}
	if v.At.IsZero() {
		v.At = d.now
	}
	for _, old := range st.Gate.Votes {
		if old.Kind == v.Kind && old.Person == v.Person && old.Account == v.Account && old.Message == v.Message {
			d.reply = "your answer to " + in.Step + " is known already"
			return nil
		}
	}
	d.emit(Voted{Step: in.Step, Votes: []gate.Vote{v}})
	d.reply = "recorded"
	for _, r := range d.verdict(g, d.at(in.Step)).Refused {
		if r.Vote.Person == v.Person && r.Vote.Kind == v.Kind {
			d.reply = "recorded, but it does not count: " + r.Why
		}
	}
	return nil
}

// withdraw takes back an approval or reject that was given by command. What was given by a
// reaction is taken back by taking the reaction away: it would be found again.
func (d *decider) withdraw(in *inst, st *Step, v gate.Vote) *errs.Error {
	kind := v.Kind
	if kind == "" {
		kind = gate.Approve
	}
	for _, old := range st.Gate.Votes {
		if old.Person != v.Person || old.Kind != kind {
			continue
		}
		if kind == gate.Veto {
			return d.lift(in, st, v)
		}
		if old.Message != "" && d.reacted(st, old.Message) {
			return refuse(errs.Conflict, "that answer is a reaction on the gate message").Hint("take the reaction away; that withdraws it")
		}
		d.emit(Withdrawn{Step: in.path, Person: v.Person, Kind: kind, Reason: v.Reason})
		d.reply = "taken back"
		return nil
	}
	return refuse(errs.Conflict, "%s has not said %s to %s", v.Person, kind, in.path).Hint("`%s` lists who said what", WhySay(d.s.Name, in.path))
}

// reacted reports whether the message is read level-triggered.
func (d *decider) reacted(st *Step, message string) bool {
	return slices.Contains(st.Gate.Read, message)
}

// lift takes a veto away: by who laid it, or by a holder of the role that the gate names.
func (d *decider) lift(in *inst, st *Step, v gate.Vote) *errs.Error {
	var vetoes []people.PersonID
	for _, old := range st.Gate.Votes {
		if old.Kind == gate.Veto && !slices.Contains(vetoes, old.Person) {
			vetoes = append(vetoes, old.Person)
		}
	}
	if len(vetoes) == 0 {
		return refuse(errs.Conflict, "nobody has vetoed %s", in.path)
	}
	role := in.def.Gate.Lifts
	any := role != "" && d.has(role, v.Person)
	lifted := false
	for _, who := range vetoes {
		if who == v.Person || any {
			d.emit(Withdrawn{Step: in.path, Person: who, Kind: gate.Veto, Reason: v.Reason})
			lifted = true
		}
	}
	if !lifted {
		hint := "%s can lift it"
		if role != "" {
			hint += ", or a " + role
		}
		return refuse(errs.Denied, "%s did not lay the veto on %s", v.Person, in.path).Hint(hint, join(vetoes))
	}
	d.reply = "the veto is lifted"
	return nil
}

// reactions is what a gate message was found to bear. Votes that speak of another manifest than
// the open one are not recorded: reactions on a void message count for nothing.
func (d *decider) reactions(in Reactions) *errs.Error {
	g := d.find(in.Step)
	if g == nil || g.def.Kind != playbook.GateK {
		return nil
	}
	st := d.at(in.Step)
	if st.Status != Running || st.Gate == nil || st.Gate.Digest == "" {
		return nil
	}
	votes := make([]gate.Vote, len(in.Votes))
	for i, v := range in.Votes {
		v.Message = in.Message
		votes[i] = v
	}
	d.recordMessage(g, in.Message, votes)
	return nil
}

// recordMessage records the votes of one message if they are not what is known of it.
func (d *decider) recordMessage(in *inst, message string, votes []gate.Vote) {
	g := d.at(in.path).Gate
	votes = slices.DeleteFunc(slices.Clone(votes), func(v gate.Vote) bool { return v.Manifest != g.Digest })
	for i := range votes { // the first time that a reaction was seen is when it was given
		for _, old := range g.Votes {
			if old.Message == message && old.Kind == votes[i].Kind && old.Account == votes[i].Account && old.Person == votes[i].Person {
				votes[i].At = old.At
			}
		}
	}
	known := 0
	same := true
	for _, old := range g.Votes {
		if old.Message == message {
			known++
			same = same && slices.Contains(votes, old)
		}
	}
	if same && known == len(votes) {
		return
	}
	d.emit(Voted{Step: in.path, Message: message, Votes: votes})
}

func join(ids []people.PersonID) string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = string(id)
	}
	return strings.Join(names, ", ")
}

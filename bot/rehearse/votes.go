package rehearse

import (
	"slipway/bot/gate"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// reread is what a closing read finds on the gate message: what stood there, or, with lost, all
// but the last of it.
func (st *stage) reread(n *node, path string, lost bool) run.Closing {
	c := run.Closing{Clean: true, Messages: []string{gateMessage}}
	for _, v := range n.s.Steps[path].Gate.Votes {
		if v.Message == gateMessage {
			c.Votes = append(c.Votes, v)
		}
	}
	if lost && len(c.Votes) > 0 {
		c.Votes = c.Votes[:len(c.Votes)-1]
	}
	return c
}

// gateMessage is the message on which people react.
const gateMessage = "gate message"

// votes on an open gate: the next person who is still needed approves, or anybody who is needed
// says no.
func (st *stage) votes(n *node, path string, step *run.Step, def *playbook.Step) []Choice {
	if step.Gate == nil || step.Gate.Digest == "" {
		return nil
	}
	vote := func(kind gate.VoteKind, who people.PersonID, text string, trouble bool) Choice {
		v := gate.Vote{Kind: kind, Person: who, Account: st.account(who), Manifest: step.Gate.Digest, At: n.now}
		if kind != gate.Approve {
			v.Reason = "simulated"
		}
		return Choice{Kind: Vote, Step: path, What: "gate", Outcome: string(kind), Person: who, Text: text, Trouble: trouble, input: run.Vote{Step: path, Vote: v}}
	}
	var out []Choice
	for _, v := range step.Gate.Votes {
		if v.Kind == gate.Veto {
			c := vote(gate.Veto, v.Person, "lifts the veto", false)
			c.Outcome = "lift"
			c.input = run.Vote{Step: path, Vote: gate.Vote{Kind: gate.Veto, Person: v.Person}, Lift: true}
			out = append(out, c)
		}
	}
	spoken := map[people.PersonID]bool{}
	for _, v := range step.Gate.Votes {
		spoken[v.Person] = true
	}
	for _, a := range run.Who(st.p, n.s, st.world(n)) {
		if a.Kind != "gate" || a.Step != path {
			continue
		}
		for _, who := range a.Persons {
			if spoken[who] {
				continue
			}
			yes := vote(gate.Approve, who, "approves", false)
			yes.input = st.react(step, path, yes.input.(run.Vote).Vote)
			out = append(out, yes, vote(gate.Reject, who, "rejects", true))
			break // persons of one role are alike: the first who has not spoken stands for all
		}
	}
	return out
}

// react is the gate message with one more reaction, or, of a person who has reacted, one less.
func (st *stage) react(step *run.Step, path string, v gate.Vote) run.Reactions {
	r := run.Reactions{Step: path, Message: gateMessage}
	v.Message = gateMessage
	found := false
	for _, old := range step.Gate.Votes {
		if old.Message == gateMessage && old.Person == v.Person {
			found = true
			continue
		}
		if old.Message == gateMessage {
			r.Votes = append(r.Votes, old)
		}
	}
	if !found {
		r.Votes = append(r.Votes, v)
	}
	return r
}

// account is one through which the person speaks.
func (st *stage) account(who people.PersonID) people.Account {
	if p, ok := st.dir.Person(who); ok && len(p.Accounts) > 0 {
		return p.Accounts[0]
	}
	return people.Account{}
}

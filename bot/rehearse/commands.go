package rehearse

import (
	"slipway/bot/action"
	"slipway/bot/gate"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// commands lists what people, timers and the outside may do to a run unasked. Some are refused as
// things stand: a refusal must change nothing.
func (st *stage) commands(n *node) []Choice {
	s := n.s
	if s.Status == run.RunEnded || s.Status == "" {
		return nil
	}
	who := st.steerer(s)
	var out []Choice
	say := func(step, word string, c run.Command, text string) {
		c.Step = step
		if c.Person == "" {
			c.Person = who
		}
		out = append(out, Choice{Kind: Command, Step: step, What: string(c.Verb), Outcome: word, Person: c.Person, Text: text, Trouble: true, input: c})
	}
	say("", "", run.Command{Verb: run.HoldVerb, Reason: "simulated"}, "holds the run")
	say("", "now", run.Command{Verb: run.HoldVerb, Reason: "simulated", Now: true}, "holds the run at once")
	say("", "", run.Command{Verb: run.AbortVerb, Reason: "simulated"}, "aborts the run")
	say("", "", run.Command{Verb: run.HandOverVerb, To: st.other(s, who), Reason: "simulated"}, "hands the run over")
	say("", "", run.Command{Verb: run.AdoptVerb}, "has the run look for what was done outside")
	if values := st.renamed(s); len(values) > 0 {
		say("", "", run.Command{Verb: run.RenameVerb, Values: values}, "renames the run")
	}
	if len(s.Profile) > 0 {
		say("", "", run.Command{Verb: run.MigrateVerb, Closure: "other closure"}, "moves the run to another closure")
	}
	for _, name := range sortedKeys(s.Locks) {
		say("", name, run.Command{Verb: run.YieldVerb, Lock: name, Person: first(st.members(s, run.ReleaseManager, n.now)), Reason: "simulated"}, "gives the lock to another run")
	}
	for _, r := range st.p.Roles {
		by := who
		if len(r.By) > 0 {
			by = first(st.members(s, r.By[0], n.now))
		}
		say("", r.Name, run.Command{Verb: run.AppointVerb, Role: r.Name, Person: by, To: st.other(s, by)}, "appoints "+r.Name)
		say("", r.Name+" nobody", run.Command{Verb: run.AppointVerb, Role: r.Name, Person: by}, "empties "+r.Name)
	}
	for _, path := range st.paths(s) {
		step, def := s.Steps[path], st.def(path)
		if def.MaySkip != nil || step != nil && step.Status == run.Running && def.Kind == playbook.GateK {
			c := run.Command{Verb: run.SkipVerb, Reason: "simulated"}
			if def.MaySkip != nil {
				c.Person = first(st.members(s, def.MaySkip.By[0], n.now))
			}
			say(path, "", c, "skips it")
		}
		if step == nil {
			continue
		}
		switch step.Status {
		case run.Done, run.Adopted, run.FailedSt, run.SkippedSt, run.Running:
			say(path, "", run.Command{Verb: run.RetryVerb}, "tries it anew")
			if def.Kind == playbook.Do || def.Kind == playbook.Wait {
				say(path, "changed", run.Command{Verb: run.RetryVerb}, "tries it anew, with another result")
				out[len(out)-1].changes = map[string]string{path: "changed"}
			}
		}
		if def.Kind == playbook.Do && (step.Status == run.Done || step.Status == run.Adopted) {
			key := action.Key{Run: s.ID, Step: path, Inputs: step.Digest, Generation: step.Generations[step.Digest]}.String()
			say(path, "", run.Command{Verb: run.AgainVerb, Values: map[string]any{"seen": key}}, "has it done again")
		}
		if def.Kind == playbook.Ask && step.Status == run.Done {
			salted := *n
			salted.salt = put(n.salt, path, "changed")
			for _, c := range st.answers(&salted, path, "ask", st.asked(n, step, def.Ask.Of), "", def.Ask.Fields) {
				c.Trouble, c.Outcome, c.Text = true, "changed", "answers otherwise"
				out = append(out, c)
			}
		}
		if def.Kind == playbook.GateK && step.Status == run.Running && step.Gate != nil && step.Gate.Digest != "" {
			out = append(out, st.gateCommands(n, path, step, def)...)
		}
	}
	out = append(out, Choice{Kind: Outside, What: "wake", Text: "something changed around the run", Trouble: true, input: run.Wake{Why: "simulated"}})
	return out
}

func (st *stage) gateCommands(n *node, path string, step *run.Step, def *playbook.Step) []Choice {
	var out []Choice
	add := func(word, text string, who people.PersonID, in run.Input) {
		out = append(out, Choice{Kind: Vote, Step: path, What: "gate", Outcome: word, Person: who, Text: text, Trouble: true, input: in})
	}
	who := first(st.members(n.s, def.Gate.Rule.Roles()[0], n.now))
	v := gate.Vote{Kind: gate.Veto, Person: who, Account: st.account(who), Manifest: step.Gate.Digest, Reason: "simulated", At: n.now}
	add("veto", "vetoes", who, run.Vote{Step: path, Vote: v})
	v = gate.Vote{Kind: gate.Approve, Person: n.s.Requester, Account: st.account(n.s.Requester), Manifest: step.Gate.Digest, At: n.now}
	add("approve", "approves", n.s.Requester, run.Vote{Step: path, Vote: v})
	v.Manifest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
	add("approve another manifest", "approves a manifest that is void", who, run.Vote{Step: path, Vote: v})
	for _, old := range step.Gate.Votes {
		if old.Kind == gate.Approve && old.Message == gateMessage {
			add("withdraw", "takes the reaction away", old.Person, st.react(step, path, old))
			break
		}
	}
	return out
}

// other is a person who is not who.
func (st *stage) other(s *run.State, who people.PersonID) people.PersonID {
	for _, p := range st.dir.Persons() {
		if p.ID != who && p.ID != s.Requester && !p.Bot && !p.Gone {
			return p.ID
		}
	}
	return who
}

// renamed gives every input that is in the run's name another value, once.
func (st *stage) renamed(s *run.State) map[string]any {
	values := map[string]any{}
	if st.p.RunName == nil {
		return nil
	}
	for _, in := range st.p.Inputs {
		if old, ok := s.Inputs[in.Name].(string); ok && mentions(st.p.RunName.Text, "inputs."+in.Name) && len(in.Type.Enum) == 0 {
			values[in.Name] = "2019.02"
			if old == "2019.02" {
				return nil
			}
		}
	}
	return values
}

package rehearse

import (
	"slices"
	"strings"

	"slipway/bot/action"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// choices lists what can happen at n by itself or because somebody is waited for, the good way
// first. What people may do unasked is in [stage.commands].
func (st *stage) choices(n *node) []Choice {
	var out []Choice
	s := n.s
	if s.Status == run.RunEnded {
		return nil
	}
	if len(st.p.Ledgers) > len(s.Ledgers) {
		return st.firstRows(n)
	}
	for _, key := range st.flights(s) {
		out = append(out, st.outcomes(n, key)...)
	}
	out = append(out, st.children(n)...)
	out = append(out, st.worked(n)...)
	for _, path := range st.paths(s) {
		if step := s.Steps[path]; step != nil {
			out = append(out, st.awaited(n, path, step)...)
		}
	}
	for _, path := range st.gone(s) {
		out = append(out, st.awaited(n, path, s.Steps[path])...)
	}
	out = append(out, st.undo(n)...)
	for _, name := range sortedKeys(s.Queued) {
		if n.locks[name].Holder.Run == otherRun {
			out = append(out, Choice{Kind: Outside, What: name, Outcome: "freed", Text: "another run gives back the lock " + name,
				input: run.LocksChanged{Names: []string{name}}, free: name})
		}
	}
	if s.Status == run.OnHold {
		out = append(out, Choice{Kind: Command, What: "resume", Person: st.requester, Text: "goes on",
			input: run.Command{Verb: run.ResumeVerb, Person: st.steerer(s)}})
	}
	out = append(out, st.timers(n)...)
	good := slices.IndexFunc(out, func(c Choice) bool { return !c.Trouble })
	if good > 0 { // the good way first
		c := out[good]
		out = slices.Insert(slices.Delete(out, good, good+1), 0, c)
	}
	return out
}

// steerer is a person who may tell the run what to do.
func (st *stage) steerer(s *run.State) people.PersonID {
	if s.Requester != "" {
		return s.Requester
	}
	return first(st.members(s, run.ReleaseManager, st.begin))
}

func first(ids []people.PersonID) people.PersonID {
	if len(ids) == 0 {
		return ""
	}
	return ids[0]
}

// firstRows fills each ledger with two rows.
func (st *stage) firstRows(n *node) []Choice {
	for _, l := range st.p.Ledgers {
		if n.s.Ledgers[l.Name] != nil {
			continue
		}
		a := run.Aggregate{Ledger: l.Name, Total: 2, Counts: map[string]int{l.States[0]: 2}, Head: "head"}
		for _, key := range []string{"one", "two"} {
			values := maker{seed: l.Name + key, now: st.begin}.object(action.Obj(l.Columns...))
			values[l.Key] = key
			a.Rows = append(a.Rows, run.Row{Key: key, State: l.States[0], Values: values, Match: true})
		}
		return []Choice{{Kind: Outside, What: l.Name, Outcome: "rows", Text: "the ledger " + l.Name + " gets two rows", input: a}}
	}
	return nil
}

// outcomes of the effect in flight under key.
func (st *stage) outcomes(n *node, key string) []Choice {
	e := n.s.Effects[key]
	name, _, _ := strings.Cut(e.Action, "@")
	end := func(kind Kind, outcome run.Outcome, word, class, text string, out map[string]any) Choice {
		r := run.Result{Key: key, Outcome: outcome, Class: class}
		if outcome == run.OK {
			r.Output, _ = action.Canonical(out)
		} else {
			r.Message = "simulated"
		}
		return Choice{Kind: kind, Step: e.Step, What: string(e.For) + " " + e.Action, Outcome: word, Class: class, Text: text,
			Trouble: outcome != run.OK, input: r, at: e.After}
	}
	switch e.For {
	case run.ForMessage, run.ForRemind, run.ForTell:
		all := []Choice{end(Message, run.OK, "ok", "", name+" is sent", map[string]any{})}
		if e.For == run.ForMessage && e.Action == run.GateMessage {
			all = append(all, end(Message, run.Fail, "fail", "", name+" cannot be sent", nil))
		}
		return all
	case run.ForClosing:
		number := n.s.Steps[e.Step].Gate.Closing
		answer := func(word, text string, c run.Closing, trouble bool) Choice {
			c.Step, c.Number = e.Step, number
			return Choice{Kind: Closing, Step: e.Step, What: "closing", Outcome: word, Text: text, Trouble: trouble, input: c}
		}
		return []Choice{
			answer("ok", "the approvals are read again and stand", st.reread(n, e.Step, false), false),
			answer("gone", "an approval was taken back meanwhile", st.reread(n, e.Step, true), true),
			answer("touched", "the gate was touched while it was read", run.Closing{}, true),
			answer("unavailable", "a source cannot be reached", run.Closing{Unavailable: "a source", Clean: true}, true),
		}
	case run.ForPoll:
		return st.polls(n, e, end)
	}
	out := st.output(n, e)
	text := e.Action
	if e.ProbeOnly {
		all := []Choice{end(Effect, run.Fail, "not found", "", "a probe of "+name+" finds nothing", nil)}
		all[0].Trouble = false
		c := end(Effect, run.OK, "found", "", "a probe of "+name+" finds it done", out)
		c.Trouble = true
		return append(all, c)
	}
	all := []Choice{end(Effect, run.OK, "ok", "", text+" is done", out)}
	classes := []string{""}
	if def := st.def(e.Step); def != nil && def.OnFail != nil && e.For == run.ForStep {
		for _, r := range def.OnFail.Retries {
			if r.Class != "any" {
				classes = append(classes, r.Class)
			}
		}
	}
	for _, class := range classes {
		all = append(all, end(Effect, run.Fail, "fail", class, text+" fails", nil))
	}
	switch e.For {
	case run.ForStep, run.ForChild, run.ForAgain, run.ForBack, run.ForUndo:
		all = append(all, end(Effect, run.Doubtful, "doubtful", "", "nobody can tell whether "+text+" happened", nil))
	}
	return all
}

// output makes up what the action of an effect gives.
func (st *stage) output(n *node, e *run.Effect) map[string]any {
	contract, ok := st.contracts[e.Action]
	if !ok {
		return map[string]any{}
	}
	in, _ := action.DecodeValues(e.Inputs)
	m := maker{seed: e.Action + string(e.Inputs) + n.salt[e.Step], now: st.begin}
	if contract.Policy != action.Keyed { // one that makes something new does not give back what it was given
		m.echo = in
	}
	out := m.object(contract.Out)
	if e.For == run.ForConfirm {
		def := st.def(e.Step)
		if def.ByHand.Until == nil {
			return out
		}
		name := lastWord(e.Action)
		for _, c := range candidates(out, contract.Out, []string{def.ByHand.Until.Text}, st.near(n, e.Step, n.s.Steps[e.Step].Answers[""]), 2000) {
			locals := map[string]any{name: c, "evidence": n.s.Steps[e.Step].Answers[""]}
			if ok, err := def.ByHand.Until.Bool(st.scope(n.s, e.Step, locals, n.now)); err == nil && ok {
				return c
			}
		}
	}
	return out
}

func lastWord(ref string) string {
	ref, _, _ = strings.Cut(ref, "@")
	return ref[strings.LastIndexByte(ref, '.')+1:]
}

// polls are what a reading of a watched fact can give: what ends the wait well, what ends it
// badly, and neither, each as far as a value for it is found.
func (st *stage) polls(n *node, e *run.Effect, end func(Kind, run.Outcome, string, string, string, map[string]any) Choice) []Choice {
	def, contract := st.def(e.Step), st.contracts[e.Action]
	in, _ := action.DecodeValues(e.Inputs)
	base := maker{seed: e.Action + string(e.Inputs) + n.salt[e.Step], echo: in, now: st.begin}.object(contract.Out)
	texts := []string{def.Wait.Until.Text}
	if def.Wait.Fail != nil {
		texts = append(texts, def.Wait.Fail.Text)
	}
	var good, bad, neither map[string]any
	for _, c := range candidates(base, contract.Out, texts, st.near(n, e.Step, in), 2000) {
		scope := st.scope(n.s, e.Step, map[string]any{def.Wait.As: c}, n.now)
		until, err := def.Wait.Until.Bool(scope)
		if err != nil {
			continue
		}
		failed := false
		if def.Wait.Fail != nil {
			failed, _ = def.Wait.Fail.Bool(scope)
		}
		switch {
		case until && good == nil:
			good = c
		case !until && failed && bad == nil:
			bad = c
		case !until && !failed && neither == nil:
			neither = c
		}
		if good != nil && bad != nil && neither != nil {
			break
		}
	}
	var all []Choice
	if good != nil {
		all = append(all, end(Effect, run.OK, "ok", "", "it is so: "+def.Wait.Until.Text, good))
	}
	if bad != nil {
		c := end(Effect, run.OK, "fail", "", "it has failed: "+def.Wait.Fail.Text, bad)
		c.Trouble = true
		all = append(all, c)
	}
	if neither != nil {
		c := end(Effect, run.OK, "not yet", "", "not yet: "+def.Wait.Until.Text, neither)
		c.Trouble = true
		all = append(all, c)
	}
	return append(all, end(Effect, run.Fail, "unreadable", "", e.Action+" cannot be read", nil))
}

// near lists the values that a condition at path may compare with: those of more, of the run's
// inputs, of the element, and of the steps that it reads.
func (st *stage) near(n *node, path string, more map[string]any) []any {
	var out []any
	add := func(m map[string]any) {
		for _, name := range sortedKeys(m) {
			out = append(out, m[name])
		}
	}
	add(more)
	scope := st.scope(n.s, path, nil, n.now)
	for _, read := range st.def(path).Reads {
		if values, ok := scope.Step(read); ok {
			add(values)
		}
	}
	for _, name := range sortedKeys(scope.Locals) {
		if m, ok := scope.Locals[name].(map[string]any); ok {
			add(m)
		} else {
			out = append(out, scope.Locals[name])
		}
	}
	add(n.s.Inputs)
	return out
}

// children that run can end.
func (st *stage) children(n *node) []Choice {
	var out []Choice
	for _, id := range sortedKeys(n.s.Children) {
		c := n.s.Children[id]
		starting := slices.ContainsFunc(sortedKeys(n.s.Effects), func(key string) bool {
			e := n.s.Effects[key]
			return e.For == run.ForChild && e.Step == c.Step
		})
		if c.Outcome != "" || starting {
			continue
		}
		for i, outcome := range []string{"done", "failed", "aborted"} {
			out = append(out, Choice{Kind: Child, Step: c.Step, What: "run", Outcome: outcome, Text: "its run ends as " + outcome,
				Trouble: i > 0, input: run.Ended{Child: id, Outcome: outcome, Output: []byte("{}")}})
		}
	}
	return out
}

// awaited is what persons are asked for at one step.
func (st *stage) awaited(n *node, path string, step *run.Step) []Choice {
	def := st.def(path)
	if def == nil {
		return nil
	}
	steerer := st.steerer(n.s)
	switch step.Status {
	case run.InDoubt:
		var out []Choice
		e := n.s.Effects[step.Effect]
		if e != nil && e.Outcome == "" {
			return nil // it is tried again
		}
		answers := []string{"happened", "redo", "failed"}
		if !slices.Contains(st.paths(n.s), path) {
			answers = []string{"happened", "failed"} // its element is gone: nothing wants it done
		}
		for _, answer := range answers {
			values := map[string]any{"answer": answer}
			if answer == "happened" && e != nil && e.For == run.ForStep {
				values["output"] = st.output(n, e)
			}
			out = append(out, Choice{Kind: Command, Step: path, What: "doubt", Outcome: answer, Person: steerer, Text: "settles the doubt: " + answer,
				input: run.Command{Verb: run.DoubtVerb, Person: steerer, Step: path, Values: values}})
		}
		return out
	case run.Stuck:
		if n.s.Status == run.IsAborting {
			return nil
		}
		out := []Choice{{Kind: Command, Step: path, What: "retry", Person: steerer, Text: "tries it again",
			input: run.Command{Verb: run.RetryVerb, Person: steerer, Step: path}}}
		return append(out, st.skip(n, path, def)...)
	case run.Running:
	default:
		return nil
	}
	if n.s.Status == run.IsAborting {
		return nil
	}
	switch def.Kind {
	case playbook.GateK:
		return st.votes(n, path, step, def)
	case playbook.Ask:
		return st.answers(n, path, "ask", st.asked(n, step, def.Ask.Of), "", def.Ask.Fields)
	case playbook.ByHand:
		if step.On != "check" {
			return st.answers(n, path, "by_hand", st.asked(n, step, def.ByHand.Of), "", def.ByHand.Evidence)
		}
	case playbook.Collect:
		for _, key := range step.Keys {
			if _, answered := step.Answers[key]; !answered {
				return st.answers(n, path, "collect", []people.PersonID{steerer}, key, def.Collect.Ask)
			}
		}
	case playbook.Offer:
		if !step.Closed {
			who := first(st.members(n.s, def.Offer.Closes, n.now))
			return []Choice{{Kind: Command, Step: path, What: "close", Person: who, Text: "closes the offer",
				input: run.Command{Verb: run.CloseVerb, Person: who, Step: path}}}
		}
	case playbook.Each:
		if def.Each.Ledger != "" && !step.Closed {
			return []Choice{{Kind: Command, Step: path, What: "close", Person: steerer, Text: "closes the list",
				input: run.Command{Verb: run.CloseVerb, Person: steerer, Step: path}}}
		}
	}
	return nil
}

func (st *stage) skip(n *node, path string, def *playbook.Step) []Choice {
	if def.MaySkip == nil {
		return nil
	}
	who := first(st.members(n.s, def.MaySkip.By[0], n.now))
	return []Choice{{Kind: Command, Step: path, What: "skip", Person: who, Text: "skips it", Trouble: true,
		input: run.Command{Verb: run.SkipVerb, Person: who, Step: path, Reason: "simulated"}}}
}

// asked are those whom a step asks: one person, or the holders of a role.
func (st *stage) asked(n *node, step *run.Step, role string) []people.PersonID {
	if id, _ := step.Inputs["person"].(string); id != "" {
		return []people.PersonID{people.PersonID(id)}
	}
	return st.members(n.s, role, n.now)
}

// answers to a form: by the first who may, with made-up values.
func (st *stage) answers(n *node, path, what string, who []people.PersonID, member string, fields []playbook.Input) []Choice {
	person := first(who)
	if person == "" {
		return nil
	}
	values := map[string]any{}
	m := maker{seed: path + member + n.salt[path], now: st.begin}
	for _, f := range fields {
		switch {
		case f.Person:
			values[f.Name] = string(person)
			if f.Type.Kind == action.List {
				values[f.Name] = []any{string(person)}
			}
		case f.Default == nil || n.salt[path] != "":
			values[f.Name] = m.value(f.Name, f.Type)
			if b, ok := values[f.Name].(bool); ok && n.salt[path] != "" {
				values[f.Name] = !b
			}
		}
	}
	return []Choice{{Kind: Answer, Step: path, What: what, Person: person, Text: "answers",
		input: run.Answer{Step: path, Person: person, Member: member, Values: values}}}
}

// undo answers the plan after an abort.
func (st *stage) undo(n *node) []Choice {
	if n.s.Status != run.IsAborting || !n.s.Planned {
		return nil
	}
	open := false
	for _, item := range n.s.Undo {
		open = open || item.Action != "" && (item.State == "" || item.State == "failed")
	}
	if !open {
		return nil
	}
	who := st.steerer(n.s)
	return []Choice{
		{Kind: Command, What: "undo", Outcome: "none", Person: who, Text: "leaves the rest as it is",
			input: run.Command{Verb: run.UndoVerb, Person: who, Items: []string{"none"}}},
		{Kind: Command, What: "undo", Outcome: "all", Person: who, Text: "has the rest undone", Trouble: true,
			input: run.Command{Verb: run.UndoVerb, Person: who}},
	}
}

// timers that can fire. Those that belong to the good way come first; a reminder, a deadline and
// an expiry are trouble.
func (st *stage) timers(n *node) []Choice {
	var out []Choice
	for _, trouble := range []bool{false, true} {
		for _, id := range sortedKeys(n.s.Timers) {
			kind, path, _ := strings.Cut(id, "/")
			late := kind == "remind" || kind == "deadline" || kind == "expire"
			if late != trouble {
				continue
			}
			out = append(out, Choice{Kind: Timer, Step: path, What: kind, Outcome: "fires", Text: "the timer " + kind + " fires", Trouble: late,
				input: run.TimerFired{ID: id}, at: n.s.Timers[id]})
		}
	}
	return out
}

package rehearse

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// transition holds one step of the walk against the promises that speak of what is done.
func (w *walk) transition(i int, n *walkNode, c Choice, next *walkNode, d *run.Decision) {
	if len(d.Events) == 0 {
		if d.After != n.s && n.s != nil {
			w.report(i, "fold", "a decision without events has another state", c.Key())
		}
		return
	}
	before := n.s
	if before == nil {
		before = &run.State{}
	}
	if got := before.Replay(d.Events); !reflect.DeepEqual(got, d.After) {
		w.report(i, "fold", "the state is not what its events make", c.Key())
	}
	next.done, next.flying = maps.Clone(n.done), maps.Clone(n.flying)
	if next.done == nil {
		next.done, next.flying = map[string]bool{}, map[string]bool{}
	}
	cur := before
	approved := maps.Clone(n.approved)
	for _, e := range d.Events {
		was := cur
		cur = cur.Apply(e)
		w.event(i, c, e, was, cur, next)
		switch b := e.Body.(type) {
		case run.GateClosed:
			if b.Approved {
				approved = put(approved, b.Step, next.approved[b.Step])
			}
		case run.StepStale:
			delete(approved, b.Step)
		case run.StepDone:
			if next.approved[b.Step] != nil {
				approved = put(approved, b.Step, next.approved[b.Step])
			}
		case run.EffectIntended:
			if b.ProbeOnly || b.For == run.ForUndo || b.For == run.ForBack {
				continue
			}
			name, _, _ := strings.Cut(b.Action, "@")
			for _, never := range w.p.Never {
				if never.Do == name {
					w.never(i, c, b, never, approved[never.Without] != nil, cur, n, next)
				}
			}
		}
	}
}

// never: the gate closed approved, stands, and what it approved is what is there now.
func (w *walk) never(i int, c Choice, b run.EffectIntended, never playbook.Never, stands bool, s *run.State, n, next *walkNode) {
	text := fmt.Sprintf("%s is to be done by %s without %s", never.Do, b.Step, never.Without)
	if !stands {
		w.report(i, "never", text, c.Key())
		return
	}
	m := next.approved[never.Without]
	if m == nil {
		m = n.approved[never.Without]
	}
	def := w.p.Step(never.Without)
	scope := w.scope(s, never.Without, nil, next.now)
	for k, t := range def.Gate.Binds {
		v, err := t.Eval(scope)
		raw, _ := action.Canonical(v)
		if err != nil || m == nil || k >= len(m.Binds) {
			w.report(i, "never", text+": what it binds cannot be told", c.Key())
			continue
		}
		if long := m.Binds[k].Digest; m.Binds[k].Value != string(raw) && long != action.DigestOf(raw) {
			w.report(i, "never", fmt.Sprintf("%s: it approved another value of %s", text, m.Binds[k].Name), c.Key())
		}
	}
}

// event: no effect twice, and a gate passes only through its closing read.
func (w *walk) event(i int, c Choice, e run.Event, was, cur *run.State, next *walkNode) {
	switch b := e.Body.(type) {
	case run.EffectIntended:
		doubt := was.Effects[b.Key] != nil && was.Effects[b.Key].Outcome == run.Doubtful
		if next.flying[b.Key] && !doubt {
			w.report(i, "twice", b.Action+" of "+b.Step+" is intended while it is in flight", c.Key())
		}
		contract, known := w.contracts[b.Action]
		if next.done[b.Key] && known && contract.Policy != action.Read && !b.ProbeOnly {
			w.report(i, "twice", b.Action+" of "+b.Step+" is intended again though it was done and not undone", c.Key())
		}
		next.flying[b.Key] = true
	case run.EffectEnded:
		if b.Outcome != run.Doubtful {
			delete(next.flying, b.Key)
		}
		if b.Outcome == run.OK {
			next.done[b.Key] = true
		}
	case run.EffectVoided:
		delete(next.flying, b.Key)
	case run.Undone:
		delete(next.done, b.Key)
	case run.GateClosed:
		read, ok := c.input.(run.Closing)
		if b.Approved && (!ok || !read.Clean || read.Unavailable != "" || read.Step != b.Step || was.Steps[b.Step].Gate.Closing != read.Number) {
			w.report(i, "closing", b.Step+" is approved without its closing read", c.Key())
		}
		if b.Approved && !b.Verdict.Passes {
			w.report(i, "closing", b.Step+" is approved with a verdict that does not pass", c.Key())
		}
	case run.StepDone:
		if def := w.def(b.Step); def != nil && def.Kind == playbook.GateK && !b.Reused {
			if g := cur.Steps[b.Step].Gate; g == nil || g.Verdict == nil || !g.Approved {
				w.report(i, "closing", b.Step+" is done without having been approved", c.Key())
			}
		}
	}
}

// refused: a refusal has words and changes nothing, and what somebody is waited for is accepted.
func (w *walk) refused(i int32, n *walkNode, c Choice, d *run.Decision) {
	if d.After != n.s || len(d.Events) > 0 {
		w.report(int(i), "refused", "a refusal changed the run", c.Key())
	}
	if errs.Text(d.Refusal) == "" {
		w.report(int(i), "refused", "a refusal has no words", c.Key())
	}
	// Who retries an element that its list does without has to wait for what is under way.
	if !c.Trouble && !moves(n.s) {
		w.report(int(i), "refused", c.about()+" is waited for, but refused: "+errs.Text(d.Refusal), c.Key())
	}
}

// about names the choice without its person.
func (c Choice) about() string { return strings.TrimSpace(c.What + " " + c.Outcome + " of " + c.Step) }

// promises holds one state against what is true of every state.
func (w *walk) promises(i int) {
	n := w.nodes[i]
	defer func() {
		if p := recover(); p != nil {
			w.report(i, "panic", fmt.Sprint(p), "(explaining)")
		}
	}()
	world := w.world(&n.node)
	if n.s.Status == run.RunEnded {
		w.ended(i, n.s)
		return
	}
	who := run.Who(w.p, n.s, world)
	// Persons may be none: a role that nobody holds is named all the same.
	if !moves(n.s) && !w.open(n.s) && len(w.stage.worked(&n.node)) == 0 && !slices.ContainsFunc(who, func(a run.Awaited) bool { return a.What != "" }) {
		w.report(i, "dead-end", fmt.Sprintf("the run is %s, nothing is in flight, no timer is set and nobody is awaited; steps: %s", n.s.Status, standing(w.stage, n.s)), "")
	}
	for _, path := range w.paths(n.s) {
		status := run.Waiting
		if step := n.s.Steps[path]; step != nil {
			status = step.Status
		}
		why := run.Why(w.p, n.s, world, path)
		if len(why.Lines) == 0 || strings.TrimSpace(why.Lines[0]) == "" {
			w.report(i, "why", path+" is "+string(status)+" and why says nothing", "")
		}
	}
	if len(run.Why(w.p, n.s, world, "").Lines) == 0 {
		w.report(i, "why", "the run is "+string(n.s.Status)+" and why says nothing", "")
	}
}

// moves reports whether something will happen by itself.
func moves(s *run.State) bool {
	for _, e := range s.Effects {
		switch e.For {
		case run.ForMessage, run.ForRemind:
		default:
			if e.Outcome == "" {
				return true
			}
		}
	}
	for id := range s.Timers {
		if !strings.HasPrefix(id, "remind/") {
			return true
		}
	}
	for _, c := range s.Children {
		if c.Outcome == "" {
			return true
		}
	}
	return len(s.Queued) > 0
}

// open reports whether the run is in a phase that a named role closes, or that rows still to come
// go on with: an offer, or a list that lives on a ledger.
func (w *walk) open(s *run.State) bool {
	for path, step := range s.Steps {
		def := w.def(path)
		if step.Status != run.Running || step.Closed || def == nil {
			continue
		}
		if def.Kind == playbook.Offer || def.Kind == playbook.Each && def.Each.Ledger != "" {
			return true
		}
	}
	return false
}

func standing(st *stage, s *run.State) string {
	var parts []string
	for _, path := range st.paths(s) {
		if step := s.Steps[path]; step != nil && !settled(step.Status) {
			parts = append(parts, path+" "+string(step.Status))
		}
	}
	return strings.Join(parts, ", ")
}

// ended: nothing is left open.
func (w *walk) ended(i int, s *run.State) {
	if len(s.Timers)+len(s.Locks)+len(s.Queued) > 0 {
		w.report(i, "ended", fmt.Sprintf("it has ended as %s with timers %v, locks %v, queues %v", s.Outcome, sortedKeys(s.Timers), sortedKeys(s.Locks), sortedKeys(s.Queued)), "")
	}
	for _, e := range s.Effects {
		if e.For != run.ForMessage && e.For != run.ForTell {
			w.report(i, "ended", fmt.Sprintf("it has ended as %s with an effect %s of %s", s.Outcome, e.Action, e.Step), "")
		}
	}
	for _, path := range sortedKeys(s.Steps) {
		step, def := s.Steps[path], w.def(path)
		if g := step.Gate; g != nil && g.Digest != "" && g.Verdict == nil {
			w.report(i, "ended", "it has ended as "+s.Outcome+" with the open gate "+path, "")
		}
		// Elements may be left behind where their list has enough.
		if s.Outcome == "done" && def != nil && def.Parent == nil && !settled(step.Status) && step.Status != run.FailedSt && step.Status != run.Waiting {
			w.report(i, "ended", "it has ended as done while "+path+" is "+string(step.Status), "")
		}
	}
	for _, c := range s.Children {
		if c.Outcome == "" {
			w.report(i, "ended", "it has ended as "+s.Outcome+" while a run of "+c.Step+" goes on", "")
		}
	}
}

// reach: from every state that is being aborted an end is reached.
func (w *walk) reach() {
	back := make([][]int32, len(w.nodes))
	var queue []int32
	ends := make([]bool, len(w.nodes))
	for i, n := range w.nodes {
		for _, next := range n.next {
			back[next] = append(back[next], int32(i))
		}
		if n.s.Status == run.RunEnded {
			ends[i] = true
			queue = append(queue, int32(i))
		}
	}
	for len(queue) > 0 {
		i := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, from := range back[i] {
			if !ends[from] {
				ends[from] = true
				queue = append(queue, from)
			}
		}
	}
	for i, n := range w.nodes {
		if !ends[i] && n.s.Status == run.IsAborting && len(w.violations) < maxViolations {
			w.report(i, "abort", "an abort does not reach an end; steps: "+standing(w.stage, n.s), "")
		}
	}
}

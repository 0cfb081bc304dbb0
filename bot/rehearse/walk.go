package rehearse

import (
	"fmt"
	"maps"
	"strings"

	"slipway/bot/manifest"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// Bounds keep a walk finite. The zero value means the defaults.
type Bounds struct {
	Attempts int  // of a step between two settled ends; default 2
	Commands int  // unasked commands, reminders, deadlines and expiries on one way; default 1
	Troubles int  // bad ends (failures, doubts, rejects, what a probe finds) on one way; default: no bound but Attempts
	States   int  // the walk gives up above so many; default 400,000
	First    int  // visit only so many states, the nearest to the start, and leave the rest; default: all
	Crossed  bool // also interleave the good ends of actions that only read (see [Walk])
}

// Stats say what a walk has seen.
type Stats struct {
	States      int
	Transitions int
	Refusals    int            // commands that were refused, each with a reason and without a change
	Depth       int            // of the shortest way to the farthest state
	Outcomes    map[string]int // states by how the run ended; "stuck": nothing but people beyond the bounds
}

func (s Stats) String() string {
	var parts []string
	for _, o := range sortedKeys(s.Outcomes) {
		parts = append(parts, fmt.Sprintf("%s %d", o, s.Outcomes[o]))
	}
	return fmt.Sprintf("%d states, %d transitions, %d refusals, depth %d; ends: %s", s.States, s.Transitions, s.Refusals, s.Depth, strings.Join(parts, ", "))
}

// Violation is a promise that does not hold, with the shortest way to it that was found.
type Violation struct {
	Promise string // a word: fold, never, twice, dead-end, ended, closing, why, abort, panic, refused
	Text    string
	Way     []string
}

func (v Violation) String() string {
	return v.Promise + ": " + v.Text + "\n    " + strings.Join(v.Way, "\n    ")
}

// walkNode is a node with what the walk keeps about its way.
type walkNode struct {
	node
	used  int            // unasked commands so far
	bad   int            // bad ends so far, counted only when they are bounded
	tries map[string]int // retries and redos of a step since it last settled

	approved map[string]*manifest.Manifest // gates that closed approved and stand
	prior    map[string]*manifest.Manifest // of those set back
	done     map[string]bool               // effect keys that ended well and were not undone
	flying   map[string]bool               // effect keys in flight

	parent int32
	depth  int32
	by     string
	next   []int32
}

type walk struct {
	*stage
	b          Bounds
	nodes      []*walkNode
	seen       map[mark]int32
	stats      Stats
	violations []Violation
	told       map[string]bool
	cut        bool // the walk gave up: what was not visited is unknown
}

// maxViolations that a walk reports; it goes on no further.
const maxViolations = 20

// Walk explores every state that a run of the playbook can reach within b, shortest ways first,
// and holds each against what a run promises. o.Choose is not used.
//
// In each state it tries everything that can end or is awaited, with every outcome, and every
// unasked command while the way has not used up its number of them. Two reductions keep the count
// small. The good ends of actions that only read, and the sending of messages, are taken in one
// order: they touch no other step's state, so every other order leads to the same states; their
// failures, and commands meanwhile, are still tried. With Crossed they are interleaved too.
// Persons of one role are alike: the first who has not spoken stands for the rest.
//
// Conditions (when, and the one of may_skip) are free: each is taken as true on one way and as
// false on another, whatever it says, and keeps that value on this way. So more is walked than
// can happen, and a promise that holds here does not hang on what a condition happens to say. With
// Named those that read the profile alone are not free: many of them would make as many projects that
// nobody has.
func Walk(o Options, b Bounds) (Stats, []Violation, error) {
	st, err := newStage(o)
	if err != nil {
		return Stats{}, nil, err
	}
	b.Attempts = orDefault(b.Attempts, 2)
	b.Commands = orDefault(b.Commands, 1)
	b.States = orDefault(b.States, 400_000)
	st.free = conditions(st.p, o.Named)
	w := &walk{stage: st, b: b, seen: map[mark]int32{}, told: map[string]bool{}}
	w.stats.Outcomes = map[string]int{}
	root := &walkNode{node: node{now: st.begin}, parent: -1}
	w.expand(-1, root, []Choice{{Kind: Command, What: "start", Person: st.requester, input: st.start}})
	for i := 0; i < len(w.nodes) && len(w.violations) < maxViolations; i++ {
		if len(w.nodes) > b.States {
			w.cut = true
			w.report(i, "bound", fmt.Sprintf("there are more than %d states", b.States), "")
			break
		}
		if b.First > 0 && i >= b.First {
			w.cut = true
			break
		}
		w.visit(int32(i))
	}
	if !w.cut && len(w.violations) < maxViolations {
		w.reach()
	}
	w.stats.States = len(w.nodes)
	return w.stats, w.violations, nil
}

// orDefault: a negative number means none.
func orDefault(n, def int) int {
	switch {
	case n == 0:
		return def
	case n < 0:
		return 0
	}
	return n
}

func (w *walk) visit(i int32) {
	n := w.nodes[i]
	w.promises(int(i))
	if n.s.Status == run.RunEnded {
		w.stats.Outcomes[n.s.Outcome]++
		return
	}
	var able []Choice
	reduced := false
	for _, c := range w.choices(&n.node) {
		if w.allowed(n, c) {
			able = append(able, c)
		}
	}
	if !w.b.Crossed {
		able, reduced = w.reduce(n, able)
	}
	before := len(n.next)
	w.expand(i, n, able)
	if len(n.next) == before && !reduced {
		w.stats.Outcomes["stuck"]++
	}
	if n.used < w.b.Commands {
		w.expand(i, n, w.commands(&n.node))
	}
}

// unasked reports whether a choice counts as a command that nobody waited for.
func unasked(c Choice) bool {
	return c.Kind == Timer && (c.What == "remind" || c.What == "deadline" || c.What == "expire")
}

// again reports whether a choice begins another attempt.
func again(c Choice) bool {
	return c.Kind == Command && (c.What == "retry" && c.Outcome == "" || c.What == "doubt" && c.Outcome == "redo" || c.What == "undo" && c.Outcome == "all")
}

func (w *walk) allowed(n *walkNode, c Choice) bool {
	if unasked(c) {
		return n.used < w.b.Commands
	}
	if c.Trouble && w.b.Troubles > 0 && n.bad >= w.b.Troubles {
		return false
	}
	return !again(c) || n.tries[c.Step] < w.b.Attempts-1
}

// reduce takes the ends of one effect alone where their order with everything else does not
// matter: of an action that only reads, or of a message.
func (w *walk) reduce(n *walkNode, able []Choice) ([]Choice, bool) {
	for _, c := range able {
		r, ok := c.input.(run.Result)
		if !ok || c.Outcome != "ok" {
			continue
		}
		e := n.s.Effects[r.Key]
		if e == nil || e.Outcome != "" {
			continue
		}
		alone := c.Kind == Message
		if def := w.def(e.Step); e.For == run.ForStep && def != nil && def.Do != nil && !e.ProbeOnly {
			alone = alone || def.Do.Contract.Policy == "read"
		}
		if !alone || n.s.Status != run.Live {
			continue
		}
		var only []Choice
		for _, other := range able {
			if o, ok := other.input.(run.Result); ok && o.Key == r.Key {
				only = append(only, other)
			}
			if unasked(other) {
				only = append(only, other)
			}
		}
		return only, true
	}
	return able, false
}

// expand lets each choice happen at n and keeps the states that are new.
func (w *walk) expand(i int32, n *walkNode, choices []Choice) {
	for _, c := range choices {
		w.each(i, n, c)
	}
}

// each lets a choice happen at n once for every way to take the free conditions that it asks and
// that were not taken before.
func (w *walk) each(i int32, n *walkNode, c Choice) {
	ways := []map[string]bool{n.taken}
	for len(ways) > 0 {
		taken := ways[0]
		ways = ways[1:]
		undecided := ""
		from := n.node
		from.taken, from.undecided = taken, &undecided
		after, d := w.try(i, &from, c)
		if d == nil {
			continue
		}
		if undecided != "" {
			ways = append(ways, put(taken, undecided, true), put(taken, undecided, false))
			continue
		}
		after.undecided = nil
		w.stats.Transitions++
		if d.Refusal != nil {
			w.stats.Refusals++
			w.refused(i, n, c, d)
			continue
		}
		next := w.follow(n, c, after, d)
		w.transition(int(i), n, c, next, d)
		m := w.mark(next)
		id, known := w.seen[m]
		if !known {
			id = int32(len(w.nodes))
			w.seen[m] = id
			next.parent, next.by = i, c.Key()
			if i >= 0 {
				next.depth = n.depth + 1
			}
			w.stats.Depth = max(w.stats.Depth, int(next.depth))
			w.nodes = append(w.nodes, next)
		}
		if id != i {
			n.next = append(n.next, id)
		}
	}
}

// try is next, with a panic turned into a violation.
func (w *walk) try(i int32, n *node, c Choice) (after *node, d *run.Decision) {
	defer func() {
		if p := recover(); p != nil {
			w.report(int(i), "panic", fmt.Sprint(p), c.Key())
			after, d = nil, nil
		}
	}()
	next, decision := w.next(n, c)
	return next, &decision
}

// follow carries what the walk keeps over to the state after c.
func (w *walk) follow(n *walkNode, c Choice, after *node, d *run.Decision) *walkNode {
	next := &walkNode{node: *after, used: n.used, bad: n.bad, tries: n.tries, approved: n.approved, prior: n.prior, done: n.done, flying: n.flying}
	if c.Trouble && w.b.Troubles > 0 && (c.Kind == Effect || c.Kind == Message || c.Kind == Closing || c.Kind == Child || c.Outcome == "reject") {
		next.bad++
	}
	if unasked(c) || c.Trouble && (c.Kind == Command && !again(c) && c.What != "skip" || c.Kind == Vote && c.Outcome != "reject" || c.Kind == Answer || c.What == "wake") {
		next.used++
	}
	if again(c) {
		if c.Trouble && c.What == "retry" { // a command, not an answer to a stuck step
			next.used++
		} else {
			next.tries = put(n.tries, c.Step, n.tries[c.Step]+1)
		}
	}
	for path := range next.tries {
		if step := next.s.Steps[path]; step != nil && settled(step.Status) {
			next.tries = maps.Clone(next.tries)
			delete(next.tries, path)
		}
	}
	for _, e := range d.Events {
		switch b := e.Body.(type) {
		case run.GateClosed:
			if b.Approved {
				m := n.s.Steps[b.Step].Gate.Manifest
				next.approved = put(next.approved, b.Step, &m)
			}
		case run.StepStale:
			if m := next.approved[b.Step]; m != nil {
				next.approved = put(next.approved, b.Step, nil)
				next.prior = put(next.prior, b.Step, m)
				if b.Forget {
					next.prior = put(next.prior, b.Step, nil)
				}
			}
		case run.StepDone:
			if def := w.def(b.Step); b.Reused && def != nil && def.Kind == playbook.GateK {
				next.approved = put(next.approved, b.Step, next.prior[b.Step])
			}
		}
	}
	return next
}

func settled(s run.StepStatus) bool {
	return s == run.Done || s == run.Adopted || s == run.SkippedSt || s == run.WithdrawnSt
}

func (w *walk) report(i int, promise, text, last string) {
	if w.told[promise+text] || len(w.violations) >= maxViolations {
		return
	}
	w.told[promise+text] = true
	var way []string
	for ; i >= 0; i = int(w.nodes[i].parent) {
		way = append([]string{w.nodes[i].by}, way...)
	}
	if last != "" {
		way = append(way, last)
	}
	w.violations = append(w.violations, Violation{promise, text, way})
}

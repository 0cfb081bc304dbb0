package rehearse

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/run"
)

func mentions(text, word string) bool {
	i := strings.Index(text, word)
	return i >= 0 && (i+len(word) == len(text) || !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz_0123456789", rune(text[i+len(word)])))
}

// mark identifies an abstract state.
type mark [16]byte

// canon writes what of a state decides its future. Left out are: times (but for whether a timer
// is overdue), words, counters that only number things (events, polls, manifests, closings,
// attempts of settled steps), and who said what where it no longer matters. Digests are symbols,
// named in the order in which they are met, so that equal shapes with other bytes are one state.
// What is left out can make no difference to Decide but in texts and keys; where that is not
// certain it stays in, which costs states and not truth.
type canon struct {
	b    strings.Builder
	syms map[string]int
}

func (c *canon) sym(v string) int {
	if v == "" {
		return 0
	}
	if c.syms == nil {
		c.syms = map[string]int{}
	}
	n, ok := c.syms[v]
	if !ok {
		n = len(c.syms) + 1
		c.syms[v] = n
	}
	return n
}

func (c *canon) value(v any) int {
	if v == nil {
		return 0
	}
	raw, _ := action.Canonical(v)
	return c.sym(string(raw))
}

func (c *canon) put(format string, args ...any) { fmt.Fprintf(&c.b, format, args...) }

func (st *stage) mark(n *walkNode) mark {
	c := &canon{}
	s := n.s
	c.put("%s %s hold=%t", s.Status, s.Outcome, s.Hold != nil && s.Hold.Now)
	if s.Hold != nil {
		c.put(" paused=%v", sortedKeys(s.Hold.Paused))
	}
	c.put(" by=%s was=%d adopt=%t planned=%t name=%d in=%d close=%d used=%d bad=%d frozen=%t", s.Requester, len(s.Requesters), s.Adopting, s.Planned,
		c.sym(s.Name), c.value(s.Inputs), c.sym(s.Closure), n.used, n.bad, n.now.Before(st.frozen))
	for _, text := range sortedKeys(n.taken) {
		c.put("\nF %q %t", text, n.taken[text])
	}
	for _, r := range sortedKeys(s.Filled) {
		c.put(" %s=%v", r, s.Filled[r])
	}
	for _, id := range sortedKeys(s.Timers) {
		c.put("\nT %s %t", id, s.Timers[id].After(n.now))
	}
	for _, name := range sortedKeys(n.locks) {
		c.put("\nL %s %s %d", name, n.locks[name].Holder.Run, len(n.locks[name].Queue))
	}
	c.put("\nU")
	for _, item := range s.Undo {
		c.put(" %s=%s", item.Step, item.State)
	}
	for _, id := range sortedKeys(s.Children) {
		k := s.Children[id]
		c.put("\nC %s %s %s", k.Step, k.Entry, k.Outcome)
	}
	for _, name := range sortedKeys(s.Ledgers) {
		c.put("\nG %s %d %v", name, c.value(s.Ledgers[name]), s.Ledgers[name].Counts)
	}
	for _, name := range sortedKeys(s.Guards) {
		c.put("\nW %s %d", name, c.value(s.Guards[name]))
	}
	for _, path := range st.paths(s) {
		if step := s.Steps[path]; step != nil {
			c.step(path, step, n.now)
		}
		if t := n.tries[path]; t > 0 {
			c.put(" tries=%d", t)
		}
		if n.salt[path] != "" {
			c.put(" salted")
		}
		if n.approved[path] != nil {
			c.put(" approved")
		}
	}
	for _, path := range st.gone(s) {
		c.step(path, s.Steps[path], n.now)
	}
	for _, key := range sortedEffects(s) {
		e := s.Effects[key]
		c.put("\nE %s %s %s %s d=%d g=%d p=%t after=%t undoes=%d", e.Step, e.For, e.Action, e.Outcome, c.sym(e.Digest), e.Generation, e.ProbeOnly, e.After.After(n.now) && e.For != run.ForPoll, c.sym(e.Undoes))
	}
	sum := sha256.Sum256([]byte(c.b.String()))
	return mark(sum[:16])
}

func sortedEffects(s *run.State) []string {
	keys := make([]string, 0, len(s.Effects))
	for k := range s.Effects {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int {
		x, y := s.Effects[a], s.Effects[b]
		if d := strings.Compare(x.Step+" "+string(x.For)+x.Action, y.Step+" "+string(y.For)+y.Action); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return keys
}

func (c *canon) step(path string, step *run.Step, now time.Time) {
	c.put("\nS %s %s on=%s d=%d out=%d", path, step.Status, step.On, c.sym(step.Digest), c.value(step.Output))
	if step.Attempt > 0 {
		c.put(" tried")
	}
	for _, class := range sortedKeys(step.Failures) {
		c.put(" f:%s=%d", class, step.Failures[class])
	}
	if step.Effect != "" {
		c.put(" busy")
	}
	if p := step.Prior; p != nil {
		c.put(" prior=%s,%d,%d", p.Status, c.sym(p.Digest), c.value(p.Output))
		if p.Gate != nil {
			c.put(",%d", c.value(p.Gate.Manifest.Binds))
		}
	}
	if g := step.Gate; g != nil {
		open := g.Digest != ""
		c.put(" gate=%t,%d closing=%t late=%t lifted=%d", open, c.value(g.Manifest.Binds), g.Closing > 0, g.RetryAt.After(now), len(g.Lifted))
		if open {
			c.put(" expired=%t", !g.Manifest.Expires.IsZero() && !now.Before(g.Manifest.Expires))
		}
		if g.Verdict != nil {
			c.put(" approved=%t", g.Approved)
		} else {
			for _, v := range g.Votes {
				c.put(" %s:%s:%s", v.Kind, v.Person, v.Message)
			}
		}
	}
	if len(step.Answers) > 0 {
		c.put(" ans=%d", c.value(step.Answers))
	}
	if len(step.Keys) > 0 || step.Closed {
		c.put(" keys=%v,%d closed=%t", step.Keys, c.value(step.Items), step.Closed)
	}
	gens := make([]string, 0, len(step.Generations))
	for d, g := range step.Generations {
		gens = append(gens, fmt.Sprintf("%d:%d", c.known(d), g))
	}
	slices.Sort(gens)
	past := make([]string, 0, len(step.Past))
	for _, e := range step.Past {
		past = append(past, fmt.Sprintf("%d:%d:%s:%t:%s", c.known(e.Digest), e.Generation, e.Outcome, e.Undone, e.For))
	}
	slices.Sort(past)
	if len(gens)+len(past) > 0 {
		c.put(" gen=%v past=%v", gens, past)
	}
	if !step.RetryAt.IsZero() {
		c.put(" retry=%t", step.RetryAt.After(now))
	}
	if step.Despite != "" || step.Probed != "" {
		c.put(" despite=%s probed=%d", step.Despite, c.sym(step.Probed))
	}
}

// known is the symbol of a digest that was met, or -1: maps are not walked in a fixed order, so
// they name nothing.
func (c *canon) known(digest string) int {
	if n, ok := c.syms[digest]; ok {
		return n
	}
	return -1
}

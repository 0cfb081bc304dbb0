package gitlab

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/bot/action"
	"slipway/bot/view"
)

// atGitLab begins the points around what is done on GitLab, and inChat those around what is said and
// read in a room.
func atGitLab() []string { return []string{"effect/forge.", "effect/ci.", "effect/git.push"} }
func inChat() []string   { return []string{"effect/slipway.", "card/", "gate/"} }

// paced begins the points that are passed as often as the pace has it: what is read, and edits.
func paced() []string {
	return []string{"effect/ci.pipeline", "effect/slipway.read_reactions", "effect/slipway.closing_read", "card/", "gate/"}
}

// whole: every time that any point is passed, in every story. It takes many times as long.
func whole() bool { return everyPoint && os.Getenv("SLIPWAY_SOAK") == "1" }

// wants reports whether the bot is to die there.
func (s *sweep) wants(k kill) bool {
	switch {
	case whole():
		return begins(k.point, atGitLab()...) || begins(k.point, inChat()...)
	case !everyPoint:
		return slices.Contains(s.few, k.String())
	case begins(k.point, inChat()...) && !s.chat:
		return false
	}
	return (begins(k.point, atGitLab()...) || begins(k.point, inChat()...)) && (k.n <= 2 || !begins(k.point, paced()...))
}

// sweep kills the bot at all that one kind of story does on GitLab.
type sweep struct {
	name  string
	world func() shape
	play  func(*world) (view.Run, trace)
	few   []string // the points of plain tests, between something done on GitLab and the bot's own note of it
	chat  bool     // also at what is said in the room

	want    trace
	passed  []string
	mu      sync.Mutex
	died    map[kill]bool
	stories int
}

// sweeps are the kinds: releases, and what these leave alone.
func sweeps() (all []*sweep) {
	for i, order := range sweptOrders {
		all = append(all, &sweep{name: order, chat: i == 0, play: (*world).undisturbed,
			world: func() shape {
				return shape{branchFirst: order == "branch-first", items: true, handover: handsOver, readEvery: "1s", poll: "10s"}
			},
			few: []string{"effect/git.push_release@1/after-do#1", "effect/forge.release@1/after-do#1", "effect/forge.close_milestone@1/after-do#1", "effect/slipway.gate_message@1/after-do#2"}})
	}
	return append(all, &sweep{name: "errands", play: (*world).errands, world: errandsWorld, few: []string{"effect/forge.merge@1/after-do#1", "effect/forge.move_open@1/after-do#1"}})
}

// TestTheBotDies kills the bot before and after what it does on GitLab, and starts it again. Whatever
// the points, what is left is what a story leaves that nobody disturbed. Plain tests kill at a few
// points; the tag prove at every point, several in each story: what is said in the room in the first
// kind of story, what goes with the pace twice. SLIPWAY_SOAK=1 leaves out nothing.
func TestTheBotDies(t *testing.T) {
	t.Parallel()
	all := sweeps()
	t.Cleanup(func() {
		for _, c := range onGitLab(t) {
			if everyPoint && !slices.ContainsFunc(all, func(s *sweep) bool { return slices.Contains(s.passed, "effect/"+c.Ref()+"/after-do") }) {
				t.Errorf("%s is performed in no story", c.Ref())
			}
		}
	})
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.died = map[kill]bool{}
			if !t.Run("undisturbed", s.undisturbed) {
				return
			}
			list := every(s.passed, s.wants)
			if len(list) == 0 {
				t.Fatalf("no point is passed: %v", s.passed)
			}
			began := time.Now()
			t.Cleanup(func() { s.report(t, list, time.Since(began)) })
			var settle []string
			for _, c := range onGitLab(t) {
				if c.Settle > 0 {
					settle = append(settle, "effect/"+c.Ref()+"/before-", "effect/"+c.Ref()+"/after-do")
				}
			}
			for _, chain := range chains(list, func(k kill) bool { return begins(k.point, settle...) }) {
				s.dies(t, chain)
			}
		})
	}
}

// undisturbed tells the story once without a kill, and looks that every action in it has its points.
func (s *sweep) undisturbed(t *testing.T) {
	shape := s.world()
	shape.seen = filepath.Join(t.TempDir(), "seen")
	w := newWorld(t, shape)
	r, left := s.play(w)
	s.want = left
	_, err := w.bot.end() // its last words, too
	w.must(err)
	s.passed, err = passedIn(shape.seen)
	w.must(err)
	refs := []string{"slipway.gate_message@1", "slipway.edit_gate_message@1", "slipway.closing_read@1", "slipway.reply@1", "slipway.read_reactions@1"}
	all := onGitLab(t)
	for _, step := range r.Steps {
		if step.Status == "done" && slices.ContainsFunc(all, func(c action.Contract) bool { return c.Ref() == step.What }) {
			refs = append(refs, step.What)
		}
	}
	points := []string{"card/before-post", "card/after-post", "card/before-edit", "card/after-edit"}
	for _, ref := range refs {
		points = append(points, "effect/"+ref+"/before-do", "effect/"+ref+"/after-do")
	}
	for _, point := range points {
		if !slices.Contains(s.passed, point) {
			t.Errorf("there is no crash point %s", point)
		}
	}
}

// dies tells a story in which the bot dies at each point of a chain. What the story did not come to is
// died at in others.
func (s *sweep) dies(t *testing.T, chain []kill) {
	t.Run(named(chain), func(t *testing.T) {
		t.Parallel()
		shape := s.world()
		shape.plan = planned(s.passed, chain)
		w := newWorld(t, shape)
		_, got := s.play(w)
		if w.bot.died() < len(chain) && w.lastWords(len(chain)) {
			got = w.left(w.again())
		}
		if err := s.want.differs(got); err != nil {
			t.Errorf("killed at %v: %v", chain, err)
		}
		kills, err := w.bot.end()
		w.must(err)
		s.mu.Lock()
		s.stories++
		for _, k := range chain[:kills] {
			s.died[k] = true
		}
		s.mu.Unlock()
		rest := chain[kills:]
		if len(chain) == 1 || len(rest) == 0 {
			return // it was hit, or tried alone
		}
		if rest[0].n == 1 || whole() {
			s.dies(t, rest[:1])
		}
		if len(rest) > 1 {
			s.dies(t, rest[1:])
		}
	})
}

// report says how often the bot died of which points. How often a card is edited or something is read
// depends on the pace; the first time is always.
func (s *sweep) report(t *testing.T, list []kill, took time.Duration) {
	points, kills := map[string]int{}, map[string]int{}
	for _, k := range list {
		group := strings.Join(strings.Split(k.point, "/")[:min(2, strings.Count(k.point, "/"))], "/")
		points[group]++
		switch {
		case s.died[k]:
			kills[group]++
		case k.n == 1 && !t.Failed():
			t.Errorf("the bot never came to %s", k)
		}
	}
	var out strings.Builder
	for _, group := range slices.Sorted(maps.Keys(points)) {
		fmt.Fprintf(&out, "%-40s %3d points %3d kills\n", group, points[group], kills[group])
	}
	t.Logf("%d kills at %d points, in %d stories and %s\n%s", len(s.died), len(list), s.stories, took.Round(time.Second), out.String())
}

// undisturbed is a release in which people only do what they are asked for.
func (w *world) undisturbed() (view.Run, trace) {
	w.t.Helper()
	w.begins()
	w.merged()
	r := w.drive(func(view.Run) bool { return false })
	return r, w.released(r)
}

// lastWords waits a moment for what follows the end of a run, and reports whether the bot died of it.
func (w *world) lastWords(kills int) bool {
	before := w.bot.died()
	for range 50 {
		if w.bot.died() >= kills || !pause(w.ctx, 30*time.Millisecond) {
			break
		}
	}
	return w.bot.died() > before
}

// again is the run as the bot that was started again has it.
func (w *world) again() view.Run {
	w.t.Helper()
	r, err := w.look()
	w.must(err)
	return r
}

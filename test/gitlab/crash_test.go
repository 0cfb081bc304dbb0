package gitlab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"slipway/bot/view"
)

// These are read by the bot: where it kills itself ("NAME#N": when the point is passed for the Nth
// time), and a file to which it writes the points that it passes.
const (
	crashAt   = "SLIPWAY_CRASH_AT"
	crashSeen = "SLIPWAY_CRASH_SEEN"
)

// onGitLab begins the names of the points around what is done on GitLab.
func onGitLab() []string {
	return []string{"effect/forge.", "effect/ci.", "effect/git.push", "effect/slipway.gate_message", "effect/slipway.edit_gate_message", "effect/slipway.closing_read",
		"effect/slipway.read_reactions", "effect/slipway.reply"}
}

// sweeping is the world of the sweep.
func sweeping(order string, env ...string) shape {
	return shape{branchFirst: order == "branch-first", items: true, handover: handsOver, readEvery: "1s", poll: "10s", env: env}
}

// TestTheBotDies kills the bot before and after what it does on GitLab, and starts it again. Whatever
// the point, what is left is what a release leaves that nobody disturbed.
func TestTheBotDies(t *testing.T) {
	t.Parallel()
	for _, order := range sweptOrders {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			seen := filepath.Join(t.TempDir(), "seen")
			w := newWorld(t, sweeping(order, crashSeen+"="+seen))
			want := w.undisturbed()
			raw, err := os.ReadFile(seen)
			w.must(err)
			count := map[string]int{}
			for name := range strings.Lines(string(raw)) {
				count[strings.TrimSpace(name)]++
			}
			list := points(count)
			if len(list) == 0 {
				t.Fatalf("no point is passed: %v", count)
			}
			t.Logf("%d points", len(list))
			for _, at := range list {
				t.Run(strings.ReplaceAll(at, "/", "_"), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, sweeping(order, crashAt+"="+at))
					got := w.undisturbed()
					if err := want.differs(got); err != nil {
						t.Error(err)
					}
					if kills, err := w.bot.end(); kills == 0 && strings.HasSuffix(at, "#1") {
						t.Error(errors.Join(fmt.Errorf("the bot never came to %s", at), err))
					}
				})
			}
		})
	}
}

// undisturbed is a release in which people only do what they are asked for.
func (w *world) undisturbed() trace {
	w.t.Helper()
	w.begins()
	w.merged()
	r := w.drive(func(view.Run) bool { return false })
	return w.released(r)
}

// points are where the bot is killed: some in plain tests, all with the tag prove.
func points(count map[string]int) (list []string) {
	for name, n := range count {
		if !slices.ContainsFunc(onGitLab(), func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			continue
		}
		for i := 1; i <= n; i++ {
			if at := fmt.Sprintf("%s#%d", name, i); everyPoint || slices.Contains(somePoints(), at) {
				list = append(list, at)
			}
		}
	}
	slices.Sort(list)
	return list
}

// somePoints are between something done on GitLab and the bot's own note of it.
func somePoints() []string {
	return []string{"effect/git.push_release@1/after-do#1", "effect/forge.release@1/after-do#1", "effect/forge.close_milestone@1/after-do#1", "effect/slipway.gate_message@1/after-do#2"}
}

package gitlab

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// These are read by the bot: where it kills itself ("NAME#N": when the point is passed for the Nth
// time), and a file to which it writes the points that it passes.
const (
	crashAt   = "SLIPWAY_CRASH_AT"
	crashSeen = "SLIPWAY_CRASH_SEEN"
)

// kill is where the bot dies: when the point is passed for the nth time.
type kill struct {
	point string
	n     int
}

func (k kill) String() string { return fmt.Sprintf("%s#%d", k.point, k.n) }

// killsEach is how many times a bot dies in one story, far apart: each time it goes on for a while, and
// what it does is killed at once more.
const killsEach = 8

// passedIn are the points in the file, in their order.
func passedIn(file string) (out []string, err error) {
	text, err := os.ReadFile(file)
	for name := range strings.Lines(string(text)) {
		out = append(out, strings.TrimSpace(name))
	}
	return out, err
}

// every are all times that the points are passed that are wanted, in their order.
func every(passed []string, wanted func(kill) bool) (list []kill) {
	count := map[string]int{}
	for _, name := range passed {
		count[name]++
		if k := (kill{name, count[name]}); wanted(k) {
			list = append(list, k)
		}
	}
	return list
}

// chains spreads points over stories so that those of one story lie far apart, and that no story has
// more of the long ones than others have: after these the bot waits for a minute and more.
func chains(list []kill, long func(kill) bool) [][]kill {
	out := make([][]kill, (len(list)+killsEach-1)/killsEach)
	place := map[kill]int{}
	longs, others := 0, 0
	for i, k := range list {
		turn := &others
		if long(k) {
			turn = &longs
		}
		place[k], out[*turn%len(out)] = i, append(out[*turn%len(out)], k)
		*turn++
	}
	for _, chain := range out {
		slices.SortFunc(chain, func(a, b kill) int { return place[a] - place[b] })
	}
	return out
}

// planned counts the points of a chain as bots do, each of which begins to count when the one before it
// died.
func planned(passed []string, chain []kill) (plan []kill) {
	count, place, from := map[string]int{}, map[kill]int{}, 0
	for i, name := range passed {
		count[name]++
		place[kill{name, count[name]}] = i
	}
	for _, k := range chain {
		n := 0
		for _, name := range passed[from : place[k]+1] {
			if name == k.point {
				n++
			}
		}
		plan, from = append(plan, kill{k.point, n}), place[k]+1
	}
	return plan
}

// named are the points of a chain in a few words.
func named(chain []kill) string {
	name := strings.TrimPrefix(chain[0].String(), "effect/")
	if more := len(chain) - 1; more > 0 {
		name += fmt.Sprintf("+%d", more)
	}
	return strings.ReplaceAll(name, "/", "_")
}

// begins reports whether a text begins in one of the ways.
func begins(text string, ways ...string) bool {
	return slices.ContainsFunc(ways, func(way string) bool { return strings.HasPrefix(text, way) })
}

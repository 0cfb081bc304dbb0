package chat

import (
	"fmt"
	"strings"

	slackgo "github.com/slack-go/slack"

	"slipway/bot/card"
)

// matters reports whether a step is one that people look for: nobody needs to be told of each that is
// done, or whose time has not come.
func matters(s card.State) bool {
	switch s {
	case card.Waiting, card.Running, card.Failed, card.Stuck, card.Doubtful, card.Held, card.Stale:
		return true
	}
	return false
}

// urgent are the states of steps in the order in which they get room.
func urgent() []card.State {
	return []card.State{card.Stuck, card.Failed, card.Doubtful, card.Waiting, card.Held, card.Running, card.Stale}
}

// steps takes a list of steps. If not all of them fit into room, it lists those that matter, in their
// order, with shorter words where that is needed, and counts the others by their states.
func (m *message) steps(at int, b card.Block, room int) {
	var head []line
	if h := single(b.Heading); h != "" {
		head = append(head, line{bold(clip(h, 300))})
	}
	list := func(keep func(card.Step) bool, detail int) []slackgo.Block {
		lines := head
		var left []card.State
		for _, s := range b.Steps {
			if keep == nil || keep(s) {
				lines = append(lines, stepLine(s, detail))
			} else {
				left = append(left, s.State)
			}
		}
		if len(left) > 0 {
			lines = append(lines, line{words(counted(left, len(left) == len(b.Steps)))})
		}
		return rich(lines)
	}
	fits := func(blocks []slackgo.Block) bool {
		return size(blocks...) <= room && m.count+len(blocks) < maxBlocks-1 && m.add(at, blocks...)
	}
	if fits(list(nil, 2000)) {
		return
	}
	for _, detail := range []int{300, 120, 40, 0} {
		if fits(list(func(s card.Step) bool { return matters(s.State) }, detail)) {
			return
		}
	}
	// There are too many even of those.
	for n := len(b.Steps) / 2; n > 0; n /= 2 {
		shown, taken := map[int]bool{}, 0
		for _, state := range urgent() {
			for i, s := range b.Steps {
				if s.State == state && taken < n {
					shown[i], taken = true, taken+1
				}
			}
		}
		i := -1
		if fits(list(func(card.Step) bool { i++; return shown[i] }, 40)) {
			return
		}
	}
	fits(list(func(card.Step) bool { return false }, 0))
}

// stepLine is one step with at most so much of its detail.
func stepLine(s card.Step, detail int) line {
	text := single(s.Detail)
	if text == "" && s.State != card.Done && s.State != card.Pending {
		text = string(s.State)
	}
	name := single(s.Name)
	if detail < 200 {
		name = clip(name, 80)
	}
	if text = clip(text, max(detail, 1)); detail == 0 {
		text = ""
	}
	out := line{words(s.State.Symbol() + " "), bold(name)}
	if text != "" {
		out = append(out, words(": "+text)) // a gap alone is not seen where the letters are not all as wide
	}
	return out
}

// counted is "…and 143 done, 12 pending"; all says that there is nothing before.
func counted(states []card.State, all bool) string {
	var order []card.State
	n := map[card.State]int{}
	for _, s := range states {
		if n[s]++; n[s] == 1 {
			order = append(order, s)
		}
	}
	var out []string
	for _, s := range order {
		word := clip(single(string(s)), 30)
		if word == "" {
			word = "others"
		}
		if len(out) < 20 {
			out = append(out, fmt.Sprintf("%d %s", n[s], word))
		}
	}
	if all {
		return strings.Join(out, ", ")
	}
	return "…and " + strings.Join(out, ", ")
}

package picture

import (
	"slipway/bot/card"
	"slipway/bot/playbook"
)

// kindLook is how the kinds of steps look: the outline of a node of nodeW × nodeH, and the lines
// of an icon around 0, 0.
type kindLook struct {
	kind          playbook.StepKind
	word          string // for people
	outline, icon string
}

func kinds() []kindLook {
	const plain = "M8 0H208a8 8 0 0 1 8 8V54a8 8 0 0 1-8 8H8a8 8 0 0 1-8-8V8a8 8 0 0 1 8-8Z"
	return []kindLook{
		{playbook.Do, "action", plain, "M1-7L-4.5 1H-.4L-1 7L4.5-1H.4Z"},
		{playbook.GateK, "gate", "M14 0H202L216 14V48L202 62H14L0 48V14Z",
			"M0-7L6-4.8V-.2C6 3.6 3.2 6 0 7.2C-3.2 6-6 3.6-6-.2V-4.8ZM-2.7-.2L-.7 1.9L2.9-2.2"},
		{playbook.Ask, "question", "M8 0H208a8 8 0 0 1 8 8V54a8 8 0 0 1-8 8H40L30 70V62H8a8 8 0 0 1-8-8V8a8 8 0 0 1 8-8Z",
			"M-6.5-6H6.5V3.4H-.5L-4 6.8V3.4H-6.5ZM-1.7-2.9C-1.7-4.6 1.7-4.6 1.7-2.9C1.7-1.8 0-1.8 0-.6M0 1V1.2"},
		{playbook.Wait, "wait", "M28 0H188a28 31 0 0 1 0 62H28a28 31 0 0 1 0-62Z",
			"M0-6.5A6.5 6.5 0 0 1 0 6.5A6.5 6.5 0 0 1 0-6.5ZM0-3.8V0L2.8 1.8"},
		{playbook.Each, "for each of a list", plain, "M0-6.4L6.6-2.8L0 .8L-6.6-2.8ZM-6.6 .4L0 4L6.6 .4M-6.6 3.2L0 6.8L6.6 3.2"},
		{playbook.Call, "run of its own", "M8 0H208a8 8 0 0 1 8 8V54a8 8 0 0 1-8 8H8a8 8 0 0 1-8-8V8a8 8 0 0 1 8-8ZM6 0V62M210 0V62",
			"M0-5.5H-5.8V5.8H5.5V0M-1.4 1.4L6.4-6.4M2.2-6.4H6.4V-2.2"},
		{playbook.ByHand, "by hand", "M8 0H208a8 8 0 0 1 7.8 9.6L205.4 56a8 8 0 0 1-7.8 6H18.4a8 8 0 0 1-7.8-6L.2 9.6A8 8 0 0 1 8 0Z",
			"M-3.4 1.6V-3.6A1.1 1.1 0 0 1-1.2-3.6V-.6V-5.6A1.1 1.1 0 0 1 1-5.6V-.6V-4.9A1.1 1.1 0 0 1 3.2-4.9V-.4V-3.2A1.1 1.1 0 0 1 5.4-3.2V2.2C5.4 5.4 3.4 7 .9 7C-1.6 7-2.8 5.8-4 3.6L-6.2 .4C-6.9-.9-5.2-2-4.3-.8L-3.4 .4"},
		{playbook.Collect, "one answer of each", "M8 0H208a8 8 0 0 1 8 8V58C180 48 148 52 108 58S36 68 0 58V8a8 8 0 0 1 8-8Z",
			"M-6.5 .6V5.8H6.5V.6H3.1C3.1 2.2 1.6 3 0 3S-3.1 2.2-3.1 .6ZM0-6.6V-.8M-2.5-3.1L0-.6L2.5-3.1"},
		{playbook.Offer, "runs on offer", "M20 0H212a4 4 0 0 1 3.8 5.3L199.5 58a5 5 0 0 1-4.6 4H4a4 4 0 0 1-3.8-5.3L15.4 4A5 5 0 0 1 20 0Z",
			"M0-6.5A6.5 6.5 0 0 1 0 6.5A6.5 6.5 0 0 1 0-6.5ZM0-3.4V3.4M-3.4 0H3.4"},
	}
}

// stateLook is the sign of a state, around 0, 0 in a disc of radius 8, drawn in lines or filled.
type stateLook struct {
	state  card.State
	word   string
	sign   string
	filled bool
	light  tint
	dark   tint
}

// tint is what a state colours: the ground of a node, its edge, and the disc with the sign.
type tint struct{ ground, edge, disc string }

// states lists every state, the ones that need somebody first: in this order counts are shown.
func states() []stateLook {
	return []stateLook{
		{card.Stuck, "stuck", "M0-4.2V.8M0 3.6V3.8", false, tint{"#fde8e8", "#c22a2a", "#b71f1f"}, tint{"#3a1a1d", "#ff6b6b", "#d93636"}},
		{card.Failed, "failed", "M-2.9-2.9L2.9 2.9M2.9-2.9L-2.9 2.9", false, tint{"#fdeaea", "#d64545", "#b71f1f"}, tint{"#371a1c", "#f26d6d", "#d93636"}},
		{card.Doubtful, "doubtful", "M-2.1-1.9C-2.1-4.7 2.3-4.6 2.2-1.9C2.1-.2 0-.4 0 1.3M0 3.9V4.1", false, tint{"#f8ebfc", "#a13dbb", "#8f2cab"}, tint{"#311a39", "#cf7be6", "#9c3bb8"}},
		{card.Held, "held", "M-1.7-3V3M1.7-3V3", false, tint{"#fff0e4", "#d26a1b", "#b85410"}, tint{"#38220f", "#f0924a", "#bf5b16"}},
		{card.Waiting, "waiting", "M0-4.4V0L3 1.9", false, tint{"#fff6dc", "#c98f00", "#966a00"}, tint{"#332805", "#e0b13c", "#94700f"}},
		{card.Running, "running", "M-2.3-3.7L4-.0L-2.3 3.7Z", true, tint{"#e5efff", "#2468d8", "#1f5fc9"}, tint{"#12284a", "#6aa5ff", "#2f74e0"}},
		{card.Stale, "stale", "M-4 .9C-2.4-2.6-.6-1 0 0S2.4 2.6 4-.9", false, tint{"#f6f2de", "#9c8c3a", "#786a1f"}, tint{"#2b2813", "#b8a95a", "#7d7025"}},
		{card.Undone, "taken back", "M-2.8 -3.6V-.4H.4M-2.6-.6C-.8-3.6 3.6-2.6 3.4 .8C3.2 2.6 1.8 3.6 .2 3.4", false, tint{"#ecedfb", "#6b74cc", "#515bb8"}, tint{"#1f2140", "#99a1ef", "#5b65c4"}},
		{card.Aborted, "aborted", "M-2.9-2.9H2.9V2.9H-2.9Z", true, tint{"#ededee", "#63666c", "#55585e"}, tint{"#26282c", "#9a9ea6", "#62666e"}},
		{card.Done, "done", "M-3.7 .2L-1.2 2.8L3.8-2.6", false, tint{"#e9f7ee", "#3f9d5f", "#237a41"}, tint{"#12301d", "#5fc283", "#2b8a4b"}},
		{card.Adopted, "found done", "M0-4.2L4.2 0L0 4.2L-4.2 0Z", true, tint{"#e3f5f3", "#2f978d", "#11736a"}, tint{"#0f302d", "#53bdb2", "#1b8379"}},
		{card.Skipped, "skipped", "M-4 1.6C-3.2-2.8 1.8-3.4 3.3 .4M3.9-2.8L3.4 .8L0 -.1", false, tint{"#f4f5f7", "#a9b1bd", "#6a7382"}, tint{"#1f242c", "#6b7686", "#667182"}},
		{card.Pending, "not yet", "M0 0V.1", false, tint{"#ffffff", "#c4cad3", "#78828f"}, tint{"#191e26", "#4a5462", "#5d6877"}},
	}
}

func lookOf(s card.State) stateLook { return lookIn(states(), s) }

func lookIn(all []stateLook, s card.State) stateLook {
	for _, l := range all {
		if l.state == s {
			return l
		}
	}
	return all[len(all)-1]
}

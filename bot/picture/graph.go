package picture

import (
	"slices"

	"slipway/bot/playbook"
)

// The measures of a picture, in pixels at its natural size.
const (
	nodeW    = 216.0
	nodeH    = 62.0
	gapX     = 22.0 // between two nodes
	gapLine  = 14.0 // between a line that passes and a node
	gapLines = 9.0  // between two lines that pass
	gapY     = 34.0 // between two rows
	margin   = 18.0
	headH    = 60.0 // the head of a box that holds the steps of an each
	headFile = 64.0 // the heading of a file
	padBox   = 16.0

	// maxRow is how many nodes stand side by side; steps that could begin together beyond that
	// go to the next row, so that a picture stays as wide as a screen.
	maxRow   = 5
	maxInner = 3 // the same in the box of an each
)

// box is one step in the picture: a node, or the box of an each with the steps in it.
type box struct {
	playbook.Node
	step  *playbook.Step
	inner *level // nil for a node
	index int    // in order of declaration, within its level
	w, h  float64
	x, y  float64 // of the top left corner, in the whole picture once it is placed
	row   int

	ins, outs []*box // by edges that order them, without those that others imply
}

// edge is a line from one box to another of the same level.
type edge struct {
	from, to *box
	kind     string // as in [playbook.Edge]
}

// level is what stands in one frame: the playbook itself, or the body of an each.
type level struct {
	boxes []*box
	edges []edge
	rows  [][]*vertex
	lines []segment
	w, h  float64
	top   []float64 // of each row
	tall  []float64 // height of each row
}

// levels makes the nested frames of p. Edges of undo are no lines: they lead back to what was
// done before, and are told in words.
func levels(p *playbook.Playbook) *level {
	nodes, edges := playbook.Graph(p)
	frames := map[string]*level{"": {}}
	boxes := make(map[string]*box, len(nodes))
	for _, n := range nodes {
		in := frames[n.In]
		b := &box{Node: n, step: p.Step(n.Path), index: len(in.boxes), w: nodeW, h: nodeH}
		if n.Kind == playbook.Each && b.step != nil && b.step.Each != nil && len(b.step.Each.Steps) > 0 {
			b.inner = &level{}
			frames[n.Path] = b.inner
		}
		in.boxes = append(in.boxes, b)
		boxes[n.Path] = b
	}
	for _, e := range edges {
		from, to := boxes[e.From], boxes[e.To]
		if e.Kind == "undo" || from == nil || to == nil || from.In != to.In || from == to {
			continue
		}
		in := frames[from.In]
		in.edges = append(in.edges, edge{from, to, e.Kind})
	}
	return frames[""]
}

// reduce drops every "needs" that others imply: of a→b→c and a→c the last says nothing more.
// Then it fills ins and outs.
func (l *level) reduce() {
	n := len(l.boxes)
	words := (n + 63) / 64
	reach := make([][]uint64, n) // by one or more edges of any kind but a branch
	solid := func(e edge) bool { return e.kind == "needs" }
	outs := make([][]*box, n)
	for _, e := range l.edges {
		if solid(e) {
			outs[e.from.index] = append(outs[e.from.index], e.to)
		}
	}
	order := l.topological(outs)
	for i := len(order) - 1; i >= 0; i-- {
		b := order[i]
		set := make([]uint64, words)
		for _, to := range outs[b.index] {
			set[to.index/64] |= 1 << (to.index % 64)
			for w, bits := range reach[to.index] {
				set[w] |= bits
			}
		}
		reach[b.index] = set
	}
	implied := func(e edge) bool {
		for _, mid := range outs[e.from.index] {
			if mid != e.to && reach[mid.index] != nil && reach[mid.index][e.to.index/64]&(1<<(e.to.index%64)) != 0 {
				return true
			}
		}
		return false
	}
	kept := l.edges[:0]
	for _, e := range l.edges {
		if !solid(e) || !implied(e) {
			kept = append(kept, e)
		}
	}
	l.edges = kept
	for _, e := range l.edges {
		if !slices.Contains(e.from.outs, e.to) {
			e.from.outs = append(e.from.outs, e.to)
			e.to.ins = append(e.to.ins, e.from)
		}
	}
}

// topological orders the boxes so that every one stands after those that lead to it, as far as
// they are in no circle; a checked playbook has none.
func (l *level) topological(outs [][]*box) []*box {
	waits := make([]int, len(l.boxes))
	for _, to := range outs {
		for _, b := range to {
			waits[b.index]++
		}
	}
	var order []*box
	for _, b := range l.boxes {
		if waits[b.index] == 0 {
			order = append(order, b)
		}
	}
	for i := 0; i < len(order); i++ {
		for _, to := range outs[order[i].index] {
			if waits[to.index]--; waits[to.index] == 0 {
				order = append(order, to)
			}
		}
	}
	return order
}

// arrange gives every box its row: the first one below all that lead to it, or a later one when
// that is full. Of those that could stand in a row, the ones with the longest way to go come first.
func (l *level) arrange(wide int) int {
	outs := make([][]*box, len(l.boxes))
	waits := make([]int, len(l.boxes))
	for _, b := range l.boxes {
		outs[b.index], waits[b.index] = b.outs, len(b.ins)
	}
	far := make([]int, len(l.boxes))
	order := l.topological(outs)
	for i := len(order) - 1; i >= 0; i-- {
		for _, to := range order[i].outs {
			far[order[i].index] = max(far[order[i].index], far[to.index]+1)
		}
	}
	first := func(a, b *box) int {
		if d := far[b.index] - far[a.index]; d != 0 {
			return d
		}
		return a.index - b.index
	}
	var ready []*box
	for _, b := range l.boxes {
		if waits[b.index] == 0 {
			ready = append(ready, b)
		}
	}
	placed, row := 0, 0
	for ; placed < len(l.boxes); row++ {
		if len(ready) == 0 { // a circle: go on with the first that is left
			for _, b := range l.boxes {
				if waits[b.index] > 0 {
					waits[b.index], ready = 0, append(ready, b)
					break
				}
			}
		}
		slices.SortFunc(ready, first)
		room, n := float64(wide)*(nodeW+gapX), 0
		for n < len(ready) && (n == 0 || room >= ready[n].w+gapX) {
			room -= ready[n].w + gapX
			n++
		}
		taken := ready[:n:n]
		ready = slices.Clone(ready[n:])
		for _, b := range taken {
			b.row = row
			placed++
			for _, to := range b.outs {
				if waits[to.index] > 0 {
					if waits[to.index]--; waits[to.index] == 0 {
						ready = append(ready, to)
					}
				}
			}
		}
	}
	return row
}

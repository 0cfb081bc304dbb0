package picture

import (
	"math"
	"slices"
	"sort"
)

// layout gives every box of the level, and of the levels in it, its place. The corner of the
// level is at 0, 0 until [level.shift] moves it.
func (l *level) layout(wide int) {
	for _, b := range l.boxes {
		if b.inner == nil {
			continue
		}
		b.inner.layout(maxInner)
		b.w = math.Max(nodeW+40, b.inner.w+2*padBox)
		b.h = headH + b.inner.h + padBox
		b.inner.shift((b.w-b.inner.w)/2, headH)
	}
	l.reduce()
	l.spread(l.arrange(wide))
	l.sort()
	l.align()
	y := 0.0
	for _, row := range l.rows {
		tall := 0.0
		for _, v := range row {
			if v.box != nil {
				tall = math.Max(tall, v.box.h)
			}
		}
		l.top, l.tall = append(l.top, y), append(l.tall, tall)
		for _, v := range row {
			if v.box != nil {
				v.box.x, v.box.y = math.Round(v.x-v.box.w/2), y
				l.w = math.Max(l.w, v.box.x+v.box.w)
				if v.box.inner != nil {
					v.box.inner.shift(v.box.x, v.box.y)
				}
			}
			v.x = math.Round(v.x)
			l.w = math.Max(l.w, v.x+v.w/2)
		}
		y += tall + gapY
	}
	l.h = math.Max(0, y-gapY)
}

// shift moves everything in the level.
func (l *level) shift(dx, dy float64) {
	dx, dy = math.Round(dx), math.Round(dy)
	for _, b := range l.boxes {
		b.x, b.y = b.x+dx, b.y+dy
		if b.inner != nil {
			b.inner.shift(dx, dy)
		}
	}
	for _, row := range l.rows {
		for _, v := range row {
			v.x += dx
		}
	}
	for i := range l.top {
		l.top[i] += dy
	}
}

// align gives every vertex its x, after Brandes and Köpf (Fast and Simple Horizontal Coordinate
// Assignment, 2001): vertices are put under the median of their neighbours four times, from each
// corner of the picture; the middle of the four results is taken. Each of the four keeps the
// order of the rows and the gaps, and so does the middle.
func (l *level) align() {
	var all []*vertex
	for _, row := range l.rows {
		all = append(all, row...)
	}
	slices.SortFunc(all, func(a, b *vertex) int { return a.id - b.id })
	clash := l.clashes()
	var results [][]float64
	narrow, least := 0, math.Inf(1)
	for _, up := range []bool{false, true} {
		for _, right := range []bool{false, true} {
			xs := l.column(all, clash, up, right)
			lo, hi := bounds(all, xs)
			if hi-lo < least {
				narrow, least = len(results), hi-lo
			}
			results = append(results, xs)
		}
	}
	lo, hi := bounds(all, results[narrow])
	for i, xs := range results {
		from, to := bounds(all, xs)
		by := lo - from
		if i%2 == 1 { // made from the right
			by = hi - to
		}
		for k := range xs {
			xs[k] += by
		}
	}
	for _, v := range all {
		four := []float64{results[0][v.id], results[1][v.id], results[2][v.id], results[3][v.id]}
		sort.Float64s(four)
		v.x = (four[1] + four[2]) / 2
	}
	left := math.Inf(1)
	for _, v := range all {
		left = math.Min(left, v.x-v.w/2)
	}
	for _, v := range all {
		v.x -= left
	}
}

func bounds(all []*vertex, xs []float64) (lo, hi float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, v := range all {
		lo, hi = math.Min(lo, xs[v.id]-v.w/2), math.Max(hi, xs[v.id]+v.w/2)
	}
	if len(all) == 0 {
		return 0, 0
	}
	return lo, hi
}

type link struct{ from, to int }

// clashes finds the short lines that cross a long one: the long one is to be straight.
func (l *level) clashes() map[link]bool {
	out := map[link]bool{}
	for r := 0; r+1 < len(l.rows); r++ {
		low := l.rows[r+1]
		left, next := 0, 0
		for i, v := range low {
			var inner *vertex
			if v.box == nil {
				for _, u := range v.ups {
					if u.box == nil {
						inner = u
					}
				}
			}
			if inner == nil && i < len(low)-1 {
				continue
			}
			right := len(l.rows[r]) - 1
			if inner != nil {
				right = inner.pos
			}
			for ; next <= i; next++ {
				for _, u := range low[next].ups {
					if (u.pos < left || u.pos > right) && (u.box != nil || low[next].box != nil) {
						out[link{u.id, low[next].id}] = true
					}
				}
			}
			left = right
		}
	}
	return out
}

// column is one of the four passes: up goes through the rows from the bottom, right through each
// row from its right end. It gives the x of every vertex by id.
func (l *level) column(all []*vertex, clash map[link]bool, up, right bool) []float64 {
	n := len(all)
	root, next := make([]int, n), make([]int, n)
	for i := range root {
		root[i], next[i] = i, i
	}
	rows := slices.Clone(l.rows)
	if up {
		slices.Reverse(rows)
	}
	pos := func(v *vertex) int {
		if right {
			return -v.pos
		}
		return v.pos
	}
	for _, row := range rows {
		limit := math.MinInt
		for i := range row {
			v := row[i]
			if right {
				v = row[len(row)-1-i]
			}
			near := slices.Clone(v.ups)
			if up {
				near = slices.Clone(v.down)
			}
			if len(near) == 0 {
				continue
			}
			slices.SortFunc(near, func(a, b *vertex) int { return pos(a) - pos(b) })
			for _, m := range []int{(len(near) - 1) / 2, len(near) / 2} {
				u := near[m]
				key := link{u.id, v.id}
				if up {
					key = link{v.id, u.id}
				}
				if next[v.id] == v.id && !clash[key] && limit < pos(u) {
					next[u.id], root[v.id] = v.id, root[u.id]
					next[v.id] = root[v.id]
					limit = pos(u)
				}
			}
		}
	}
	return l.compact(all, root, right)
}

// compact places the blocks, each a column of vertices with one root, as far to the left as the
// gaps allow, then moves those that have room towards what stands right of them. For a pass from
// the right everything is mirrored.
func (l *level) compact(all []*vertex, root []int, right bool) []float64 {
	type arc struct {
		to  int
		gap float64
	}
	n := len(all)
	after, before := make([][]arc, n), make([][]arc, n)
	waits := make([]int, n)
	for _, row := range l.rows {
		for i := 0; i+1 < len(row); i++ {
			a, b := row[i], row[i+1]
			gap := a.w/2 + b.w/2 + space(a, b)
			if right {
				a, b = b, a
			}
			from, to := root[a.id], root[b.id]
			after[from] = append(after[from], arc{to, gap})
			before[to] = append(before[to], arc{from, gap})
			waits[to]++
		}
	}
	xs := make([]float64, n)
	var order []int
	for _, v := range all {
		if root[v.id] == v.id && waits[v.id] == 0 {
			order = append(order, v.id)
		}
	}
	for i := 0; i < len(order); i++ {
		b := order[i]
		for _, a := range before[b] {
			xs[b] = math.Max(xs[b], xs[a.to]+a.gap)
		}
		for _, a := range after[b] {
			if waits[a.to]--; waits[a.to] == 0 {
				order = append(order, a.to)
			}
		}
	}
	for i := len(order) - 1; i >= 0; i-- {
		b := order[i]
		room := math.Inf(1)
		for _, a := range after[b] {
			room = math.Min(room, xs[a.to]-a.gap)
		}
		if !math.IsInf(room, 1) {
			xs[b] = math.Max(xs[b], room)
		}
	}
	out := make([]float64, n)
	for _, v := range all {
		if out[v.id] = xs[root[v.id]]; right {
			out[v.id] = -out[v.id]
		}
	}
	return out
}

func space(a, b *vertex) float64 {
	switch {
	case a.box != nil && b.box != nil:
		return gapX
	case a.box == nil && b.box == nil:
		return gapLines
	}
	return gapLine
}

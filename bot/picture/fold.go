package picture

import (
	"math"
	"slices"
)

// The measures of columns.
const (
	gapColumn = 48.0   // between two
	onward    = 20.0   // below one that goes on
	rim       = 20.0   // around the steps, for marks that stick out
	below     = 3.0    // how far under a row it is cut: there every line is still near where it left its box
	tail      = 9.0    // how far the outlines of boxes, and beginnings of lines, are shown under a cut
	branch    = 44.0   // how far the word at a branch sticks out of its box
	tallest   = 1400.0 // of a picture that stays in one column whatever its shape
	mostFolds = 24
)

// span is a part of the steps, from top to bottom: one column.
type span struct {
	from, to    float64
	x0, x1      float64 // what is in it
	first, last bool
}

// fold cuts a picture that is much taller than wide into columns, between rows: so many that the whole
// comes near a square, in which most is to be read on any screen.
func (plan *Plan) fold() []span {
	cuts := plan.cuts()
	var best []span
	least := math.Inf(1)
	for k := 1; k <= mostFolds && k <= len(cuts)+1; k++ {
		columns := split(cuts, plan.root.h, k)
		if len(columns) < k {
			continue
		}
		wide, tall := 0.0, 0.0
		for i, c := range columns {
			columns[i].x0, columns[i].x1 = plan.root.within(c)
			wide += columns[i].x1 - columns[i].x0 + gapColumn
			tall = math.Max(tall, c.to-c.from)
		}
		side := math.Max(tall+headFile, wide)
		if side < least*0.9 { // one more column must be worth it
			best, least = columns, side
		}
		if k == 1 && plan.root.h <= tallest {
			break
		}
	}
	return best
}

// cuts are the heights between rows at which nothing but lines is cut.
func (plan *Plan) cuts() []float64 {
	var all []float64
	var between func(l *level)
	between = func(l *level) {
		for _, y := range l.top[min(1, len(l.top)):] {
			all = append(all, y-gapY+below)
		}
		for _, b := range l.boxes {
			if b.inner != nil {
				between(b.inner)
			}
		}
	}
	between(plan.root)
	slices.Sort(all)
	all = slices.Compact(all)
	return slices.DeleteFunc(all, func(y float64) bool {
		return slices.ContainsFunc(plan.all, func(b *box) bool {
			tall := b.h
			if b.inner != nil {
				tall = headH
			}
			return y > b.y-gapY/2 && y < b.y+tall+below
		})
	})
}

// split makes at most k columns, the longest of which is as short as it can be.
func split(cuts []float64, tall float64, k int) []span {
	fits := func(room float64) (out []span) {
		from, last := 0.0, 0.0
		for _, y := range append(slices.Clone(cuts), tall) {
			if y-from > room && last > from {
				out = append(out, span{from: from, to: last})
				from = last
			}
			last = y
		}
		return append(out, span{from: from, to: tall})
	}
	low, high := tall/float64(k), tall
	for high-low > 1 {
		if mid := (low + high) / 2; len(fits(mid)) <= k {
			high = mid
		} else {
			low = mid
		}
	}
	out := fits(high)
	out[0].first, out[len(out)-1].last = true, true
	return out
}

// within is how far to the left and to the right a column reaches.
func (l *level) within(c span) (x0, x1 float64) {
	x0, x1 = math.Inf(1), math.Inf(-1)
	take := func(from, to float64) { x0, x1 = math.Min(x0, from), math.Max(x1, to) }
	for r, row := range l.rows {
		if l.top[r] >= c.to || l.top[r]+l.tall[r]+gapY <= c.from {
			continue
		}
		over := l.top[r]+l.tall[r] <= c.from // only its lines come in, from above
		for _, v := range row {
			switch {
			case !over:
				take(v.x-v.w/2, v.x+v.w/2)
			case len(v.down) > 0:
				take(v.x, v.x)
			}
		}
	}
	for _, s := range l.lines {
		if b := s.from.box; b != nil && (s.kind == "fails" || s.kind == "rejected") && b.y < c.to && b.y+b.h+gapY > c.from {
			if s.to.x < s.from.x-1 {
				take(b.x-branch, b.x)
			} else {
				take(b.x, b.x+b.w+branch)
			}
		}
	}
	return math.Max(x0-4, -rim), math.Min(x1+4, l.w+rim)
}

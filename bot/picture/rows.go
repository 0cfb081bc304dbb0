package picture

import (
	"slices"
	"sort"
)

// vertex is a place in a row: a box, or a point through which a long line passes.
type vertex struct {
	box       *box // nil: a line passes
	row, pos  int
	w, x      float64
	ups, down []*vertex
	id        int
	weight    float64 // its barycentre, while rows are sorted
}

// segment is the part of one or more lines between two rows that follow each other.
type segment struct {
	from, to *vertex
	kind     string
	sources  []*box
}

// bundle names lines that share their way: all that lead from one box, or all that lead to one.
type bundle struct {
	box  *box
	into bool
	kind string
}

// spread puts the boxes into rows and leads every long line through a point in each row between.
// Long lines into one box, or out of one, share their points, so that many lines stay a few.
func (l *level) spread(rows int) {
	l.rows = make([][]*vertex, rows)
	of := make([]*vertex, len(l.boxes))
	ids := 0
	add := func(row int, b *box, w float64) *vertex {
		v := &vertex{box: b, row: row, w: w, id: ids}
		ids++
		l.rows[row] = append(l.rows[row], v)
		return v
	}
	for _, b := range l.boxes {
		of[b.index] = add(b.row, b, b.w)
	}
	long := map[bundle]int{}
	for _, e := range l.edges {
		if e.to.row-e.from.row > 1 {
			long[bundle{e.to, true, e.kind}]++
			long[bundle{e.from, false, e.kind}]++
		}
	}
	type point struct {
		bundle
		row int
	}
	type pair struct {
		from, to *vertex
		kind     string
	}
	points := map[point]*vertex{}
	known := map[pair]int{}
	join := func(from, to *vertex, kind string, source *box) {
		key := pair{from, to, kind}
		i, has := known[key]
		if !has {
			i = len(l.lines)
			known[key] = i
			l.lines = append(l.lines, segment{from: from, to: to, kind: kind})
			if !slices.Contains(from.down, to) {
				from.down = append(from.down, to)
				to.ups = append(to.ups, from)
			}
		}
		if s := l.lines[i].sources; len(s) == 0 || s[len(s)-1] != source {
			l.lines[i].sources = append(s, source)
		}
	}
	for _, e := range l.edges {
		if e.to.row <= e.from.row { // only in a circle
			continue
		}
		into, out := bundle{e.to, true, e.kind}, bundle{e.from, false, e.kind}
		way := into
		if long[out] > long[into] {
			way = out
		}
		at := of[e.from.index]
		for row := e.from.row + 1; row < e.to.row; row++ {
			next := points[point{way, row}]
			if next == nil {
				next = add(row, nil, 0)
				points[point{way, row}] = next
			}
			join(at, next, e.kind, e.from)
			at = next
		}
		join(at, of[e.to.index], e.kind, e.from)
	}
	for _, row := range l.rows {
		number(row)
	}
}

func number(row []*vertex) {
	for i, v := range row {
		v.pos = i
	}
}

// sort orders every row so that few lines cross: by the barycentre of the neighbours above, then
// below, and again, keeping the best order that was seen.
func (l *level) sort() {
	size := 0
	for _, row := range l.rows {
		size += len(row)
	}
	sweeps := 24
	if size > 400 {
		sweeps = 6
	}
	best, least := l.order(), l.crossings()
	for i := 0; i < sweeps && least > 0; i++ {
		for r := 1; r < len(l.rows); r++ {
			balance(l.rows[r], func(v *vertex) []*vertex { return v.ups })
		}
		for r := len(l.rows) - 2; r >= 0; r-- {
			balance(l.rows[r], func(v *vertex) []*vertex { return v.down })
		}
		if size <= 400 {
			l.exchange()
		}
		if n := l.crossings(); n < least {
			best, least = l.order(), n
		} else if i > 8 {
			break
		}
	}
	for r, row := range best {
		l.rows[r] = row
		number(row)
	}
}

func (l *level) order() [][]*vertex {
	out := make([][]*vertex, len(l.rows))
	for i, row := range l.rows {
		out[i] = slices.Clone(row)
	}
	return out
}

func balance(row []*vertex, near func(*vertex) []*vertex) {
	for _, v := range row {
		v.weight = float64(v.pos)
		if others := near(v); len(others) > 0 {
			sum := 0.0
			for _, o := range others {
				sum += float64(o.pos)
			}
			v.weight = sum / float64(len(others))
		}
	}
	sort.SliceStable(row, func(i, j int) bool { return row[i].weight < row[j].weight })
	number(row)
}

// exchange swaps neighbours in a row while that saves crossings.
func (l *level) exchange() {
	for rounds := 0; rounds < 4; rounds++ {
		better := false
		for _, row := range l.rows {
			for i := 0; i+1 < len(row); i++ {
				a, b := row[i], row[i+1]
				if crossed(b.ups, a.ups)+crossed(b.down, a.down) < crossed(a.ups, b.ups)+crossed(a.down, b.down) {
					row[i], row[i+1] = b, a
					a.pos, b.pos = i+1, i
					better = true
				}
			}
		}
		if !better {
			return
		}
	}
}

// crossed counts the crossings between the lines of a left vertex and those of a right one.
func crossed(left, right []*vertex) int {
	n := 0
	for _, a := range left {
		for _, b := range right {
			if a.pos > b.pos {
				n++
			}
		}
	}
	return n
}

// crossings counts all of them, row by row, with a tree of sums.
func (l *level) crossings() int {
	total := 0
	for r := 0; r+1 < len(l.rows); r++ {
		width := len(l.rows[r+1])
		tree := make([]int, width+1)
		var ends []int
		for _, v := range l.rows[r] {
			from := len(ends)
			for _, d := range v.down {
				ends = append(ends, d.pos)
			}
			sort.Ints(ends[from:])
		}
		for i, end := range ends {
			before := 0
			for k := end + 1; k > 0; k -= k & -k {
				before += tree[k]
			}
			total += i - before
			for k := end + 1; k <= width; k += k & -k {
				tree[k]++
			}
		}
	}
	return total
}

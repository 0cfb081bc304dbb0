package picture

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"slipway/bot/card"
)

// lines draws the edges of one level. All pieces of a kind are one path.
func (d *drawing) lines(l *level) {
	type look struct {
		kind string
		past bool
	}
	type tip struct {
		box  *box
		kind string
	}
	paths := map[look]*strings.Builder{}
	tips := map[tip]bool{}
	var order []tip
	anys := map[*box]int{}
	for _, s := range l.lines {
		past := d.steps != nil && d.past(s)
		b := paths[look{s.kind, past}]
		if b == nil {
			b = &strings.Builder{}
			paths[look{s.kind, past}] = b
		}
		l.piece(b, s)
		if s.to.box != nil {
			t := tip{s.to.box, s.kind}
			if before, has := tips[t]; has {
				tips[t] = before && past
			} else {
				tips[t] = past
				order = append(order, t)
			}
			if s.kind == "any" {
				anys[s.to.box] += len(s.sources)
			}
		}
	}
	for _, kind := range []string{"needs", "any", "fails", "rejected"} {
		for _, past := range []bool{false, true} {
			if b := paths[look{kind, past}]; b != nil {
				d.f("<path class=\"sw-e%s\" d=\"%s\"/>\n", lineClass(kind, past), b.String())
			}
		}
		for _, past := range []bool{false, true} {
			var b strings.Builder
			for _, t := range order {
				if t.kind == kind && tips[t] == past {
					x := t.box.x + math.Round(t.box.w/2)
					fmt.Fprintf(&b, "M%s %sh9l-4.5 8z", n(x-4.5), n(t.box.y-9))
				}
			}
			if b.Len() > 0 {
				d.f("<path class=\"sw-tip%s\" d=\"%s\"/>\n", lineClass(kind, past), b.String())
			}
		}
	}
	for _, t := range order {
		if t.kind == "any" && anys[t.box] > 1 {
			d.label(t.box.x+math.Round(t.box.w/2)+8, t.box.y-6, "one is enough", "sw-t")
		}
	}
	for _, s := range l.lines {
		if s.from.box == nil || s.kind != "fails" && s.kind != "rejected" {
			continue
		}
		word := "if it fails"
		if s.kind == "rejected" {
			word = "if rejected"
		}
		side := branchX(s)
		x := s.from.box.x + math.Round(s.from.box.w/2) + side + 6
		if wide := measure(word, 10.5); side < 0 || l == d.root && x+wide > l.w+margin { // or it would stick out of the picture
			x -= 12 + wide
		}
		d.label(x, s.from.box.y+s.from.box.h+12, word, "sw-l")
	}
}

func lineClass(kind string, past bool) string {
	class := ""
	if kind != "needs" {
		class = " sw-" + kind
	}
	if past {
		class += " sw-past"
	}
	return class
}

func (d *drawing) label(x, y float64, text, class string) {
	d.f("<rect class=\"sw-lb\" x=\"%s\" y=\"%s\" width=\"%s\" height=\"13\" rx=\"3\" opacity=\".85\"/>", n(x-2), n(y-10), n(measure(text, 10.5)+4))
	d.f("<text class=\"sw-l %s\" x=\"%s\" y=\"%s\">%s</text>\n", class, n(x), n(y), escape(text))
}

// past reports whether a run went along s: all that lead into it have ended as it says.
func (d *drawing) past(s segment) bool {
	return !slices.ContainsFunc(s.sources, func(b *box) bool {
		state := d.state(b).State
		if s.kind == "fails" || s.kind == "rejected" {
			return state != card.Failed
		}
		return state != card.Done && state != card.Adopted && state != card.Skipped
	})
}

// branchX is how far from its middle a branch leaves a box: on the side to which it goes.
func branchX(s segment) float64 {
	out := math.Round(s.from.box.w/2) - 30
	if s.to.x < s.from.x-1 {
		return -out
	}
	return out
}

// piece draws one part of a line: from under a box, or out of a row, to the next row and, when it
// only passes there, through it.
func (l *level) piece(b *strings.Builder, s segment) {
	r := s.from.row
	x, y := s.from.x, l.top[r]+l.tall[r]
	if s.from.box != nil {
		x = s.from.box.x + math.Round(s.from.box.w/2)
		if s.kind == "fails" || s.kind == "rejected" {
			x += branchX(s)
		}
		fmt.Fprintf(b, "M%s %s", n(x), n(s.from.box.y+s.from.box.h))
		if s.from.box.y+s.from.box.h < y {
			fmt.Fprintf(b, "V%s", n(y))
		}
	} else {
		fmt.Fprintf(b, "M%s %s", n(x), n(y))
	}
	tx, ty := s.to.x, l.top[r+1]
	if s.to.box != nil {
		tx = s.to.box.x + math.Round(s.to.box.w/2)
		ty -= 8
	}
	if x == tx {
		fmt.Fprintf(b, "V%s", n(ty))
	} else {
		mid := (y + ty) / 2
		fmt.Fprintf(b, "C%s %s %s %s %s %s", n(x), n(mid+4), n(tx), n(mid-4), n(tx), n(ty))
	}
	if s.to.box == nil {
		fmt.Fprintf(b, "V%s", n(l.top[r+1]+l.tall[r+1]))
	}
}

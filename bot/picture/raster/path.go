package raster

import (
	"fmt"
	"math"
	"strconv"
)

type point struct{ x, y float64 }

// line is a row of points; the last of a closed one leads back to the first.
type line struct {
	points []point
	closed bool
}

// matrix moves and sizes: x·s + dx, y·s + dy.
type matrix struct{ s, dx, dy float64 }

func (m matrix) of(p point) point { return point{p.x*m.s + m.dx, p.y*m.s + m.dy} }

// then is m after inner.
func (m matrix) then(inner matrix) matrix {
	return matrix{m.s * inner.s, m.s*inner.dx + m.dx, m.s*inner.dy + m.dy}
}

// maxPoints bounds one path.
const maxPoints = 1 << 20

// parsePath reads the d of a path: M, L, H, V, C, S, A and Z, absolute and relative. Curves become lines
// that no eye tells from them at the sizes that are drawn.
func parsePath(d string) (out []line, err error) {
	p := pathReader{text: d}
	var now, start, bend point // bend: where the last curve came from
	var cmd byte
	points := 0
	to := func(q point) {
		now = q
		out[len(out)-1].points = append(out[len(out)-1].points, q)
		points++
	}
	for !p.end() {
		if c := p.text[p.at]; c|0x20 >= 'a' && c|0x20 <= 'z' {
			cmd = c
			p.at++
		} else if cmd == 0 || cmd|0x20 == 'z' {
			return nil, fmt.Errorf("the path %.40q has numbers without a command", d)
		}
		base := point{}
		if cmd >= 'a' {
			base = now
		}
		if len(out) == 0 && cmd|0x20 != 'm' {
			return nil, fmt.Errorf("the path %.40q begins nowhere", d)
		}
		if cmd|0x20 != 'm' && out[len(out)-1].closed {
			out = append(out, line{points: []point{start}})
		}
		switch cmd | 0x20 {
		case 'm':
			start = point{base.x + p.number(), base.y + p.number()}
			out = append(out, line{})
			to(start)
			cmd-- // what follows are lines
		case 'l':
			to(point{base.x + p.number(), base.y + p.number()})
		case 'h':
			to(point{base.x + p.number(), now.y})
		case 'v':
			to(point{now.x, base.y + p.number()})
		case 'c', 's':
			c, first := [4]point{now, now}, 1
			if cmd|0x20 == 's' { // it goes on as the curve before it ended
				c[1], first = point{2*now.x - bend.x, 2*now.y - bend.y}, 2
			}
			for i := first; i < 4; i++ {
				c[i] = point{base.x + p.number(), base.y + p.number()}
			}
			bend = c[2]
			length := dist(c[0], c[1]) + dist(c[1], c[2]) + dist(c[2], c[3])
			n := pieces(length)
			for i := 1; i <= n; i++ {
				t := float64(i) / float64(n)
				u := 1 - t
				to(point{u*u*u*c[0].x + 3*u*u*t*c[1].x + 3*u*t*t*c[2].x + t*t*t*c[3].x,
					u*u*u*c[0].y + 3*u*u*t*c[1].y + 3*u*t*t*c[2].y + t*t*t*c[3].y})
			}
		case 'a':
			rx, ry := p.number(), p.number()
			p.number()
			large, sweep := p.flag(), p.flag()
			q := point{base.x + p.number(), base.y + p.number()}
			for _, one := range arc(now, q, rx, ry, large, sweep) {
				to(one)
			}
		case 'z':
			out[len(out)-1].closed = true
			now = start
		default:
			return nil, fmt.Errorf("the path %.40q has the unknown command %q", d, cmd)
		}
		if cmd|0x20 != 'c' && cmd|0x20 != 's' {
			bend = now
		}
		if p.err != nil || points > maxPoints {
			return nil, fmt.Errorf("the path %.40q cannot be read", d)
		}
	}
	return out, nil
}

// pieces is into how many lines a curve of that length is cut.
func pieces(length float64) int {
	if !(length < 4000) { // nor a number that is none
		length = 4000
	}
	return 4 + int(math.Sqrt(length)*2)
}

func dist(a, b point) float64 { return math.Hypot(b.x-a.x, b.y-a.y) }

// arc is an arc without its first point, after the notes on arcs of the SVG standard (w3.org/TR/SVG11,
// "Elliptical arc implementation notes"); its axes are not turned.
func arc(from, to point, rx, ry float64, large, sweep bool) []point {
	if rx, ry = math.Abs(rx), math.Abs(ry); rx == 0 || ry == 0 || from == to {
		return []point{to}
	}
	hx, hy := (from.x-to.x)/2, (from.y-to.y)/2
	if over := hx*hx/(rx*rx) + hy*hy/(ry*ry); over > 1 {
		rx, ry = rx*math.Sqrt(over), ry*math.Sqrt(over)
	}
	under := rx*rx*hy*hy + ry*ry*hx*hx
	k := math.Sqrt(math.Max(0, (rx*rx*ry*ry-under)/under))
	if large == sweep {
		k = -k
	}
	ux, uy := k*rx*hy/ry, -k*ry*hx/rx
	cx, cy := ux+(from.x+to.x)/2, uy+(from.y+to.y)/2
	a := math.Atan2((hy-uy)/ry, (hx-ux)/rx)
	turn := math.Atan2((-hy-uy)/ry, (-hx-ux)/rx) - a
	switch {
	case sweep && turn < 0:
		turn += 2 * math.Pi
	case !sweep && turn > 0:
		turn -= 2 * math.Pi
	}
	n := pieces(math.Abs(turn) * math.Max(rx, ry))
	out := make([]point, n)
	for i := range out {
		t := a + turn*float64(i+1)/float64(n)
		out[i] = point{cx + rx*math.Cos(t), cy + ry*math.Sin(t)}
	}
	out[n-1] = to
	return out
}

// pathReader reads the numbers of a path, which may stand without gaps: "1.5.2-3".
type pathReader struct {
	text string
	at   int
	err  error
}

func (p *pathReader) end() bool {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == ',' || p.text[p.at] == '\n') {
		p.at++
	}
	return p.at >= len(p.text)
}

func (p *pathReader) number() float64 {
	if p.end() {
		p.err = fmt.Errorf("it ends too early")
		return 0
	}
	from, dot := p.at, false
	for ; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c >= '0' && c <= '9':
			continue
		case c == '.' && !dot:
			dot = true
			continue
		case (c == '-' || c == '+') && p.at == from:
			continue
		}
		break
	}
	v, err := strconv.ParseFloat(p.text[from:p.at], 64)
	if err != nil {
		p.err = err
	}
	return v
}

// flag is one digit, 0 or 1, which the next number may follow without a gap.
func (p *pathReader) flag() bool {
	if p.end() || p.text[p.at] != '0' && p.text[p.at] != '1' {
		p.err = fmt.Errorf("it has no flag where one stands")
		return false
	}
	p.at++
	return p.text[p.at-1] == '1'
}

// box is a rectangle with round corners.
func box(x, y, w, h, r float64) []line {
	r = math.Min(r, math.Min(w, h)/2)
	if r <= 0 {
		return []line{{[]point{{x, y}, {x + w, y}, {x + w, y + h}, {x, y + h}}, true}}
	}
	var out []point
	corner := func(from, to point) { out = append(append(out, from), arc(from, to, r, r, false, true)...) }
	corner(point{x + w - r, y}, point{x + w, y + r})
	corner(point{x + w, y + h - r}, point{x + w - r, y + h})
	corner(point{x + r, y + h}, point{x, y + h - r})
	corner(point{x, y + r}, point{x + r, y})
	return []line{{out, true}}
}

// disc is a circle.
func disc(x, y, r float64) []line {
	a, b := point{x + r, y}, point{x - r, y}
	return []line{{append(arc(a, b, r, r, false, true), arc(b, a, r, r, false, true)...), true}}
}

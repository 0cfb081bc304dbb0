package raster

import "math"

// stroked is the area that a pen of a width covers along a path, as polygons that turn the same way:
// where two of them meet, the area is covered once. Corners are round.
func stroked(path []line, width float64, round bool, dash []float64) [][]point {
	s := stroker{h: width / 2}
	for _, l := range path {
		l = distinct(l)
		if len(dash) == 0 {
			s.along(l, round)
			continue
		}
		for _, piece := range dashed(l, dash) {
			s.along(piece, round)
		}
	}
	return s.out
}

type stroker struct {
	h   float64
	out [][]point
}

// distinct leaves out points that are where the one before them is.
func distinct(l line) line {
	out := line{closed: l.closed}
	for _, p := range l.points {
		if n := len(out.points); n == 0 || dist(out.points[n-1], p) > 1e-6 {
			out.points = append(out.points, p)
		}
	}
	if n := len(out.points); out.closed && n > 1 && dist(out.points[0], out.points[n-1]) <= 1e-6 {
		out.points = out.points[:n-1]
	}
	if len(out.points) < 3 {
		out.closed = false
	}
	return out
}

func (s *stroker) along(l line, round bool) {
	pts := l.points
	if l.closed {
		pts = append(append([]point{}, pts...), pts[0])
	}
	if len(pts) == 1 && round {
		s.fan(pts[0], 0, 2*math.Pi)
	}
	before := 0.0
	for i := 0; i+1 < len(pts); i++ {
		a, b := pts[i], pts[i+1]
		d := dist(a, b)
		nx, ny := (b.y-a.y)/d*s.h, -(b.x-a.x)/d*s.h // to the left of the way, where y goes down
		s.add([]point{{a.x + nx, a.y + ny}, {b.x + nx, b.y + ny}, {b.x - nx, b.y - ny}, {a.x - nx, a.y - ny}})
		angle := math.Atan2(ny, nx)
		if i > 0 {
			s.corner(a, before, angle)
		}
		before = angle
	}
	if len(pts) < 2 {
		return
	}
	first := math.Atan2(-(pts[1].x - pts[0].x), pts[1].y-pts[0].y)
	switch {
	case l.closed:
		s.corner(pts[0], before, first)
	case round:
		s.fan(pts[0], first+math.Pi, math.Pi)
		s.fan(pts[len(pts)-1], before, math.Pi)
	}
}

// corner fills the gap on the outer side between two pieces whose left sides look to these angles.
func (s *stroker) corner(at point, from, to float64) {
	turn := math.Remainder(to-from, 2*math.Pi)
	switch {
	case turn > 1e-4: // to the right: the gap is on the left
		s.fan(at, from, turn)
	case turn < -1e-4:
		s.fan(at, to+math.Pi, -turn)
	}
}

// fan is a piece of a disc.
func (s *stroker) fan(at point, from, turn float64) {
	n := 1 + int(turn/0.35)
	pts := []point{at}
	for i := 0; i <= n; i++ {
		a := from + turn*float64(i)/float64(n)
		pts = append(pts, point{at.x + s.h*math.Cos(a), at.y + s.h*math.Sin(a)})
	}
	s.add(pts)
}

// add takes a polygon, turned so that all turn the same way.
func (s *stroker) add(pts []point) {
	area := 0.0
	for i, p := range pts {
		q := pts[(i+1)%len(pts)]
		area += p.x*q.y - q.x*p.y
	}
	if area < 0 {
		for i, j := 0, len(pts)-1; i < j; i, j = i+1, j-1 {
			pts[i], pts[j] = pts[j], pts[i]
		}
	}
	s.out = append(s.out, pts)
}

// dashed cuts a path into its dashes.
func dashed(l line, dash []float64) (out []line) {
	pts := l.points
	if l.closed {
		pts = append(append([]point{}, pts...), pts[0])
	}
	if len(pts) < 2 {
		return nil
	}
	i, left, on := 0, dash[0], true
	now := []point{pts[0]}
	for k := 1; k < len(pts); k++ {
		a, b := pts[k-1], pts[k]
		for {
			d := dist(a, b)
			if d <= left {
				left -= d
				if on {
					now = append(now, b)
				}
				break
			}
			a = point{a.x + (b.x-a.x)*left/d, a.y + (b.y-a.y)*left/d}
			if on {
				out = append(out, line{points: append(now, a)})
			}
			i, on = (i+1)%len(dash), !on
			left, now = dash[i], []point{a}
			if len(out) > maxPoints {
				return out
			}
		}
	}
	if on && len(now) > 1 {
		out = append(out, line{points: now})
	}
	return out
}

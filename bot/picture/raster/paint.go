package raster

import (
	"image"
	"image/draw"
	"math"

	"golang.org/x/image/vector"
)

// Paint draws the part of the scene that falls into clip onto dst: the point x, y of the scene comes to
// x·scale + dx, y·scale + dy. What is already on dst shines through where nothing is drawn.
func (s *Scene) Paint(dst *image.RGBA, clip image.Rectangle, scale, dx, dy float64) {
	clip = clip.Intersect(dst.Bounds())
	view := matrix{scale, dx, dy}
	var z vector.Rasterizer
	for _, one := range s.shapes {
		at := view.then(one.at)
		a, b := at.of(one.min), at.of(one.max)
		if !(a.x > -1e6 && a.y > -1e6 && b.x < 1e6 && b.y < 1e6) {
			continue
		}
		r := image.Rect(int(math.Floor(a.x)), int(math.Floor(a.y)), int(math.Ceil(b.x))+1, int(math.Ceil(b.y))+1).Intersect(clip)
		if r.Empty() {
			continue
		}
		z.Reset(r.Dx(), r.Dy())
		at.dx, at.dy = at.dx-float64(r.Min.X), at.dy-float64(r.Min.Y)
		for _, pts := range one.area {
			for i, p := range pts {
				q := at.of(p)
				if i == 0 {
					z.MoveTo(float32(q.x), float32(q.y))
					continue
				}
				z.LineTo(float32(q.x), float32(q.y))
			}
			z.ClosePath()
		}
		z.DrawOp = draw.Over
		z.Draw(dst, r, image.NewUniform(one.fill), image.Point{})
	}
}

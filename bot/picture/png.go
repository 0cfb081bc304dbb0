package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"

	"slipway/bot/errs"
	"slipway/bot/picture/raster"
)

// Bounds of a PNG: chats scale down, or refuse, what is larger.
const (
	MaxSide   = 4096    // points of colour
	MaxPNG    = 8 << 20 // bytes
	maxPoints = 8e6     // points of colour: what one picture takes of memory, four bytes each

	fullScale  = 2.0  // points a pixel of the natural size, for screens with fine points
	readable   = 0.75 // below, words are too small to be read
	leastScale = 0.25 // below, nothing is to be seen
	widest     = 600  // what a heading may take of a narrow picture, in pixels
)

// Image is a picture of points of colour.
type Image struct {
	PNG   []byte
	Scale float64 // points a pixel of the natural size: 2, or less for a large run
	Small bool    // its words are too small to be read, which is said in its heading
}

// PNG draws the steps as they stand in a run, as [Plan.Run] does in a file of its own, in light colours
// and without motion. A run that is much taller than wide goes on in further columns. It is at most
// [MaxSide] wide and high and has at most [MaxPNG] bytes: a large run is drawn smaller. The error is of
// kind [errs.Invalid] for a run of which nothing could be seen.
func (plan *Plan) PNG(steps map[string]Step, o Options) (Image, error) {
	const op = "picture.png"
	if steps == nil {
		steps = map[string]Step{}
	}
	o.Standalone, o.Link = true, nil
	columns := plan.fold()
	page := plan.page(steps, o, columns, fullScale)
	if page.scale < leastScale {
		return Image{}, tooLarge(op, len(plan.all))
	}
	d := plan.drawing(steps, o)
	d.w, d.h = d.root.w+2*rim, d.root.h+2*rim
	d.open(nil)
	at := d.Len()
	d.body(rim, rim)
	d.WriteString("</svg>\n")
	steady, err := raster.Read(d.Bytes(), measure)
	if err != nil {
		return Image{}, errs.E(op, errs.Internal, err)
	}
	d.Truncate(at)
	d.f("<g transform=\"translate(%s %s)\">\n", n(rim), n(rim))
	d.lines(d.root)
	d.WriteString("</g></svg>\n")
	lines, err := raster.Read(d.Bytes(), measure)
	if err != nil {
		return Image{}, errs.E(op, errs.Internal, err)
	}
	for page.scale >= leastScale {
		dst, err := page.paint(plan, steps, o, steady, lines)
		if err != nil {
			return Image{}, errs.E(op, errs.Internal, err)
		}
		var out bytes.Buffer
		if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&out, dst); err != nil {
			return Image{}, errs.E(op, errs.Internal, errors.New("the picture cannot be written down"))
		}
		if out.Len() <= MaxPNG {
			return Image{PNG: out.Bytes(), Scale: page.scale, Small: page.scale < readable}, nil
		}
		page = plan.page(steps, o, columns, page.scale*0.7)
	}
	return Image{}, tooLarge(op, len(plan.all))
}

func tooLarge(op string, steps int) error {
	return errs.E(op, errs.Invalid, fmt.Errorf("a picture of %d steps would show nothing", steps)).Hint("look at the page of the run")
}

// page is where everything stands on a PNG, in points.
type page struct {
	columns []span
	scale   float64 // of the steps
	words   float64 // scale of heading and legend, which stay readable
	w, h    float64
	room    float64 // of the steps: the longest column, in pixels of the natural size
}

// page finds the largest scale, at most most, within the bounds.
func (plan *Plan) page(steps map[string]Step, o Options, columns []span, most float64) page {
	p := page{columns: columns, scale: most}
	d := plan.drawing(steps, o)
	head := math.Min(math.Max(measure(d.o.Title, 18), measure(d.summary(), 11)), widest) + 2*margin
	wide := 2*margin - gapColumn
	for _, c := range columns {
		wide += c.x1 - c.x0 + gapColumn
		p.room = math.Max(p.room, c.to-c.from)
	}
	tall := headFile + p.room + margin
	if len(columns) > 1 {
		tall += onward
	}
	for range 8 { // heading and legend grow as the rest shrinks
		p.words = math.Max(p.scale, 1)
		p.w = math.Max(wide*p.scale, head*p.words)
		d.w = p.w / p.words
		p.h = (tall-headFile)*p.scale + (headFile+d.keyHeight(d.key()))*p.words
		over := math.Max(math.Max(p.w, p.h)/MaxSide, math.Sqrt(p.w*p.h/maxPoints))
		if over <= 1 {
			return p
		}
		p.scale /= over * 1.001
	}
	p.scale = 0
	return p
}

// paint draws it all.
func (p page) paint(plan *Plan, steps map[string]Step, o Options, body, lines *raster.Scene) (*image.RGBA, error) {
	if p.scale < readable {
		o.remark = "It is drawn small: each step can be read on the page of the run."
	}
	d := plan.drawing(steps, o)
	d.w, d.h = p.w/p.words, p.h/p.words
	key := d.key()
	d.open(key)
	d.heading()
	d.legend(key, d.h-d.keyHeight(key)+8)
	d.WriteString("</svg>\n")
	sheet, err := raster.Read(d.Bytes(), measure)
	if err != nil {
		return nil, err
	}
	dst := image.NewRGBA(image.Rect(0, 0, int(p.w), int(p.h)))
	draw.Draw(dst, dst.Bounds(), image.White, image.Point{}, draw.Src)
	sheet.Paint(dst, dst.Bounds(), p.words, 0, 0)
	left, top := p.w, headFile*p.words
	for _, c := range p.columns {
		left -= (c.x1 - c.x0 + gapColumn) * p.scale
	}
	left = (left + gapColumn*p.scale) / 2
	for _, c := range p.columns {
		wide, gap := (c.x1-c.x0)*p.scale, gapColumn/2*p.scale
		dx, dy := left-(c.x0+rim)*p.scale, top-(c.from+rim)*p.scale
		part := func(scene *raster.Scene, from, to float64) {
			clip := image.Rect(int(left-gap), int(top+from*p.scale), int(left+wide+gap), int(top+to*p.scale))
			scene.Paint(dst, clip, p.scale, dx, dy)
		}
		from, to := -rim, c.to-c.from+rim
		if !c.first { // of the row before only its lines are seen
			from = tail
			part(lines, 0, tail)
		}
		if !c.last {
			to = c.to - c.from + tail - below
		}
		part(body, from, to)
		if left += wide + 2*gap; !c.last {
			p.onward(dst, d, left-wide/2-2*gap, top+to*p.scale)
			line := image.Rect(int(left-gap), int(top), int(left-gap)+max(1, int(p.scale)), int(top+p.room*p.scale))
			draw.Draw(dst, line, image.NewUniform(color.NRGBA{0xdd, 0xe1, 0xe7, 0xff}), image.Point{}, draw.Src)
		}
	}
	return dst, nil
}

// onward writes under a column that it goes on in the next one.
func (p page) onward(dst *image.RGBA, d *drawing, middle, y float64) {
	d.Reset()
	d.w, d.h = 200, onward
	d.open(nil)
	d.f("<text class=\"sw-t sw-m\" x=\"%s\" y=\"12\">goes on in the next column →</text></svg>\n", n(d.w/2))
	if note, err := raster.Read(d.Bytes(), measure); err == nil {
		note.Paint(dst, dst.Bounds(), p.words, middle-d.w/2*p.words, y)
	}
}

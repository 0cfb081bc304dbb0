package raster

import (
	"unicode"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gomedium"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// em is the size, in pixels, at which outlines are read; they are drawn smaller.
const em = 1024

// face is one face of type and the outlines that were read of it.
type face struct {
	font   *sfnt.Font
	buffer sfnt.Buffer
	known  map[rune]glyph
}

// glyph is the outline of one letter, at [em].
type glyph struct {
	outline shape
	advance float64
}

// faces are the two in which pictures are written. The Go fonts have Latin, Greek and Cyrillic letters.
type faces struct{ regular, bold *face }

func openFaces() (faces, error) {
	var out faces
	for _, one := range []struct {
		to   **face
		data []byte
	}{{&out.regular, goregular.TTF}, {&out.bold, gomedium.TTF}} {
		f, err := sfnt.Parse(one.data)
		if err != nil {
			return out, err
		}
		*one.to = &face{font: f, known: map[rune]glyph{}}
	}
	return out, nil
}

// glyph is the outline of a letter. One that the face does not have is an empty box, as wide as letters
// of its kind are; a mark that stands on the letter before it is a small one, so that two names which
// differ in it differ to the eye.
func (f *face) glyph(r rune) glyph {
	if g, ok := f.known[r]; ok {
		return g
	}
	g, ok := f.read(r)
	if !ok {
		g = missing(r)
	}
	g.outline = g.outline.bounded()
	f.known[r] = g
	return g
}

func (f *face) read(r rune) (glyph, bool) {
	i, err := f.font.GlyphIndex(&f.buffer, r)
	if err != nil || i == 0 {
		return glyph{}, false
	}
	wide, err := f.font.GlyphAdvance(&f.buffer, i, fixed.I(em), font.HintingNone)
	if err != nil {
		return glyph{}, false
	}
	g := glyph{advance: float(wide)}
	segments, err := f.font.LoadGlyph(&f.buffer, i, fixed.I(em), nil)
	if err != nil {
		return glyph{}, false
	}
	var now []point
	end := func() {
		if len(now) > 2 {
			g.outline.area = append(g.outline.area, now)
		}
		now = nil
	}
	for _, s := range segments {
		at := func(i int) point { return point{float(s.Args[i].X), float(s.Args[i].Y)} }
		switch s.Op {
		case sfnt.SegmentOpMoveTo:
			end()
			now = []point{at(0)}
		case sfnt.SegmentOpLineTo:
			now = append(now, at(0))
		case sfnt.SegmentOpQuadTo:
			a, b, c := now[len(now)-1], at(0), at(1)
			for i := 1; i <= 6; i++ {
				t := float64(i) / 6
				u := 1 - t
				now = append(now, point{u*u*a.x + 2*u*t*b.x + t*t*c.x, u*u*a.y + 2*u*t*b.y + t*t*c.y})
			}
		case sfnt.SegmentOpCubeTo: // the Go fonts have none
			now = append(now, at(2))
		}
	}
	end()
	return g, true
}

func float(v fixed.Int26_6) float64 { return float64(v) / 64 }

func missing(r rune) glyph {
	wide, tall := 0.62, 0.72
	switch {
	case unicode.Is(unicode.Mn, r), unicode.Is(unicode.Me, r), unicode.Is(unicode.Cf, r):
		wide, tall = 0.2, 0.2
	case r >= 0x1100:
		wide = 0.98
	}
	g := glyph{advance: wide * em}
	edge := func(by float64) []point {
		l, r, t := (0.06+by)*em, (wide-0.06-by)*em, (-tall+by)*em
		return []point{{l, t}, {r, t}, {r, -by * em}, {l, -by * em}}
	}
	inner := edge(0.05)
	inner[1], inner[3] = inner[3], inner[1] // the other way round: a hole
	g.outline.area = [][]point{edge(0), inner}
	return g
}

// placed is a letter at its place.
type placed struct {
	glyph glyph
	at    matrix
}

// write sets a text at x, y on its line. If most > 0 and the text is wider, all of it is smaller.
func (f *face) write(text string, size, x, y, most float64, anchor string) []placed {
	wide := 0.0
	for _, r := range text {
		wide += f.glyph(r).advance
	}
	s := size / em
	if most > 0 && wide*s > most {
		s = most / wide
	}
	switch anchor {
	case "middle":
		x -= wide * s / 2
	case "end":
		x -= wide * s
	}
	var out []placed
	for _, r := range text {
		g := f.glyph(r)
		if len(g.outline.area) > 0 {
			out = append(out, placed{g, matrix{s, x, y}})
		}
		x += g.advance * s
	}
	return out
}

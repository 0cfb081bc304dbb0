// Package raster draws the SVG that [slipway/bot/picture] writes, in pure Go.
//
// It reads that picture alone, so what is on the one is on the other: the elements, paths and rules of
// style that it uses, in their light colours, as it stands still. What it does not know is an error, never
// left out. A letter that the face of type does not have is an empty box. The same picture gives the same
// points of colour, on every machine: nothing is asked of the system, and no font is looked for.
package raster

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image/color"
	"io"
	"math"
	"strconv"
	"strings"
)

// Scene is a picture that was read. It is immutable.
type Scene struct {
	W, H   float64
	shapes []shape
}

// shape is an area of one colour.
type shape struct {
	area     [][]point
	min, max point // around it, before it is moved
	at       matrix
	fill     color.NRGBA
}

// element is an element with what is in it.
type element struct {
	compound
	attr map[string]string
	text string
	in   []*element
}

// Bounds of a picture: how deep elements are in each other, and how many are drawn.
const (
	maxDepth = 32
	maxDrawn = 1 << 20
)

// Read reads a picture. measure gives the width that a text of a size may take; a text that the face of
// type makes wider is set smaller. It may be nil.
func Read(svg []byte, measure func(text string, size float64) float64) (*Scene, error) {
	root, err := parse(svg)
	if err != nil {
		return nil, fmt.Errorf("the picture cannot be read: %w", err)
	}
	r := &reader{scene: &Scene{}, measure: measure, named: map[string]*element{}}
	if r.faces, err = openFaces(); err != nil {
		return nil, err
	}
	if err := r.prepare(root); err != nil {
		return nil, fmt.Errorf("the picture cannot be read: %w", err)
	}
	r.scene.W, r.scene.H = r.number(root, "width"), r.number(root, "height")
	r.draw(root, nil, plainLook(), matrix{1, 0, 0}, 1)
	if r.err != nil {
		return nil, fmt.Errorf("the picture cannot be drawn: %w", r.err)
	}
	return r.scene, nil
}

func parse(svg []byte) (*element, error) {
	dec := xml.NewDecoder(bytes.NewReader(svg))
	var open []*element
	var root *element
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			e := &element{compound: compound{name: tok.Name.Local}, attr: map[string]string{}}
			for _, a := range tok.Attr {
				e.attr[a.Name.Local] = a.Value
			}
			e.classes = strings.Fields(e.attr["class"])
			switch {
			case len(open) > 0:
				open[len(open)-1].in = append(open[len(open)-1].in, e)
			case root == nil:
				root = e
			}
			if open = append(open, e); len(open) > maxDepth {
				return nil, errors.New("its elements are too deep in each other")
			}
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].text += string(tok)
			}
		}
	}
	if root == nil || root.name != "svg" {
		return nil, errors.New("it is no SVG")
	}
	return root, nil
}

// reader makes shapes of elements.
type reader struct {
	scene   *Scene
	faces   faces
	measure func(string, float64) float64
	rules   []rule
	named   map[string]*element
	drawn   int
	err     error
}

// prepare finds the style sheet, and what has a name.
func (r *reader) prepare(e *element) error {
	if id := e.attr["id"]; id != "" {
		r.named[id] = e
	}
	if e.name == "style" {
		rules, err := sheet(e.text)
		if err != nil {
			return err
		}
		r.rules = append(r.rules, rules...)
	}
	for _, in := range e.in {
		if err := r.prepare(in); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

func (r *reader) number(e *element, name string) float64 {
	text := e.attr[name]
	if text == "" {
		return 0
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v > -1e6 && v < 1e6) {
		r.fail("%s of %s is %q", name, e.name, text)
		return 0
	}
	return v
}

// looks is how e is drawn: as what it is in, unless it says otherwise; a style sheet says more than
// the attributes of an element.
func (r *reader) looks(e *element, chain []compound, l look) look {
	for _, name := range []string{"fill", "stroke", "stroke-width", "stroke-linecap", "stroke-linejoin"} {
		if v, ok := e.attr[name]; ok {
			if err := l.set(name, v); err != nil {
				r.fail("%w", err)
			}
		}
	}
	weight := map[string]int{}
	for _, rule := range r.rules {
		if !rule.fits(chain) {
			continue
		}
		for _, says := range rule.says {
			if rule.weight < weight[says[0]] {
				continue
			}
			weight[says[0]] = rule.weight
			if err := l.set(says[0], says[1]); err != nil {
				r.fail("%w", err)
			}
		}
	}
	return l
}

// draw draws an element, and what is in it.
func (r *reader) draw(e *element, around []compound, l look, at matrix, opacity float64) {
	chain := append(around[:len(around):len(around)], e.compound)
	if r.drawn++; len(chain) > maxDepth || r.drawn > maxDrawn {
		r.fail("it has too many elements, or too deep in each other")
	}
	l = r.looks(e, chain, l)
	if r.err != nil {
		return
	}
	if _, ok := e.attr["opacity"]; ok {
		opacity *= math.Min(math.Max(r.number(e, "opacity"), 0), 1)
	}
	if move := e.attr["transform"]; move != "" {
		at = at.then(r.transform(move))
	}
	switch e.name {
	case "title", "desc", "style", "defs":
	case "svg", "g", "a":
		for _, in := range e.in {
			r.draw(in, chain, l, at, opacity)
		}
	case "use":
		if of := r.named[strings.TrimPrefix(e.attr["href"], "#")]; of != nil {
			r.draw(of, chain, l, at.then(matrix{1, r.number(e, "x"), r.number(e, "y")}), opacity)
			return
		}
		r.fail("%q names nothing", e.attr["href"])
	case "rect":
		r.paint(box(r.number(e, "x"), r.number(e, "y"), r.number(e, "width"), r.number(e, "height"), r.number(e, "rx")), l, at, opacity)
	case "circle":
		r.paint(disc(r.number(e, "cx"), r.number(e, "cy"), r.number(e, "r")), l, at, opacity)
	case "path":
		path, err := parsePath(e.attr["d"])
		if err != nil {
			r.fail("%w", err)
			return
		}
		r.paint(path, l, at, opacity)
	case "text":
		r.write(e, l, at, opacity)
	default:
		r.fail("the element %q is not known", e.name)
	}
}

// transform reads translate(x y) and scale(s), one after the other.
func (r *reader) transform(s string) matrix {
	m := matrix{1, 0, 0}
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		name, rest, _ := strings.Cut(s, "(")
		inner, after, ok := strings.Cut(rest, ")")
		var v []float64
		for _, one := range strings.Fields(strings.ReplaceAll(inner, ",", " ")) {
			n, err := strconv.ParseFloat(one, 64)
			if err != nil || !(n > -1e6 && n < 1e6) {
				ok = false
			}
			v = append(v, n)
		}
		switch {
		case ok && name == "translate" && len(v) == 2:
			m = m.then(matrix{1, v[0], v[1]})
		case ok && name == "scale" && len(v) == 1:
			m = m.then(matrix{v[0], 0, 0})
		default:
			r.fail("the transformation %q is not known", s)
			return m
		}
		s = after
	}
	return m
}

// paint fills a path, then draws along it.
func (r *reader) paint(path []line, l look, at matrix, opacity float64) {
	if l.fill != "none" {
		var area [][]point
		for _, one := range path {
			area = append(area, one.points)
		}
		r.shape(shape{area: area, at: at}.bounded(), l.fill, opacity)
	}
	if l.stroke == "none" || l.width <= 0 {
		return
	}
	for _, one := range path { // each for itself: a path may be all lines of a picture
		r.shape(shape{area: stroked([]line{one}, l.width, l.round, l.dash), at: at}.bounded(), l.stroke, opacity)
	}
}

func (r *reader) shape(s shape, fill string, opacity float64) {
	if s.fill = colourOf(fill, opacity); len(s.area) > 0 {
		r.scene.shapes = append(r.scene.shapes, s)
	}
}

// bounded is s with what is around it.
func (s shape) bounded() shape {
	s.min, s.max = point{math.Inf(1), math.Inf(1)}, point{math.Inf(-1), math.Inf(-1)}
	for _, pts := range s.area {
		for _, p := range pts {
			s.min = point{math.Min(s.min.x, p.x), math.Min(s.min.y, p.y)}
			s.max = point{math.Max(s.max.x, p.x), math.Max(s.max.y, p.y)}
		}
	}
	return s
}

func colourOf(s string, opacity float64) color.NRGBA {
	v, err := strconv.ParseUint(s[1:], 16, 32)
	if err != nil {
		v = 0
	}
	return color.NRGBA{uint8(v >> 16), uint8(v >> 8), uint8(v), uint8(opacity*255 + 0.5)}
}

func (r *reader) write(e *element, l look, at matrix, opacity float64) {
	if len(e.in) > 0 {
		r.fail("a text has elements in it")
		return
	}
	f := r.faces.regular
	if l.bold {
		f = r.faces.bold
	}
	most := 0.0
	if r.measure != nil {
		most = r.measure(e.text, l.size)
	}
	for _, p := range f.write(e.text, l.size, r.number(e, "x"), r.number(e, "y"), most, l.anchor) {
		letter := p.glyph.outline
		letter.at = at.then(p.at)
		r.shape(letter, l.fill, opacity)
	}
}

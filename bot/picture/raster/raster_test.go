package raster_test

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"math"
	"strings"
	"testing"

	"slipway/bot/picture/raster"
)

const style = `<style>.sw .a{fill:#ff0000}
.sw .b .a{fill:#00ff00}
.sw .line{fill:none;stroke:#0000ff;stroke-width:4}
.sw .dash{stroke-dasharray:5 5}
.sw text{font-size:20px;fill:#000}
.sw .end{text-anchor:end}
.sw .a:hover{fill:#123456}
@media (prefers-color-scheme:dark){.sw .a{fill:#111111}}
@media (prefers-reduced-motion:reduce){.sw .still{stroke-dasharray:none}}
@keyframes go{to{stroke-dashoffset:-19}}
</style>`

// paint draws what stands in a picture of 100 × 100, at its natural size.
func paint(t testing.TB, inner string) *image.RGBA {
	t.Helper()
	s, err := raster.Read([]byte(`<svg xmlns="http://www.w3.org/2000/svg" class="sw" width="100" height="100">`+style+inner+`</svg>`), nil)
	if err != nil {
		t.Fatal(err)
	}
	dst := image.NewRGBA(image.Rect(0, 0, 100, 100))
	draw.Draw(dst, dst.Bounds(), image.White, image.Point{}, draw.Src)
	s.Paint(dst, dst.Bounds(), 1, 0, 0)
	return dst
}

var (
	red   = color.RGBA{255, 0, 0, 255}
	green = color.RGBA{0, 255, 0, 255}
	blue  = color.RGBA{0, 0, 255, 255}
	white = color.RGBA{255, 255, 255, 255}
)

func TestShapesAreWhereTheyStand(t *testing.T) {
	for name, c := range map[string]struct {
		inner string
		want  map[image.Point]color.RGBA
	}{
		"a rectangle":        {`<rect class="a" x="10" y="20" width="30" height="40"/>`, map[image.Point]color.RGBA{{11, 21}: red, {39, 59}: red, {9, 30}: white, {41, 30}: white, {20, 19}: white}},
		"round corners":      {`<rect class="a" x="10" y="10" width="80" height="80" rx="20"/>`, map[image.Point]color.RGBA{{11, 11}: white, {17, 17}: red, {11, 50}: red, {88, 88}: white}},
		"a circle":           {`<circle class="a" r="20"/>`, map[image.Point]color.RGBA{{5, 5}: red, {13, 13}: red, {15, 15}: white}},
		"moved and sized":    {`<g transform="translate(50 50) scale(2)"><rect class="a" width="10" height="10"/></g>`, map[image.Point]color.RGBA{{51, 51}: red, {69, 69}: red, {71, 60}: white, {49, 60}: white}},
		"of two rules":       {`<g class="b"><rect class="a" width="10" height="10"/></g>`, map[image.Point]color.RGBA{{5, 5}: green}},
		"used":               {`<defs><path id="p" d="M0 0h10v10H0z"/></defs><g class="b"><use class="a" href="#p" x="30" y="40"/></g>`, map[image.Point]color.RGBA{{35, 45}: green, {5, 5}: white}},
		"a relative path":    {`<path class="a" d="M10 10h9l-4.5 8z"/>`, map[image.Point]color.RGBA{{14, 12}: red, {14, 19}: white, {9, 12}: white}},
		"an arc":             {`<path class="a" d="M30 0A30 30 0 0 1 30 60A30 30 0 0 1 30 0Z"/>`, map[image.Point]color.RGBA{{30, 30}: red, {1, 30}: red, {58, 30}: red, {3, 3}: white}},
		"an arc as one word": {`<path class="a" d="M8 0H80a8 8 0 0 1 8 8V54a8 8 0 01-8 8H8a8 8 0 0 1-8-8V8a8 8 0 0 1 8-8Z"/>`, map[image.Point]color.RGBA{{40, 30}: red, {87, 61}: white, {87, 30}: red, {0, 0}: white}},
		"curves":             {`<path class="line" d="M0 50C0 20 50 20 50 50S100 80 100 50"/>`, map[image.Point]color.RGBA{{25, 27}: blue, {75, 72}: blue, {25, 72}: white}},
		"a line":             {`<path class="line" d="M10 50H90"/>`, map[image.Point]color.RGBA{{50, 49}: blue, {50, 50}: blue, {50, 53}: white, {8, 50}: white, {91, 50}: white}},
		"with dashes":        {`<path class="line dash" d="M0 50H100"/>`, map[image.Point]color.RGBA{{2, 50}: blue, {7, 50}: white, {12, 50}: blue, {17, 50}: white}},
		"that stands still":  {`<path class="line dash still" d="M0 50H100"/>`, map[image.Point]color.RGBA{{2, 50}: blue, {7, 50}: blue}},
		"a corner":           {`<path class="line" d="M10 90V10H90"/>`, map[image.Point]color.RGBA{{10, 9}: blue, {9, 50}: blue, {50, 10}: blue, {7, 7}: white}},
	} {
		t.Run(name, func(t *testing.T) {
			im := paint(t, c.inner)
			for at, want := range c.want {
				if got := im.RGBAAt(at.X, at.Y); got != want {
					t.Errorf("at %v it is %v and not %v", at, got, want)
				}
			}
		})
	}
}

// ink is the first and last column that is not white, and how many points are dark.
func ink(im *image.RGBA) (from, to, dark int) {
	from, to = 100, -1
	for y := range 100 {
		for x := range 100 {
			if c := im.RGBAAt(x, y); c.R < 128 {
				from, to, dark = min(from, x), max(to, x), dark+1
			}
		}
	}
	return from, to, dark
}

// TestTextIsSetAndFits: from its beginning or to its end, and never wider than it may be.
func TestTextIsSetAndFits(t *testing.T) {
	if from, to, dark := ink(paint(t, `<text x="10" y="50">slip</text>`)); from < 10 || from > 13 || to < 30 || to > 55 || dark < 100 {
		t.Errorf("it goes from %d to %d with %d points", from, to, dark)
	}
	if from, to, _ := ink(paint(t, `<text class="end" x="90" y="50">slip</text>`)); to > 90 || to < 86 || from < 45 {
		t.Errorf("to its end it goes from %d to %d", from, to)
	}
	s, err := raster.Read([]byte(`<svg class="sw" width="100" height="100">`+style+`<text x="0" y="50">WWWWWWWWWW</text></svg>`), func(string, float64) float64 { return 60 })
	if err != nil {
		t.Fatal(err)
	}
	dst := image.NewRGBA(image.Rect(0, 0, 100, 100))
	draw.Draw(dst, dst.Bounds(), image.White, image.Point{}, draw.Src)
	s.Paint(dst, dst.Bounds(), 1, 0, 0)
	if _, to, dark := ink(dst); to > 60 || to < 50 || dark == 0 {
		t.Errorf("it goes to %d and not to 60", to)
	}
}

// TestALetterThatIsMissingIsABox: of which the middle is empty; and a mark on a letter is seen too.
func TestALetterThatIsMissingIsABox(t *testing.T) {
	for _, letter := range []string{"中", "🎉", "ש", "م"} {
		im := paint(t, `<text x="10" y="50">`+letter+`</text>`)
		from, to, dark := ink(im)
		if dark < 20 || im.RGBAAt((from+to)/2, 43) != white {
			t.Errorf("%s has %d dark points from %d to %d", letter, dark, from, to)
		}
	}
	_, _, bare := ink(paint(t, `<text x="10" y="50">e</text>`))
	if _, _, marked := ink(paint(t, "<text x=\"10\" y=\"50\">e\u0301</text>")); marked <= bare {
		t.Error("a mark on a letter is not seen")
	}
}

// TestWhatIsUnknownIsAnError and never left out.
func TestWhatIsUnknownIsAnError(t *testing.T) {
	for name, inner := range map[string]string{
		"an element":     `<ellipse rx="1" ry="2"/>`,
		"a command":      `<path d="M0 0Q1 1 2 2"/>`,
		"a reference":    `<use href="#nothing"/>`,
		"a move":         `<g transform="rotate(45)"></g>`,
		"a property":     `<style>.sw .a{filter:blur(2px)}</style><rect class="a" width="1" height="1"/>`,
		"a colour":       `<rect fill="red" width="1" height="1"/>`,
		"a part of text": `<text>a<tspan>b</tspan></text>`,
		"a number":       `<rect width="1e99" height="1"/>`,
		"a circle":       `<defs><g id="x"><use href="#x"/></g></defs><use href="#x"/>`,
	} {
		if _, err := raster.Read([]byte(`<svg class="sw" width="9" height="9">`+inner+`</svg>`), nil); err == nil {
			t.Errorf("%s is drawn", name)
		}
	}
	for _, bad := range []string{"", "<p/>", "<svg>", strings.Repeat("<svg>", 100)} {
		if _, err := raster.Read([]byte(bad), nil); err == nil {
			t.Errorf("%.20q is drawn", bad)
		}
	}
}

// TestOnlyTheClipIsPainted, and the same scene has the same points each time.
func TestOnlyTheClipIsPainted(t *testing.T) {
	s, err := raster.Read([]byte(`<svg class="sw" width="100" height="100">`+style+`<rect class="a" width="100" height="100"/><text x="5" y="50">slipway</text></svg>`), nil)
	if err != nil {
		t.Fatal(err)
	}
	var first []byte
	for range 2 {
		dst := image.NewRGBA(image.Rect(0, 0, 100, 100))
		s.Paint(dst, image.Rect(10, 10, 50, 90), 1.5, -3, 0)
		for _, at := range []image.Point{{9, 50}, {51, 50}, {30, 9}, {30, 91}} {
			if dst.RGBAAt(at.X, at.Y).A != 0 {
				t.Errorf("%v is painted", at)
			}
		}
		if dst.RGBAAt(12, 12) != red {
			t.Error("nothing is painted")
		}
		if first == nil {
			first = bytes.Clone(dst.Pix)
		} else if !bytes.Equal(first, dst.Pix) {
			t.Error("it is painted in two ways")
		}
	}
	s.Paint(image.NewRGBA(image.Rect(0, 0, 10, 10)), image.Rect(0, 0, 10, 10), math.NaN(), 0, 0)
}

// FuzzRead: what is no picture of ours is refused, and nothing panics.
func FuzzRead(f *testing.F) {
	f.Add(`<path class="line dash" d="M0 50H100a8 8 0 0 1 8 8V54"/>`)
	f.Add(`<g transform="translate(5 5) scale(.66)"><use href="#p"/></g><path id="p" d="M0 0l1-1z"/>`)
	f.Add(`<text x="1" y="2">e&#x301; 中文 &lt;</text><style>.sw .a{fill:#fff}@media (prefers-reduced-motion){</style>`)
	f.Add(`<rect width="1e5" height="9" rx="-3" stroke="#000" stroke-width="1e9"/>`)
	f.Fuzz(func(t *testing.T, inner string) {
		if len(inner) > 4000 {
			return
		}
		s, err := raster.Read([]byte(`<svg class="sw" width="40" height="40">`+inner+`</svg>`), func(text string, size float64) float64 { return float64(len(text)) * size / 2 })
		if err != nil {
			return
		}
		dst := image.NewRGBA(image.Rect(0, 0, 40, 40))
		s.Paint(dst, dst.Bounds(), 1, 0, 0)
	})
}

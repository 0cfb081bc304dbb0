package picture_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"strings"
	"testing"
	"time"

	"slipway/bot/card"
	"slipway/bot/picture"
	"slipway/bot/picture/raster"
	"slipway/bot/playbook"
)

func drawn(t testing.TB, p *playbook.Playbook, steps map[string]picture.Step, o picture.Options) (picture.Image, image.Image) {
	t.Helper()
	got, err := picture.Lay(p).PNG(steps, o)
	if err != nil {
		t.Fatal(err)
	}
	im, err := png.Decode(bytes.NewReader(got.PNG))
	if err != nil {
		t.Fatal(err)
	}
	if w, h := im.Bounds().Dx(), im.Bounds().Dy(); w > picture.MaxSide || h > picture.MaxSide || len(got.PNG) > picture.MaxPNG {
		t.Errorf("it has %d × %d points and %d bytes", w, h, len(got.PNG))
	}
	return got, im
}

// colours counts the points of an image by their colour.
func colours(im image.Image) map[color.RGBA]int {
	out := map[color.RGBA]int{}
	b := im.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			r, g, b, _ := im.At(x, y).RGBA()
			out[color.RGBA{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8), 255}]++
		}
	}
	return out
}

// TestAPNGShowsStatesByColourAndSign: the ground and the disc of each state are there, and the sign on it.
func TestAPNGShowsStatesByColourAndSign(t *testing.T) {
	p := parse(t, small)
	o := picture.Options{Title: "small/1", AsOf: time.Date(2019, 1, 31, 14, 0, 0, 0, time.UTC)}
	got, im := drawn(t, p, map[string]picture.Step{"look": {State: card.Done}, "go": {State: card.Failed, Awaited: true}, "push": {State: card.Doubtful}}, o)
	if got.Scale != 2 || got.Small {
		t.Errorf("a small run is drawn at the scale %v", got.Scale)
	}
	has := colours(im)
	for what, c := range map[string]color.RGBA{
		"the ground of done": {0xe9, 0xf7, 0xee, 255}, "its disc": {0x23, 0x7a, 0x41, 255}, "its edge": {0x3f, 0x9d, 0x5f, 255},
		"the ground of failed": {0xfd, 0xea, 0xea, 255}, "the disc of failed": {0xb7, 0x1f, 0x1f, 255}, "the mark of who is awaited": {0xff, 0xd6, 0x5c, 255},
		"the ground of doubtful": {0xf8, 0xeb, 0xfc, 255}, "the words": {0x1b, 0x23, 0x30, 255}, "the line of a branch": {0xc2, 0x55, 0x55, 255},
	} {
		if has[c] < 40 {
			t.Errorf("%s, %v, has %d points", what, c, has[c])
		}
	}
	// The symbol alone, at its place in the node of the step, differs from state to state.
	signs := map[string]card.State{}
	for _, s := range []card.State{card.Pending, card.Done, card.Failed, card.Doubtful} {
		_, im := drawn(t, parse(t, "playbook: one\nsteps:\n  look: {do: git.state@1}\n"), map[string]picture.Step{"look": {State: s}}, picture.Options{Title: "one"})
		sign := signAt(im)
		if other, known := signs[sign]; known {
			t.Errorf("%s and %s have the same sign", s, other)
		}
		signs[sign] = s
	}
}

// signAt is the form in the disc of the only step of a picture: which points are not of the disc's own colour.
func signAt(im image.Image) string {
	mid := im.Bounds().Dx()/2 + int((216/2-21)*2)
	var b strings.Builder
	disc := im.At(mid-13, 164)
	for y := 154; y <= 174; y++ {
		for x := mid - 10; x <= mid+10; x++ {
			r, g, bl, _ := im.At(x, y).RGBA()
			dr, dg, db, _ := disc.RGBA()
			if (r+g+bl)/3 > (dr+dg+db)/3+0x4000 {
				b.WriteByte('#')
			} else {
				b.WriteByte('.')
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestTheSameRunHasTheSamePNG(t *testing.T) {
	p := parse(t, small)
	o := picture.Options{Title: "release/lava/2019.01"}
	first, _ := drawn(t, p, halfway(), o)
	again, _ := drawn(t, p, halfway(), o)
	if !bytes.Equal(first.PNG, again.PNG) {
		t.Error("it is drawn in two ways")
	}
	o.AsOf = time.Date(2019, 1, 31, 14, 0, 0, 0, time.UTC)
	if other, _ := drawn(t, p, halfway(), o); bytes.Equal(first.PNG, other.PNG) {
		t.Error("it does not say when it was so")
	}
}

// TestEveryPlaybookCanBeDrawn holds the rule that the PNG knows all that the SVG uses.
func TestEveryPlaybookCanBeDrawn(t *testing.T) {
	for name, p := range books(t) {
		if _, err := raster.Read(picture.Run(p, halfway(), picture.Options{Standalone: true, Title: name}), nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzPNG: whatever people write, there is a picture, and words that the face of type lacks are not empty.
func FuzzPNG(f *testing.F) {
	f.Add("release/lava/2019.01", "1 of 2 of maintainer", 12)
	f.Add("\u202eevil \u200fمرحبا", "中文 🎉🚀 e\u0301\u0302\u0303", -1)
	f.Add("\x00\xff\ufffd<script>&amp;", strings.Repeat("W", 3000), 1<<40)
	plan := picture.Lay(parse(f, small))
	f.Fuzz(func(t *testing.T, title, detail string, count int) {
		steps := map[string]picture.Step{"look": {State: card.State(title), Detail: detail}, "go": {State: card.Waiting, Detail: title, Attempt: count, Awaited: true},
			"push": {State: card.Doubtful, Counts: map[card.State]int{card.Done: count, card.State(detail): 1}}}
		if _, err := plan.PNG(steps, picture.Options{Title: title}); err != nil {
			t.Errorf("%q %q: %v", title, detail, err)
		}
	})
}

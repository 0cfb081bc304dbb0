package picture

import (
	"fmt"
	"strings"
	"testing"

	"slipway/bot/errs"
	"slipway/bot/playbook"
)

func plan(t *testing.T, src string) *Plan {
	t.Helper()
	p, err := playbook.Parse("p.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return Lay(p)
}

// TestColumnsCutNoBox: together they show all of the steps once, and no cut goes through a box.
func TestColumnsCutNoBox(t *testing.T) {
	var b strings.Builder
	b.WriteString("playbook: p\nsteps:\n  s0: {do: git.state@1}\n")
	for i := 1; i < 60; i++ {
		fmt.Fprintf(&b, "  s%d: {do: git.state@1, needs: [s%d]}\n", i, max(0, i-1-i%3))
	}
	b.WriteString("  many:\n    each: \"['a']\"\n    as: x\n    needs: [s59]\n    steps:\n      t0: {do: git.state@1}\n")
	for i := 1; i < 30; i++ {
		fmt.Fprintf(&b, "      t%d: {do: git.state@1, needs: [t%d]}\n", i, i-1)
	}
	p := plan(t, b.String())
	columns := p.fold()
	if len(columns) < 2 {
		t.Fatalf("%v high, it has %d columns", p.root.h, len(columns))
	}
	at := 0.0
	for i, c := range columns {
		if c.from != at || c.first != (i == 0) || c.last != (i == len(columns)-1) || c.x1 <= c.x0 {
			t.Errorf("column %d is %+v after %v", i, c, at)
		}
		at = c.to
		for _, b := range p.all {
			tall := b.h
			if b.inner != nil {
				tall = headH
			}
			if !c.last && c.to > b.y && c.to < b.y+tall {
				t.Errorf("the cut at %v goes through %s", c.to, b.Path)
			}
			if b.inner == nil && b.y >= c.from && b.y < c.to && (b.x < c.x0 || b.x+b.w > c.x1) {
				t.Errorf("%s sticks out of its column", b.Path)
			}
		}
	}
	if at != p.root.h {
		t.Errorf("the columns end at %v of %v", at, p.root.h)
	}
}

// TestALargeRunStaysWithinTheBounds: 200 steps in a row can be read, since they go on in columns.
func TestALargeRunStaysWithinTheBounds(t *testing.T) {
	var b strings.Builder
	b.WriteString("playbook: chain\nsteps:\n  s0: {do: git.state@1}\n")
	for i := 1; i < 200; i++ {
		fmt.Fprintf(&b, "  s%d: {do: git.state@1, needs: [s%d]}\n", i, i-1)
	}
	p := plan(t, b.String())
	got := p.page(map[string]Step{}, Options{Standalone: true, Title: "chain/1"}, p.fold(), fullScale)
	if got.scale < 1 || got.w > MaxSide || got.h > MaxSide || got.w*got.h > maxPoints || got.w < got.h/2 {
		t.Errorf("200 steps in a row are drawn at the scale %v on %v × %v points", got.scale, got.w, got.h)
	}
}

// TestWhatIsTooSmallToReadSaysSo: and what would show nothing is no picture.
func TestWhatIsTooSmallToReadSaysSo(t *testing.T) {
	p := plan(t, "playbook: p\nsteps:\n  a: {do: git.state@1}\n")
	p.root.w = 12_000
	for _, row := range p.root.rows { // it reaches as far
		row[0].x, row[0].w = 6000, 12_000
	}
	got, err := p.PNG(nil, Options{})
	if err != nil || !got.Small || got.Scale > 0.4 {
		t.Errorf("12,000 wide it is drawn at the scale %v, %v", got.Scale, err)
	}
	p.root.rows[0][0].w, p.root.rows[0][0].x = 40_000, 20_000
	p.root.w = 40_000
	if _, err := p.PNG(nil, Options{}); !errs.Is(err, errs.Invalid) {
		t.Errorf("40,000 wide: %v", err)
	}
}

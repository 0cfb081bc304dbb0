package picture

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"slipway/bot/playbook"
)

// source makes a playbook of steps, of which each may need, or come after any of, those before it.
func source(t *rapid.T) string {
	var b strings.Builder
	b.WriteString("playbook: random\nsteps:\n")
	body := func(in string, n int) {
		for i := range n {
			fmt.Fprintf(&b, "%ss%d:\n%s  do: git.state@1\n", in, i, in)
			for _, key := range []string{"needs", "any"} {
				var names []string
				for j := range i {
					if rapid.IntRange(0, 3).Draw(t, key) == 0 {
						names = append(names, fmt.Sprintf("s%d", j))
					}
				}
				if len(names) > 1 || len(names) == 1 && key == "needs" {
					fmt.Fprintf(&b, "%s  %s: [%s]\n", in, key, strings.Join(names, ", "))
				}
			}
		}
	}
	body("  ", rapid.IntRange(1, 14).Draw(t, "steps"))
	for k := range rapid.IntRange(0, 2).Draw(t, "boxes") {
		fmt.Fprintf(&b, "  each%d:\n    each: \"['a']\"\n    as: x\n    needs: [s0]\n    steps:\n", k)
		body("      ", rapid.IntRange(1, 6).Draw(t, "inner"))
	}
	return b.String()
}

// TestNothingLiesOnAnything: no two boxes touch, every line leads down, no line runs through a
// box, and what belongs to an each stands in its box.
func TestNothingLiesOnAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := source(t)
		p, err := playbook.Parse("random.yaml", []byte(src))
		if err != nil {
			t.Fatalf("%v in\n%s", err, src)
		}
		root := levels(p)
		root.layout(maxRow)
		inspect(t, root)
	})
}

func inspect(t *rapid.T, l *level) {
	for i, a := range l.boxes {
		if a.x < 0 || a.y < 0 {
			t.Errorf("%s lies outside", a.Path)
		}
		for _, b := range l.boxes[i+1:] {
			if a.x < b.x+b.w && b.x < a.x+a.w && a.y < b.y+b.h && b.y < a.y+a.h {
				t.Errorf("%s and %s lie on each other", a.Path, b.Path)
			}
		}
		if a.inner != nil {
			for _, b := range a.inner.boxes {
				if b.x < a.x || b.y < a.y+headH-1 || b.x+b.w > a.x+a.w || b.y+b.h > a.y+a.h {
					t.Errorf("%s sticks out of %s", b.Path, a.Path)
				}
			}
			inspect(t, a.inner)
		}
	}
	reached := map[[2]string]bool{}
	var follow func(from *box, v *vertex, kind string)
	byFrom := map[*vertex][]segment{}
	for _, s := range l.lines {
		if s.to.row != s.from.row+1 {
			t.Errorf("a line goes from row %d to row %d", s.from.row, s.to.row)
		}
		byFrom[s.from] = append(byFrom[s.from], s)
	}
	follow = func(from *box, v *vertex, kind string) {
		if v.box != nil {
			reached[[2]string{from.Path, v.box.Path}] = true
			return
		}
		for _, s := range byFrom[v] {
			if s.kind == kind {
				follow(from, s.to, kind)
			}
		}
	}
	for _, s := range l.lines {
		if s.from.box != nil {
			follow(s.from.box, s.to, s.kind)
		}
	}
	wanted := map[[2]string]bool{}
	for _, e := range l.edges {
		wanted[[2]string{e.from.Path, e.to.Path}] = true
		if e.from.y+e.from.h >= e.to.y {
			t.Errorf("the line from %s to %s does not lead down", e.from.Path, e.to.Path)
		}
	}
	for pair := range wanted {
		if !reached[pair] {
			t.Errorf("no line leads from %s to %s", pair[0], pair[1])
		}
	}
	for pair := range reached {
		if !wanted[pair] {
			t.Errorf("a line leads from %s to %s, which has no reason", pair[0], pair[1])
		}
	}
	for _, row := range l.rows {
		for i := 0; i+1 < len(row); i++ {
			a, b := row[i], row[i+1]
			if b.x-b.w/2-(a.x+a.w/2) < gapLines-2 {
				t.Errorf("two things of a row are too near: %v and %v", a.x, b.x)
			}
		}
	}
}

func TestWhatIsImpliedIsNotDrawn(t *testing.T) {
	p, err := playbook.Parse("p.yaml", []byte("playbook: p\nsteps:\n  a: {do: git.state@1}\n  b: {do: git.state@1, needs: [a]}\n  c: {do: git.state@1, needs: [a, b]}\n  d: {do: git.state@1, any: [a, c]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	l := levels(p)
	l.reduce()
	var got []string
	for _, e := range l.edges {
		got = append(got, e.from.Path+"→"+e.to.Path+" "+e.kind)
	}
	want := "a→b needs, b→c needs, a→d any, c→d any"
	if strings.Join(got, ", ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, ", "), want)
	}
}

func TestTextIsMeasuredAndCut(t *testing.T) {
	for _, c := range []struct {
		text string
		most float64
		want string
	}{
		{"short", 100, "short"},
		{"a rather long text that does not fit", 100, "a rather long text…"},
		{"版本發行說明書版本發行說明書", 80, "版本發行說…"},
		{"e\u0301e\u0301e\u0301", 40, "e\u0301e\u0301e\u0301"},
	} {
		if got := cut(c.text, 11, c.most); got != c.want {
			t.Errorf("cut(%q, %v) = %q, want %q", c.text, c.most, got, c.want)
		}
	}
	if got := wrap("one two three four five six seven eight nine ten", 11, 80, 2); len(got) != 2 || !strings.HasSuffix(got[1], "…") {
		t.Errorf("wrapped to %q", got)
	}
}

func FuzzEscape(f *testing.F) {
	f.Add("<a href=\"x\">&\x00\xff\u202e")
	f.Add("plain")
	f.Fuzz(func(t *testing.T, s string) {
		out := escape(s)
		if strings.ContainsAny(out, "<>\"'\x00\x1b\n") {
			t.Errorf("escape(%q) = %q", s, out)
		}
		_ = cut(s, 11, 50)
		_ = wrap(s, 11, 50, 2)
	})
}

package picture_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"slipway/bot/card"
	"slipway/bot/picture"
)

// element is what tests look at of an SVG element.
type element struct {
	name string
	attr map[string]string
	text string
}

// elements reads a picture strictly.
func elements(t testing.TB, svg []byte) []element {
	t.Helper()
	dec := xml.NewDecoder(bytes.NewReader(svg))
	dec.Strict = true
	var out []element
	var open []int
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatalf("the picture is no XML: %v", err)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			e := element{name: tok.Name.Local, attr: map[string]string{}}
			for _, a := range tok.Attr {
				e.attr[a.Name.Local] = a.Value
			}
			open = append(open, len(out))
			out = append(out, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				out[open[len(open)-1]].text += string(tok)
			}
		}
	}
}

func texts(all []element, name string) (out []string) {
	for _, e := range all {
		if e.name == name {
			out = append(out, e.text)
		}
	}
	return out
}

const small = `playbook: small
doc: A small one
steps:
  look: {do: git.state@1, doc: Look}
  go: {gate: "1 of maintainer", binds: ["${steps.look.tip}"], needs: [look], on_reject: sorry}
  sorry: {do: chat.broadcast@1}
  push: {do: git.push_release@1, needs: [go], on_fail: {undo: [look], goto: sorry}}
`

func TestAPictureIsSafeInAPage(t *testing.T) {
	evil := `</text><script>alert("1")</script><a href='javascript:x'>` + "\u202e\x00\x1b"
	p := parse(t, strings.Replace(small, "doc: Look", `doc: "<b onload=x>&amp;"`, 1))
	svg := picture.Run(p, map[string]picture.Step{
		"look": {State: card.Running, Detail: evil, Counts: map[card.State]int{card.Done: 3}}, "go": {State: card.Waiting, Detail: evil}},
		picture.Options{Title: evil, ID: `x" onload="y`, Link: func(path string) string {
			if path == "go" {
				return "javascript:alert(1)"
			}
			return `/runs/1/steps/` + path + `"><script>`
		}})
	for _, e := range elements(t, svg) {
		if e.name == "script" || e.name == "foreignObject" || e.name == "image" {
			t.Errorf("the picture has an element %s", e.name)
		}
		for name, value := range e.attr {
			if strings.HasPrefix(name, "on") || name == "style" {
				t.Errorf("%s has the attribute %s=%q", e.name, name, value)
			}
			if name == "href" && strings.HasPrefix(value, "javascript") {
				t.Errorf("a link leads to %q", value)
			}
		}
	}
	if strings.ContainsAny(string(svg), "\x00\x1b\u202e") {
		t.Error("a control character went through")
	}
}

func TestAPictureTellsWhoDoesNotSeeIt(t *testing.T) {
	p := parse(t, small)
	all := elements(t, picture.Run(p, map[string]picture.Step{
		"look": {State: card.Done, Attempt: 3}, "go": {State: card.Waiting, Awaited: true, Detail: "needs 1 of maintainer"}},
		picture.Options{Title: "small/1"}))
	root := all[0]
	ids := map[string]string{}
	for _, e := range all {
		if id := e.attr["id"]; id != "" {
			ids[id] = e.text
		}
	}
	var label []string
	for _, id := range strings.Fields(root.attr["aria-labelledby"]) {
		label = append(label, ids[id])
	}
	if got, want := strings.Join(label, " | "), "small/1 | 4 steps, 1 waiting, 1 done, 2 not yet. A person is awaited at go."; got != want {
		t.Errorf("the picture is called %q, want %q", got, want)
	}
	if root.attr["role"] != "graphics-document" {
		t.Errorf("a picture with links has the role %s, which hides them", root.attr["role"])
	}
	titles := strings.Join(texts(all, "title"), "\n")
	for _, want := range []string{
		"look: Look · action, done, attempt 3",
		"go: 1 of maintainer · gate, waiting, a person is awaited · needs 1 of maintainer",
		"push: git.push_release@1 · action, not yet · if it fails, takes back look",
	} {
		if !strings.Contains(titles, want) {
			t.Errorf("no node says %q:\n%s", want, titles)
		}
	}
	links := 0
	for _, e := range all {
		if e.name == "a" {
			links++
			if e.attr["href"] == "" {
				t.Error("a link leads nowhere")
			}
		}
	}
	if links != 4 {
		t.Errorf("%d links, want one of each step", links)
	}
	if got := elements(t, picture.Playbook(p, picture.Options{Standalone: true}))[0].attr["role"]; got != "img" {
		t.Errorf("a file without links has the role %s", got)
	}
}

// TestEveryStateHasASignOfItsOwn holds the rule that nothing rests on colour alone.
func TestEveryStateHasASignOfItsOwn(t *testing.T) {
	p := parse(t, small)
	seen := map[string]card.State{}
	for _, s := range []card.State{card.Pending, card.Waiting, card.Running, card.Done, card.Adopted, card.Skipped, card.Failed,
		card.Stuck, card.Doubtful, card.Held, card.Stale, card.Undone, card.Aborted} {
		all := elements(t, picture.Run(p, map[string]picture.Step{"look": {State: s}, "go": {State: s}, "push": {State: s}, "sorry": {State: s}}, picture.Options{}))
		sign, inGroup := "", false
		for _, e := range all {
			if e.name == "g" {
				inGroup = e.attr["id"] == "sw-s-"+string(s)
			}
			if inGroup && e.name == "path" && sign == "" {
				sign = e.attr["d"]
			}
		}
		if sign == "" {
			t.Errorf("%s has no sign", s)
		}
		if other, has := seen[sign]; has {
			t.Errorf("%s and %s have the same sign", s, other)
		}
		seen[sign] = s
		if !strings.Contains(picture.Style(), ".sw-"+string(s)+" .sw-b{") {
			t.Errorf("%s has no colour", s)
		}
	}
}

func TestTheSameInputHasTheSameBytes(t *testing.T) {
	for name, p := range books(t) {
		first := picture.Run(p, halfway(), picture.Options{Standalone: true})
		for range 3 {
			if !bytes.Equal(first, picture.Run(p, halfway(), picture.Options{Standalone: true})) {
				t.Errorf("%s is drawn in two ways", name)
			}
		}
	}
}

func TestCountsOfManyElementsAreOneNode(t *testing.T) {
	p := read(t, "../../commands/release/release.yaml")
	few := picture.Run(p, map[string]picture.Step{"signatures/sign": {Counts: map[card.State]int{card.Done: 2}}}, picture.Options{})
	many := picture.Run(p, map[string]picture.Step{"signatures/sign": {Counts: map[card.State]int{card.Done: 2000}}}, picture.Options{})
	if len(many) > len(few)+32 {
		t.Errorf("2,000 elements take %d bytes, 2 take %d", len(many), len(few))
	}
	if !strings.Contains(string(many), ">2000</text>") {
		t.Error("the count is not shown")
	}
}

// large is a playbook of n steps: rows of ten that are joined, with long lines past them.
func large(n int) string {
	var b strings.Builder
	b.WriteString("playbook: large\nsteps:\n")
	for i := range n {
		fmt.Fprintf(&b, "  s%d: {do: git.state@1", i)
		switch {
		case i%11 == 10:
			fmt.Fprintf(&b, ", needs: [s%d, s%d, s%d, s%d]", i-1, i-2, i-5, i-10)
		case i > 11:
			fmt.Fprintf(&b, ", needs: [s%d, s%d]", i-i%11-1, (i*7)%(i-i%11-1))
		}
		b.WriteString("}\n")
	}
	return b.String()
}

func BenchmarkTwoThousandSteps(b *testing.B) {
	for name, src := range map[string]string{"joined": large(2000), "apart": strings.ReplaceAll(large(2000), "needs", "any")} {
		p := parse(b, src)
		b.Run(name+"/layout", func(b *testing.B) {
			for b.Loop() {
				picture.Lay(p)
			}
		})
		plan := picture.Lay(p)
		b.Run(name+"/drawing", func(b *testing.B) {
			size := 0
			for b.Loop() {
				size = len(plan.Run(nil, picture.Options{}))
			}
			b.ReportMetric(float64(size), "bytes")
		})
	}
}

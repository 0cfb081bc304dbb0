package picture

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"slipway/bot/card"
	"slipway/bot/playbook"
)

// drawing is one picture while it is drawn.
type drawing struct {
	bytes.Buffer
	*Plan
	steps map[string]Step // nil: no states
	o     Options
	w, h  float64
	signs []stateLook // made once
	looks []kindLook
}

func (plan *Plan) draw(steps map[string]Step, o Options) []byte {
	d := plan.drawing(steps, o)
	head := margin
	if o.Standalone {
		head = headFile
	}
	d.w = math.Max(d.root.w+2*margin, 280)
	d.h = head + d.root.h + margin
	d.document(head)
	return d.Bytes()
}

// drawing is a picture before anything of it is drawn.
func (plan *Plan) drawing(steps map[string]Step, o Options) *drawing {
	if o.Title == "" {
		o.Title = plan.p.Name
	}
	if o.ID == "" {
		o.ID = "sw"
	}
	if o.Link == nil {
		o.Link = func(path string) string { return "#" + Anchor(path) }
		if o.Standalone {
			o.Link = func(string) string { return "" }
		}
	}
	return &drawing{Plan: plan, steps: steps, o: o, signs: states(), looks: kinds()}
}

func (plan *Plan) gather(l *level) {
	for _, row := range l.rows {
		for _, v := range row {
			if v.box == nil {
				continue
			}
			plan.all = append(plan.all, v.box)
			if v.box.inner != nil {
				plan.gather(v.box.inner)
			}
		}
	}
}

func (d *drawing) state(b *box) Step {
	st := d.steps[b.Path]
	if d.look(st.State).state != st.State { // none, or one that nobody knows
		st.State = card.Pending
	}
	return st
}

func (d *drawing) f(format string, args ...any) { fmt.Fprintf(&d.Buffer, format, args...) }

// n writes a number with at most one decimal.
func n(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

func (d *drawing) document(head float64) {
	var key []keyRow
	if d.o.Standalone {
		key = d.key()
		d.h += d.keyHeight(key)
	}
	d.open(key)
	if d.o.Standalone {
		d.heading()
	}
	d.body(math.Round((d.w-d.root.w)/2), head)
	if len(key) > 0 {
		d.legend(key, head+d.root.h+margin+8)
	}
	d.WriteString("</svg>\n")
}

// open begins a document.
func (d *drawing) open(key []keyRow) {
	// What has links in it is no image to assistive programs, which would hide the links.
	role := "img"
	if slices.ContainsFunc(d.all, func(b *box) bool { return safe(d.o.Link(b.Path)) != "" }) {
		role = "graphics-document"
	}
	id := escape(d.o.ID)
	d.f(`<svg xmlns="http://www.w3.org/2000/svg" class="sw" role="%s" aria-labelledby="%s-title %s-desc" width="%s" height="%s" viewBox="0 0 %s %s">`,
		role, id, id, n(d.w), n(d.h), n(d.w), n(d.h))
	d.f("\n<title id=\"%s-title\">%s</title>\n<desc id=\"%s-desc\">%s</desc>\n", id, escape(d.o.Title), id, escape(d.describe()))
	if d.o.Standalone {
		d.f("<style>%s</style>\n", alone())
	}
	d.defs(key)
}

// heading is the ground of a file, and what stands above the steps.
func (d *drawing) heading() {
	d.f("<rect class=\"sw-bg\" width=\"%s\" height=\"%s\"/>\n", n(d.w), n(d.h))
	d.f("<text class=\"sw-h\" x=\"%s\" y=\"28\">%s</text>\n", n(margin), escape(cut(d.o.Title, 18, d.w-2*margin)))
	d.f("<text class=\"sw-t\" x=\"%s\" y=\"46\">%s</text>\n", n(margin), escape(cut(d.summary(), 11, d.w-2*margin)))
}

// body is the steps and the lines between them, with the corner of them all at x, y.
func (d *drawing) body(x, y float64) {
	d.f("<g transform=\"translate(%s %s)\">\n", n(x), n(y))
	d.frames(d.root)
	d.lines(d.root)
	for _, b := range d.all {
		d.node(b)
	}
	d.WriteString("</g>\n")
}

// summary is the line under the heading of a file.
func (d *drawing) summary() string {
	if d.steps == nil {
		if doc := strings.TrimSpace(d.p.Doc); doc != "" {
			return doc
		}
		return "playbook"
	}
	count := map[card.State]int{}
	for _, b := range d.all {
		count[d.state(b).State]++
	}
	text := d.counted(Step{Counts: count})
	if !d.o.AsOf.IsZero() {
		text += ", as of " + card.Moment(d.o.AsOf)
	}
	if d.o.remark != "" {
		text += ". " + d.o.remark
	}
	return text
}

// defs are the outlines, icons and signs that the picture uses, each once.
func (d *drawing) defs(key []keyRow) {
	used := map[string]bool{}
	for _, b := range d.all {
		used["k"+string(b.Kind)] = true
		if d.steps != nil {
			st := d.state(b)
			used["s"+string(st.State)] = true
			for s, n := range st.Counts {
				used["s"+string(s)] = used["s"+string(s)] || n > 0
			}
		}
	}
	d.WriteString("<defs>\n")
	for _, k := range d.looks {
		if !used["k"+string(k.kind)] {
			continue
		}
		d.f("<path id=\"%s-b-%s\" d=\"%s\"/><path id=\"%s-i-%s\" d=\"%s\"/>\n", escape(d.o.ID), k.kind, k.outline, escape(d.o.ID), k.kind, k.icon)
	}
	for _, s := range d.signs {
		if !used["s"+string(s.state)] {
			continue
		}
		// A use hands its colours down to the disc; what style sheets say of the parts of a symbol
		// does not reach it there, so the sign has its colour by attributes.
		look := `fill="none" stroke="#fff" stroke-width="1.9" stroke-linecap="round" stroke-linejoin="round"`
		switch {
		case s.state == card.Pending: // an empty disc: nothing has happened
			look = `stroke-width="2.6" stroke-linecap="round"`
		case s.filled:
			look = `fill="#fff"`
		}
		d.f("<g id=\"%s-s-%s\"><circle r=\"9\"/><path %s d=\"%s\"/></g>\n", escape(d.o.ID), s.state, look, s.sign)
	}
	d.WriteString("</defs>\n")
}

// use places something of defs.
func (d *drawing) use(class, what string, x, y float64) {
	d.WriteString("<use")
	if class != "" {
		d.f(` class="%s"`, class)
	}
	d.f(` href="#%s-%s"`, escape(d.o.ID), what)
	if x != 0 || y != 0 {
		d.f(` x="%s" y="%s"`, n(x), n(y))
	}
	d.WriteString("/>")
}

// frames draws the boxes that hold steps, the outer ones first.
func (d *drawing) frames(l *level) {
	for _, b := range l.boxes {
		if b.inner == nil {
			continue
		}
		d.f("<g class=\"%s\">", d.class(b))
		d.f(`<rect class="sw-stack" x="%s" y="%s" width="%s" height="%s" rx="10"/>`, n(b.x+5), n(b.y+5), n(b.w), n(b.h))
		d.f(`<rect class="sw-in" x="%s" y="%s" width="%s" height="%s" rx="10"/>`, n(b.x), n(b.y), n(b.w), n(b.h))
		d.WriteString("</g>\n")
		d.frames(b.inner)
		d.lines(b.inner)
	}
}

// class tells kind, or state, of a node to the style sheet.
func (d *drawing) class(b *box) string {
	if d.steps == nil {
		return "sw-k-" + string(b.Kind)
	}
	st := d.state(b)
	if st.Awaited {
		return "sw-" + string(st.State) + " sw-awaited"
	}
	return "sw-" + string(st.State)
}

// safe lets only addresses through that lead to pages.
func safe(href string) string {
	scheme, _, has := strings.Cut(href, ":")
	if !has || strings.ContainsAny(scheme, "/?#") || scheme == "https" || scheme == "http" {
		return href
	}
	return ""
}

func (d *drawing) node(b *box) {
	href := safe(d.o.Link(b.Path))
	title := "<title>" + escape(d.nodeTitle(b)) + "</title>"
	if href != "" {
		d.f(`<a href="%s">%s`, escape(href), title)
		title = ""
	}
	d.f(`<g class="%s" transform="translate(%s %s)">%s`, d.class(b), n(b.x), n(b.y), title)
	if b.inner != nil {
		d.f(`<path class="sw-b" d="M0 %s V10a10 10 0 0 1 10-10H%sa10 10 0 0 1 10 10V%sZ"/>`, n(headH-12), n(b.w-10), n(headH-12))
	} else {
		if b.Kind == playbook.Each {
			d.f(`<rect class="sw-stack" x="5" y="5" width="%s" height="%s" rx="8"/>`, n(b.w), n(b.h))
		}
		d.use("sw-b", "b-"+string(b.Kind), 0, 0)
	}
	d.use("sw-i", "i-"+string(b.Kind), 27, 18)
	d.words(b)
	d.WriteString("</g>")
	if href != "" {
		d.WriteString("</a>")
	}
	d.WriteByte('\n')
}

// words writes what stands in a node: its name, how it stands, and what it is about.
func (d *drawing) words(b *box) {
	const left, size = 20.0, 11.0
	room := b.w - 2*left
	id := b.Path[strings.LastIndexByte(b.Path, '/')+1:]
	nameRoom := b.w - 41 - left
	var st Step
	if d.steps != nil {
		st = d.state(b)
		nameRoom -= 14
		d.use("sw-d-"+string(st.State), "s-"+string(st.State), b.w-21, 18)
		if st.Attempt > 1 {
			try := "try " + strconv.Itoa(st.Attempt)
			d.f(`<text class="sw-try sw-r" x="%s" y="22">%s</text>`, n(b.w-35), try)
			nameRoom -= measure(try, 10.5) + 8
		}
	}
	d.f(`<text class="sw-id" x="41" y="22">%s</text>`, escape(cut(id, 13, nameRoom)))
	chips := d.chips(st)
	switch {
	case b.inner != nil:
		if len(chips) > 0 {
			wide := 0.0
			for _, c := range chips {
				wide += c.w
			}
			wide = math.Min(wide, room-60)
			room -= wide + 8
			d.drawChips(chips, b.w-left-wide+6, 35, wide)
		}
		if b.Title != "" {
			d.f(`<text class="sw-t" x="20" y="39">%s</text>`, escape(cut(b.Title, size, room)))
		}
	case len(chips) > 0:
		d.f(`<text class="sw-t" x="20" y="38">%s</text>`, escape(cut(b.Title, size, room)))
		d.drawChips(chips, left+6, 50, room)
	case st.Detail != "":
		d.f(`<text class="sw-t" x="20" y="38">%s</text>`, escape(cut(b.Title, size, room)))
		d.f(`<text class="sw-on" x="20" y="52">%s</text>`, escape(cut(st.Detail, 11.4, room)))
	default:
		for i, line := range wrap(b.Title, size, room, 2) {
			d.f(`<text class="sw-t" x="20" y="%d">%s</text>`, 38+14*i, escape(line))
		}
	}
	if st.Awaited {
		d.WriteString(`<rect class="sw-who" x="14" y="-13" width="74" height="18" rx="9"/><path class="sw-i sw-who-i" d="M25-8.5A2.4 2.4 0 0 1 25-3.7A2.4 2.4 0 0 1 25-8.5ZM20.5 2C20.5-2.6 29.5-2.6 29.5 2"/><text class="sw-l sw-who-t" x="34" y="0">awaited</text>`)
	}
}

// chip is a count of one state: its sign and the number.
type chip struct {
	state card.State
	text  string
	w     float64
}

func (d *drawing) chips(st Step) []chip {
	if len(st.Counts) == 0 {
		return nil
	}
	var out []chip
	for _, s := range d.signs {
		if c := st.Counts[s.state]; c > 0 {
			text := strconv.Itoa(c)
			out = append(out, chip{s.state, text, 12 + measure(text, 10.5) + 10})
		}
	}
	return out
}

func (d *drawing) drawChips(chips []chip, x, y, room float64) {
	end := x + room
	for i, c := range chips {
		if x+c.w-8 > end && i > 0 {
			d.f(`<text class="sw-on" x="%s" y="%s">…</text>`, n(x-4), n(y+3.6))
			return
		}
		d.f(`<use class="sw-d-%s" href="#%s-s-%s" transform="translate(%s %s) scale(.66)"/>`, c.state, escape(d.o.ID), c.state, n(x), n(y))
		d.f(`<text class="sw-on" x="%s" y="%s">%s</text>`, n(x+9), n(y+3.6), c.text)
		x += c.w
	}
}

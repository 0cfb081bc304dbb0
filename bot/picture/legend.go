package picture

import (
	"slipway/bot/card"
	"slipway/bot/playbook"
)

const keyLine = 26.0

// keyRow is one line of the legend.
type keyRow []keyItem

type keyItem struct {
	kind  playbook.StepKind
	state card.State
	word  string
	w     float64
}

// key lists the kinds and states that the picture shows, broken into lines.
func (d *drawing) key() []keyRow {
	kindsUsed, statesUsed := map[playbook.StepKind]bool{}, map[card.State]bool{}
	for _, b := range d.all {
		kindsUsed[b.Kind] = true
		if d.steps != nil {
			st := d.state(b)
			statesUsed[st.State] = true
			for s, n := range st.Counts {
				statesUsed[s] = statesUsed[s] || n > 0
			}
		}
	}
	var rows []keyRow
	var row keyRow
	used := 0.0
	put := func(i keyItem) {
		i.w = 34 + measure(i.word, 11)
		if used+i.w > d.w-2*margin && len(row) > 0 {
			rows, row, used = append(rows, row), nil, 0
		}
		row, used = append(row, i), used+i.w
	}
	end := func() {
		if len(row) > 0 {
			rows, row, used = append(rows, row), nil, 0
		}
	}
	for _, k := range d.looks {
		if kindsUsed[k.kind] {
			put(keyItem{kind: k.kind, word: k.word})
		}
	}
	end()
	for _, s := range d.signs {
		if statesUsed[s.state] {
			put(keyItem{state: s.state, word: s.word})
		}
	}
	end()
	return rows
}

// keyHeight is the room that the legend takes.
func (d *drawing) keyHeight(rows []keyRow) float64 {
	if len(rows) == 0 {
		return 0
	}
	return float64(len(rows))*keyLine + 8
}

func (d *drawing) legend(rows []keyRow, y float64) {
	d.WriteString("<g aria-hidden=\"true\">\n")
	for _, row := range rows {
		x := margin
		for _, i := range row {
			if i.kind != "" {
				d.use("sw-i", "i-"+string(i.kind), x+9, y)
			} else {
				d.use("sw-d-"+string(i.state), "s-"+string(i.state), x+9, y)
			}
			d.f("<text class=\"sw-t\" x=\"%s\" y=\"%s\">%s</text>\n", n(x+23), n(y+4), escape(i.word))
			x += i.w
		}
		y += keyLine
	}
	d.WriteString("</g>\n")
}

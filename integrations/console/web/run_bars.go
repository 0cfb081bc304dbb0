package web

import (
	"time"

	"slipway/bot/card"
	"slipway/bot/view"
)

// barMost bounds the bars of one picture of time.
const barMost = 60

// barView is one step on the picture of time: where it begins and how long it is, in thousandths of
// the whole.
type barView struct {
	Path   string
	Title  string
	State  card.State
	X, W   int
	Y      int
	Took   int64
	Open   bool
	Anchor string // of its text: start or end
	TextX  int
}

// bars are the steps that have begun, one below the other, by when they began.
func bars(r view.Run) []barView {
	var first, last time.Time
	var begun []view.Step
	for _, st := range r.Steps {
		if st.Began.IsZero() {
			continue
		}
		begun = append(begun, st)
		if first.IsZero() || st.Began.Before(first) {
			first = st.Began
		}
		end := st.Began.Add(time.Duration(st.Took) * time.Second)
		if end.After(last) {
			last = end
		}
	}
	if len(begun) == 0 {
		return nil
	}
	whole := max(last.Sub(first), time.Second)
	begun = begun[max(0, len(begun)-barMost):]
	var out []barView
	for i, st := range begun {
		took := time.Duration(st.Took) * time.Second
		b := barView{Path: st.Path, Title: st.Title, State: st.State, Took: st.Took, Y: i * 22,
			X: int(1000 * st.Began.Sub(first) / whole), W: max(int(1000*took/whole), 4),
			Open: st.State == card.Running || st.State == card.Waiting}
		b.Anchor, b.TextX = "start", b.X+b.W+8
		if b.TextX > 620 {
			b.Anchor, b.TextX = "end", b.X-8
		}
		out = append(out, b)
	}
	return out
}

// barsHeight is the height of the picture.
func barsHeight(list []barView) int { return len(list)*22 + 4 }

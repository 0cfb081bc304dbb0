package picture

import (
	"fmt"
	"strings"

	"slipway/bot/card"
	"slipway/bot/playbook"
)

// nodeTitle is what a node says to those who point at it or hear it.
func (d *drawing) nodeTitle(b *box) string {
	parts := []string{b.Path + ": " + b.Title}
	if d.steps == nil {
		parts[0] += " (" + d.kindWord(b.Kind) + ")"
	} else {
		st := d.state(b)
		how := d.look(st.State).word
		if !st.Since.IsZero() {
			how += " since " + card.Moment(st.Since)
		}
		if st.Awaited {
			how += ", a person is awaited"
		}
		if st.Attempt > 1 {
			how += fmt.Sprintf(", attempt %d", st.Attempt)
		}
		parts = append(parts, d.kindWord(b.Kind)+", "+how)
		if n := d.counted(st); n != "" {
			parts = append(parts, n)
		}
		if st.Detail != "" {
			parts = append(parts, st.Detail)
		}
	}
	if s := b.step; s != nil && s.OnFail != nil && len(s.OnFail.Undo) > 0 {
		parts = append(parts, "if it fails, takes back "+strings.Join(s.OnFail.Undo, ", "))
	}
	return strings.Join(parts, " · ")
}

// counted writes the counts of a step in words: "3 failed, 12 done".
func (d *drawing) counted(st Step) string {
	if len(st.Counts) == 0 {
		return ""
	}
	var parts []string
	for _, s := range d.signs {
		if n := st.Counts[s.state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s.word))
		}
	}
	return strings.Join(parts, ", ")
}

func (d *drawing) look(s card.State) stateLook { return lookIn(d.signs, s) }

func (d *drawing) kindWord(k playbook.StepKind) string {
	for _, look := range d.looks {
		if look.kind == k {
			return look.word
		}
	}
	return string(k)
}

// Words tells what the picture of a run shows to those who do not see it, in one line.
func (plan *Plan) Words(steps map[string]Step) string {
	if steps == nil {
		steps = map[string]Step{}
	}
	return plan.drawing(steps, Options{}).describe()
}

// describe tells the whole picture to those who do not see it.
func (d *drawing) describe() string {
	steps := fmt.Sprintf("%d steps", len(d.all))
	if len(d.all) == 1 {
		steps = "1 step"
	}
	if d.steps == nil {
		text := steps + ", from top to bottom in the order in which they can be done."
		var gates []string
		for _, b := range d.all {
			if b.Kind == playbook.GateK {
				gates = append(gates, b.Path)
			}
		}
		if len(gates) > 0 {
			text += " Gates: " + some(gates) + "."
		}
		return text
	}
	by := map[card.State][]string{}
	var awaited []string
	for _, b := range d.all {
		st := d.state(b)
		by[st.State] = append(by[st.State], b.Path)
		if st.Awaited {
			awaited = append(awaited, b.Path)
		}
	}
	text := steps + ","
	for _, s := range d.signs {
		if names := by[s.state]; len(names) > 0 {
			text += fmt.Sprintf(" %d %s,", len(names), s.word)
		}
	}
	text = strings.TrimSuffix(text, ",") + "."
	for _, s := range []card.State{card.Stuck, card.Failed, card.Doubtful, card.Running} {
		if names := by[s]; len(names) > 0 {
			text += fmt.Sprintf(" %s: %s.", strings.ToUpper(d.look(s).word[:1])+d.look(s).word[1:], some(names))
		}
	}
	if len(awaited) > 0 {
		text += " A person is awaited at " + some(awaited) + "."
	}
	return text
}

func some(names []string) string {
	const most = 8
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

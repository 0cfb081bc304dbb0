package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/bot/card"
	"slipway/integrations/console"
)

// change is one change of the room as a person at the terminal should see it: what is said and
// asked in full, of the live card only the steps that moved.
func (t *terminal) change(c console.Change) string {
	switch {
	case c.Kind == console.Reacted:
		return t.paint("36", name(c.Account)) + " reacts " + c.Emoji
	case c.Kind == console.Unreacted:
		return t.paint("36", name(c.Account)) + " takes " + c.Emoji + " away"
	case c.Message == nil || c.Kind != console.Posted && c.Kind != console.Edited:
		return ""
	}
	m := *c.Message
	t.out.Lock()
	own := t.mine[m.Key]
	old, seen := t.cards[m.ID]
	if m.Card != nil {
		t.cards[m.ID] = *m.Card
	}
	t.out.Unlock()
	switch {
	case m.Card == nil && own && t.rich: // it stands there as it was typed
		return ""
	case m.Card == nil:
		return t.paint("36", name(m.Author)+":") + " " + plain(m.Text)
	case isReply(m):
		text := messageText(m)
		if strings.HasPrefix(text, "# ") { // commands of a shell, which must stay as they are
			return t.paint("2", "slipway:") + "\n" + text
		}
		return t.paint("2", "slipway:") + "\n" + indent(folded(text))
	case hasSteps(*m.Card):
		return t.steps(old, *m.Card)
	case !seen:
		return "\n" + t.paint("1", "slipway:") + "\n" + indent(messageText(m))
	case old.Status != m.Card.Status || old.State != m.Card.State:
		line := m.Card.State.Symbol() + " " + card.Clean(m.Card.Title)
		if m.Card.Status != "" {
			line += ": " + card.Clean(m.Card.Status)
		}
		return t.paint("2", line)
	}
	return ""
}

func hasSteps(c card.Card) bool {
	for _, b := range c.Blocks {
		if len(b.Steps) > 0 {
			return true
		}
	}
	return false
}

// steps shows what moved since the card was old.
func (t *terminal) steps(old, now card.Card) string {
	var lines []string
	if old.Title == "" {
		lines = append(lines, t.paint("2", "the card of "+card.Clean(now.Title)+" is posted; /card shows it, here is what moves:"))
	}
	before := map[string]card.Step{}
	for _, b := range old.Blocks {
		for _, s := range b.Steps {
			before[s.Name] = s
		}
	}
	for _, b := range now.Blocks {
		for _, s := range b.Steps {
			if was := before[s.Name]; was.State == s.State || s.State == card.Pending || s.State == card.Running || s.State == card.Waiting {
				continue
			}
			colour := "32"
			switch s.State {
			case card.Failed, card.Stuck, card.Doubtful, card.Aborted:
				colour = "31"
			case card.Held, card.Stale, card.Undone:
				colour = "33"
			}
			line := card.Clean(s.Name)
			if s.State != card.Done {
				line += ", " + string(s.State)
			}
			if s.Detail != "" {
				line += ": " + card.Clean(s.Detail)
			}
			if t.width > 4 {
				line = fit(line, t.width-4)
			}
			lines = append(lines, "  "+t.paint(colour, s.State.Symbol())+" "+line)
		}
	}
	if now.State != old.State && (now.State == card.Done || now.State == card.Failed || now.State == card.Aborted || now.State == card.Held) {
		lines = append(lines, t.paint("1", now.State.Symbol()+" "+card.Clean(now.Title)+" is "+card.Clean(now.Status)))
	}
	return strings.Join(lines, "\n")
}

// restTime is how long the talk rests before a hint: a little longer than the card lags behind.
const restTime = 1200 * time.Millisecond

// hints says, whenever the run has come to wait for somebody else and the talk has paused, who
// that is and what to type.
func (t *terminal) hints(ctx context.Context) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	pending := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		w, err := t.look(ctx)
		if err != nil {
			continue
		}
		key := waitKey(w)
		t.out.Lock()
		news := key != t.hinted && key == pending && time.Since(t.last) > restTime
		if news {
			t.hinted = key
		}
		t.out.Unlock()
		pending = key
		if news {
			if text := t.hint(w); text != "" {
				t.print("\n" + text)
			}
		}
	}
}

func waitKey(w runWaits) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s", w.ID, w.Status, w.Outcome)
	for _, x := range w.Waits {
		fmt.Fprintf(&b, "|%s %s %s", x.Step, x.Kind, strings.Join(x.Persons, " "))
	}
	return b.String()
}

// hint is what a run waits for, with what to type.
func (t *terminal) hint(w runWaits) string {
	name := shortName(t.project, w.Name)
	if w.Status == "ended" {
		if w.Outcome == "done" {
			return t.paint("1", name+" is done.") + " /quit ends, and proves it with " + t.tools + "."
		}
		why := ""
		if w.Reason != "" {
			why = ": " + card.Clean(w.Reason)
		}
		return t.paint("1", name+" ended as "+w.Outcome+why+".") + " /quit ends."
	}
	if len(w.Waits) == 0 {
		return t.paint("2", "The bot is at work on "+name+"; nobody has to do anything.")
	}
	t.out.Lock()
	me := t.me
	t.out.Unlock()
	lines := []string{t.paint("1", "Now "+name+" waits for people:")}
	for _, x := range w.Waits {
		what := card.Clean(x.What)
		if !strings.Contains(what, x.Step) {
			what = card.Clean(x.Step) + ": " + what
		}
		lines = append(lines, wrapped(what, "  • ", "    "))
		if len(x.Persons) == 0 {
			continue
		}
		as := ""
		if !slices.Contains(x.Persons, me) {
			as = "/as " + x.Persons[0] + "   and then   "
		}
		todo := "release why " + name + " " + x.Step
		switch {
		case x.Kind == "gate" && lifting(x):
			todo = "lift " + name + " " + x.Step
		case x.Kind == "hold":
			todo = "release resume " + name
		case x.Kind == "gate":
			todo = "/react"
			if n := len(x.Persons); n > 1 {
				todo += "   (" + strings.Join(x.Persons[:n-1], ", ") + " and " + x.Persons[n-1] + " may)"
			}
		case x.Kind == "ask" && demoAnswers()[x.Step] != "":
			todo = fmt.Sprintf("answer %s %s %s", name, x.Step, demoAnswers()[x.Step])
		}
		lines = append(lines, "    → type   "+t.paint("33", as+todo))
	}
	return strings.Join(lines, "\n")
}

// lifting reports whether a gate waits for a veto to be lifted rather than for approval.
func lifting(x waitLine) bool { return strings.HasPrefix(x.What, "lift ") }

// folded breaks the lines of text that are too long at words, their beginnings and columns kept.
func folded(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if bare := strings.TrimLeft(line, " "); len([]rune(line)) > columns {
			lead := line[:len(line)-len(bare)]
			lines[i] = hang(line, lead+"  ")
		}
	}
	return strings.Join(lines, "\n")
}

// hang breaks line at its last space before the edge, as often as it takes; next begins the rest.
func hang(line, next string) string {
	var out strings.Builder
	for r := []rune(line); ; r = []rune(line) {
		cut := min(len(r), columns)
		for cut < len(r) && cut > len(next) && r[cut] != ' ' {
			cut--
		}
		if len(r) <= columns || cut <= len(next) {
			return out.String() + line
		}
		out.WriteString(strings.TrimRight(string(r[:cut]), " ") + "\n")
		line = next + strings.TrimLeft(string(r[cut:]), " ")
	}
}

// wrapped breaks text at words, for the width of the cards.
func wrapped(text, first, next string) string {
	var out strings.Builder
	line := first
	for i, word := range strings.Fields(text) {
		switch {
		case i > 0 && len([]rune(line))+1+len([]rune(word)) > columns:
			out.WriteString(line + "\n")
			line = next + word
		case i > 0:
			line += " " + word
		default:
			line += word
		}
	}
	out.WriteString(line)
	return out.String()
}

// demoAnswers are what the people of the demo answer to the questions of a release.
func demoAnswers() map[string]string {
	return map[string]string{"checklist": "merged=true", "tested": `good=true how="by hand, on two boards"`}
}

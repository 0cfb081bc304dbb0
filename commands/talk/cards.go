// Package talk is how Slipway speaks with people: what they type becomes what the engine is
// asked, and what a run is becomes cards and answers in plain words.
//
// It decides nothing. Who may do what, what a gate needs and why a step waits come from the same
// functions of the core that enforce them.
package talk

import (
	"fmt"
	"strings"
	"time"

	"slipway/bot/card"
	"slipway/bot/playbook"
	"slipway/bot/run"
	"slipway/bot/view"
)

// Cards draws the live card of a run.
type Cards struct {
	Link func(run, step string) string // the address of a run's page; "" or nil: none
}

// Render shows the whole run: its state, every step, and whom it waits for.
func (l Cards) Render(p *playbook.Playbook, s *run.State, w run.World) card.Card {
	c := card.Card{Key: "run/" + s.ID, Title: title(s), State: stateOf(s), Status: status(p, s, w)}
	if away := run.AwayLine(s, w); away != "" {
		c.Blocks = append(c.Blocks, card.Block{Text: away})
	}
	if steps := stepLines(p, s); len(steps) > 0 {
		c.Blocks = append(c.Blocks, card.Block{Steps: steps})
	}
	if left := needless(p, s); len(left) > 0 {
		c.Blocks = append(c.Blocks, card.Block{Text: clip("Not needed here: "+strings.Join(left, ", "), 400)})
	}
	var awaited []card.Awaited
	for _, a := range run.Who(p, s, w) {
		what := a.What
		if a.Step != "" {
			what = a.Step + ": " + what
		}
		if a.Say != "" && a.Kind != "gate" { // a gate has a message of its own
			what += "; say: " + a.Say
		}
		awaited = append(awaited, card.Awaited{Who: whom(a, w), What: what, Form: formOf(s, a)})
		c.Mentions = append(c.Mentions, mentioned(a.Persons, w)...)
	}
	if s.Private {
		c.Blocks = append(c.Blocks, card.Block{Heading: "Private", Text: private(p, s)})
	}
	if len(awaited) > 0 {
		c.Blocks = append(c.Blocks, card.Block{Heading: "Waits for", Awaited: awaited})
	}
	if l.Link != nil {
		if to := l.Link(s.ID, ""); to != "" {
			c.Blocks = append(c.Blocks, card.Block{Links: []card.Link{{Text: "The page of this run", URL: to}}})
		}
	}
	return c
}

// formOf names the form by which a question is answered, nil where there is none.
func formOf(s *run.State, a run.Awaited) *card.Form {
	switch a.Kind {
	case "ask", "collect":
		return &card.Form{Text: clip("Answer "+a.Step, 60), Run: s.ID, Step: a.Step, Action: "answer"}
	case "by_hand":
		return &card.Form{Text: clip(a.Step+" is done", 60), Run: s.ID, Step: a.Step, Action: "done"}
	}
	return nil
}

// private says who sees the run, and how its gates are answered without a message to react to.
func private(p *playbook.Playbook, s *run.State) string {
	circle := []string{string(s.Requester)}
	for _, id := range s.Circle {
		if id != s.Requester {
			circle = append(circle, string(id))
		}
	}
	text := "Only its circle sees it: " + strings.Join(circle, ", ") + ". Only they get its messages, each in a direct room."
	for _, def := range p.Steps {
		if st := s.Steps[def.Path]; def.Kind == playbook.GateK && st != nil && st.Status == run.Running && st.Gate != nil && st.Gate.Digest != "" {
			text += fmt.Sprintf("\nTo approve: approve %s %s --manifest %s", s.Name, def.Path, card.Short(string(st.Gate.Digest)))
		}
	}
	return text
}

func title(s *run.State) string { return s.Name }

// status is the one line under the title.
func status(p *playbook.Playbook, s *run.State, w run.World) string {
	switch s.Status {
	case run.OnHold:
		text := fmt.Sprintf("held by %s since %s", s.Hold.By, card.Moment(s.Hold.At))
		if s.Hold.Reason != "" {
			text += ": " + s.Hold.Reason
		}
		return text
	case run.IsAborting:
		return "being aborted: " + s.Why
	case run.RunEnded:
		return fmt.Sprintf("%s on %s, after %s", s.Outcome, card.Moment(s.EndedAt), took(s.EndedAt.Sub(s.Began)))
	}
	for _, scope := range s.Queued {
		if scope != "" { // the step says so itself
			continue
		}
		for _, b := range run.Why(p, s, w, "").Blockers {
			return "waits: " + b.Why
		}
	}
	done, all := progress(p, s)
	if s.Requester == "" {
		return fmt.Sprintf("%d of %d steps, begun by itself", done, all)
	}
	return fmt.Sprintf("%d of %d steps, asked for by %s", done, all, s.Requester)
}

func progress(p *playbook.Playbook, s *run.State) (done, all int) {
	for _, def := range p.Steps {
		if isNeedless(s.Steps[def.Path]) {
			continue
		}
		all++
		if st := s.Steps[def.Path]; st != nil {
			switch st.Status {
			case run.Done, run.Adopted, run.SkippedSt:
				done++
			}
		}
	}
	return done, all
}

// stepLines lists the steps in order of declaration; the elements of an each are counted, not
// listed, and neither are steps that this run has no need of.
func stepLines(p *playbook.Playbook, s *run.State) []card.Step {
	var lines []card.Step
	for _, def := range p.Steps {
		if isNeedless(s.Steps[def.Path]) {
			continue
		}
		if len(lines) == card.MaxItems-1 && len(p.Steps) > card.MaxItems {
			return append(lines, card.Step{Name: fmt.Sprintf("and %d more", len(p.Steps)-len(lines)), State: card.Pending})
		}
		st := s.Steps[def.Path]
		line := card.Step{Name: def.Path, State: card.Pending}
		if st != nil {
			line.State, line.Detail = view.StepState(st), detail(def, st)
		}
		lines = append(lines, line)
	}
	return lines
}

// isNeedless tells a step that was skipped by its own condition.
func isNeedless(st *run.Step) bool {
	return st != nil && st.Status == run.SkippedSt && strings.HasPrefix(st.Message, run.NoCondition)
}

func needless(p *playbook.Playbook, s *run.State) []string {
	var paths []string
	for _, def := range p.Steps {
		if isNeedless(s.Steps[def.Path]) {
			paths = append(paths, def.Path)
		}
	}
	return paths
}

func detail(def *playbook.Step, st *run.Step) string {
	switch st.Status {
	case run.FailedSt, run.Stuck, run.InDoubt, run.SkippedSt:
		return st.Message
	case run.Waiting:
		if st.On != "" {
			return "waits: " + st.Message
		}
		return ""
	case run.Done, run.Adopted:
		told := st.ToldWords()
		if st.Attempt > 1 {
			at := fmt.Sprintf("at the %s attempt", ordinal(st.Attempt))
			if told != "" {
				at += ", " + told
			}
			return at
		}
		return told
	case run.Running:
		if def.Kind == playbook.Each {
			return fmt.Sprintf("%d elements", len(st.Keys))
		}
		if def.Kind == playbook.Wait && st.Message != "" { // what is still waited for, or why it cannot be read
			return st.Message
		}
		return def.Doc
	}
	return ""
}

func stateOf(s *run.State) card.State {
	switch s.Status {
	case run.OnHold:
		return card.Held
	case run.IsAborting:
		return card.Aborted
	case run.RunEnded:
		switch s.Outcome {
		case "done":
			return card.Done
		case "aborted", "replaced":
			return card.Aborted
		}
		return card.Failed
	}
	worst := card.Running
	for _, st := range s.Steps {
		switch st.Status {
		case run.Stuck:
			return card.Stuck
		case run.InDoubt:
			worst = card.Doubtful
		}
	}
	return worst
}

// whom names the persons of a, or the role whose holders, if there are any, may not.
func whom(a run.Awaited, w run.World) string {
	if len(a.Persons) == 0 {
		if a.Role == "" {
			return "nobody"
		}
		return "nobody who may (" + a.Role + ")"
	}
	names := make([]string, len(a.Persons))
	for i, id := range a.Persons {
		names[i] = string(id)
		if p, ok := w.Directory.Person(id); ok && p.Name != "" {
			names[i] = p.Name
		}
		if x, away := w.Directory.Away(id, w.Now); away {
			names[i] += " (" + x.String() + ")"
		}
	}
	return strings.Join(names, ", ")
}

// took writes a duration for people: 40 s, 12 min, 3 h 5 min, 2 d 4 h.
func took(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24)
}

func ordinal(n int) string {
	switch n {
	case 2:
		return "second"
	case 3:
		return "third"
	}
	return fmt.Sprintf("%dth", n)
}

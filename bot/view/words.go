package view

import (
	"fmt"
	"strings"
	"time"

	"slipway/bot/card"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// StepState is the state of a step as cards, pages and pictures show it; of none it is pending.
func StepState(st *run.Step) card.State {
	if st == nil {
		return card.Pending
	}
	switch st.Status {
	case run.Running:
		if st.Effect == "" {
			return card.Waiting
		}
		return card.Running
	case run.Done:
		return card.Done
	case run.Adopted:
		return card.Adopted
	case run.SkippedSt, run.WithdrawnSt:
		return card.Skipped
	case run.FailedSt:
		return card.Failed
	case run.Stuck:
		return card.Stuck
	case run.InDoubt:
		return card.Doubtful
	}
	if st.Prior != nil {
		return card.Stale
	}
	if st.On != "" {
		return card.Waiting
	}
	return card.Pending
}

// stateOf is how a run stands in one word.
func stateOf(s *run.State) card.State {
	switch s.Status {
	case run.OnHold:
		return card.Held
	case run.IsAborting:
		return card.Aborted
	case run.RunEnded:
		return outcomeState(s.Outcome)
	}
	worst := card.Waiting
	for _, st := range s.Steps {
		switch StepState(st) {
		case card.Stuck:
			return card.Stuck
		case card.Doubtful:
			worst = card.Doubtful
		case card.Running:
			if worst == card.Waiting {
				worst = card.Running
			}
		}
	}
	return worst
}

func outcomeState(outcome string) card.State {
	switch outcome {
	case "done":
		return card.Done
	case "aborted", "replaced":
		return card.Aborted
	}
	return card.Failed
}

// progress counts the declared steps that are settled well.
func progress(p *playbook.Playbook, s *run.State) (done, all int) {
	if p == nil {
		return 0, 0
	}
	for _, def := range p.Steps {
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

// statusWords say in a sentence how a run stands.
func statusWords(p *playbook.Playbook, s *run.State, w run.World) string {
	switch s.Status {
	case run.OnHold:
		text := "held"
		if s.Hold != nil {
			text = fmt.Sprintf("held by %s", name(w, s.Hold.By))
			if s.Hold.Reason != "" {
				text += ": " + s.Hold.Reason
			}
		}
		return text
	case run.IsAborting:
		if s.Why == "" {
			return "being aborted"
		}
		return "being aborted: " + s.Why
	case run.RunEnded:
		text := s.Outcome
		if s.Why != "" {
			text += ": " + s.Why
		}
		return text
	}
	if p == nil {
		return "its playbook does not fit this program any more"
	}
	stuck, doubtful, asks, running := 0, 0, 0, 0
	for _, st := range s.Steps {
		switch StepState(st) {
		case card.Stuck:
			stuck++
		case card.Doubtful:
			doubtful++
		case card.Running:
			running++
		}
		if st.Status == run.Running && (st.Gate != nil && st.Gate.Digest != "" && st.Gate.Verdict == nil) {
			asks++
		}
	}
	switch {
	case doubtful > 0:
		return count(doubtful, "effect", "effects") + " in doubt: nobody can tell whether it happened"
	case stuck > 0:
		return count(stuck, "step is", "steps are") + " stuck and need a person"
	case asks > 0:
		return count(asks, "gate is", "gates are") + " open for approval"
	case run.AwayLine(s, w) != "":
		return run.AwayLine(s, w)
	case running > 0:
		return count(running, "step is", "steps are") + " under way"
	}
	for _, scope := range s.Queued {
		if scope == "" {
			return "waits for a lock"
		}
	}
	return waitsFor(p, s)
}

// waitsFor says what the first step that has begun, or could begin, waits for.
func waitsFor(p *playbook.Playbook, s *run.State) string {
	held := ""
	for _, path := range sortedKeys(s.Steps) {
		st, def := s.Steps[path], p.Step(run.DeclaredPath(path))
		if def == nil {
			continue
		}
		switch {
		case st.Status == run.Waiting && st.On != "" && held == "":
			held = "waits: " + orElse(st.Message, st.On)
		case st.Status != run.Running:
		case def.Kind == playbook.Ask:
			return "an answer is awaited: " + def.Title()
		case def.Kind == playbook.ByHand:
			return "to be done by hand: " + def.Title()
		case def.Kind == playbook.Collect:
			return "answers are awaited: " + def.Title()
		case def.Kind == playbook.Wait:
			held = "waits: " + def.Title() + colon(st.Message)
		case def.Kind == playbook.Call, def.Kind == playbook.Offer:
			held = "runs that it started are under way"
		}
	}
	return orElse(held, "waits")
}

func name(w run.World, id personID) string {
	if id == "" {
		return "Slipway"
	}
	if p, ok := w.Directory.Person(id); ok && p.Name != "" {
		return p.Name
	}
	return string(id)
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Took writes a duration for people: 40 s, 12 min, 3 h 5 min, 2 d 4 h.
func Took(d time.Duration) string {
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

// detail is what there is to say of a step besides its state.
func detail(def *playbook.Step, st *run.Step) string {
	if st == nil {
		return ""
	}
	switch st.Status {
	case run.FailedSt, run.Stuck, run.InDoubt, run.SkippedSt, run.WithdrawnSt:
		return st.Message
	case run.Waiting:
		if st.On != "" {
			return orElse(st.Message, "waits for "+st.On)
		}
		if st.Prior != nil {
			return strings.TrimSpace("to be done again " + st.Message)
		}
	case run.Running:
		return st.Message
	case run.Done, run.Adopted:
		return st.ToldWords()
	}
	return ""
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

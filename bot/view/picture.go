package view

import (
	"context"
	"sync"

	"slipway/bot/card"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/bot/picture"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// planMost is how many playbooks keep their places in memory.
const planMost = 64

// plans are playbooks with every step in its place, by digest.
type plans struct {
	mu   sync.Mutex
	laid map[string]*picture.Plan
}

func (l *plans) of(p *playbook.Playbook) *picture.Plan {
	l.mu.Lock()
	defer l.mu.Unlock()
	if plan := l.laid[p.Digest]; plan != nil {
		return plan
	}
	if l.laid == nil || len(l.laid) >= planMost {
		l.laid = map[string]*picture.Plan{}
	}
	plan := picture.Lay(p)
	l.laid[p.Digest] = plan
	return plan
}

// Picture draws a run as it stands: an SVG for a page, or with o.Standalone a file of its own.
func (r *Reader) Picture(ctx context.Context, p people.PersonID, id string, o picture.Options) ([]byte, error) {
	v, err := r.open(ctx, p, id)
	if err != nil {
		return nil, err
	}
	if v.book == nil {
		return nil, errs.E("view.picture", errs.Unavailable, errMisfit).Hint("see what does not fit on its page")
	}
	if o.Title == "" {
		o.Title = v.state.Name
	}
	return r.plans.of(v.book).Run(pictured(v), o), nil
}

// pictured are the steps of a run for its picture, by their declared paths: what stands in lists is
// counted.
func pictured(v seen) map[string]picture.Step {
	out := map[string]picture.Step{}
	awaited := map[string]bool{}
	for _, a := range run.Who(v.book, v.state, v.world) {
		if a.Kind != "offer" {
			awaited[run.DeclaredPath(a.Step)] = true
		}
	}
	for path, st := range v.state.Steps {
		declared := run.DeclaredPath(path)
		def := v.book.Step(declared)
		if def == nil {
			continue
		}
		one, had := out[declared]
		state := StepState(st)
		if path != declared {
			if !had {
				one.Counts = map[card.State]int{}
			}
			one.Counts[state]++
			if !had || worse(state, one.State) {
				one.State = state
			}
			one.Awaited = awaited[declared]
			out[declared] = one
			continue
		}
		one = picture.Step{State: state, Since: st.Since, Attempt: st.Attempt, Awaited: awaited[path], Detail: pictureDetail(v, def, st)}
		if def.Kind == playbook.Each {
			one.Counts = map[card.State]int{}
			for status, n := range v.elements(def, st) {
				one.Counts[elementState(status)] += n
			}
		}
		out[declared] = one
	}
	return out
}

// pictureDetail are the few words beside a step.
func pictureDetail(v seen, def *playbook.Step, st *run.Step) string {
	if def.Kind == playbook.GateK && st.Gate != nil && st.Gate.Digest != "" && st.Status == run.Running {
		if lines := run.GateLines(v.book, v.state, v.world, st.Path); len(lines) > 0 {
			return lines[0]
		}
	}
	return detail(def, st)
}

// worse orders states by how much they ask for somebody's eye.
func worse(a, b card.State) bool {
	weight := func(s card.State) int {
		switch s {
		case card.Doubtful, card.Stuck:
			return 6
		case card.Failed:
			return 5
		case card.Waiting:
			return 4
		case card.Running:
			return 3
		case card.Stale, card.Pending:
			return 2
		}
		return 1
	}
	return weight(a) > weight(b)
}

// elementState is the state of an element by the word for how it stands.
func elementState(status string) card.State {
	return StepState(&run.Step{Status: run.StepStatus(status), Effect: "some"})
}

package view

import (
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// stepMost bounds the declared steps that one run shows at once.
const stepMost = 3000

// steps are the declared steps of a run, each as it stands.
func (r *Reader) steps(v seen, log *log) []Step {
	out := make([]Step, 0, min(len(v.book.Steps), stepMost))
	for _, def := range v.book.Steps[:min(len(v.book.Steps), stepMost)] {
		out = append(out, r.step(v, log, def, def.Path))
	}
	return out
}

// step is one step, or one instance of it, in short.
func (r *Reader) step(v seen, log *log, def *playbook.Step, path string) Step {
	st := v.state.Steps[path]
	out := Step{Path: path, Title: def.Title(), Kind: string(def.Kind), What: what(def), State: StepState(st), Status: string(run.Waiting), Needs: def.Needs}
	for up := def.Parent; up != nil; up = up.Parent {
		out.Depth++
	}
	if st == nil {
		return out
	}
	out.Status, out.Words, out.Since, out.Attempt = string(st.Status), detail(def, st), st.Since, st.Attempt
	if st.By != "" {
		by := r.person(v.world, st.By)
		out.By = &by
	}
	if span, ok := log.span(path); ok {
		out.Began = span.Began
		end := span.Ended
		if end.IsZero() {
			end = v.world.Now
		}
		out.Took = seconds(end.Sub(span.Began))
	}
	if def.Kind == playbook.Each {
		out.Counts = v.elements(def, st)
	}
	return out
}

// elements counts the elements of a list by how they stand.
func (v seen) elements(def *playbook.Step, st *run.Step) map[string]int {
	if def.Each.Job != nil && len(st.Keys) == 0 {
		return nil
	}
	out := map[string]int{}
	for _, key := range st.Keys {
		out[v.element(def, run.ElementPath(st.Path, key))]++
	}
	return out
}

// element is how one element of a list stands: as the worst of its steps.
func (v seen) element(def *playbook.Step, path string) string {
	done, begun := 0, 0
	worst := ""
	for _, sub := range def.Each.Steps {
		st := v.state.Steps[path+"/"+sub.ID]
		if st == nil {
			continue
		}
		switch st.Status {
		case run.Done, run.Adopted, run.SkippedSt:
			done++
			begun++
		case run.FailedSt, run.Stuck, run.InDoubt, run.WithdrawnSt:
			worst = string(st.Status)
		case run.Running:
			begun++
		}
	}
	switch {
	case worst != "":
		return worst
	case done == len(def.Each.Steps):
		return string(run.Done)
	case begun > 0:
		return string(run.Running)
	}
	return string(run.Waiting)
}

// what a step does, in the words of its playbook.
func what(def *playbook.Step) string {
	switch def.Kind {
	case playbook.Do:
		return def.Do.Ref
	case playbook.GateK:
		return def.Gate.Rule.String()
	case playbook.Ask:
		return orElse(def.Ask.Of, "one person")
	case playbook.ByHand:
		return orElse(def.ByHand.Of, "one person")
	case playbook.Wait:
		if def.Wait.At != nil {
			return "a time"
		}
		return def.Wait.Ref
	case playbook.Call:
		return def.Call.Playbook
	case playbook.Collect:
		return def.Collect.Ledger
	case playbook.Each:
		return orElse(def.Each.Ledger, "a list")
	}
	return ""
}

package main

import (
	"slipway/bot/card"
	"slipway/bot/picture"
	"slipway/bot/playbook"
	flow "slipway/bot/run"
	"slipway/bot/view"
)

// evidencePicture draws a run as its log tells it, and by nothing else: the same run gives the same
// picture.
func evidencePicture(p *playbook.Playbook, s *flow.State) []byte {
	steps := map[string]picture.Step{}
	for path, st := range s.Steps {
		state, declared := view.StepState(st), flow.DeclaredPath(path)
		if declared == path {
			steps[path] = picture.Step{State: state, Since: st.Since, Attempt: st.Attempt}
			continue
		}
		one := steps[declared] // one of many elements
		if one.Counts == nil {
			one.Counts = map[card.State]int{}
		}
		one.Counts[state]++
		steps[declared] = one
	}
	return picture.Run(p, steps, picture.Options{Title: s.Name, Standalone: true, Link: func(string) string { return "" }})
}

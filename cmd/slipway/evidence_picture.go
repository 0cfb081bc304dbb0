package main

import (
	"regexp"

	"slipway/bot/card"
	"slipway/bot/picture"
	"slipway/bot/playbook"
	flow "slipway/bot/run"
)

var element = regexp.MustCompile(`\[[^\]]*\]`)

// evidencePicture draws a run as its log tells it, and by nothing else: the same run gives the same
// picture.
func evidencePicture(p *playbook.Playbook, s *flow.State) []byte {
	steps := map[string]picture.Step{}
	for path, st := range s.Steps {
		state := pictured(st)
		declared := element.ReplaceAllString(path, "")
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

func pictured(st *flow.Step) card.State {
	switch st.Status {
	case flow.Running:
		if st.Gate != nil {
			return card.Waiting
		}
		return card.Running
	case flow.Done:
		return card.Done
	case flow.Adopted:
		return card.Adopted
	case flow.SkippedSt, flow.WithdrawnSt:
		return card.Skipped
	case flow.FailedSt:
		return card.Failed
	case flow.Stuck:
		return card.Stuck
	case flow.InDoubt:
		return card.Doubtful
	}
	return card.Pending
}

package engine

import (
	"slices"

	"slipway/bot/people"
	"slipway/bot/run"
)

// logged is how the log calls a run: whoever reads the log need not be in the circle of a private one.
func logged(s *run.State) string {
	if s.Private {
		return run.PrivateRun
	}
	return s.Name
}

// othersRoom reports whether a place is the direct room of somebody else than the viewer.
func (e *Engine) othersRoom(place Place, viewer people.PersonID) bool {
	if e.cfg.Direct == nil {
		return false
	}
	for _, p := range e.World().Directory.Persons() {
		if p.ID != viewer && slices.Contains(e.cfg.Direct(p.ID), place) {
			return true
		}
	}
	return false
}

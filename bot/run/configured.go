package run

import (
	"strings"

	"slipway/bot/playbook"
)

// Reconfigured says that a run goes on with other values of its project than are configured now. Whoever
// has mended the configuration of a step that does not get on would wait in vain for it to work: what
// they mended is not in the run. It is "" where the values that the playbook reads are the same, where
// the configured ones are not known, and for a run that ends.
func Reconfigured(p *playbook.Playbook, s *State, w World) string {
	if w.Profile == nil || s.Status == RunEnded || s.Status == IsAborting {
		return ""
	}
	now := w.Profile(s.Project)
	if now == nil {
		return ""
	}
	var other []string
	for _, field := range p.ProfileReads() {
		was, had := s.Profile[field]
		is, has := now[field]
		if had != has || !sameValue(was, is) {
			other = append(other, field)
		}
	}
	if len(other) == 0 {
		return ""
	}
	family, _, _ := strings.Cut(s.Name, "/")
	return "the configuration of " + s.Project + " changed since this run began (" + strings.Join(other, ", ") + "): `" +
		family + " migrate " + s.Name + " --plan` shows the difference"
}

// halted reports whether a step does not get on by itself.
func (d *decider) halted(path string) bool {
	if st := d.s.Steps[path]; st != nil && (st.Status == Stuck || st.Status == FailedSt) {
		return true
	}
	for key, e := range d.s.Effects {
		if e.Step == path {
			if _, away := d.away(key); away {
				return true
			}
		}
	}
	return false
}

package run

import (
	"slices"
	"strings"

	"slipway/bot/people"
	"slipway/bot/playbook"
)

// present are those of a list whom a reminder may reach: who is away is not reminded. note says who
// is not, for those who are.
func (d *decider) present(list []any) (present []any, note string) {
	ids := make([]people.PersonID, 0, len(list))
	for _, x := range list {
		if id, ok := x.(string); ok && !slices.Contains(ids, people.PersonID(id)) {
			ids = append(ids, people.PersonID(id))
		}
	}
	there, absent := d.w.Directory.Present(ids, d.now)
	present = []any{}
	for _, id := range there {
		present = append(present, string(id))
	}
	return present, people.TheirAbsences(absent)
}

// AbsentGates says of every open gate of a run that cannot pass before somebody who is away is back,
// why that is.
func AbsentGates(p *playbook.Playbook, s *State, w World) map[string]string {
	d := newDecider(p, s, w)
	out := map[string]string{}
	for _, in := range d.instances() {
		st := d.at(in.path)
		if in.def.Gate == nil || st.Gate == nil || st.Gate.Digest == "" || st.Gate.Verdict != nil || st.Status != Running {
			continue
		}
		if why := d.verdict(in, st).Absent; why != "" {
			out[in.path] = strings.TrimSpace(why)
		}
	}
	return out
}

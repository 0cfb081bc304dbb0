package run

import (
	"slipway/bot/gate"
	"slipway/bot/playbook"
)

// GateVerdict is how the gate at path stands now, or how it closed: what [GateLines] says in words.
// It is the zero Verdict for a gate that shows no manifest.
func GateVerdict(p *playbook.Playbook, s *State, w World, path string) gate.Verdict {
	d := newDecider(p, s, w)
	in := d.find(path)
	if in == nil || in.def.Kind != playbook.GateK {
		return gate.Verdict{}
	}
	st := d.at(path)
	switch {
	case st.Gate == nil || st.Gate.Digest == "":
		return gate.Verdict{}
	case st.Gate.Verdict != nil:
		return *st.Gate.Verdict
	}
	return d.verdict(in, st)
}

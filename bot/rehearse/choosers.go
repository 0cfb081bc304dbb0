package rehearse

import "slices"

// Happy always takes the good way.
func Happy() func([]Choice) int { return func([]Choice) int { return 0 } }

// FailOnce lets every effect, reading and message fail once, before it goes well.
func FailOnce() func([]Choice) int { return once("fail") }

// DoubtOnce lets nobody be able to tell once, for every effect where that can be.
func DoubtOnce() func([]Choice) int { return once("doubtful") }

// once takes the given outcome of an effect the first time that it could go well.
func once(outcome string) func([]Choice) int {
	had := map[string]bool{}
	return func(all []Choice) int {
		if all[0].Kind != Effect && all[0].Kind != Message {
			return 0
		}
		id := all[0].Step + " " + all[0].What
		i := slices.IndexFunc(all, func(c Choice) bool { return c.Step+" "+c.What == id && c.Outcome == outcome && c.Class == "" })
		if had[id] || i < 0 {
			return 0
		}
		had[id] = true
		return i
	}
}

// RejectAt lets the first person who is asked reject the manifest of the gate; "" is every gate.
func RejectAt(gate string) func([]Choice) int {
	return func(all []Choice) int {
		if all[0].Kind == Vote && (gate == "" || all[0].Step == gate) {
			if i := slices.IndexFunc(all, func(c Choice) bool { return c.Step == all[0].Step && c.Outcome == "reject" }); i >= 0 {
				return i
			}
		}
		return 0
	}
}

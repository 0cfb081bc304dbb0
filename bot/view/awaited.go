package view

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// Awaited is something that waits for persons.
type Awaited struct {
	Step     string    `json:"step,omitempty" doc:"absent: the run itself"`
	Title    string    `json:"title,omitempty" doc:"what the step is for"`
	Kind     string    `json:"kind" doc:"gate, ask, by_hand, collect, offer, stuck, doubtful, hold or undo"`
	What     string    `json:"what" doc:"in words"`
	Role     string    `json:"role,omitempty"`
	Persons  []Person  `json:"persons" doc:"who could do it now"`
	Since    time.Time `json:"since,omitzero"`
	Waits    int64     `json:"waits" doc:"seconds since then"`
	Mine     bool      `json:"mine" doc:"the viewer is one of them"`
	Manifest string    `json:"manifest,omitempty" doc:"of a gate: digest of what is to be approved"`
	Message  string    `json:"message,omitempty" doc:"of a doubt or a stuck step: what is known"`
	Actions  []Action  `json:"actions" doc:"what can be said to it; the core decides whether it counts"`
}

// awaitedMost bounds how much of what is awaited is shown of one run.
const awaitedMost = 200

// awaited are those of a run for a viewer: what waits for the viewer first, then what waits longest.
func (r *Reader) awaited(v seen, p people.PersonID, list []run.Awaited) []Awaited {
	out := make([]Awaited, 0, min(len(list), awaitedMost))
	for _, a := range list {
		mine := p != "" && slices.Contains(a.Persons, p)
		if len(out) >= awaitedMost && !mine {
			continue
		}
		out = append(out, r.awaitedOne(v, p, a, mine))
	}
	slices.SortStableFunc(out, func(a, b Awaited) int {
		if a.Mine != b.Mine {
			if a.Mine {
				return -1
			}
			return 1
		}
		return cmp.Compare(rank(a.Kind), rank(b.Kind))
	})
	return out
}

// rank puts what stops a run before what only may be done.
func rank(kind string) int {
	switch kind {
	case "doubtful":
		return 0
	case "stuck":
		return 1
	case "offer":
		return 3
	}
	return 2
}

func (r *Reader) awaitedOne(v seen, p people.PersonID, a run.Awaited, mine bool) Awaited {
	out := Awaited{Step: a.Step, Kind: a.Kind, What: a.What, Role: a.Role, Persons: r.persons(v.world, a.Persons), Since: a.Since, Mine: mine}
	if !a.Since.IsZero() {
		out.Waits = seconds(v.world.Now.Sub(a.Since))
	}
	def := v.def(a.Step)
	st := v.state.Steps[a.Step]
	if def != nil {
		out.Title = def.Title()
	}
	if st != nil {
		if a.Kind == "doubtful" || a.Kind == "stuck" {
			out.Message = st.Message
		}
		if a.Kind == "gate" && st.Gate != nil {
			out.Manifest = string(st.Gate.Digest)
		}
	}
	out.Actions = actionsFor(v, p, a.Kind, def, st, a.Step)
	return out
}

// def is the playbook's step of which path is an instance, or nil.
func (v seen) def(path string) *playbook.Step {
	if v.book == nil || path == "" {
		return nil
	}
	return v.book.Step(run.DeclaredPath(path))
}

// called is how commands name the run: by its name while that is its own and can be typed as one
// word, else by its id.
func (v seen) called() string {
	s := v.state
	if s.NameFree() || quoted(s.Name) != s.Name || !strings.Contains(s.Name, "/") {
		return v.id
	}
	return s.Name
}

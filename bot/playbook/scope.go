package playbook

import "time"

// Scope is what an expression can see when it is evaluated. Values are the plain Go values of
// bot/action. The maps are read, never changed.
type Scope struct {
	Inputs  map[string]any
	Project map[string]any
	Run     map[string]any // id, name, requester, adopts
	// Step gives the output of the step with the declared absolute path, as seen from where the
	// expression stands: inside the body of an each, a path below that each means the same
	// element. ok is false while it has none.
	Step func(path string) (out map[string]any, ok bool)
	// Locals are the names of the place: the element of an each, the watched object, items,
	// answers, evidence, fact, roles (lists of person ids by role), ledgers (by name: total and
	// count by state).
	Locals map[string]any
	Now    time.Time
	// Decide, when it is set, may give the value of the condition with that text without looking
	// at anything; known is false for one that is to be evaluated. Only [Expr.Bool] asks it. It is
	// for walking through what a playbook allows: no real run sets it.
	Decide func(text string) (value, known bool)
}

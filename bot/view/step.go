package view

import (
	"context"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// StepPage is one step of a run as a whole.
type StepPage struct {
	Step
	Run      Line      `json:"run"`
	Lines    []string  `json:"lines" doc:"why it stands as it does, most important first"`
	Blockers []Blocker `json:"blockers,omitempty" doc:"what keeps it from starting"`
	Awaited  []Awaited `json:"awaited,omitempty"`
	Inputs   []Value   `json:"inputs,omitempty" doc:"of the present attempt"`
	Outputs  []Value   `json:"outputs,omitempty"`
	Attempts []Attempt `json:"attempts,omitempty" doc:"newest first"`
	Effects  []Effect  `json:"effects,omitempty"`
	Gate     *Gate     `json:"gate,omitempty"`
	Asked    []Field   `json:"asked,omitempty" doc:"of a question: its fields"`
	Prompt   string    `json:"prompt,omitempty" doc:"of a question or what is done by hand: what is asked"`
	Answers  []Answer  `json:"answers,omitempty"`
	Elements *Elements `json:"elements,omitempty" doc:"of a list"`
	Actions  []Action  `json:"actions" doc:"what the viewer may try; the core decides"`
	Threads  []Thread  `json:"threads"`
	Seq      uint64    `json:"seq"`
	AsOf     time.Time `json:"as_of"`
}

// Blocker is something that keeps a step from starting.
type Blocker struct {
	Kind  string    `json:"kind" doc:"needs, any, lock, freeze, hold, ..."`
	What  string    `json:"what" doc:"the step, lock or calendar"`
	Why   string    `json:"why"`
	Until time.Time `json:"until,omitzero"`
}

// Answer is what somebody answered.
type Answer struct {
	Member string  `json:"member,omitempty" doc:"of a collection: for whom"`
	By     *Person `json:"by,omitempty"`
	Values []Value `json:"values"`
}

// Elements is a page of the elements of a list.
type Elements struct {
	Items  []Element      `json:"items"`
	Total  int            `json:"total"`
	Counts map[string]int `json:"counts" doc:"by status"`
	Next   int            `json:"next,omitempty" doc:"from of the next page; absent on the last one"`
}

// Element is one element of a list.
type Element struct {
	Key    string `json:"key"`
	Path   string `json:"path"`
	Status string `json:"status"`
	Steps  []Step `json:"steps" doc:"its steps, as they stand"`
}

// Pick chooses elements of a list.
type Pick struct {
	Status string `json:"status,omitempty" doc:"only elements that stand so"`
	From   int    `json:"from,omitempty" doc:"how many to leave out before"`
	Limit  int    `json:"limit,omitempty" doc:"of one page; 50 if left out, at most 200"`
}

// Step shows one step of a run.
func (r *Reader) Step(ctx context.Context, p people.PersonID, id, path string, pick Pick) (StepPage, error) {
	v, err := r.open(ctx, p, id)
	if err != nil {
		return StepPage{}, err
	}
	def := v.def(path)
	st := v.state.Steps[path]
	if def == nil || st == nil && path != def.Path && !v.elementOf(def, path) {
		return StepPage{}, noStep(v.state.Name, path)
	}
	out := StepPage{Run: r.head(v), Lines: []string{}, Actions: []Action{}, AsOf: v.world.Now}
	if out.Seq, _, err = r.e.Log(ctx, v.id); err != nil {
		return StepPage{}, err
	}
	log, err := r.log(ctx, v.id, out.Seq)
	if err != nil {
		return StepPage{}, err
	}
	out.Step = r.step(v, log, def, path)
	out.Attempts = log.all(path)
	why := run.Why(v.book, v.state, v.world, path)
	out.Lines = append(out.Lines, why.Lines...)
	for _, b := range why.Blockers {
		out.Blockers = append(out.Blockers, Blocker{b.Kind, b.What, b.Why, b.Until})
	}
	out.Awaited = r.awaited(v, p, why.Awaited)
	if def.Kind == playbook.GateK {
		g, err := r.gate(ctx, p, v, def, path)
		if err != nil {
			return StepPage{}, err
		}
		out.Gate = &g
	}
	if st != nil {
		in := action.Type{}
		if def.Do != nil {
			in = def.Do.Contract.In
		} else if def.Wait != nil && def.Wait.At == nil {
			in = def.Wait.Contract.In
		}
		out.Inputs, out.Outputs = values(st.Inputs, in), values(st.Output, def.Out)
		if made(def) { // the digest that a gate gives is its manifest's, which is no file
			out.Outputs = bodies(out.Outputs)
		}
		r.question(v, def, st, &out)
		if def.Kind == playbook.Each {
			out.Elements = r.elementsPage(v, log, def, st, pick)
		}
	}
	if out.Effects, err = r.effects(ctx, v, path); err != nil {
		return StepPage{}, err
	}
	out.Actions = stepActions(v, def, st, path)
	out.Threads, err = r.threads(ctx, p, v)
	return out, err
}

// bodies marks the digests among values as what may be read.
func bodies(list []Value) []Value {
	for i := range list {
		if list[i].Type == string(action.Digest) && digestRE.MatchString(list[i].Text) {
			list[i].Body = list[i].Text
		}
	}
	return list
}

// elementOf reports whether path is a step of an element that exists.
func (v seen) elementOf(def *playbook.Step, path string) bool {
	if def.Parent == nil {
		return false
	}
	for at := strings.LastIndexByte(path, '['); at > 0; at = strings.LastIndexByte(path[:at], '[') {
		list := v.state.Steps[path[:at]]
		if list == nil {
			return false
		}
		found := false
		for _, key := range list.Keys {
			found = found || strings.HasPrefix(path, run.ElementPath(path[:at], key))
		}
		if !found {
			return false
		}
	}
	return true
}

// question fills in what a step asks and what was answered.
func (r *Reader) question(v seen, def *playbook.Step, st *run.Step, out *StepPage) {
	var inputs []playbook.Input
	switch def.Kind {
	case playbook.Ask:
		inputs = def.Ask.Fields
		out.Prompt, _ = st.Inputs["prompt"].(string)
	case playbook.ByHand:
		inputs = def.ByHand.Evidence
		out.Prompt, _ = st.Inputs["text"].(string)
	case playbook.Collect:
		inputs = def.Collect.Ask
		out.Prompt, _ = st.Inputs["prompt"].(string)
	default:
		return
	}
	out.Asked = fields(inputs, st.Answers[""])
	for _, member := range sortedKeys(st.Answers) {
		a := Answer{Member: member, Values: values(st.Answers[member], inputType(inputs))}
		if by := orElse(string(st.AnsweredBy[member]), string(st.By)); by != "" {
			who := r.person(v.world, personID(by))
			a.By = &who
		}
		out.Answers = append(out.Answers, a)
	}
}

// elementsPage is a page of the elements of a list.
func (r *Reader) elementsPage(v seen, log *log, def *playbook.Step, st *run.Step, pick Pick) *Elements {
	if pick.Limit <= 0 {
		pick.Limit = 50
	}
	pick.Limit = min(pick.Limit, 200)
	out := &Elements{Items: []Element{}, Total: len(st.Keys), Counts: map[string]int{}}
	n := 0
	for _, key := range st.Keys {
		path := run.ElementPath(st.Path, key)
		status := v.element(def, path)
		out.Counts[status]++
		if pick.Status != "" && status != pick.Status {
			continue
		}
		n++
		if n <= pick.From || out.Next > 0 {
			continue
		}
		if len(out.Items) == pick.Limit {
			out.Next = n - 1
			continue
		}
		el := Element{Key: key, Path: path, Status: status, Steps: []Step{}}
		for _, sub := range def.Each.Steps {
			el.Steps = append(el.Steps, r.step(v, log, sub, path+"/"+sub.ID))
		}
		out.Items = append(out.Items, el)
	}
	return out
}

// stepActions are what can be said about a step besides what it asks for.
func stepActions(v seen, def *playbook.Step, st *run.Step, path string) []Action {
	out := []Action{}
	if v.state.Status == run.RunEnded || v.state.Status == run.IsAborting {
		return out
	}
	at := v.called() + " " + quoted(path)
	family := familyOf(v.state.Name)
	status := run.Waiting
	if st != nil {
		status = st.Status
	}
	switch status {
	case run.FailedSt:
		out = append(out, Action{ID: "retry", Text: "Try again", Command: family + " retry " + at})
	case run.Done, run.Adopted:
		out = append(out, Action{ID: "retry", Text: "Look at it again", Command: family + " retry " + at})
		if def.Kind == playbook.Do {
			out = append(out, Action{ID: "again", Text: "Do it again", Command: family + " again " + at, Danger: true, Fields: []Field{reason(true)}})
		}
	}
	if def.MaySkip != nil && (status == run.Waiting || status == run.Running || status == run.FailedSt) {
		out = append(out, Action{ID: "skip", Text: "Go on without it", Command: family + " skip " + at, Danger: true, Fields: []Field{reason(true)}})
	}
	return out
}

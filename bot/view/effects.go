package view

import (
	"context"
	"time"

	"slipway/bot/run"
)

// Effect is something that is being done in the outside, or of which nobody can tell whether it was.
type Effect struct {
	Run      *Ref      `json:"run,omitempty" doc:"in lists of several runs; absent for what Slipway does for itself, such as answers"`
	Step     string    `json:"step,omitempty"`
	Action   string    `json:"action"`
	State    string    `json:"state" doc:"pending, trying, waiting (for the next try), job (a holder has it or will) or doubtful"`
	Attempts int       `json:"attempts,omitempty" doc:"tries that failed"`
	Last     string    `json:"last,omitempty" doc:"why the last try failed, or what is known of a doubt"`
	Next     time.Time `json:"next,omitzero" doc:"of the next try"`
	Begun    bool      `json:"begun,omitempty" doc:"it may have happened: it was begun and cannot be repeated without asking"`
	Key      string    `json:"key" doc:"names the effect for ever"`
	Inputs   string    `json:"inputs,omitempty" doc:"of a doubt: with what it was to be done, as JSON"`
}

// effects are those of a run, or of one step of it, that have not ended or are in doubt.
func (r *Reader) effects(ctx context.Context, v seen, step string) ([]Effect, error) {
	if v.state.Status == run.RunEnded {
		return nil, nil
	}
	pending, err := r.e.PendingOf(ctx, v.id, 500)
	if err != nil {
		return nil, err
	}
	listed := map[string]bool{}
	var out []Effect
	for _, f := range pending {
		if step != "" && f.Step != step || v.state.Effects[f.Key] == nil {
			continue
		}
		listed[f.Key] = true
		one := Effect{Step: f.Step, Action: f.Action, Key: f.Key, Attempts: f.Attempts, Last: f.Last, Begun: f.Begun, State: "pending"}
		if f.After.After(v.world.Now) {
			one.State, one.Next = "waiting", f.After
		}
		out = append(out, one)
	}
	for _, key := range sortedKeys(v.state.Effects) {
		ef := v.state.Effects[key]
		if step != "" && ef.Step != step || listed[key] {
			continue
		}
		st := v.state.Steps[ef.Step]
		switch {
		case ef.Outcome == run.Doubtful && st != nil && st.Status == run.InDoubt:
			out = append([]Effect{{Step: ef.Step, Action: ef.Action, Key: key, State: "doubtful", Last: orElse(ef.Message, st.Message), Begun: true,
				Inputs: clip(string(ef.Inputs), MaxText)}}, out...)
		case ef.Outcome == "":
			out = append(out, Effect{Step: ef.Step, Action: ef.Action, Key: key, State: "job"})
		}
	}
	return out, nil
}

package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"slipway/bot/errs"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// gatesToCome names the gates that are not closed.
func gatesToCome(p *playbook.Playbook, s *run.State) string {
	var names []string
	for _, def := range p.Steps {
		st := s.Steps[def.Path]
		if def.Kind == playbook.GateK && (st == nil || st.Gate == nil || st.Gate.Verdict == nil) {
			names = append(names, def.Path)
		}
	}
	if len(names) == 0 {
		return "every gate is closed"
	}
	return "still to come: " + strings.Join(names, ", ")
}

// typed reads what a person wrote as text in the types that the playbook wants, and fills in the
// gate that is meant when only one is open. The core checks everything again.
func typed(p *playbook.Playbook, s *run.State, in run.Input) (run.Input, error) {
	switch in := in.(type) {
	case run.Vote:
		if in.Step == "" {
			open := openGates(s)
			if len(open) != 1 {
				if len(open) == 0 {
					return nil, errs.E("engine.vote", errs.Invalid, fmt.Errorf("no gate of %s is open, so nothing waits for approval", s.Name)).
						Hint("%s", gatesToCome(p, s))
				}
				return nil, errs.E("engine.vote", errs.Invalid, fmt.Errorf("%d gates of %s are open", len(open), s.Name)).
					Hint("name one of %s", strings.Join(open, ", "))
			}
			in.Step = open[0]
		}
		return in, nil
	case run.Answer:
		step := p.Step(run.DeclaredPath(in.Step))
		if step == nil {
			return in, nil // the core knows which steps there are and says so
		}
		var fields []playbook.Input
		switch step.Kind {
		case playbook.Ask:
			fields = step.Ask.Fields
		case playbook.ByHand:
			fields = step.ByHand.Evidence
			in.Values = named(in.Values, fields)
		case playbook.Collect:
			fields = step.Collect.Ask
		}
		if len(in.Values) == 0 && step.Kind != playbook.ByHand {
			return nil, wanted(s, in.Step, fields)
		}
		values, err := fitFields(in.Values, fields)
		in.Values = values
		return in, err
	case run.Command:
		if in.Verb == run.DoubtVerb {
			return settling(p, in)
		}
		if in.Verb == run.RetryVerb && in.Step == "" {
			step, err := toRetry(s)
			if err != nil {
				return nil, err
			}
			in.Step = step
		}
		if in.Verb != run.RetryVerb && in.Verb != run.RenameVerb {
			return in, nil
		}
		values, err := fitFields(in.Values, p.Inputs)
		in.Values = values
		return in, err
	}
	return in, nil
}

// wanted tells who answered without a value what is asked.
func wanted(s *run.State, step string, fields []playbook.Input) error {
	var asked []string
	for _, f := range fields {
		text := f.Name
		if f.Help != "" {
			text += " (" + f.Help + ")"
		}
		asked = append(asked, text)
	}
	return errs.E("engine.answer", errs.Invalid, fmt.Errorf("%s asks for %s", step, strings.Join(asked, ", "))).
		Hint("`answer %s %s%s`", s.Name, step, run.Example(fields))
}

// settling reads the outputs that come with the word that a doubtful effect happened.
func settling(p *playbook.Playbook, in run.Command) (run.Input, error) {
	step := p.Step(run.DeclaredPath(in.Step))
	text, ok := in.Values["output"].(string)
	if step == nil || step.Do == nil || !ok {
		return in, nil
	}
	v, err := fitValue(step.Do.Contract.Out, text)
	if err != nil {
		return nil, errs.E("engine.doubt", errs.Invalid, fmt.Errorf("output: %w", err)).Hint("write it as JSON: output='{…}' with %s", step.Do.Contract.Out)
	}
	in.Values = maps.Clone(in.Values)
	in.Values["output"] = v
	return in, nil
}

// named gives evidence that was written without a name the name of the only field there is.
func named(values map[string]any, fields []playbook.Input) map[string]any {
	text, ok := values["evidence"]
	if !ok || len(fields) != 1 || fields[0].Name == "evidence" {
		return values
	}
	out := map[string]any{fields[0].Name: text}
	for k, v := range values {
		if k != "evidence" {
			out[k] = v
		}
	}
	return out
}

func fitFields(given map[string]any, fields []playbook.Input) (map[string]any, error) {
	out := make(map[string]any, len(given))
	for name, v := range given {
		out[name] = v
		for _, f := range fields {
			if f.Name != name {
				continue
			}
			fitted, err := fitValue(f.Type, v)
			if err != nil {
				return nil, errs.E("engine.answer", errs.Invalid, fmt.Errorf("%s: %w", name, err)).Hint("%s", expected(f))
			}
			out[name] = fitted
		}
	}
	return out, nil
}

// openGates lists the open gates of a run, sorted.
func openGates(s *run.State) []string {
	var open []string
	for path, st := range s.Steps {
		if st.Gate != nil && st.Status == run.Running && st.Gate.Digest != "" {
			open = append(open, path)
		}
	}
	slices.Sort(open)
	return open
}

// toRetry is the step that is meant by a retry without one: the only one that waits for it.
func toRetry(s *run.State) (string, error) {
	var stuck []string
	for path, st := range s.Steps {
		if st.Status == run.Stuck || st.Status == run.FailedSt {
			stuck = append(stuck, path)
		}
	}
	slices.Sort(stuck)
	switch len(stuck) {
	case 1:
		return stuck[0], nil
	case 0:
		return "", errs.E("engine.retry", errs.Conflict, fmt.Errorf("no step of %s has failed or is stuck", s.Name)).Hint("name a step to have it done again")
	}
	return "", errs.E("engine.retry", errs.Invalid, fmt.Errorf("%d steps of %s have failed or are stuck", len(stuck), s.Name)).
		Hint("name one of %s", strings.Join(stuck, ", "))
}

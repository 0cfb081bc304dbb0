package view

import (
	"fmt"
	"strings"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/gate"
	"slipway/bot/people"
	"slipway/bot/playbook"
	"slipway/bot/run"
)

// Action is something that a person can say about a run by a button or a form. It is nothing but a
// command line: what it may do is decided by the core when the line is said.
type Action struct {
	ID      string  `json:"id" doc:"a word that does not change: approve, reject, veto, unveto, withdraw, answer, done, retry, skip, happened, redo, failed, hold, resume, abort, open, undo"`
	Text    string  `json:"text" doc:"on the button"`
	Command string  `json:"command" doc:"the line that it stands for; what the fields hold is added behind it"`
	Danger  bool    `json:"danger,omitempty" doc:"it stops or ends something"`
	Fields  []Field `json:"fields,omitempty" doc:"what must or can be given with it"`
}

// Field is one value that goes with a command.
type Field struct {
	Name     string   `json:"name"`
	Option   bool     `json:"option,omitempty" doc:"it is written --NAME VALUE, and not NAME=VALUE"`
	In       string   `json:"in,omitempty" doc:"it is a part of the object of this name, which is written as JSON"`
	Type     string   `json:"type" doc:"string, int, bool, version, digest, time, duration, list, map or object"`
	Help     string   `json:"help,omitempty"`
	Choices  []string `json:"choices,omitempty" doc:"the only values"`
	Value    string   `json:"value,omitempty" doc:"what is proposed: the default, or the answer as it is"`
	Required bool     `json:"required,omitempty"`
	Person   bool     `json:"person,omitempty" doc:"the id of a person"`
}

// Line is the command line with what was given for the fields. The error is of kind [errs.Invalid]
// when something is missing, is not a field, or cannot be written in one line.
func (a Action) Line(given map[string]string) (string, error) {
	const op = "view.line"
	line := a.Command
	known := map[string]bool{}
	inside := map[string]map[string]any{}
	for _, f := range a.Fields {
		known[f.Name] = true
		v := strings.TrimSpace(given[f.Name])
		switch {
		case v == "" && f.Required:
			return "", errs.E(op, errs.Invalid, fmt.Errorf("%s needs %s", a.Text, f.Name)).Hint("fill it in: %s", orElse(f.Help, "it is kept and shown"))
		case v == "":
			continue
		case strings.ContainsAny(v, "\r\n"):
			return "", errs.E(op, errs.Invalid, fmt.Errorf("%s has more than one line", f.Name)).Hint("write it in one line")
		}
		switch {
		case f.In != "":
			part, err := parsed(f, v)
			if err != nil {
				return "", errs.E(op, errs.Invalid, err).Hint("write a value of type %s", f.Type)
			}
			if inside[f.In] == nil {
				inside[f.In] = map[string]any{}
			}
			inside[f.In][f.Name] = part
		case f.Option:
			line += " --" + f.Name + " " + quoted(v)
		default:
			line += " " + f.Name + "=" + quoted(v)
		}
	}
	for _, in := range sortedKeys(inside) {
		raw, err := action.Canonical(inside[in])
		if err != nil {
			return "", errs.E(op, errs.Invalid, fmt.Errorf("%s cannot be written: %w", in, err))
		}
		line += " " + in + "=" + quoted(string(raw))
	}
	for name := range given {
		if !known[name] {
			return "", errs.E(op, errs.Invalid, fmt.Errorf("%s takes no %q", a.Text, clip(name, 40))).Hint("load the page again")
		}
	}
	return line, nil
}

// parsed reads what was typed for a part of an object.
func parsed(f Field, v string) (any, error) {
	switch action.Kind(f.Type) {
	case action.Int, action.Bool, action.List, action.Map, action.Object:
		out, err := action.Decode([]byte(v))
		if err != nil {
			return nil, fmt.Errorf("%q is not a value of %s", clip(v, 60), f.Name)
		}
		return out, nil
	}
	return v, nil
}

// quoted is a value as one word of a command line.
func quoted(v string) string {
	plain := v != "" && !strings.ContainsAny(v, " \t\"'`\\=“”„‟«»‘’‚") && !strings.HasPrefix(v, "-") && !strings.HasPrefix(v, "–") && !strings.HasPrefix(v, "—")
	for _, r := range v {
		plain = plain && r > ' ' && r < 0x7f
	}
	if plain {
		return v
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`
}

func reason(required bool) Field {
	return Field{Name: "reason", Option: true, Type: string(action.String), Help: "why, in words; it is kept and shown", Required: required}
}

// actionsFor are the things that can be said to what is awaited.
func actionsFor(v seen, p people.PersonID, kind string, def *playbook.Step, st *run.Step, path string) []Action {
	if v.state.Status == run.RunEnded {
		return []Action{}
	}
	at := v.called() + " " + quoted(path)
	family := familyOf(v.state.Name)
	switch kind {
	case "gate":
		return gateActions(v, p, st, at)
	case "ask":
		return []Action{{ID: "answer", Text: "Answer", Command: "answer " + at, Fields: fields(def.Ask.Fields, st.Answers[""])}}
	case "collect":
		return []Action{{ID: "answer", Text: "Answer", Command: "answer " + at, Fields: fields(def.Collect.Ask, nil)}}
	case "by_hand":
		return []Action{{ID: "done", Text: "It is done", Command: "done " + at, Fields: fields(def.ByHand.Evidence, st.Answers[""])}}
	case "stuck":
		out := []Action{{ID: "retry", Text: "Try again", Command: family + " retry " + at}}
		if def != nil && def.MaySkip != nil {
			out = append(out, Action{ID: "skip", Text: "Go on without it", Command: family + " skip " + at, Danger: true, Fields: []Field{reason(true)}})
		}
		return out
	case "doubtful":
		why := []Field{{Name: "reason", Option: true, Type: string(action.String), Help: "how you know"}}
		return []Action{
			{ID: "happened", Text: "It happened", Command: "doubt " + at + " happened", Fields: append(why, outputs(v, st)...)},
			{ID: "redo", Text: "It did not: do it again", Command: "doubt " + at + " redo", Fields: why, Danger: true},
			{ID: "failed", Text: "It failed", Command: "doubt " + at + " failed", Fields: why, Danger: true},
		}
	case "hold":
		return []Action{{ID: "resume", Text: "Let it go on", Command: family + " resume " + v.called()}}
	case "undo":
		return []Action{{ID: "undo", Text: "Undo this", Command: family + " undo-confirm " + v.called() + " " + quoted(path), Danger: true}}
	}
	return []Action{}
}

// gateActions are what can be said to an open gate: yes to exactly what is shown, no to exactly that, and to
// take either back. A veto names no manifest: it ends nothing, and goes with the manifest that it stopped.
func gateActions(v seen, p people.PersonID, st *run.Step, at string) []Action {
	if st == nil || st.Gate == nil || st.Gate.Digest == "" || st.Gate.Verdict != nil {
		return []Action{}
	}
	var out []Action
	said, vetoed := false, false
	for _, vote := range st.Gate.Votes {
		said = said || vote.Person == p && p != "" && vote.Kind == gate.Approve && vote.Manifest == st.Gate.Digest
		vetoed = vetoed || vote.Kind == gate.Veto && vote.Manifest == st.Gate.Digest && !st.Gate.Lifted[vote.Person].After(vote.At)
	}
	if said {
		out = append(out, Action{ID: "withdraw", Text: "Take my approval back", Command: "withdraw " + at})
	} else {
		out = append(out, Action{ID: "approve", Text: "Approve exactly this", Command: "approve " + at + " --manifest " + string(st.Gate.Digest)})
	}
	out = append(out, Action{ID: "reject", Text: "Reject", Command: "reject " + at + " --manifest " + string(st.Gate.Digest), Danger: true, Fields: []Field{reason(true)}})
	if vetoed {
		return append(out, Action{ID: "unveto", Text: "Lift the veto", Command: "unveto " + at})
	}
	return append(out, Action{ID: "veto", Text: "Veto for now", Command: "veto " + at, Danger: true, Fields: []Field{reason(true)}})
}

// fields are those of a question, with the answer as it is.
func fields(inputs []playbook.Input, answer map[string]any) []Field {
	var out []Field
	for _, in := range inputs {
		f := Field{Name: in.Name, Type: string(in.Type.Kind), Help: in.Help, Choices: in.Type.Enum, Required: in.Default == nil && !in.Optional, Person: in.Person}
		v, ok := answer[in.Name]
		if !ok {
			v = in.Default
		}
		if v != nil {
			f.Value = typed(v)
		}
		out = append(out, f)
	}
	return out
}

// typed is a value as a person would type it.
func typed(v any) string {
	if list, ok := v.([]any); ok {
		words := make([]string, len(list))
		for i, e := range list {
			s, plain := e.(string)
			if !plain || strings.Contains(s, ",") {
				return valueOf("", v, action.Type{}, "").Text
			}
			words[i] = s
		}
		return strings.Join(words, ",")
	}
	return valueOf("", v, action.Type{}, "").Text
}

// outputs are the values that a person can give for an effect that happened.
func outputs(v seen, st *run.Step) []Field {
	var out []Field
	if st == nil {
		return nil
	}
	def := v.def(st.Path)
	if def == nil || def.Kind != playbook.Do {
		return nil
	}
	for _, f := range def.Out.Fields {
		out = append(out, Field{Name: f.Name, In: "output", Type: string(f.Type.Kind), Help: f.Doc, Choices: f.Type.Enum})
	}
	return out
}

// runActions are what can be said about a run as a whole.
func (r *Reader) runActions(v seen) []Action {
	s, family := v.state, familyOf(v.state.Name)
	name := v.called()
	out := []Action{}
	switch s.Status {
	case run.Live:
		out = append(out, Action{ID: "hold", Text: "Hold", Command: family + " hold " + name, Fields: []Field{reason(false)}})
	case run.OnHold:
		out = append(out, Action{ID: "resume", Text: "Let it go on", Command: family + " resume " + name})
	case run.IsAborting:
		if s.Planned {
			out = append(out, Action{ID: "undo", Text: "Undo the whole plan", Command: family + " undo-confirm " + name, Danger: true})
		}
		return out
	default:
		return out
	}
	if s.Private {
		out = append(out, Action{ID: "open", Text: "End its privacy", Command: family + " open " + name, Danger: true})
	}
	return append(out, Action{ID: "abort", Text: "Abort", Command: family + " abort " + name, Danger: true, Fields: []Field{reason(true)}})
}

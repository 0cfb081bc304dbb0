package run

import (
	"strings"

	"slipway/bot/action"
	"slipway/bot/playbook"
)

// say is the command with which a person does what is awaited of a step, as it is typed.
func (d *decider) say(in *inst, kind string) string {
	at := d.s.Name + " " + in.path
	switch kind {
	case "gate":
		return "approve " + at
	case "ask":
		return "answer " + at + Example(in.def.Ask.Fields)
	case "collect":
		return "answer " + at + Example(in.def.Collect.Ask)
	case "by_hand":
		return "done " + at + Example(in.def.ByHand.Evidence)
	case "stuck":
		return RetrySay(d.s.Name, in.path)
	}
	return ""
}

// RetrySay is the command that tries a step of a run again. Its first word is the family, with which
// the name of a run begins.
func RetrySay(name, step string) string {
	family, _, _ := strings.Cut(name, "/")
	return family + " retry " + name + " " + step
}

// WhySay is the command that tells why a step of a run is as it is.
func WhySay(name, step string) string {
	family, _, _ := strings.Cut(name, "/")
	return family + " why " + name + " " + step
}

// Example shows how the fields of an answer are typed: " good=true how=…". Those that may be left
// out are left out, unless all may.
func Example(fields []playbook.Input) string {
	var needed, all strings.Builder
	for _, f := range fields {
		value := "…"
		switch {
		case f.Type.Kind == action.Bool:
			value = "true"
		case f.Type.Kind == action.Int:
			value = "1"
		case len(f.Type.Enum) > 0:
			value = f.Type.Enum[0]
		}
		text := " " + f.Name + "=" + value
		all.WriteString(text)
		if f.Default == nil && !f.Optional {
			needed.WriteString(text)
		}
	}
	if needed.Len() == 0 {
		return all.String()
	}
	return needed.String()
}

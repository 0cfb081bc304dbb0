package playbook

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"slipway/bot/action"
)

var digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// constant reads n as a value of type t, without expressions: defaults and literals in with.
// Text kinds take the scalar as typed, so 2019.10 stays 2019.10.
func constant(n *node, t action.Type) (any, error) {
	wrong := func() error { return fmt.Errorf("this is %s, want %s", n.describe(), article(t)) }
	switch t.Kind {
	case action.List:
		if n.kind != listNode {
			return nil, wrong()
		}
		out := make([]any, 0, len(n.items))
		for _, item := range n.items {
			v, err := constant(item, *t.Elem)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	case action.Map, action.Object:
		if n.kind != mapNode {
			return nil, wrong()
		}
		out := map[string]any{}
		for _, e := range n.entries {
			want := t.Elem
			if t.Kind == action.Object {
				f, ok := t.Field(e.key)
				if !ok {
					return nil, fmt.Errorf("there is no field %q", e.key)
				}
				want = &f.Type
			}
			v, err := constant(e.val, *want)
			if err != nil {
				return nil, err
			}
			out[e.key] = v
		}
		return out, nil
	}
	if n.kind != scalarNode {
		return nil, wrong()
	}
	switch t.Kind {
	case action.Int:
		v, err := strconv.ParseInt(n.text, 10, 64)
		if err != nil || !n.plain {
			return nil, wrong()
		}
		return v, nil
	case action.Bool:
		if !n.plain || n.text != "true" && n.text != "false" {
			return nil, wrong()
		}
		return n.text == "true", nil
	}
	return literal(n.text, t)
}

// literal is a text as a value of one of the text kinds.
func literal(s string, t action.Type) (any, error) {
	switch t.Kind {
	case action.Digest:
		if !digestForm.MatchString(s) {
			return nil, fmt.Errorf("%q is not a digest: sha256: and 64 hexadecimal digits", s)
		}
	case action.Time:
		at, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return nil, fmt.Errorf("%q is not a time such as 2019-01-31T09:00:00Z", s)
		}
		return at.UTC().Format(time.RFC3339Nano), nil
	case action.Duration:
		d, err := ParseDuration(s)
		if err != nil {
			return nil, err
		}
		return d.String(), nil
	case action.Version:
		if !versionForm.MatchString(s) {
			return nil, fmt.Errorf("%q is not a version", s)
		}
	case action.String:
		if len(t.Enum) > 0 && !contains(t.Enum, s) {
			return nil, fmt.Errorf("%q is not one of the values allowed; %s", s, didYouMean(s, t.Enum))
		}
	default:
		return nil, fmt.Errorf("the text %q, want %s", s, article(t))
	}
	return s, nil
}

// article is the type in words.
func article(t action.Type) string {
	switch t.Kind {
	case action.String:
		return "text"
	case action.Int:
		return "a whole number"
	case action.Bool:
		return "true or false"
	case action.List:
		return "a list of " + article(*t.Elem)
	case action.Map:
		return "a map of " + article(*t.Elem)
	case action.Object:
		return "an " + t.String()
	case "":
		return "nothing"
	}
	return "a " + string(t.Kind)
}

package action

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Difference says in words where values of the types a and b differ, or gives "" when every value of
// one is a value of the other. The order of fields and their docs do not count.
func Difference(a, b Type) string { return difference("", a, b) }

func difference(at string, a, b Type) string {
	here := at
	if here == "" {
		here = "the whole"
	}
	switch {
	case a.Kind != b.Kind:
		return fmt.Sprintf("%s is %s and %s", here, a, b)
	case strings.Join(slices.Sorted(slices.Values(a.Enum)), "\x00") != strings.Join(slices.Sorted(slices.Values(b.Enum)), "\x00"):
		return fmt.Sprintf("%s may be %s and %s", here, values(a), values(b))
	case a.Elem != nil && b.Elem != nil:
		return difference(at+"[]", *a.Elem, *b.Elem)
	}
	for _, f := range a.Fields {
		other, found := b.Field(f.Name)
		name := strings.TrimPrefix(at+"."+f.Name, ".")
		switch {
		case !found:
			return name + " is in the first alone"
		case f.Optional != other.Optional:
			return name + " may be left out in one alone"
		}
		if d := difference(name, f.Type, other.Type); d != "" {
			return d
		}
	}
	for _, f := range b.Fields {
		if _, found := a.Field(f.Name); !found {
			return strings.TrimPrefix(at+"."+f.Name, ".") + " is in the second alone"
		}
	}
	return ""
}

func values(t Type) string {
	if len(t.Enum) == 0 {
		return "any text"
	}
	return "one of " + strings.Join(t.Enum, ", ")
}

// unlike says where two providers of one contract do not promise the same, or "". A playbook is
// checked against one of them and run with the other, so they must agree on all that the check and
// the pure core rely on: types, undo, authors, what may be waited for, classes of failure, and
// whether it is a reading, and whether a doubt goes to a person. How long a try may take, and by
// which means a repeat is harmless, is the provider's own affair.
func unlike(a, b Contract) string {
	if d := Difference(a.In, b.In); d != "" {
		return "the inputs differ: " + d
	}
	if d := Difference(a.Out, b.Out); d != "" {
		return "the outputs differ: " + d
	}
	switch {
	case a.Undo != b.Undo || !maps.Equal(a.UndoIn, b.UndoIn):
		return "they are not undone in the same way"
	case a.Authors != b.Authors:
		return "they do not name the authors in the same output"
	case a.Job != b.Job:
		return "they do not wait for the same kind of job"
	case a.Watched != b.Watched:
		return "one alone may be waited for"
	case a.Irreversible != b.Irreversible:
		return "one alone is irreversible"
	case !slices.Equal(slices.Sorted(slices.Values(a.Classes)), slices.Sorted(slices.Values(b.Classes))):
		return "they do not have the same classes of failure"
	case (a.Policy == Read) != (b.Policy == Read):
		return "one alone changes something"
	case (a.Policy == OnceOrAsk) != (b.Policy == OnceOrAsk):
		return "one alone asks a person in doubt"
	}
	return ""
}

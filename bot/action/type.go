package action

import (
	"fmt"
	"sort"
	"strings"
)

// Kind is the kind of a [Type].
type Kind string

// The kinds of value that flow between steps. In memory a value of each kind is a plain Go
// value: String, Version, Digest, Time (RFC 3339, UTC) and Duration ("4h30m") are string; Int is
// int64; Bool is bool; List is []any; Map and Object are map[string]any.
const (
	String   Kind = "string"
	Int      Kind = "int"
	Bool     Kind = "bool"
	Version  Kind = "version"
	Digest   Kind = "digest"
	Time     Kind = "time"
	Duration Kind = "duration"
	List     Kind = "list"
	Map      Kind = "map" // string keys
	Object   Kind = "object"
)

// Type describes a value. The zero Type is no value at all.
type Type struct {
	Kind   Kind     `json:"kind"`
	Elem   *Type    `json:"elem,omitempty"`   // of List and Map
	Fields []Field  `json:"fields,omitempty"` // of Object, in order of declaration
	Enum   []string `json:"enum,omitempty"`   // of String: the only values allowed
}

// Field is one field of an object type.
type Field struct {
	Name     string `json:"name"`
	Type     Type   `json:"type"`
	Optional bool   `json:"optional,omitempty"` // may be absent
	Doc      string `json:"doc,omitempty"`
}

// Obj, ListOf and MapOf build types.
func Obj(fields ...Field) Type { return Type{Kind: Object, Fields: fields} }
func ListOf(elem Type) Type    { return Type{Kind: List, Elem: &elem} }
func MapOf(elem Type) Type     { return Type{Kind: Map, Elem: &elem} }

// Field finds a field of an object type by name.
func (t Type) Field(name string) (Field, bool) {
	for _, f := range t.Fields {
		if f.Name == name {
			return f, true
		}
	}
	return Field{}, false
}

func (t Type) String() string {
	switch t.Kind {
	case List, Map:
		return fmt.Sprintf("%s(%s)", t.Kind, t.Elem)
	case Object:
		names := make([]string, len(t.Fields))
		for i, f := range t.Fields {
			names[i] = f.Name
		}
		return "object{" + strings.Join(names, ", ") + "}"
	}
	return string(t.Kind)
}

// Check reports whether v, as decoded by [Decode], is a value of type t. The error names the
// path of the offending part, starting with path.
func (t Type) Check(path string, v any) error {
	bad := func() error { return fmt.Errorf("%s is %s, want %s", path, describe(v), t) }
	switch t.Kind {
	case String, Version, Digest, Time, Duration:
		s, ok := v.(string)
		if !ok {
			return bad()
		}
		if len(t.Enum) > 0 && !contains(t.Enum, s) {
			return fmt.Errorf("%s is %q, want one of %s", path, s, strings.Join(t.Enum, ", "))
		}
	case Int:
		if _, ok := v.(int64); !ok {
			return bad()
		}
	case Bool:
		if _, ok := v.(bool); !ok {
			return bad()
		}
	case List:
		l, ok := v.([]any)
		if !ok {
			return bad()
		}
		for i, e := range l {
			if err := t.Elem.Check(fmt.Sprintf("%s[%d]", path, i), e); err != nil {
				return err
			}
		}
	case Map:
		m, ok := v.(map[string]any)
		if !ok {
			return bad()
		}
		for _, k := range sortedKeys(m) {
			if err := t.Elem.Check(fmt.Sprintf("%s[%q]", path, k), m[k]); err != nil {
				return err
			}
		}
	case Object:
		m, ok := v.(map[string]any)
		if !ok {
			return bad()
		}
		for _, f := range t.Fields {
			e, present := m[f.Name]
			if !present {
				if f.Optional {
					continue
				}
				return fmt.Errorf("%s.%s is missing", path, f.Name)
			}
			if err := f.Type.Check(path+"."+f.Name, e); err != nil {
				return err
			}
		}
		for _, k := range sortedKeys(m) {
			if _, ok := t.Field(k); !ok {
				return fmt.Errorf("%s has no field %q", path, k)
			}
		}
	default:
		return fmt.Errorf("%s has the unknown type %q", path, t.Kind)
	}
	return nil
}

func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case string:
		return "text"
	case int64:
		return "a number"
	case bool:
		return "true or false"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	default:
		return fmt.Sprintf("%T", v)
	}
}

func contains(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

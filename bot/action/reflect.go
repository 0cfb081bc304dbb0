package action

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"slipway/bot/errs"
)

// TypeOf makes the object type of the struct T from its tags: `cel:"name"` or
// `cel:"name,optional"`, `doc:"…"`, and `kind:"version"` (or digest, time, duration) for strings
// that are more than text, `enum:"a,b"` for text with few values. Every exported field needs a
// cel tag; json names are the same.
func TypeOf[T any]() (Type, error) { return typeOf(reflect.TypeFor[T]()) }

func typeOf(t reflect.Type) (Type, error) {
	switch t.Kind() {
	case reflect.String:
		return Type{Kind: String}, nil
	case reflect.Bool:
		return Type{Kind: Bool}, nil
	case reflect.Int, reflect.Int64, reflect.Int32:
		return Type{Kind: Int}, nil
	case reflect.Slice:
		e, err := typeOf(t.Elem())
		return ListOf(e), err
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			return Type{}, fmt.Errorf("a map needs string keys, not %s", t.Key())
		}
		e, err := typeOf(t.Elem())
		return MapOf(e), err
	case reflect.Struct:
		obj := Obj()
		for f := range t.Fields() {
			name, opts, _ := strings.Cut(f.Tag.Get("cel"), ",")
			if name == "" || f.Tag.Get("json") != name && f.Tag.Get("json") != name+",omitempty" {
				return Type{}, fmt.Errorf("field %s needs the same name in its cel and json tags", f.Name)
			}
			ft, err := typeOf(f.Type)
			if err != nil {
				return Type{}, fmt.Errorf("field %s: %w", name, err)
			}
			if k := f.Tag.Get("kind"); k != "" {
				ft = withKind(ft, Kind(k))
			}
			if e := f.Tag.Get("enum"); e != "" {
				ft.Enum = strings.Split(e, ",")
			}
			obj.Fields = append(obj.Fields, Field{Name: name, Type: ft, Optional: opts == "optional", Doc: f.Tag.Get("doc")})
		}
		return obj, nil
	}
	return Type{}, fmt.Errorf("values of type %s cannot cross a step", t)
}

// withKind refines a string type, or the elements of a list of strings.
func withKind(t Type, k Kind) Type {
	if t.Kind == List && t.Elem.Kind == String {
		return ListOf(Type{Kind: k})
	}
	t.Kind = k
	return t
}

func unmarshal[T any](name string, raw []byte) (T, error) {
	var v T
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		return v, errs.E(name, errs.Invalid, fmt.Errorf("the inputs of %s do not fit: %w", name, err))
	}
	return v, nil
}

func marshal(name string, v any) ([]byte, error) {
	data, err := Canonical(v)
	if err != nil {
		return nil, errs.E(name, errs.Internal, fmt.Errorf("writing the outputs of %s: %w", name, err))
	}
	return data, nil
}

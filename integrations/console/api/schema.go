package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// object is a piece of the document.
type object map[string]any

// schemas collects the types that the document names, each once.
type schemas struct {
	defs  object
	types map[string]reflect.Type // name → type, so that two types never share one
	words map[string]string       // "view.Run.Name" → what it means; see words.go
	enums map[reflect.Type][]string
}

// of is the schema of a type; structs are named and referred to.
func (s *schemas) of(t reflect.Type) object {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[json.RawMessage]():
		return object{"description": "Any value of JSON."}
	}
	if words, ok := s.enums[t]; ok {
		return object{"type": "string", "enum": words}
	}
	switch t.Kind() {
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer", "format": "int64"}
	case reflect.Int8, reflect.Int16, reflect.Int32:
		return object{"type": "integer", "format": "int32"}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return object{"type": "integer", "minimum": 0}
	case reflect.Float32, reflect.Float64:
		return object{"type": "number"}
	case reflect.Interface:
		return object{"description": "Any value of JSON."}
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return object{"type": "string", "contentEncoding": "base64"}
		}
		out := object{"type": "array", "items": s.of(t.Elem())}
		if t.Kind() == reflect.Array {
			out["minItems"], out["maxItems"] = t.Len(), t.Len()
		}
		return out
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.Struct:
		return s.named(t)
	}
	panic(fmt.Sprintf("api: %v has no form in JSON", t)) // a mistake in the table of routes, found by every test
}

func (s *schemas) named(t reflect.Type) object {
	name := t.Name()
	if was, ok := s.types[name]; ok && was != t {
		name = strings.ToUpper(pkgOf(t)[:1]) + pkgOf(t)[1:] + name
	}
	if _, ok := s.types[name]; !ok {
		s.types[name] = t
		s.defs[name] = object{} // so that a type that has itself in it ends
		s.defs[name] = s.structure(t)
	}
	return object{"$ref": "#/components/schemas/" + name}
}

func pkgOf(t reflect.Type) string { return t.PkgPath()[strings.LastIndexByte(t.PkgPath(), '/')+1:] }

func (s *schemas) structure(t reflect.Type) object {
	props, required := object{}, []string{}
	s.collect(t, props, &required)
	out := object{"type": "object", "properties": props}
	if len(required) > 0 {
		slices.Sort(required)
		out["required"] = required
	}
	if doc := s.words[pkgOf(t)+"."+t.Name()]; doc != "" {
		out["description"] = doc
	}
	return out
}

// collect adds the fields of a struct as encoding/json shows them: those of embedded structs first,
// so that the struct's own stand over them.
func (s *schemas) collect(t reflect.Type, props object, required *[]string) {
	for i := range t.NumField() {
		if f := t.Field(i); embedded(f) {
			s.collect(f.Type, props, required)
		}
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if embedded(f) || !f.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		props[name] = s.described(t, f)
		*required = slices.DeleteFunc(*required, func(r string) bool { return r == name })
		if !omits(f) {
			*required = append(*required, name)
		}
	}
}

// embedded reports whether the fields of f stand among those of its struct.
func embedded(f reflect.StructField) bool {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct
}

// described is the schema of a field with what it means.
func (s *schemas) described(t reflect.Type, f reflect.StructField) object {
	out := maps.Clone(s.of(f.Type))
	doc := f.Tag.Get("doc")
	if doc == "" {
		doc = s.words[pkgOf(t)+"."+t.Name()+"."+f.Name]
	}
	if doc != "" {
		out["description"] = doc
	}
	if enum := f.Tag.Get("enum"); enum != "" {
		out["enum"] = strings.Split(enum, ",")
	}
	if pattern := f.Tag.Get("pattern"); pattern != "" {
		out["pattern"] = pattern
	}
	if format := f.Tag.Get("format"); format != "" {
		out["format"] = format
	}
	number := f.Type.Kind() != reflect.String
	for tag, key := range map[string]string{"min": "minimum", "max": "maximum"} {
		if n, err := strconv.ParseInt(f.Tag.Get(tag), 10, 64); err == nil {
			if !number {
				key = strings.Replace(key, "imum", "Length", 1)
			}
			out[key] = n
		}
	}
	if example := f.Tag.Get("example"); example != "" {
		var value any = example
		if number {
			value = json.RawMessage(example)
		}
		out["examples"] = []any{value}
	}
	if f.Type.Kind() == reflect.Pointer && !omits(f) && f.Tag.Get("in") == "" {
		return object{"anyOf": []object{out, {"type": "null"}}}
	}
	return out
}

// omits reports whether a field may be left out of the JSON of its struct.
func omits(f reflect.StructField) bool {
	_, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	for o := range strings.SplitSeq(options, ",") {
		if o == "omitempty" || o == "omitzero" {
			return true
		}
	}
	return f.Tag.Get("json") == "-"
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

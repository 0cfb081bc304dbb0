// Package jsonout writes the records that every commit writes, byte for byte as encoding/json
// would, in a fraction of its time: their members are known, so nothing is looked up. Whatever
// is rare or deep is left to encoding/json. It is pure.
package jsonout

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"time"
)

// Object is a JSON object in the making. Members stand in the order in which they are given. The
// methods whose names begin with Opt leave out an empty value, as omitempty and omitzero do.
type Object struct {
	out  []byte
	more bool
	err  error
}

// Begin opens an object at the end of out.
func Begin(out []byte) Object { return Object{out: append(out, '{')} }

// End closes the object. The error is the first of a value that has no JSON.
func (o *Object) End() ([]byte, error) { return append(o.out, '}'), o.err }

func (o *Object) name(name string) {
	if o.more {
		o.out = append(o.out, ',')
	}
	o.more = true
	o.out = append(AppendString(o.out, name), ':')
}

// String adds a text.
func (o *Object) String(name, v string) {
	o.name(name)
	o.out = AppendString(o.out, v)
}

// OptString adds a text that is not empty.
func (o *Object) OptString(name, v string) {
	if v != "" {
		o.String(name, v)
	}
}

// Int adds a whole number.
func (o *Object) Int(name string, v int) {
	o.name(name)
	o.out = strconv.AppendInt(o.out, int64(v), 10)
}

// OptInt adds a whole number other than 0.
func (o *Object) OptInt(name string, v int) {
	if v != 0 {
		o.Int(name, v)
	}
}

// Uint adds a whole number.
func (o *Object) Uint(name string, v uint64) {
	o.name(name)
	o.out = strconv.AppendUint(o.out, v, 10)
}

// OptUint adds a whole number other than 0.
func (o *Object) OptUint(name string, v uint64) {
	if v != 0 {
		o.Uint(name, v)
	}
}

// Bool adds a truth value.
func (o *Object) Bool(name string, v bool) {
	o.name(name)
	o.out = strconv.AppendBool(o.out, v)
}

// OptBool adds what is true.
func (o *Object) OptBool(name string, v bool) {
	if v {
		o.Bool(name, v)
	}
}

// Time adds a moment, in RFC 3339 with what it has of nanoseconds.
func (o *Object) Time(name string, v time.Time) {
	o.name(name)
	if y := v.Year(); y < 0 || y > 9999 || v.Location() != time.UTC {
		o.rest(v)
		return
	}
	o.out = append(v.AppendFormat(append(o.out, '"'), time.RFC3339Nano), '"')
}

// OptTime adds a moment that is set.
func (o *Object) OptTime(name string, v time.Time) {
	if !v.IsZero() {
		o.Time(name, v)
	}
}

// Bytes adds bytes in base64, null for none.
func (o *Object) Bytes(name string, v []byte) {
	o.name(name)
	if v == nil {
		o.out = append(o.out, "null"...)
		return
	}
	o.out = append(base64.StdEncoding.AppendEncode(append(o.out, '"'), v), '"')
}

// OptBytes adds bytes if there are any.
func (o *Object) OptBytes(name string, v []byte) {
	if len(v) > 0 {
		o.Bytes(name, v)
	}
}

// Values adds named free values, null for a nil map.
func (o *Object) Values(name string, v map[string]any) {
	o.name(name)
	o.value(v)
}

// OptValues adds named free values if there are any.
func (o *Object) OptValues(name string, v map[string]any) {
	if len(v) > 0 {
		o.Values(name, v)
	}
}

// Any adds any value, by encoding/json.
func (o *Object) Any(name string, v any) {
	o.name(name)
	o.rest(v)
}

// Raw adds what is JSON already.
func (o *Object) Raw(name string, v []byte) {
	o.name(name)
	o.out = append(o.out, v...)
}

// Nested adds an object that write makes at the end of what is there.
func (o *Object) Nested(name string, write func(out []byte) ([]byte, error)) {
	o.name(name)
	out, err := write(o.out)
	o.out = out
	if o.err == nil {
		o.err = err
	}
}

// List adds a list of n things that write makes one after the other.
func (o *Object) List(name string, n int, write func(out []byte, i int) ([]byte, error)) {
	o.name(name)
	o.out = append(o.out, '[')
	for i := range n {
		if i > 0 {
			o.out = append(o.out, ',')
		}
		out, err := write(o.out, i)
		o.out = out
		if o.err == nil {
			o.err = err
		}
	}
	o.out = append(o.out, ']')
}

func (o *Object) rest(v any) {
	raw, err := json.Marshal(v)
	if o.err == nil {
		o.err = err
	}
	o.out = append(o.out, raw...)
}

func (o *Object) value(v any) {
	switch v := v.(type) {
	case nil:
		o.out = append(o.out, "null"...)
	case string:
		o.out = AppendString(o.out, v)
	case bool:
		o.out = strconv.AppendBool(o.out, v)
	case int64:
		o.out = strconv.AppendInt(o.out, v, 10)
	case map[string]any:
		if v == nil {
			o.out = append(o.out, "null"...)
			return
		}
		var few [8]string
		keys := few[:0]
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		o.out = append(o.out, '{')
		for i, k := range keys {
			if i > 0 {
				o.out = append(o.out, ',')
			}
			o.out = append(AppendString(o.out, k), ':')
			o.value(v[k])
		}
		o.out = append(o.out, '}')
	default:
		o.rest(v)
	}
}

// AppendString appends a text as a JSON string.
func AppendString(out []byte, s string) []byte {
	for i := range len(s) {
		// What encoding/json escapes, and all beyond ASCII, which it checks.
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			raw, _ := json.Marshal(s) // a text always encodes
			return append(out, raw...)
		}
	}
	return append(append(append(out, '"'), s...), '"')
}

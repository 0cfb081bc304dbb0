package playbook

import (
	"fmt"
	"reflect"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"slipway/bot/action"
)

// valueType is an action.Type made ready for CEL: objects have names, so that the checker can
// tell them apart, and every conversion is decided once.
type valueType struct {
	typ    action.Type
	cel    *types.Type
	elem   *valueType
	fields map[string]*valueField
	zeros  bool // absent counters read as 0
}

type valueField struct {
	name     string
	typ      *valueType
	optional bool
	doc      string
	ft       *types.FieldType
}

// celTypes hands out the generated object types. It is the type provider of one check.
type celTypes struct {
	*types.Registry // the standard types
	named           map[string]*valueType
}

func newCelTypes() (*celTypes, error) {
	reg, err := types.NewRegistry()
	if err != nil {
		return nil, err
	}
	return &celTypes{Registry: reg, named: map[string]*valueType{}}, nil
}

// of makes the type for t; objects in it are named after name.
func (c *celTypes) of(name string, t action.Type) *valueType {
	v := &valueType{typ: t}
	switch t.Kind {
	case action.Int:
		v.cel = types.IntType
	case action.Bool:
		v.cel = types.BoolType
	case action.Time:
		v.cel = types.TimestampType
	case action.Duration:
		v.cel = types.DurationType
	case action.List:
		v.elem = c.of(name, *t.Elem)
		v.cel = types.NewListType(v.elem.cel)
	case action.Map:
		v.elem = c.of(name, *t.Elem)
		v.cel = types.NewMapType(types.StringType, v.elem.cel)
	case action.Object:
		v.cel = types.NewObjectType(name)
		v.fields = map[string]*valueField{}
		for _, f := range t.Fields {
			vf := &valueField{name: f.Name, typ: c.of(name+"."+f.Name, f.Type), optional: f.Optional, doc: f.Doc}
			vf.ft = fieldType(vf)
			v.fields[f.Name] = vf
		}
		c.named[name] = v
	default:
		v.cel = types.StringType
	}
	return v
}

func fieldType(f *valueField) *types.FieldType {
	return &types.FieldType{Type: f.typ.cel, IsSet: f.isSet, GetFrom: f.getFrom}
}

func (c *celTypes) FindStructType(name string) (*types.Type, bool) {
	if v, ok := c.named[name]; ok {
		return types.NewTypeTypeWithParam(v.cel), true
	}
	return c.Registry.FindStructType(name)
}

func (c *celTypes) FindStructFieldNames(name string) ([]string, bool) {
	v, ok := c.named[name]
	if !ok {
		return c.Registry.FindStructFieldNames(name)
	}
	names := make([]string, 0, len(v.typ.Fields))
	for _, f := range v.typ.Fields {
		names = append(names, f.Name)
	}
	return names, true
}

func (c *celTypes) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	v, ok := c.named[name]
	if !ok {
		return c.Registry.FindStructFieldType(name, field)
	}
	f, ok := v.fields[field]
	if !ok {
		return nil, false
	}
	return f.ft, true
}

func (c *celTypes) NewValue(name string, fields map[string]ref.Val) ref.Val {
	if _, ok := c.named[name]; ok {
		return types.NewErr("objects cannot be made in an expression")
	}
	return c.Registry.NewValue(name, fields)
}

// record is an object as CEL sees it: a view of a map, converted field by field when read.
type record struct {
	typ *valueType
	m   map[string]any
	get func(name string) (any, bool) // instead of m: computed fields, such as steps
}

func (o *record) field(name string) (any, bool) {
	if o.get != nil {
		return o.get(name)
	}
	v, ok := o.m[name]
	return v, ok && v != nil
}

func (f *valueField) isSet(target any) bool {
	o, ok := target.(*record)
	if !ok {
		return false
	}
	_, ok = o.field(f.name)
	return ok
}

func (f *valueField) getFrom(target any) (any, error) {
	o, ok := target.(*record)
	if !ok {
		return nil, fmt.Errorf("%s is not there", f.name)
	}
	v, ok := o.field(f.name)
	if !ok {
		if o.typ.zeros {
			return types.IntZero, nil
		}
		return nil, fmt.Errorf("%s is not there yet", f.name)
	}
	out := f.typ.wrap(v)
	if types.IsError(out) {
		return nil, out.(*types.Err)
	}
	return out, nil
}

// wrap turns a plain Go value into a CEL value of the type.
func (t *valueType) wrap(v any) ref.Val {
	switch v := v.(type) {
	case string:
		switch t.typ.Kind {
		case action.Time:
			at, err := time.Parse(time.RFC3339Nano, v)
			if err != nil {
				return types.NewErr("%q is not a time", v)
			}
			return types.Timestamp{Time: at}
		case action.Duration:
			d, err := time.ParseDuration(v)
			if err != nil {
				if d, err = ParseDuration(v); err != nil {
					return types.NewErr("%q is not a duration", v)
				}
			}
			return types.Duration{Duration: d}
		}
		return types.String(v)
	case int64:
		return types.Int(v)
	case int:
		return types.Int(v)
	case bool:
		return types.Bool(v)
	case time.Time:
		return types.Timestamp{Time: v}
	case []any:
		if t.elem == nil {
			break
		}
		list := make([]ref.Val, len(v))
		for i, e := range v {
			list[i] = t.elem.wrap(e)
		}
		return types.NewRefValList(types.DefaultTypeAdapter, list)
	case map[string]any:
		switch t.typ.Kind {
		case action.Object:
			return &record{typ: t, m: v}
		case action.Map:
			m := make(map[ref.Val]ref.Val, len(v))
			for k, e := range v {
				m[types.String(k)] = t.elem.wrap(e)
			}
			return types.NewRefValMap(types.DefaultTypeAdapter, m)
		}
	case []string:
		list := make([]ref.Val, len(v))
		for i, e := range v {
			list[i] = types.String(e)
		}
		return types.NewRefValList(types.DefaultTypeAdapter, list)
	case *record:
		return v
	}
	return types.NewErr("a value of the wrong kind, want %s", article(t.typ))
}

// The methods that make record a CEL value.

func (o *record) ConvertToNative(t reflect.Type) (any, error) {
	if t == reflect.TypeFor[map[string]any]() {
		return o.plain()
	}
	return nil, fmt.Errorf("an object has no such form")
}

func (o *record) ConvertToType(t ref.Type) ref.Val {
	if t == types.TypeType {
		return o.typ.cel
	}
	return types.NewErr("an object cannot become %s", t.TypeName())
}

func (o *record) Equal(other ref.Val) ref.Val {
	p, ok := other.(*record)
	if !ok || p.typ.cel.TypeName() != o.typ.cel.TypeName() {
		return types.False
	}
	for name, f := range o.typ.fields {
		a, hasA := o.field(name)
		b, hasB := p.field(name)
		if hasA != hasB {
			return types.False
		}
		if hasA && f.typ.wrap(a).Equal(f.typ.wrap(b)) != types.True {
			return types.False
		}
	}
	return types.True
}

func (o *record) Type() ref.Type { return o.typ.cel }
func (o *record) Value() any     { return o }

// Get implements traits.Indexer.
func (o *record) Get(index ref.Val) ref.Val {
	f, ok := o.fieldType(index)
	if !ok {
		return types.NewErr("no such field: %v", index.Value())
	}
	v, err := f.getFrom(o)
	if err != nil {
		return types.WrapErr(err)
	}
	return v.(ref.Val)
}

// IsSet implements traits.FieldTester.
func (o *record) IsSet(index ref.Val) ref.Val {
	f, ok := o.fieldType(index)
	if !ok {
		return types.NewErr("no such field: %v", index.Value())
	}
	return types.Bool(f.isSet(o))
}

// Contains and Find let optional selection look before it reads.
func (o *record) Contains(index ref.Val) ref.Val { return o.IsSet(index) }

func (o *record) Find(index ref.Val) (ref.Val, bool) {
	if o.IsSet(index) != types.True {
		return nil, false
	}
	return o.Get(index), true
}

func (o *record) fieldType(index ref.Val) (*valueField, bool) {
	name, ok := index.(types.String)
	if !ok {
		return nil, false
	}
	f, ok := o.typ.fields[string(name)]
	return f, ok
}

// plain is the object as plain Go values.
func (o *record) plain() (map[string]any, error) {
	if o.get == nil {
		return o.m, nil
	}
	return nil, fmt.Errorf("this object cannot be a value as a whole")
}

// plainMany turns CEL lists and maps into plain Go ones.
func plainMany(v ref.Val) (any, error) {
	switch v := v.(type) {
	case traits.Lister:
		n, _ := v.Size().(types.Int)
		out := make([]any, 0, int(n))
		for i := types.Int(0); i < n; i++ {
			e, err := plainValue(v.Get(i))
			if err != nil {
				return nil, err
			}
			out = append(out, e)
		}
		return out, nil
	case traits.Mapper:
		out := map[string]any{}
		for it := v.Iterator(); it.HasNext() == types.True; {
			k := it.Next()
			name, ok := k.(types.String)
			if !ok {
				return nil, fmt.Errorf("a map key that is not text")
			}
			e, err := plainValue(v.Get(k))
			if err != nil {
				return nil, err
			}
			out[string(name)] = e
		}
		return out, nil
	}
	return nil, fmt.Errorf("a value that cannot leave an expression")
}

// Package alike holds encoders written by hand against encoding/json, for tests.
package alike

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// Check compares what write makes of values of T with what encoding/json makes of them. Every
// member of T is set, or left empty, by chance, so that one which write forgets, or puts in another
// place, shows.
func Check[T any](t *testing.T, write func(*T) ([]byte, error)) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		var v T
		chance(r, reflect.ValueOf(&v).Elem(), -1)
		want, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		got, err := write(&v)
		if err != nil || string(got) != string(want) {
			t.Fatalf("%T: error %v\n got %s\nwant %s", v, err, got, want)
		}
	}
}

func chance(r *rand.Rand, v reflect.Value, depth int) {
	if depth >= 0 && r.IntN(4) == 0 || depth > 6 {
		return
	}
	texts := []string{"x", "release/lava/2019.01", "<é>", "a\"b", "sha256:00"}
	switch v.Kind() {
	case reflect.String:
		v.SetString(texts[r.IntN(len(texts))])
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(r.IntN(2000) - 1000))
	case reflect.Uint64, reflect.Uint32, reflect.Uint8:
		v.SetUint(uint64(r.IntN(200)))
	case reflect.Interface:
		free := []any{nil, "text", int64(7), true, 1.5, map[string]any{"b": "1", "a": nil}, []any{"x", int64(1)}}
		if one := free[r.IntN(len(free))]; one != nil {
			v.Set(reflect.ValueOf(one))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		chance(r, v.Elem(), depth+1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(3), 4))
		for i := range v.Len() {
			chance(r, v.Index(i), depth+1)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range r.IntN(4) {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			chance(r, key, depth+1)
			chance(r, value, depth+1)
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(r.Int64N(4e9), r.Int64N(1e9)).UTC()))
			return
		}
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				chance(r, f, depth+1)
			}
		}
	}
}

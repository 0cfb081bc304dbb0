package jsonout_test

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"

	"slipway/bot/jsonout"
)

type sample struct {
	S string         `json:"s"`
	O string         `json:"o,omitempty"`
	I int            `json:"i"`
	J int            `json:"j,omitempty"`
	U uint64         `json:"u"`
	W uint64         `json:"w,omitempty"`
	B bool           `json:"b"`
	C bool           `json:"c,omitempty"`
	T time.Time      `json:"t"`
	Z time.Time      `json:"z,omitzero"`
	X []byte         `json:"x"`
	Y []byte         `json:"y,omitempty"`
	V map[string]any `json:"v"`
	M map[string]any `json:"m,omitempty"`
	A any            `json:"a"`
	R inner          `json:"r"`
}

type inner struct {
	K string `json:"k"`
}

func write(v sample) ([]byte, error) {
	o := jsonout.Begin(nil)
	o.String("s", v.S)
	o.OptString("o", v.O)
	o.Int("i", v.I)
	o.OptInt("j", v.J)
	o.Uint("u", v.U)
	o.OptUint("w", v.W)
	o.Bool("b", v.B)
	o.OptBool("c", v.C)
	o.Time("t", v.T)
	o.OptTime("z", v.Z)
	o.Bytes("x", v.X)
	o.OptBytes("y", v.Y)
	o.Values("v", v.V)
	o.OptValues("m", v.M)
	o.Any("a", v.A)
	o.Nested("r", func(out []byte) ([]byte, error) {
		r := jsonout.Begin(out)
		r.String("k", v.R.K)
		return r.End()
	})
	return o.End()
}

// text draws what encoding/json treats in its own way too: markup, controls, broken UTF-8.
func text() *rapid.Generator[string] {
	return rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "plain", "<b>&", "a\"b\\", "\n\t\x00\x7f", "\u2028", "é", "\xff\xfe"}),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
}

func moment() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		at := time.Unix(rapid.Int64Range(-62e9, 200e9).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC()
		switch rapid.IntRange(0, 3).Draw(t, "zone") {
		case 0:
			return time.Time{}
		case 1:
			return at.In(time.FixedZone("x", rapid.IntRange(-12, 12).Draw(t, "h")*3600))
		}
		return at
	})
}

func value(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		n := 5
		if depth > 0 {
			n = 7
		}
		switch rapid.IntRange(0, n).Draw(t, "kind") {
		case 0:
			return nil
		case 1:
			return rapid.Bool().Draw(t, "bool")
		case 2:
			return rapid.Int64().Draw(t, "int")
		case 3:
			return rapid.Float64Range(-1e30, 1e30).Draw(t, "float")
		case 6:
			return rapid.MapOfN(text(), value(depth-1), 0, 12).Draw(t, "map")
		case 7:
			return rapid.SliceOfN(value(depth-1), 0, 4).Draw(t, "list")
		}
		return text().Draw(t, "text")
	})
}

func TestAsEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		maps := rapid.OneOf(rapid.Just(map[string]any(nil)), rapid.MapOfN(text(), value(2), 0, 12))
		raw := rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOf(rapid.Byte()))
		v := sample{S: text().Draw(t, "s"), O: text().Draw(t, "o"), I: rapid.Int().Draw(t, "i"), J: rapid.IntRange(-1, 1).Draw(t, "j"),
			U: rapid.Uint64().Draw(t, "u"), W: rapid.Uint64Range(0, 2).Draw(t, "w"), B: rapid.Bool().Draw(t, "b"), C: rapid.Bool().Draw(t, "c"),
			T: moment().Draw(t, "t"), Z: moment().Draw(t, "z"), X: raw.Draw(t, "x"), Y: raw.Draw(t, "y"), V: maps.Draw(t, "v"), M: maps.Draw(t, "m"),
			A: value(2).Draw(t, "a"), R: inner{text().Draw(t, "k")}}
		want, wantErr := json.Marshal(v)
		got, err := write(v)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("error %v, want %v", err, wantErr)
		}
		if err == nil && string(got) != string(want) {
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		}
	})
}

package action

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

type sample struct {
	Version string   `cel:"version" json:"version" kind:"version"`
	State   string   `cel:"state" json:"state" enum:"ok,failed"`
	Names   []string `cel:"names,optional" json:"names,omitempty"`
}

func TestTypeOfAndCheck(t *testing.T) {
	typ, err := TypeOf[sample]()
	if err != nil {
		t.Fatal(err)
	}
	good := Values{"version": "2019.01", "state": "ok"}
	if err := typ.Check("it", good); err != nil {
		t.Errorf("good values are refused: %v", err)
	}
	for what, v := range map[string]Values{
		"it.version is missing":                      {"state": "ok"},
		`it.state is "done", want one of ok, failed`: {"version": "1", "state": "done"},
		"it.names is text, want list(string)":        {"version": "1", "state": "ok", "names": "a"},
		`it has no field "more"`:                     {"version": "1", "state": "ok", "more": true},
	} {
		if err := typ.Check("it", v); err == nil || err.Error() != what {
			t.Errorf("%v: got %v, want %s", v, err, what)
		}
	}
	type untagged struct{ Name string }
	if _, err := TypeOf[untagged](); err == nil {
		t.Error("a field without tags has no name in a playbook")
	}
}

func TestCanonicalIsOneFormForOneValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.MapOf(rapid.String(), rapid.Int64()).Draw(t, "values")
		v := Values{}
		for k, n := range m {
			v[strings.ToValidUTF8(k, "?")] = n
		}
		a, err := Canonical(v)
		if err != nil {
			t.Fatal(err)
		}
		back, err := DecodeValues(a)
		if err != nil {
			t.Fatal(err)
		}
		b, err := Canonical(back)
		if err != nil || string(a) != string(b) {
			t.Fatalf("%s reads back as %s (%v)", a, b, err)
		}
	})
}

func TestNumbersAreWhole(t *testing.T) {
	for _, bad := range []string{`1.5`, `1e400`, `99999999999999999999`, `{"a":1} x`, `[`} {
		if _, err := Decode([]byte(bad)); err == nil {
			t.Errorf("%s is read", bad)
		}
	}
}

func TestKeysTellPerformancesApart(t *testing.T) {
	seen := map[string]Key{}
	for _, k := range []Key{{"r", "s", "d", 0}, {"r", "s", "d", 1}, {"r", "s", "e", 0}, {"r", "t", "d", 0}, {"q", "s", "d", 0}, {"r\x00s", "", "d", 0}} {
		if other, ok := seen[k.String()]; ok {
			t.Errorf("%v and %v have one key", k, other)
		}
		seen[k.String()] = k
	}
}

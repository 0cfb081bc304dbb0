package gate

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"slipway/bot/errs"
)

func TestParseRule(t *testing.T) {
	for _, tc := range []struct {
		in, want string
		roles    string
	}{
		{"1 of maintainer", "1 of maintainer", "maintainer"},
		{"  2  of maintainer ,not requester", "2 of maintainer, not requester", "maintainer"},
		{"2 of a and 1 of b or 3 of c", "2 of a and 1 of b or 3 of c", "a b c"},
		{"1 of a and (1 of b or 1 of c)", "1 of a and (1 of b or 1 of c)", "a b c"},
		{"(1 of a or 1 of b) or 1 of c", "1 of a or 1 of b or 1 of c", "a b c"},
		{"((1 of a))", "1 of a", "a"},
		{"1 of a and 1 of a", "1 of a and 1 of a", "a"},
		{"1 of a, not author, not requester", "1 of a, not requester, not author", "a"},
		{"1 of release-manager.lava_2", "1 of release-manager.lava_2", "release-manager.lava_2"},
	} {
		r, err := ParseRule(tc.in)
		if err != nil {
			t.Errorf("%q: %v", tc.in, err)
			continue
		}
		if r.String() != tc.want || strings.Join(r.Roles(), " ") != tc.roles {
			t.Errorf("%q: got %q with roles %v", tc.in, r, r.Roles())
		}
		data, err := json.Marshal(struct{ R Rule }{r})
		if err != nil {
			t.Fatal(err)
		}
		var back struct{ R Rule }
		if err := json.Unmarshal(data, &back); err != nil || !back.R.Equal(r) {
			t.Errorf("%q as JSON %s: %v", tc.in, data, err)
		}
	}
	var zero Rule
	if data, _ := json.Marshal(zero); string(data) != `""` || json.Unmarshal(data, &zero) != nil || !zero.IsZero() {
		t.Errorf("the zero rule is %s in JSON", data)
	}
}

func TestParseRuleSaysWhereAndWhat(t *testing.T) {
	for _, tc := range []struct {
		in     string
		column int
		hint   string
	}{
		{"", 1, `"2 of maintainer, not requester"`},
		{"2 maintainer", 3, `"2 of maintainer"`},
		{"maintainer", 1, `"1 of maintainer"`},
		{"all of maintainer", 1, `how many: "1 of ROLE"`},
		{"0 of maintainer", 1, "2 of maintainer"},
		{"01 of maintainer", 1, "2 of maintainer"},
		{"101 of maintainer", 1, "2 of maintainer"},
		{"-1 of maintainer", 1, "2 of maintainer"},
		{"1 of", 5, "ROLE"},
		{"1 of not", 6, "ROLE"},
		{"1 of requester", 6, "ROLE"},
		{"1 of a 1 of b", 8, `"and"`},
		{"1 of a AND 1 of b", 8, `"and"`},
		{"1 of a & 1 of b", 8, `"and"`},
		{"1 of a | 1 of b", 8, `"or"`},
		{"(1 of a", 8, `")"`},
		{"1 of a)", 7, `without this ")"`},
		{"1 of a and", 11, "N of ROLE"},
		{"1 of a not requester", 8, `", not"`},
		{"1 of a, requester", 9, `", not requester"`},
		{"1 of a, not maria", 13, `"not requester"`},
		{"1 of a, not authors", 13, `"not author"`},
		{"1 of a, not requester, not requester", 24, "it once"},
		{"not requester", 1, "at the end"},
		{"1 of a\nand 1 of b", 7, "on one line"},
		{"1 of maintaïner", 12, "2 of maintainer"},
		{strings.Repeat("(", 20) + "1 of a", 11, "fewer parentheses"},
		{"60 of a and 60 of a", 1, "2 of maintainer"},
		{"1 of a and (1 of b or 1 of c) and (1 of d or 1 of e) and (1 of f or 1 of g) and (1 of h or 1 of i) and (1 of j or 1 of k) and (1 of l or 1 of m)", 1, "simpler"},
		{strings.Repeat("1 of a and ", 100), 1000, "shorter"},
	} {
		_, err := ParseRule(tc.in)
		var re *RuleError
		if !errs.Is(err, errs.Invalid) || !errors.As(err, &re) {
			t.Errorf("%q: %v", tc.in, err)
			continue
		}
		if re.Column != tc.column || !strings.Contains(errs.HintOf(err), tc.hint) {
			t.Errorf("%q: column %d (%s), hint %q", tc.in, re.Column, re.What, errs.HintOf(err))
		}
	}
}

func FuzzParseRule(f *testing.F) {
	for _, s := range []string{"2 of maintainer, not requester", "1 of a and (2 of b or 1 of c), not author", "((1 of x", "1 of a,", "9999999999999999999 of a", "1 of \xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRule(s)
		if err != nil {
			if !errs.Is(err, errs.Invalid) || errs.HintOf(err) == "" || !r.IsZero() {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		again, err := ParseRule(r.String())
		if err != nil || again.String() != r.String() || !slices.Equal(again.roles, r.roles) || len(again.ways) != len(r.ways) {
			t.Fatalf("%q became %q, which reads as %q: %v", s, r, again, err)
		}
		for _, w := range r.ways {
			if w.slots() < 1 {
				t.Fatalf("%q can pass without anybody", s)
			}
		}
	})
}

package version

import (
	"testing"

	"pgregory.net/rapid"
)

func TestOrder(t *testing.T) {
	// Each line is in rising order.
	for _, line := range [][]string{
		{"2019.01-1", "2019.01.post1-1", "2019.02-1"},
		{"2015.9post1", "2015.9.post1"},
		{"2022.01", "2022.01.1", "2022.01.post1"},
		{"1.0~~", "1.0~", "1.0", "1.0+b1"},
		{"X~bpo9+1", "X"}, {"X-1", "X-1+b1"},
		{"2026.07-1", "2026.07+12+trixie", "2026.07+13+trixie"},
		{"2026.07", "1:2015.1"},
		{"9", "10", "100000000000000000000000000000000"},
	} {
		for i := range line {
			for j := range line {
				got := Compare(line[i], line[j])
				if (got < 0) != (i < j) || (got > 0) != (i > j) {
					t.Errorf("Compare(%s, %s) = %d", line[i], line[j], got)
				}
			}
		}
	}
	for _, same := range [][2]string{{"2019.1", "2019.01"}, {"0:1", "1"}, {"1-", "1-0"}, {"1", "1-0"}} {
		if Compare(same[0], same[1]) != 0 {
			t.Errorf("%s and %s are the same version", same[0], same[1])
		}
	}
}

func TestOrderIsTotal(t *testing.T) {
	gen := rapid.StringMatching(`([0-9]:)?[0-9a-c.+~]{0,6}(-[0-9a~]{0,3})?`)
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := gen.Draw(t, "a"), gen.Draw(t, "b"), gen.Draw(t, "c")
		if Compare(a, b) != -Compare(b, a) {
			t.Fatalf("%q and %q are not in one order", a, b)
		}
		if Compare(a, b) <= 0 && Compare(b, c) <= 0 && Compare(a, c) > 0 {
			t.Fatalf("%q ≤ %q ≤ %q but not %q ≤ %q", a, b, c, a, c)
		}
	})
}

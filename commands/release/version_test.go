package release

import (
	"os/exec"
	"strings"
	"testing"

	"slipway/bot/errs"
	"slipway/bot/version"

	"pgregory.net/rapid"
)

func TestVersionsAreReadOrRefusedWithTheFix(t *testing.T) {
	tests := []struct {
		scheme Scheme
		text   string
		fix    string // in the error's text; "" = accepted
	}{
		{Calendar, "2019.01", ""},
		{Calendar, "2019.01.1", ""},
		{Calendar, "2019.12.10", ""},
		{Calendar, "2019.10", ""},
		{Calendar, "2019.1", "the month has one digit; did you mean 2019.01?"},
		{Calendar, "2019.1.2", "the month has one digit; did you mean 2019.01.2?"},
		{Calendar, "2019.9post1", "did you mean 2019.09.post1?"},
		{Calendar, "2019.09post1", "did you mean 2019.09.post1?"},
		{Calendar, "2019.01.post1", "old form of a point release; did you mean 2019.01.1?"},
		{Calendar, "2019.00", "no such month"},
		{Calendar, "2019.0", "no such month"},
		{Calendar, "2019.13", "no such month"},
		{Calendar, "2019.01.0", "did you mean 2019.01.1?"},
		{Calendar, "2019.01.01", "did you mean 2019.01.1?"},
		{Calendar, "1999.01", "the year must be 2000 or later"},
		{Calendar, "0019.01", "the year must be 2000 or later"},
		{Calendar, "201901", "YYYY.MM"},
		{Calendar, "2019_01", `'_' may not stand in a version`},
		{Calendar, "2019.01 ", `' ' may not stand in a version`},
		{Calendar, "2019.01;id", `';' may not stand in a version`},
		{Calendar, "--upload-pack=x", `'=' may not stand in a version`},
		{Calendar, "2019.01-1", "YYYY.MM"},
		{Calendar, "v2019.01", "YYYY.MM"},
		{Calendar, "", "the version is missing"},
		{Calendar, "२०१९.०१", "may not stand in a version"},
		{SemverLike, "1.2.3", ""},
		{SemverLike, "v1.2.3", ""},
		{SemverLike, "1.2", ""},
		{SemverLike, "1.2.3-rc1", ""},
		{SemverLike, "1.02.3", "did you mean 1.2.3?"},
		{SemverLike, "v01.2", "did you mean v1.2?"},
		{SemverLike, "1", "1.2.3"},
		{SemverLike, "1.2.3/../x", "'/' may not stand in a version"},
		{"roman", "MM", "there is no version scheme"},
	}
	for _, tt := range tests {
		v, err := NewVersion(tt.scheme, tt.text)
		if tt.fix == "" {
			if err != nil || v.String() != tt.text {
				t.Errorf("%s %q: got %q, %v", tt.scheme, tt.text, v, err)
			}
			continue
		}
		if !errs.Is(err, errs.Invalid) || !strings.Contains(errs.Text(err), tt.fix) {
			t.Errorf("%s %q: got %q, want %q in it", tt.scheme, tt.text, errs.Text(err), tt.fix)
		}
		if err != nil && errs.HintOf(err) == "" && tt.text != "" {
			t.Errorf("%s %q: the refusal has no hint", tt.scheme, tt.text)
		}
	}
}

func TestOldFormsCanBeRead(t *testing.T) {
	if v, err := ParseVersion(Calendar, "2021.04.post1"); err != nil || v.Debian(1) != "2021.04.post1-1" {
		t.Errorf("got %v, %v", v, err)
	}
	for _, tag := range []string{"2015.8", "2018.7", "2015.9post1", "2015.9.post1", "2022.01.1"} {
		if _, ok := ReadTag(Calendar, tag); !ok {
			t.Errorf("%s is not read as a release", tag)
		}
	}
	for _, tag := range []string{"show", "debian/2019.01-1", "2018.11-1", "2016.11.post1-1", "0.1.6", "v1", ""} {
		if _, ok := ReadTag(Calendar, tag); ok {
			t.Errorf("%s is read as a release", tag)
		}
	}
	if !Equal(Calendar, "2019.1", "2019.01") || Equal(Calendar, "2019.1", "2019.10") || !Equal(Calendar, "show", "show") {
		t.Error("equality of versions is wrong")
	}
	if Equal(SemverLike, "1.2", "1.2.0") || !Equal(SemverLike, "v1.2.0", "1.2.0") {
		t.Error("equality of semver-like versions is wrong")
	}
}

func TestDpkgOrder(t *testing.T) {
	for _, pair := range [][3]string{
		{"2019.01-1", "<", "2019.01.post1-1"},
		{"2019.01.post1-1", "<", "2019.02-1"},
		{"2015.9post1", "<", "2015.9.post1"},
		{"2022.01.1", "<", "2022.01.post1"},
		{"2019.01-1~bpo9+1", "<", "2019.01-1"},
		{"2019.01-1", "<", "2019.01-1+b1"},
		{"2026.07", "<", "1:2015.1"},
		{"2019.1", "=", "2019.01"},
		{"2026.07-1", "<", "2026.07+13+trixie"},
		{"2026.07+12+bookworm", "<", "2026.07+13+trixie"},
		{"2019.01", "<", "2019.01.dev12"},
		{"1.0~~", "<", "1.0~"},
		{"1.0~", "<", "1.0"},
		{"1.0", "=", "1.0-0"},
		{"1.0-", "!", ""},
		{"a1", "!", ""},
		{"2019_01", "!", ""},
		{"", "!", ""},
		{":1", "!", ""},
		{"1.0", "<", "1.0a"},
		{"1.0a", "<", "1.0+"},
		{"99999999999999999999998", "<", "99999999999999999999999"},
		{"0:1.0", "=", "1.0"},
		{"1.9", "<", "1.10"},
	} {
		v, err := version.Parse(pair[0])
		if pair[1] == "!" {
			if !errs.Is(err, errs.Invalid) {
				t.Errorf("%q: got %v, %v", pair[0], v, err)
			}
			continue
		}
		w, err2 := version.Parse(pair[2])
		if err != nil || err2 != nil {
			t.Errorf("%v: %v, %v", pair, err, err2)
			continue
		}
		want := map[string]int{"<": -1, "=": 0}[pair[1]]
		if got := v.Compare(w); got != want || w.Compare(v) != -want {
			t.Errorf("%v: got %d and %d", pair, got, w.Compare(v))
		}
	}
}

func debianVersions() *rapid.Generator[string] {
	return rapid.StringMatching(`([0-2]:)?[0-9][0-9a-cA.+~]{0,8}(-[0-9a.+~]{1,5})?`)
}

func TestDpkgOrderIsAnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var v [3]version.Version
		for i := range v {
			var err error
			if v[i], err = version.Parse(debianVersions().Draw(t, "version")); err != nil {
				t.Fatal(err)
			}
		}
		if v[0].Compare(v[1]) != -v[1].Compare(v[0]) || v[0].Compare(v[0]) != 0 {
			t.Fatalf("%v and %v are not in opposite orders", v[0], v[1])
		}
		if v[0].Compare(v[1]) <= 0 && v[1].Compare(v[2]) <= 0 && v[0].Compare(v[2]) > 0 {
			t.Fatalf("%v, %v, %v is a circle", v[0], v[1], v[2])
		}
		with := v[0]
		with.Upstream += "~x"
		if v[0].Revision == "" && with.Compare(v[0]) >= 0 {
			t.Fatalf("%v does not sort below %v", with, v[0])
		}
		if again, err := version.Parse(v[0].String()); err != nil || again.Compare(v[0]) != 0 {
			t.Fatalf("%v reads back as %v, %v", v[0], again, err)
		}
	})
}

func TestDpkgAgrees(t *testing.T) {
	dpkg, err := exec.LookPath("dpkg")
	if err != nil {
		t.Log("dpkg is not installed: the order is checked against the table alone")
		return
	}
	gen := debianVersions()
	for i := range 60 {
		a, b := gen.Example(i), gen.Example(i+1000)
		v, _ := version.Parse(a)
		w, _ := version.Parse(b)
		op := map[int]string{-1: "lt", 0: "eq", 1: "gt"}[v.Compare(w)]
		if err := exec.Command(dpkg, "--compare-versions", a, op, b).Run(); err != nil {
			t.Errorf("dpkg does not say that %s %s %s", a, op, b)
		}
	}
}

func TestANewVersionMustSortAboveItsLine(t *testing.T) {
	tests := []struct {
		scheme Scheme
		text   string
		tags   string
		code   string // "" = nothing found
		fix    string
	}{
		{Calendar, "2019.01", "", "", ""},
		{Calendar, "2019.01", "show debian/2018.11-1", "", ""},
		{Calendar, "2019.01", "2018.11 2018.10", "", ""},
		{Calendar, "2019.01", "2018.11 2019.1", "version.exists", "2019.01.1"},
		{Calendar, "2018.12", "2018.11 2019.01", "version.not_above", "2019.02"},
		{Calendar, "2019.11", "2019.12", "version.not_above", "2020.01"},
		{Calendar, "2019.01.1", "2019.01", "", ""},
		{Calendar, "2019.01.1", "2019.01 2019.02", "version.old_line", ""},
		{Calendar, "2019.01.1", "2019.01 2019.01.2", "version.not_above", "2019.01.3"},
		{Calendar, "2022.01.1", "2022.01 2022.01.post1", "version.not_above", "2022.02"},
		{Calendar, "2019.02.1", "2019.01", "version.no_base", ""},
		{Calendar, "2109.01", "2018.11", "version.far", ""},
		{SemverLike, "1.3.0", "1.2.0 1.2.9", "", ""},
		{SemverLike, "1.2.10", "1.2.0 1.2.9", "", ""},
		{SemverLike, "1.9.0", "1.8.0 2.0.0", "version.old_line", ""},
		{SemverLike, "1.3.0", "1.4.2", "version.not_above", "1.5.0"},
		{SemverLike, "v1.2.0-rc1", "v1.1.0 v1.2.0", "version.not_above", "v1.3.0"},
		{SemverLike, "v1.2.0", "v1.2.0-rc1 v1.1.0", "", ""},
		{SemverLike, "1.2.3", "v1.2.3", "version.exists", "1.2.4"},
	}
	for _, tt := range tests {
		v, err := NewVersion(tt.scheme, tt.text)
		if err != nil {
			t.Fatal(err)
		}
		found := LintVersion(v, strings.Fields(tt.tags))
		if tt.code == "" {
			if len(found) != 0 {
				t.Errorf("%s over %s: found %v", tt.text, tt.tags, found)
			}
			continue
		}
		if len(found) != 1 || found[0].Code != tt.code || !strings.Contains(found[0].Fix, tt.fix) || !strings.Contains(found[0].Text, tt.text) {
			t.Errorf("%s over %s: got %+v, want %s with %q", tt.text, tt.tags, found, tt.code, tt.fix)
		}
	}
}

func TestTheProposedVersionIsAccepted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scheme := rapid.SampledFrom([]Scheme{Calendar, SemverLike}).Draw(t, "scheme")
		gen := rapid.StringMatching(`20(18|19)\.(0[1-9]|1[0-2])(\.[1-3]|\.post[12])?`)
		if scheme == SemverLike {
			gen = rapid.StringMatching(`v?[0-2]\.[0-2](\.[0-3](-rc[12])?)?`)
		}
		tags := rapid.SliceOfN(gen, 1, 6).Draw(t, "tags")
		v, err := NewVersion(scheme, gen.Filter(func(s string) bool { return !strings.Contains(s, "post") }).Draw(t, "new"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range LintVersion(v, tags) {
			if f.Severity != Error {
				continue
			}
			_, after, found := strings.Cut(f.Fix, "for example ")
			if !found {
				continue
			}
			proposed, err := NewVersion(scheme, after)
			if err != nil {
				t.Fatalf("%s over %v: the proposal is refused: %v", v, tags, err)
			}
			if Blocking(LintVersion(proposed, tags)) {
				t.Fatalf("%s over %v: the proposal %s is refused: %v", v, tags, proposed, LintVersion(proposed, tags))
			}
		}
	})
}

func FuzzParseVersion(f *testing.F) {
	for _, s := range []string{"2019.01", "2019.1", "2019.01.post1", "v1.2.3-rc1", "2015.9post1", "1..2", "2019.001"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, scheme := range []Scheme{Calendar, SemverLike} {
			v, err := NewVersion(scheme, text)
			if err != nil {
				if !errs.Is(err, errs.Invalid) {
					t.Fatalf("%q: %v is not Invalid", text, err)
				}
				continue
			}
			if v.Text != text || strings.HasPrefix(text, "-") {
				t.Fatalf("%q was accepted as %q", text, v.Text)
			}
			if _, err := version.Parse(v.Debian(1)); err != nil {
				t.Fatalf("%q makes a package version that dpkg refuses: %v", text, err)
			}
		}
	})
}

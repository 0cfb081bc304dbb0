package debian

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"slipway/bot/errs"
)

func TestVersionsHaveParts(t *testing.T) {
	for text, want := range map[string]Version{
		"1":                    {Epoch: "", Upstream: "1", Revision: ""},
		"2019.01-1":            {Epoch: "", Upstream: "2019.01", Revision: "1"},
		"1:2.0~rc1-2-3ubuntu1": {Epoch: "1", Upstream: "2.0~rc1-2", Revision: "3ubuntu1"},
		"0:1:2-3":              {Epoch: "0", Upstream: "1:2", Revision: "3"},
	} {
		v, err := ParseVersion(text)
		if err != nil || v != want || v.String() != text || v.Native() != (want.Revision == "") {
			t.Errorf("%s: %+v %v", text, v, err)
		}
	}
	if v, _ := ParseVersion("1:2-3"); v.NoEpoch() != "2-3" {
		t.Error(v.NoEpoch())
	}
	for text, why := range map[string]string{
		"": "is empty", "1-": "nothing follows", "-1": "is empty", "a1": "start with a digit", "1_2": `'_'`, "1 2": `' '`, "1-2:3": "epoch",
		"x:1": "epoch", ":1": "epoch", "9999999999:1": "epoch", "1:": "is empty", "1/../2": `'/'`, "1-2_3": "revision", strings.Repeat("1", 201): "longer",
	} {
		if _, err := ParseVersion(text); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: want %q, got %v", text, why, err)
		}
	}
}

func TestEveryVersionReadsBack(t *testing.T) {
	gen := rapid.StringMatching(`([0-9]{1,3}:)?[0-9][0-9a-zA-Z.+~-]{0,8}(-[0-9a-zA-Z.+~]{1,4})?`)
	rapid.Check(t, func(t *rapid.T) {
		text := gen.Draw(t, "version")
		v, err := ParseVersion(text)
		if err != nil {
			if strings.HasSuffix(text, "-") {
				return
			}
			t.Fatal(err)
		}
		if v.String() != text || v.Compare(v) != 0 {
			t.Fatalf("%q became %q", text, v)
		}
	})
}

func TestLintOfVersions(t *testing.T) {
	for text, want := range map[string]string{
		"2019.01-1":           "",
		"2019.01.post1-1":     "",
		"2.0~rc1-1":           "",
		"1.0-1~bpo12+1":       "",
		"1.0-1ubuntu2":        "",
		"1.0-1+deb12u1":       "",
		"1.0-0ubuntu1":        "",
		"1_0":                 "version.invalid",
		"1:1.0-1":             "version.epoch",
		"0:1.0-1":             "version.epoch_zero",
		"1:1:2-1":             "version.epoch version.colon",
		"1.0":                 "version.native",
		"1.0-0":               "version.revision_zero",
		"1.0-1+b1":            "version.binnmu",
		"2.0rc1-1":            "version.prerelease",
		"2.0.dev0012-1":       "version.prerelease",
		"2.0-rc1":             "version.prerelease",
		"2.0+really1.9-1":     "version.really",
		"2.0+really-1":        "version.really",
		"2.0+b2":              "version.native version.binnmu",
		"2.0-beta2-1":         "version.prerelease",
		"20240101+git1234-1":  "",
		"1.0-1+rpi1":          "",
		"3.0.pre+dfsg-1":      "",
		"2022.1~alpha1+ds1-2": "",
	} {
		var codes []string
		for _, f := range LintVersion(text) {
			codes = append(codes, f.Code)
			if f.Text == "" || f.Fix == "" || (f.Severity == Error) != (f.Code == "version.invalid") {
				t.Errorf("%s: %+v", text, f)
			}
		}
		if got := strings.Join(codes, " "); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	fixes := LintVersion("2.0-rc1")
	if i := slices.IndexFunc(fixes, func(f Finding) bool { return strings.HasSuffix(f.Fix, ": 2.0~rc1") }); i < 0 {
		t.Errorf("fix of 2.0-rc1: %+v", fixes)
	}
}

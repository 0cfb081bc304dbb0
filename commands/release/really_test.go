package release

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"slipway/bot/errs"
	"slipway/bot/version"
)

func TestReally(t *testing.T) {
	for _, c := range []struct{ bad, good, want string }{
		{"2019.02-1", "2019.01-1", "2019.02+really2019.01-1"},
		{"2019.02-3", "2019.01-2", "2019.02+really2019.01-1"},
		{"1:2019.02-1", "1:2019.01-1", "1:2019.02+really2019.01-1"},
		{"1.1.0", "1.0.0", "1.1.0+really1.0.0"},     // native
		{"1.1.0-1", "1.0.0", "1.1.0+really1.0.0-1"}, // what was native is none any more
		// It went back once already: further back needs another number, less far does not.
		{"2019.02+really2019.01-1", "2018.11-1", "2019.02+really2019.01+really2018.11-1"},
		{"2019.02+really2018.11-1", "2019.01-1", "2019.02+really2019.01-1"},
		{"2019.02+really2019.01+really2018.11-1", "2019.01-1", "2019.02+really2019.01+really2018.11+really2019.01-1"},
		// What comes back is itself a return.
		{"2019.03-1", "2019.02+really2019.01-1", "2019.03+really2019.01-1"},
		{"2019.02+really2019.01-2", "2019.01-1", "2019.02+really2019.01-3"},
		{"2019.02-2", "2019.02-1", "2019.02+really2019.02-1"}, // only the packaging was bad
		{"2019.02+really2019.01-1ubuntu", "2019.01-1", "2019.02+really2019.01-1ubuntu.1"},
	} {
		got, err := Really(parsed(t, c.bad), parsed(t, c.good))
		if err != nil || got.String() != c.want {
			t.Errorf("%s with the content of %s is %s (%v), want %s", c.bad, c.good, got, err, c.want)
		}
	}
	for _, c := range [][2]string{{"2019.01-1", "2019.02-1"}, {"2019.01-1", "2019.01-1"}} {
		if got, err := Really(parsed(t, c[0]), parsed(t, c[1])); !errs.Is(err, errs.Invalid) || errs.HintOf(err) == "" {
			t.Errorf("%s with the content of %s is %s, %v", c[0], c[1], got, err)
		}
	}
}

func parsed(t testing.TB, text string) version.Version {
	t.Helper()
	v, err := version.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// versions are drawn from few characters, so that near misses come up.
func versions() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		v := rapid.StringMatching(`[0-9]{1,2}([.+~a]?[0-9]{1,2}){0,2}[~a]?(\+really[0-9]\.[0-9]){0,2}`).Draw(t, "upstream")
		if rapid.Bool().Draw(t, "revised") {
			v += "-" + rapid.StringMatching(`[0-9]{1,2}([~+.a][0-9]?)?`).Draw(t, "revision")
		}
		if rapid.IntRange(0, 4).Draw(t, "epoch") == 0 {
			v = "1:" + v
		}
		return v
	}).Filter(func(v string) bool { _, err := version.Parse(v); return err == nil })
}

// TestReallyIsAlwaysAbove goes back again and again: each version is above the one that clients
// have, dpkg can read it, and it names the content that it has.
func TestReallyIsAlwaysAbove(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bad, err := version.Parse(versions().Draw(t, "bad"))
		if err != nil {
			t.Fatal(err)
		}
		for i := range rapid.IntRange(1, 4).Draw(t, "times") {
			good, err := version.Parse(versions().Draw(t, fmt.Sprint("good", i)))
			if err != nil || good.Compare(bad) >= 0 {
				continue
			}
			got, err := Really(bad, good)
			if err != nil {
				t.Fatalf("%s with the content of %s: %v", bad, good, err)
			}
			again, err := version.Parse(got.String())
			if err != nil || again != got {
				t.Fatalf("%s with the content of %s is %s, which reads as %+v, %v", bad, good, got, again, err)
			}
			if got.Compare(bad) <= 0 || got.Compare(good) <= 0 {
				t.Fatalf("%s with the content of %s is %s, which is not above both", bad, good, got)
			}
			if !strings.HasSuffix(got.Upstream, really+content(good)) {
				t.Fatalf("%s does not tell that it has the content of %s", got, good)
			}
			bad = got
		}
	})
}

func TestReallyFindsTheTagOfTheContent(t *testing.T) {
	in := ReallyIn{Bad: "2019.02-1", Good: "2018.12+really2018.11-1", Scheme: "calendar", Tags: []string{"2018.11", "2018.12", "2019.02"}}
	out, err := chooseReally(in)
	if err != nil || out.Version != "2019.02+really2018.11-1" || out.Tag != "2018.11" {
		t.Errorf("%+v, %v", out, err)
	}
	in.Before = []string{in.Good, in.Good}
	if _, err := chooseReally(in); err != nil {
		t.Errorf("two suites that offered the same: %v", err)
	}
	in.Before = []string{in.Good, "", "2018.10-1"}
	if _, err := chooseReally(in); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "nothing, 2018.10-1 and 2018.12+really2018.11-1") ||
		!strings.Contains(errs.HintOf(err), "suite=") {
		t.Errorf("suites that offered different versions: %v (%s)", err, errs.HintOf(err))
	}
	in.Before, in.Tags = nil, []string{"2018.12"}
	if _, err := chooseReally(in); !errs.Is(err, errs.NotFound) || errs.HintOf(err) == "" {
		t.Errorf("without its tag: %v", err)
	}
	in.Good = ""
	if _, err := chooseReally(in); !errs.Is(err, errs.Invalid) || errs.HintOf(err) == "" {
		t.Errorf("without anything earlier: %v", err)
	}
	out, err = chooseReally(ReallyIn{Bad: "1.1.0-1", Good: "1.0.0-1", Scheme: "semver-like", Tags: []string{"v1.0.0", "v1.1.0"}})
	if err != nil || out.Tag != "v1.0.0" {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestPackageVersionsAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string]string{"2019.02": "2019.02-1", "2019.02-2": "2019.02-2", "1:2019.02-1": "1:2019.02-1",
		"2019.02+really2019.01-1": "2019.02+really2019.01-1", "2019.02.1": "2019.02.1-1"} {
		out, err := packageVersion(PackageVersionIn{Version: text, Scheme: "calendar"})
		if err != nil || out.Debian != want {
			t.Errorf("%s is %s (%v), want %s", text, out.Debian, err, want)
		}
	}
	for _, text := range []string{"2019.2", "newest", "", "2019.13"} {
		if out, err := packageVersion(PackageVersionIn{Version: text, Scheme: "calendar"}); err == nil || errs.HintOf(err) == "" {
			t.Errorf("%q is %s, %v", text, out.Debian, err)
		}
	}
}

func TestDailyVersionsLieBetweenReleases(t *testing.T) {
	out, err := chooseDaily(DailyIn{Scheme: "calendar", Last: "2026.07", Commits: 13})
	if err != nil || out.Version != "2026.07+13-1" {
		t.Fatalf("%+v, %v", out, err)
	}
	if out, err := chooseDaily(DailyIn{Scheme: "semver-like", Last: "v1.2.3", Commits: 1}); err != nil || out.Version != "1.2.3+1-1" {
		t.Errorf("%+v, %v", out, err)
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 100_000).Draw(t, "commits")
		today, err1 := chooseDaily(DailyIn{Scheme: "calendar", Last: "2026.07", Commits: n})
		next, err2 := chooseDaily(DailyIn{Scheme: "calendar", Last: "2026.07", Commits: n + 1})
		if err1 != nil || err2 != nil || version.Compare(today.Version, next.Version) >= 0 {
			t.Fatalf("%s, then %s (%v, %v)", today.Version, next.Version, err1, err2)
		}
		for _, release := range []string{"2026.07.1-1", "2026.08-1"} {
			if version.Compare(next.Version, release) >= 0 {
				t.Fatalf("%s is above %s", next.Version, release)
			}
		}
	})
	if out, err := chooseDaily(DailyIn{Scheme: "calendar", Last: "2026.07"}); !errs.Is(err, errs.Exists) {
		t.Errorf("without a commit it gives the release's own %+v, %v", out, err)
	}
	for _, in := range []DailyIn{{Scheme: "calendar"}, {Scheme: "calendar", Last: "2026.07", Commits: -1}, {Scheme: "calendar", Last: "nightly"}} {
		if out, err := chooseDaily(in); err == nil || errs.HintOf(err) == "" {
			t.Errorf("%+v gives %+v, %v", in, out, err)
		}
	}
}

func TestTheTagOfAPackage(t *testing.T) {
	in := PackageVersionIn{Version: "2019.01", Scheme: "calendar", Tags: []string{"2018.11", "2019.01"}}
	out, err := packageVersion(in)
	if want := (PackageVersionOut{"2019.01-1", "2019.01", "debian/2019.01-1"}); err != nil || out != want {
		t.Errorf("%+v, %v", out, err)
	}
	in.Version = "2019.02"
	if _, err := packageVersion(in); !errs.Is(err, errs.NotFound) || errs.HintOf(err) == "" {
		t.Errorf("a release without a tag: %v", err)
	}
	in.Tags = nil
	if out, err := packageVersion(in); err != nil || out.Tag != "" {
		t.Errorf("where no tags are asked for: %+v, %v", out, err)
	}
	for version, want := range map[string]string{"1:2.0~rc1-1": "debian/1%2.0_rc1-1", "1..2-1": "debian/1.#.2-1", "1.": "debian/1.#", "1-1.lock": "debian/1-1.lock#"} {
		if got := PackagingTag(version); got != want {
			t.Errorf("the tag of %s is %s, want %s", version, got, want)
		}
	}
}

// A version that goes from one suite, and later from another, is two mails: an id that is in the
// archive of a list already is taken for sent.
func TestEachWithdrawalHasAMailOfItsOwn(t *testing.T) {
	in := WithdrawalIn{Project: "lava", Version: "2019.02-1", Suites: []string{"stable"}, Packages: []string{"lava"}, Previous: "2019.01-1", Reason: "it loses jobs",
		Lists: []string{"announce@lists.example.org"}, Run: "release/lava/undo-2019.02"}
	first, err1 := writeWithdrawal(in)
	again, err2 := writeWithdrawal(in)
	in.Suites = []string{"proposed"}
	other, err3 := writeWithdrawal(in)
	if err := errors.Join(err1, err2, err3); err != nil || first.MessageID != again.MessageID || first.MessageID == other.MessageID {
		t.Errorf("%s, %s and %s, %v", first.MessageID, again.MessageID, other.MessageID, err)
	}
}

package release

import (
	"strings"
	"testing"

	"slipway/bot/errs"
)

// The tag has the style of the project, and a release that is tagged already keeps its tag.
func TestTheTagOfAVersion(t *testing.T) {
	for _, c := range []struct {
		scheme, version, tags, tag, last string
	}{
		{"semver-like", "1.1.0", "v0.9.0 v1.0.0", "v1.1.0", "v1.0.0"},
		{"semver-like", "v1.1.0", "v0.9.0 v1.0.0", "v1.1.0", "v1.0.0"},
		{"semver-like", "v1.1.0", "v0.9.0 1.0.0", "1.1.0", "1.0.0"},
		{"semver-like", "v1.1.0", "", "v1.1.0", ""},
		{"semver-like", "1.0.0", "v0.9.0 v1.0.0", "v1.0.0", "v0.9.0"}, // whether it may go on is not asked here
		{"calendar", "2019.01", "2018.11", "2019.01", "2018.11"},
	} {
		tags := strings.Fields(c.tags)
		out, err := checkVersion(VersionIn{Version: c.version, Scheme: c.scheme, Tags: tags, Merged: tags})
		if err != nil || out.Tag != c.tag || out.Last != c.last {
			t.Errorf("%s after %q: %+v %v, want %s after %q", c.version, c.tags, out, err, c.tag, c.last)
		}
	}
	if _, err := checkVersion(VersionIn{Version: "1.0.0", Scheme: "semver-like", Tags: []string{"1.0.0", "v1.0.0"}}); !errs.Is(err, errs.Exists) {
		t.Errorf("released twice: %v", err)
	}
}

func TestTheEntryFollowsTheChangelog(t *testing.T) {
	head := func(source, version string) string {
		return source + " (" + version + ") unstable; urgency=medium\n\n  * New.\n\n -- Dora <dora@example.org>  Thu, 24 Jan 2019 11:43:27 +0000\n"
	}
	in := ChangelogIn{Version: "2019.01", Scheme: "calendar", Package: "lava", Suite: "unstable", Lines: []string{"abc Mend"},
		By: "Dora <dora@example.org>", Date: "2019-01-31T12:00:00Z", Path: "debian/changelog"}
	for before, want := range map[string]string{"": "lava (2019.01-1) ", head("lava", "2018.11-1"): "lava (2019.01-1) ", head("lava", "1:2018.11-1"): "lava (1:2019.01-1) "} {
		in.Before = before
		if out, err := writeChangelog(in); err != nil || !strings.HasPrefix(out.Entry, want) || "lava ("+out.Version+") " != want || len(out.Files) != 1 {
			t.Errorf("after %q: %+v %v", before, out, err)
		}
	}
	for before, says := range map[string]string{head("lava", "2019.02-1"): "sorts below", head("lama", "2018.11-1"): "is of lama", head("lava", "2019.01-1"): "already", "old things\n": "line 1"} {
		in.Before = before
		if _, err := writeChangelog(in); err == nil || !strings.Contains(errs.Text(err), says) || errs.HintOf(err) == "" {
			t.Errorf("after %q: %v", before, err)
		}
	}
	// A release made by hand is told as it is.
	in.Made, in.Before = true, head("lava", "2019.01-2")+"\n"+head("lava", "2018.11-1")
	if out, err := writeChangelog(in); err != nil || out.Entry != head("lava", "2019.01-2") || out.Version != "2019.01-2" || len(out.Files) != 0 {
		t.Errorf("by hand: %+v %v", out, err)
	}
	in.Before = head("lava", "1:2019.01-2")
	if out, err := writeChangelog(in); err != nil || out.Version != "1:2019.01-2" {
		t.Errorf("by hand, with an epoch: %+v %v", out, err)
	}
	in.Before = head("lava", "1:2018.11-1")
	if out, err := writeChangelog(in); err != nil || out.Entry != "" || out.Version != "1:2019.01-1" {
		t.Errorf("by hand, without an entry after an epoch: %+v %v", out, err)
	}
	in.Before = head("lava", "2018.11-1")
	if out, err := writeChangelog(in); err != nil || out.Entry != "" || out.Version != "2019.01-1" {
		t.Errorf("by hand, without an entry: %+v %v", out, err)
	}
}

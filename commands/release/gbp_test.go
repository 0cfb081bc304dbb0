package release

import (
	"strings"
	"testing"
	"time"
)

// history is the one that the real gbp dch is given too.
func history() []LogEntry {
	id := func(c string) string { return strings.Repeat(c, 40) }
	return []LogEntry{
		{id("1"), "debian: mend the rules with a subject that goes on and on, far past seventy-six columns", "Ada L", ""},
		{id("2"), "Add a thing", "Bob", "Closes: #123456\nBody that is left out\n"},
		{id("3"), "More of it", "Bob", ""},
		{id("4"), "Ada again", "Ada L", "Thanks: Carl\n"},
		{id("5"), "Nobody reads this", "Ada L", "Gbp-Dch: ignore\n"},
		{id("6"), "All of it", "Release Team", "A line.\n\nAnother line.\nGbp-Dch: Full\n"},
		{id("7"), "Many bugs", "Ada L", "Closes: 77, 88\nLP: #99\n"},
		{id("8"), "A subject that is so long that the bugs do not stand beside it any more", "Ada L", "Closes: #1234567\n"},
	}
}

const asGbp = `  [ Ada L ]
  * [111111111] debian: mend the rules with a subject that goes on and on, far past seventy-six columns

  [ Bob ]
  * [222222222] Add a thing (Closes: #123456)
  * [333333333] More of it

  [ Ada L ]
  * [444444444] Ada again.
    Thanks to Carl

  [ Release Team ]
  * [666666666] All of it.
    A line.
    Another line.

  [ Ada L ]
  * [777777777] Many bugs (Closes: 77, 88) (LP: #99)
  * [888888888] A subject that is so long that the bugs do not stand beside it any more
    (Closes: #1234567)
`

func gbpEntry(t *testing.T, commits []LogEntry) Entry {
	t.Helper()
	v, err := ParseVersion(Calendar, "2026.08")
	if err != nil {
		t.Fatal(err)
	}
	e := ReleaseEntry("lava", v, "", nil, "Release Team", "release@example.org", time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC))
	e.Items, e.Wide = GbpItems(commits, "Release Team"), true
	return e
}

// body is what stands between the first line of an entry and its trailer.
func body(t *testing.T, entry string) string {
	t.Helper()
	_, rest, found := strings.Cut(entry, "\n\n")
	text, _, ended := strings.Cut(rest, "\n -- ")
	if !found || !ended {
		t.Fatalf("no entry:\n%s", entry)
	}
	return text
}

func TestTheChangelogInTheMannerOfGbp(t *testing.T) {
	text, err := gbpEntry(t, history()).Render()
	if err != nil || body(t, text) != asGbp {
		t.Errorf("%v\n%s", err, text)
	}
	back, rest, err := ParseEntry(text)
	if err != nil || rest != "" || len(back.Items) != 12 || back.Items[0].Text != "[ Ada L ]" || !back.Items[0].Bare {
		t.Errorf("read back: %+v %q %v", back.Items, rest, err)
	}
	for _, c := range []struct{ author, want string }{
		{"Release Team", "  * [aaaaaaaaa] Only one\n"},
		{"Somebody", "  [ Somebody ]\n  * [aaaaaaaaa] Only one\n"},
		{"Some\x1bbody\n -- Evil <e@example.org>  now", "  [ Somebody -- Evil <e@example.org> now ]\n  * [aaaaaaaaa] Only one\n"},
	} {
		text, err := gbpEntry(t, []LogEntry{{strings.Repeat("a", 40), "Only one", c.author, ""}}).Render()
		if err != nil || body(t, text) != c.want {
			t.Errorf("%q: %v\n%s", c.author, err, text)
		}
	}
	if items := GbpItems([]LogEntry{{"1", "x", "Ada", "Git-Dch: Ignore"}, {}}, "Ada"); len(items) != 2 {
		t.Errorf("a commit without anything: %+v", items)
	}
}

// A release whose packaging did not change says that it is one.
func TestTheEntryInTheMannerOfGbp(t *testing.T) {
	in := ChangelogIn{Version: "2026.08", Scheme: "calendar", Package: "lava", Suite: "unstable", Style: "gbp", Bears: "lava_common/VERSION",
		Lines: []string{"abc Not told here"}, By: "Release Team <release@example.org>", Date: "2026-08-31T12:00:00Z", Path: "debian/changelog"}
	out, err := writeChangelog(in)
	if err != nil || body(t, out.Entry) != "  * New upstream release 2026.08\n" || out.Whole["lava_common/VERSION"] != "2026.08\n" {
		t.Errorf("%v %+v\n%s", err, out.Whole, out.Entry)
	}
	in.Entries = history()
	if out, err = writeChangelog(in); err != nil || body(t, out.Entry) != asGbp {
		t.Errorf("%v\n%s", err, out.Entry)
	}
	in.Style, in.Bears = "log", ""
	if out, err = writeChangelog(in); err != nil || out.Whole != nil || !strings.Contains(out.Entry, "\n    abc Not told here\n") {
		t.Errorf("%v %+v\n%s", err, out.Whole, out.Entry)
	}
	in.Style = "dch"
	if _, err = writeChangelog(in); err == nil {
		t.Error("an unknown style is taken")
	}
}

func TestATagThatIsNotTheOneThatWasPushed(t *testing.T) {
	in := SameTagIn{Tag: "2026.08", Pushed: "aaa", Seen: "aaa", Commit: "ccc", SeenAt: "ccc"}
	if out, err := sameTag(in); err != nil || out.Object != "aaa" {
		t.Errorf("the same: %+v %v", out, err)
	}
	for _, change := range []func(*SameTagIn){func(i *SameTagIn) { i.Seen = "" }, func(i *SameTagIn) { i.Seen = "bbb" }, func(i *SameTagIn) { i.SeenAt = "ddd" }} {
		other := in
		change(&other)
		if _, err := sameTag(other); err == nil || !strings.Contains(err.Error(), "2026.08") {
			t.Errorf("%+v: %v", other, err)
		}
	}
}

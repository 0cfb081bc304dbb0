package release

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"slipway/bot/errs"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var when = time.Date(2019, time.January, 24, 11, 43, 27, 0, time.UTC)

func calendar(t interface{ Fatal(...any) }, text string) Version {
	v, err := NewVersion(Calendar, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func entry(t interface{ Fatal(...any) }, log ...string) Entry {
	return ReleaseEntry("sample", calendar(t, "2019.01"), "Sample 2019.01 release", log, "Release Bot", "bot@example.org", when)
}

func TestReleaseEntryHasTheShapeOf2019(t *testing.T) {
	got, err := entry(t,
		"0123456789 too long an abbreviation is no problem",
		"ec7875b05 Enhance the documentation",
		"68b8e54b1 doc: add a page about the custom handling of the results here",
		"68b8e54b2 doc: add a page about the custom handling of the results there",
		"68b8e54b3 grüße: ändert die Übersetzung der Prüfungsergebnisse, Größe äöü",
		"abcdef012 "+strings.Repeat("x", 80),
		"   ",
	).Render()
	if err != nil {
		t.Fatal(err)
	}
	want := `sample (2019.01-1) unstable; urgency=medium

  * Sample 2019.01 release
    0123456789 too long an abbreviation is no problem
    ec7875b05 Enhance the documentation
    68b8e54b1 doc: add a page about the custom handling of the results
              here
    68b8e54b2 doc: add a page about the custom handling of the results
              there
    68b8e54b3 grüße: ändert die Übersetzung der Prüfungsergebnisse,
              Größe äöü
    abcdef012
              ` + strings.Repeat("x", 80) + `

 -- Release Bot <bot@example.org>  Thu, 24 Jan 2019 11:43:27 +0000
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestALineOf71CharactersIsNotWrapped(t *testing.T) {
	for n, lines := range map[int]int{71: 1, 72: 2} {
		subject := "ec7875b05 " + strings.Repeat("ü ", (n-logIndent-10-1)/2)
		subject = strings.TrimSpace(subject)
		for len([]rune(subject)) < n-logIndent {
			subject += "é"
		}
		if got := wrap(subject, logWidth, logIndent, logRest); len(got) != lines {
			t.Errorf("%d characters make %d lines: %q", n, len(got), got)
		}
	}
}

func TestCommitsCannotBreakTheChangelog(t *testing.T) {
	hostile := []string{
		"aaaaaaaaa  -- Mallory <m@example.org>  Thu, 24 Jan 2019 11:43:27 +0000",
		" -- Mallory <m@example.org>  Thu, 24 Jan 2019 11:43:27 +0000",
		"bbbbbbbbb one\n\n -- Mallory <m@example.org>  Thu, 24 Jan 2019 11:43:27 +0000\n\nevil (9-1) unstable; urgency=low",
		"ccccccccc \x1b[31mred\x1b[0m \x00 \u202egnp.exe\u2028 -- x",
		"ddddddddd \xff\xfe broken",
		"evil (9-1) unstable; urgency=low",
		"  * item",
		"\ufeff",
	}
	e := entry(t, hostile...)
	e.Items[0].Text = "Release\n\n -- Mallory <m@example.org>  Thu, 24 Jan 2019 11:43:27 +0000"
	text, err := e.Render()
	if err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(text, "\x00\x1b\u202e\u2028") || strings.Count(text, "\n -- ") != 1 {
		t.Errorf("the text is not clean:\n%s", text)
	}
	got, rest, err := ParseEntry(text)
	if err != nil || rest != "" || got.Name != "Release Bot" || len(got.Items) != 1 || len(got.Items[0].Lines) != 7 {
		t.Errorf("got %+v, rest %q, %v", got, rest, err)
	}
	checkWithDpkg(t, text)
}

// checkWithDpkg lets dpkg's own reader judge, where it is installed.
func checkWithDpkg(t *testing.T, text string) {
	t.Helper()
	tool, err := exec.LookPath("dpkg-parsechangelog")
	if err != nil {
		return
	}
	cmd := exec.Command(tool, "-l", "-", "--all")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "warning") {
		t.Errorf("dpkg-parsechangelog: %v\n%s", err, out)
	}
}

func TestBadEntriesAreRefused(t *testing.T) {
	for name, spoil := range map[string]func(*Entry){
		"no date":     func(e *Entry) { e.Date = time.Time{} },
		"bad source":  func(e *Entry) { e.Source = "Sample (1)" },
		"bad version": func(e *Entry) { e.Version = "2019_01" },
		"bad name":    func(e *Entry) { e.Name = "x <y@example.org>  z" },
		"two lines":   func(e *Entry) { e.Name = "x\ny" },
		"bad mail":    func(e *Entry) { e.Mail = "nobody" },
		"mail tricks": func(e *Entry) { e.Mail = "a@b>  c" },
		"empty":       func(e *Entry) { e.Items = nil },
		"bad suite":   func(e *Entry) { e.Distribution = "un;stable" },
		"bad urgency": func(e *Entry) { e.Urgency = "now!" },
	} {
		e := entry(t, "ec7875b05 x")
		spoil(&e)
		if _, err := e.Render(); !errs.Is(err, errs.Invalid) || errs.HintOf(err) == "" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestBadTextIsRefusedWithItsLine(t *testing.T) {
	good, _ := entry(t, "ec7875b05 x").Render()
	for _, tt := range []struct{ text, want string }{
		{"", "line 1 of the changelog should be the trailer"},
		{"hello\n", "line 1 of the changelog does not begin an entry"},
		{strings.Replace(good, ">  Thu", "> Thu", 1), "badly formed trailer"},
		{strings.Replace(good, "Jan 2019", "Jam 2019", 1), "date that cannot be read"},
		{strings.Split(good, "\n -- ")[0], "the text ends"},
		{strings.Replace(good, "  * ", "* ", 1), "line 3 of the changelog is outside an entry"},
	} {
		_, _, err := ParseEntry(tt.text)
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %v", tt.text, err)
		}
	}
}

func TestPrependKeepsTheOldEntriesAndTheOrder(t *testing.T) {
	old, err := ReleaseEntry("sample", calendar(t, "2018.11"), "Old", []string{"aaaaaaaaa b"}, "Someone", "s@example.org",
		time.Date(2018, 11, 2, 8, 0, 0, 0, time.FixedZone("", 3600))).Render()
	if err != nil {
		t.Fatal(err)
	}
	e := entry(t, "ec7875b05 x")
	e.Source = ""
	got, err := Prepend(old, e)
	if err != nil || !strings.HasPrefix(got, "sample (2019.01-1)") || !strings.HasSuffix(got, "\n\n"+old) {
		t.Errorf("got %q, %v", got, err)
	}
	checkWithDpkg(t, got)
	first, rest, err := ParseEntry(got)
	if err != nil || first.Version != "2019.01-1" || strings.TrimLeft(rest, "\n") != old {
		t.Errorf("got %+v, %q, %v", first, rest, err)
	}
	if _, err := Prepend(got, e); !errs.Is(err, errs.Exists) {
		t.Errorf("a second entry for the version: %v", err)
	}
	lower := entry(t, "ec7875b05 x")
	lower.Version = "2018.10-1"
	if _, err := Prepend(old, lower); !errs.Is(err, errs.Invalid) {
		t.Errorf("a lower version: %v", err)
	}
	other := entry(t, "x")
	other.Source = "other"
	if _, err := Prepend(old, other); !errs.Is(err, errs.Invalid) {
		t.Errorf("another package: %v", err)
	}
	if got, err := Prepend("", entry(t, "x")); err != nil || !strings.HasSuffix(got, "+0000\n") {
		t.Errorf("an empty changelog: %q, %v", got, err)
	}
}

func TestForeignEntriesAreRead(t *testing.T) {
	e, _, err := ParseEntry(`pkg (1:1.0-2) unstable experimental; urgency=HIGH, binary-only=yes

  [ Somebody ]
  * First point
    that goes on
      and on
  * Second

 -- Somebody Else <s@example.org>  Fri,  1 Feb 2019 10:00:00 +0100
`)
	want := Entry{Source: "pkg", Version: "1:1.0-2", Distribution: "unstable experimental", Urgency: "high",
		Items: []Item{{Text: "[ Somebody ]", Bare: true}, {Text: "First point", Lines: []string{"that goes on and on"}}, {Text: "Second"}},
		Name:  "Somebody Else", Mail: "s@example.org"}
	if err != nil || !e.Date.Equal(time.Date(2019, 2, 1, 9, 0, 0, 0, time.UTC)) {
		t.Errorf("got %v, %v", e.Date, err)
	}
	e.Date = time.Time{}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Error(diff)
	}
}

func TestEntriesReadBackAsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := entry(t, rapid.SliceOf(rapid.String()).Draw(t, "log")...)
		e.Items[0].Text = OneLine(rapid.String().Filter(func(s string) bool { return OneLine(s) != "" }).Draw(t, "message"))
		text, err := e.Render()
		if err != nil {
			t.Fatal(err)
		}
		got, rest, err := ParseEntry(text + "\nnext")
		if err != nil || rest != "\nnext" {
			t.Fatalf("rest %q, %v in\n%s", rest, err, text)
		}
		if diff := cmp.Diff(e.Items, got.Items); diff != "" {
			t.Fatalf("%s\nin\n%s", diff, text)
		}
		for line := range strings.SplitSeq(text, "\n") {
			if words := strings.Fields(line); strings.HasPrefix(line, "    ") && len(words) > 1 && len([]rune(line)) > logWidth {
				t.Fatalf("%q is too long", line)
			}
		}
	})
}

func FuzzParseEntry(f *testing.F) {
	good, _ := entry(f, "ec7875b05 x", "68b8e54b1 doc: add a page about the custom handling of the results here").Render()
	f.Add(good)
	f.Add(good + "\n" + good)
	f.Add("a (1) b; urgency=low\n\n  * x\n\n -- a <b@c>  Mon, 01 Jan 2001 00:00:00 +0000\n")
	f.Add("a (1) b;\n  --\n -- \n")
	f.Fuzz(func(t *testing.T, text string) {
		e, rest, err := ParseEntry(text)
		if err != nil {
			if !errs.Is(err, errs.Invalid) {
				t.Fatalf("%v is not Invalid", err)
			}
			return
		}
		if len(rest) >= len(text) {
			t.Fatal("nothing was read")
		}
		once, err := e.Render()
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		again, _, err := ParseEntry(once)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, once)
		}
		if twice, err := again.Render(); err != nil || twice != once {
			t.Fatalf("not stable: %v\n%s\n%s", err, once, twice)
		}
	})
}

// TestAnEntryThatTheReleasePushedBefore: the branch was pushed, its pipeline failed, and what mended it
// is on top. The entry is written anew in its place, with what mended it.
func TestAnEntryThatTheReleasePushedBefore(t *testing.T) {
	old := "lava (2018.11-1) unstable; urgency=medium\n\n  * Old\n\n -- Someone <s@example.org>  Fri, 02 Nov 2018 08:00:00 +0100\n"
	in := ChangelogIn{Version: "2019.01", Scheme: "calendar", Package: "lava", Suite: "unstable", Lines: []string{"aaaaaaaaa Mend the scheduler"},
		By: "Release Team <release@example.org>", Date: "2019-01-24T11:43:27.25Z", Path: "debian/changelog", Before: old, Bears: "VERSION"}
	first, err := writeChangelog(in)
	if err != nil || first.Whole["debian/changelog"] != "" || len(first.Whole) != 1 {
		t.Fatalf("%+v %v", first, err)
	}
	again := in
	again.Before = first.Files["debian/changelog"] + old
	again.Lines = append([]string{"bbbbbbbbb Mend the pipeline"}, in.Lines...)
	out, err := writeChangelog(again)
	if err != nil || len(out.Files) != 0 || out.Version != first.Version || !strings.Contains(out.Entry, "bbbbbbbbb Mend the pipeline") {
		t.Fatalf("%+v %v", out, err)
	}
	if want := out.Entry + "\n" + old; out.Whole["debian/changelog"] != want || out.Whole["VERSION"] != "2019.01\n" {
		t.Errorf("the files are %q, the changelog should be %q", out.Whole, want)
	}
	checkWithDpkg(t, out.Whole["debian/changelog"])
	for name, change := range map[string]func(*ChangelogIn){
		"another time":       func(in *ChangelogIn) { in.Date = "2019-01-24T11:43:28Z" },
		"another maintainer": func(in *ChangelogIn) { in.By = "Somebody Else <release@example.org>" },
		"another address":    func(in *ChangelogIn) { in.By = "Release Team <else@example.org>" },
		"a line by hand": func(in *ChangelogIn) {
			in.Before = strings.Replace(in.Before, "Mend the scheduler", "Mend the berth", 1)
		},
	} {
		other := again
		change(&other)
		if out, err := writeChangelog(other); !errs.Is(err, errs.Exists) || !strings.Contains(errs.HintOf(err), "not of this run: revert its commit on the branch") {
			t.Errorf("%s: %+v %v", name, out, err)
		}
	}
	next := again
	next.Version = "2019.02"
	if out, err := writeChangelog(next); err != nil || len(out.Files) != 1 || len(out.Whole) != 1 {
		t.Errorf("the next release: %+v %v", out, err)
	}
}

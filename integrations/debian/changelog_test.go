package debian

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const sampleChangelog = `hello (1:2.0-1) unstable experimental; urgency=medium, binary-only=yes

  * New upstream release. Closes: #123456
    abc123456 does this
              and that

  [ Other Person ]
  * Says it in Ελληνικά.

 -- A Person <person@example.org>  Thu, 24 Jan 2019 11:43:27 +0100

hello (1.9~rc1-1) unstable; urgency=low

  * First.

 -- A Person <person@example.org>  Mon, 07 Jan 2019 01:02:03 -0330
`

func TestChangelogsReadBack(t *testing.T) {
	entries, err := ParseChangelog(strings.NewReader(sampleChangelog))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 {
		t.Fatalf("%d entries", len(entries))
	}
	e := entries[0]
	if e.Package != "hello" || e.Version != "1:2.0-1" || e.Urgency != "medium" || e.Options.Get("binary-only") != "yes" ||
		!slices.Equal(e.Distributions, []string{"unstable", "experimental"}) || e.Maintainer != "A Person" ||
		e.Mail != "person@example.org" || len(e.Changes) != 6 || e.Changes[3] != "" || e.Line != 1 || len(e.Warnings) > 0 {
		t.Errorf("%+v", e)
	}
	if want := time.Date(2019, 1, 24, 10, 43, 27, 0, time.UTC); !e.Date.Equal(want) {
		t.Errorf("date %s", e.Date)
	}
	var parts []string
	for _, e := range entries {
		text, err := FormatEntry(e)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, text)
	}
	if got := strings.Join(parts, "\n"); got != sampleChangelog {
		t.Errorf("written again:\n%s", got)
	}
	if err := CheckOrder(entries); err != nil {
		t.Error(err)
	}
	slices.Reverse(entries)
	if err := CheckOrder(entries); err == nil || !strings.Contains(err.Error(), "does not sort above 1:2.0-1") {
		t.Errorf("wrong order: %v", err)
	}
}

type badChangelog struct{ why, text string }

func badChangelogs() []badChangelog {
	change := func(old, new string) string { return strings.Replace(sampleChangelog, old, new, 1) }
	return []badChangelog{
		{"line 10 of the changelog is a badly formed trailer", change(">  Thu", "> Thu")},
		{"line 10 of the changelog is a badly formed trailer", change(" -- A Person <person@example.org>", " -- A Person")},
		{"line 10 of the changelog is a badly formed trailer", change("Thu, 24 Jan 2019 11:43:27 +0100", "2019-01-24")},
		{"line 1 of the changelog does not begin an entry", change("hello (1:2.0-1)", "hello 1:2.0-1")},
		{"has the version", change("1:2.0-1", "1:2_0-1")},
		{"line 11 of the changelog begins in the first column", change(" -- A Person <person@example.org>  Thu, 24 Jan 2019 11:43:27 +0100\n", "")},
		{"the text ends", change(" -- A Person <person@example.org>  Mon, 07 Jan 2019 01:02:03 -0330\n", "")},
		{"does not begin an entry", change("hello (1.9", "free text\nhello (1.9")},
		{"where name=value should be", change("urgency=medium", "urgency medium")},
		{"has urgency twice", change("binary-only=yes", "urgency=high")},
		{"has no entries", ""},
	}
}

func TestDatesWithMoreBlanksAreRead(t *testing.T) {
	text := strings.Replace(sampleChangelog, "Mon, 07 Jan 2019", "Mon,  7 Jan 2019", 1)
	entries, err := ParseChangelog(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if e := entries[1]; e.Date.Day() != 7 || len(e.Warnings) > 0 {
		t.Errorf("%+v", e)
	}
}

func TestEntriesOfTheOldestFormEndWhatIsRead(t *testing.T) {
	const old = "\nhello (1.3-6); priority=LOW\n\n  * Changed to ELF.\n\n -- A Person <person@example.org>  Thu, 14 Mar 1996 02:04:36 +0000\n"
	if entries, err := ParseChangelog(strings.NewReader(sampleChangelog + old)); err != nil || len(entries) != 2 {
		t.Errorf("%d entries, %v", len(entries), err)
	}
	if _, err := ParseChangelog(strings.NewReader(old)); err == nil {
		t.Error("a changelog of such entries alone is read")
	}
}

func TestBadChangelogsAreRefused(t *testing.T) {
	for _, c := range badChangelogs() {
		if _, err := ParseChangelog(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("want %q, got %v", c.why, err)
		}
	}
	if _, err := ParseChangelog(strings.NewReader(strings.Repeat("x", maxChangelogLine+1))); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("a long line: %v", err)
	}
}

func TestWhatDpkgOnlyWarnsOfIsReadWithAWarning(t *testing.T) {
	text := strings.Replace(sampleChangelog, "  * First.", "  * First.\n .", 1)
	text = strings.Replace(text, "Mon, 07", "Tue, 07", 1) + "\nLocal variables:\nmode: debian-changelog\nEnd:\n"
	entries, err := ParseChangelog(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if w := entries[1].Warnings; len(w) != 2 || !strings.Contains(w[0], "line 15 is indented") || !strings.Contains(w[1], "which is a Monday") {
		t.Errorf("warnings %q", w)
	}
}

func TestEntriesThatWouldNotReadBackAreRefused(t *testing.T) {
	good, err := ParseChangelog(strings.NewReader(sampleChangelog))
	if err != nil {
		t.Fatal(err)
	}
	for _, spoil := range []func(*Entry){
		func(e *Entry) {
			e.Changes = []string{"  * a", " -- B <b@example.org>  Mon, 07 Jan 2019 01:02:03 -0330"}
		},
		func(e *Entry) { e.Changes = []string{"", "  * a"} },
		func(e *Entry) { e.Changes = []string{"  * a\n\n -- x"} },
		func(e *Entry) { e.Mail = ""; e.Maintainer = "A\n" },
		func(e *Entry) { e.Version = "1 2" },
		func(e *Entry) { e.Distributions = nil },
		func(e *Entry) { e.Options = Paragraph{{"a", "b, c=d"}} },
	} {
		e := good[0]
		spoil(&e)
		if text, err := FormatEntry(e); err == nil {
			t.Errorf("written:\n%s", text)
		}
	}
}

func entryGen() *rapid.Generator[Entry] {
	return rapid.Custom(func(t *rapid.T) Entry {
		line := rapid.StringMatching(`  ( {0,12}[-*#a-z<>.] ?[!-~äß]{1,30})`)
		e := Entry{
			Package:       rapid.StringMatching(`[a-z0-9][a-z0-9+.-]{1,8}`).Draw(t, "package"),
			Version:       rapid.StringMatching(`([0-9]:)?[0-9][0-9a-z.+~]{0,6}(-[0-9a-z+~.]{1,4})?`).Draw(t, "version"),
			Distributions: rapid.SliceOfN(rapid.StringMatching(`[a-z]{1,8}(-[a-z]{1,8})?`), 1, 3).Draw(t, "dist"),
			Urgency:       rapid.SampledFrom([]string{"low", "medium", "high", "HIGH"}).Draw(t, "urgency"),
			Changes:       rapid.SliceOfN(line, 0, 5).Draw(t, "changes"),
			Maintainer:    rapid.StringMatching(`[A-Zß][a-zé.' ]{0,10}`).Draw(t, "name"),
			Mail:          rapid.StringMatching(`[a-z]{1,5}@[a-z]{1,5}\.org`).Draw(t, "mail"),
		}
		zone := time.FixedZone("", 900*rapid.IntRange(-48, 56).Draw(t, "zone"))
		e.Date = time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "date"), 0).In(zone)
		if rapid.Bool().Draw(t, "option") {
			e.Options = Paragraph{{"binary-only", "yes"}}
		}
		return e
	})
}

func TestEveryEntryReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := entryGen().Draw(t, "entry")
		text, err := FormatEntry(e)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseChangelog(strings.NewReader(text))
		if err != nil || len(back) != 1 || !sameEntry(e, back[0]) || len(back[0].Warnings) > 0 {
			t.Fatalf("%v\n%s\n%+v", err, text, back)
		}
	})
}

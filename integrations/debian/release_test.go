package debian

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"slipway/bot/errs"
)

var (
	sha = strings.Repeat("ab", 32)
	md  = strings.Repeat("cd", 16)
)

func sampleRelease() string {
	return "Origin: Example\nLabel: Example Label\nSuite: stable\nVersion: 12.1\nCodename: bookworm\n" +
		"Changelogs: https://deb.example/@CHANGEPATH@\nDate: Sat, 16 May 2026 10:54:28 UTC\n" +
		"Valid-Until: Sat, 23 May 2026 10:54:28 UTC\nAcquire-By-Hash: yes\nArchitectures: all amd64\n" +
		"Components: main contrib\nDescription: An example\nMD5Sum:\n " + md + "        0 main/binary-amd64/Packages\n" +
		"SHA256:\n " + sha + "        0 main/binary-amd64/Packages\n " + sha + " 123456789 main/binary-amd64/Packages.xz\n"
}

func TestReleaseFilesReadBack(t *testing.T) {
	// The second is how others align sizes, name zones and order fields.
	reordered := "Codename: x\nSHA256:\n " + sha + " 5 Packages\n " + sha + "   16 Packages.gz\nDate: Sat, 6 Jun 2026 10:54:28 +0000\nNotAutomatic: no\n"
	for _, text := range []string{sampleRelease(), reordered} {
		r, err := ParseRelease([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(r.Append(nil)); got != text {
			t.Errorf("written again:\n%s", got)
		}
	}
	r, err := ParseRelease([]byte(sampleRelease()))
	if err != nil {
		t.Fatal(err)
	}
	if r.Origin != "Example" || r.Label != "Example Label" || r.Suite != "stable" || r.Codename != "bookworm" || r.Version != "12.1" ||
		!r.Date.Equal(time.Date(2026, 5, 16, 10, 54, 28, 0, time.UTC)) || r.ValidUntil.Sub(r.Date) != 7*24*time.Hour ||
		!r.AcquireByHash || r.NotAutomatic || len(r.Architectures) != 2 || len(r.Components) != 2 || r.Description != "An example" ||
		len(r.Extra) != 1 || r.Strongest() != "SHA256" || len(r.List("sha256")) != 2 || r.List("SHA512") != nil {
		t.Errorf("%+v", r)
	}
	if f := r.List("SHA256")[1]; f != (ReleaseFile{sha, 123456789, "main/binary-amd64/Packages.xz"}) {
		t.Errorf("%+v", f)
	}
}

func TestChangedReleaseFilesKeepTheRest(t *testing.T) {
	r, err := ParseRelease([]byte(sampleRelease()))
	if err != nil {
		t.Fatal(err)
	}
	r.Suite, r.ValidUntil, r.NotAutomatic = "oldstable", time.Time{}, true
	r.List("MD5Sum")[0].Size = 7
	r.List("SHA256")[0].Size = 7
	want := strings.NewReplacer("Suite: stable", "Suite: oldstable", "Valid-Until: Sat, 23 May 2026 10:54:28 UTC\n", "",
		"        0 main", "        7 main", "MD5Sum:", "NotAutomatic: yes\nMD5Sum:").Replace(sampleRelease())
	if got := string(r.Append(nil)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err := r.Check(); err != nil {
		t.Error(err)
	}
	r.List("MD5Sum")[0].Path = "../x"
	if r.Check() == nil {
		t.Error("a path that climbs out passes the check")
	}
}

func TestAmbiguousReleaseFilesAreRefused(t *testing.T) {
	change := func(old, new string) string { return strings.Replace(sampleRelease(), old, new, 1) }
	line := " " + sha + " 1 x\n"
	for _, c := range []struct{ why, text string }{
		{"is empty", ""},
		{"empty lines around", "\n" + sampleRelease()},
		{"empty lines around", sampleRelease() + "\n"},
		{"empty lines around", strings.TrimSuffix(sampleRelease(), "\n")},
		{"second paragraph", change("MD5Sum", "\nMD5Sum")},
		{"again", change("MD5Sum", "suite: testing\nMD5Sum")},
		{"again", sampleRelease() + "sha256:\n" + line},
		{"blanks at the end of line 3", change("Suite: stable", "Suite: stable ")},
		{"control character in line 2", change("Label: ", "Label: \x1b")},
		{"control character", change("Label: ", "Label:\t")},
		{"carriage", strings.ReplaceAll(sampleRelease(), "\n", "\r\n")},
		{"UTF-8", change("Label: ", "Label: \xff")},
		{"on several lines", change("Suite: stable", "Suite: stable\n testing")},
		{"twice in Components", change("main contrib", "main main")},
		{"no date", change("10:54:28 UTC", "10:54:28 CET")},
		{"no date", change("10:54:28 UTC", "10:54:28 +0100")},
		{"no date", change("10:54:28 UTC", "10:54:28.5 UTC")},
		{"no date", change("Sat, 16", "Sun, 16")},
		{"before its own date", change("Sat, 23 May 2026", "Fri, 15 May 2026")},
		{"has Acquire-By-Hash", change("Hash: yes", "Hash: maybe")},
		{"has the path \"../x\"", sampleRelease() + strings.Replace(line, "x\n", "../x\n", 1)},
		{"has the path", sampleRelease() + strings.Replace(line, "x\n", "/x\n", 1)},
		{"has the path", sampleRelease() + strings.Replace(line, "x\n", "a/../x\n", 1)},
		{"has the path", sampleRelease() + strings.Replace(line, "x\n", "a//x\n", 1)},
		{"has the path", sampleRelease() + strings.Replace(line, "x\n", "./x\n", 1)},
		{"has the path", sampleRelease() + strings.Replace(line, "x\n", "ä\n", 1)},
		{"twice under SHA256", sampleRelease() + line + line},
		{"two sizes", change("        0 main", "        1 main")},
		{"for a digest", sampleRelease() + strings.Replace(line, "ab", "AB", 1)},
		{"for a digest", sampleRelease() + strings.Replace(line, "ab", "", 1)},
		{"has the size", sampleRelease() + strings.Replace(line, " 1 ", " 01 ", 1)},
		{"has the size", sampleRelease() + strings.Replace(line, " 1 ", " -1 ", 1)},
		{"has the line", sampleRelease() + strings.Replace(line, " 1 ", " ", 1)},
		{"text after SHA256", change("SHA256:", "SHA256: x")},
	} {
		r, err := ParseRelease([]byte(c.text))
		if !errs.Is(err, errs.Invalid) || errs.HintOf(err) == "" || c.why != "carriage" && !strings.Contains(err.Error(), c.why) {
			t.Errorf("want %q, got %v", c.why, err)
		}
		if r.Hashes != nil || r.source != nil {
			t.Errorf("%q: a refused file gives content", c.why)
		}
	}
}

// The time to read a list grows with its length, and not with its square.
func TestLongListsOfWordsAreRead(t *testing.T) {
	var words strings.Builder
	for i := range 150_000 {
		words.WriteString(" " + strconv.FormatInt(int64(i), 36))
	}
	r, err := ParseRelease([]byte("Suite: x\nArchitectures:" + words.String() + "\n"))
	if err != nil || len(r.Architectures) != 150_000 {
		t.Fatalf("%d words: %v", len(r.Architectures), err)
	}
	_, err = ParseRelease([]byte("Suite: x\nArchitectures:" + words.String() + " 0\n"))
	if err == nil || !strings.Contains(err.Error(), "has 0 twice") {
		t.Fatal(err)
	}
}

func TestDatesOfReleaseFiles(t *testing.T) {
	want := time.Date(2026, 5, 6, 1, 2, 3, 0, time.UTC)
	for _, text := range []string{"Wed, 06 May 2026 01:02:03 UTC", "Wed, 6 May 2026 01:02:03 GMT", "Wed, 06 May 2026 01:02:03 +0000", "Wed, 06 May 2026 01:02:03 Z"} {
		if got, err := ParseDate(text); err != nil || !got.Equal(want) {
			t.Errorf("%s: %s %v", text, got, err)
		}
	}
	if got := FormatDate(want.In(time.FixedZone("", 3600))); got != "Wed, 06 May 2026 01:02:03 UTC" {
		t.Error(got)
	}
}

func TestEveryReleaseFileReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[!-~][ -~]{0,10}[!-~]`)
		r := Release{
			Origin: text.Draw(t, "origin"), Label: text.Draw(t, "label"), Suite: text.Draw(t, "suite"), Codename: text.Draw(t, "codename"),
			Date:          time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "date"), 0).UTC(),
			Architectures: rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z0-9]{1,6}`), 0, 3, rapid.ID).Draw(t, "arch"),
			AcquireByHash: rapid.Bool().Draw(t, "by-hash"), NotAutomatic: rapid.Bool().Draw(t, "notautomatic"),
		}
		paths := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z0-9]{1,5}(/[a-zA-Z.]{0,3}[a-z]){0,3}`), 0, 5, rapid.ID).Draw(t, "paths")
		for _, h := range releaseHashes() {
			l := HashList{Algorithm: h.Name, Files: []ReleaseFile{}}
			for i, p := range paths {
				l.Files = append(l.Files, ReleaseFile{strings.Repeat("0a", h.Digits/2), int64(i) * 1e8, p})
			}
			r.Hashes = append(r.Hashes, l)
		}
		data := r.Append(nil)
		back, err := ParseRelease(data)
		if err != nil {
			t.Fatalf("%v\n%s", err, data)
		}
		if got := back.Append(nil); string(got) != string(data) {
			t.Fatalf("%s\n%s", got, data)
		}
		back.source = nil
		if got := back.Append(nil); string(got) != string(data) {
			t.Fatalf("from its fields: %s\n%s", got, data)
		}
	})
}

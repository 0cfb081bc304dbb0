package release

import (
	"net/mail"
	"strings"
	"testing"

	"slipway/bot/errs"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func commits() []Commit {
	return []Commit{
		{"aaaaaaaa1", "doc: one", "Ann", "ann@example.org", false},
		{"aaaaaaaa2", "Merge branch 'x'", "Mel", "mel@example.org", true},
		{"aaaaaaaa3", "Fix: a thing", "Bob", "bob@example.org", false},
		{"aaaaaaaa4", "Doc: two", "Ann B.", "ANN@example.org", false},
		{"aaaaaaaa5", "no topic here: really", "Zoë", "zoe@example.org", false},
	}
}

func notes(t *testing.T) Notes {
	return Notes{Project: "Sample", Version: calendar(t, "2019.01"), Previous: "2018.11",
		Intro: "It is faster.\nMuch.\n\nAnd <b>bold</b> @all.", Links: []Link{{"Source", "https://example.org/s"}},
		Summary: Summarize(commits()), Log: Lines(commits())}
}

func TestSummaryCountsAuthorsAndGroups(t *testing.T) {
	want := Summary{Commits: 4, Merges: 1,
		Authors: []Author{{"Ann", "ann@example.org", 2}, {"Bob", "bob@example.org", 1}, {"Zoë", "zoe@example.org", 1}},
		Groups: []Group{{"doc", []string{"aaaaaaaa1 doc: one", "aaaaaaaa4 Doc: two"}},
			{"other", []string{"aaaaaaaa3 Fix: a thing", "aaaaaaaa5 no topic here: really"}}}}
	if diff := cmp.Diff(want, Summarize(commits())); diff != "" {
		t.Error(diff)
	}
	if s := Summarize(nil); s.Commits != 0 || len(s.Groups) != 0 {
		t.Errorf("nothing gives %+v", s)
	}
}

func TestSummaryLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOf(rapid.Custom(func(t *rapid.T) Commit {
			return Commit{"abcdef012", rapid.SampledFrom([]string{"a: x", "b: y", "c", ": z", "other: w"}).Draw(t, "subject"),
				"N", rapid.SampledFrom([]string{"a@x", "b@x"}).Draw(t, "mail"), rapid.Bool().Draw(t, "merge")}
		})).Draw(t, "commits")
		s := Summarize(list)
		grouped, authored := 0, 0
		for _, g := range s.Groups {
			grouped += len(g.Lines)
		}
		for _, a := range s.Authors {
			authored += a.Commits
		}
		if grouped != s.Commits || authored != s.Commits || s.Commits+s.Merges != len(list) || len(Lines(list)) != s.Commits {
			t.Fatalf("%+v of %d commits", s, len(list))
		}
	})
}

func TestNotesInPlainText(t *testing.T) {
	want := `Sample 2019.01
==============

It is faster. Much.

And <b>bold</b> @all.

The last release was 2018.11. It has 4 commits by 3 authors.

Where to get it
---------------

* Source: https://example.org/s

Authors
-------

* Ann (2)
* Bob (1)
* Zoë (1)

Commits
-------

    aaaaaaaa1 doc: one
    aaaaaaaa3 Fix: a thing
    aaaaaaaa4 Doc: two
    aaaaaaaa5 no topic here: really
`
	a := Announce(notes(t))
	if diff := cmp.Diff(want, a.Body); diff != "" || a.Subject != "Sample 2019.01 released" {
		t.Errorf("subject %q\n%s", a.Subject, diff)
	}
}

func TestNothingFromOutsideIsMarkup(t *testing.T) {
	n := notes(t)
	n.Log = []string{"aaaaaaaa1 ```", "aaaaaaaa2 ```` @all [x](http://evil) #1", "bbb\n# heading"}
	n.Summary.Authors = []Author{{Name: "<img src=x> @all [a](b)", Commits: 1}}
	n.Links = append(n.Links, Link{"[x](y)", "https://example.org/> <b>"})
	text := n.Markdown()
	for _, want := range []string{"\n`````text\n", "\n`````\n", `\<img src=x\>  at all \[a\]\(b\)`, "<https://example.org/%3E%20%3Cb%3E>", "\nbbb # heading\n", `And \<b\>bold\</b\>  at all.`} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	n.Project = "Sample\r\nBcc: x@example.org"
	if a := Announce(n); strings.ContainsAny(a.Subject, "\r\n") {
		t.Errorf("subject %q", a.Subject)
	}
}

func TestMessageIDIsStableAndWellFormed(t *testing.T) {
	id, err := MessageID("Announce@lists.Example.org", "Sample Project", "2019.01", "run-1")
	if err != nil || !strings.HasPrefix(id, "release.sample-project.2019.01.") || !strings.HasSuffix(id, "@lists.example.org") {
		t.Errorf("got %q, %v", id, err)
	}
	again, _ := MessageID("announce@lists.example.org", "Sample Project", "2019.01", "run-1")
	other, _ := MessageID("announce@lists.example.org", "Sample Project", "2019.01", "run-2")
	moved, _ := MessageID("announce@lists.example.org", "Sample Project2019", ".01", "run-1")
	if id != again || id == other || id == moved {
		t.Errorf("%q, %q, %q, %q", id, again, other, moved)
	}
	for _, list := range []string{"", "nobody", "a@", "a@b@c", "a@-x", "a@b>\r\nX: y"} {
		if _, err := MessageID(list, "p", "v", "r"); !errs.Is(err, errs.Invalid) {
			t.Errorf("%q: got %v", list, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		id, err := MessageID("a@example.org", rapid.String().Draw(t, "project"), rapid.String().Draw(t, "version"), rapid.String().Draw(t, "run"))
		if a, err2 := mail.ParseAddress(id); err != nil || err2 != nil || a.Address != id || len(id) > 200 {
			t.Fatalf("%q: %v, %v", id, err, err2)
		}
	})
}

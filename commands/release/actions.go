package release

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"strconv"
	"strings"
	"time"

	"slipway/bot/action"
	"slipway/bot/errs"
	"slipway/bot/version"
)

// Bind gives the family's own actions. They are pure but for the time: now tells it, once per
// release, since a changelog and a tag bear a date that must not change afterwards.
func Bind(now func() time.Time) ([]action.Bound, error) {
	stamp, err1 := action.Of(action.Contract{Name: "release.stamp", Version: 1, Policy: action.Read,
		Doc: "Fixes the time that changelog and tag will bear."}, pure[StampIn, StampOut](func(StampIn) (StampOut, error) {
		t := now().UTC().Truncate(time.Second)
		return StampOut{Time: t.Format(time.RFC3339), Unix: strconv.FormatInt(t.Unix(), 10)}, nil
	}))
	version, err2 := action.Of(action.Contract{Name: "release.version", Version: 1, Policy: action.Read,
		Doc: "Checks the version against the project's scheme and its releases."}, pure[VersionIn, VersionOut](checkVersion))
	changelog, err3 := action.Of(action.Contract{Name: "release.changelog", Version: 1, Policy: action.Read,
		Doc: "Writes the changelog entry from the git log."}, pure[ChangelogIn, ChangelogOut](writeChangelog))
	notes, err4 := action.Of(action.Contract{Name: "release.notes", Version: 1, Policy: action.Read,
		Doc: "Writes the release notes and the announcement."}, pure[NotesIn, NotesOut](writeNotes))
	all := []action.Bound{stamp, version, changelog, notes}
	failed := errors.Join(err1, err2, err3, err4)
	add := func(b action.Bound, err error) { all, failed = append(all, b), errors.Join(failed, err) }
	add(action.Of(action.Contract{Name: "release.debian_version", Version: 1, Policy: action.Read,
		Doc: "Reads which version of the package is meant."}, pure[PackageVersionIn, PackageVersionOut](packageVersion)))
	add(action.Of(action.Contract{Name: "release.really", Version: 1, Policy: action.Read,
		Doc: "Chooses the version under which an earlier content replaces a bad one."}, pure[ReallyIn, ReallyOut](chooseReally)))
	add(action.Of(action.Contract{Name: "release.daily", Version: 1, Policy: action.Read, Classes: []string{"exists"},
		Doc: "Counts the version of a daily build from the last release."}, pure[DailyIn, DailyOut](chooseDaily)))
	add(action.Of(action.Contract{Name: "release.withdrawal", Version: 1, Policy: action.Read, Classes: []string{"exists"},
		Doc: "Writes the mail that tells clients of a version that went, and what they must do."}, pure[WithdrawalIn, WithdrawalOut](writeWithdrawal)))
	add(action.Of(action.Contract{Name: "release.same_tag", Version: 1, Policy: action.Read, Classes: []string{"conflict"},
		Doc: "Compares the tag that others see with the one that was pushed."}, pure[SameTagIn, SameTagOut](sameTag)))
	return all, failed
}

// pure is an action that only computes: it is never done already, and doing it again is harmless.
type pure[In, Out any] func(In) (Out, error)

func (f pure[In, Out]) Probe(context.Context, action.Key, In) (out Out, found bool, err error) {
	return out, false, nil
}

func (f pure[In, Out]) Do(_ context.Context, _ action.Key, in In) (Out, error) { return f(in) }

// StampIn and StampOut are those of release.stamp@1.
type StampIn struct{}
type StampOut struct {
	Time string `cel:"time" json:"time" kind:"time"`
	Unix string `cel:"unix" json:"unix" doc:"the same time in seconds since 1970"`
}

// VersionIn and VersionOut are those of release.version@1.
type VersionIn struct {
	Version string   `cel:"version" json:"version" kind:"version"`
	Scheme  string   `cel:"scheme" json:"scheme"`
	Tags    []string `cel:"tags" json:"tags" doc:"release tags that exist"`
	Merged  []string `cel:"merged,optional" json:"merged,omitempty" doc:"of these, lowest first, those on the branch that is released"`
}
type VersionOut struct {
	Tag      string   `cel:"tag" json:"tag" doc:"the tag of this release: the one that exists, or else the version, with or without a leading v as the newest release has it"`
	Last     string   `cel:"last" json:"last" doc:"the newest other release among merged; empty when there is none"`
	Debian   string   `cel:"debian" json:"debian" doc:"version of the package, without the epoch that its changelog may have: 2019.01-1"`
	Warnings []string `cel:"warnings" json:"warnings"`
}

func checkVersion(in VersionIn) (VersionOut, error) {
	scheme, err := ParseScheme(in.Scheme)
	if err != nil {
		return VersionOut{}, err
	}
	v, err := NewVersion(scheme, in.Version)
	if err != nil {
		return VersionOut{}, err
	}
	out := VersionOut{Debian: v.Debian(1), Warnings: []string{}}
	// The release itself may be among the tags: whether it may go on is not a matter of its number.
	var others []string
	for _, tag := range in.Tags {
		w, ok := ReadTag(scheme, tag)
		switch {
		case ok && v.Equal(w) && out.Tag != "":
			return VersionOut{}, errs.E("release.version", errs.Exists, fmt.Errorf("%s is released already, twice: the tags %s and %s exist", v, out.Tag, tag)).
				Hint("choose another version")
		case ok && v.Equal(w):
			out.Tag = tag
		default:
			others = append(others, tag)
		}
	}
	for _, f := range LintVersion(v, others) {
		if f.Severity == Error {
			return VersionOut{}, errs.E("release.version", errs.Invalid, errors.New(f.Text)).Hint("%s", f.Fix)
		}
		out.Warnings = append(out.Warnings, f.Text)
	}
	if out.Tag == "" {
		out.Tag = v.TagLike(others)
	}
	for _, tag := range in.Merged {
		if tag != out.Tag {
			out.Last = tag
		}
	}
	return out, nil
}

// ChangelogIn and ChangelogOut are those of release.changelog@1.
type ChangelogIn struct {
	Version string     `cel:"version" json:"version" kind:"version"`
	Scheme  string     `cel:"scheme" json:"scheme"`
	Package string     `cel:"package" json:"package" doc:"name in the changelog"`
	Suite   string     `cel:"suite" json:"suite"`
	Message string     `cel:"message,optional" json:"message,omitempty" doc:"first line; by default it names the version"`
	Lines   []string   `cel:"lines" json:"lines" doc:"one-line log since the last release"`
	By      string     `cel:"by" json:"by" doc:"Name <mail>"`
	Date    string     `cel:"date" json:"date" kind:"time"`
	Path    string     `cel:"path" json:"path" doc:"file of the changelog in the repository"`
	Before  string     `cel:"before,optional" json:"before,omitempty" doc:"the changelog as it is now; empty when there is none"`
	Debian  string     `cel:"debian,optional" json:"debian,omitempty" doc:"version of the package where it is not that of a release, such as 2019.02+really2019.01-1"`
	Style   string     `cel:"style,optional" json:"style,omitempty" doc:"log (default): the message and the one-line log; gbp: the commits of entries, as gbp dch writes them"`
	Entries []LogEntry `cel:"entries,optional" json:"entries,omitempty" doc:"with the style gbp: the commits that touch the packaging, oldest first"`
	Bears   string     `cel:"bears,optional" json:"bears,omitempty" doc:"a file that holds the version and nothing else: lava_common/VERSION"`
	Made    bool       `cel:"made,optional" json:"made,omitempty" doc:"before belongs to a release that a person made: its entry is told, and none is written"`
}
type ChangelogOut struct {
	Entry   string            `cel:"entry" json:"entry" doc:"empty when a release that a person made has none"`
	Version string            `cel:"version" json:"version" doc:"whole Debian version of the entry, with the epoch that the changelog has: 1:2019.01-1; where there is no entry, the one that it would have"`
	Digest  string            `cel:"digest" json:"digest" kind:"digest"`
	Files   map[string]string `cel:"files" json:"files" doc:"path → entry, for the release commit"`
	Whole   map[string]string `cel:"whole,optional" json:"whole,omitempty" doc:"path → whole content: of the file that bears the version, and of the changelog where it has an entry of this release already, which is written anew; absent without either"`
}

func writeChangelog(in ChangelogIn) (ChangelogOut, error) {
	const op = "release.changelog"
	scheme, err := ParseScheme(in.Scheme)
	if err != nil {
		return ChangelogOut{}, err
	}
	var v Version
	if in.Debian == "" {
		if v, err = NewVersion(scheme, in.Version); err != nil {
			return ChangelogOut{}, err
		}
	}
	by, err := mail.ParseAddress(in.By)
	if err != nil {
		return ChangelogOut{}, errs.E(op, errs.Invalid, fmt.Errorf("%q is no name with an address", in.By)).
			Hint("Write the project's tagger as Name <mail@example.org>")
	}
	date, err := time.Parse(time.RFC3339, in.Date)
	if err != nil {
		return ChangelogOut{}, errs.E(op, errs.Invalid, fmt.Errorf("%q is no time", in.Date)).Hint("Write it as 2019-01-31T12:00:00Z")
	}
	message := in.Message
	if message == "" {
		message = "New upstream release " + v.Text
	}
	entry := ReleaseEntry(in.Package, v, message, in.Lines, by.Name, by.Address, date)
	entry.Distribution = in.Suite
	switch in.Style {
	case "", "log":
	case "gbp":
		entry.Wide = true
		if items := GbpItems(in.Entries, by.Name); len(items) > 0 {
			entry.Items = items
		} else { // gbp dch writes UNRELEASED here
			entry.Items = []Item{{Text: message}}
		}
	default:
		return ChangelogOut{}, errs.E(op, errs.Invalid, fmt.Errorf("%q is no style of a changelog", in.Style)).Hint("It is log or gbp")
	}
	if in.Debian != "" {
		entry.Version = in.Debian
	}
	if last, _, err := ParseEntry(in.Before); err == nil {
		if w, err := version.Parse(last.Version); err == nil && w.Epoch != "" && !strings.Contains(entry.Version, ":") { // whoever has one keeps it for ever
			entry.Version = w.Epoch + ":" + entry.Version
		}
	}
	if in.Made {
		return madeEntry(in.Before, v, entry.Version), nil
	}
	older, ours := afterOurs(in.Before, entry)
	whole, err := Prepend(older, entry)
	if err != nil {
		return ChangelogOut{}, err
	}
	text, err := entry.Render()
	if err != nil {
		return ChangelogOut{}, err
	}
	out := ChangelogOut{Entry: text, Version: entry.Version, Digest: action.DigestOf([]byte(text)), Files: map[string]string{in.Path: text + "\n"}}
	if in.Bears != "" && in.Debian == "" {
		out.Whole = map[string]string{in.Bears: v.Text + "\n"}
	}
	if ours {
		if out.Whole == nil {
			out.Whole = map[string]string{}
		}
		out.Files, out.Whole[in.Path] = map[string]string{}, whole
	}
	return out, nil
}

// afterOurs is what follows the newest entry of a changelog, if that is the one that this release wrote
// before: it has the version, the maintainer and, to the second, the time that e will have. A branch has
// it when it was pushed and its pipeline failed; with what mended that, the entry is written anew. One
// with a line that e has not was changed by hand. Of any other changelog it is all of it.
func afterOurs(changelog string, e Entry) (older string, ours bool) {
	last, rest, err := ParseEntry(changelog)
	if err != nil || last.Version != e.Version || last.Name != e.Name || last.Mail != e.Mail || last.Date.Unix() != e.Date.Unix() {
		return changelog, false
	}
	text, err := e.Render()
	if err != nil {
		return changelog, false
	}
	written, _, err := ParseEntry(text)
	if err != nil {
		return changelog, false
	}
	lines := written.lines()
	for line := range last.lines() {
		if !lines[line] {
			return changelog, false
		}
	}
	return strings.TrimLeft(rest, "\n"), true
}

// madeEntry is the newest entry of a changelog if it is that of v, as it stands there. One that is
// not gives expected as the version: nothing else may be published as v.
func madeEntry(changelog string, v Version, expected string) ChangelogOut {
	text := ""
	if e, rest, err := ParseEntry(changelog); err == nil {
		if w, err := version.Parse(e.Version); err == nil && version.ComparePart(w.Upstream, v.Upstream()) == 0 {
			text, expected = strings.TrimLeft(strings.TrimSuffix(changelog, rest), "\n"), e.Version
		}
	}
	return ChangelogOut{Entry: text, Version: expected, Digest: action.DigestOf([]byte(text)), Files: map[string]string{}}
}

// NotesIn and NotesOut are those of release.notes@1.
type NotesIn struct {
	Project     string   `cel:"project" json:"project"`
	Version     string   `cel:"version" json:"version" kind:"version"`
	Scheme      string   `cel:"scheme" json:"scheme"`
	Since       string   `cel:"since" json:"since" doc:"the last release, or empty"`
	Intro       string   `cel:"intro,optional" json:"intro,omitempty"`
	Lines       []string `cel:"lines" json:"lines" doc:"one-line log since the last release"`
	Merges      int      `cel:"merges" json:"merges"`
	Authors     []string `cel:"authors" json:"authors" doc:"mail addresses"`
	AuthorNames []string `cel:"author_names" json:"author_names" doc:"the name for each of authors"`
	Lists       []string `cel:"lists" json:"lists" doc:"mailing lists; the first one is in the Message-ID"`
	Run         string   `cel:"run" json:"run" doc:"name of the run, for the Message-ID"`
}
type NotesOut struct {
	Markdown  string `cel:"markdown" json:"markdown"`
	Plain     string `cel:"plain" json:"plain"`
	Subject   string `cel:"subject" json:"subject" doc:"of the announcement"`
	Body      string `cel:"body" json:"body" doc:"of the announcement: the notes and the one-line log"`
	MessageID string `cel:"message_id" json:"message_id"`
	Digest    string `cel:"digest" json:"digest" kind:"digest" doc:"of subject and body"`
	Page      string `cel:"page,optional" json:"page,omitempty" kind:"digest" doc:"of markdown"`
}

func writeNotes(in NotesIn) (NotesOut, error) {
	scheme, err := ParseScheme(in.Scheme)
	if err != nil {
		return NotesOut{}, err
	}
	version, err := NewVersion(scheme, in.Version)
	if err != nil {
		return NotesOut{}, err
	}
	if len(in.Lists) == 0 {
		return NotesOut{}, errs.E("release.notes", errs.Invalid, fmt.Errorf("%s has no mailing list", in.Project)).
			Hint("Name one in the project's mail_to")
	}
	list, err := mail.ParseAddress(in.Lists[0])
	if err != nil {
		return NotesOut{}, errs.E("release.notes", errs.Invalid, fmt.Errorf("%q is no mail address", in.Lists[0])).
			Hint("Write the project's mail_to as announce@lists.example.org")
	}
	summary := Summary{Commits: len(in.Lines), Merges: in.Merges}
	for i, address := range in.Authors {
		name := address
		if i < len(in.AuthorNames) {
			name = in.AuthorNames[i]
		}
		summary.Authors = append(summary.Authors, Author{Name: OneLine(name), Mail: OneLine(address)})
	}
	n := Notes{Project: in.Project, Version: version, Previous: in.Since, Intro: strings.TrimSpace(in.Intro), Log: in.Lines, Summary: summary}
	id, err := MessageID(list.Address, in.Project, in.Version, in.Run)
	if err != nil {
		return NotesOut{}, err
	}
	a := Announce(n)
	return NotesOut{Markdown: n.Markdown(), Plain: n.Plain(), Subject: a.Subject, Body: a.Body, MessageID: id,
		Digest: action.DigestOf([]byte(a.Subject + "\n\n" + a.Body)), Page: action.DigestOf([]byte(n.Markdown()))}, nil
}

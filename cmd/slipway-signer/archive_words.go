package main

import (
	"fmt"
	"strings"
	"time"

	"slipway/integrations/debian"
)

// words shows every suite, and what is different from the last time it was signed here. What
// clients have pinned or choose by (Origin, Label, Suite, Codename) stands in capitals when it
// changed.
func (w releaseWish) words(key string, j *Journal) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nSlipway asks for signatures under an archive.\n\n")
	if w.req.Rollback {
		b.WriteString("THIS IS A ROLLBACK: the archive goes back to an older content, on purpose.\n\n")
	}
	fmt.Fprintf(&b, "project   %s\narchive   %s\nkey       %s\n", printable(w.req.Project), printable(w.req.Archive), key)
	for i, s := range w.record(Record{}).Suites {
		fmt.Fprintf(&b, "\nsuite     %s\n", s.Name)
		fmt.Fprintf(&b, "release   %s\n", s.Digest)
		fmt.Fprintf(&b, "dated     %s\n", debian.FormatDate(s.Dated))
		if s.ValidUntil.IsZero() {
			b.WriteString("valid     without end: an old copy of it can be served for ever\n")
		} else {
			fmt.Fprintf(&b, "valid     until %s, for %s\n", debian.FormatDate(s.ValidUntil), span(s.ValidUntil.Sub(s.Dated)))
		}
		fmt.Fprintf(&b, "names     Suite %q, Codename %q, Origin %q, Label %q\n", s.Suite, s.Codename, s.Origin, s.Label)
		fmt.Fprintf(&b, "lists     %d index files under %s, for %s; components %s\n", s.Files, w.releases[i].Strongest(),
			some(s.Architectures), some(s.Components))
		if by := w.releases[i].SignedBy; by != "" {
			fmt.Fprintf(&b, "signed by the next ones must be signed by %s\n", printable(strings.Join(strings.Fields(by), " ")))
		}
		for _, line := range w.changes(s, j) {
			fmt.Fprintf(&b, "change    %s\n", line)
		}
	}
	b.WriteByte('\n')
	b.WriteString(w.asks().words())
	return b.String()
}

// changes says what is different from the last Release of the suite that was signed here.
func (w releaseWish) changes(s SuiteRecord, j *Journal) []string {
	last, ok := j.LastSuite(w.req.Archive, s.Name)
	if !ok {
		return []string{"FIRST: this log knows of no Release of this suite"}
	}
	if last.Digest == s.Digest {
		return []string{"none: precisely this Release was signed before"}
	}
	out := []string{"last signed was the Release dated " + debian.FormatDate(last.Dated)}
	for _, f := range [][3]string{{"SUITE", last.Suite, s.Suite}, {"CODENAME", last.Codename, s.Codename},
		{"ORIGIN", last.Origin, s.Origin}, {"LABEL", last.Label, s.Label}} {
		if f[1] != f[2] {
			out = append(out, fmt.Sprintf("%s CHANGES from %q to %q", f[0], f[1], f[2]))
		}
	}
	for _, f := range [][3]string{{"architectures", last.Architectures, s.Architectures}, {"components", last.Components, s.Components}} {
		if f[1] != f[2] {
			out = append(out, fmt.Sprintf("%s change from %s to %s", f[0], some(f[1]), some(f[2])))
		}
	}
	if last.Files != s.Files {
		out = append(out, fmt.Sprintf("%d index files were listed, %d are now", last.Files, s.Files))
	}
	if last.ValidUntil.IsZero() != s.ValidUntil.IsZero() {
		out = append(out, "the last one and this one differ in whether they end (Valid-Until)")
	}
	if last.Contents == s.Contents {
		out = append(out, "the indexes are the same, only other fields changed")
	} else if at, before := j.Signed(w.req.Archive, s); before {
		out = append(out, "THE INDEXES ARE THOSE SIGNED ON "+at.UTC().Format("2 January 2006, 15:04 UTC"))
	}
	return out
}

func some(s string) string {
	if s == "" {
		return "none"
	}
	return printable(s)
}

// span is d as people say it: in days where it is whole days.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d == day:
		return "1 day"
	case d%day == 0:
		return fmt.Sprintf("%d days", d/day)
	}
	return d.String()
}

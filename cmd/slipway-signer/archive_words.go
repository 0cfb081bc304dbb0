package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
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
	out := []string{fmt.Sprintf("last signed was the Release dated %s; Date moves on by %s", debian.FormatDate(last.Dated), span(s.Dated.Sub(last.Dated)))}
	switch {
	case last.ValidUntil.IsZero() && !s.ValidUntil.IsZero():
		out = append(out, "Valid-Until is new: the last one was valid without end")
	case !last.ValidUntil.IsZero() && s.ValidUntil.IsZero():
		out = append(out, "Valid-Until IS GONE: the last one was valid until "+debian.FormatDate(last.ValidUntil))
	case !last.ValidUntil.Equal(s.ValidUntil):
		out = append(out, fmt.Sprintf("Valid-Until moves from %s to %s", debian.FormatDate(last.ValidUntil), debian.FormatDate(s.ValidUntil)))
	}
	if last.Rest != "" && last.Rest == s.Rest {
		return append(out, "nothing else changes, to the byte")
	}
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
	if last.Contents == s.Contents {
		out = append(out, "the indexes are the same, only other fields changed")
	} else if at, before := j.Signed(w.req.Archive, s); before {
		out = append(out, "THE INDEXES ARE THOSE SIGNED ON "+at.UTC().Format("2 January 2006, 15:04 UTC"))
	}
	text, kept := j.LastText(last)
	if !kept {
		return append(out, "what precisely is different cannot be shown: the last Release is not kept beside the log")
	}
	return append(out, different(text, w.text(s.Name))...)
}

func (w releaseWish) text(suite string) string {
	for _, r := range w.req.Releases {
		if r.Suite == suite {
			return r.Text
		}
	}
	return ""
}

// maxLines is how many indexes and fields are shown of each kind of difference.
const maxLines = 12

// different says which fields and which indexes two Releases differ in. An index counts once,
// however it is compressed.
func different(before, now string) (out []string) {
	was, err1 := debian.ParseRelease([]byte(before))
	is, err2 := debian.ParseRelease([]byte(now))
	old, err3 := debian.ParseParagraph("the Release file", []byte(before))
	cur, err4 := debian.ParseParagraph("the Release file", []byte(now))
	if errors.Join(err1, err2, err3, err4) != nil {
		return nil // both were read before
	}
	shown := []string{"date", "valid-until", "suite", "codename", "origin", "label", "architectures", "components", "md5sum", "sha1", "sha256", "sha512"}
	var fields []string
	for _, f := range append(old.Clone(), cur...) {
		name := strings.ToLower(f.Name)
		if !slices.Contains(shown, name) && old.Get(name) != cur.Get(name) {
			fields = append(fields, fmt.Sprintf("field %s changes from %s to %s", f.Name, brief(old.Get(name)), brief(cur.Get(name))))
		}
		shown = append(shown, name)
	}
	a, b := indexes(was), indexes(is)
	var added, gone, changed []string
	for _, path := range slices.Sorted(maps.Keys(b)) {
		switch _, there := a[path]; {
		case !there:
			added = append(added, "index "+path+" is new")
		case a[path] != b[path]:
			changed = append(changed, "index "+path+" changes"+sizes(was, is, path))
		}
	}
	for _, path := range slices.Sorted(maps.Keys(a)) {
		if _, there := b[path]; !there {
			gone = append(gone, "index "+path+" is gone")
		}
	}
	for _, list := range [][]string{fields, gone, added, changed} {
		if more := len(list) - maxLines; more > 0 {
			list = append(list[:maxLines:maxLines], fmt.Sprintf("and %d more like that", more))
		}
		for _, line := range list {
			out = append(out, printable(line))
		}
	}
	return out
}

// indexes is what r lists under its strongest algorithm, by path without the compression.
func indexes(r debian.Release) map[string]string {
	all := map[string]string{}
	for _, f := range strongest(r) {
		name := plain(f.Path)
		all[name] += fmt.Sprintf("%s %d %s\n", f.Digest, f.Size, f.Path)
	}
	return all
}

func plain(path string) string {
	for _, z := range []string{".gz", ".xz", ".bz2", ".zst", ".lzma", ".lz4"} {
		if name, ok := strings.CutSuffix(path, z); ok {
			return name
		}
	}
	return path
}

// sizes tells how the index grows, where it is listed uncompressed.
func sizes(was, is debian.Release, path string) string {
	size := func(r debian.Release) int64 {
		for _, f := range strongest(r) {
			if f.Path == path {
				return f.Size
			}
		}
		return -1
	}
	if a, b := size(was), size(is); a >= 0 && b >= 0 && a != b {
		return fmt.Sprintf(", from %d to %d bytes", a, b)
	}
	return ""
}

func brief(s string) string {
	if len(s) > 80 {
		s = strings.ToValidUTF8(s[:80], "") + "…"
	}
	return fmt.Sprintf("%q", s)
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

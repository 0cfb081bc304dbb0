package debian

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/bot/version"
)

// Bounds of changelogs. The longest of Debian have some thousand entries and a few megabytes.
const (
	maxChangelogLine = 64 << 10
	maxEntryLines    = 20_000
	maxEntriesLog    = 50_000
)

// Entry is one entry of debian/changelog (Debian Policy 4.4, deb-changelog(5)).
type Entry struct {
	Package       string
	Version       string
	Distributions []string
	Urgency       string    // as written: "medium"
	Options       Paragraph // what stands beside the urgency: binary-only=yes
	Changes       []string  // lines as they stand, with their indent; empty ones between them are ""
	Maintainer    string    // the name
	Mail          string
	Date          time.Time // its zone is kept
	Line          int       // at which the entry begins
	Warnings      []string  // what dpkg reads all the same, naming the line
}

var (
	entryHead = regexp.MustCompile(`^([A-Za-z0-9][-+0-9A-Za-z.]*) \(([^() \t]+)\)((?:[ \t]+[-+0-9A-Za-z.]+)+);(.*)$`)
	entryEnd  = regexp.MustCompile(`^ -- (.*) <([^<>]*)>(  ?)((?:[A-Za-z]+,[ \t]*)?[0-9]{1,2}[ \t]+[A-Za-z]{3}[ \t]+[0-9]{4}[ \t]+[0-9]{1,2}:[0-9]{2}:[0-9]{2}[ \t]+[-+][0-9]{4})(?:[ \t]+\([^()]*\))?$`)
	option    = regexp.MustCompile(`^([-0-9A-Za-z]+)=[ \t]*(\S.*)$`)
	// Before 1996 an entry named no distribution. dpkg reads nothing from the first such entry on.
	oldHead = regexp.MustCompile(`^[A-Za-z0-9][-+0-9A-Za-z.]* \([^() \t]+\);`)
	// Policy knows nothing of these, but dpkg reads over the settings of editors.
	editorLine = regexp.MustCompile(`(?i)^(vim:|\$[a-z]+:.*\$|# |/\*.*\*/)`)
	editorEnd  = regexp.MustCompile(`(?i)^(;; *)?local variables:`)
)

// ParseChangelog reads debian/changelog, newest entry first. It is as strict as dpkg: a trailer
// has exactly two blanks before its date, and nothing but the settings of editors stands outside
// of entries. Errors are of kind Invalid and name the line.
func ParseChangelog(r io.Reader) ([]Entry, error) {
	p := &changelogParser{}
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxChangelogLine)
	for s.Scan() {
		p.line++
		line := strings.TrimRight(s.Text(), " \t\r")
		if strings.IndexByte(line, 0) >= 0 {
			return nil, p.bad("Take it out", "has a NUL byte")
		}
		if p.entry == nil && (editorEnd.MatchString(line) || len(p.entries) > 0 && oldHead.MatchString(line)) {
			break
		}
		if err := p.take(line); err != nil {
			return nil, err
		}
	}
	switch err := s.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		p.line++
		return nil, p.bad("Check that this is the right file", "is longer than %d bytes", maxChangelogLine)
	case err != nil:
		return nil, errs.E("debian.changelog", errs.KindOf(err), err)
	case p.entry != nil:
		p.line++
		return nil, p.bad(trailerHint, "should be the trailer of the entry, but the text ends")
	case len(p.entries) == 0:
		return nil, invalid("changelog", headHint, "the changelog has no entries")
	}
	return p.entries, nil
}

const (
	headHint    = "Begin an entry with: source (version) distribution; urgency=medium"
	trailerHint = "End an entry with: space, two hyphens, name <mail>, two spaces, date"
)

type changelogParser struct {
	entries []Entry
	entry   *Entry // the one that is open
	line    int
}

func (p *changelogParser) bad(hint, format string, args ...any) error {
	return invalidLine("changelog", "the changelog", p.line, hint, format, args...)
}

func (p *changelogParser) take(line string) error {
	e := p.entry
	switch {
	case e == nil && (line == "" || editorLine.MatchString(line)):
		return nil
	case e == nil:
		return p.head(line)
	case line == "":
		if len(e.Changes) > 0 {
			e.Changes = append(e.Changes, "")
		}
	case strings.HasPrefix(line, " --"):
		return p.trailer(line)
	case line[0] != ' ' && line[0] != '\t':
		return p.bad(trailerHint, "begins in the first column, before the trailer of the entry above")
	default:
		if !strings.HasPrefix(line, "  ") {
			e.Warnings = append(e.Warnings, fmt.Sprintf("line %d is indented by less than two blanks", p.line))
		}
		e.Changes = append(e.Changes, line)
	}
	if len(e.Changes) > maxEntryLines {
		return p.bad("Check that this is the right file", "is more than line %d of its entry", maxEntryLines)
	}
	return nil
}

func (p *changelogParser) head(line string) error {
	m := entryHead.FindStringSubmatch(line)
	if m == nil {
		return p.bad(headHint, "does not begin an entry")
	}
	if len(p.entries) == maxEntriesLog {
		return p.bad("Check that this is the right file", "begins more than %d entries", maxEntriesLog)
	}
	if _, err := ParseVersion(m[2]); err != nil {
		return p.bad("Write [epoch:]upstream[-revision], for example 2019.01-1", "has the version %q, which dpkg refuses", shorten(m[2]))
	}
	e := &Entry{Package: m[1], Version: m[2], Distributions: strings.Fields(m[3]), Line: p.line}
	for pair := range strings.SplitSeq(m[4], ",") {
		if pair = strings.Trim(pair, " \t"); pair == "" {
			continue
		}
		o := option.FindStringSubmatch(pair)
		switch {
		case o == nil:
			return p.bad(headHint, "has %q where name=value should be", shorten(pair))
		case strings.EqualFold(o[1], "urgency") && e.Urgency == "":
			e.Urgency = o[2]
		case strings.EqualFold(o[1], "urgency") || e.Options.Has(o[1]):
			return p.bad("Keep one of them", "has %s twice", o[1])
		default:
			e.Options.Set(o[1], o[2])
		}
	}
	if e.Urgency == "" {
		e.Warnings = append(e.Warnings, fmt.Sprintf("line %d names no urgency", p.line))
	}
	p.entry = e
	return nil
}

func (p *changelogParser) trailer(line string) error {
	e := p.entry
	m := entryEnd.FindStringSubmatch(line)
	if m == nil || len(m[3]) != 2 {
		return p.bad(trailerHint, "is a badly formed trailer")
	}
	e.Maintainer, e.Mail = m[1], m[2]
	for len(e.Changes) > 0 && e.Changes[len(e.Changes)-1] == "" {
		e.Changes = e.Changes[:len(e.Changes)-1]
	}
	text := strings.Join(strings.Fields(m[4]), " ") // one-digit days are often written with two blanks
	day, rest, named := strings.Cut(text, ",")
	if named {
		text = strings.TrimLeft(rest, " ")
	}
	t, err := time.Parse("2 Jan 2006 15:04:05 -0700", text)
	if err != nil {
		return p.bad("Write it as: Thu, 24 Jan 2019 11:43:27 +0000", "has a date that cannot be read")
	}
	if !named || day != t.Format("Mon") {
		e.Warnings = append(e.Warnings, fmt.Sprintf("line %d names another day of the week than the date, which is a %s", p.line, t.Format("Monday")))
	}
	e.Date = t
	p.entries, p.entry = append(p.entries, *e), nil
	return nil
}

// FormatEntry writes an entry, ending with the newline of its trailer; between two entries
// stands an empty line. An entry that would not read back as it is gives an error of kind
// Invalid.
func FormatEntry(e Entry) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s) %s; urgency=%s", e.Package, e.Version, strings.Join(e.Distributions, " "), e.Urgency)
	for _, o := range e.Options {
		fmt.Fprintf(&b, ", %s=%s", o.Name, o.Value)
	}
	b.WriteString("\n\n")
	for _, line := range e.Changes {
		b.WriteString(line + "\n")
	}
	fmt.Fprintf(&b, "\n -- %s <%s>  %s\n", e.Maintainer, e.Mail, e.Date.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	text := b.String()
	back, err := ParseChangelog(strings.NewReader(text))
	if err != nil {
		return "", err
	}
	if len(back) != 1 || !sameEntry(e, back[0]) {
		return "", invalid("changelog", "Write lines of changes without blanks at their end and without empty lines around them",
			"the entry for %s would not read back as it is", shorten(e.Version))
	}
	return text, nil
}

func sameEntry(a, b Entry) bool {
	return a.Package == b.Package && a.Version == b.Version && slices.Equal(a.Distributions, b.Distributions) &&
		a.Urgency == b.Urgency && slices.Equal(a.Options, b.Options) && slices.Equal(a.Changes, b.Changes) &&
		a.Maintainer == b.Maintainer && a.Mail == b.Mail && a.Date.Format(time.RFC1123Z) == b.Date.Format(time.RFC1123Z)
}

// CheckOrder reports the first entry that does not sort above the one below it: the newest
// stands first, and apt offers nothing that sorts lower than what is installed.
func CheckOrder(entries []Entry) error {
	for i := 1; i < len(entries); i++ {
		newer, older := entries[i-1], entries[i]
		if version.Compare(newer.Version, older.Version) <= 0 {
			return invalidLine("changelog", "the changelog", newer.Line, "Choose a version above "+older.Version,
				"begins the entry for %s, which does not sort above %s", newer.Version, older.Version)
		}
	}
	return nil
}

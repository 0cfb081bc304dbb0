package release

import (
	"fmt"
	"net/mail"
	"regexp"
	"strings"
	"time"

	"slipway/bot/errs"
	"slipway/bot/version"
)

// Entry is one entry of a Debian changelog (Debian Policy 4.4, deb-changelog(5)).
//
// For a release it has one item, whose text is the message of the release and whose lines are
// the one-line log since the last release: every line stands under the message, indented by
// four, and is wrapped at 71 columns with the rest under the subject, at column 14, which is
// where a subject begins after an abbreviation of nine hexadecimal digits.
type Entry struct {
	Source       string // name of the source package
	Version      string // package version: "2019.01-1"
	Distribution string // "unstable"
	Urgency      string // "" means medium
	Items        []Item
	Name, Mail   string    // who made the release
	Date         time.Time // its zone is kept
	Wide         bool      // lines stand as they are, however long, and a blank line before each heading, as gbp dch leaves them
}

// lines are the lines of e's items, without the spaces around them.
func (e Entry) lines() map[string]bool {
	all := map[string]bool{}
	for _, item := range e.Items {
		for _, line := range append([]string{item.Text}, item.Lines...) {
			all[strings.TrimSpace(line)] = true
		}
	}
	return all
}

// Item is one point of an entry with the lines under it.
type Item struct {
	Text  string
	Lines []string
	Bare  bool // has no bullet: a heading such as "[ Name ]"
}

// clean is the text of the item as it is written. A bare one cannot begin like one with a bullet.
func (i Item) clean() string {
	if i.Bare {
		return strings.TrimLeft(OneLine(i.Text), "* ")
	}
	return OneLine(i.Text)
}

const (
	logWidth  = 71
	logIndent = 4
	logRest   = 14
	rfc2822   = "Mon, 02 Jan 2006 15:04:05 -0700"
)

var (
	sourceName = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)
	distName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.+-]*( [A-Za-z0-9][A-Za-z0-9.+-]*)*$`)
	urgency    = regexp.MustCompile(`^[a-z]+$`)
	headForm   = regexp.MustCompile(`^([^\s()]+) \(([^\s()]+)\) ([^;]+);(.*)$`)
	endForm    = regexp.MustCompile(`^ -- (.*) <([^<>]*)>(  ?)(\S.*)$`)
)

// ReleaseEntry is the entry of a release: the message, then the one-line log. Lines are cleaned
// by [OneLine]; empty ones are dropped.
func ReleaseEntry(source string, v Version, message string, log []string, name, address string, date time.Time) Entry {
	item := Item{Text: message}
	for _, line := range log {
		if line = OneLine(line); line != "" {
			item.Lines = append(item.Lines, line)
		}
	}
	return Entry{Source: source, Version: v.Debian(1), Distribution: "unstable", Urgency: "medium",
		Items: []Item{item}, Name: name, Mail: address, Date: date}
}

// Check reports what would make the entry unreadable to dpkg-parsechangelog. Errors are of kind
// Invalid.
func (e Entry) Check() error {
	bad := func(hint, format string, args ...any) error {
		return errs.E("release.changelog", errs.Invalid, fmt.Errorf(format, args...)).Hint("%s", hint)
	}
	if !sourceName.MatchString(e.Source) {
		return bad("Use lower-case letters, digits, plus, minus and points, two at least", "%q is not the name of a source package", shorten(e.Source))
	}
	if _, err := version.Parse(e.Version); err != nil {
		return err
	}
	if !distName.MatchString(e.Distribution) {
		return bad("Use a name such as unstable", "%q is not a distribution", shorten(e.Distribution))
	}
	if e.Urgency != "" && !urgency.MatchString(e.Urgency) {
		return bad("Use low, medium, high, emergency or critical", "%q is not an urgency", shorten(e.Urgency))
	}
	if err := checkPerson(e.Name, e.Mail); err != nil {
		return err
	}
	if e.Date.Year() < 1970 || e.Date.Year() > 9999 {
		return bad("Give the date of the release", "the changelog entry has no usable date")
	}
	if len(e.Items) == 0 || e.Items[0].clean() == "" {
		return bad("Give the message of the release", "the changelog entry says nothing")
	}
	return nil
}

func checkPerson(name, address string) error {
	if OneLine(name) != name || name == "" || strings.ContainsAny(name, "<>") {
		return errs.E("release.person", errs.Invalid, fmt.Errorf("%q is not a name for a changelog", shorten(name))).
			Hint("Write the name on one line, without angle brackets")
	}
	if a, err := mail.ParseAddress(address); err != nil || a.Address != address || OneLine(address) != address || strings.ContainsAny(address, " <>") {
		return errs.E("release.person", errs.Invalid, fmt.Errorf("%q is not a mail address", shorten(address))).
			Hint("Write it as name@example.org")
	}
	return nil
}

// Render writes the entry, ending with the newline of its trailer. Text is cleaned, so that no
// commit can end the entry or begin another one.
func (e Entry) Render() (string, error) {
	if err := e.Check(); err != nil {
		return "", err
	}
	var b strings.Builder
	urgent := e.Urgency
	if urgent == "" {
		urgent = "medium"
	}
	fmt.Fprintf(&b, "%s (%s) %s; urgency=%s\n\n", e.Source, e.Version, e.Distribution, urgent)
	for i, item := range e.Items {
		text := item.clean()
		switch {
		case text == "":
		case item.Bare:
			if e.Wide && i > 0 {
				b.WriteString("\n")
			}
			fmt.Fprintf(&b, "  %s\n", text)
		default:
			fmt.Fprintf(&b, "  * %s\n", text)
		}
		for _, line := range item.Lines {
			if line = OneLine(line); e.Wide && line != "" {
				b.WriteString(strings.Repeat(" ", logIndent) + line + "\n")
				continue
			}
			for _, l := range wrap(line, logWidth, logIndent, logRest) {
				b.WriteString(l + "\n")
			}
		}
	}
	fmt.Fprintf(&b, "\n -- %s <%s>  %s\n", e.Name, e.Mail, e.Date.Format(rfc2822))
	return b.String(), nil
}

// ParseEntry reads the first entry of a changelog and gives what follows it. A line indented by
// four belongs to the item above it; one indented by more goes on with the line above it.
func ParseEntry(text string) (e Entry, rest string, err error) {
	number := 0
	bad := func(hint, format string, args ...any) (Entry, string, error) {
		return Entry{}, "", errs.E("release.changelog", errs.Invalid,
			fmt.Errorf("line %d of the changelog %s", number, fmt.Sprintf(format, args...))).Hint("%s", hint)
	}
	headed := false
	for text != "" {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		number++
		line = strings.TrimRight(line, " \t\r")
		switch {
		case line == "":
		case !headed:
			m := headForm.FindStringSubmatch(line)
			if m == nil {
				return bad("It starts with: source (version) distribution; urgency=medium", "does not begin an entry")
			}
			headed = true
			e.Source, e.Version, e.Distribution = m[1], m[2], strings.Join(strings.Fields(m[3]), " ")
			for _, pair := range strings.Split(m[4], ",") {
				if k, v, _ := strings.Cut(strings.TrimSpace(pair), "="); strings.EqualFold(k, "urgency") {
					e.Urgency = strings.ToLower(strings.TrimSpace(v))
				}
			}
		case strings.HasPrefix(line, " --"):
			m := endForm.FindStringSubmatch(line)
			if m == nil || len(m[3]) != 2 {
				return bad("It ends with: space, two hyphens, name <mail>, two spaces, date", "is a badly formed trailer")
			}
			e.Name, e.Mail = m[1], m[2]
			if e.Date, err = time.Parse("Mon, _2 Jan 2006 15:04:05 -0700", m[4]); err != nil {
				return bad("Write it as: Thu, 24 Jan 2019 11:43:27 +0000", "has a date that cannot be read")
			}
			return e, text, e.Check()
		// dpkg-parsechangelog reads a line indented by one blank too, with a warning.
		case !strings.HasPrefix(line, " "):
			return bad("Every line of an entry is indented by two or more", "is outside an entry")
		default:
			e.addLine(line)
		}
	}
	number++
	return bad("It ends with: space, two hyphens, name <mail>, two spaces, date", "should be the trailer of the entry, but the text ends")
}

// addLine puts one indented line of a changelog where it belongs.
func (e *Entry) addLine(line string) {
	trimmed := strings.TrimLeft(line, " \t")
	indent := len(line) - len(trimmed)
	if trimmed = OneLine(trimmed); trimmed == "" || trimmed == "*" && indent < logIndent {
		return
	}
	if text, ok := strings.CutPrefix(trimmed, "* "); ok && indent == 2 {
		e.Items = append(e.Items, Item{Text: text})
		return
	}
	if indent < logIndent || len(e.Items) == 0 {
		e.Items = append(e.Items, Item{Text: trimmed, Bare: true})
		return
	}
	item := &e.Items[len(e.Items)-1]
	if n := len(item.Lines); indent > logIndent && n > 0 {
		item.Lines[n-1] += " " + trimmed
		return
	}
	item.Lines = append(item.Lines, trimmed)
}

// Prepend puts e before the entries of an existing changelog. The source package of e is taken
// from there when e names none. It refuses an entry of another package, one for a version that
// is there already (kind Exists) and one that does not sort above the newest.
func Prepend(changelog string, e Entry) (string, error) {
	if strings.TrimSpace(changelog) != "" {
		last, _, err := ParseEntry(changelog)
		if err != nil {
			return "", err
		}
		if e.Source == "" {
			e.Source = last.Source
		}
		if e.Source != last.Source {
			return "", errs.E("release.changelog", errs.Invalid, fmt.Errorf("the changelog is of %s, the entry of %s", last.Source, e.Source)).
				Hint("Name the source package %s in the project's profile", last.Source)
		}
		v, err := version.Parse(e.Version)
		if err != nil {
			return "", err
		}
		w, err := version.Parse(last.Version)
		if err != nil {
			return "", err
		}
		switch c := v.Compare(w); {
		case c == 0:
			return "", errs.E("release.changelog", errs.Exists, fmt.Errorf("the changelog has an entry for %s already", last.Version)).
				Hint("Take that entry out, which is not of this run: revert its commit on the branch, and say retry --from state; or choose another version")
		case c < 0:
			return "", errs.E("release.changelog", errs.Invalid, fmt.Errorf("%s sorts below %s, the newest entry of the changelog", e.Version, last.Version)).
				Hint("Choose a version above %s", last.Version)
		}
	}
	text, err := e.Render()
	if err != nil || strings.TrimSpace(changelog) == "" {
		return text, err
	}
	return text + "\n" + changelog, nil
}

package release

import (
	"fmt"
	"strings"
	"unicode"
)

// Notes are the release notes: what people who use the project read about a release.
type Notes struct {
	Project  string // its display name: "LAVA"
	Version  Version
	Previous string   // the last release; "" when this is the first
	Intro    string   // written by the release manager: plain paragraphs; may be empty
	Links    []Link   // where to get it
	Summary  Summary  // what is in it
	Log      []string // one-line log, newest first
}

// Link is a named address.
type Link struct {
	Name string
	URL  string
}

// Title is the heading of the notes and the subject of the announcement.
func (n Notes) Title() string { return fmt.Sprintf("%s %s", OneLine(n.Project), n.Version) }

// counts says in one sentence what is in the release.
func (n Notes) counts() string {
	since := "This is the first release."
	if n.Previous != "" {
		since = fmt.Sprintf("The last release was %s.", OneLine(n.Previous))
	}
	return fmt.Sprintf("%s It has %s by %s.", since,
		plural(n.Summary.Commits, "commit"), plural(len(n.Summary.Authors), "author"))
}

// commitCount is how many commits an author has, in brackets, or nothing when they were not counted.
func commitCount(a Author) string {
	if a.Commits == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d)", a.Commits)
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// Plain is the notes as plain text, wrapped at 72 columns and ending with a newline.
func (n Notes) Plain() string {
	var b strings.Builder
	title := n.Title()
	fmt.Fprintf(&b, "%s\n%s\n\n", title, strings.Repeat("=", len([]rune(title))))
	for _, p := range paragraphs(n.Intro) {
		b.WriteString(strings.Join(wrap(p, 72, 0, 0), "\n") + "\n\n")
	}
	b.WriteString(strings.Join(wrap(n.counts(), 72, 0, 0), "\n") + "\n")
	if len(n.Links) > 0 {
		b.WriteString("\nWhere to get it\n---------------\n\n")
		for _, l := range n.Links {
			fmt.Fprintf(&b, "* %s: %s\n", OneLine(l.Name), OneLine(l.URL))
		}
	}
	if len(n.Summary.Authors) > 0 {
		b.WriteString("\nAuthors\n-------\n\n")
		for _, a := range n.Summary.Authors {
			b.WriteString("* " + OneLine(a.Name) + commitCount(a) + "\n")
		}
	}
	return b.String()
}

// Markdown is the notes with the one-line log, for the page of a tag on a forge. Commits stand
// in a code block, where a forge makes no mention, link or command of them.
func (n Notes) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", escapeMarkdown(n.Title()))
	for _, p := range paragraphs(n.Intro) {
		b.WriteString(escapeMarkdown(p) + "\n\n")
	}
	b.WriteString(escapeMarkdown(n.counts()) + "\n")
	if len(n.Links) > 0 {
		b.WriteString("\n## Where to get it\n\n")
		for _, l := range n.Links {
			fmt.Fprintf(&b, "- %s: <%s>\n", escapeMarkdown(l.Name), escapeURL(l.URL))
		}
	}
	if len(n.Summary.Authors) > 0 {
		b.WriteString("\n## Authors\n\n")
		for _, a := range n.Summary.Authors {
			b.WriteString("- " + escapeMarkdown(a.Name) + commitCount(a) + "\n")
		}
	}
	if len(n.Log) > 0 {
		fence := "```"
		for _, line := range n.Log {
			for strings.Contains(line, fence) {
				fence += "`"
			}
		}
		fmt.Fprintf(&b, "\n## Commits\n\n%stext\n", fence)
		for _, line := range n.Log {
			b.WriteString(OneLine(line) + "\n")
		}
		b.WriteString(fence + "\n")
	}
	return b.String()
}

// paragraphs are the parts of a text between blank lines, each on one line.
func paragraphs(text string) []string {
	var found []string
	var lines []string
	for line := range strings.SplitSeq(text+"\n\n", "\n") {
		if line = OneLine(line); line != "" {
			lines = append(lines, line)
			continue
		}
		if len(lines) > 0 {
			found = append(found, strings.Join(lines, " "))
			lines = nil
		}
	}
	return found
}

// escapeMarkdown writes text so that it reads as itself. A forge looks for mentions in text that
// is escaped too, so the at sign is written in words.
func escapeMarkdown(text string) string {
	var b strings.Builder
	for i, r := range OneLine(text) {
		switch {
		case r == '@':
			b.WriteString(" at ")
			continue
		case strings.ContainsRune("\\`*_{}[]<>()#|~!&$", r), i == 0 && strings.ContainsRune("+-=:", r):
			b.WriteByte('\\')
		case i > 0 && (r == '.' || r == ')') && numbered(text[:min(i, len(text))]):
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// numbered reports whether text is digits alone, which with a point after them begins a list.
func numbered(text string) bool {
	return text != "" && strings.IndexFunc(text, func(r rune) bool { return !unicode.IsDigit(r) }) < 0
}

func escapeURL(url string) string {
	return strings.NewReplacer("<", "%3C", ">", "%3E", " ", "%20").Replace(OneLine(url))
}

package debian

import (
	"strings"
)

// Field is one field of control data.
//
// Value is the text after the colon without the one blank that follows it. Continuation lines
// are joined by newlines, each without the one blank that begins it; a value that starts on the
// second line, such as a list of checksums, starts with a newline.
type Field struct{ Name, Value string }

// Paragraph is the fields of one paragraph in their order (Debian Policy 5.1). Names are equal
// when they differ in case only.
type Paragraph []Field

func (p Paragraph) find(name string) int {
	for i := range p {
		if len(p[i].Name) == len(name) && strings.EqualFold(p[i].Name, name) {
			return i
		}
	}
	return -1
}

// Get is the value of the field, without blanks around it; "" when there is none.
func (p Paragraph) Get(name string) string {
	if i := p.find(name); i >= 0 {
		return strings.Trim(p[i].Value, " \t")
	}
	return ""
}

// Has reports whether the field is there, empty or not.
func (p Paragraph) Has(name string) bool { return p.find(name) >= 0 }

// Lines is the value as lines without blanks around them; empty ones are left out.
func (p Paragraph) Lines(name string) []string {
	var lines []string
	for line := range strings.SplitSeq(p.Get(name), "\n") {
		if line = strings.Trim(line, " \t"); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// Set gives the field a value. A field that exists keeps its place and the spelling of its name;
// a new one comes last. [Paragraph.Check] tells whether the value can be written.
func (p *Paragraph) Set(name, value string) {
	if i := p.find(name); i >= 0 {
		(*p)[i].Value = value
		return
	}
	*p = append(*p, Field{name, value})
}

// Delete takes the field out.
func (p *Paragraph) Delete(name string) {
	if i := p.find(name); i >= 0 {
		*p = append((*p)[:i:i], (*p)[i+1:]...)
	}
}

// Clone is a copy that shares nothing that can be changed.
func (p Paragraph) Clone() Paragraph { return append(Paragraph(nil), p...) }

// Check reports what [Paragraph.AppendTo] could not write so that it reads back as it is. Errors
// are of kind Invalid and name the field.
func (p Paragraph) Check() error {
	if len(p) == 0 {
		return invalid("paragraph", "Give it one field at least", "the paragraph has no fields")
	}
	for i, f := range p {
		if !validName(f.Name) {
			return invalid("paragraph", "Use printable ASCII without a colon that does not begin with # or -",
				"%q is no name of a field", shorten(f.Name))
		}
		if p[:i].Has(f.Name) {
			return invalid("paragraph", "Keep one of them", "the field %s stands twice", f.Name)
		}
		if strings.ContainsAny(f.Value, "\x00\r") {
			return invalid("paragraph", "Take it out", "the field %s has a control character", f.Name)
		}
		for n, line := range strings.Split(f.Value, "\n") {
			if n > 0 && strings.Trim(line, " \t") == "" {
				return invalid("paragraph", "Write a single point for an empty line", "the field %s has an empty line", f.Name)
			}
		}
	}
	return nil
}

// validName follows Debian Policy 5.1: printable ASCII without the colon, and not like a comment
// or a line of armour.
func validName(name string) bool {
	if name == "" || name[0] == '#' || name[0] == '-' {
		return false
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c > '~' || c == ':' {
			return false
		}
	}
	return true
}

// AppendTo writes the paragraph, one line or more for each field, without the empty line that
// separates it from the next. An empty continuation line is written as " .", so that a value
// can never end its paragraph.
func (p Paragraph) AppendTo(b []byte) []byte {
	for _, f := range p {
		b = append(b, f.Name...)
		b = append(b, ':')
		first, rest, more := strings.Cut(f.Value, "\n")
		if first != "" {
			b = append(b, ' ')
			b = append(b, first...)
		}
		b = append(b, '\n')
		for more {
			var line string
			line, rest, more = strings.Cut(rest, "\n")
			if strings.Trim(line, " \t") == "" {
				line = "."
			}
			b = append(b, ' ')
			b = append(b, line...)
			b = append(b, '\n')
		}
	}
	return b
}

func (p Paragraph) String() string { return string(p.AppendTo(nil)) }

package debian

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"slipway/bot/errs"
)

// Bounds of a [Reader]. The largest paragraphs of real archives are Release files, of some
// megabytes.
const (
	DefaultMaxParagraph = 8 << 20
	DefaultMaxLine      = 1 << 20
	maxFields           = 400
)

// Reader reads control data paragraph by paragraph. Set its fields before the first call.
//
// It refuses what readers of the format take differently: a line that has only blanks (the end
// of a paragraph for dpkg, part of a value for apt), a field that stands twice, NUL bytes,
// carriage returns at the end of lines.
type Reader struct {
	Name         string // what is read, for errors; "" means "the control data"
	Handwritten  bool   // allows comments and a last line without its newline, as in debian/control
	MaxParagraph int    // bytes of a paragraph; 0 means DefaultMaxParagraph
	MaxLine      int    // bytes of a line; 0 means DefaultMaxLine

	r       io.Reader
	buf     []byte // buf[start:end] is not consumed yet
	start   int
	end     int
	eof     bool
	line    int // of the line returned last
	first   int // line of the paragraph's first field
	size    int // bytes of the paragraph that the last Next gave
	scratch []byte
	spans   []span
	err     error
}

type span struct{ name, value, end int }

// NewReader reads control data from r.
func NewReader(r io.Reader) *Reader { return &Reader{r: r} }

func (r *Reader) bad(hint, format string, args ...any) error {
	what := r.Name
	if what == "" {
		what = "the control data"
	}
	return invalidLine("deb822", what, r.line, hint, format, args...)
}

// Line is the line number at which the paragraph of the last [Reader.Next] begins.
func (r *Reader) Line() int { return r.first }

// Raw is the exact bytes of the paragraph of the last [Reader.Next], with comments and the
// newline of its last line, without the empty lines around it. They are valid until the next
// call of Next.
func (r *Reader) Raw() []byte { return r.buf[r.start-r.size : r.start] }

// Next is the next paragraph; its strings stay valid. At the end the error is io.EOF. Errors in
// the data are of kind Invalid and name the line; after an error every call gives it again.
func (r *Reader) Next() (Paragraph, error) {
	if r.err != nil {
		return nil, r.err
	}
	p, err := r.next()
	if err != nil {
		r.err, r.size = err, 0
	}
	return p, err
}

func (r *Reader) next() (Paragraph, error) {
	r.size = 0
	if r.MaxParagraph <= 0 {
		r.MaxParagraph = DefaultMaxParagraph
	}
	if r.MaxLine <= 0 {
		r.MaxLine = DefaultMaxLine
	}
	r.spans, r.scratch = r.spans[:0], r.scratch[:0]
	pos := 0 // from r.start
	for {
		line, n, err := r.readLine(pos)
		if err == io.EOF {
			if len(r.spans) == 0 {
				return nil, io.EOF
			}
			break
		}
		if err != nil {
			return nil, err
		}
		if len(line) == 0 {
			if len(r.spans) > 0 {
				r.line-- // the next call reads it again
				break
			}
			r.start += pos + n // an empty line before the paragraph, and comments before that
			pos = 0
			continue
		}
		if len(r.spans) == 0 && pos == 0 {
			r.first = r.line
		}
		pos += n
		if pos > r.MaxParagraph {
			return nil, r.bad("Check that this is the right file", "makes a paragraph of more than %d bytes", r.MaxParagraph)
		}
		if line[0] == '#' && r.Handwritten {
			continue
		}
		if err := r.take(line); err != nil {
			return nil, err
		}
	}
	r.size = pos
	r.start += pos
	return r.paragraph()
}

// take adds one line that is not empty to the paragraph.
func (r *Reader) take(line []byte) error {
	if line[0] == ' ' || line[0] == '\t' {
		if len(r.spans) == 0 {
			return r.bad("A paragraph begins with Name: value", "goes on with a field, but there is none before it")
		}
		if len(bytes.Trim(line, " \t")) == 0 {
			return r.bad("Take the blanks out, or write a single point for an empty line of the value", "has only blanks")
		}
		if line[0] == ' ' {
			line = line[1:]
		}
		r.scratch = append(append(r.scratch, '\n'), line...)
		r.spans[len(r.spans)-1].end = len(r.scratch)
		return nil
	}
	colon := bytes.IndexByte(line, ':')
	if colon < 0 {
		return r.bad("Write Name: value, and begin lines that go on with a blank", "has no colon")
	}
	name := line[:colon]
	for i, c := range name {
		if c <= ' ' || c > '~' || i == 0 && (c == '#' || c == '-') {
			return r.bad("Use printable ASCII for names of fields", "has %q where the name of a field should be", shorten(string(name)))
		}
	}
	if colon == 0 {
		return r.bad("Write Name: value", "has no name before the colon")
	}
	if len(r.spans) == maxFields {
		return r.bad("Check that this is the right file", "is more than field %d of its paragraph", maxFields)
	}
	for _, s := range r.spans {
		if s.value-s.name == len(name) && bytes.EqualFold(r.scratch[s.name:s.value], name) {
			return r.bad("Keep one of them", "has the field %s again", name)
		}
	}
	value := line[colon+1:]
	if len(value) > 0 && value[0] == ' ' {
		value = value[1:]
	}
	at := len(r.scratch)
	r.scratch = append(append(r.scratch, name...), value...)
	r.spans = append(r.spans, span{at, at + colon, len(r.scratch)})
	return nil
}

// paragraph cuts the fields out of one string, which is cheaper than a string for each.
func (r *Reader) paragraph() (Paragraph, error) {
	text := string(r.scratch)
	p := make(Paragraph, len(r.spans))
	for i, s := range r.spans {
		p[i] = Field{text[s.name:s.value], text[s.value:s.end]}
	}
	if strings.IndexByte(text, 0) >= 0 {
		r.line = r.first
		return nil, r.bad("Check that this is the right file", "begins a paragraph with a NUL byte in it")
	}
	return p, nil
}

// readLine gives the line that begins at r.start+pos without its newline, and its length with it.
// It may move the buffer, but never what lies between r.start and the line.
func (r *Reader) readLine(pos int) ([]byte, int, error) {
	scanned := pos
	for {
		if i := bytes.IndexByte(r.buf[r.start+scanned:r.end], '\n'); i >= 0 {
			line := r.buf[r.start+pos : r.start+scanned+i]
			return r.checkLine(line, len(line)+1)
		}
		scanned = r.end - r.start
		if scanned-pos > r.MaxLine {
			return r.checkLine(r.buf[r.start+pos:r.end], 0)
		}
		if r.eof {
			line := r.buf[r.start+pos : r.end]
			switch {
			case len(line) == 0:
				return nil, 0, io.EOF
			case !r.Handwritten:
				r.line++
				return nil, 0, r.bad("Check that the file is whole", "does not end with a newline")
			}
			return r.checkLine(line, len(line))
		}
		if err := r.fill(); err != nil {
			return nil, 0, err
		}
	}
}

func (r *Reader) checkLine(line []byte, n int) ([]byte, int, error) {
	r.line++
	if len(line) > r.MaxLine {
		return nil, 0, r.bad("Check that this is the right file", "is longer than %d bytes", r.MaxLine)
	}
	if len(line) > 0 && line[len(line)-1] == '\r' {
		return nil, 0, r.bad("Save the file with line ends of Unix", "ends with a carriage return")
	}
	return line, n, nil
}

func (r *Reader) fill() error {
	const chunk = 256 << 10
	if r.buf == nil {
		r.buf = make([]byte, chunk)
	}
	if r.end == len(r.buf) {
		if r.start > 0 {
			r.end = copy(r.buf, r.buf[r.start:r.end])
			r.start = 0
		} else {
			r.buf = append(r.buf, make([]byte, len(r.buf))...)
		}
	}
	for range 100 {
		n, err := r.r.Read(r.buf[r.end:])
		r.end += n
		switch {
		case errors.Is(err, io.EOF):
			r.eof = true
			return nil
		case err != nil:
			return errs.E("debian.deb822", errs.KindOf(err), err)
		case n > 0:
			return nil
		}
	}
	return errs.E("debian.deb822", errs.Unavailable, io.ErrNoProgress).Hint("Try again")
}

// ParseParagraph reads data that must be exactly one paragraph, such as the control file of a
// binary package. What names it in errors.
func ParseParagraph(what string, data []byte) (Paragraph, error) {
	r := NewReader(bytes.NewReader(data))
	r.Name = what
	r.buf = make([]byte, len(data)+1) // one more, to see the end
	r.scratch, r.spans = make([]byte, 0, len(data)), make([]span, 0, 24)
	p, err := r.Next()
	if err == io.EOF {
		return nil, invalid("deb822", "Check that this is the right file", "%s is empty", what)
	}
	if err != nil {
		return nil, err
	}
	if _, err := r.Next(); err == nil {
		return nil, invalidLine("deb822", what, r.Line(), "Take out all but the first", "begins a second paragraph")
	} else if err != io.EOF {
		return nil, err
	}
	return p, nil
}
